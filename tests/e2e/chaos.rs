//! The fault lab of `kerno chaos`: that it counts what the wire sees, and that
//! nothing is left of it, however it ends.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;

use kerno_chaos::testbed::Namespace;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::cgroup;
use crate::cgroup::Cgroup;
use crate::place::Place;
use crate::process::Finished;
use crate::process::Process;
use crate::process::finish;
use crate::process::poll;

/// Runs a scenario to its end.
fn run(scenario: &str, duration: &str) -> Finished {
    let mut command = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    command.args(["chaos", "--induce", scenario, "--duration", duration]);
    finish(command.args(["--output", "json"]))
}

fn report(finished: &Finished) -> Value {
    assert!(finished.succeeded, "{}", finished.output);
    serde_json::from_str(&finished.output).expect("JSON and nothing else")
}

/// A lab that runs until it is told to end.
struct Running {
    process: Process,
    groups: Vec<PathBuf>,
    namespaces: BTreeSet<u64>,
}

impl Running {
    fn start(scenario: &str) -> Self {
        Self::start_at(&Place::host(), scenario)
    }

    fn start_at(place: &Place, scenario: &str) -> Self {
        let mut command = place.command(env!("CARGO_BIN_EXE_kerno"));
        command.args(["chaos", "--induce", scenario, "--duration", "10m"]);
        command.args(["--yes", "--output", "json"]);
        command.stdout(Stdio::piped());
        let process = Process::start(&mut command);
        let prefix = format!("kerno-lab-{}-", process.pid());
        // A server and two clients, in pods of their own.
        let (groups, pids) = poll("the workers of the lab", || {
            let groups = groups(&prefix);
            let pids: Vec<u64> = groups.iter().flat_map(|group| members(group)).collect();
            (pids.len() == 3).then_some((groups, pids))
        });
        assert_eq!(groups.len(), 3);
        let host = namespace_of(&PathBuf::from("/proc/self"));
        let namespaces = pids
            .iter()
            .map(|pid| namespace_of(&PathBuf::from(format!("/proc/{pid}"))))
            .collect::<Option<BTreeSet<u64>>>()
            .expect("the workers run");
        assert_eq!(namespaces.len(), 3);
        assert!(!namespaces.contains(&host.expect("a namespace")));
        Self {
            process,
            groups,
            namespaces,
        }
    }

    /// Waits until there is no trace of it.
    fn await_nothing_left(&self) {
        poll("the lab's control groups to go", || {
            (!self.groups.iter().any(|group| group.exists())).then_some(())
        });
        poll("the lab's processes to go", || {
            let processes = fs::read_dir("/proc").expect("/proc");
            let mut paths = processes.map(|entry| entry.expect("an entry").path());
            let inside = |path: PathBuf| {
                namespace_of(&path).is_some_and(|netns| self.namespaces.contains(&netns))
            };
            (!paths.any(inside)).then_some(())
        });
    }
}

fn groups(prefix: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(cgroup::mount_point()).expect("cgroup v2");
    let paths = folders.map(|entry| entry.expect("an entry").path());
    let ours = |path: &PathBuf| {
        let name = path.file_name().expect("a name");
        name.to_string_lossy().starts_with(prefix)
    };
    paths.filter(ours).collect()
}

