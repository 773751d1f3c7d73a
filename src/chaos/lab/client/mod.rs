//! A program that looks names up, steadily, as a stub resolver does, and counts
//! precisely what it sent and what came of it.

mod counts;
mod exchange;
mod libc_lookup;
mod lookup;
mod origin;

use std::io::BufRead;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::bounded;
use domain::base::iana::Rtype;
use serde::Deserialize;
use serde::Serialize;

pub(super) use counts::Counts;
pub(super) use exchange::Query;
pub(super) use origin::Ports;

use super::name;
use origin::Origin;
use origin::Turns;

/// Lookups a second: enough for percentages within seconds (20 queries and 3
/// failures are what the doctor's rules need), and next to nothing for a CPU.
const RATE: NonZeroU32 = NonZeroU32::new(25).unwrap();

/// How long a lookup waits for each server. Shorter than glibc's 5 s, for a lab
/// that takes seconds, and shorter than any timeout that a doctor of labs uses
/// (2 s), so that a resend never hides how long the first attempt waited.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which types a lookup asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Types {
    /// A alone.
    A,
    /// A and AAAA at once from one socket, as getaddrinfo does.
    Both,
}

impl Types {
    fn list(self) -> &'static [Rtype] {
        match self {
            Self::A => &[Rtype::A],
            Self::Both => &[Rtype::A, Rtype::AAAA],
        }
    }
}

/// Whose lookups it makes as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Style {
    /// glibc: a connected socket for each lookup and server; the servers one
    /// after another, each after the patience with the one before or an error.
    Glibc,
    /// musl: an unconnected socket, and all servers asked at once.
    Musl,
    /// The C library's own `getaddrinfo`, with this as its resolv.conf. What it
    /// sends is its own affair: only the servers count it.
    Libc(String),
}

/// What the fault does to this program's queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Share {
    /// It breaks them, or some of each lookup.
    Broken,
    /// Nothing: all must be well.
    Healthy,
}

/// A client to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    /// Its process name, 15 bytes at most.
    pub(super) comm: String,
    /// What the fault does to it.
    pub(super) share: Share,
    /// The rule that must explain what is broken of it, where that is not the
    /// scenario's own.
    pub(super) rule: Option<String>,
    /// The nameservers, in the order of its resolv.conf.
    pub(super) servers: Vec<SocketAddr>,
    /// Its names are `qN.GROUP.ZONE`; servers behave by the group.
    pub(super) group: String,
    /// Names that it asks for in turn; 0 for one never asked before each time.
    pub(super) names: u64,
    /// What it asks for.
    pub(super) types: Types,
    /// From which ports.
    pub(super) ports: Ports,
    /// How it asks.
    pub(super) style: Style,
    /// Lookups a second.
    pub(super) rate: NonZeroU32,
    /// How long it waits for an answer before it sends again or gives up.
    pub(super) patience: Duration,
    /// How often it sends again to the same server, from the same socket and
    /// with the same id, what was not answered.
    pub(super) resends: u32,
    /// How long it lets an answer lie in its socket before it reads it.
    pub(super) reads_late: Duration,
    /// Size of answers that it takes over UDP (EDNS, RFC 6891); `None` without
    /// EDNS, which is 512 octets.
    pub(super) udp_payload: Option<u16>,
}

impl Ask {
    /// A glibc-like client of one server whose queries the fault breaks.
    pub(super) fn broken(comm: &str, server: SocketAddr) -> Self {
        Self {
            comm: comm.to_owned(),
            share: Share::Broken,
            rule: None,
            servers: vec![server],
            group: "bad".to_owned(),
            names: 0,
            types: Types::A,
            ports: Ports::Fresh,
            style: Style::Glibc,
            rate: RATE,
            patience: PATIENCE,
            resends: 0,
            reads_late: Duration::ZERO,
            udp_payload: None,
        }
    }

    /// The same for one whose queries are well.
    pub(super) fn healthy(comm: &str, server: SocketAddr) -> Self {
        Self {
            share: Share::Healthy,
            group: "good".to_owned(),
            ..Self::broken(comm, server)
        }
    }

    /// How long the longest lookup takes: every try at every server.
    fn longest(&self) -> Duration {
        let servers = match self.style {
            Style::Glibc => u32::try_from(self.servers.len()).unwrap_or(u32::MAX),
            Style::Musl | Style::Libc(_) => 1,
        };
        // One more for a connection over TCP.
        self.patience * (self.resends + 1) * servers + self.patience
    }
}

/// What starts a client that is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Go {
    /// Below this all names are.
    pub(super) zone: String,
    /// After this time all lookups have ended.
    pub(super) duration: Duration,
}

/// Is a client: waits for the start, then asks until the time is over or its
/// input ends. Lookups in flight are waited for in either case.
pub(super) fn run(
    ask: &Ask,
    mut input: impl BufRead + Send + 'static,
    ready: impl FnOnce(),
) -> Result<Counts> {
    name(&ask.comm)?;
    if let Style::Libc(resolv_conf) = &ask.style {
        libc_lookup::prepare(resolv_conf)?;
    }
    ready();
    let mut line = String::new();
    if input.read_line(&mut line)? == 0 {
        return Ok(Counts::default());
    }
    let go: Go = serde_json::from_str(&line).context("not a start")?;
    let (stopped, stop) = bounded::<()>(0);
    // It ends with the process: the input may outlast the lookups.
    thread::spawn(move || {
        let _ended = input.read(&mut [0]);
        drop(stopped);
    });
    // Half of a short time at least is for asking.
    let asking = (go.duration.saturating_sub(ask.longest())).max(go.duration / 2);
    ask_for(asking, ask, &go.zone, &stop)
}

/// Starts lookups for the time, or until `stop` is disconnected, and waits for
/// the last ones.
fn ask_for(time: Duration, ask: &Ask, zone: &str, stop: &Receiver<()>) -> Result<Counts> {
    let counts = Mutex::new(Counts::default());
    let look_up = |number, origin: &Origin| {
        let came = lookup::run(ask, zone, number, origin);
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add(&came);
    };
    let begin = Instant::now();
    let mut turns = Turns::new(ask, begin).context("cannot make a socket")?;
    thread::scope(|scope| -> Result<()> {
        for number in 0.. {
            let told = stop.recv_timeout(turns.wait()) != Err(RecvTimeoutError::Timeout);
            if told || begin.elapsed() > time {
                break;
            }
            let look_up = &look_up;
            match turns.take()? {
                origin @ Origin::Kept(_) => look_up(number, &origin),
                origin => drop(scope.spawn(move || look_up(number, &origin))),
            }
        }
        Ok(())
    })?;
    Ok(counts.into_inner().unwrap_or_else(PoisonError::into_inner))
}
