//! The first look at whom an attempt brought.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Instant;

use crossbeam_channel::Sender;

use super::HostSample;
use super::baseline::Baseline;
use super::cgroups::Controller;
use super::flows::Wanted;
use super::history::History;
use super::listener;
use super::listener::LOOKS_MAX;
use super::memory::MemoryBaseline;
use super::missing;
use super::ports;
use crate::attempt::Role;
use crate::host::proc::Root;
use crate::host::proc::maps;
use crate::host::proc::resolv_conf;
use crate::host::proc::route;

/// At how many addresses that nothing was found at it looks in a second.
const LOOKS_AT_A_TIME: usize = 16;

#[derive(Clone, Debug)]
pub(super) enum ProbeRequest {
    Process {
        role: Role,
        pid: u32,
    },
    /// A client that has ended and was not harmed: nobody will ask for it.
    Gone {
        pid: u32,
    },
    /// A server's socket whose process is not known.
    Listener {
        netns: u32,
        address: SocketAddr,
    },
    /// An address that queries were discarded on their way to.
    Bound {
        netns: u32,
        address: SocketAddr,
    },
    /// A namespace that was not there at the start, or in which packets are
    /// dropped, and a process that has a socket in it.
    Namespace {
        netns: u32,
        pid: Option<u32>,
        drops: bool,
    },
    /// Something was slow or unanswered: whether a process waits for a CPU is looked at.
    Waits,
    /// A window is over.
    Roll {
        wanted: Box<Wanted>,
        tell: Sender<HostSample>,
    },
    /// A call failed for want of a port.
    Ports {
        netns: u32,
        pid: Option<u32>,
    },
    /// The way from a namespace to an address.
    Route {
        netns: u32,
        pid: Option<u32>,
        ip: IpAddr,
    },
}

/// Looks at one of them. The baseline is locked only while something is written or
/// read from procfs and control groups; files of strangers, which may hang, are
/// read while it is not. Gives the request back if nothing leads into its namespace: that may be
/// younger than the last search, and who asked from there may have ended.
pub(super) fn look_at(
    root: &Root,
    baseline: &Mutex<Baseline>,
    request: ProbeRequest,
) -> Option<ProbeRequest> {
    let lock = || baseline.lock().unwrap_or_else(PoisonError::into_inner);
    match request {
        ProbeRequest::Process {
            role: Role::Server,
            pid,
        } => server(&mut lock(), pid),
        ProbeRequest::Process {
            role: Role::Client,
            pid,
        } => client(root, lock, pid),
        ProbeRequest::Gone { pid } => drop(lock().clients.remove(&pid)),
        ProbeRequest::Namespace { netns, pid, drops } => lock().meet_namespace(netns, pid, drops),
        ProbeRequest::Waits => lock().waits.ask(Instant::now()),
        ProbeRequest::Roll { wanted, tell } => {
            let sample = lock().roll(&wanted);
            // Nobody waits for so long.
            let _gone = tell.try_send(sample);
        }
        ProbeRequest::Listener { netns, address } => listener(&mut lock(), netns, address),
        ProbeRequest::Ports { netns, pid } => {
            // Many descriptors may be looked at: nobody is to wait for it.
            let handle = lock().handle(netns, pid);
            match handle.and_then(|handle| ports::look(root, &handle, netns)) {
                Some(ports) => drop(lock().ports.insert(netns, ports)),
                None => return Some(request),
            }
        }
        ProbeRequest::Bound { netns, address } => bound(&mut lock(), netns, address),
        ProbeRequest::Route { netns, pid, ip } => {
            let mut baseline = lock();
            let seen = baseline
                .handle(netns, pid)
                .and_then(|handle| handle.visit(netns, |net| route::is_known(net, ip)));
            let Some(known) = seen else {
                return Some(request);
            };
            let known = known.map(|known| ((netns, ip), known));
            baseline.routes.extend(known);
        }
    }
    None
}

/// Looks once more, and for the last time, at what nothing led to.
pub(super) fn look_at_put_off(
    root: &Root,
    baseline: &Mutex<Baseline>,
    put_off: &mut Vec<ProbeRequest>,
) {
    let lock = || baseline.lock().unwrap_or_else(PoisonError::into_inner);
    if !put_off.is_empty() {
        lock().search_again();
    }
    for request in put_off.drain(..) {
        look_at(root, baseline, request);
    }
}

