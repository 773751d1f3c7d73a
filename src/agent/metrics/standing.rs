//! How the agent stands beside what windows say: its memory, its disk, its side of the kernel.

use std::fmt::Error;

use super::families::Families;
use super::labels::Labels;
use crate::agent::writer::Told;
use crate::monitor::KernelState;

/// As it is when somebody asks.
#[derive(Clone, Debug, Default)]
pub(in crate::agent) struct Standing {
    /// Windows that are kept in memory.
    pub(in crate::agent) windows: usize,
    /// What they take.
    pub(in crate::agent) octets: usize,
    /// Those that had to make room.
    pub(in crate::agent) forgotten: u64,
    /// Connections that were closed because there were too many.
    pub(in crate::agent) turned_away: u64,
    /// What is kept on disk, if anything is.
    pub(in crate::agent) history: Option<Told>,
    /// The kernel's side.
    pub(in crate::agent) kernel: KernelState,
}

fn nobody<T>(value: T) -> [(Labels, T); 1] {
    [(Labels::new(), value)]
}

impl Standing {
    pub(super) fn write(&self, families: &mut Families<'_>) -> Result<(), Error> {
        families.gauge(
            "kerno_windows",
            "Windows that are kept in memory",
            nobody(self.windows as f64),
        )?;
        families.gauge(
            "kerno_windows_bytes",
            "What they take there, as kerno counts it",
            nobody(self.octets as f64),
        )?;
        families.counter(
            "kerno_windows_forgotten",
            "Windows that had to make room",
            nobody(self.forgotten),
        )?;
        self.history(families)?;
        self.kernel(families)?;
        families.counter(
            "kerno_connections_turned_away",
            "Connections to the metrics that were closed because there were too many",
            nobody(self.turned_away),
        )?;
        let build = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("commit", env!("KERNO_COMMIT").to_owned()),
        ];
        families.gauge("kerno_build_info", "Which kerno this is", [(build, 1.0)])
    }

    /// Without a history on disk no series.
    fn history(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let history = self.history.as_ref();
        let gauges = [
            (
                "kerno_history_writable",
                "1 while minutes are written to disk, 0 while something keeps them from it",
                history.map(|it| f64::from(u8::from(it.fault.is_none()))),
            ),
            (
                "kerno_history_windows",
                "Windows that are on disk",
                history.map(|it| it.windows as f64),
            ),
            (
                "kerno_history_bytes",
                "What all files of the history take",
                history.map(|it| it.octets as f64),
            ),
            (
                "kerno_history_bytes_max",
                "What they may take",
                history.map(|it| it.octets_max as f64),
            ),
        ];
        for (name, help, value) in gauges {
            families.gauge(name, help, value.map(|it| (Labels::new(), it)))?;
        }
        let counters = [
            (
                "kerno_history_written",
                "Windows that this run has written to disk",
                history.map(|it| it.written),
            ),
            (
                "kerno_history_unwritten",
                "Windows that memory had to forget before they were written",
                history.map(|it| it.unwritten),
            ),
            (
                "kerno_history_forgotten",
                "Older windows on disk that had to make room",
                history.map(|it| it.forgotten),
            ),
            (
                "kerno_history_failures",
                "Times that the history could not be written",
                history.map(|it| it.failures),
            ),
            (
                "kerno_history_begun_anew",
                "Times that a damaged or deleted history was begun anew",
                history.map(|it| it.begun_anew),
            ),
        ];
        for (name, help, value) in counters {
            families.counter(name, help, value.map(|it| (Labels::new(), it)))?;
        }
        Ok(())
    }

    fn kernel(&self, families: &mut Families<'_>) -> Result<(), Error> {
        let of = |name: &'static str, value: &str| vec![(name, value.to_owned())];
        let fill = self.kernel.fill.iter();
        families.gauge(
            "kerno_bpf_fill_ratio",
            "How full kerno's ring buffer and maps in the kernel were at most, in the last minute or two",
            fill.map(|(map, share)| (of("map", map), *share)),
        )?;
        // Nobody has the kernel count it: there is nothing to say, which is not 0.
        let counted = || self.kernel.runs.iter().filter(|(_, runs)| runs.number > 0);
        families.counter(
            "kerno_bpf_runs",
            "Runs of kerno's programs, while the kernel counts them (kernel.bpf_stats_enabled)",
            counted().map(|(program, runs)| (of("program", program), runs.number)),
        )?;
        families.seconds(
            "kerno_bpf_run_seconds",
            "What these runs took",
            counted().map(|(program, runs)| (of("program", program), runs.took)),
        )
    }
}
