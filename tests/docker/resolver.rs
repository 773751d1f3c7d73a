//! What is told of a query to 127.0.0.11, where Docker listens at a port of its own:
//! it knows the other containers, and asks the host's DNS for all else.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;

use serde_json::Value;

use crate::ask;
use crate::ask::dial;
use crate::ask::read_message;
use crate::ask::write_message;
use crate::daemon::Container;
use crate::daemon::DNS;
use crate::daemon::Daemon;
use crate::exchange::check_own;
use crate::message;
use crate::place::Place;
use crate::record::Record;
use crate::site::fence;
use crate::site::unique_zone;
use crate::unbound::Unbound;
use crate::watch::Watch;

/// What every container finds in its resolv.conf.
const EMBEDDED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), 53);
const WEB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
const DB: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 3));

/// Two containers, of which `web` asks.
struct Host<'a> {
    daemon: &'a Daemon,
    web: Container<'a>,
    /// The network of `web`, with the test in it.
    inside: Place,
    zone: String,
    unbound: Unbound,
    service: Place,
    watch: Watch,
}

impl<'a> Host<'a> {
    fn new(daemon: &'a Daemon, options: &[&str]) -> Self {
        let web = daemon.container("web", WEB);
        daemon.container("db", DB);
        let zone = unique_zone();
        let (unbound, service) = daemon.unbound(&zone);
        let inside = web.network();
        let namespaces = [&inside, &service].map(|place| place.namespace.inode());
        let mine = move |record: &Record| record.netns.is_some_and(|it| namespaces.contains(&it));
        let watch = Watch::start_in(&daemon.host(), options, mine);
        Self {
            daemon,
            web,
            inside,
            zone,
            unbound,
            service,
            watch,
        }
    }

    /// A name of the zone that the host's DNS has.
    fn name(&self, label: &str) -> String {
        format!("{label}.{}", self.zone)
    }

    /// All that was told of one query, which must be alike in every record: the
    /// client's, Docker's, and if it was forwarded, Docker's other and the server's.
    fn told(&mut self, query: &Query<'_>) -> Told {
        let number = if query.forwarded { 4 } else { 2 };
        let mut records = self.watch.records(number);
        records.extend(fence(&self.inside, &self.zone, &mut self.watch));
        let what = format!("{query:?} {records:#?}");
        assert_eq!(records.len(), number, "{what}");
        for record in &records {
            assert_eq!(record.name.as_deref(), Some(query.name), "{what}");
            assert_eq!(record.kind.as_deref(), Some("A"), "{what}");
            assert_eq!(record.transport, query.transport, "{what}");
            assert_eq!(record.outcome, query.outcome, "{what}");
            assert_eq!(record.rcode.as_deref(), query.rcode, "{what}");
            assert_eq!(record.attempt, 1, "{what}");
        }
        let (asked, forwarded): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| record.client.ip.is_loopback());
        let (asking, docker) = pair(asked);
        self.is_docker(&docker);
        assert_eq!(asking.server, EMBEDDED.into(), "{what}");
        assert_eq!(docker.server.ip, EMBEDDED.ip(), "{what}");
        assert_eq!(docker.server.port, self.listens(query.transport), "{what}");
        assert_eq!(asking.netns, docker.netns, "{what}");
        if query.forwarded {
            let (asking, serving) = pair(forwarded);
            self.is_docker(&asking);
            assert_eq!(asking.client.ip, WEB, "{what}");
            assert_eq!(asking.server, SocketAddr::new(DNS, 53).into(), "{what}");
            assert_eq!(serving.server, asking.server, "{what}");
            let pid = has_sent(&serving).then_some(self.unbound.pid());
            assert_eq!(serving.pid, pid, "{what}");
            let inode = self.service.namespace.inode();
            assert_eq!(serving.netns, Some(inode), "{what}");
            assert_eq!(serving.unit.as_deref(), Some("unbound.service"), "{what}");
        }
        Told { asking, docker }
    }

    /// Docker's sockets are in the container's network, Docker itself is a service.
    fn is_docker(&self, record: &Record) {
        let id = self.daemon.place.cgroup.id();
        assert_eq!(record.cgroup_id, Some(id), "{record:#?}");
        assert_eq!(record.netns, Some(self.inside.namespace.inode()));
        assert_eq!(record.container, Value::Null, "{record:#?}");
        let pid = has_sent(record).then_some(self.daemon.dockerd.pid());
        assert_eq!(record.pid, pid, "{record:#?}");
        // With version 1 the group of a runtime says nothing without its process.
        if has_sent(record) {
            assert_eq!(record.comm.as_deref(), Some("dockerd"), "{record:#?}");
            assert_eq!(record.unit.as_deref(), Some("docker.service"));
        }
    }

    /// The port that Docker chose.
    fn listens(&self, transport: &str) -> u16 {
        let path = format!("/proc/{}/net/{transport}", self.web.pid);
        let sockets = std::fs::read_to_string(path).expect("the list of sockets");
        // The second field is the socket's own end, here as a little-endian machine has it.
        let mut addresses = sockets
            .lines()
            .filter_map(|it| it.split_whitespace().nth(1));
        let port = addresses.find_map(|it| it.strip_prefix("0B00007F:"));
        let port = u16::from_str_radix(port.expect("Docker's socket"), 16).expect("a port");
        assert_ne!(port, 53);
        port
    }
}

