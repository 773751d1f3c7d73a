//! A node of a scene, and what its agent tells: windows of recordings, played.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::prometheus::label;
use crate::recording::Recording;
use crate::recording::Series;

/// Seconds between two scrapes; a window takes ten.
pub(crate) const SCRAPE: u64 = 60;
const WINDOWS: u64 = SCRAPE / 10;
/// Scrapes of a scene.
pub(crate) const SCRAPES: u64 = 7;
/// Workloads of a node.
const WORKLOADS: usize = 40;
/// Prometheus's sign that a series has ended (model/value, StaleNaN).
pub(crate) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

pub(crate) const DNS: &str = "10.96.0.10:53";
pub(crate) const OLD: &str = "10.0.0.2:53";

/// What `kerno fleet` asks for, of what an agent tells.
const ASKED: [&str; 11] = [
    "kerno_build_info",
    "kerno_dns_queries_total",
    "kerno_dns_lookups_total",
    "kerno_dns_failures_total",
    "kerno_dns_lost_seconds_total",
    "kerno_dns_workload_queries_total",
    "kerno_dns_workload_failures_total",
    "kerno_finding",
    "kerno_verdict",
    "kerno_queries_seen_total",
    "kerno_lost_total",
];

/// A fault that a node has for a time.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) recording: &'static str,
    pub(crate) scrapes: Range<u64>,
    /// Whom it hits: namespace and name, most hit first; who is not named has a name as others.
    pub(crate) victims: Vec<(&'static str, &'static str)>,
    /// What the recorded servers are here, most hit first; those not named are `DNS`.
    pub(crate) servers: Vec<&'static str>,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) number: usize,
    /// What its target is labelled with.
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) version: &'static str,
    pub(crate) faults: Vec<Fault>,
    /// Its agent answers in these scrapes; else the scrape fails.
    pub(crate) answers: Range<u64>,
    /// It is a target in these.
    pub(crate) is_target: Range<u64>,
    /// Its agent was started at this scrape; before, long ago.
    pub(crate) started: Option<u64>,
    /// From this scrape on its target has these labels.
    pub(crate) renamed: Option<(u64, BTreeMap<String, String>)>,
}

/// What stands in the name of a pod for the letters that each node has its own of.
const SUFFIX: &str = "-zzzzz";

/// Of one series: when, and what.
type Samples = Vec<(u64, f64)>;

/// The recordings, and how they are played on nodes of the same kind.
pub(crate) struct Player {
    recordings: BTreeMap<&'static str, Recording>,
    kinds: HashMap<String, Rc<Kind>>,
    /// What nodes with nothing particular tell: by their kind, and by which window is their first.
    plain: HashMap<(*const Kind, usize), Vec<Samples>>,
    /// All metrics, and not only what `kerno fleet` asks for.
    is_whole: bool,
}

/// Series of nodes that have the same faults in the same workloads.
struct Kind {
    /// Name and labels as they are told, and where the pod's letters are.
    series: Vec<(Vec<u8>, Option<usize>)>,
    own: Part,
    others: Part,
    faults: Vec<Part>,
    gauges: Gauges,
}

/// A recording as a node has it: for each of its series those that it is here, and how often.
struct Part {
    recording: &'static str,
    series: Vec<Vec<(usize, f64)>>,
}

/// What is not in a recording.
struct Gauges {
    up: usize,
    build: usize,
    start: usize,
    memory: Option<usize>,
}

/// A series of a node: labels as they are told, and samples, by scrape.
pub(crate) struct Told {
    pub(crate) labels: Vec<u8>,
    pub(crate) samples: Vec<(u64, f64)>,
}

/// Counters and gauges of an agent, and what they were.
struct Page {
    values: Vec<f64>,
    samples: Vec<Vec<(u64, f64)>>,
}

impl Page {
    fn add(&mut self, number: usize, value: f64) {
        let old = self.values[number];
        self.values[number] = if old.is_nan() { value } else { old + value };
    }

    /// What there is now; what is there no more ends.
    fn scrape(&mut self, scrape: u64) {
        for (value, samples) in self.values.iter().zip(&mut self.samples) {
            let was_there = samples.last().is_some_and(|(_, value)| !value.is_nan());
            match value.is_nan() {
                false => samples.push((scrape, *value)),
                true if was_there => samples.push((scrape, STALE)),
                true => {}
            }
        }
    }

    fn forget(&mut self) {
        self.values.fill(f64::NAN);
    }
}

