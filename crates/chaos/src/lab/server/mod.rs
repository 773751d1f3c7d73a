//! A DNS server with faults: what it does to a query depends on the query's
//! group of names and type.

mod behaviour;
mod counts;
mod limits;
mod tcp;
mod udp;

use std::io::BufRead;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use serde::Deserialize;
use serde::Serialize;

pub(crate) use behaviour::Behaviour;
pub(crate) use behaviour::Does;
pub(crate) use behaviour::Of;
pub(crate) use counts::Served;
pub(crate) use limits::Limits;

use super::comm::set_comm;
use counts::Counters;
use limits::Limiter;
use udp::Udp;

/// How often a server that is told to end looks whether all delayed answers
/// have left.
const TICK: Duration = Duration::from_millis(10);

/// A server to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serve {
    /// Its process name, 15 bytes at most.
    pub(crate) comm: String,
    /// Where it listens, over UDP and TCP.
    pub(crate) listen: Vec<SocketAddr>,
    /// The first that fits a query decides; without one it is answered.
    pub(crate) behaviours: Vec<Behaviour>,
    /// What it does over UDP whatever it is asked.
    pub(crate) limits: Limits,
}

impl Serve {
    /// A server without faults.
    pub(crate) fn well(comm: &str, listen: SocketAddr) -> Self {
        Self {
            comm: comm.to_owned(),
            listen: vec![listen],
            behaviours: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// One that does this to all queries for names of the group `bad`.
    pub(crate) fn badly(comm: &str, listen: SocketAddr, does: Does) -> Self {
        Self {
            behaviours: vec![Behaviour::new(Of::Any, does)],
            ..Self::well(comm, listen)
        }
    }
}

/// Is a server, until its input ends.
pub(crate) fn run(serve: &Serve, mut input: impl BufRead, ready: impl FnOnce()) -> Result<Served> {
    set_comm(&serve.comm)?;
    let counters = Arc::new(Counters::default());
    let behaviours: Arc<[Behaviour]> = serve.behaviours.clone().into();
    for &address in &serve.listen {
        let taken = || format!("cannot listen on {address}");
        let socket = UdpSocket::bind(address).with_context(taken)?;
        let tcp = TcpListener::bind(address).with_context(taken)?;
        let limiter = Limiter::of(serve.limits, &socket)?;
        let udp = Udp::new(
            &socket,
            limiter,
            Arc::clone(&behaviours),
            Arc::clone(&counters),
        )?;
        // They end with the process.
        thread::spawn(move || udp.run(socket));
        let (behaviours, counters) = (Arc::clone(&behaviours), Arc::clone(&counters));
        thread::spawn(move || tcp::serve(&tcp, &behaviours, &counters));
    }
    ready();
    std::io::copy(&mut input, &mut std::io::sink())?;
    // Who was asked still answers, though nobody waits for it.
    while counters.owed.load(Relaxed) > 0 {
        thread::sleep(TICK);
    }
    Ok(counters.served())
}
