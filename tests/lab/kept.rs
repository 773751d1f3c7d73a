//! What a run of a scenario said, to be read after it: the last one, and each that
//! failed under a name of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use kerno_chaos::scenario::Scenario;

/// The machine's counters of what a failure could hide behind: packets that found no
/// neighbour or no room, interrupts by processor.
const COUNTERS: [&str; 7] = [
    "/proc/net/stat/arp_cache",
    "/proc/net/stat/nf_conntrack",
    "/proc/net/softnet_stat",
    "/proc/net/snmp",
    "/proc/softirqs",
    "/proc/loadavg",
    "/proc/uptime",
];

/// The files of one run.
#[derive(Debug)]
pub(crate) struct Kept {
    scenario: &'static str,
    folder: PathBuf,
}

impl Kept {
    pub(crate) fn begin(scenario: &Scenario) -> Self {
        let lab = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab");
        let folder = lab.join(scenario.name);
        // That of the last run; there may be none.
        let _none = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder for reports");
        let kept = Self {
            scenario: scenario.name,
            folder,
        };
        kept.keep("counters-before.txt", &counters());
        kept
    }

    pub(crate) fn keep(&self, file: &str, text: &str) {
        fs::write(self.folder.join(file), text).expect("to write a report");
    }

    /// Takes the run to where no later one overwrites it.
    pub(crate) fn failed(self) -> PathBuf {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.expect("a clock that is set").as_secs();
        let name = format!("{}-{seconds}-{}", self.scenario, std::process::id());
        let lab = self.folder.parent().expect("the folder of the lab");
        let there = lab.join("failed").join(name);
        fs::create_dir_all(there.parent().expect("it has one")).expect("a folder");
        fs::rename(&self.folder, &there).expect("to keep what a run said");
        there
    }
}

/// The machine's counters, as far as it has them.
pub(crate) fn counters() -> String {
    let mut text = String::new();
    for path in COUNTERS {
        let counters = fs::read_to_string(path).unwrap_or_else(|error| format!("{error}\n"));
        writeln!(text, "== {path}\n{counters}").expect("to a string");
    }
    text
}
