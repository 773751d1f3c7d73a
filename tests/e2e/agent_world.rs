//! What happens to an agent's own world: its disk, its clock, its life. Each test watches a
//! port of its own.

use std::fs;
use std::path::Path;

use nix::mount::MntFlags;
use nix::mount::MsFlags;
use nix::mount::mount;
use nix::mount::umount2;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::agent_history::end;
use crate::agent_history::fail;
use crate::agent_history::status;
use crate::agent_history::told;
use crate::agent_history::unanswered;
use crate::process::poll;
use crate::wall_clock::WallClock;

/// One with a clock that can be set, and a history.
fn start(port: u16, history: &Path, clock: &WallClock) -> Agent {
    let port = port.to_string();
    let history = history.to_str().expect("UTF-8");
    let options = ["--port", &port, "--timeout", "100ms", "--history", history];
    let variables = clock.variables();
    let variables = variables.each_ref().map(|(name, it)| (*name, it.as_str()));
    Agent::start_with(&options, &variables)
}

fn history(agent: &Agent) -> Value {
    status(agent)["history"].clone()
}

/// Waits until so many minutes are on disk.
fn written(agent: &Agent, minutes: u64) {
    poll("a minute to be written", || {
        let told = history(agent);
        (told["written"].as_u64() >= Some(minutes)).then_some(())
    });
}

/// Asks for a line of the log that has these words.
fn says(agent: &mut Agent, words: &str) {
    use std::io::BufRead as _;
    let mut line = String::new();
    while !line.contains(words) {
        line.clear();
        let read = agent.messages.read_line(&mut line).expect("UTF-8");
        assert!(read > 0, "it never said {words:?}");
    }
}

#[test]
fn root_a_killed_agent_loses_the_open_minute_and_no_more() {
    const PORT: u16 = 10_671;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = WallClock::new();
    for life in 0..3_i64 {
        // The minute has just begun; nothing of the agent's own start ends it.
        clock.set_to(10 * life, 0);
        let mut agent = start(PORT, folder.path(), &clock);
        let before = unanswered(&agent);
        assert_eq!(
            before,
            24 * life.unsigned_abs(),
            "the closed minutes are there"
        );
        fail(&agent, PORT, 0..24);
        // It is over in two seconds, and written.
        clock.set_to(10 * life, 58);
        written(&agent, 1);
        fail(&agent, PORT, 100..108);
        agent.process.signal(Signal::SIGKILL);
        agent.process.ended();
    }
    let shown = folder.path().to_str().expect("UTF-8");
    clock.set_to(40, 0);
    let last = start(PORT, folder.path(), &clock);
    assert_eq!(unanswered(&last), 3 * 24);
    let told = history(&last);
    assert!(
        told.get("fault").is_none() && told["begun_anew"] == 0,
        "{told}"
    );
    // Each life's fault is a line of its own.
    let lines = last.asked(&["history", "--output", "json", "--history", shown]);
    let lines: Value = serde_json::from_str(&lines.output).expect("JSON");
    let fails = |line: &&Value| line["rules"].as_array().is_some_and(|it| !it.is_empty());
    let lines = lines
        .as_array()
        .expect("times")
        .iter()
        .filter(fails)
        .count();
    assert!(lines >= 3, "{lines}");
}

