//! Holds what a kernel says to the programs of `kerno counters` against what is promised.

use crate::column::Cell;
use crate::column::Section;
use crate::promise::Promise;
use crate::reported::Counter;
use crate::reported::CounterState;
use crate::table::grouped;

/// The set that has two programs, all alike, for each system call: they share a cell.
const CALLS: &str = "syscall";

/// A cell for each program.
pub(crate) fn judge(checks: &[Counter], promise: Option<&Promise>) -> Vec<Cell> {
    let is_call = |check: &&Counter| check.name.split('/').next() == Some(CALLS);
    let (calls, others): (Vec<&Counter>, Vec<&Counter>) = checks.iter().partition(is_call);
    let mut cells: Vec<Cell> = others
        .iter()
        .map(|check| program(check, &check.name, promise))
        .collect();
    cells.push(all_calls(&calls, promise));
    cells.extend(unknown(checks, promise));
    cells
}

fn all_calls(calls: &[&Counter], promise: Option<&Promise>) -> Cell {
    let judged = calls.iter().map(|check| program(check, CALLS, promise));
    let is_attached = |check: &&&Counter| check.state == CounterState::Attached;
    let attached = calls.iter().filter(is_attached).count();
    let unlike = judged.into_iter().find(|cell| cell.documented != ATTACHES);
    unlike.unwrap_or_else(|| {
        let cell = Cell::good(Section::Counters, CALLS, format!("{attached} ok"));
        cell.documented(ATTACHES)
    })
}

const ATTACHES: &str = "loads, attaches";

fn program(check: &Counter, row: &str, promise: Option<&Promise>) -> Cell {
    let reason = check.reason.as_deref().unwrap_or("kerno does not say why");
    let lacks = promise.is_some_and(|it| it.lacks_counters.contains(&check.name.as_str()));
    let bad = |text: &str, why: &str| Cell::bad(Section::Counters, row, text, why);
    let absent = |text, why| Cell::absent(Section::Counters, row, text, why).documented(text);
    match (check.state, lacks) {
        (CounterState::Attached, false) => {
            let text = match check.verified_insns {
                Some(insns) => format!("{} ok", grouped(insns.into())),
                None => "ok".to_owned(),
            };
            Cell::good(Section::Counters, row, text).documented(ATTACHES)
        }
        (CounterState::NotNeeded, false) => absent("not needed", ""),
        (CounterState::Missing, true) => absent("no hook", reason),
        // What nobody promised may be missing.
        (CounterState::Missing, false) if promise.is_none() => absent("no hook", reason),
        (CounterState::Missing, false) => bad("MISSING", reason),
        (CounterState::Refused, _) => bad("REFUSED", reason),
        (CounterState::Attached | CounterState::NotNeeded, true) => bad(
            "UNEXPECTED",
            "tests/kernels/promise.rs says that this kernel lacks its hook, but it is there: \
             correct it",
        ),
    }
}

/// A promise that names a program which kerno does not have is out of date.
fn unknown(checks: &[Counter], promise: Option<&Promise>) -> Vec<Cell> {
    let lacks = promise.map_or(&[][..], |promise| promise.lacks_counters);
    let known = |name: &str| checks.iter().any(|check| check.name == name);
    let why = "tests/kernels/promise.rs names it, but kerno verify does not: correct it";
    lacks
        .iter()
        .filter(|name| !known(name))
        .map(|name| Cell::bad(Section::Counters, name, "UNKNOWN", why))
        .collect()
}