fn listener(baseline: &mut Baseline, netns: u32, address: SocketAddr) {
    let root = baseline.root.clone();
    let before = baseline.listeners_before.get(&(netns, address)).copied();
    let find = |net: &Root| listener::find(&root, net, (netns, address), before);
    let found = visit(baseline, netns, find);
    let Some(pid) = found.flatten() else {
        // Who is started by the first query comes later. Who did not come at all looks in one
        // window is looked for once in the next.
        let is_last = found.is_some() && baseline.never_found.contains(&(netns, address));
        let open = baseline.open.entry((netns, address)).or_default();
        open.looks = if is_last { LOOKS_MAX } else { open.looks + 1 };
        open.is_nobodys = found.is_some();
        return;
    };
    baseline.open.remove(&(netns, address));
    baseline.listeners.insert((netns, address), pid);
    if !baseline.servers.contains_key(&pid) {
        server(baseline, pid);
    }
}

/// Looks once more at addresses whose namespace or reader was not found, a few times at each: it
/// takes going through all processes.
pub(super) fn look_again(baseline: &mut Baseline) {
    let open = baseline.open.iter();
    let open = open.filter(|(_, it)| it.looks < LOOKS_MAX);
    let mut open: Vec<_> = open
        .map(|(key, it)| (it.looks, it.is_suspect, *key))
        .collect();
    open.sort_unstable();
    for (_, is_suspect, (netns, address)) in open.into_iter().take(LOOKS_AT_A_TIME) {
        match is_suspect {
            true => bound(baseline, netns, address),
            false => listener(baseline, netns, address),
        }
    }
}

/// `None` where there is no way into the namespace. One that was known may have been of an
/// older namespace with this number.
fn visit<T: Send>(
    baseline: &mut Baseline,
    netns: u32,
    look: impl FnOnce(&Root) -> T + Send,
) -> Option<T> {
    let seen = baseline.handle(netns, None)?.visit(netns, look);
    if seen.is_none() {
        baseline.forget(netns);
    }
    seen
}

fn bound(baseline: &mut Baseline, netns: u32, address: SocketAddr) {
    match visit(baseline, netns, |net| listener::is_bound(net, address)) {
        Some(true) => {
            listener(baseline, netns, address);
            let pid = baseline.listeners.get(&(netns, address)).copied();
            baseline.bound.insert((netns, address), pid);
        }
        Some(false) => drop(baseline.open.remove(&(netns, address))),
        // No way into that namespace is known yet.
        None => {
            let open = baseline.open.entry((netns, address)).or_default();
            open.looks += 1;
            open.is_suspect = true;
        }
    }
}

fn server(baseline: &mut Baseline, pid: u32) {
    if let Some(mut server) = baseline.process(pid) {
        server.history = History::of(&server.folder);
        let folder = baseline
            .hierarchies
            .folder(&server.folder, Controller::Memory);
        server.memory = folder.map(|folder| MemoryBaseline::of(&baseline.root, &folder));
        baseline.servers.insert(pid, server);
    }
}

fn client<'a>(root: &Root, lock: impl Fn() -> MutexGuard<'a, Baseline>, pid: u32) {
    let Some(mut client) = lock().process(pid) else {
        return;
    };
    client.c_library = maps::c_library(&client.folder);
    lock().clients.insert(pid, client);
    let resolv_conf = resolv_conf::read(root, pid);
    if let Err(error) = &resolv_conf {
        log::debug!("no resolv.conf of process {pid}: {error}");
        let stuck = error.kind() == io::ErrorKind::TimedOut;
        lock().missing.add(missing::SILENT, usize::from(stuck));
    }
    if let Some(client) = lock().clients.get_mut(&pid) {
        client.resolv_conf = resolv_conf.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::netns;
    use crate::host::netns::NetnsHandle;

    #[test]
    fn live_what_is_nobodys_at_all_looks_is_looked_at_once_in_the_next_window() {
        let mut baseline = Baseline::default();
        let own = baseline.root.process(std::process::id());
        let netns = netns::of(&own).unwrap();
        let handle = NetnsHandle::through(&own, netns).unwrap();
        baseline.handles.insert(netns, handle);
        // Addresses for documents (RFC 5737), and a namespace that is nowhere.
        let address = |last: u8| SocketAddr::from(([192, 0, 2, last], 1));
        let (often, once) = ((netns, address(1)), (netns, address(2)));
        let nowhere = (u32::MAX, address(1));
        let look = |baseline: &mut Baseline, key: (u32, SocketAddr)| {
            listener(baseline, key.0, key.1);
            baseline.open[&key].looks
        };
        for key in [often, nowhere] {
            let looks = (0..LOOKS_MAX).map(|_| look(&mut baseline, key));
            assert!(looks.eq(1..=LOOKS_MAX));
        }
        assert_eq!(look(&mut baseline, once), 1);
        baseline.roll(&Wanted::default());
        assert_eq!(look(&mut baseline, often), LOOKS_MAX);
        assert_eq!([once, nowhere].map(|it| look(&mut baseline, it)), [1, 1]);
        // Found meanwhile, and lost again.
        baseline.open.clear();
        baseline.roll(&Wanted::default());
        assert_eq!(look(&mut baseline, often), 1);
    }
}
