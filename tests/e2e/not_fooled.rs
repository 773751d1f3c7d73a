//! Forgers, reflectors, and packets that are not what they seem: kerno believes what
//! the client's own kernel and a careful resolver believe.

use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::time::Duration;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::read_message;
use crate::ask::unconnected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::forge;
use crate::forge::Forger;
use crate::forge::PSH_ACK;
use crate::forge::RST;
use crate::forge::Segment;
use crate::message;
use crate::record::Record;
use crate::site::CLIENT_V6;
use crate::site::SERVER_V4;
use crate::site::SERVER_V4_TOO;
use crate::site::SERVER_V6;
use crate::site::Site;
use crate::watch::Watch;

const NXDOMAIN: u8 = 3;

/// A short question waits in a slot, a long one in the map.
fn names(site: &Site) -> [String; 2] {
    ["www", &["long-label"; 6].join(".")].map(|label| site.name(label))
}

/// The query as the server has it, and who asks.
fn taken(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let patience = Some(crate::process::PATIENCE);
    server.set_read_timeout(patience).expect("a timeout");
    let mut buffer = [0; 512];
    let (len, from) = server.recv_from(&mut buffer).expect("a query");
    (buffer[..len].to_vec(), from)
}

/// One record by each role, with this outcome.
#[track_caller]
fn check_both(records: &[Record], outcome: &str, number: usize) {
    for role in ["client", "server"] {
        let told: Vec<_> = records.iter().filter(|r| r.role == role).collect();
        assert_eq!(told.len(), number, "{role}: {records:#?}");
        for record in told {
            assert_eq!(record.outcome, outcome, "{role}: {records:#?}");
            assert_eq!(record.attempt, 1, "{role}: {records:#?}");
        }
    }
}

/// The right id from the right address, but another question. The client, a resolver
/// of those that listen on, takes the real answer.
#[test]
fn root_not_fooled_by_an_answer_to_another_question() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let listens = fake_server::silent(&site.server, server);
    let forger = Forger::v4(&site.server);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let other = message::labels(&site.name("forged"));
    for name in names(&site) {
        for is_answered in [true, false] {
            let client = connected(&site.client, server);
            let query = message::query(7, &message::labels(&name), message::A);
            client.send(&query).expect("to ask");
            let (_, from) = taken(&listens);
            let forgery = message::answer(&message::query(7, &other, message::A), NXDOMAIN);
            forger.send(&forge::udp(server, from, &forgery), from.ip());
            let mut buffer = [0; 512];
            let len = client.recv(&mut buffer).expect("the forgery");
            assert_eq!(buffer[..len], forgery);
            if is_answered {
                let answer = message::answer(&query, 0);
                listens.send_to(&answer, from).expect("to answer");
                client.recv(&mut buffer).expect("the answer");
            }
            for record in &of_both(&site, &mut watch, is_answered) {
                assert_eq!(record.name.as_ref(), Some(&name), "{record:#?}");
                assert_ne!(record.rcode.as_deref(), Some("NXDOMAIN"), "{record:#?}");
            }
        }
    }
}

/// The records of one exchange, of either end: the real answer counts, the forged one is
/// ignored.
#[track_caller]
fn of_both(site: &Site, watch: &mut Watch, is_answered: bool) -> Vec<Record> {
    let mut records = watch.records(2);
    records.extend(site.records(watch));
    let outcome = match is_answered {
        true => "answered",
        false => "unanswered",
    };
    check_both(&records, outcome, 1);
    records
}

/// The right id and question from somebody else: a socket that is not connected takes
/// it, its process must look at the address.
#[test]
fn root_not_fooled_by_an_answer_from_another_address() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let listens = fake_server::silent(&site.server, server);
    let elsewhere = SocketAddr::new(SERVER_V4_TOO, 53);
    let forger = Forger::v4(&site.server);
    let mut watch = site.watch(&["--timeout", "1s"]);
    for name in names(&site) {
        for is_answered in [true, false] {
            let client = unconnected(&site.client, SERVER_V4);
            let query = message::query(8, &message::labels(&name), message::A);
            client.send_to(&query, server).expect("to ask");
            let (_, from) = taken(&listens);
            let forgery = message::answer(&query, NXDOMAIN);
            forger.send(&forge::udp(elsewhere, from, &forgery), from.ip());
            let mut buffer = [0; 512];
            let (_, who) = client.recv_from(&mut buffer).expect("the forgery");
            assert_eq!(who, elsewhere);
            if is_answered {
                let answer = message::answer(&query, 0);
                listens.send_to(&answer, from).expect("to answer");
                client.recv(&mut buffer).expect("the answer");
            }
            for record in &of_both(&site, &mut watch, is_answered) {
                assert_eq!(record.server, server.into(), "{record:#?}");
                assert_ne!(record.rcode.as_deref(), Some("NXDOMAIN"), "{record:#?}");
            }
        }
    }
}

