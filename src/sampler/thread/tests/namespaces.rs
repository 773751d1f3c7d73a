//! Counters and entries of network namespaces.

use std::fs;
use std::fs::File;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt as _;

use nix::fcntl::Flock;
use nix::fcntl::FlockArg;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;
use nix::sched::unshare;

use super::place::Inhabitant;
use super::*;
use crate::attempt::FailedCall;
use crate::host::netlink;
use crate::host::netns::NetnsHandle;
use crate::host::netns::NetnsIndex;
use crate::host::proc::conntrack_stat::ConntrackStat;
use crate::sampler::flows::Collection;
use crate::sampler::missing::Missing;

/// Makes connection tracking run in a namespace, and translates one address.
const RULES: &str = "\
table ip kerno {
  chain output {
    type nat hook output priority -100;
    ip daddr 127.0.0.10 udp dport 53 dnat to 127.0.0.20:5353
  }
  chain tracked { type filter hook output priority 0; ct state invalid drop; }
}
";

/// A global limit of this machine, put back at once. Others who change it, or are
/// not to be hurt by it, wait.
struct Limit {
    _lock: Flock<File>,
    before: String,
}

impl Limit {
    const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

    /// It stays as it is until it is set here.
    fn hold() -> Self {
        let file = File::open(Self::PATH).expect("nf_conntrack_max");
        let lock = Flock::lock(file, FlockArg::LockExclusive).expect("a lock");
        let before = fs::read_to_string(Self::PATH).expect("nf_conntrack_max");
        Self {
            _lock: lock,
            before,
        }
    }

    fn set(&self, entries: usize) {
        fs::write(Self::PATH, entries.to_string()).expect("to set nf_conntrack_max (root?)");
    }
}

impl Drop for Limit {
    /// Before the lock is let go of.
    fn drop(&mut self) {
        let restored = fs::write(Self::PATH, self.before.trim());
        assert!(restored.is_ok() || thread::panicking(), "{restored:?}");
    }
}

/// Sends from new ports so many times; how often that was refused.
fn send(times: usize, to: &str) -> u64 {
    let refused = (0..times).filter(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        match socket.send_to(b"x", to) {
            Ok(_) => false,
            Err(error) if error.raw_os_error() == Some(Errno::EPERM as i32) => true,
            Err(error) => panic!("{error}"),
        }
    });
    refused.count() as u64
}

#[test]
fn root_a_full_table_shows_in_its_own_namespace_only() {
    /// More than the tables of other tests hold, so that theirs are not full.
    const ENTRIES: usize = 2000;
    let place = Inhabitant::of_a_namespace();
    place.run("nft", &["-f", "-"], RULES);
    let netns = place.netns();
    let mut sampler = start();
    sampler.meet(&attempt_of(place.pid(), Role::Client));
    let limit = Limit::hold();
    assert_eq!(place.enter(|| send(ENTRIES, "127.0.0.10:53")), 0);
    limit.set(ENTRIES / 2);
    let refused = place.enter(|| send(100, "127.0.0.1:9999"));
    drop(limit);
    assert!(refused > 0, "the table was not full");
    let by_netlink = place
        .enter(netlink::conntrack::stat)
        .expect("counters by netlink");
    let by_procfs = ConntrackStat::read(&place.folder().below("net"));
    assert_eq!(by_netlink, by_procfs.expect("counters in procfs"));

    let sample = sampler.finish();
    let counters = sample.conntrack[&netns];
    assert_eq!(counters.drop, refused, "{counters:?}");
    // To make room, the kernel has thrown out a few.
    assert!(counters.entries >= ENTRIES as u64 / 2, "{counters:?}");
    assert!(!counters.baseline_late);
    let own = netns::of(&Root::at("/proc/self")).expect("a namespace");
    assert_eq!(sample.conntrack[&own].drop, 0);
}

#[test]
fn root_what_grew_is_told_in_the_window_in_which_it_grew() {
    let place = Inhabitant::of_a_namespace();
    place.run("nft", &["-f", "-"], RULES);
    let netns = place.netns();
    let mut sampler = start();
    sampler.meet(&attempt_of(place.pid(), Role::Client));
    let sent = |number| assert_eq!(place.enter(|| send(number, "127.0.0.10:53")), 0);
    // An entry for each flow, but for ports that the kernel gave twice; the table is what it is
    // at each end.
    sent(20);
    let first = sampler.roll();
    let entries = first.conntrack[&netns].entries;
    assert!((15..=20).contains(&entries), "{entries}");
    assert!(first.clients.contains_key(&place.pid()));
    // Who asks nothing in the next window is not in it, and its namespace is.
    let quiet = sampler.roll();
    assert_eq!(quiet.conntrack[&netns].entries, entries);
    assert_eq!(quiet.conntrack[&netns].drop, 0);
    assert!(!quiet.clients.contains_key(&place.pid()));
    sampler.meet(&attempt_of(place.pid(), Role::Client));
    sent(30);
    let last = sampler.finish();
    let last_entries = last.conntrack[&netns].entries;
    assert!(
        (entries + 20..=50).contains(&last_entries),
        "{last_entries}"
    );
    assert!(!last.conntrack[&netns].baseline_late);
    assert!(last.clients.contains_key(&place.pid()));
}

