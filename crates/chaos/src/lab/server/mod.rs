//! A DNS server with faults: what it does to a query depends on the query's
//! group of names and type.

mod behaviour;
mod limits;

use std::collections::HashMap;
use std::io;
use std::io::BufRead;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::socket::AddressFamily;
use nix::sys::socket::SockFlag;
use nix::sys::socket::SockType;
use nix::sys::socket::SockaddrStorage;
use nix::sys::socket::bind;
use nix::sys::socket::setsockopt;
use nix::sys::socket::socket;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::sockopt::ReusePort;
use serde::Deserialize;
use serde::Serialize;

pub(crate) use behaviour::Does;
pub(crate) use behaviour::Of;
pub(crate) use limits::Limits;

use crate::pace::Pace;
use crate::testbed::server::Query;
use crate::testbed::server::Replies;
use crate::testbed::server::Server;
use crate::testbed::server::answer;

/// A server to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serve {
    /// Its process name, 15 bytes at most.
    pub(crate) comm: String,
    /// Where it listens, over UDP and TCP.
    pub(crate) listen: SocketAddr,
    /// What it does to which queries; all others are answered.
    pub(crate) fault: Option<(Of, Does)>,
    /// What it does whatever it is asked.
    pub(crate) limits: Limits,
}

impl Serve {
    /// A server without faults.
    pub(crate) fn well(comm: &str, listen: SocketAddr) -> Self {
        Self {
            comm: comm.to_owned(),
            listen,
            fault: None,
            limits: Limits::default(),
        }
    }