impl Player {
    pub(crate) fn new(names: &[&'static str], is_whole: bool) -> Self {
        let recordings = names.iter().map(|name| (*name, Recording::read(name)));
        Self {
            recordings: recordings.collect(),
            kinds: HashMap::new(),
            plain: HashMap::new(),
            is_whole,
        }
    }

    /// What a node's target tells in a scene that ends then.
    pub(crate) fn told(&mut self, node: &Node, end: u64) -> Vec<Told> {
        let kind = self.kind(node);
        let turns = self.recordings["healthy"].during.len();
        let key = (Rc::as_ptr(&kind), node.number % turns);
        if !node.is_plain() {
            let samples = self.samples(&kind, node, end);
            return node.labelled(&kind, samples);
        }
        if !self.plain.contains_key(&key) {
            let samples = self.samples(&kind, node, end);
            self.plain.insert(key, samples);
        }
        let mut samples = self.plain[&key].clone();
        // The only one that is about the scene's time.
        for (_, value) in &mut samples[kind.gauges.start] {
            *value = long_ago(end);
        }
        node.labelled(&kind, samples)
    }

    /// By series, and by scrape.
    fn samples(&self, kind: &Kind, node: &Node, end: u64) -> Vec<Vec<(u64, f64)>> {
        let mut page = Page {
            values: vec![f64::NAN; kind.series.len()],
            samples: vec![Vec::new(); kind.series.len()],
        };
        let mut began = 0;
        for scrape in node.is_target.clone() {
            if node.started == Some(scrape) {
                page.forget();
                began = scrape;
            }
            if !node.answers.contains(&scrape) {
                page.forget();
                page.values[kind.gauges.up] = 0.0;
                page.scrape(scrape);
                continue;
            }
            self.play(kind, node, &mut page, scrape, began);
            page.values[kind.gauges.up] = 1.0;
            page.values[kind.gauges.build] = 1.0;
            page.values[kind.gauges.start] = match node.started {
                Some(at) if at == began => (end - (SCRAPES - began) * SCRAPE) as f64,
                _ => long_ago(end),
            };
            if let Some(memory) = kind.gauges.memory {
                page.values[memory] = 48_439_296.0;
            }
            page.scrape(scrape);
        }
        page.samples
    }

    /// The windows between two scrapes.
    fn play(&self, kind: &Kind, node: &Node, page: &mut Page, scrape: u64, began: u64) {
        let mut faults = node.faults.iter().zip(&kind.faults);
        let fault = faults.rfind(|(fault, _)| fault.scrapes.start <= scrape);
        for window in (scrape - began) * WINDOWS..(scrape - began + 1) * WINDOWS {
            let turn = node.number + window as usize;
            self.play_part(&kind.others, page, turn);
            match fault {
                Some((fault, part)) if fault.scrapes.contains(&scrape) => {
                    self.play_part(part, page, turn);
                }
                Some((fault, part)) => {
                    self.play_part(&kind.own, page, turn);
                    let since = (scrape - fault.scrapes.end) * WINDOWS + window % WINDOWS;
                    let end = self.recordings[part.recording].during.end;
                    self.play_gauges(part, page, end + since as usize);
                }
                None => self.play_part(&kind.own, page, turn),
            }
        }
    }

    /// A page of a recording: all of them in turn.
    fn play_part(&self, part: &Part, page: &mut Page, turn: usize) {
        let recording = &self.recordings[part.recording];
        let during = &recording.during;
        let at = during.start + turn % during.len();
        for (number, value) in recording.window(at).iter().enumerate() {
            let (Some(value), true) = (value, recording.series[number].is_counter) else {
                continue;
            };
            for (target, times) in &part.series[number] {
                page.add(*target, value * times);
            }
        }
        self.play_gauges(part, page, at);
    }

    fn play_gauges(&self, part: &Part, page: &mut Page, at: usize) {
        let recording = &self.recordings[part.recording];
        let at = at.min(recording.pages() - 1);
        for (number, value) in recording.window(at).iter().enumerate() {
            if !recording.series[number].is_counter {
                for (target, _) in &part.series[number] {
                    page.values[*target] = value.unwrap_or(f64::NAN);
                }
            }
        }
    }

    fn kind(&mut self, node: &Node) -> Rc<Kind> {
        let faults = node.faults.iter();
        let faults = faults.map(|it| (it.recording, &it.victims, &it.servers));
        let key = format!("{} {:?}", node.version, faults.collect::<Vec<_>>());
        if let Some(kind) = self.kinds.get(&key) {
            return Rc::clone(kind);
        }
        let kind = Rc::new(self.new_kind(node));
        self.kinds.insert(key, Rc::clone(&kind));
        kind
    }

    fn new_kind(&self, node: &Node) -> Kind {
        let mut numbers = BTreeMap::new();
        let copies = WORKLOADS.div_ceil(self.recordings["healthy"].workloads.len());
        // The first is who a fault would hit, the others have nothing to do with it.
        let victims = node.faults.first().map_or(&[][..], |it| &it.victims);
        let own = self.part(&mut numbers, "healthy", 0..1, victims, &[]);
        let others = self.part(&mut numbers, "healthy", 1..copies, &[], &[]);
        let faults = node
            .faults
            .iter()
            .map(|it| self.part(&mut numbers, it.recording, 0..1, &it.victims, &it.servers));
        let faults = faults.collect();
        let mut gauge = |name: &str, labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            number(&mut numbers, Series::new(name, labels.collect()))
        };
        let build = [("version", node.version), ("commit", "0123456789ab")];
        let gauges = Gauges {
            up: gauge("up", &[]),
            build: gauge("kerno_build_info", &build),
            start: gauge("process_start_time_seconds", &[]),
            memory: self
                .is_whole
                .then(|| gauge("process_resident_memory_bytes", &[])),
        };
        let mut series = vec![(Vec::new(), None); numbers.len()];
        for (it, number) in numbers {
            let mut told = label("__name__", &it.name);
            let labels = it.labels.iter();
            told.extend(labels.flat_map(|(name, value)| label(name, value)));
            let suffix = told
                .windows(SUFFIX.len())
                .rposition(|it| it == SUFFIX.as_bytes());
            series[number] = (told, suffix.map(|at| at + 1));
        }
        Kind {
            series,
            own,
            others,
            faults,
            gauges,
        }
    }

