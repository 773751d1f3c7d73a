//! What nearly every test needs: a place for the client, another for the
//! server, a cable between them, a zone's name, and a way to know that `kerno
//! watch` has told everything.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use crate::exchange::Side;
use crate::message;
use crate::place::Place;
use crate::place::link;
use crate::process::PATIENCE;
use crate::record::Record;
use crate::unbound::Unbound;
use crate::watch::Watch;

/// The addresses at the client's end of the cable.
pub(crate) const CLIENT_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
pub(crate) const CLIENT_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
/// Those at the server's end.
pub(crate) const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
pub(crate) const SERVER_V4_TOO: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 3));
pub(crate) const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));

/// Two places joined by a cable.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) zone: String,
    pub(crate) client: Place,
    pub(crate) server: Place,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self {
            zone: unique_zone(),
            client: Place::new(),
            server: Place::new(),
        };
        link(&site.client.namespace, &site.server.namespace);
        site
    }

    /// unbound on port 53 of the server's addresses.
    pub(crate) fn unbound(&self) -> Unbound {
        Unbound::start(&self.server, &self.zone, &[SERVER_V4, SERVER_V6], 53)
    }

    /// A name in the test's zone.
    pub(crate) fn name(&self, label: &str) -> String {
        format!("{label}.{}", self.zone)
    }

    /// Starts `kerno watch`; what happens in the two places is the test's.
    pub(crate) fn watch(&self, options: &[&str]) -> Watch {
        let namespaces = [&self.client, &self.server].map(|place| place.namespace.inode());
        let zone = self.zone.clone();
        let mine = move |record: &Record| {
            record
                .netns
                .is_some_and(|netns| namespaces.contains(&netns))
                || record.in_zone(&zone)
        };
        Watch::start(options, mine)
    }

    /// Who answers when unbound does.
    pub(crate) fn serving<'a>(&'a self, unbound: &Unbound, ip: IpAddr) -> Side<'a> {
        Side {
            pid: unbound.pid(),
            comm: "unbound",
            place: &self.server,
            ip,
        }
    }

    /// Everything that `kerno watch` has to say of this test's queries up to
    /// now, except of attempts that are still waiting. See [`fence`].
    pub(crate) fn records(&self, watch: &mut Watch) -> Vec<Record> {
        fence(&self.client, &self.zone, watch)
    }

    /// So many, which are waited for, and everything else as [`Self::records`].
    pub(crate) fn all_records(&self, watch: &mut Watch, least: usize) -> Vec<Record> {
        let mut records = watch.records(least);
        records.extend(self.records(watch));
        records
    }

    /// The one that is waited for, and there is no other.
    pub(crate) fn the_only_record(&self, watch: &mut Watch) -> Record {
        let mut records = self.all_records(watch, 1);
        assert_eq!(records.len(), 1, "{records:#?}");
        records.remove(0)
    }
}

/// A zone that no other test has, on this machine and at this time.
pub(crate) fn unique_zone() -> String {
    // Always of the same length, and none of its labels has the ten octets that would
    // be a line feed to a shell that writes a query.
    let (process, number) = (std::process::id(), unique_number());
    format!("t{process:07}n{number:04}.kerno.test")
}

/// A loopback address that no other test has; every namespace has all of 127/8.
pub(crate) fn unique_loopback() -> IpAddr {
    let [.., high, low] = std::process::id().to_be_bytes();
    let number = u8::try_from(unique_number() % 128).expect("below 128");
    Ipv4Addr::new(127, 64 + number, high, low).into()
}

fn unique_number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);

    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// Asks and answers a query of its own and reads on until both sides of it are
/// told. Records come in the order in which attempts end, so whatever ended
/// before the fence has been told then, and what is missing will not come.
pub(crate) fn fence(place: &Place, zone: &str, watch: &mut Watch) -> Vec<Record> {
    let name = format!("fence.{zone}");
    place.enter(|| {
        let address = SocketAddr::new(unique_loopback(), 53);
        let server = UdpSocket::bind(address).expect("the fence's server");
        let client = UdpSocket::bind("127.0.0.1:0").expect("the fence's client");
        for socket in [&server, &client] {
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        }
        let query = message::query(7, &message::labels(&name), message::A);
        client.send_to(&query, address).expect("to ask");
        let (_, from) = server.recv_from(&mut [0; 512]).expect("the fence's query");
        server
            .send_to(&message::answer(&query, 0), from)
            .expect("to answer");
        client.recv_from(&mut [0; 512]).expect("the fence's answer");
    });
    let of_fence = |record: &Record| record.name.as_ref() == Some(&name);
    let mut records = watch.until("the fence", |seen| {
        ["client", "server"]
            .iter()
            .all(|role| seen.iter().any(|r| of_fence(r) && r.role == *role))
    });
    records.retain(|record| !of_fence(record));
    records
}
