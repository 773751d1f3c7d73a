//! What the recording rules of `deploy/` would have recorded.

use std::fs;

use serde_json::Value;

use crate::prometheus::Prometheus;
use crate::prometheus::label;

/// Name and expression of each, in their order.
fn rules() -> Vec<(String, String)> {
    let text = fs::read_to_string("deploy/prometheus/rules.yml").expect("the rules");
    let mut rules = Vec::new();
    let mut name = None;
    for line in text.lines().map(|line| line.trim_start_matches([' ', '-'])) {
        if let Some(record) = line.strip_prefix("record: ") {
            name = Some(record.to_owned());
        }
        if let (Some(expression), Some(_)) = (line.strip_prefix("expr: "), &name) {
            rules.extend(name.take().map(|name| (name, expression.to_owned())));
        }
    }
    rules
}

/// Records all of them at these times, as a Prometheus that has the rules does.
pub(crate) fn record(prometheus: &mut Prometheus, times: &[u64]) -> usize {
    let rules = rules();
    assert!(rules.len() > 20, "{}", rules.len());
    for (name, expression) in &rules {
        let (from, to) = (times[0], times[times.len() - 1]);
        let step = times.get(1).map_or(60, |next| next - from);
        for series in prometheus.range(expression, (from, to), step) {
            let labels = series["metric"].as_object().expect("labels").iter();
            let labels = labels.filter(|(label, _)| *label != "__name__");
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let labels = labels.flat_map(|(k, v)| label(k, &text(v)));
            let labels: Vec<_> = label("__name__", name).into_iter().chain(labels).collect();
            let samples = series["values"].as_array().expect("values").iter();
            let samples: Vec<_> = samples
                .map(|it| {
                    let value = it[1].as_str().expect("text").parse().expect("a number");
                    (it[0].as_f64().expect("a time") as u64, value)
                })
                .collect();
            prometheus.tell(&labels, samples.into_iter());
        }
        prometheus.flush();
    }
    rules.len()
}
