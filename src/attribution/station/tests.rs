//! The station with a real resolver, on control groups of the tests' own.

use std::fs;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::thread::JoinHandle;

use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::bounded;
use crossbeam_channel::unbounded;
use nix::time::ClockId;
use nix::time::clock_gettime;

use super::*;
use crate::attempt::Outcome;
use crate::attempt::identity::ClientKey;
use crate::attempt::identity::IdentityTable;
use crate::attribution::names::Failures;
use crate::attribution::names::Names;
use crate::attribution::names::Source;
use crate::host;
use crate::host::Clock;
use crate::kernel::Counters;
use crate::lookup::GrouperCounts;
use crate::monitor::Ending;
use crate::sample::MS;
use crate::sample::attempt;

const ENOUGH: Duration = Duration::from_secs(10);
/// Who waits so long keeps the test from what it expects within [`ENOUGH`].
const TOO_LONG: Duration = Duration::from_secs(3600);
const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

/// Names everything as soon as the other end of this is dropped.
struct Gate(Receiver<()>);

impl Source for Gate {
    fn name(&mut self, wanted: &[Arc<Subject>], _failures: &mut Failures) {
        let _is_open = self.0.recv();
        for subject in wanted {
            subject.learn(|it| it.name_pod("ns", "pod", ""));
            subject.learn(|it| it.name_container("container"));
        }
    }
}

/// A station between two channels.
struct Site {
    poller: Sender<Message>,
    command: Receiver<Message>,
    station: JoinHandle<(Attributed, Resolver)>,
    tallies: Receiver<Attributed>,
    names: Names,
}

impl Site {
    /// One where names come at once.
    fn new(has_version_1: bool) -> Self {
        Self::with_gate(has_version_1, |station| station.patience = TOO_LONG).0
    }

    /// One where names come when the gate is dropped.
    fn with_gate(has_version_1: bool, adjust: impl FnOnce(&mut Station)) -> (Self, Sender<()>) {
        let (tell, answers) = bounded(1024);
        let (gate, is_open) = bounded(0);
        let source = Box::new(Gate(is_open));
        let (names, asking) = Names::start(vec![source], tell.clone()).expect("a thread");
        let resolver = Resolver::start(root(), tell).expect("a thread");
        let (poller, input) = unbounded();
        let (output, command) = unbounded();
        let (tally, tallies) = unbounded();
        let mut station = Station::new(output, tally, resolver, asking, has_version_1);
        adjust(&mut station);
        let site = Self {
            poller,
            command,
            station: std::thread::spawn(move || station.run(input, answers)),
            tallies,
            names,
        };
        (site, gate)
    }

    fn send(&self, attempts: Vec<Attempt>) {
        self.poller
            .send(Message::Ended(attempts))
            .expect("a station");
    }

    /// All that comes until so many attempts are there.
    fn receive(&self, number: usize) -> Vec<Attempt> {
        let mut all = Vec::new();
        while all.len() < number {
            match self.command.recv_timeout(ENOUGH).expect("attempts") {
                Message::Ended(attempts) => all.extend(attempts),
                other => panic!("{other:?} came"),
            }
        }
        all
    }

    fn finish(self) -> Attributed {
        self.end().0
    }

    /// What was counted, and who is known in the end.
    fn end(self) -> (Attributed, IdentityTable) {
        let ending = Ending {
            carried: 0,
            counters: Counters::default(),
            in_flight: 0,
            stray_answers: 0,
            strays_early: 0,
            drops_unjoined: 0,
            grouped: GrouperCounts::default(),
            on_demand: None,
        };
        self.poller
            .send(Message::Finished(ending))
            .expect("a station");
        let (counts, resolver) = self.station.join().expect("no panic");
        resolver.finish(ENOUGH).expect("the end of the resolver");
        (counts, self.names.finish(ENOUGH).1)
    }
}

fn root() -> OwnedFd {
    let path = host::cgroup_mount_point().expect("cgroup v2 mounted");
    File::open(path).expect("needs root").into()
}

