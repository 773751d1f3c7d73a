//! libbpf's own messages: to the log, and the last ones kept for `verify`.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use libbpf_rs::PrintLevel;

/// Lines of a rejected program that are shown; the verifier's verdict is last.
const KEPT_LINES: usize = 12;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static PROCESSED: AtomicU32 = AtomicU32::new(0);

/// Sends libbpf's messages to the log instead of to stderr. Its warnings are
/// about programs that may be optional, so they are no warnings of ours.
pub fn install() {
    libbpf_rs::set_print(Some((PrintLevel::Debug, |level, message| {
        let message = message.trim_end();
        match level {
            PrintLevel::Warn => {
                remember(message);
                log::debug!(target: "libbpf", "{message}");
            }
            PrintLevel::Info => log::trace!(target: "libbpf", "{message}"),
            PrintLevel::Debug => {
                remember_processed(message);
                log::trace!(target: "libbpf", "{message}");
            }
        }
    })));
}

pub(crate) fn clear() {
    if let Ok(mut recent) = RECENT.lock() {
        recent.clear();
    }
    PROCESSED.store(0, Relaxed);
}

/// What the verifier's statistics said of the program loaded last, since
/// [`clear`]; they come only if they were asked for.
pub(super) fn processed_insns() -> Option<u32> {
    Some(PROCESSED.load(Relaxed)).filter(|&insns| insns > 0)
}

/// `processed 95012 insns (limit 1000000) max_states_per_insn …`.
fn remember_processed(message: &str) {
    let mut insns = message
        .lines()
        .filter_map(|line| line.strip_prefix("processed "))
        .filter_map(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
    if let Some(insns) = insns.next_back() {
        PROCESSED.store(insns, Relaxed);
    }
}

/// libbpf's last warnings, which hold the verifier's last lines; else `error`.
pub(crate) fn last_lines_or(error: &impl Display) -> String {
    let recent = RECENT.lock().map(|recent| Vec::from(recent.clone()));
    match recent {
        Ok(lines) if !lines.is_empty() => lines.join("\n"),
        _ => format!("{error:#}"),
    }
}

fn remember(message: &str) {
    let Ok(mut recent) = RECENT.lock() else {
        return;
    };
    for line in message.lines() {
        if recent.len() == KEPT_LINES {
            recent.pop_front();
        }
        recent.push_back(line.to_owned());
    }
}
