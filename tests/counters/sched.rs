//! `cpu_sched`.

use std::process::Command;

use nix::sched::CpuSet;
use nix::sched::sched_setaffinity;
use nix::unistd::Pid;

use super::place::Alone;
use super::place::count;
use super::place::of_process;
use super::place::start;

/// The kernel counts them for each thread; a process says so at its end.
#[test]
fn root_switches_are_those_that_the_kernel_counts() {
    let _alone = Alone::here();
    // Each time that it went on it had waited for a CPU before, however shortly. A wake-up in an
    // interrupt may come unseen (docs/architecture.md), but not to all of them.
    let apart: Vec<u64> = (0..5).map(|_| waits_unseen()).collect();
    assert!(apart.contains(&0) || apart.contains(&1), "{apart:?}");
}

/// How many switches of a shell had no wait before it went on.
fn waits_unseen() -> u64 {
    let sched = start("cpu_sched");
    // Its own count, before it ends: what it does after that is to write and to exit.
    let child = Command::new("sh")
        .args([
            "-c",
            "for i in 1 2 3 4 5; do sleep 0.01; done; grep ctxt /proc/$$/status; echo $$",
        ])
        .output()
        .expect("a shell");
    let text = String::from_utf8(child.stdout).expect("text");
    let number = |line: &str| line.rsplit(char::is_whitespace).next()?.parse::<u64>().ok();
    let numbers: Vec<u64> = text.lines().filter_map(number).collect();
    let [voluntary, involuntary, pid] = numbers[..] else {
        panic!("{text:?}");
    };
    let figures = of_process(&sched, pid as u32);
    // Behind the reading it waits for grep, writes a line, and ends.
    let more = count(&figures, "voluntary_switches") - voluntary;
    assert!(more <= 6, "{voluntary} and {more} more: {figures:?}");
    assert!(
        count(&figures, "involuntary_switches") >= involuntary,
        "{figures:?}"
    );
    assert!(voluntary >= 5, "it waited for each of its children");
    let waits = count(&figures, "run_queue");
    let switches = count(&figures, "voluntary_switches") + count(&figures, "involuntary_switches");
    assert!(waits <= switches + 1, "{waits} waits, {switches} switches");
    switches.saturating_sub(waits)
}

/// Two that want one CPU: each waits while the other has it.
#[test]
fn root_who_has_to_share_a_cpu_waits_for_it() {
    let _alone = Alone::here();
    let sched = start("cpu_sched");
    let spin = || {
        let mut command = Command::new("sh");
        // Half a second of work, by its own clock of CPU time.
        command.args(["-c", "ulimit -t 1; while :; do :; done"]);
        let child = command.spawn().expect("a shell");
        let mut first = CpuSet::new();
        first.set(0).expect("CPU 0");
        sched_setaffinity(Pid::from_raw(child.id() as i32), &first).expect("its CPU");
        child
    };
    let (mut one, mut other) = (spin(), spin());
    let pids = [one.id(), other.id()];
    // They are killed when each has had its second of CPU time.
    one.wait().expect("it ends");
    other.wait().expect("it ends");
    for pid in pids {
        let figures = of_process(&sched, pid);
        let waited = count(&figures, "run_queue_sum_ns");
        assert!(waited > 300_000_000, "{waited} ns: {figures:?}");
        assert!(count(&figures, "involuntary_switches") >= 20, "{figures:?}");
    }
}
