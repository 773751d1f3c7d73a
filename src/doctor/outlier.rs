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
    /// What it is called.
    pub(super) name: String,
    /// How they are spread.
    pub(super) pattern: Pattern,
    metric: Metric,
    kind: Kind,
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

/// Words for what an outlier can be: for one, for several, and for what it did, after
/// "the only one that".
pub(super) type Kind = (&'static str, &'static str, &'static str);

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
        (metric, kind): (Metric, Kind),
        rows: &'a [R],
        others: Option<&Figures>,
        figures: impl Fn(&R) -> &Figures,
        name: impl Fn(&R) -> String,
    ) -> Option<Self> {
        let affected = |row: &R| metric.affected(figures(row));
        let of = |row: &R| metric.of(figures(row));
        let row = rows.iter().max_by(|a, b| {
            let rate = |row| units::ratio(affected(row), of(row));
            affected(a)
                .cmp(&affected(b))
                .then(rate(a).total_cmp(&rate(b)))
        })?;
        if affected(row) == 0 {
            return None;
        }
        let all = || rows.iter().map(&figures).chain(others);
        let sum = |part: fn(Metric, &Figures) -> u64| all().map(|it| part(metric, it)).sum::<u64>();
        let mut outlier = Self {
            row,
            name: name(row),
            pattern: Pattern::Only,
            metric,
            kind,
            affected: affected(row),
            of: of(row),
            rest_affected: sum(Metric::affected) - affected(row),
            rest_of: sum(Metric::of) - of(row),
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
    pub(super) fn share(&self) -> String {
        self.metric.told(self.affected, self.of)
    }

    /// `curl (pid 4242): 90 of 400 queries failed (23 %)`
    pub(super) fn hit(&self) -> String {
        format!("{}: {}", self.name, self.share())
    }

    /// A sentence of evidence.
    pub(super) fn told(&self) -> String {
        let (name, (one, many, does)) = (&self.name, self.kind);
        let own = self.share();
        let affected = match self.hit {
            1 => format!("{} {many} is affected", self.hit_of_known()),
            _ => format!("{} {many} are affected", self.hit_of_known()),
        };
        match self.pattern {
            Pattern::Only => format!("{name} is the only {one} that {does}."),
            Pattern::One => {
                let rest = self.metric.told(self.rest_affected, self.rest_of);
                format!("One {one} stands out, {name}: {own}. All other {many}: {rest}.")
            }
            // Of many that had one each, none is worth a name.
            Pattern::Several if self.affected == 1 => format!("{affected}."),
            Pattern::Several => format!("{affected}; the worst is {name}: {own}."),
        }
    }
}
