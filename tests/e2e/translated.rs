//! Queries that netfilter sends elsewhere, to another port: Docker's embedded
//! resolver, the redirects of a service mesh, a service whose pods listen at :5353.
//! A client's record says what its socket asked; the server's, where it listens.

use std::io::Write as _;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use kerno_chaos::testbed::client::any;
use nix::sys::socket as sys;

use crate::ask::connected;
use crate::ask::dial;
use crate::ask::read_message;
use crate::ask::unconnected;
use crate::exchange::check_own;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::firewall::nft;
use crate::message;
use crate::place::Place;
use crate::record::Endpoint;
use crate::router::ip;
use crate::site::CLIENT_V4;
use crate::site::SERVER_V4;
use crate::site::SERVER_V6;
use crate::site::Site;

/// Docker's embedded resolver, which listens at a port of its own.
const EMBEDDED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
const EMBEDDED_PORT: u16 = 41_235;
/// Where a mesh's proxy takes DNS.
const PROXY_PORT: u16 = 15_053;
/// A service address that no host has.
const SERVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 96, 0, 10));
const POD_PORT: u16 = 5353;

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Connected,
    Unconnected,
    Tcp,
}

const WAYS: [Way; 3] = [Way::Connected, Way::Unconnected, Way::Tcp];

/// Who is behind the translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Answers,
    Nobody,
    Silence,
}

/// A translation at the client's end.
struct Translation {
    site: Site,
    /// What the client's socket asks.
    asked: SocketAddr,
    /// Where that goes.
    serves: SocketAddr,
    /// Whether the server is in the client's own namespace.
    inside: bool,
}

impl Translation {
    fn docker() -> Self {
        let serves = SocketAddr::new(EMBEDDED, EMBEDDED_PORT);
        let rule = format!("ip daddr {EMBEDDED} th dport 53 dnat ip to {serves}");
        Self::new(SocketAddr::new(EMBEDDED, 53), serves, true, &rule)
    }

