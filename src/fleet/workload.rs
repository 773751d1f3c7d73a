//! What makes pods of many nodes one workload: what made them.

use std::collections::BTreeMap;

use super::series::Series;

/// The alphabet of generated names: no vowels, and nothing that looks like them
/// (k8s.io/apimachinery/pkg/util/rand).
const GENERATED: &str = "bcdfghjklmnpqrstvwxz2456789";
/// What an agent had no room for.
const OTHER: &str = "other";
/// Letters of a generated suffix.
const SUFFIX: usize = 5;
/// … of a ReplicaSet's hash, written with the same alphabet.
const HASH: std::ops::RangeInclusive<usize> = 6..=10;

/// A workload of a fleet, as a report has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Workload {
    /// All pods of a namespace, or those of its pods that an agent had no room for.
    Namespace(String),
    /// Namespace and name, without what was generated for each pod.
    Pods(String, String),
    Container(String),
    Unit(String),
    Program(String),
}

impl Workload {
    pub(super) fn of(series: &Series) -> Option<Self> {
        let of = |name| series.label(name).map(str::to_owned);
        let namespace = of("namespace");
        let pods = |pod: &str| match &namespace {
            Some(namespace) if pod == OTHER => Self::Namespace(namespace.clone()),
            _ => {
                let namespace = namespace.clone().unwrap_or_default();
                Self::Pods(namespace, maker(pod).to_owned())
            }
        };
        let named = series.label("pod").map(pods);
        let named = named.or_else(|| namespace.clone().map(Self::Namespace));
        let named = named.or_else(|| of("container").map(Self::Container));
        let named = named.or_else(|| of("unit").map(Self::Unit));
        let named = named.or_else(|| of("comm").map(Self::Program))?;
        (!named.is_other()).then_some(named)
    }

    /// Those that an agent had no room for.
    fn is_other(&self) -> bool {
        let (Self::Namespace(name)
        | Self::Pods(_, name)
        | Self::Container(name)
        | Self::Unit(name)
        | Self::Program(name)) = self;
        name == OTHER
    }

    /// Whose pods they are.
    pub(super) fn namespace(&self) -> Option<&str> {
        match self {
            Self::Namespace(namespace) => Some(namespace),
            Self::Pods(namespace, _) if !namespace.is_empty() => Some(namespace),
            _ => None,
        }
    }

    /// The namespace with most failures, if they are not all of one workload.
    pub(super) fn worst_namespace<'a>(failed: &BTreeMap<&'a Self, f64>) -> Option<(&'a str, f64)> {
        let mut namespaces: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
        for (workload, failed) in failed {
            if let Some(namespace) = workload.namespace() {
                let (workloads, all) = namespaces.entry(namespace).or_default();
                *workloads += 1;
                *all += failed;
            }
        }
        let worst = namespaces
            .into_iter()
            .max_by(|a, b| a.1.1.total_cmp(&b.1.1))?;
        let (namespace, (workloads, failed)) = worst;
        (workloads > 1).then_some((namespace, failed))
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Pods(namespace, name) if namespace.is_empty() => name.clone(),
            Self::Pods(namespace, name) => format!("{namespace}/{name}"),
            Self::Namespace(name) => format!("namespace {name}"),
            Self::Container(name) | Self::Unit(name) | Self::Program(name) => name.clone(),
        }
    }

    /// What finds its series again.
    pub(super) fn matchers(&self) -> String {
        let is = |label: &str, value: &str| format!("{label}={}", quoted(value));
        match self {
            Self::Namespace(name) => is("namespace", name),
            Self::Pods(namespace, name) => {
                let pods = format!("{}(-.*)?", escaped(name));
                format!("{},pod=~{}", is("namespace", namespace), quoted(&pods))
            }
            Self::Container(name) => is("container", name),
            Self::Unit(name) => is("unit", name),
            Self::Program(name) => is("comm", name),
        }
    }
}

/// The name without what a Deployment, a StatefulSet, a DaemonSet or a Job adds to it for
/// each pod.
fn maker(pod: &str) -> &str {
    let is_generated = |text: &str| text.chars().all(|c| GENERATED.contains(c));
    let Some((front, last)) = pod.rsplit_once('-') else {
        return pod;
    };
    if !last.is_empty() && last.len() < SUFFIX && last.bytes().all(|b| b.is_ascii_digit()) {
        return front;
    }
    if last.len() != SUFFIX || !is_generated(last) {
        return pod;
    }
    match front.rsplit_once('-') {
        Some((name, hash)) if HASH.contains(&hash.len()) && is_generated(hash) => name,
        _ => front,
    }
}

/// As a string of PromQL.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// As a regular expression of RE2 that means just it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if !c.is_ascii_alphanumeric() && c.is_ascii() && c != '_' && c != '-' && c != '/' {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_one_maker_are_one_workload() {
        for (pod, expected) in [
            ("web-7d4b9c6f5d-x2x9k", "web"),
            ("web-front-66b6c48dd5-8xqzt", "web-front"),
            ("db-0", "db"),
            ("db-17", "db"),
            ("node-exporter-x2x9k", "node-exporter"),
            ("backup-28391040-bcdfg", "backup-28391040"),
            // Names that people gave.
            ("web", "web"),
            ("my-debug", "my-debug"),
            ("web-", "web-"),
            ("-", "-"),
            ("coredns-aeiou", "coredns-aeiou"),
        ] {
            assert_eq!(maker(pod), expected, "{pod}");
        }
    }

    #[test]
    fn names_of_strangers_stay_within_their_string() {
        let hostile = Workload::Unit("a\"} or vector(1) #\\\n".to_owned());
        assert_eq!(hostile.matchers(), r#"unit="a\"} or vector(1) #\\\n""#);
        let hostile = Workload::Pods("x".to_owned(), "a.*|b".to_owned());
        assert_eq!(
            hostile.matchers(),
            r#"namespace="x",pod=~"a\\.\\*\\|b(-.*)?""#
        );
    }
}
