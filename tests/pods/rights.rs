//! The capabilities of `deploy/kubernetes.yaml` are enough, and none is too many:
//! without any one of them something is missing that the documentation promises.

use std::process::Command;
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::manifest;
use crate::place::Place;
use crate::process::Process;
use crate::process::finish;
use crate::record::Record;
use crate::watch::Watch;

/// What may be taken away without kerno refusing to start.
const OPTIONAL: [&str; 3] = ["DAC_READ_SEARCH", "SYS_PTRACE", "SYSLOG"];

/// Below this are the names that the fault lab asks for.
const ZONE: &str = "*.nft-drop.lab.test";

/// Makes a command run with these capabilities and no other.
fn limited(mut command: Command, capabilities: &[&str]) -> Command {
    // Root has what its bounding set allows (capabilities(7)).
    let kept: Vec<_> = capabilities
        .iter()
        .map(|it| format!(",+{}", it.to_lowercase()))
        .collect();
    command
        .arg(format!("--bounding-set=-all{}", kept.concat()))
        .args(["--no-new-privs", env!("CARGO_BIN_EXE_kerno")]);
    command
}

fn kerno(capabilities: &[&str]) -> Command {
    limited(Place::host().command("setpriv"), capabilities)
}

/// All of the manifest's but this one.
fn without(capability: &str) -> Vec<&'static str> {
    let all = manifest::capabilities();
    assert!(all.contains(&capability), "{capability} is not in {all:?}");
    all.into_iter().filter(|it| *it != capability).collect()
}

#[test]
fn root_kerno_says_which_capability_it_cannot_do_without() {
    let needed: Vec<_> = manifest::capabilities()
        .into_iter()
        .filter(|it| !OPTIONAL.contains(it))
        .collect();
    assert_eq!(needed, ["BPF", "PERFMON", "NET_ADMIN"]);
    for capability in needed {
        let mut command = kerno(&without(capability));
        let done = finish(command.args(["watch", "--duration", "1s"]));
        assert!(!done.succeeded);
        let sentence = format!("the capability CAP_{capability} is missing");
        assert!(done.output.contains(&sentence), "{}", done.output);
    }
}

/// A firewall drops a pod's queries: which function of the kernel did it, and what
/// conntrack of the pod's own namespace says.
#[test]
fn root_evidence_that_takes_a_capability() {
    let doctor = |capabilities: &[&str]| {
        let mut command = kerno(capabilities);
        let filter = ["--name", ZONE, "--timeout", "2s"];
        command
            .args(["doctor", "--duration", "3s", "--output", "json"])
            .args(filter);
        let done = finish(&mut command);
        assert!(done.succeeded, "{}", done.output);
        let report: Value = serde_json::from_str(&done.output).expect("JSON");
        let finding = &report["findings"][0];
        assert_eq!(finding["rule"], "dns_policy_drop", "{report:#}");
        let not_read = &report["picture"]["not_read"];
        format!("{} {not_read}", finding["evidence"])
    };
    // Its namespaces must be there when the doctors look for the first and for the
    // last time. Killed, it leaves nothing, as every scenario.
    let mut watch = Watch::start(&["--name", ZONE], |_| true);
    let mut chaos = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    chaos.args(["chaos", "--induce", "nft-drop", "--duration", "60s"]);
    let _chaos = Process::start(chaos.stdout(Stdio::null()).stderr(Stdio::null()));
    watch.records(1);
    let all = manifest::capabilities();
    let sets = [all, without("SYS_PTRACE"), without("SYSLOG")];
    let [with_all, no_ptrace, no_syslog] = thread::scope(|scope| {
        let doctors = sets.map(|set| scope.spawn(move || doctor(&set)));
        doctors.map(|thread| thread.join().expect("a report"))
    });
    let place = "NETFILTER_DROP at nft_do_chain";
    let hidden = "NETFILTER_DROP at a function that the kernel hides";
    let unread = "Conntrack counters of that namespace could not be read";
    let by = "hidden from who has not the capability CAP_SYSLOG";
    let told = |said: &str| [place, hidden, unread, by].map(|it| said.contains(it));
    assert_eq!(told(&with_all), [true, false, false, false], "{with_all}");
    assert_eq!(told(&no_ptrace), [true, false, true, false], "{no_ptrace}");
    assert_eq!(told(&no_syslog), [false, true, false, true], "{no_syslog}");
}

/// A node with more control groups than may be watched: the id still leads to the
/// group, if it may be asked for, when the process is long gone.
#[test]
fn root_groups_beyond_those_that_are_watched() {
    let all = manifest::capabilities();
    let asked = unit_of_a_job(&all);
    assert_eq!(asked.unit.as_deref(), Some("job.service"), "{asked:?}");
    let not_allowed = unit_of_a_job(&without("DAC_READ_SEARCH"));
    assert_eq!(not_allowed.cgroup, None, "{not_allowed:?}");
}

/// The record of a process that asked once and ended, without an answer.
fn unit_of_a_job(capabilities: &[&str]) -> Record {
    let name = format!("job{}.rights.test", std::process::id());
    let mut place = Place::host();
    // Root may have no more than four watches; kerno takes one.
    place.file("/proc/sys/fs/inotify/max_user_watches", "4\n");
    let mut command = limited(place.command("setpriv"), capabilities);
    command.args([
        "watch",
        "--duration",
        "3s",
        "--timeout",
        "1s",
        "--name",
        &name,
    ]);
    let job = Place::in_group(Cgroup::below(&mount_point(), "system.slice/job.service"));
    let watched = thread::scope(|scope| {
        let watch = scope.spawn(move || finish(&mut command));
        while !watch.is_finished() {
            let query = "\\x00\\x07\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00";
            let labels = name
                .split('.')
                .map(|label| format!("\\x{:02x}{label}", label.len()));
            let question = format!("{}\\x00\\x00\\x01\\x00\\x01", labels.collect::<String>());
            let script = format!("printf '{query}{question}' >/dev/udp/127.0.0.77/53");
            finish(job.command("bash").args(["-c", &script]));
        }
        watch.join().expect("a watch")
    });
    assert!(watched.succeeded, "{}", watched.output);
    let records = watched
        .output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(Record::read);
    let mut clients = records.filter(|record| record.role == "client");
    clients
        .next()
        .unwrap_or_else(|| panic!("{}", watched.output))
}
