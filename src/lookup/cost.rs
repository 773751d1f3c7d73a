//! What a lookup came to, how long it took, and which of its messages took the time.

use domain::base::iana::Rtype;

use super::finished::LookupResult;
use super::finished::Outline;
use super::open::Open;
use super::step::Step;
use super::step::StepEnd;
use crate::thresholds::LATENCY_WARNING_NS;

/// Looks at all of a lookup that is over; its steps are in order then, and each knows what
/// it cost.
pub(super) fn outline(open: &mut Open) -> Outline {
    let steps = &mut open.steps;
    steps.sort_by_key(Step::sent_ns);
    let result = result(steps);
    let last_name = steps.iter().rev().find_map(Step::name);
    let mut ended_ns = open.first_ns;
    for at in 0..steps.len() {
        let end_ns = end_for_program(steps, at);
        if steps[at].end != StepEnd::Superseded {
            ended_ns = ended_ns.max(end_ns);
        }
        steps[at].end_ns = end_ns;
    }
    for step in steps.iter_mut() {
        step.is_waste = is_waste(step, last_name);
    }
    let lost_ns = match steps.iter().any(|step| step.is_waste) {
        true => share_out(steps),
        false => 0,
    };
    Outline {
        result,
        duration_ns: ended_ns.saturating_sub(open.first_ns),
        queries: steps.len() as u64 + open.left_out,
        lost_ns,
    }
}

/// The types that were asked for, each once, the first one first.
pub(super) fn types(steps: &[Step]) -> Vec<Rtype> {
    let mut types = Vec::new();
    for rtype in steps.iter().filter_map(|step| Some(step.question?.rtype)) {
        if !types.contains(&rtype) {
            types.push(rtype);
        }
    }
    types
}

/// What came last for each question counts, and one answer with records is enough.
fn result(steps: &[Step]) -> LookupResult {
    let is_last = |at: usize| {
        let behind = steps.iter().skip(at + 1);
        let counts = |other: &&Step| other.end != StepEnd::Superseded;
        behind
            .filter(counts)
            .all(|it| it.question != steps[at].question)
    };
    let mut found = false;
    let mut failed = false;
    let mut no_data = false;
    let mut no_name = false;
    for (at, step) in steps.iter().enumerate() {
        match step.end {
            StepEnd::Found => found = true,
            // Asked for again over TCP, or good enough as it is.
            StepEnd::Truncated => found |= is_last(at),
            StepEnd::NoData => no_data = true,
            StepEnd::NoSuchName => no_name = true,
            StepEnd::Superseded => {}
            _ => {
                let asked = |it: &Step| step.question.is_none() || it.question == step.question;
                failed |= !steps.iter().any(|it| it.end.is_settled() && asked(it));
            }
        }
    }
    match (found, failed) {
        (true, _) => LookupResult::Ok,
        (_, true) => LookupResult::Failed,
        _ if no_data => LookupResult::NoData,
        _ if no_name => LookupResult::NoSuchName,
        _ => LookupResult::Failed,
    }
}

/// Who asks again has waited until then, whenever kerno knew what had become of it (at once of
/// what this host discards); nor does wait longer who has his answer from elsewhere, or has
/// closed the socket.
fn end_for_program(steps: &[Step], at: usize) -> u64 {
    let step = &steps[at];
    if step.end != StepEnd::Silence && !step.gave_up {
        // Who sends the same message again has not heard of the error (musl).
        let again = steps.iter().skip(at + 1).find(|it| it.is_resend_of(step));
        let unheard = again.filter(|_| !step.end.is_settled());
        return unheard.map_or(step.end_ns, |it| it.sent_ns().max(step.end_ns));
    }
    let others = steps.iter().filter(|it| it.question == step.question);
    let until = others.filter_map(|other| {
        if other.sent_ns() > step.sent_ns() {
            return Some(other.sent_ns());
        }
        let came = other.end.is_settled() && other.end_ns > step.sent_ns();
        came.then_some(other.end_ns)
    });
    let given_up = step.gave_up.then_some(step.end_ns);
    until.chain(given_up).min().unwrap_or(step.end_ns)
}

/// Whether the program would rather have done without it.
fn is_waste(step: &Step, last_name: Option<u64>) -> bool {
    match step.end {
        StepEnd::Silence | StepEnd::Refused | StepEnd::ErrorAnswer => true,
        StepEnd::Superseded | StepEnd::Truncated => false,
        StepEnd::Found => step.took_ns() > LATENCY_WARNING_NS,
        StepEnd::NoData | StepEnd::NoSuchName => {
            step.is_search(last_name) || step.took_ns() > LATENCY_WARNING_NS
        }
    }
}

/// Each moment is lost by the message that held the program up: of several that waited,
/// the one that waited longest. Returns the sum.
fn share_out(steps: &mut [Step]) -> u64 {
    let mut moments: Vec<u64> = steps
        .iter()
        .filter(|step| step.is_waste)
        .flat_map(|step| [step.sent_ns(), step.end_ns])
        .collect();
    moments.sort_unstable();
    moments.dedup();
    let mut sum = 0;
    for between in moments.windows(2) {
        let waits = |step: &&mut Step| {
            step.is_waste && step.sent_ns() <= between[0] && step.end_ns >= between[1]
        };
        // The first of those that end last.
        let waiting = steps
            .iter_mut()
            .filter(waits)
            .rev()
            .max_by_key(|it| it.end_ns);
        if let Some(step) = waiting {
            step.lost_ns += between[1] - between[0];
            sum += between[1] - between[0];
        }
    }
    sum
}