    /// The series of so many copies of a recording on a node.
    fn part(
        &self,
        numbers: &mut BTreeMap<Series, usize>,
        recording: &'static str,
        copies: Range<usize>,
        victims: &[(&str, &str)],
        servers: &[&str],
    ) -> Part {
        let of = &self.recordings[recording];
        let series = of.series.iter().map(|series| {
            let is_asked = self.is_whole || ASKED.contains(&&*series.name);
            if !is_asked || series.name == "kerno_build_info" {
                return Vec::new();
            }
            let mut renamed = series.clone();
            if let Some(server) = series.label("server") {
                let position = of.servers.iter().position(|it| it == server);
                let server = position.and_then(|it| servers.get(it)).unwrap_or(&DNS);
                renamed
                    .labels
                    .insert("server".to_owned(), (*server).to_owned());
            }
            let Some(comm) = renamed.labels.remove("comm") else {
                return vec![(number(numbers, renamed), copies.len() as f64)];
            };
            let position = of.workloads.iter().position(|it| *it == comm);
            let position = position.expect("a workload that asked");
            let of_copy = |copy: usize| {
                let victim = victims.get(position).filter(|_| copy == 0);
                let (namespace, name) = victim
                    .copied()
                    .unwrap_or_else(|| workload(copy * of.workloads.len() + position));
                let pod = format!("{name}-7d4b9c6f5d{SUFFIX}");
                let labels = [("namespace", namespace.to_owned()), ("pod", pod)];
                let mut of_pod = renamed.clone();
                of_pod.labels.extend(labels.map(|(k, v)| (k.to_owned(), v)));
                (number(numbers, of_pod), 1.0)
            };
            copies.clone().map(of_copy).collect()
        });
        Part {
            series: series.collect(),
            recording,
        }
    }
}

/// When agents were started that are there all the time: three days before.
fn long_ago(end: u64) -> f64 {
    (end - 3 * 86_400) as f64
}

fn number(numbers: &mut BTreeMap<Series, usize>, series: Series) -> usize {
    let next = numbers.len();
    *numbers.entry(series).or_insert(next)
}

impl Node {
    /// Is there all the time, and has no fault.
    fn is_plain(&self) -> bool {
        let whole = 0..SCRAPES;
        self.faults.is_empty()
            && self.answers == whole
            && self.is_target == whole
            && self.started.is_none()
    }

    /// Letters as a ReplicaSet gives its pods.
    fn suffix(&self) -> [u8; 5] {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let digit = |power: u32| self.number / LETTERS.len().pow(power) % LETTERS.len();
        [4, 3, 2, 1, 0].map(|power| LETTERS[digit(power)])
    }

    /// With the labels of the target, which may change.
    fn labelled(&self, kind: &Kind, samples: Vec<Vec<(u64, f64)>>) -> Vec<Told> {
        let suffix = self.suffix();
        let of_target = |labels: &BTreeMap<String, String>| -> Vec<u8> {
            labels.iter().flat_map(|(k, v)| label(k, v)).collect()
        };
        let target = of_target(&self.labels);
        let (renamed_at, renamed) = match &self.renamed {
            Some((at, labels)) => (*at, of_target(labels)),
            None => (SCRAPES, Vec::new()),
        };
        let mut all = Vec::with_capacity(kind.series.len());
        for ((labels, at), mut samples) in kind.series.iter().zip(samples) {
            let mut labels = labels.clone();
            if let Some(at) = at {
                labels[*at..*at + suffix.len()].copy_from_slice(&suffix);
            }
            let later = samples.partition_point(|(scrape, _)| *scrape < renamed_at);
            let new = samples.split_off(later);
            // A target that is none any more ends all its series.
            let end = self.is_target.end.min(renamed_at);
            if end < SCRAPES && samples.last().is_some_and(|(_, value)| !value.is_nan()) {
                samples.push((end, STALE));
            }
            for (target, samples) in [(&target, samples), (&renamed, new)] {
                if !samples.is_empty() {
                    let labels = [&labels[..], target].concat();
                    all.push(Told { labels, samples });
                }
            }
        }
        all
    }
}

/// Workloads of a cluster: eight in each of five namespaces.
pub(crate) fn workload(number: usize) -> (&'static str, &'static str) {
    const NAMESPACES: [&str; 5] = ["shop", "mail", "search", "media", "ops"];
    const NAMES: [&str; 8] = [
        "web", "api", "cart", "queue", "cache", "worker", "gateway", "index",
    ];
    let number = number % (NAMESPACES.len() * NAMES.len());
    (NAMESPACES[number % 5], NAMES[number / 5])
}
