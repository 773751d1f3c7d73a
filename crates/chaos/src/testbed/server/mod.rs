//! A DNS server over UDP and TCP that says whatever it is told to say, when it is
//! told to.
//!
//! Each address has a thread for each transport, and each connection one of its
//! own. What they have no time for waits in the kernel, so that an overload looks
//! from outside as that of a real server does.

mod answer;
mod outbox;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::io::PipeReader;
use std::io::PipeWriter;
use std::net::Shutdown;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use nix::poll::PollFd;
use nix::poll::PollFlags;

pub use answer::A_ANSWER;
pub use answer::AAAA_ANSWER;
pub use answer::answer;
use outbox::Outbox;

use super::client;
use crate::pace::Pace;
use crate::wait::is_ready;
use crate::wait::wait;

/// How often a free port is looked for that UDP and TCP can share.
const PORT_TRIES: u32 = 32;

/// Connections of an address that are served at once; further ones wait in the
/// listen backlog.
const STREAMS_MAX: usize = 64;

/// Queries that are still answered when a server finishes.
const QUEUED_MAX: u32 = 1_000;

/// How long `accept` is left alone where it has no room for another connection, or
/// fails (no descriptors left).
const PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may say nothing. RFC 7766 section 6.2.3 asks for
/// "a few seconds" and leaves the figure open.
const IDLE: Duration = Duration::from_secs(10);

/// A message that came.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What it says.
    pub octets: &'a [u8],
    /// Whose it is.
    pub client: SocketAddr,
    /// How many came before it.
    pub number: u64,
    /// Whether it came over TCP.
    pub over_tcp: bool,
}

/// What to send for a query, and how long after it came. May be nothing.
pub type Replies = Vec<(Duration, Vec<u8>)>;

/// An address could not be listened on. Callers tell by `source.kind()` which
/// remedy to name.
#[derive(Debug)]
pub struct ListenError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.address)
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// What a server did with the messages that reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages taken from the sockets.
    pub received: u64,
    /// Replies that the kernel took.
    pub answered: u64,
    /// Replies that it would not take.
    pub unsent: u64,
}