/// What is asked, and what becomes of it.
#[derive(Debug)]
struct Query<'a> {
    name: &'a str,
    transport: &'static str,
    forwarded: bool,
    outcome: &'static str,
    rcode: Option<&'static str>,
}

/// Both ends of a query to the resolver.
struct Told {
    asking: Record,
    docker: Record,
}

/// Whether there is a process to tell: a server's is the one that answers.
fn has_sent(record: &Record) -> bool {
    record.role == "client" || record.outcome == "answered"
}

/// The client's and the server's record of one query.
fn pair(mut records: Vec<Record>) -> (Record, Record) {
    records.sort_by(|a, b| a.role.cmp(&b.role));
    let roles: Vec<_> = records.iter().map(|record| &record.role[..]).collect();
    assert_eq!(roles, ["client", "server"], "{records:#?}");
    let serving = records.remove(1);
    let asking = records.remove(0);
    assert_eq!(asking.id, serving.id, "{asking:#?} {serving:#?}");
    assert_eq!(asking.client, serving.client, "{asking:#?} {serving:#?}");
    assert_eq!(asking.answers, serving.answers, "{asking:#?} {serving:#?}");
    (asking, serving)
}

#[test]
fn root_docker_is_asked_by_a_container() {
    let daemon = Daemon::start();
    let mut host = Host::new(&daemon, &[]);
    for (name, forwarded, address) in [
        ("db".to_owned(), false, DB.to_string()),
        (host.name("www"), true, "192.0.2.1".to_owned()),
    ] {
        let said = host.web.ask(&name);
        assert!(said.contains(&address), "{said}");
        let query = Query {
            name: &name,
            transport: "udp",
            forwarded,
            outcome: "answered",
            rcode: Some("NOERROR"),
        };
        let Told { asking, docker } = host.told(&query);
        assert_eq!(asking.answers, Some(1), "{asking:#?}");
        assert_eq!(asking.comm.as_deref(), Some("nslookup"), "{asking:#?}");
        assert_eq!(asking.container, host.web.told(), "{asking:#?}");
        assert_eq!(asking.cgroup, Some(host.web.cgroup()), "{asking:#?}");
        assert!(docker.latency_ns <= asking.latency_ns, "{docker:#?}");
    }
}

/// By the test itself, which knows its sockets, in the container's network.
#[test]
fn root_docker_is_asked_over_udp_and_tcp() {
    let daemon = Daemon::start();
    let mut host = Host::new(&daemon, &[]);
    let cases = [
        ("db".to_owned(), false, "NOERROR"),
        (host.name("www"), true, "NOERROR"),
        (host.name("nothing"), true, "NXDOMAIN"),
    ];
    for (id, (name, forwarded, rcode)) in (1..).zip(&cases) {
        for transport in ["udp", "tcp"] {
            let message = message::query(id, &message::labels(name), message::A);
            let client = if transport == "udp" {
                let socket = ask::unconnected(&host.inside, EMBEDDED.ip());
                socket.send_to(&message, EMBEDDED).expect("to ask");
                let (_, from) = socket.recv_from(&mut [0; 512]).expect("an answer");
                assert_eq!(from, EMBEDDED, "translated back");
                socket.local_addr()
            } else {
                let mut stream = dial(&host.inside, EMBEDDED);
                write_message(&mut stream, &message);
                read_message(&mut stream);
                stream.local_addr()
            };
            let query = Query {
                name,
                transport,
                forwarded: *forwarded,
                outcome: "answered",
                rcode: Some(rcode),
            };
            let Told { asking, .. } = host.told(&query);
            check_own(&asking, &host.inside);
            let port = client.expect("an address").port();
            assert_eq!((asking.id, asking.client.port), (Some(id), port));
        }
    }
}

/// The host's DNS is silent, so Docker is, and each of them is told.
#[test]
fn root_docker_has_no_answer() {
    let daemon = Daemon::start();
    let mut host = Host::new(&daemon, &["--timeout", "1s"]);
    let name = host.name("silent");
    let message = message::query(7, &message::labels(&name), message::A);
    let socket = ask::connected(&host.inside, EMBEDDED);
    socket.send(&message).expect("to ask");
    let query = Query {
        name: &name,
        transport: "udp",
        forwarded: true,
        outcome: "unanswered",
        rcode: None,
    };
    let Told { asking, .. } = host.told(&query);
    check_own(&asking, &host.inside);
}
