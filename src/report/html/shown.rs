//! What of a report has room in a page.

use crate::collect::Figures;
use crate::collect::Row;
use crate::collect::Table;
use crate::report::Report;
use crate::units;

/// So many of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    rows: usize,
    findings: usize,
}

/// From much to little; the first that makes a page small enough is taken.
pub(super) const SIZES: [Shown; 4] = [
    Shown {
        rows: 100,
        findings: 40,
    },
    Shown {
        rows: 40,
        findings: 25,
    },
    Shown {
        rows: 15,
        findings: 12,
    },
    Shown {
        rows: 5,
        findings: 5,
    },
];

impl Shown {
    /// The report with as much.
    pub(super) fn of(self, report: &Report) -> Report {
        let mut shown = report.clone();
        cut(&mut shown.dns.by_workload, self.rows);
        cut(&mut shown.dns.by_process, self.rows);
        cut(&mut shown.dns.by_server, self.rows);
        shown.troubled_names.truncate(self.rows);
        shown.findings.truncate(self.findings);
        shown
    }

    /// What that leaves out, in sentences.
    pub(super) fn left_out(self, report: &Report) -> Vec<String> {
        let dns = &report.dns;
        let all = [
            (
                dns.by_workload.rows.len(),
                self.rows,
                "workload",
                "workloads",
            ),
            (dns.by_process.rows.len(), self.rows, "process", "processes"),
            (dns.by_server.rows.len(), self.rows, "server", "servers"),
            (report.troubled_names.len(), self.rows, "name", "names"),
            (report.findings.len(), self.findings, "finding", "findings"),
        ];
        let beyond = all.into_iter().filter(|(number, max, ..)| number > max);
        let told = beyond.map(|(number, max, one, many)| {
            let beyond = units::counted((number - max) as u64, one, many);
            format!("{beyond} for which there was no room; --output json has every one.")
        });
        told.collect()
    }
}

/// The busiest, and in half of the places those that are hit hardest; the others together.
fn cut<K>(table: &mut Table<K>, rows: usize) {
    if table.rows.len() <= rows {
        return;
    }
    let failed = |row: &Row<K>| row.figures.outcomes.failed();
    let mut hit: Vec<_> = (0..table.rows.len())
        .filter(|&at| failed(&table.rows[at]) > 0)
        .collect();
    hit.sort_by_key(|&at| std::cmp::Reverse(failed(&table.rows[at])));
    hit.truncate(rows / 2);
    let mut room = rows - hit.len();
    let mut at = 0;
    let (shown, rest): (Vec<_>, Vec<_>) =
        std::mem::take(&mut table.rows).into_iter().partition(|_| {
            at += 1;
            let is_hit = hit.contains(&(at - 1));
            let has_room = !is_hit && room > 0;
            room -= usize::from(has_room);
            is_hit || has_room
        });
    let others = rest.iter().map(|row| &row.figures).chain(&table.others);
    table.others = Some(Figures::together(others));
    table.rows = shown;
}
