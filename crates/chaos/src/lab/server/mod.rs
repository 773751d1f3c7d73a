//! A DNS server with faults: what it does to a query depends on the query's
//! group of names and type.

mod behaviour;
mod limits;

use std::io;
use std::io::BufRead;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use nix::errno::Errno;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use serde::Deserialize;
use serde::Serialize;

pub(crate) use behaviour::Does;
pub(crate) use behaviour::Of;
pub(crate) use limits::Limits;

use crate::testbed::server::Query;
use crate::testbed::server::Replies;
use crate::testbed::server::Server;
use crate::testbed::server::answer;
use limits::Limiter;

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

/// What a server did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Served {
    /// Queries read from its sockets.
    pub(crate) received: u64,
    /// Answers that the kernel took.
    pub(crate) answered: u64,
    /// Answers that the kernel would not take.
    pub(crate) unsent: u64,
    /// Of those received, queries for which a fault was foreseen.
    pub(crate) faulty: u64,
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
        forbid_fragments(socket)
    };
    let server = Server::start_with(&[serve.listen], prepare, reply)?;
    ready();
    io::copy(&mut input, &mut io::sink())?;
    let counts = server.stop();
    Ok(Served {
        received: counts.received,
        answered: counts.answered + faults.answered_elsewhere.load(Relaxed),
        unsent: counts.unsent + faults.unsent_elsewhere.load(Relaxed),
        faulty: faults.faulty.load(Relaxed),
    })
}

/// What is wrong with a server at work.
#[derive(Debug)]
struct Faults {
    fault: Option<(Of, Does)>,
    limiter: Limiter,
    /// The socket of answers from another address, where there are such.
    elsewhere: Option<UdpSocket>,
    answered_elsewhere: AtomicU64,
    unsent_elsewhere: AtomicU64,
    faulty: AtomicU64,
}

impl Faults {
    fn of(serve: &Serve) -> Result<Self> {
        let elsewhere = match serve.fault {
            Some((_, Does::From(address))) => Some(UdpSocket::bind(address)),
            _ => None,
        };
        let elsewhere = elsewhere.transpose();
        Ok(Self {
            fault: serve.fault,
            limiter: Limiter::of(serve.limits),
            elsewhere: elsewhere.context("cannot listen on the other address")?,
            answered_elsewhere: AtomicU64::new(0),
            unsent_elsewhere: AtomicU64::new(0),
            faulty: AtomicU64::new(0),
        })
    }

    fn reply(&self, query: Query<'_>) -> Replies {
        if !self.limiter.serves() {
            return Replies::new();
        }
        let fault = self.fault.filter(|(of, _)| of.fits(query.octets));
        let does = fault.map(|(_, does)| does);
        self.faulty.fetch_add(u64::from(does.is_some()), Relaxed);
        let answer = match does {
            Some(does) => does.answer(query.octets, query.over_tcp),
            None => answer(query.octets),
        };
        let Some(answer) = answer else {
            return Replies::new();
        };
        match (does, &self.elsewhere) {
            (Some(Does::From(_)), Some(elsewhere)) if !query.over_tcp => {
                let counter = match elsewhere.send_to(&answer, query.client) {
                    Ok(_) => &self.answered_elsewhere,
                    Err(_) => &self.unsent_elsewhere,
                };
                counter.fetch_add(1, Relaxed);
                Replies::new()
            }
            (Some(Does::Delay(time)), _) => vec![(time, answer)],
            _ => vec![(Duration::ZERO, answer)],
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
