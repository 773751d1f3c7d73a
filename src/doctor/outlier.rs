//! Who has the failed or slow ones: one server or process, several, or everyone.

use super::metric::Metric;
use crate::collect::Row;
use crate::collect::Table;
use crate::thresholds::CONCENTRATED_PERCENT;
use crate::thresholds::STANDS_OUT_FACTOR;
use crate::units;

/// The server or process that has most of them, and the rest beside it.
#[derive(Clone, Debug)]
pub(super) struct Outlier<'a, K> {
    /// The row of the one that is hit hardest.
    pub(super) row: &'a Row<K>,
    pub(super) name: String,
    pub(super) pattern: Pattern,
    metric: Metric,
    kind: Kind,
    /// How many of how many: its own, and those of the others.
    share: (u64, u64),
    rest: (u64, u64),
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

impl<'a, K> Outlier<'a, K> {
    /// Looks through all rows and the row of the others. `None` if no single
    /// row has any.
    pub(super) fn find(
        (metric, kind): (Metric, Kind),
        table: &'a Table<K>,
        name: impl Fn(&K) -> String,
    ) -> Option<Self> {
        let (rows, others) = (&table.rows[..], table.others.as_ref());
        let share = |row: &Row<K>| metric.share(&row.figures);
        let row = rows.iter().max_by(|a, b| {
            let (a, b) = (share(a), share(b));
            let rate = |(affected, of)| units::ratio(affected, of);
            a.0.cmp(&b.0).then(rate(a).total_cmp(&rate(b)))
        })?;
        let own = share(row);
        if own.0 == 0 {
            return None;
        }
        let all = rows.iter().map(|row| &row.figures).chain(others);
        let all = all.map(|figures| metric.share(figures));
        let all = all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let rest = (all.0 - own.0, all.1 - own.1);
        let most = own.0 * 100 >= all.0 * CONCENTRATED_PERCENT;
        Some(Self {
            row,
            name: name(&row.whom),
            pattern: match rows {
                [_] if others.is_none() => Pattern::Only,
                _ if most && stands_out(own, rest) => Pattern::One,
                _ => Pattern::Several,
            },
            metric,
            kind,
            share: own,
            rest,
            hit: rows.iter().filter(|row| share(row).0 > 0).count(),
            known: rows.len(),
            uncounted: others.is_some(),
        })
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
    pub(super) fn share_told(&self) -> String {
        self.metric.told(self.share)
    }

    /// `curl (pid 4242): 90 of 400 queries failed (23 %)`
    pub(super) fn hit(&self) -> String {
        format!("{}: {}", self.name, self.share_told())
    }

    pub(super) fn told(&self) -> String {
        let (name, (one, many, does)) = (&self.name, self.kind);
        let own = self.share_told();
        let affected = match self.hit {
            1 => format!("{} {many} is affected", self.hit_of_known()),
            _ => format!("{} {many} are affected", self.hit_of_known()),
        };
        match self.pattern {
            Pattern::Only => format!("{name} is the only {one} that {does}."),
            Pattern::One => {
                let rest = self.metric.told(self.rest);
                format!("One {one} stands out, {name}: {own}. All other {many}: {rest}.")
            }
            // Of many that had one each, none is worth a name.
            Pattern::Several if self.share.0 == 1 => format!("{affected}."),
            Pattern::Several => format!("{affected}; the worst is {name}: {own}."),
        }
    }
}