/// A control group of version 2, removed when dropped.
struct Group(PathBuf);

impl Group {
    fn new(name: &str) -> Self {
        let path = host::cgroup_mount_point()
            .expect("cgroup v2 mounted")
            .join(format!("kerno-station-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("needs root");
        Self(path)
    }

    fn id(&self) -> u64 {
        fs::metadata(&self.0).expect("its inode").ino()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _gone_already = fs::remove_dir(&self.0);
    }
}

/// A process that lives until it is killed.
struct Sleeper(Child);

impl Sleeper {
    fn new() -> Self {
        let child = Command::new("sleep")
            .arg("1000")
            .stdin(Stdio::null())
            .spawn();
        Self(child.expect("sleep"))
    }

    fn end(&mut self) {
        self.0.kill().expect("to kill a child");
        self.0.wait().expect("to wait for it");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

fn of(pid: u32, cgroup_id: u64) -> Attempt {
    let mut attempt = attempt(("sleep", pid), "10.0.0.1:53", Outcome::Answered, MS);
    attempt.sent_ns = Clock::monotonic_ns();
    attempt.owner.cgroup_id = cgroup_id;
    attempt
}

fn cgroup(attempt: &Attempt) -> Option<String> {
    let workload = attempt.workload.as_deref()?;
    Some(workload.cgroup().to_owned())
}

#[test]
fn root_an_attempt_learns_its_group() {
    let group = Group::new("a.service");
    let site = Site::new(false);
    site.send(vec![of(1, group.id()), of(1, u64::MAX)]);
    let got = site.receive(2);
    let workload = got[0].workload.as_deref().expect("a workload");
    let name = group.0.file_name().and_then(|name| name.to_str());
    assert_eq!(workload.unit(), name);
    // A second one is no question any more, and shares it.
    site.send(vec![of(1, group.id())]);
    assert_eq!(site.receive(1)[0].workload, got[0].workload);
    let counts = site.finish();
    assert_eq!(
        (counts.attributed, counts.unknown),
        (3, 0),
        "pid 1 is known"
    );
}

#[test]
fn root_a_socket_that_systemd_opened_is_the_services_that_has_it() {
    let socket = Group::new("act.socket");
    let service = Group::new("act.service");
    let sleeper = Sleeper::new();
    let pid = sleeper.0.id();
    fs::write(service.0.join("cgroup.procs"), pid.to_string()).expect("to move a process");
    let site = Site::new(false);
    // Also where nobody has it (yet), and where another service's socket is not asked further.
    let gone = u32::MAX - 1;
    site.send(vec![of(pid, socket.id()), of(gone, socket.id())]);
    site.send(vec![of(pid, socket.id()), of(1, service.id())]);
    let got = site.receive(4);
    let unit = |at: usize| got[at].workload.as_deref().and_then(|it| it.unit());
    let name = |of: &Group| of.0.file_name()?.to_str().map(ToOwned::to_owned);
    let (socket, service) = (name(&socket), name(&service));
    assert_eq!(unit(0), service.as_deref());
    assert_eq!(unit(1), socket.as_deref());
    assert_eq!((unit(2), unit(3)), (service.as_deref(), service.as_deref()));
    assert_eq!(site.finish().attributed, 4);
}

/// Version 1 and hybrid hosts, where sockets have no group of their own.
#[test]
fn root_a_process_is_read_at_once_and_remembered_when_it_is_gone() {
    let (site, _) = Site::with_gate(true, |station| {
        station.patience = TOO_LONG;
        // Each is looked at again.
        station.trusted = Duration::from_nanos(1);
    });
    let mut sleeper = Sleeper::new();
    let pid = sleeper.0.id();
    site.send(vec![of(pid, 1)]);
    let known = cgroup(&site.receive(1)[0]).expect("a path");
    sleeper.end();
    site.send(vec![of(pid, 1)]);
    assert_eq!(cgroup(&site.receive(1)[0]), Some(known));
    // One that was never seen is not waited for.
    site.send(vec![of(u32::MAX - 1, 0), of(u32::MAX - 1, 0)]);
    assert!(site.receive(2).iter().all(|it| it.workload.is_none()));
    assert_eq!(site.finish().unknown, 2);
}

#[test]
fn root_an_attempt_from_before_a_process_began_is_not_its_own() {
    let site = Site::new(true);
    let sleeper = Sleeper::new();
    let mut earlier = of(sleeper.0.id(), 0);
    earlier.sent_ns -= 60_000 * MS;
    site.send(vec![earlier, of(sleeper.0.id(), 0)]);
    let got = site.receive(2);
    assert_eq!(got[0].workload, None);
    assert!(got[1].workload.is_some());
    site.finish();
}

#[test]
fn root_a_name_is_waited_for_but_not_for_long() {
    let pod = Group::new(&format!("docker-{ID}.scope"));
    let inner = pod.0.join(format!("docker-{ID}.scope"));
    fs::create_dir(&inner).expect("a cgroup");
    let id = fs::metadata(&inner).expect("its inode").ino();

    // In time.
    let (site, gate) = Site::with_gate(false, |station| station.patience = TOO_LONG);
    site.send(vec![of(1, id)]);
    drop(gate);
    let got = site.receive(1);
    let name = got[0]
        .workload
        .as_deref()
        .and_then(Identity::container_name);
    assert_eq!(name, Some("container"));
    assert_eq!(site.finish().unnamed, 0);

    // Not in time: the attempt goes on before the gate is open, those behind it keep their order, and
    // the name is in the table at the end.
    let (site, gate) = Site::with_gate(false, |_| ());
    let start = Instant::now();
    let mut second = of(1, 1);
    second.number = 2;
    site.send(vec![of(1, id), second]);
    let reads = Message::SlowReads(Vec::new());
    site.poller.send(reads).expect("a station");
    let got = site.receive(2);
    assert!(start.elapsed() >= PATIENCE);
    assert_eq!((got[0].number, got[1].number), (1, 2));
    let workload = got[0].workload.clone().expect("its id is known");
    assert_eq!(workload.container(), Some(ID));
    assert!(workload.lacks_names());
    let after = site.command.recv_timeout(ENOUGH).expect("the reads");
    assert!(matches!(after, Message::SlowReads(_)), "{after:?}");
    let key = ClientKey::of(&got[0]);
    drop(gate);
    let (counts, known) = site.end();
    assert_eq!(key.id(&known).to_string(), "pod ns/pod");
    assert_eq!((counts.attributed, counts.unnamed), (1, 1));
    let _removed = fs::remove_dir(inner);
}

/// What was asked in a window is told in it, and what comes after is not.
#[test]
fn root_a_window_ends_behind_those_that_wait() {
    let scope = Group::new(&format!("docker-{ID}.scope"));
    let (site, gate) = Site::with_gate(false, |station| station.patience = TOO_LONG);
    site.send(vec![of(1, scope.id())]);
    let rolled = Message::Rolled(Ending::default());
    site.poller.send(rolled).expect("a station");
    // It need not wait for anything.
    site.send(vec![of(1, 1)]);
    drop(gate);
    assert_eq!(site.receive(1).len(), 1);
    let next = site
        .command
        .recv_timeout(ENOUGH)
        .expect("the end of the window");
    assert!(matches!(next, Message::Rolled(_)), "{next:?}");
    let rolled = site
        .tallies
        .try_recv()
        .expect("what was counted until then");
    assert_eq!((rolled.attributed, rolled.unknown), (1, 0));
    assert_eq!(site.receive(1).len(), 1);
    let tallies = site.tallies.clone();
    let ended = site.finish();
    assert_eq!((ended.attributed, ended.unknown), (2, 0));
    assert_eq!(tallies.try_recv(), Ok(ended));
}

#[test]
fn root_whoever_goes_away_ends_everything() {
    let site = Site::new(false);
    drop(site.command);
    site.poller
        .send(Message::Ended(vec![of(1, 1)]))
        .expect("a station");
    site.station.join().expect("no panic");
    assert!(site.poller.send(Message::SlowReads(Vec::new())).is_err());
}

/// The threads that answer may have died.
#[test]
fn root_without_anybody_who_answers_the_station_waits_and_does_not_spin() {
    let (tell, _unheard) = unbounded();
    let (_names, asking) = Names::start(Vec::new(), tell.clone()).expect("a thread");
    let resolver = Resolver::start(root(), tell).expect("a thread");
    let (poller, input) = unbounded();
    let (output, command) = unbounded();
    let (tally, _untold) = unbounded();
    let station = Station::new(output, tally, resolver, asking, false);
    let (_, closed) = bounded(0);
    let station = std::thread::spawn(move || {
        let _ended = station.run(input, closed);
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("its own time")
    });
    let attempts = Message::Ended(vec![of(1, 1)]);
    poller.send(attempts).expect("a station");
    let _it = command
        .recv_timeout(ENOUGH)
        .expect("the attempt, after a while");
    drop(poller);
    let ran = Duration::from(station.join().expect("no panic"));
    assert!(ran < PATIENCE / 2, "{ran:?}");
}

#[test]
fn root_the_resolver_ends_when_it_is_dropped() {
    let (tell, answers) = bounded(1);
    let resolver = Resolver::start(root(), tell).expect("a thread");
    assert!(resolver.ask(Question::Cgroup(1)));
    answers.recv_timeout(ENOUGH).expect("an answer");
    drop(resolver);
    let ended = answers.recv_timeout(ENOUGH);
    assert!(
        matches!(ended, Err(RecvTimeoutError::Disconnected)),
        "{ended:?}"
    );
}

/// Thousands of short-lived groups and processes: what is remembered is bounded,
/// and an attempt of a known group costs next to nothing.
#[test]
fn root_a_crowd_is_bounded_and_a_known_group_costs_little() {
    const GROUPS: usize = 2_000;
    const BATCH: usize = 1_000;
    let parent = Group::new("crowd");
    let site = Site::new(false);
    let mut known = 0;
    let start = Instant::now();
    for n in 0..GROUPS {
        let path = parent.0.join(format!("pod{n}"));
        fs::create_dir(&path).expect("a cgroup");
        let id = fs::metadata(&path).expect("its inode").ino();
        site.send(vec![of(1, id)]);
        let got = site.receive(1);
        known += usize::from(cgroup(&got[0]).is_some_and(|it| it.ends_with(&format!("/pod{n}"))));
        fs::remove_dir(path).expect("rmdir");
    }
    let first = start.elapsed() / GROUPS as u32;
    assert_eq!(known, GROUPS, "each was named right by its first query");

    let id = parent.id();
    site.send(vec![of(1, id)]);
    site.receive(1);
    let batch: Vec<_> = (0..BATCH).map(|_| of(1, id)).collect();
    let start = Instant::now();
    for _ in 0..100 {
        site.send(batch.clone());
        site.receive(BATCH);
    }
    let each = start.elapsed() / (100 * BATCH as u32);
    eprintln!(
        "first of a group: {first:?} with mkdir and rmdir; of a known one: {each:?} with its copy"
    );
    // Debug builds on a busy machine: some 100 times what a release build takes.
    assert!(each < Duration::from_micros(100), "{each:?}");
    let counts = site.finish();
    assert_eq!(counts.unknown + counts.hurried, 0);
}

#[test]
fn what_is_known_is_bounded() {
    let mut groups = Recent::new(KNOWN_MAX);
    let now = Instant::now();
    for id in 0..10 * KNOWN_MAX as u64 {
        groups.insert(Question::Cgroup(id), (), now);
    }
    assert!(groups.len() <= KNOWN_MAX);
}
