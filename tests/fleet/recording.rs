//! What a real agent told, window by window (tests/fleet/record).

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;

/// A series without a target's labels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) is_counter: bool,
}

impl Series {
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    pub(crate) fn new(name: &str, labels: BTreeMap<String, String>) -> Self {
        let ends = ["_total", "_bucket", "_sum", "_count"];
        Self {
            is_counter: ends.iter().any(|end| name.ends_with(end)),
            name: name.to_owned(),
            labels,
        }
    }

    /// `name{label="value",…}`
    fn parse(text: &str) -> Self {
        let (name, labels) = text.split_once('{').unwrap_or((text, ""));
        let labels = labels.trim_end_matches('}').split("\",");
        let pairs = labels.filter_map(|it| it.trim_end_matches('"').split_once("=\""));
        let pairs = pairs.map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self::new(name, pairs.collect())
    }
}

/// Pages of an agent, one for each ten seconds.
pub(crate) struct Recording {
    pub(crate) series: Vec<Series>,
    /// By page, then by series: what a counter grew by in these ten seconds, what a gauge was.
    windows: Vec<Vec<Option<f64>>>,
    /// Pages while the clients of the lab asked.
    pub(crate) during: Range<usize>,
    /// Workloads, those with most failures first.
    pub(crate) workloads: Vec<String>,
    /// Servers, those with most failures first.
    pub(crate) servers: Vec<String>,
}

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let path = format!("tests/fleet/pages/{name}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut series = Vec::new();
        let mut told: Vec<Vec<Option<f64>>> = Vec::new();
        for line in lines {
            let (key, values) = line.split_once('\t').expect("a tab");
            series.push(Series::parse(key));
            told.push(values.split(' ').map(|value| value.parse().ok()).collect());
        }
        let pages = told.iter().map(Vec::len).max().expect("series");
        let windows = (0..pages).map(|page| {
            let all = series.iter().zip(&told);
            all.map(|(series, told)| window(series.is_counter, told, page))
                .collect()
        });
        let mut recording = Self {
            windows: windows.collect(),
            during: 0..pages,
            workloads: Vec::new(),
            servers: Vec::new(),
            series,
        };
        let asks = |page: &usize| recording.sum(*page, "kerno_queries_seen_total", |_| true) > 0.0;
        let asking: Vec<_> = (0..pages).filter(asks).collect();
        let has_finding = recording.series.iter().any(|it| it.name == "kerno_finding");
        let is_found =
            |page: &&usize| !has_finding || recording.sum(**page, "kerno_finding", |_| true) > 0.0;
        let first = asking.iter().find(is_found).expect("traffic");
        recording.during = *first..*asking.last().expect("traffic") + 1;
        assert!(
            recording.during.len() >= 4,
            "{name}: {:?}",
            recording.during
        );
        recording.workloads = recording.ranked("kerno_dns_workload_queries_total", |it| {
            Some((
                it.label("comm")?.to_owned(),
                it.label("result")? == "failed",
            ))
        });
        recording.servers = recording.ranked("kerno_dns_queries_total", |it| {
            let outcome = it.label("outcome")?;
            let failed = ["unanswered", "refused", "dropped"].contains(&outcome);
            Some((it.label("server")?.to_owned(), failed))
        });
        recording
    }

    pub(crate) fn pages(&self) -> usize {
        self.windows.len()
    }

    pub(crate) fn window(&self, page: usize) -> &[Option<f64>] {
        &self.windows[page]
    }

    fn sum(&self, page: usize, name: &str, is: impl Fn(&Series) -> bool) -> f64 {
        let all = self.series.iter().zip(&self.windows[page]);
        let own = all.filter(|(series, _)| series.name == name && is(series));
        own.filter_map(|(_, value)| *value).sum()
    }

    /// Values of a label, by failures and then by all.
    fn ranked(&self, name: &str, of: impl Fn(&Series) -> Option<(String, bool)>) -> Vec<String> {
        let mut all: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (number, series) in self.series.iter().enumerate() {
            let Some((value, is_failure)) = of(series).filter(|_| series.name == name) else {
                continue;
            };
            let grew: f64 = self.windows.iter().filter_map(|it| it[number]).sum();
            let (failed, both) = all.entry(value).or_default();
            *both += grew;
            *failed += if is_failure { grew } else { 0.0 };
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by(|a, b| b.1.partial_cmp(&a.1).expect("numbers"));
        all.into_iter().map(|(value, _)| value).collect()
    }
}

fn window(is_counter: bool, told: &[Option<f64>], page: usize) -> Option<f64> {
    // One value stands for all pages.
    let at = |page: usize| told[page.min(told.len() - 1)];
    if !is_counter {
        return at(page);
    }
    let before = match page {
        0 => None,
        page => at(page - 1),
    };
    Some(at(page)? - before.unwrap_or(0.0))
}
