//! Holds what a kernel reported against what is promised for it.

use crate::budget::Budget;
use crate::column::Cell;
use crate::column::Column;
use crate::column::Section;
use crate::counters;
use crate::figures;
use crate::promise::Given;
use crate::promise::Promise;
use crate::reported::Program;
use crate::reported::Reported;
use crate::reported::Signal;
use crate::table::grouped;

/// The kernel's column. Without a promise a kernel must do what it says of
/// itself that it can.
pub(crate) fn judge(
    name: &str,
    promise: Option<&Promise>,
    reported: &Reported,
    budget: &Budget,
) -> Column {
    let mut cells = Vec::new();
    let mut signals: &[Signal] = &[];
    match &reported.verification {
        Ok(verification) => {
            signals = &verification.signals;
            let program = |check| judge_program(check, promise, budget);
            cells.extend(verification.programs.iter().map(program));
            cells.extend(signals.iter().map(|signal| judge_signal(signal, promise)));
            cells.extend(unknown_signals(signals, promise));
            cells.extend(counters::judge(&verification.counters, promise));
        }
        Err(why) => cells.push(Cell::bad(Section::Programs, "kerno verify", "FAILED", why)),
    }
    cells.extend(figures::judge(reported, Given::on(promise, signals)));
    Column {
        name: name.to_owned(),
        kernel: reported.kernel.clone(),
        cells,
    }
}

fn judge_program(check: &Program, promise: Option<&Promise>, budget: &Budget) -> Cell {
    let cell = |text: &str, why: &str| Cell::bad(Section::Programs, &check.name, text, why);
    if !check.expected {
        let why = "";
        return Cell::absent(Section::Programs, &check.name, "no hook", why).documented("no hook");
    }
    if let Some(why) = &check.load_error {
        return cell("REJECTED", why);
    }
    if let Some(why) = &check.attach_error {
        return cell("NOT ATTACHED", why);
    }
    let Some(insns) = check.verified_insns.map(u64::from) else {
        return cell(
            "NOT COUNTED",
            "the kernel does not tell how much it verified",
        );
    };
    let over = promise.and_then(|promise| budget.complaint(promise.series, &check.name, insns));
    if let Some((word, why)) = over {
        let text = format!("{} {word}", grouped(insns));
        return cell(&text, &why).documented("loads, attaches");
    }
    let text = format!("{} ok", grouped(insns));
    Cell::good(Section::Programs, &check.name, text).documented("loads, attaches")
}

fn judge_signal(signal: &Signal, promise: Option<&Promise>) -> Cell {
    let lacks = promise.is_some_and(|promise| promise.lacks.contains(&signal.name.as_str()));
    let reason = signal.reason.as_deref().unwrap_or("kerno does not say why");
    match (signal.available, lacks) {
        (true, false) => Cell::good(Section::Signals, &signal.name, "yes").documented("yes"),
        (false, true) => {
            Cell::absent(Section::Signals, &signal.name, "no", reason).documented("no")
        }
        // What nobody promised may be missing.
        (false, false) if promise.is_none() => {
            Cell::absent(Section::Signals, &signal.name, "no", reason)
        }
        (false, false) => Cell::bad(Section::Signals, &signal.name, "MISSING", reason),
        (true, true) => Cell::bad(
            Section::Signals,
            &signal.name,
            "UNEXPECTED",
            "tests/kernels/promise.rs says that this kernel lacks it, but it is there: correct it",
        ),
    }
}

/// A promise that names a signal which kerno does not know is out of date.
fn unknown_signals(signals: &[Signal], promise: Option<&Promise>) -> Vec<Cell> {
    let lacks = promise.map_or(&[][..], |promise| promise.lacks);
    let known = |name: &str| signals.iter().any(|signal| signal.name == name);
    let unknown = lacks.iter().filter(|name| !known(name));
    let why = "tests/kernels/promise.rs names it, but kerno verify does not: correct it";
    unknown
        .map(|name| Cell::bad(Section::Signals, name, "UNKNOWN", why))
        .collect()
}
