//! Sampling while the doctor watches, without holding it up.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use crossbeam_channel::Receiver;
use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;
use crossbeam_channel::select;
use crossbeam_channel::tick;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::HostSample;
use super::baseline::Baseline;
use super::flows::Wanted;
use super::memory::Kills;
use super::missing;
use super::probe::ProbeRequest;
use super::probe::look_again;
use super::probe::look_at;
use super::probe::look_at_put_off;
use super::readers::Readers;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::FailedCall;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::SlowRead;
use crate::counters::Watches;
use crate::host::netns;
use crate::host::proc::Root;
use crate::pace::Pace;
use crate::thresholds::LATE_READ_NS;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::thresholds::QUEUED_BYTES;

/// Client processes that are looked at. A process keeps 1 to 2 KiB.
const CLIENTS_MAX: usize = 512;

/// Of these, so many may be processes without a failed attempt.
const UNHARMED_CLIENTS_MAX: usize = CLIENTS_MAX / 2;

const SERVERS_MAX: usize = 64;

/// Pairs of namespace and peer for which a route is looked up.
const ROUTES_MAX: usize = 256;

/// Network namespaces that are read again each second, which takes some 0.1 ms
/// each.
const DROPPING_MAX: usize = 64;

/// Failed attempts whose connection tracking entries are looked for first.
const FAILED_MAX: usize = 4096;

/// Network namespaces whose ports are looked at, once each.
const PORTS_LOOKED_AT_MAX: usize = 16;

/// DNS ports; the monitor has eight at most.
const PORTS_MAX: usize = 64;

/// New processes in a second: a look takes some 0.2 ms (see the test
/// `what_a_look_costs`), so 200 take 4 % of a core.
const NEWCOMERS_PER_SECOND: u32 = 200;

/// How long the end waits for a file that does not answer: some file systems of
/// containers (FUSE, NFS) may never do.
const PATIENCE: Duration = Duration::from_secs(2);

/// Gathers while the doctor watches.
///
/// Files are read by a thread of its own: they may be slow, and those of a
/// container may even hang.
#[derive(Debug)]
pub struct Sampler {
    root: Root,
    baseline: Arc<Mutex<Baseline>>,
    /// Whom the thread is to look at; it ends when this does.
    requests: Sender<ProbeRequest>,
    /// Disconnected when the thread has ended.
    done: Receiver<()>,
    pace: Pace,
    clients: HashMap<u32, Known>,
    servers: HashMap<u32, Known>,
    /// Keeps the search for those who have ended from being made all the time.
    tidying: Pace,
    namespaces: HashSet<u32>,
    namespaces_left_out: HashSet<u32>,
    dropping: HashSet<u32>,
    routes: HashSet<(u32, IpAddr)>,
    ports: HashSet<u32>,
    listeners: HashSet<(u32, SocketAddr)>,
    bound: HashSet<(u32, SocketAddr)>,
    wanted: Wanted,
    readers: Readers,
    /// Keeps questions from being asked again all the time.
    questions: Pace,
    not_looked_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// The name at that time: another one may be another process with the same
    /// number.
    comm: Comm,
    harmed: bool,
}

