//! The faulty server's queries over UDP: one thread for each address.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::Counters;
use super::behaviour::Behaviour;
use super::behaviour::Does;
use super::limits::Limiter;
use crate::server::answer;

/// Answers that wait at once. With the client's rate no delay needs more; what
/// comes on top is answered at once.
const DELAYED_MAX: usize = 4_096;

/// An answer that is due at a time.
#[derive(Debug)]
struct Delayed {
    due: Instant,
    answer: Vec<u8>,
    client: SocketAddr,
}

/// What a thread owns.
#[derive(Debug)]
pub(super) struct Worker {
    socket: UdpSocket,
    /// The socket of wrong answers, where there are such.
    elsewhere: Option<UdpSocket>,
    behaviours: Arc<[Behaviour]>,
    limiter: Limiter,
    counters: Arc<Counters>,
    /// In the order in which they are due: a server has one delay.
    delayed: VecDeque<Delayed>,
}

impl Worker {
    /// Prepares the sockets.
    pub(super) fn new(
        socket: UdpSocket,
        limiter: Limiter,
        behaviours: Arc<[Behaviour]>,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let elsewhere = Behaviour::elsewhere(&behaviours);
        forbid_fragments(&socket)?;
        Ok(Self {
            socket,
            elsewhere: elsewhere.map(UdpSocket::bind).transpose()?,
            behaviours,
            limiter,
            counters,
            delayed: VecDeque::new(),
        })
    }

    /// Serves as long as the process lives.
    pub(super) fn run(mut self) {
        let mut buffer = [0; 65_535];
        loop {
            let wait = self.send_due();
            if self.socket.set_read_timeout(wait).is_err() {
                return;
            }
            // A timeout, or what an earlier answer's client said with ICMP.
            let Ok((len, client)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            self.counters.received.fetch_add(1, Relaxed);
            if self.limiter.serves() {
                self.serve(&buffer[..len], client);
            }
        }
    }

    fn serve(&mut self, query: &[u8], client: SocketAddr) {
        let does = Behaviour::of(&self.behaviours, query);
        let faulty = u64::from(does.is_some());
        self.counters.faulty.fetch_add(faulty, Relaxed);
        let answer = match does {
            Some(does) => does.answer_over_udp(query),
            None => answer(query),
        };
        let Some(answer) = answer else {
            return;
        };
        match does {
            Some(Does::Delay(time)) if self.delayed.len() < DELAYED_MAX => {
                let due = Instant::now() + time;
                self.counters.delayed.fetch_add(1, Relaxed);
                self.delayed.push_back(Delayed {
                    due,
                    answer,
                    client,
                });
            }
            Some(Does::From(_)) => {
                let from = self.elsewhere.as_ref().unwrap_or(&self.socket);
                self.counters.sent(from.send_to(&answer, client).is_ok());
            }
            _ => self.send(&answer, client),
        }
    }

    /// Sends what is due, and returns how long until the next one is.
    fn send_due(&mut self) -> Option<std::time::Duration> {
        loop {
            let next = self.delayed.front()?;
            let left = next.due.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Some(left);
            }
            if let Some(Delayed { answer, client, .. }) = self.delayed.pop_front() {
                self.send(&answer, client);
                self.counters.delayed.fetch_sub(1, Relaxed);
            }
        }
    }

    fn send(&self, answer: &[u8], client: SocketAddr) {
        let sent = self.socket.send_to(answer, client);
        self.counters.sent(sent.is_ok());
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
