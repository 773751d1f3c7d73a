//! `kerno verify`: the programs of the counters through the verifier and onto their hooks.

use kerno_counters::ALL;
use kerno_counters::Definition;
use serde::Serialize;
use typed_bpf::Program;
use typed_bpf::load;
use typed_bpf::load::Outcome;
use typed_bpf::load::State;

use super::Running;
use crate::kernel::clear_log;
use crate::kernel::last_lines_or;

/// What this kernel says to one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CounterCheck {
    /// Which counters, as `--programs` takes them, and its name in their C file.
    pub name: String,
    /// Its type and its hook, as its section has them.
    pub section: String,
    /// The counters that need it.
    pub gives: Vec<&'static str>,
    /// What it says.
    pub state: CounterState,
    /// Why, in words, where it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Instructions that the verifier walked through, where the kernel tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_insns: Option<u32>,
}

/// What becomes of a program on this kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterState {
    /// It loads and attaches.
    Attached,
    /// Another program gives the same here, and comes first.
    NotNeeded,
    /// The kernel lacks its hook.
    Missing,
    /// The kernel has its hook, and refuses the program or its attachment.
    Refused,
}

/// Takes all counters through the verifier and onto their hooks, and back off again.
pub fn check_counters() -> Vec<CounterCheck> {
    ALL.into_iter().flat_map(check).collect()
}

/// All programs of a definition at once; where that fails, each by itself.
fn check(definition: Definition) -> Vec<CounterCheck> {
    if let Ok(running) = Running::start(definition, |_| true) {
        let insns = running.verified_insns();
        let checks = running.states().iter().map(|state| CounterCheck {
            verified_insns: insns.get(&state.program.name).copied(),
            ..as_planned(definition, state)
        });
        return checks.collect();
    }
    let states = load::states(&(definition.module)(), |_| true);
    let alone = |state: &State| match state.outcome {
        Outcome::Attached => check_alone(definition, state),
        _ => as_planned(definition, state),
    };
    states.iter().map(alone).collect()
}

fn check_alone(definition: Definition, state: &State) -> CounterCheck {
    clear_log();
    let mut check = as_planned(definition, state);
    match Running::start(definition, |it: &Program| it.name == state.program.name) {
        Ok(running) => {
            let insns = running.verified_insns();
            check.verified_insns = insns.get(&state.program.name).copied();
        }
        Err(error) => {
            check.state = CounterState::Refused;
            check.reason = Some(last_lines_or(&error));
        }
    }
    check
}

fn as_planned(definition: Definition, state: &State) -> CounterCheck {
    let program = &state.program;
    let section = match program.event {
        Some(_) => program.target.clone(),
        None => format!("{}/{}", program.kind, program.target),
    };
    let (said, reason) = match &state.outcome {
        Outcome::Attached => (CounterState::Attached, None),
        Outcome::NotWanted | Outcome::NotNeeded => (CounterState::NotNeeded, None),
        Outcome::Missing(reason) => (CounterState::Missing, Some(reason.clone())),
    };
    CounterCheck {
        name: format!("{}/{}", definition.name, program.name),
        section,
        gives: program.gives.clone(),
        state: said,
        reason,
        verified_insns: None,
    }
}