impl Sampler {
    /// Reads what counts from now on: conntrack and UDP counters of every network
    /// namespace of the host, softnet. `watches` are what of the kernel is looked at meanwhile.
    pub fn start(root: Root, watches: Watches) -> Self {
        let begun = Instant::now();
        let mut baseline = Baseline::open(root.clone(), Kills::of(watches.oom));
        baseline.resent = watches.resent;
        baseline.waits.can = watches.waits;
        baseline.waits.always = watches.always;
        baseline.look_at_waits();
        let namespaces: HashSet<u32> = baseline.namespaces().collect();
        let (count, took) = (namespaces.len(), begun.elapsed());
        log::debug!("read the counters of {count} network namespaces in {took:?}");
        let baseline = Arc::new(Mutex::new(baseline));
        // A second's worth, and all who may be forgotten; who finds no room is
        // not looked at.
        let (requests, to_look_at) = bounded(NEWCOMERS_PER_SECOND as usize + CLIENTS_MAX);
        let (ended, done) = bounded(0);
        let (files, shared) = (root.clone(), Arc::clone(&baseline));
        let spawned = thread::Builder::new()
            .name("kerno-sampler".to_owned())
            .spawn(move || {
                let _ended: Sender<()> = ended;
                work(&files, &shared, &to_look_at);
            });
        if let Err(error) = spawned {
            log::warn!("processes are not looked at: no thread for it ({error})");
        }
        Self {
            root,
            baseline,
            requests,
            done,
            pace: Pace::new(NEWCOMERS_PER_SECOND, Instant::now()),
            clients: HashMap::new(),
            servers: HashMap::new(),
            tidying: Pace::new(1, Instant::now()),
            namespaces,
            namespaces_left_out: HashSet::new(),
            dropping: HashSet::new(),
            routes: HashSet::new(),
            ports: HashSet::new(),
            listeners: HashSet::new(),
            bound: HashSet::new(),
            wanted: Wanted {
                ports: [53].into(),
                ..Wanted::default()
            },
            readers: Readers::default(),
            questions: Pace::new(1, Instant::now()),
            not_looked_at: 0,
        }
    }

    /// Looks at whose attempt this is; cheap for those already known (one hash
    /// lookup each for process and namespace), bounded in number.
    pub fn meet(&mut self, attempt: &Attempt) {
        let port = attempt.server().port();
        if !self.wanted.ports.contains(&port) && self.wanted.ports.len() < PORTS_MAX {
            self.wanted.ports.insert(port);
        }
        if may_have_waited(attempt) {
            self.ask_for_waits();
        }
        let owner = &attempt.owner;
        self.meet_namespace(owner.netns, owner.pid);
        if let Some(drop) = &attempt.drop {
            self.meet_drop(drop.netns);
        }
        if attempt.outcome.is_failure() && attempt.role == Role::Client {
            if self.wanted.failed.len() < FAILED_MAX {
                self.wanted.failed.insert((attempt.local, attempt.peer));
                self.wanted.namespaces.insert(owner.netns);
            }
            self.meet_route(attempt);
            self.meet_ports(attempt);
        }
        match owner.pid {
            Some(pid) => self.meet_process(pid, attempt),
            None if attempt.role == Role::Server => self.meet_listener(attempt),
            None => {}
        }
    }

    /// Whether threads wait for a CPU is an open question from now on.
    fn ask_for_waits(&mut self) {
        if self.questions.allows(Instant::now()) {
            // Another question of the same kind will come.
            let _no_room = self.requests.try_send(ProbeRequest::Waits);
        }
    }

    /// Where queries were discarded before a server could see them: is there one?
    pub fn meet_suspect(&mut self, (netns, address): (u32, SocketAddr)) {
        self.meet_drop(netns);
        let request = ProbeRequest::Bound { netns, address };
        if netns != 0
            && self.bound.len() < SERVERS_MAX
            && !self.bound.contains(&(netns, address))
            && self.requests.try_send(request).is_ok()
        {
            self.bound.insert((netns, address));
        }
    }

    /// A server that has not answered since kerno watches.
    fn meet_listener(&mut self, attempt: &Attempt) {
        let (netns, address) = (attempt.owner.netns, attempt.local);
        let request = ProbeRequest::Listener { netns, address };
        if netns != 0
            && self.listeners.len() < SERVERS_MAX
            && !self.listeners.contains(&(netns, address))
            && self.requests.try_send(request).is_ok()
        {
            self.listeners.insert((netns, address));
        }
    }