fn members(group: &Path) -> Vec<u64> {
    // It may be gone already.
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

fn namespace_of(process: &Path) -> Option<u64> {
    let namespace = fs::metadata(process.join("ns/net")).ok()?;
    Some(namespace.st_ino())
}

#[test]
fn root_what_chaos_counts_is_what_the_wire_saw() {
    for (scenario, counter) in [
        ("nft-drop", "denied"),
        ("output-drop", "denied"),
        ("dead-server", "world"),
    ] {
        let report = report(&run(scenario, "3s"));
        assert_eq!(report["wire"][counter], report["broken"], "{report:#}");
        assert!(report["broken"].as_u64() >= Some(20), "{report:#}");
        assert!(report["healthy"].as_u64() >= Some(20), "{report:#}");
        assert_eq!(report["healthy_failed"], 0, "{report:#}");
        assert_eq!(report["left"], Value::Array(Vec::new()), "{report:#}");
        // The server was asked what was answered, and nothing else.
        let served = &report["servers"][0]["counts"];
        assert_eq!(served["received"], report["healthy"], "{report:#}");
        assert_eq!(served["answered"], report["healthy"], "{report:#}");
    }
}

#[test]
fn root_a_killed_lab_leaves_nothing() {
    let mut lab = Running::start("nft-drop");
    lab.process.signal(Signal::SIGKILL);
    lab.process.ended();
    lab.await_nothing_left();
}

/// The machine's limit of tracked connections, which `conntrack-full` lowers.
struct Limit {
    before: String,
}

impl Limit {
    const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

    fn read() -> String {
        fs::read_to_string(Self::PATH).expect("connection tracking")
    }

    fn before() -> Self {
        // Other tests that change it have the lock meanwhile.
        let file = fs::File::open(Self::PATH).expect("connection tracking");
        let lock = Flock::lock(file, FlockArg::LockExclusive).expect("a lock");
        let before = Self::read();
        drop(lock);
        Self { before }
    }

    fn await_low() {
        poll("the limit to be lowered to the lab's entries", || {
            let now: u64 = Self::read().trim().parse().expect("a number");
            (600..700).contains(&now).then_some(())
        });
    }

    fn await_as_before(&self) {
        poll("the limit to be as before", || {
            (Self::read() == self.before).then_some(())
        });
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // The machine needs it, whatever was wrong here.
        if std::thread::panicking() {
            let _tried = fs::write(Self::PATH, &self.before);
        }
    }
}

#[test]
fn root_a_killed_lab_gives_the_machine_its_limit_back() {
    let limit = Limit::before();
    let mut lab = Running::start("conntrack-full");
    Limit::await_low();
    lab.process.signal(Signal::SIGKILL);
    lab.process.ended();
    limit.await_as_before();
    lab.await_nothing_left();
}

/// As by a container runtime, or a service manager: its janitor dies with it.
#[test]
fn root_the_next_lab_undoes_what_a_killed_group_left() {
    let limit = Limit::before();
    let host = Namespace::host().expect("the test's own namespace");
    let place = Place::with(host, Cgroup::new());
    let mut lab = Running::start_at(&place, "conntrack-full");
    Limit::await_low();
    let killed = members(place.cgroup.path());
    assert!(killed.len() >= 2, "the lab and its janitor: {killed:?}");
    fs::write(place.cgroup.path().join("cgroup.kill"), "1").expect("Linux 5.14");
    lab.process.ended();
    poll("everybody in the group to be gone", || {
        members(place.cgroup.path()).is_empty().then_some(())
    });
    // That of another test may have been the next one already.
    let finished = run("nft-drop", "1s");
    assert!(finished.succeeded, "{}", finished.output);
    limit.await_as_before();
    lab.await_nothing_left();
}

#[test]
fn root_a_lab_told_to_stop_says_what_it_did_and_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut lab = Running::start("nft-drop");
        lab.process.signal(signal);
        let stdout = lab.process.child.stdout.take().expect("piped");
        let report: Value = serde_json::from_reader(stdout).expect("JSON");
        assert_eq!(report["scenario"], "nft-drop");
        assert_eq!(report["left"], Value::Array(Vec::new()), "{report:#}");
        assert!(lab.process.ended().success());
        lab.await_nothing_left();
    }
}

#[test]
fn root_a_lab_that_cannot_be_made_leaves_nothing_and_says_why() {
    let mut place = Place::host();
    place.file("/dev/net/tun", "not a device");
    let mut command = place.command(env!("CARGO_BIN_EXE_kerno"));
    let finished = finish(command.args(["chaos", "--induce", "dead-server"]));
    assert!(!finished.succeeded, "{}", finished.output);
    assert!(
        finished.output.contains("/dev/net/tun"),
        "{}",
        finished.output
    );
    assert_eq!(finished.output.lines().count(), 1, "{}", finished.output);
    // Its pods were there by then.
    let prefix = format!("kerno-lab-{}-", finished.pid);
    assert_eq!(groups(&prefix), [] as [PathBuf; 0]);
}
