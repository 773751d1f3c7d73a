//! A client and a server on one thread: a query and its answer over loopback, with
//! nobody else to wait for.

use std::io;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use domain::base::iana::Rtype;
use kerno_chaos::testbed::client;
use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use crate::site::DNS_PORT;
use crate::site::Site;

/// Where the digits of the name begin: behind the header, a length and `host`.
const DIGITS: usize = 12 + 1 + 4;
const DIGITS_LEN: usize = 7;

/// Of the third octet: an answer; of the fourth: of a server that asks others (RFC 1035
/// section 4.1.1).
const QR: u8 = 0x80;
const RA: u8 = 0x80;

/// The two sockets. The client is connected, as glibc's is; the server is not.
#[derive(Debug)]
pub(crate) struct Pair {
    client: UdpSocket,
    server: UdpSocket,
    query: Vec<u8>,
    id: u16,
    buffer: [u8; 512],
}

impl Pair {
    /// A server at this port of the site's loopback address, and its client.
    pub(crate) fn new(site: &Site, port: u16) -> Result<Self> {
        Self::between(site, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// A server at the port that is watched, of this address, and its client.
    pub(crate) fn at(site: &Site, address: Ipv4Addr) -> Result<Self> {
        Self::between(site, SocketAddr::from((address, DNS_PORT)))
    }

    fn between(site: &Site, address: SocketAddr) -> Result<Self> {
        let sockets = || -> io::Result<_> {
            let server = UdpSocket::bind(address)?;
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            client.connect(server.local_addr()?)?;
            Ok((client, server))
        };
        let sockets = site.namespace.enter(sockets)?;
        let (client, server) = sockets.with_context(|| format!("{address} is taken"))?;
        let name = format!("host{:0width$}.bench.test", 0, width = DIGITS_LEN);
        Ok(Self {
            client,
            server,
            query: client::query(&name, Rtype::A, None)?,
            id: 0,
            buffer: [0; 512],
        })
    }

    /// Asks for another name from now on: one of ten million.
    pub(crate) fn name(&mut self, number: usize) {
        let digits = format!("{number:0width$}", width = DIGITS_LEN);
        self.query[DIGITS..DIGITS + DIGITS_LEN].copy_from_slice(digits.as_bytes());
    }

    /// A query and its answer: two sends and two reads.
    pub(crate) fn exchange(&mut self) -> io::Result<()> {
        self.ask()?;
        self.answer()?;
        self.client.recv(&mut self.buffer)?;
        Ok(())
    }

    /// The query, and whom others are to ask it.
    pub(crate) fn question(&self) -> io::Result<(&[u8], SocketAddr)> {
        Ok((&self.query, self.server.local_addr()?))
    }

    /// Takes a query, and answers it.
    pub(crate) fn answer(&mut self) -> io::Result<()> {
        let (len, from) = self.server.recv_from(&mut self.buffer)?;
        self.buffer[2] |= QR;
        self.buffer[3] |= RA;
        self.server.send_to(&self.buffer[..len], from)?;
        Ok(())
    }

    /// A query that the server takes and never answers.
    pub(crate) fn ask_in_vain(&mut self) -> io::Result<()> {
        self.ask()?;
        self.server.recv_from(&mut self.buffer)?;
        Ok(())
    }

    fn ask(&mut self) -> io::Result<()> {
        self.id = self.id.wrapping_add(1);
        self.query[..2].copy_from_slice(&self.id.to_be_bytes());
        self.client.send(&self.query)?;
        Ok(())
    }

    /// Exchanges for so long, one after the other. How many there were.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<u64> {
        let begin = Instant::now();
        let mut count = 0;
        while begin.elapsed() < time {
            self.exchange()?;
            count += 1;
        }
        Ok(count)
    }

    /// The same, so many a second and evenly: it waits for each one's time without
    /// sleeping, because a sleep ends late.
    pub(crate) fn run_paced(&mut self, time: Duration, per_second: u32) -> io::Result<u64> {
        let begin = Instant::now();
        let interval = Duration::from_secs(1) / per_second;
        let mut count = 0;
        while begin.elapsed() < time {
            while begin.elapsed() < interval * count {
                std::hint::spin_loop();
            }
            self.exchange()?;
            count += 1;
        }
        Ok(u64::from(count))
    }
}

/// Calls `f` on a thread that the last CPU has for itself, as far as this process goes.
pub(crate) fn on_one_core<T: Send>(f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let cpus = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        let pinned = scope.spawn(|| {
            let mut last = CpuSet::new();
            last.set(cpus - 1)?;
            sched_setaffinity(Pid::from_raw(0), &last).context("cannot choose a CPU")?;
            f()
        });
        pinned
            .join()
            .unwrap_or_else(|_| bail!("a thread of the bench died"))
    })
}

/// Nanoseconds of one of many calls: the least of many short batches.
pub(crate) fn least_ns(
    batches: u32,
    calls: u32,
    mut call: impl FnMut() -> io::Result<()>,
) -> io::Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..batches {
        let begin = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        least = least.min(begin.elapsed().as_nanos() as f64 / f64::from(calls));
    }
    Ok(least)
}