    fn meet_process(&mut self, pid: u32, attempt: &Attempt) {
        let comm = attempt.owner.comm;
        let harmed = attempt.outcome.is_failure();
        let (known, max) = match attempt.role {
            Role::Server => (&mut self.servers, SERVERS_MAX),
            Role::Client if harmed => (&mut self.clients, CLIENTS_MAX),
            Role::Client => (&mut self.clients, UNHARMED_CLIENTS_MAX),
        };
        let room = match known.get_mut(&pid) {
            Some(before) => {
                before.harmed |= harmed;
                if before.comm == comm {
                    return;
                }
                true
            }
            None => known.len() < max,
        };
        let role = attempt.role;
        let request = ProbeRequest::Process { role, pid };
        let now = Instant::now();
        if room && self.pace.allows(now) && self.requests.try_send(request).is_ok() {
            known.insert(pid, Known { comm, harmed });
            return;
        }
        self.not_looked_at += 1;
        if !room && attempt.role == Role::Client && self.tidying.allows(now) {
            self.forget_the_gone();
        }
    }

    /// Makes room: a client that has ended without harm has nothing to explain.
    fn forget_the_gone(&mut self) {
        let requests = &self.requests;
        self.clients.retain(|&pid, known| {
            let gone = i32::try_from(pid)
                .is_ok_and(|pid| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH));
            known.harmed || !gone || requests.try_send(ProbeRequest::Gone { pid }).is_err()
        });
    }

    fn meet_namespace(&mut self, netns: u32, pid: Option<u32>) {
        if netns == 0 || self.namespaces.contains(&netns) {
            return;
        }
        let request = ProbeRequest::Namespace {
            netns,
            pid,
            drops: false,
        };
        if self.namespaces.len() == netns::MAX {
            if self.namespaces_left_out.len() < netns::MAX {
                self.namespaces_left_out.insert(netns);
            }
        } else if self.pace.allows(Instant::now()) && self.requests.try_send(request).is_ok() {
            self.namespaces.insert(netns);
        }
    }

    fn meet_drop(&mut self, netns: u32) {
        self.meet_namespace(netns, None);
        let request = ProbeRequest::Namespace {
            netns,
            pid: None,
            drops: true,
        };
        if self.namespaces.contains(&netns)
            && self.dropping.len() < DROPPING_MAX
            && !self.dropping.contains(&netns)
            && self.requests.try_send(request).is_ok()
        {
            self.dropping.insert(netns);
        }
    }

    /// For what failed before there was a packet, or because of one that came
    /// back with "unreachable".
    fn meet_route(&mut self, attempt: &Attempt) {
        let unreachable = matches!(
            attempt.reason.as_ref(),
            Some(Reason::Errno(errno))
                if [Errno::ENETUNREACH as i32, Errno::EHOSTUNREACH as i32].contains(errno)
        );
        let netns = attempt.owner.netns;
        let route = (netns, attempt.peer.ip());
        if (unreachable || attempt.failed_call.is_some())
            && netns != 0
            && self.routes.len() < ROUTES_MAX
            && !self.routes.contains(&route)
        {
            let request = ProbeRequest::Route {
                netns,
                pid: attempt.owner.pid,
                ip: attempt.peer.ip(),
            };
            if self.requests.try_send(request).is_ok() {
                self.routes.insert(route);
            }
        }
    }

    /// For calls that failed for want of a port, or without saying why.
    fn meet_ports(&mut self, attempt: &Attempt) {
        let wants_port = match (attempt.failed_call, &attempt.reason) {
            (Some(_), Some(Reason::Errno(errno))) => {
                [Errno::EAGAIN as i32, Errno::EADDRNOTAVAIL as i32].contains(errno)
            }
            (Some(FailedCall::Connect), None) => true,
            _ => false,
        };
        let (netns, pid) = (attempt.owner.netns, attempt.owner.pid);
        if wants_port
            && netns != 0
            && self.ports.len() < PORTS_LOOKED_AT_MAX
            && !self.ports.contains(&netns)
            && self
                .requests
                .try_send(ProbeRequest::Ports { netns, pid })
                .is_ok()
        {
            self.ports.insert(netns);
        }
    }

    /// Looks at who read answers late: one small file for each process.
    pub fn meet_readers(&mut self, reads: &[SlowRead]) {
        if reads.iter().any(|read| read.lay_ns >= LATE_READ_NS) {
            self.ask_for_waits();
        }
        self.readers.look_at(&self.root, reads);
    }

    /// Ends a window: reads everything once more, and what was read counts for the next.
    pub fn roll(&mut self) -> HostSample {
        let ports = self.wanted.ports.clone();
        let next = Wanted {
            ports,
            ..Wanted::default()
        };
        let wanted = Box::new(std::mem::replace(&mut self.wanted, next));
        let (tell, told) = bounded(1);
        let request = ProbeRequest::Roll { wanted, tell };
        let asked = self.requests.send_timeout(request, PATIENCE);
        let sample = asked.ok().and_then(|()| told.recv_timeout(PATIENCE).ok());
        let mut sample = sample.unwrap_or_else(|| {
            let mut missing = missing::Missing::default();
            missing.add(missing::STUCK, 1);
            HostSample {
                missing: missing.sentences(),
                ..HostSample::default()
            }
        });
        sample.not_looked_at = std::mem::take(&mut self.not_looked_at);
        sample.readers = std::mem::take(&mut self.readers).close();
        // Each is met anew, so that its figures are those of the window.
        self.clients.clear();
        self.servers.clear();
        self.dropping.clear();
        self.routes.clear();
        self.listeners.clear();
        self.bound.clear();
        self.ports.clear();
        self.namespaces_left_out.clear();
        sample
    }

    /// Reads everything once more.
    pub fn finish(self) -> HostSample {
        drop(self.requests);
        let stuck = self.done.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        // A panic elsewhere leaves nothing half written in there.
        let mut baseline = self.baseline.lock().unwrap_or_else(PoisonError::into_inner);
        let mut baseline = std::mem::take(&mut *baseline);
        let missing = &mut baseline.missing;
        missing.add(missing::STUCK, stuck.into());
        missing.add(missing::NAMESPACES_LEFT_OUT, self.namespaces_left_out.len());
        let begun = Instant::now();
        let mut sample = baseline.close(&self.wanted);
        log::debug!("read everything once more in {:?}", begun.elapsed());
        sample.not_looked_at = self.not_looked_at;
        sample.readers = self.readers.close();
        sample
    }
}