/// A running server. Dropping it stops it: what is still queued stays unanswered (but see
/// [`Server::finish`]), what waits for its time is sent.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    counts: Arc<Mutex<Counts>>,
    /// Whether what is queued is answered before it stops.
    empties: Arc<AtomicBool>,
    /// Closed to stop the threads, which see the end of the pipe.
    stop: Option<PipeWriter>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens on every address over UDP and TCP, in the caller's network
    /// namespace. Port 0 takes a free one, the same for both.
    ///
    /// An answer from the socket of a wildcard address may leave with another source
    /// than was asked.
    pub fn start(
        listen: &[SocketAddr],
        reply: impl Fn(Query<'_>) -> Replies + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        Self::start_with(listen, |_socket| Ok(()), reply)
    }

    /// The same with UDP sockets that `prepare` has set up.
    pub fn start_with(
        listen: &[SocketAddr],
        prepare: impl Fn(&UdpSocket) -> io::Result<()>,
        reply: impl Fn(Query<'_>) -> Replies + Send + Sync + 'static,
    ) -> Result<Self, ListenError> {
        let failed = |address| move |source| ListenError { address, source };
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let (reader, writer) = io::pipe().map_err(failed(nowhere))?;
        let mut server = Self {
            addresses: Vec::new(),
            counts: Arc::default(),
            empties: Arc::default(),
            stop: Some(writer),
            threads: Vec::new(),
        };
        let desk = Arc::new(Desk {
            reply,
            counts: Arc::clone(&server.counts),
            empties: Arc::clone(&server.empties),
            stop: reader,
        });
        for &address in listen {
            let (udp, tcp) = bind(address)?;
            prepare(&udp).map_err(failed(address))?;
            let bound = udp.local_addr().map_err(failed(address))?;
            server.addresses.push(bound);
            let [for_udp, for_tcp] = [Arc::clone(&desk), Arc::clone(&desk)];
            let spawned = [
                thread::Builder::new().spawn(move || for_udp.serve_udp(&udp)),
                thread::Builder::new().spawn(move || for_tcp.serve_tcp(&tcp)),
            ];
            for thread in spawned {
                server.threads.push(thread.map_err(failed(address))?);
            }
        }
        Ok(server)
    }

    /// Where it listens, in the order asked for, with the ports it got.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops it and says what it did.
    pub fn stop(mut self) -> Counts {
        self.end();
        *locked(&self.counts)
    }

    /// Answers what is queued over UDP, stops and says what it did.
    pub fn finish(self) -> Counts {
        self.empties.store(true, Relaxed);
        self.stop()
    }

    fn end(&mut self) {
        self.stop = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                log::warn!("a thread of kerno's DNS server panicked");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Says what [`answer()`] does, at most so many times a second; `None` is no limit.
/// What is no query is not answered, and costs no turn, as it costs a real server
/// next to nothing.
pub fn well(service_rate: Option<NonZeroU32>) -> impl Fn(Query<'_>) -> Replies {
    let pace = Mutex::new(Pace::new(service_rate, Instant::now()));
    let turn = move || {
        let mut pace = locked(&pace);
        let now = Instant::now();
        let left = pace.until_next(now).unwrap_or_default();
        pace.take(now);
        left
    };
    move |query| {
        let Some(answer) = answer(query.octets) else {
            return Replies::new();
        };
        thread::sleep(turn());
        vec![(Duration::ZERO, answer)]
    }
}

/// Opens both sockets of an address, which never block; port 0 takes a free one.
pub fn bind(address: SocketAddr) -> Result<(UdpSocket, TcpListener), ListenError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    let mut open = || loop {
        let udp = UdpSocket::bind(address)?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((udp, tcp));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
            Err(error) => return Err(error),
        }
    };
    open().map_err(|source| ListenError { address, source })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the threads share.
struct Desk<R> {
    reply: R,
    counts: Arc<Mutex<Counts>>,
    empties: Arc<AtomicBool>,
    /// Its other end is closed to stop them.
    stop: PipeReader,
}

impl<R: Fn(Query<'_>) -> Replies + Send + Sync> Desk<R> {
    fn replies(&self, octets: &[u8], client: SocketAddr, over_tcp: bool) -> Replies {
        let mut counts = locked(&self.counts);
        let number = counts.received;
        counts.received += 1;
        drop(counts);
        (self.reply)(Query {
            octets,
            client,
            number,
            over_tcp,
        })
    }

    fn sent<T>(&self, result: &io::Result<T>) {
        let mut counts = locked(&self.counts);
        let count = match result {
            Ok(_) => &mut counts.answered,
            Err(_) => &mut counts.unsent,
        };
        *count += 1;
    }

    /// Waits for what the socket has; false when the server is to stop.
    fn await_work(&self, socket: PollFd<'_>, timeout: Option<Duration>) -> bool {
        let mut fds = [socket, PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        wait(&mut fds, timeout).is_ok() && !is_ready(&fds[1])
    }

    fn serve_udp(&self, socket: &UdpSocket) {
        let mut outbox = Outbox::new(|octets: &[u8], client| {
            self.sent(&socket.send_to(octets, client));
        });
        let mut buffer = [0; 65_535];
        let work = || PollFd::new(socket.as_fd(), PollFlags::POLLIN);
        let mut serve_one = |outbox: &mut Outbox<_>| {
            let (len, client) = socket.recv_from(&mut buffer)?;
            for (after, octets) in self.replies(&buffer[..len], client, false) {
                outbox.put(after, octets, client);
            }
            io::Result::Ok(())
        };
        while self.await_work(work(), outbox.send_due()) {
            // Nothing there after all, such as a datagram with a wrong checksum, or
            // what an earlier answer's client said with ICMP.
            let _nothing = serve_one(&mut outbox);
        }
        if self.empties.load(Relaxed) {
            let _all_that_there_was = (0..QUEUED_MAX).try_for_each(|_| serve_one(&mut outbox));
        }
        // Who was asked still answers.
        while let Some(left) = outbox.send_due() {
            thread::sleep(left);
        }
    }

    fn serve_tcp(&self, listener: &TcpListener) {
        thread::scope(|scope| {
            let mut open: Vec<Weak<TcpStream>> = Vec::new();
            loop {
                open.retain(|stream| stream.strong_count() > 0);
                let has_room = open.len() < STREAMS_MAX;
                let (events, timeout) = match has_room {
                    true => (PollFlags::POLLIN, None),
                    false => (PollFlags::empty(), Some(PAUSE)),
                };
                if !self.await_work(PollFd::new(listener.as_fd(), events), timeout) {
                    break;
                }
                if !has_room {
                    continue;
                }
                let Ok((stream, client)) = listener.accept() else {
                    thread::sleep(PAUSE);
                    continue;
                };
                let stream = Arc::new(stream);
                open.push(Arc::downgrade(&stream));
                // A client that went away is no fault of the server, and one without a
                // thread is turned away.
                let converse = move || self.converse(&stream, client);
                let _turned_away = thread::Builder::new().spawn_scoped(scope, converse);
            }
            for stream in open.iter().filter_map(Weak::upgrade) {
                let _gone_already = stream.shutdown(Shutdown::Both);
            }
        });
    }

    fn converse(&self, mut stream: &TcpStream, client: SocketAddr) -> io::Result<()> {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_write_timeout(Some(IDLE))?;
        // An answer is written whole; waiting for more only delays it.
        stream.set_nodelay(true)?;
        loop {
            let query = client::read_message(&mut stream)?;
            for (after, octets) in self.replies(&query, client, true) {
                thread::sleep(after);
                let written = client::write_message(&mut stream, &octets);
                self.sent(&written);
                written?;
            }
        }
    }
}