/// Each query comes back as it is. Its client asked; it was not asked itself.
#[test]
fn root_not_fooled_by_a_reflector() {
    const QUERIES: u16 = 20;

    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let reflect = |query: &[u8], _| vec![(Duration::ZERO, query.to_vec())];
    fake_server::serve(&site.server, server, reflect);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let name = message::labels(&site.name("mirror"));
    let client = connected(&site.client, server);
    for id in 1..=QUERIES {
        let query = message::query(id, &name, message::A);
        client.send(&query).expect("to ask");
        client.recv(&mut [0; 512]).expect("it back");
    }
    let number = usize::from(QUERIES);
    let mut records = watch.records(2 * number);
    records.extend(site.records(&mut watch));
    check_both(&records, "unanswered", number);
    let port = client.local_addr().expect("a port").port();
    for record in records {
        assert_eq!(record.client.port, port, "{record:#?}");
        assert_eq!(record.server, server.into(), "{record:#?}");
    }
}

/// Many queries in one send, which the kernel cuts into datagrams.
#[test]
fn root_not_fooled_by_segmented_datagrams() {
    const QUERIES: u16 = 40;

    let site = Site::new();
    let mut watch = site.watch(&[]);
    for ip in [SERVER_V4, SERVER_V6] {
        let server = SocketAddr::new(ip, 53);
        fake_server::serve(&site.server, server, |query, _| at_once(query));
        for name in names(&site) {
            let name = message::labels(&name);
            let queries = (1..=QUERIES).map(|id| message::query(id, &name, message::A));
            let all: Vec<_> = queries.collect();
            let client = connected(&site.client, server);
            forge::segment(&client, all[0].len());
            // A packet of IPv4 and its headers have no more room than 65,535 octets.
            client.send(&all.concat()).expect("to ask");
            for _ in 1..=QUERIES {
                client.recv(&mut [0; 512]).expect("an answer");
            }
            // Answers that lie unread are told a moment later: one may find no room.
            let mut records = watch.records(2 * usize::from(QUERIES));
            records.extend(site.records(&mut watch));
            check_both(&records, "answered", usize::from(QUERIES));
        }
    }
}

/// A raw socket has copies of what is for the server; the server alone is asked.
#[test]
fn root_not_fooled_by_a_raw_socket() {
    const QUERIES: u16 = 20;

    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let sniffers = [&site.server, &site.client].map(forge::sniffer);
    let mut watch = site.watch(&["--timeout", "1s"]);
    let client = connected(&site.client, server);
    for name in names(&site) {
        for id in 1..=QUERIES {
            let query = message::query(id, &message::labels(&name), message::A);
            client.send(&query).expect("to ask");
            client.recv(&mut [0; 512]).expect("an answer");
        }
    }
    for sniffer in &sniffers {
        taken(sniffer); // they had their copies
    }
    let records = site.records(&mut watch);
    check_both(&records, "answered", 2 * usize::from(QUERIES));
    // And nothing that waits for its timeout: this one begins after all of them.
    let _listens = fake_server::silent(&site.server, SocketAddr::new(SERVER_V4_TOO, 53));
    let last = connected(&site.client, SocketAddr::new(SERVER_V4_TOO, 53));
    let query = message::query(1, &message::labels(&site.name("last")), message::A);
    last.send(&query).expect("to ask");
    check_both(&watch.records(2), "unanswered", 1);
}

/// One connection to a server that answers when it is told to.
struct Connection {
    site: Site,
    client: TcpStream,
    server: TcpStream,
    forger: Forger,
}

impl Connection {
    fn new() -> Self {
        let site = Site::new();
        let address = SocketAddr::new(SERVER_V4, 53);
        let listener = site
            .server
            .enter(|| TcpListener::bind(address).expect("a listener"));
        let client = dial(&site.client, address);
        let (server, _) = listener.accept().expect("a connection");
        server.set_nodelay(true).expect("no delay");
        let patience = Some(crate::process::PATIENCE);
        server.set_read_timeout(patience).expect("a timeout");
        let forger = Forger::v4(&site.server);
        Self {
            site,
            client,
            server,
            forger,
        }
    }