/// Whether a server of this host left the query unanswered, or answered it slowly.
fn may_have_waited(attempt: &Attempt) -> bool {
    attempt.role == Role::Server
        && (attempt.outcome.is_failure()
            || attempt.elapsed().as_nanos() > u128::from(LATENCY_WARNING_NS)
            || attempt.queued_bytes >= QUEUED_BYTES)
}

/// What the thread does until nobody can ask for anything any more.
fn work(root: &Root, baseline: &Mutex<Baseline>, requests: &Receiver<ProbeRequest>) {
    let seconds = tick(Duration::from_secs(1));
    let mut put_off = Vec::new();
    loop {
        select! {
            recv(requests) -> request => {
                // At the end there is no other time.
                if matches!(request, Ok(ProbeRequest::Roll { .. }) | Err(_)) {
                    look_at_put_off(root, baseline, &mut put_off);
                }
                match request {
                    Ok(request) => put_off.extend(look_at(root, baseline, request)),
                    Err(_) => break,
                }
            }
            recv(seconds) -> _ => {
                look_at_put_off(root, baseline, &mut put_off);
                let mut baseline = baseline.lock().unwrap_or_else(PoisonError::into_inner);
                // While the groups of who was killed are still there.
                baseline.look_at_kills();
                baseline.look_at_servers();
                baseline.look_at_descriptors();
                look_again(&mut baseline);
                baseline.look_at_waits();
                baseline.look_for_namespaces();
                baseline.look_at_drops();
            }
        }
    }
}

#[cfg(test)]
mod tests;