#[test]
fn root_entries_tell_the_server_behind_a_translated_address_in_both_ways() {
    let place = Inhabitant::of_a_namespace();
    place.run("nft", &["-f", "-"], RULES);
    let netns = place.netns();
    let mut sampler = start();
    let asked = "127.0.0.10:53".parse().expect("an address");
    let failed = place.enter(|| {
        // All at once, or the kernel may choose a port twice.
        let sockets = [(); 4].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        for socket in &sockets {
            socket.send_to(b"x", asked).expect("to send");
        }
        send(3, "127.0.0.1:9999");
        sockets[3].local_addr().expect("an address")
    });
    let mut attempt = attempt_of(place.pid(), Role::Client);
    attempt.outcome = Outcome::Unanswered;
    attempt.local = failed;
    attempt.peer = asked;
    sampler.meet(&attempt);
    let mut by_netlink = Collection::default();
    let wanted = sampler.wanted.clone();
    let deadline = Instant::now() + PATIENCE;
    assert!(place.enter(|| by_netlink.ask(netns, &wanted, deadline)));

    let mut flows = sampler.finish().flows;
    flows.retain(|flow| flow.netns == netns);
    let first = flows.first().expect("an entry");
    assert_eq!((first.source, first.destination), (failed, asked));
    assert_eq!(first.reply_source, "127.0.0.20:5353".parse().unwrap());
    let mut by_netlink = by_netlink.finish(&mut Missing::default());
    for flows in [&mut flows, &mut by_netlink] {
        flows.sort_by_key(|flow| flow.source);
        // procfs begins a chain of the table anew when another namespace's entry has left it.
        flows.dedup();
    }
    assert_eq!(flows.len(), 4, "{flows:?}");
    assert_eq!(flows, by_netlink);
}

#[test]
fn root_a_namespace_that_came_later_counts_from_its_first_attempt() {
    let mut sampler = start();
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    let server = place.enter(|| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
    let address = server.local_addr().expect("an address").to_string();
    let fill = |times| place.enter(|| send(times, &address));
    // More than the largest default buffer holds.
    fill(1000);
    sampler.meet_now(&attempt_of(place.pid(), Role::Client));
    fill(5);
    let sample = sampler.finish();
    assert_eq!(sample.udp[&netns], 5);
}

#[test]
fn root_a_thread_may_be_in_another_namespace_than_its_process() {
    let (told, to_be_told) = bounded(1);
    let (leave, stay) = bounded::<()>(0);
    let thread = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a namespace (root?)");
        let inode = fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
        told.send(u32::try_from(inode).unwrap()).unwrap();
        let _left = stay.recv();
    });
    let netns = to_be_told.recv().unwrap();
    let handle = NetnsHandle::through(&Root::at("/proc/self"), netns).expect("a thread");
    let counters = handle.visit(netns, |net| net.path("snmp").exists());
    assert_eq!(counters, Some(true));
    drop(leave);
    thread.join().unwrap();
    await_that(
        "the thread to leave procfs, which it may do after it was joined",
        || handle.visit(netns, |_| ()).is_none(),
    );
}

#[test]
fn root_a_namespace_without_a_process_is_found_by_its_mount() {
    // In a mount namespace of this thread's own: nothing is left behind.
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace (root?)");
    let nothing = None::<&str>;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing).expect("mounts of its own");
    let folder = tempfile::tempdir().expect("a folder");
    let name = folder.path().join("a name");
    File::create(&name).expect("a file");
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    let handle = format!("/proc/{}/ns/net", place.pid());
    mount(
        Some(handle.as_str()),
        &name,
        nothing,
        MsFlags::MS_BIND,
        nothing,
    )
    .expect("to mount");
    drop(place);
    let index = NetnsIndex::take(&Root::default());
    assert_eq!(index.handles.get(&netns), Some(&NetnsHandle::Mount(name)));
    let counted = index.handles[&netns].visit(netns, |net| {
        let text = net.text("dev", 4096).expect("its interfaces");
        text.lines().count()
    });
    // Two lines of headings and the loopback.
    assert_eq!(counted, Some(3));
}

