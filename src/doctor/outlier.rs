//! Who has the failed or slow ones: one server or process, several, or everyone.

use super::metric::Metric;
use crate::collect::Figures;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::thresholds::STANDS_OUT_FACTOR;
use crate::units;

/// The server or process that has most of them, and the rest beside it.
#[derive(Clone, Debug)]
pub(super) struct Outlier<'a, R> {
    /// The row of the one that is hit hardest.
    pub(super) row: &'a R,
    /// How they are spread.
    pub(super) pattern: Pattern,
    affected: u64,
    of: u64,
    rest_affected: u64,
    rest_of: u64,
    hit: usize,
    known: usize,
    uncounted: bool,
}

/// How failed or slow ones are spread over servers or processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// There is only one, so that nothing can be compared.
    Only,
    /// Nearly all of it is with one, and the rest is better off.
    One,
    /// It is with several.
    Several,
}

/// Words for what an outlier can be.
pub(super) struct Kind {
    pub(super) one: &'static str,
    pub(super) many: &'static str,
    /// What it did, after "the only one that".
    pub(super) does: &'static str,
}

/// Whether one with so many of so many is much worse off than the rest.
pub(super) fn stands_out(own: (u64, u64), rest: (u64, u64)) -> bool {
    let rate = |(affected, of)| units::ratio(affected, of);
    // Others that were not heard of at all (no answer of theirs that could have
    // been slow) are no comparison.
    rest.1 > 0 && rate(own) >= rate(rest) * STANDS_OUT_FACTOR
}

impl<'a, R> Outlier<'a, R> {
    /// Looks through all rows and the row of the others. `None` if no single
    /// row has any.
    pub(super) fn find(
        metric: Metric,
        rows: &'a [R],
        others: Option<&Figures>,
        figures: impl Fn(&R) -> &Figures,
    ) -> Option<Self> {
        let affected = |row: &R| metric.affected(figures(row));
        let of = |row: &R| metric.of(figures(row));
        let (at, row) = rows.iter().enumerate().max_by(|(_, a), (_, b)| {
            let rate = |row| units::ratio(affected(row), of(row));
            affected(a)
                .cmp(&affected(b))
                .then(rate(a).total_cmp(&rate(b)))
        })?;
        if affected(row) == 0 {
            return None;
        }
        let rest = || {
            rows.iter()
                .enumerate()
                .filter(|(i, _)| *i != at)
                .map(|(_, row)| figures(row))
        };
        let rest = || rest().chain(others);
        let mut outlier = Self {
            row,
            pattern: Pattern::Only,
            affected: affected(row),
            of: of(row),
            rest_affected: rest().map(|figures| metric.affected(figures)).sum(),
            rest_of: rest().map(|figures| metric.of(figures)).sum(),
            hit: rows.iter().filter(|row| affected(row) > 0).count(),
            known: rows.len(),
            uncounted: others.is_some(),
        };
        if rows.len() > 1 || others.is_some() {
            outlier.pattern = outlier.compare();
        }
        Some(outlier)
    }

    fn compare(&self) -> Pattern {
        let total = self.affected + self.rest_affected;
        let most = self.affected * 100 >= total * CONCENTRATED_PERCENT;
        let rest = (self.rest_affected, self.rest_of);
        if most && stands_out((self.affected, self.of), rest) {
            Pattern::One
        } else {
            Pattern::Several
        }
    }

    /// Whether nearly all of them belong to this one.
    pub(super) fn is_alone(&self) -> bool {
        self.pattern != Pattern::Several
    }

    /// `2 of 3`
    pub(super) fn hit_of_known(&self) -> String {
        let more = if self.uncounted { "more than " } else { "" };
        format!(
            "{} of {more}{}",
            units::count(self.hit as u64),
            units::count(self.known as u64)
        )
    }

    /// `90 of 400 queries failed (23 %)`
    pub(super) fn share(&self, metric: Metric) -> String {
        metric.told(self.affected, self.of)
    }

    /// A sentence of evidence about the one that is called `name`.
    pub(super) fn told(&self, metric: Metric, kind: &Kind, name: &str) -> String {
        let Kind { one, many, does } = kind;
        let own = self.share(metric);
        let affected = match self.hit {
            1 => format!("{} {many} is affected", self.hit_of_known()),
            _ => format!("{} {many} are affected", self.hit_of_known()),
        };
        match self.pattern {
            Pattern::Only => format!("{name} is the only {one} that {does}."),
            Pattern::One => {
                let rest = metric.told(self.rest_affected, self.rest_of);
                format!("One {one} stands out, {name}: {own}. All other {many}: {rest}.")
            }
            // Of many that had one each, none is worth a name.
            Pattern::Several if self.affected == 1 => format!("{affected}."),
            Pattern::Several => format!("{affected}; the worst is {name}: {own}."),
        }
    }
}
