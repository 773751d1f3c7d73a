//! Fixes name no process that is gone: its number may be somebody else's by now.

use super::finding::Finding;
use crate::incidents::Evidence;
use crate::shell;

/// Programs with the option whose value is the number of a process; dig takes a port there.
const TAKE_PID: [(&str, &str); 7] = [
    ("nsenter", "-t"),
    ("strace", "-p"),
    ("top", "-p"),
    ("renice", "-p"),
    ("kill", "-CONT"),
    ("kill", "-HUP"),
    ("kerno", WATCH),
];
/// Programs whose `-p` is a port.
const OTHERS: [&str; 2] = ["dig", "traceroute"];
const WATCH: &str = "--pid";

/// Leaves out the steps that need one of these, and the choice of one from `kerno watch`.
pub(super) fn leave_out(findings: &mut [Finding], evidence: &Evidence) {
    for finding in findings {
        finding.fix.retain_mut(|step| {
            let Some(pid) = pid_of(step).filter(|pid| is_gone(evidence, *pid)) else {
                return true;
            };
            let choice = format!(" {WATCH} {pid}");
            let is_watch = step.contains("`kerno watch") && step.contains(&choice);
            if is_watch {
                *step = step.replacen(&choice, "", 1);
            }
            is_watch
        });
    }
}

/// Whether it had ended when the watching did, or could not even be looked at once.
fn is_gone(evidence: &Evidence, pid: u32) -> bool {
    let host = &evidence.host;
    let mut known = [host.servers.get(&pid), host.clients.get(&pid)]
        .into_iter()
        .flatten();
    match known.next() {
        Some(process) => process.ended,
        // Without a look at the host nothing is known of anybody.
        None => host.own_netns.is_some(),
    }
}

/// The process that a command of the step needs; a command stands between backticks.
fn pid_of(step: &str) -> Option<u32> {
    let commands = step.split('`').skip(1).step_by(2);
    commands.map(shell::words).find_map(|words| {
        let words: Vec<_> = words.into_iter().map(str::trim).collect();
        let mut program = "";
        let option = words.windows(2).find_map(|two| {
            // nsenter runs another program, which has options of its own.
            if TAKE_PID.iter().any(|(name, _)| *name == two[0]) || OTHERS.contains(&two[0]) {
                program = two[0];
            }
            let value = two[1].parse().ok();
            value.filter(|_| TAKE_PID.contains(&(program, two[0])))
        });
        let folder = words.iter().find_map(|word| {
            let rest = word.strip_prefix("/proc/")?;
            rest.split('/').next()?.parse().ok()
        });
        option.or(folder)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Rule;
    use crate::doctor::Severity;
    use crate::doctor::explanation::Explanation;
    use crate::doctor::explanation::Measured;
    use crate::sampler::Process;

    fn evidence() -> Evidence {
        let mut evidence = Evidence::default();
        let process = |ended| Process {
            ended,
            ..Process::default()
        };
        evidence.host.own_netns = Some(1);
        evidence.host.clients.insert(7, process(true));
        evidence.host.servers.insert(8, process(true));
        evidence.host.servers.insert(9, process(false));
        evidence
    }

    fn left(steps: &[&str], evidence: &Evidence) -> Vec<String> {
        let said = steps
            .iter()
            .fold(Explanation::of("", "", ""), |it, step| it.say(*step));
        let measured = Measured::queries(1);
        let mut findings = [said.finding(Rule::Unknown, Severity::Info, measured)];
        leave_out(&mut findings, evidence);
        findings[0].fix.clone()
    }

    #[test]
    fn a_step_that_needs_one_who_is_gone_is_left_out() {
        for step in [
            "Look: `strace -f -p 7`",
            "Look: `grep -E 'State|TracerPid' /proc/8/status`, `strace -f -p 8`",
            "Let it go on: `kill -CONT 8`",
            "Empty the cache: `kill -HUP 8`",
            "Ask: `nsenter -t 7 -n dig @10.0.0.2 . SOA`",
            "See its list: `grep -n nameserver /proc/7/root/etc/resolv.conf`",
            "More: `renice -n -10 -p 8`",
            // Nobody could look at it while it lived.
            "Look: `top -H -p 555`",
        ] {
            assert!(left(&[step], &evidence()).is_empty(), "{step}");
            // Where the host was not looked at.
            assert_eq!(left(&[step], &Evidence::default()), [step]);
        }
        assert_eq!(
            left(&["Watch: `kerno watch --failed --pid 7`"], &evidence()),
            ["Watch: `kerno watch --failed`"]
        );
    }

    #[test]
    fn who_lives_is_named_and_other_numbers_are_none() {
        for step in [
            "Look: `strace -f -p 9`",
            "Watch: `kerno watch --pid 9`",
            "Ask: `nsenter -t \"$(lsns -t net -no PID 7 | head -1)\" -n dig @10.0.0.2 -p 1053 . SOA`",
            "Restart pid 7.",
            "Read: `cat /proc/net/softnet_stat`",
        ] {
            assert_eq!(left(&[step], &evidence()), [step]);
        }
    }
}