    /// Whatever is asked at port 53, the proxy on loopback answers.
    fn mesh(server: IpAddr) -> Self {
        let loopback: IpAddr = match server {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let asked = SocketAddr::new(server, 53);
        let serves = SocketAddr::new(loopback, PROXY_PORT);
        // Not the fence's.
        let rule = format!("oifname != lo th dport 53 redirect to :{PROXY_PORT}");
        Self::new(asked, serves, true, &rule)
    }

    fn service() -> Self {
        let serves = SocketAddr::new(SERVER_V4, POD_PORT);
        let rule = format!("ip daddr {SERVICE} th dport 53 dnat ip to {serves}");
        Self::new(SocketAddr::new(SERVICE, 53), serves, false, &rule)
    }

    fn new(asked: SocketAddr, serves: SocketAddr, inside: bool, rule: &str) -> Self {
        let site = Site::new();
        let client = &site.client.namespace;
        if !inside {
            ip(client, &format!("route add {} dev cable", asked.ip()));
        }
        let rules = format!(
            "add table inet service; \
             add chain inet service output {{ type nat hook output priority -100; }}; \
             add rule inet service output meta l4proto {{ tcp, udp }} {rule}"
        );
        nft(client, &rules);
        Self {
            site,
            asked,
            serves,
            inside,
        }
    }

    fn server(&self) -> &Place {
        if self.inside {
            &self.site.client
        } else {
            &self.site.server
        }
    }

    /// Asks in each way, and holds what is told to what happened.
    fn check(&self, behind: Behind) {
        let _server = Server::start(self.server(), self.serves, behind);
        let mut watch = self.site.watch(&["--timeout", "1s"]);
        for (id, way) in (1..).zip(WAYS) {
            let client = self.ask(way, behind, id);
            let number = if behind == Behind::Nobody { 1 } else { 2 };
            let mut records = watch.records(number);
            records.extend(self.site.records(&mut watch));
            let what = format!("{way:?} {behind:?} {records:#?}");
            assert_eq!(records.len(), number, "{what}");
            for record in &records {
                let (outcome, server) = match (behind, &record.role[..]) {
                    (Behind::Answers, "client") => ("answered", self.asked),
                    (Behind::Answers, _) => ("answered", self.serves),
                    (Behind::Silence, "client") => ("unanswered", self.asked),
                    (Behind::Silence, _) => ("unanswered", self.serves),
                    (Behind::Nobody, _) => ("refused", self.asked),
                };
                let transport = if way == Way::Tcp { "tcp" } else { "udp" };
                assert_eq!(record.outcome, outcome, "{what}");
                assert_eq!(record.transport, transport, "{what}");
                assert_eq!(record.server, server.into(), "{what}");
                assert_eq!(record.client.port, client.port, "{what}");
                assert_eq!(record.attempt, 1, "{what}");
                if record.role == "client" {
                    check_own(record, &self.site.client);
                } else {
                    assert_eq!(
                        record.netns,
                        Some(self.server().namespace.inode()),
                        "{what}"
                    );
                }
                // A refused connection had no query yet.
                let is_named = behind != Behind::Nobody || way != Way::Tcp;
                assert_eq!(record.id, is_named.then_some(id), "{what}");
                let name = is_named.then(|| self.site.name("asked"));
                assert_eq!(record.name, name, "{what}");
            }
            let clients = records.iter().filter(|r| r.role == "client").count();
            assert_eq!(clients, 1, "{what}");
        }
    }

    fn ask(&self, way: Way, behind: Behind, id: u16) -> Endpoint {
        let (client, asked) = (&self.site.client, self.asked);
        let name = message::labels(&self.site.name("asked"));
        let query = message::query(id, &name, message::A);
        if way == Way::Tcp {
            return ask_by_tcp(client, asked, behind, &query);
        }
        let socket = if way == Way::Connected {
            connected(client, asked)
        } else {
            unconnected(client, asked.ip())
        };
        if way == Way::Connected {
            socket.send(&query).expect("to ask");
        } else {
            socket.send_to(&query, asked).expect("to ask");
        }
        match (behind, way) {
            (Behind::Answers, _) => {
                let (_, from) = socket.recv_from(&mut [0; 512]).expect("an answer");
                assert_eq!(from, asked, "translated back");
            }
            (Behind::Nobody, Way::Connected) => {
                socket.recv(&mut [0; 512]).expect_err("a refusal");
            }
            _ => (),
        }
        socket.local_addr().expect("an address").into()
    }
}

fn ask_by_tcp(place: &Place, asked: SocketAddr, behind: Behind, query: &[u8]) -> Endpoint {
    if behind == Behind::Nobody {
        return place.enter(|| dial_in_vain(asked));
    }
    let mut stream = dial(place, asked);
    let local = stream.local_addr().expect("an address");
    stream
        .write_all(&message::with_length(query))
        .expect("to ask");
    if behind == Behind::Answers {
        read_message(&mut stream);
    } else {
        // The connection stays, for nothing to end the query but time.
        std::mem::forget(stream);
    }
    local.into()
}

/// A connection that is refused, from a port that is known.
fn dial_in_vain(asked: SocketAddr) -> Endpoint {
    let family = match asked {
        SocketAddr::V4(_) => sys::AddressFamily::Inet,
        SocketAddr::V6(_) => sys::AddressFamily::Inet6,
    };
    let flags = sys::SockFlag::SOCK_CLOEXEC;
    let socket = sys::socket(family, sys::SockType::Stream, flags, None).expect("a socket");
    let free = sys::SockaddrStorage::from(SocketAddr::new(any(asked.ip()), 0));
    sys::bind(socket.as_raw_fd(), &free).expect("to bind");
    let to = sys::SockaddrStorage::from(asked);
    sys::connect(socket.as_raw_fd(), &to).expect_err("a refusal");
    let local = TcpStream::from(socket).local_addr();
    local.expect("an address").into()
}

/// A server over UDP and TCP, or none; a silent one as long as this is there.
struct Server {
    _silent: Option<(UdpSocket, TcpListener)>,
}

impl Server {
    fn start(place: &Place, address: SocketAddr, behind: Behind) -> Self {
        if behind == Behind::Nobody {
            return Self { _silent: None };
        }
        if behind == Behind::Answers {
            fake_server::serve(place, address, |query, _| at_once(query));
            return Self { _silent: None };
        }
        let udp = fake_server::silent(place, address);
        // What is not accepted is acknowledged nevertheless.
        let tcp = place.enter(|| TcpListener::bind(address).expect("a listener"));
        Self {
            _silent: Some((udp, tcp)),
        }
    }
}

#[test]
fn root_translated_by_docker_answered() {
    Translation::docker().check(Behind::Answers);
}

#[test]
fn root_translated_by_docker_refused() {
    Translation::docker().check(Behind::Nobody);
}

#[test]
fn root_translated_by_docker_unanswered() {
    Translation::docker().check(Behind::Silence);
}

#[test]
fn root_translated_by_a_mesh_answered() {
    Translation::mesh(SERVER_V4).check(Behind::Answers);
    Translation::mesh(SERVER_V6).check(Behind::Answers);
}

#[test]
fn root_translated_by_a_mesh_refused() {
    Translation::mesh(SERVER_V4).check(Behind::Nobody);
    Translation::mesh(SERVER_V6).check(Behind::Nobody);
}

#[test]
fn root_translated_by_a_mesh_unanswered() {
    Translation::mesh(SERVER_V4).check(Behind::Silence);
    Translation::mesh(SERVER_V6).check(Behind::Silence);
}

#[test]
fn root_translated_to_another_host_answered() {
    Translation::service().check(Behind::Answers);
}

#[test]
fn root_translated_to_another_host_refused() {
    Translation::service().check(Behind::Nobody);
}

#[test]
fn root_translated_to_another_host_unanswered() {
    Translation::service().check(Behind::Silence);
}

/// The source port is changed on the way out: the client's record has its socket's,
/// the server's the one that came.
#[test]
fn root_translated_source_port() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    let _server = Server::start(&site.server, server, Behind::Answers);
    nft(
        &site.client.namespace,
        "add table ip service; \
         add chain ip service out { type nat hook postrouting priority 100; }; \
         add rule ip service out oifname cable meta l4proto { tcp, udp } \
         masquerade to :20000-20999",
    );
    let translation = Translation {
        site,
        asked: server,
        serves: server,
        inside: false,
    };
    let mut watch = translation.site.watch(&[]);
    for (id, way) in (1..).zip(WAYS) {
        let client = translation.ask(way, Behind::Answers, id);
        let records = translation.site.records(&mut watch);
        let [serving, asking] = &records[..] else {
            panic!("{way:?}: not two: {records:#?}")
        };
        for (record, role) in [(serving, "server"), (asking, "client")] {
            assert_eq!(record.role, role, "{way:?} {records:#?}");
            assert_eq!(record.outcome, "answered", "{way:?} {records:#?}");
            assert_eq!(record.id, Some(id), "{way:?} {records:#?}");
            assert_eq!(record.server, server.into(), "{way:?} {records:#?}");
            assert_eq!(record.client.ip, CLIENT_V4, "{way:?} {records:#?}");
        }
        assert_eq!(asking.client.port, client.port, "{way:?} {records:#?}");
        assert!(
            (20_000..21_000).contains(&serving.client.port),
            "{way:?} {records:#?}"
        );
    }
}