    /// Asks, has a forger at work while the query waits, and takes the answer.
    fn exchange(&mut self, id: u16, forge: impl FnOnce(&Self)) {
        let name = message::labels(&self.site.name("stream"));
        let query = message::query(id, &name, message::A);
        self.client
            .write_all(&message::with_length(&query))
            .expect("to ask");
        let query = read_message(&mut self.server);
        forge(self);
        self.server
            .write_all(&message::with_length(&message::answer(&query, 0)))
            .expect("to answer");
        read_message(&mut self.client);
    }

    /// Sends the client a segment as of its server.
    fn forge(&self, segment: Segment<'_>) {
        let from = SocketAddr::new(SERVER_V4, 53);
        let to = self.client.local_addr().expect("an address");
        self.forger.send(&forge::tcp(from, to, segment), to.ip());
    }
}

/// A reset counts at the next octet only (RFC 5961 section 3.2). The query waits until
/// kerno has told of a refusal that came later.
#[test]
fn root_not_fooled_by_a_blind_reset() {
    let mut connection = Connection::new();
    let closed = connected(&connection.site.client, SocketAddr::new(SERVER_V4_TOO, 53));
    let mut watch = connection.site.watch(&["--timeout", "10s"]);
    let offsets = [1_i32, -1, 1 << 10, 1 << 20, 1 << 30, -(1 << 30)];
    for (id, offset) in (1..).zip(offsets) {
        connection.exchange(id, |connection| {
            let (expected, ack) = forge::sequence_numbers(&connection.client);
            connection.forge(Segment {
                seq: expected.wrapping_add_signed(offset),
                ack,
                flags: RST,
                data: &[],
            });
            let later = message::query(
                id,
                &message::labels(&connection.site.name("later")),
                message::A,
            );
            closed.send(&later).expect("to ask");
            closed.recv(&mut [0; 512]).expect_err("a refusal");
            let refused = watch.records(1);
            assert_eq!(refused.len(), 1, "{refused:#?}");
            assert_eq!(refused[0].transport, "udp", "{refused:#?}");
        });
        check_both(&connection.site.records(&mut watch), "answered", 1);
    }
}

/// Data outside the window moves nothing, nor does what acknowledges octets that were
/// never sent.
#[test]
fn root_not_fooled_by_segments_outside_the_window() {
    let mut connection = Connection::new();
    let mut watch = connection.site.watch(&["--timeout", "1s"]);
    let ahead = [1_i32 << 24, 1 << 28, 1 << 30, -(1 << 10), -(1 << 30)].map(|seq| (seq, 0));
    let offsets = [&ahead[..], &[(0, 1 << 10), (0, 1 << 30), (0, -(1 << 30))]].concat();
    for (id, (seq, ack)) in (1..).zip(offsets.iter().copied()) {
        connection.exchange(id, |connection| {
            let (expected, acknowledged) = forge::sequence_numbers(&connection.client);
            connection.forge(Segment {
                seq: expected.wrapping_add_signed(seq),
                ack: acknowledged.wrapping_add_signed(ack),
                flags: PSH_ACK,
                data: &[0xff; 64],
            });
        });
    }
    let records = connection.site.records(&mut watch);
    check_both(&records, "answered", offsets.len());
}

/// The kernel takes more extension headers than RFC 8200 recommends.
#[test]
fn root_not_fooled_by_extension_headers() {
    const HEADERS: [usize; 3] = [1, 8, 12];

    let site = Site::new();
    let server = SocketAddr::new(SERVER_V6, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    // The answer comes to this one and to the raw socket that asked.
    let receiver = site.client.enter(|| {
        let free: SocketAddr = (CLIENT_V6, 0).into();
        UdpSocket::bind(free).expect("a socket")
    });
    let patience = Some(crate::process::PATIENCE);
    receiver.set_read_timeout(patience).expect("a timeout");
    let client = receiver.local_addr().expect("an address");
    let forger = Forger::v6_udp(&site.client);
    let mut watch = site.watch(&[]);
    for (id, headers) in (1..).zip(HEADERS) {
        let name = message::labels(&site.name("behind"));
        let query = message::query(id, &name, message::A);
        let packet = forge::udp_behind_options(client, server, &query, headers);
        forger.send(&packet, server.ip());
        receiver.recv(&mut [0; 512]).expect("an answer");
        // The answer lies unread in the raw socket, so it is told a moment later.
        let mut records = watch.records(2);
        records.extend(site.records(&mut watch));
        check_both(&records, "answered", 1);
        for record in records {
            assert_eq!(record.id, Some(id), "{record:#?}");
            assert_eq!(record.client, client.into(), "{record:#?}");
        }
    }
}
