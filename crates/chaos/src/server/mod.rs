//! kerno's own small DNS server: the one that the flood overloads, and the one
//! that tests ask.
//!
//! One thread serves UDP and TCP on any number of addresses, at most so many
//! queries a second. Its queue is the socket's receive buffer in the kernel, so
//! an overload looks from outside as that of a real server does.

mod answer;
mod counts;
mod stream;
#[cfg(test)]
mod tests;
mod worker;

use std::fmt;
use std::io;
use std::io::PipeWriter;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::Context as _;

pub use answer::A_ANSWER;
pub use answer::AAAA_ANSWER;
pub(super) use answer::answer;
use counts::Counters;
pub use counts::Counts;
use worker::Worker;

use super::pace::Pace;

/// How often a free port is looked for that UDP and TCP can share.
const PORT_TRIES: u32 = 32;

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

/// A running server. Dropping it stops it at once: what is still queued stays
/// unanswered.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    counters: Arc<Counters>,
    /// Closed to stop the worker, which sees the end of the pipe.
    stop: Option<PipeWriter>,
    worker: Option<JoinHandle<io::Result<()>>>,
}

impl Server {
    /// Listens on every address over UDP and TCP, in the caller's network
    /// namespace, and serves at most `service_rate` queries a second in all;
    /// `None` is no limit. Port 0 takes a free one, the same for both.
    ///
    /// The addresses must be addresses of an interface: an answer from a
    /// wildcard socket may leave with another source than was asked.
    pub fn start(
        listen: &[SocketAddr],
        service_rate: Option<NonZeroU32>,
    ) -> Result<Self, ListenError> {
        let mut addresses = Vec::new();
        let mut udp = Vec::new();
        let mut tcp = Vec::new();
        for &address in listen {
            let sockets = bind(address).map_err(|source| ListenError { address, source })?;
            addresses.push(sockets.0);
            udp.push(sockets.1);
            tcp.push(sockets.2);
        }
        let counters = Arc::new(Counters::default());
        let spawn = || {
            let (reader, writer) = io::pipe()?;
            let worker = Worker {
                udp,
                tcp,
                pace: Pace::new(service_rate, Instant::now()),
                counters: Arc::clone(&counters),
                stop: reader,
            };
            let thread = thread::Builder::new().name("kerno-dns".to_owned());
            Ok((writer, thread.spawn(|| worker.run())?))
        };
        let (stop, worker) = spawn().map_err(|source| ListenError {
            address: listen.first().copied().unwrap_or(([0, 0, 0, 0], 0).into()),
            source,
        })?;
        Ok(Self {
            addresses,
            counters,
            stop: Some(stop),
            worker: Some(worker),
        })
    }

    /// Where it listens, in the order asked for, with the ports it got.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it did so far.
    pub fn counts(&self) -> Counts {
        self.counters.snapshot()
    }

    /// Stops it and says what it did; an error if it had ended by itself.
    pub fn stop(mut self) -> anyhow::Result<Counts> {
        self.join().context("kerno's DNS server failed")?;
        Ok(self.counters.snapshot())
    }

    fn join(&mut self) -> io::Result<()> {
        self.stop = None;
        match self.worker.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("its thread panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.join() {
            log::warn!("kerno's DNS server failed: {error}");
        }
    }
}

/// Opens both sockets of an address, non-blocking.
fn bind(address: SocketAddr) -> io::Result<(SocketAddr, UdpSocket, TcpListener)> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        let udp = UdpSocket::bind(address)?;
        let bound = udp.local_addr()?;
        match TcpListener::bind(bound) {
            Ok(tcp) => {
                udp.set_nonblocking(true)?;
                tcp.set_nonblocking(true)?;
                return Ok((bound, udp, tcp));
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 1 => tries -= 1,
            Err(error) => return Err(error),
        }
    }
}
