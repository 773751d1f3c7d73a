//! Answers that are no help: SERVFAIL and REFUSED.

use domain::base::iana::OptRcode;

use crate::attempt::names;
use crate::collect::Figures;
use crate::thresholds::ERROR_ANSWERS_MIN;
use crate::thresholds::ERROR_ANSWERS_PERCENT;
use crate::units;

/// A sentence about them if they are notable. They are answers, so they do not
/// count as failed; who asks whether DNS works wants to know of them all the same.
pub(super) fn error_answers(figures: &Figures) -> Option<String> {
    let answers: u64 = figures.rcodes.values().sum();
    let notable: Vec<_> = [OptRcode::SERVFAIL, OptRcode::REFUSED]
        .into_iter()
        .filter_map(|rcode| Some((*figures.rcodes.get(&Some(rcode))?, names::rcode(rcode))))
        .filter(|(n, _)| *n >= ERROR_ANSWERS_MIN && *n * 100 > answers * ERROR_ANSWERS_PERCENT)
        .map(|(n, name)| {
            let share = units::percent(n, answers);
            format!("{} were {name} ({share})", units::count(n))
        })
        .collect();
    (!notable.is_empty()).then(|| {
        format!(
            "Of the {} that came, {}.",
            units::counted(answers, "answer", "answers"),
            notable.join(" and ")
        )
    })
}
