//! However `kerno watch` ends, nothing of it stays behind.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kerno::attempt::Role;
use kerno::attribution;
use kerno::filter::Filter;
use kerno::watching::Options;
use kerno::watching::Watching;
use libbpf_rs::query::LinkInfoIter;
use libbpf_rs::query::ProgInfoIter;
use nix::sys::signal::Signal;

use crate::ask::ask;
use crate::ask::connected;
use crate::fake_server;
use crate::fake_server::at_once;
use crate::message;
use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::finish;
use crate::process::poll;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::watch::Watch;

#[test]
fn root_ctrl_c_ends_it_well() {
    assert_eq!(end_by(Signal::SIGINT), (Some(0), None));
}

#[test]
fn root_sigterm_ends_it_well() {
    assert_eq!(end_by(Signal::SIGTERM), (Some(0), None));
}

#[test]
fn root_sigkill_leaves_nothing_either() {
    assert_eq!(end_by(Signal::SIGKILL), (None, Some(9)));
}

/// timeout(1) sends its signal to the process, and then to the whole group.
#[test]
fn root_a_signal_that_comes_twice_at_once_is_one() {
    for _ in 0..3 {
        let mut command = Place::host().command("timeout");
        command.args(["--preserve-status", "--signal=INT", "2"]);
        let kerno = env!("CARGO_BIN_EXE_kerno");
        let done = finish(command.args([kerno, "doctor", "--duration", "60s"]));
        assert!(done.succeeded, "{}", done.output);
        assert!(done.output.contains("watched for"), "{}", done.output);
    }
}

/// `kerno watch | head -1`
#[test]
fn root_a_reader_that_goes_away_ends_it_quietly() {
    let site = Site::new();
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    let loaded = Loaded::by(&watch);
    ask_once(&site);
    watch.records(1);
    watch.close();
    // Only who writes learns that nobody reads.
    poll("kerno watch to end", || {
        ask_once(&site);
        watch.process.has_ended().then_some(())
    });
    assert_eq!(watch.process.ended().code(), Some(0));
    assert_eq!(watch.complaints(), [""; 0]);
    loaded.are_gone();
}

/// The exit code and the signal.
fn end_by(signal: Signal) -> (Option<i32>, Option<i32>) {
    let site = Site::new();
    let _unbound = site.unbound();
    let mounted = mounted();
    let mut watch = site.watch(&[]);
    let loaded = Loaded::by(&watch);
    // In the middle of its work.
    ask_once(&site);
    watch.records(2);
    watch.process.signal(signal);
    let status = watch.process.ended();
    assert_eq!(watch.complaints(), [""; 0]);
    loaded.are_gone();
    assert_eq!(self::mounted(), mounted);
    (status.code(), status.signal())
}

fn ask_once(site: &Site) {
    let query = message::query(1, &message::labels(&site.name("www")), message::A);
    ask(&site.client, SocketAddr::new(SERVER_V4, 53), &query);
}

/// The BPF programs and links that one process holds. Other tests have theirs,
/// and numbers are not given twice.
struct Loaded {
    programs: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Loaded {
    fn by(watch: &Watch) -> Self {
        let folder = format!("/proc/{}/fdinfo", watch.process.pid());
        let mut loaded = Self {
            programs: BTreeSet::new(),
            links: BTreeSet::new(),
        };
        for file in fs::read_dir(folder).expect("/proc/PID/fdinfo") {
            // A descriptor may be closed while the folder is read.
            let info = fs::read_to_string(file.expect("an entry").path()).unwrap_or_default();
            for line in info.lines() {
                match line.split_once(":\t") {
                    Some(("prog_id", id)) => loaded.programs.insert(id.parse().expect("an id")),
                    Some(("link_id", id)) => loaded.links.insert(id.parse().expect("an id")),
                    _ => false,
                };
            }
        }
        assert!(loaded.programs.len() >= 2, "egress and ingress at least");
        assert!(loaded.links.len() >= 2, "egress and ingress at least");
        assert!(
            loaded.still_there() >= 4,
            "the kernel lists what the process holds"
        );
        loaded
    }

    fn still_there(&self) -> usize {
        ProgInfoIter::default()
            .filter(|p| self.programs.contains(&p.id))
            .count()
            + LinkInfoIter::default()
                .filter(|l| self.links.contains(&l.id))
                .count()
    }

    /// The kernel frees them a moment after the last descriptor is closed.
    fn are_gone(&self) {
        poll("the programs to be gone", || {
            (self.still_there() == 0).then_some(())
        });
    }
}

/// File systems that a BPF program's loader may be tempted to mount.
fn mounted() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    let kinds = [" - cgroup2 ", " - bpf ", " - tracefs ", " - debugfs "];
    mounts
        .lines()
        .filter(|line| kinds.iter().any(|k| line.contains(k)))
        .map(String::from)
        .collect()
}

/// Nobody takes what is told any more, while each one who hands it on waits for room.
#[test]
fn root_who_watches_no_more_is_waited_for_by_nobody() {
    let site = Site::new();
    let server = SocketAddr::new(SERVER_V4, 53);
    fake_server::serve(&site.server, server, |query, _| at_once(query));
    let others = pollers();
    let watching = Watching::start(Options {
        ports: vec![53],
        timeout: Duration::from_secs(1),
        // With a filter each query is told by itself.
        filter: Filter {
            role: Some(Role::Client),
            ..Filter::default()
        },
        workloads: attribution::Options::default(),
        all_hooks: false,
    });
    let watching = watching.expect("a host that kerno can watch");
    let poller = pollers().difference(&others).next().cloned();
    let poller = poller.expect("a poller").join("syscall");
    let socket = connected(&site.client, server);
    let query = message::query(1, &message::labels(&site.name("unheard")), message::A);
    poll("the poller to wait for room", || {
        for _ in 0..64 {
            socket.send(&query).expect("to ask");
            socket.recv(&mut [0; 512]).expect("an answer");
        }
        let call = fs::read_to_string(&poller).expect("it runs");
        let number = call.split(' ').next().and_then(|it| it.parse().ok());
        (watching.messages().is_full() && number == Some(libc::SYS_futex)).then_some(())
    });
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || tell.send(watching.end()));
    let ended = ended.recv_timeout(PATIENCE).expect("an end");
    ended.expect("an end without a fault");
}

/// The threads of this process that take the kernel's records.
fn pollers() -> BTreeSet<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").expect("threads");
    let tasks = tasks.filter_map(|it| it.ok().map(|it| it.path()));
    let is_one = |task: &PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == "kerno-poller")
    };
    tasks.filter(is_one).collect()
}