    /// One that does this to all queries for names of the group `bad`.
    pub(crate) fn badly(comm: &str, listen: SocketAddr, does: Does) -> Self {
        Self {
            fault: Some((Of::Any, does)),
            ..Self::well(comm, listen)
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Served {
    pub(crate) received: u64,
    /// Answers that the kernel took.
    pub(crate) answered: u64,
    /// Answers that the kernel would not take.
    pub(crate) unsent: u64,
    /// Of those received, queries for which a fault was foreseen.
    pub(crate) faulty: u64,
}

impl Served {
    pub(crate) fn add(&mut self, more: &Self) {
        self.received += more.received;
        self.answered += more.answered;
        self.unsent += more.unsent;
        self.faulty += more.faulty;
    }
}

/// Is a server, until its input ends.
pub(crate) fn run(serve: &Serve, mut input: impl BufRead, ready: impl FnOnce()) -> Result<Served> {
    let faults = Arc::new(Faults::of(serve)?);
    let reply = {
        let faults = Arc::clone(&faults);
        move |query: Query<'_>| faults.reply(query)
    };
    let prepare = |socket: &UdpSocket| {
        if let Some(bytes) = serve.limits.receive_buffer {
            setsockopt(socket, RcvBuf, &bytes)?;
        }
        if serve.limits.unread_twin {
            setsockopt(socket, ReusePort, &true)?;
        }
        forbid_fragments(socket)
    };
    let server = Server::start_with(&[serve.listen], prepare, reply)?;
    let _twin = match serve.limits.unread_twin {
        true => Some(twin(serve.listen).context("cannot share the address")?),
        false => None,
    };
    ready();
    io::copy(&mut input, &mut io::sink())?;
    // One that is well leaves nobody behind; those that were overloaded end as they are.
    let counts = match serve.fault.is_none() && serve.limits == Limits::default() {
        true => server.finish(),
        false => server.stop(),
    };
    let mut served = faults.served().clone();
    served.received += counts.received;
    served.answered += counts.answered;
    served.unsent += counts.unsent;
    Ok(served)
}

/// A second socket at the address, which nobody reads: the kernel gives it its share of
/// the clients (socket(7), SO_REUSEPORT).
fn twin(listen: SocketAddr) -> io::Result<OwnedFd> {
    let family = match listen {
        SocketAddr::V4(_) => AddressFamily::Inet,
        SocketAddr::V6(_) => AddressFamily::Inet6,
    };
    let socket = socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, ReusePort, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(listen))?;
    Ok(socket)
}

/// RFC 1035 section 4.1.1.
const REFUSED: u8 = 5;

/// A server at work, with what is wrong with it.
#[derive(Debug)]
struct Faults {
    serve: Serve,
    pace: Mutex<Pace>,
    /// When those that are under way are answered, where their number is limited.
    in_flight: Mutex<Vec<Instant>>,
    /// Queries beyond the pace.
    beyond: AtomicU64,
    /// What each source port asked for last, where that counts. One that asks for another
    /// name is another socket's, which the kernel has given that port.
    ports: Mutex<HashMap<SocketAddr, Vec<u8>>>,
    /// The socket of answers from another address, where there are such.
    elsewhere: Option<UdpSocket>,
    /// What no other part of the server counts: what was faulty, and answers from
    /// elsewhere.
    served: Mutex<Served>,
}

impl Faults {
    fn of(serve: &Serve) -> Result<Self> {
        let elsewhere = match serve.fault {
            Some((_, Does::From(address))) => Some(UdpSocket::bind(address)),
            _ => None,
        };
        let elsewhere = elsewhere.transpose();
        Ok(Self {
            serve: serve.clone(),
            ports: Mutex::default(),
            in_flight: Mutex::default(),
            beyond: AtomicU64::default(),
            pace: Mutex::new(Pace::new(serve.limits.limit, Instant::now())),
            elsewhere: elsewhere.context("cannot listen on the other address")?,
            served: Mutex::default(),
        })
    }

    fn served(&self) -> MutexGuard<'_, Served> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Because of whom it is from.
    fn ignores(&self, query: &Query<'_>) -> bool {
        let limits = &self.serve.limits;
        limits.ignores == Some(query.client.ip())
            || (limits.first_of_port && !query.over_tcp && !self.is_first_of_port(query))
    }

    fn is_first_of_port(&self, query: &Query<'_>) -> bool {
        // The first label, with its length: the lab's names differ there.
        let name = query.octets.get(12..).unwrap_or_default();
        let len = name.first().map_or(0, |len| usize::from(*len) + 1);
        let label = name.get(..len).unwrap_or_default().to_vec();
        let mut ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        ports.insert(query.client, label.clone()) != Some(label)
    }

    /// How long it takes, if there is room for one more.
    fn takes(&self) -> Option<Duration> {
        let Some((most, takes)) = self.serve.limits.in_flight else {
            return Some(Duration::ZERO);
        };
        let now = Instant::now();
        let mut in_flight = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_flight.retain(|until| *until > now);
        let has_room = in_flight.len() < most;
        has_room.then(|| {
            in_flight.push(now + takes);
            takes
        })
    }

    fn reply(&self, query: Query<'_>) -> Replies {
        let limits = &self.serve.limits;
        let is_served = limits.serves(query.number, &self.pace) || (limits.slips && query.over_tcp);
        if !is_served {
            let nth = self.beyond.fetch_add(1, Relaxed);
            let slipped = (limits.slips && nth.is_multiple_of(2))
                .then(|| Does::Truncate.answer(query.octets, query.over_tcp));
            let slipped = slipped.flatten().into_iter();
            return slipped.map(|answer| (Duration::ZERO, answer)).collect();
        }
        if self.ignores(&query) {
            return Replies::new();
        }
        let Some(takes) = self.takes() else {
            let refused =
                (limits.refuses).then(|| Does::Rcode(REFUSED).answer(query.octets, query.over_tcp));
            let refused = refused.flatten().into_iter();
            return refused.map(|answer| (Duration::ZERO, answer)).collect();
        };
        let fault = self
            .serve
            .fault
            .filter(|(of, _)| of.fits(query.octets, query.over_tcp));
        let does = fault.map(|(_, does)| does);
        self.served().faulty += u64::from(does.is_some());
        let answer = match does {
            Some(does) => does.answer(query.octets, query.over_tcp),
            None => answer(query.octets),
        };
        let Some(answer) = answer else {
            return Replies::new();
        };
        match (does, &self.elsewhere) {
            (Some(Does::From(_)), Some(elsewhere)) if !query.over_tcp => {
                match elsewhere.send_to(&answer, query.client) {
                    Ok(_) => self.served().answered += 1,
                    Err(_) => self.served().unsent += 1,
                }
                Replies::new()
            }
            (Some(Does::Delay(time)), _) => vec![(time, answer)],
            _ => vec![(takes, answer)],
        }
    }
}

/// Sets the DF bit whatever routers say about the path (`IP_PMTUDISC_PROBE`,
/// ip(7)): with Linux's default the first "fragmentation needed" would make all
/// further answers fragments.
fn forbid_fragments(socket: &UdpSocket) -> io::Result<()> {
    let probe = libc::IP_PMTUDISC_PROBE;
    // SAFETY: the pointer and the length are those of an integer on this stack.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const probe).cast(),
            size_of_val(&probe) as libc::socklen_t,
        )
    };
    Errno::result(done)?;
    Ok(())
}
