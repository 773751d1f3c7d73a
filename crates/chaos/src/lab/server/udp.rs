//! The faulty server's queries over UDP: one thread for each address.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::behaviour::Behaviour;
use super::behaviour::Does;
use super::counts::Counters;
use super::limits::Limiter;
use crate::server::answer;
use crate::testbed::server;
use crate::testbed::server::Query;
use crate::testbed::server::Replies;

/// What a thread owns.
#[derive(Debug)]
pub(super) struct Udp {
    /// The socket of wrong answers, where there are such.
    elsewhere: Option<UdpSocket>,
    behaviours: Arc<[Behaviour]>,
    limiter: Limiter,
    counters: Arc<Counters>,
}

impl Udp {
    /// Prepares the socket.
    pub(super) fn new(
        socket: &UdpSocket,
        limiter: Limiter,
        behaviours: Arc<[Behaviour]>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let elsewhere = Behaviour::elsewhere(&behaviours);
        forbid_fragments(socket)?;
        Ok(Self {
            elsewhere: elsewhere.map(UdpSocket::bind).transpose()?,
            behaviours,
            limiter,
            counters,
        })
    }

    /// Serves as long as the process lives.
    pub(super) fn run(mut self, socket: UdpSocket) {
        let counters = Arc::clone(&self.counters);
        let sent = |taken| {
            counters.sent(taken);
            counters.owed.fetch_sub(1, Relaxed);
        };
        server::serve(socket, |query| self.reply(query), sent);
    }

    fn reply(&mut self, query: Query<'_>) -> Replies {
        self.counters.received.fetch_add(1, Relaxed);
        if !self.limiter.serves() {
            return Replies::new();
        }
        let does = Behaviour::of(&self.behaviours, query.octets);
        let faulty = u64::from(does.is_some());
        self.counters.faulty.fetch_add(faulty, Relaxed);
        let answer = match does {
            Some(does) => does.answer_over_udp(query.octets),
            None => answer(query.octets),
        };
        let Some(answer) = answer else {
            return Replies::new();
        };
        if let (Some(Does::From(_)), Some(elsewhere)) = (does, &self.elsewhere) {
            let taken = elsewhere.send_to(&answer, query.client);
            self.counters.sent(taken.is_ok());
            return Replies::new();
        }
        let after = match does {
            Some(Does::Delay(time)) => time,
            _ => Duration::ZERO,
        };
        self.counters.owed.fetch_add(1, Relaxed);
        vec![(after, answer)]
    }
}

/// Sets the DF bit whatever routers say about the path (`IP_PMTUDISC_PROBE`,
/// ip(7)): with Linux's default the first "fragmentation needed" would make all
/// further answers fragments.
fn forbid_fragments(socket: &UdpSocket) -> io::Result<()> {
    let probe = libc::IP_PMTUDISC_PROBE;
    let len = size_of_val(&probe) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of an integer on this stack.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const probe).cast(),
            len,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