#[test]
fn root_a_clock_that_is_set_loses_nothing() {
    const PORT: u16 = 10_672;
    let folder = tempfile::tempdir().expect("a folder");
    let clock = WallClock::new();
    clock.set_to(0, 0);
    let mut agent = start(PORT, folder.path(), &clock);
    let silent = Silent::start(PORT);
    // At the beginning; an hour and a bit back, forward again, and by a day.
    for (turn, minutes) in [0, -67, 13, 24 * 60].into_iter().enumerate() {
        clock.set_to(minutes, 30);
        let turn = turn as u16;
        silent.ask(100 * turn..100 * turn + 10);
        poll("the agent to know of all", || {
            let report = told(&agent, ALL_TIME);
            (report["dns"]["unanswered"] == 10 * (turn + 1)).then_some(())
        });
        // It is told of the time that the clock says: a program's would be the same.
        let minute = told(&agent, "/v1/doctor?last_ms=60000");
        assert_eq!(minute["dns"]["unanswered"], 10, "{minute:#}");
        let troubles = told(&agent, "/v1/history?last_ms=60000");
        assert!(
            troubles.to_string().contains("dns_failure_rate"),
            "{troubles}"
        );
    }
    let report = told(&agent, ALL_TIME);
    assert_eq!(report["accounting"]["lost"], 0, "{report:#}");
    // Time that was watched is as long as it was, whatever the clock says.
    let seconds = report["window_seconds"].as_f64().expect("a number");
    assert!(seconds < 120.0, "{seconds}");
    end(&mut agent);
    let again = start(PORT, folder.path(), &clock);
    let report = told(&again, ALL_TIME);
    assert_eq!(report["dns"]["unanswered"], 40, "{report:#}");
}

/// Up to the end of the century, which is also what is ahead of a clock that was set back.
const ALL_TIME: &str = "/v1/doctor?from_ms=0&to_ms=4102444800000";

/// Unmounts a small file system.
struct Small<'a>(&'a Path);

impl Small<'_> {
    fn mount(folder: &Path) -> Small<'_> {
        let (kind, none) = (Some("tmpfs"), None::<&str>);
        mount(kind, folder, kind, MsFlags::empty(), none).expect("a file system");
        Small(folder)
    }

    fn remount(&self, flags: MsFlags) {
        let none = None::<&str>;
        let flags = flags | MsFlags::MS_REMOUNT;
        mount(none, self.0, none, flags, none).expect("to mount it again");
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _gone = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

#[test]
fn root_a_disk_that_can_only_be_read_is_told_and_written_to_when_it_can_be() {
    const PORT: u16 = 10_664;
    let folder = tempfile::tempdir().expect("a folder");
    let small = Small::mount(folder.path());
    let clock = WallClock::new();
    clock.set_to(0, 0);
    let mut agent = start(PORT, folder.path(), &clock);
    fail(&agent, PORT, 0..24);
    clock.set_to(0, 58);
    written(&agent, 1);

    end(&mut agent);
    small.remount(MsFlags::MS_RDONLY);
    clock.set_to(5, 0);
    let mut agent = start(PORT, folder.path(), &clock);
    assert!(history(&agent)["fault"].is_string(), "{}", history(&agent));
    // What is there is read all the same.
    assert_eq!(unanswered(&agent), 24);
    fail(&agent, PORT, 100..124);
    clock.set_to(5, 58);
    poll("a second try", || {
        (history(&agent)["failures"].as_u64() >= Some(2)).then_some(())
    });
    small.remount(MsFlags::empty());
    clock.set_to(6, 58);
    written(&agent, 1);
    assert!(
        history(&agent).get("fault").is_none(),
        "{}",
        history(&agent)
    );
    says(&mut agent, "is written again");
    assert_eq!(unanswered(&agent), 48);
    end(&mut agent);
}

#[test]
fn root_a_damaged_history_is_put_aside_and_begun_anew() {
    const PORT: u16 = 10_665;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("history.db");
    let clock = WallClock::new();
    clock.set_to(0, 0);
    let mut agent = start(PORT, folder.path(), &clock);
    fail(&agent, PORT, 0..24);
    end(&mut agent);
    // The middle of it is somebody else's.
    let mut octets = fs::read(&file).expect("the database");
    let middle = octets.len() / 3..octets.len();
    octets[middle].fill(b'x');
    fs::write(&file, &octets).expect("damaged");

    clock.set_to(1, 0);
    let mut agent = start(PORT, folder.path(), &clock);
    let told = history(&agent);
    assert_eq!(told["begun_anew"], 1, "{told}");
    assert!(told.get("fault").is_none(), "{told}");
    assert_eq!(
        fs::read(folder.path().join("history.db.damaged")).expect("kept"),
        octets
    );
    fail(&agent, PORT, 100..124);
    end(&mut agent);
    let again = start(PORT, folder.path(), &clock);
    assert_eq!(unanswered(&again), 24);
}