#[test]
fn root_whether_there_is_a_route_is_looked_up_where_the_call_failed() {
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    place.run("ip", &["address", "add", "10.77.0.1/24", "dev", "lo"], "");
    place.run("ip", &["route", "add", "unreachable", "10.77.0.9"], "");
    let mut sampler = start();
    let mut attempt = attempt_of(place.pid(), Role::Client);
    attempt.outcome = Outcome::Refused;
    attempt.failed_call = Some(FailedCall::Connect);
    let peers = [
        ("10.77.0.2", true),
        ("10.77.0.9", false),
        ("192.0.2.1", false),
        ("2001:db8::1", false),
        ("127.0.0.53", true),
    ];
    for (peer, _) in peers {
        attempt.peer = (peer.parse::<IpAddr>().unwrap(), 53).into();
        sampler.meet(&attempt);
    }
    let sample = sampler.finish();
    for (peer, expected) in peers {
        let known = sample.routes.get(&(netns, peer.parse().unwrap()));
        assert_eq!(known, Some(&expected), "{peer}");
    }
}

#[test]
fn root_a_namespace_that_is_gone_is_absent_and_that_is_said() {
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    let sampler = start();
    drop(place);
    await_that("the namespace to go", || {
        !NetnsIndex::take(&Root::default())
            .handles
            .contains_key(&netns)
    });
    let sample = sampler.finish();
    assert!(!sample.udp.contains_key(&netns));
    assert!(
        sample
            .missing
            .iter()
            .any(|it| it.contains("gone at the end")),
        "{:?}",
        sample.missing
    );
}

/// Where packets are dropped, the counters are read while it lasts: the limit may
/// be raised before the end, and the namespace may be gone by then.
#[test]
fn root_what_was_read_where_packets_were_dropped_outlasts_the_namespace() {
    const ENTRIES: usize = 1100;
    let place = Inhabitant::of_a_namespace();
    place.run("nft", &["-f", "-"], RULES);
    let netns = place.netns();
    let mut baseline = Baseline::open(Root::default(), Kills::default());
    let limit = Limit::hold();
    assert_eq!(place.enter(|| send(ENTRIES, "127.0.0.10:53")), 0);
    limit.set(1000);
    let refused = place.enter(|| send(100, "127.0.0.1:9999"));
    baseline.meet_namespace(netns, None, true);
    drop(limit);
    drop(place);
    await_that("the namespace to go", || {
        !NetnsIndex::take(&Root::default())
            .handles
            .contains_key(&netns)
    });
    let sample = baseline.close(&Wanted::default());
    let counters = sample.conntrack[&netns];
    assert_eq!(counters.drop, refused, "{counters:?}");
    let fullest = counters.fullest.expect("a limit");
    assert_eq!(fullest.max, 1000);
    assert!(fullest.entries >= 1000, "{counters:?}");
}

#[test]
fn root_a_namespace_younger_than_the_last_search_is_looked_for_again() {
    let mut baseline = Baseline::open(Root::default(), Kills::default());
    // Namespaces of other tests, which may have ended meanwhile.
    baseline.missing = Missing::default();
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    // All processes have been gone through a moment ago, however long this took.
    baseline.indexed = Some(Instant::now() + Duration::from_secs(60));
    baseline.meet_namespace(netns, None, true);
    assert_eq!(baseline.namespaces().find(|&it| it == netns), None);
    baseline.look_for_namespaces();
    assert_eq!(baseline.namespaces().find(|&it| it == netns), Some(netns));
    // One that nothing leads to is missing, once.
    baseline.meet_namespace(1, None, false);
    baseline.look_for_namespaces();
    baseline.look_for_namespaces();
    let missing = baseline.missing.sentences();
    assert!(
        missing.iter().any(|it| it.starts_with("1 network")),
        "{missing:?}"
    );
}

/// Its number may have been that of another namespace, to which another way led; and who asked
/// from there has ended.
#[test]
fn root_ports_of_a_namespace_younger_than_the_last_search_are_looked_at_later() {
    let baseline = Mutex::new(Baseline::open(Root::default(), Kills::default()));
    let place = Inhabitant::of_a_namespace();
    let netns = place.netns();
    {
        let mut baseline = baseline.lock().unwrap();
        let elsewhere = NetnsHandle::Task(Root::default().process(std::process::id()));
        baseline.handles.insert(netns, elsewhere);
        baseline.indexed = Some(Instant::now() + Duration::from_secs(60));
    }
    let root = Root::default();
    let pid = Some(u32::MAX);
    let ports = || look_at(&root, &baseline, ProbeRequest::Ports { netns, pid });
    let ip = "127.0.0.1".parse().unwrap();
    let route = || look_at(&root, &baseline, ProbeRequest::Route { netns, pid, ip });
    let mut put_off: Vec<_> = [ports(), route()].into_iter().flatten().collect();
    assert_eq!(put_off.len(), 2);
    look_at_put_off(&root, &baseline, &mut put_off);
    let baseline = baseline.lock().unwrap();
    let range = baseline.ports.get(&netns).map(|it| it.range.is_some());
    assert_eq!(range, Some(true), "{put_off:?}");
    assert!(baseline.routes.contains_key(&(netns, ip)));
}
