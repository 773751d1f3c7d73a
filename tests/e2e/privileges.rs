//! What an agent that watches has given up, as the kernel tells it of each thread.

use std::fs;
use std::path::PathBuf;

use crate::agent::Agent;
use crate::process::poll;

/// CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE,
/// CAP_SYSLOG, CAP_PERFMON and CAP_BPF, include/uapi/linux/capability.h.
const NEEDED: u64 = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 21 | 1 << 24 | 1 << 34 | 1 << 38 | 1 << 39;

struct Thread {
    name: String,
    status: String,
}

impl Thread {
    fn value(&self, field: &str) -> &str {
        let mut lines = self.status.lines();
        let value = lines.find_map(|line| line.strip_prefix(field));
        value.expect(field).trim_start_matches(':').trim()
    }
}

fn threads(pid: u32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let read = |task: PathBuf| {
        Some(Thread {
            name: fs::read_to_string(task.join("comm"))
                .ok()?
                .trim()
                .to_owned(),
            status: fs::read_to_string(task.join("status")).ok()?,
        })
    };
    // Some live for a moment.
    tasks
        .filter_map(|task| read(task.expect("a thread").path()))
        .collect()
}

#[test]
fn root_an_agent_has_the_rights_that_it_needs_and_no_more() {
    let agent = Agent::start(&["--port", "10691", "--on-finding", "true"]);
    // A thread that was just started has its creator's name for a moment.
    let threads = poll("the agent's threads", || {
        let threads = threads(agent.process.pid());
        let is_there = |name| threads.iter().any(|thread| thread.name == name);
        ["kerno-poller", "kerno-sampler", "kerno-socket"]
            .into_iter()
            .all(is_there)
            .then_some(threads)
    });
    for thread in &threads {
        let name = &thread.name;
        let held = u64::from_str_radix(thread.value("CapEff"), 16).expect("a mask");
        match name.as_str() {
            // A command of the user's has the rights of who started the agent.
            "kerno-hook" => continue,
            "kerno-signals" => assert_eq!(held, 0),
            _ => {
                assert_eq!(held & !NEEDED, 0, "{name}: {held:x}");
                assert_eq!(thread.value("NoNewPrivs"), "1", "{name}");
                // A filter, SECCOMP_MODE_FILTER.
                assert_eq!(thread.value("Seccomp"), "2", "{name}");
            }
        }
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", agent.process.pid()));
    let mounts = mounts.expect("its mounts");
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"));
    let options = root.and_then(|line| line.split(' ').nth(5));
    assert!(options.expect("a root").starts_with("ro"), "{root:?}");
}
