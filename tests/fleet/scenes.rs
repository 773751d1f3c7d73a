//! Fleets with what they have, and what is to be said of each.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::node::DNS;
use crate::node::Fault;
use crate::node::Node;
use crate::node::OLD;
use crate::node::SCRAPES;
use crate::node::workload;

/// Nodes of a fleet.
pub(crate) const NODES: usize = 1_000;
/// A trouble begins at this scrape: five minutes, which are looked at, begin before.
pub(crate) const TROUBLE: u64 = 3;
const TO_THE_END: Range<u64> = TROUBLE..SCRAPES;

/// What a report has to say.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) rule: &'static str,
    pub(crate) dimension: &'static str,
    /// Not compared if it is empty.
    pub(crate) values: Vec<String>,
    pub(crate) affected: u64,
    pub(crate) of: u64,
    /// Some have it at the end.
    pub(crate) is_open: bool,
    /// On how many nodes it explains something.
    pub(crate) explains: u64,
}

pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) nodes: Vec<Node>,
    /// Series of others than kerno: name and labels; all are 1.
    pub(crate) others: Vec<(&'static str, BTreeMap<String, String>)>,
    pub(crate) verdict: &'static str,
    pub(crate) findings: Vec<Expected>,
    /// Words of what is missing.
    pub(crate) missing: Vec<&'static str>,
}

fn node(number: usize) -> Node {
    let labels = [
        ("job", "kerno".to_owned()),
        (
            "instance",
            format!("10.1.{}.{}:9553", number / 250, number % 250),
        ),
        ("node", format!("node-{number}")),
        ("zone", ["a", "b", "c", "d"][number % 4].to_owned()),
        (
            "pool",
            (if number % 10 == 3 { "spot" } else { "main" }).to_owned(),
        ),
    ];
    Node {
        number,
        labels: labels.map(|(k, v)| (k.to_owned(), v)).into(),
        version: "0.1.0",
        faults: Vec::new(),
        answers: 0..SCRAPES,
        is_target: 0..SCRAPES,
        started: None,
        renamed: None,
    }
}

pub(crate) fn labels<const N: usize>(of: [(&str, &str); N]) -> BTreeMap<String, String> {
    of.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

/// A firewall that drops: on each node it hits another workload.
fn dropped(number: usize) -> Fault {
    fault("nft-drop", vec![workload(number)])
}

fn fault(recording: &'static str, victims: Vec<(&'static str, &'static str)>) -> Fault {
    Fault {
        recording,
        scrapes: TO_THE_END,
        victims,
        servers: Vec::new(),
    }
}

/// A first nameserver that is dead, and which.
fn dead(servers: Vec<&'static str>, number: usize) -> Fault {
    Fault {
        servers,
        ..fault("dead-server", vec![workload(number)])
    }
}

fn expected(
    rule: &'static str,
    dimension: &'static str,
    values: &[&str],
    affected: u64,
    of: u64,
) -> Expected {
    Expected {
        rule,
        dimension,
        values: named(values),
        affected,
        of,
        is_open: true,
        explains: 0,
    }
}

/// A fleet of 1,000, changed node by node.
fn scene(
    name: &'static str,
    change: impl Fn(usize, &mut Node),
    verdict: &'static str,
    findings: Vec<Expected>,
) -> Scene {
    let nodes = (0..NODES).map(|number| {
        let mut node = node(number);
        change(number, &mut node);
        node
    });
    Scene {
        name,
        nodes: nodes.collect(),
        others: Vec::new(),
        verdict,
        findings,
        missing: Vec::new(),
    }
}

const DROP: &str = "dns_policy_drop";

/// A dozen nodes of which some have each trouble, one is away, and one has lost much.
pub(crate) fn some_with_everything() -> Vec<Node> {
    let mut nodes: Vec<_> = (0..12).map(node).collect();
    nodes[1].faults.push(dropped(1));
    nodes[2].faults.push(dead(vec![OLD], 2));
    nodes[3].answers.end = 1;
    nodes
}

pub(crate) fn all() -> Vec<Scene> {
    let mut all = places();
    all.extend(servers());
    all.extend(times());
    all.extend(oddities());
    all
}

/// Where something sits.
fn places() -> Vec<Scene> {
    let zone = expected(DROP, "zone", &["b"], 250, 250);
    let denied = |number: usize| fault("send-denied", vec![("shop", "checkout"), workload(number)]);
    vec![
        scene("all is well", |_, _| {}, "healthy", vec![]),
        scene(
            "one node",
            |n, node| node.faults.extend((n == 7).then(|| dropped(n))),
            "critical",
            vec![expected(DROP, "node", &["node-7"], 1, 1)],
        ),
        scene(
            "one zone",
            |n, node| node.faults.extend((n % 4 == 1).then(|| dropped(n))),
            "critical",
            vec![zone.clone()],
        ),
        scene(
            "one pool of nodes",
            |n, node| node.faults.extend((n % 10 == 3).then(|| dropped(n))),
            "critical",
            vec![expected(DROP, "pool", &["spot"], 100, 100)],
        ),
        scene(
            "one workload, wherever it runs",
            |n, node| node.faults.extend((n % 3 == 0).then(|| denied(n))),
            "critical",
            vec![expected(
                "dns_send_denied",
                "workload",
                &["shop/checkout"],
                334,
                334,
            )],
        ),
        scene(
            "one namespace",
            |n, node| {
                let victim = ("lab", ["web", "api", "cart", "queue"][n % 4]);
                let hit = (n % 5 < 2).then(|| fault("nft-drop", vec![victim]));
                node.faults.extend(hit);
            },
            "critical",
            vec![expected(DROP, "namespace", &["lab"], 400, 400)],
        ),
        scene(
            "two causes at once",
            |n, node| {
                node.faults.extend((n % 4 == 1).then(|| dropped(n)));
                node.faults
                    .extend((n == 6).then(|| fault("servfail", vec![])));
            },
            "critical",
            vec![zone, expected("dns_servfail", "node", &["node-6"], 1, 1)],
        ),
        scene(
            "two causes on one node",
            |n, node| {
                let both = (n == 7).then(|| fault("two-at-once", vec![workload(7), workload(8)]));
                node.faults.extend(both);
            },
            "critical",
            vec![
                expected(DROP, "node", &["node-7"], 1, 1),
                expected("dns_nobody_listening", "node", &["node-7"], 1, 1),
            ],
        ),
        scene(
            "everywhere",
            |n, node| node.faults.push(dropped(n)),
            "critical",
            vec![expected(DROP, "all", &[], 1_000, 1_000)],
        ),
        scene(
            "nothing sets them apart",
            // By the digits of the golden ratio: no label knows them.
            |n, node| {
                let is_hit = (n as f64 * 0.618_034).fract() < 0.03;
                node.faults.extend(is_hit.then(|| dropped(n)));
            },
            "critical",
            vec![expected(DROP, "node", &[], 30, 30)],
        ),
    ]
}

/// DNS servers.
fn servers() -> Vec<Scene> {
    let throttled = |n: usize, served: &'static str| {
        // What its clients elsewhere see is a server that does not answer.
        let recording = match n {
            3 => "server-throttled.servers",
            _ => "silent-server",
        };
        Fault {
            servers: vec![served],
            ..fault(recording, vec![workload(n)])
        }
    };
    let explains = |number| Expected {
        explains: number,
        ..expected("dns_server_throttled", "node", &["node-3"], 1, 1)
    };
    vec![
        scene(
            "a dead server that half of the nodes ask too",
            |n, node| node.faults.extend((n < 500).then(|| dead(vec![OLD], n))),
            "critical",
            vec![expected("dns_dead_server", "server", &[OLD], 500, 500)],
        ),
        scene(
            "a dead server that few nodes ask",
            |n, node| {
                node.faults
                    .extend((n % 50 == 9).then(|| dead(vec![OLD], n)))
            },
            "critical",
            vec![expected("dns_dead_server", "server", &[OLD], 20, 20)],
        ),
        scene(
            "two dead servers",
            |n, node| {
                let servers = ["10.0.0.2:53", "10.0.0.3:53"];
                if n % 2 == 0 {
                    node.faults.push(dead(vec![servers[n / 2 % 2]], n));
                }
            },
            "critical",
            vec![
                // A little worse.
                expected("dns_dead_server", "server", &["10.0.0.3:53"], 250, 250),
                expected("dns_dead_server", "server", &["10.0.0.2:53"], 250, 250),
            ],
        ),
        scene(
            "a throttled server, and its clients on 400 nodes",
            |n, node| node.faults.extend((n < 400).then(|| throttled(n, DNS))),
            "critical",
            vec![explains(399)],
        ),
        scene(
            "a server whose upstream is slow, felt everywhere",
            |n, node| {
                node.faults.push(match n {
                    3 => Fault {
                        servers: vec![OLD],
                        ..fault("upstream-slow.servers", vec![])
                    },
                    n => fault("upstream-slow.clients", vec![workload(n)]),
                });
            },
            "critical",
            vec![Expected {
                explains: 999,
                ..expected("dns_upstream_slow", "node", &["node-3"], 1, 1)
            }],
        ),
    ]
}

/// What begins, ends, and begins anew.
fn times() -> Vec<Scene> {
    let zone = expected(DROP, "zone", &["b"], 250, 250);
    let mut one_silent = scene(
        "one node that does not report",
        |n, node| node.answers.end = if n == 5 { 1 } else { SCRAPES },
        "healthy",
        vec![],
    );
    one_silent.missing.push("1 node does not report: node-5");
    let mut many_silent = scene(
        "too many that do not report",
        |n, node| node.answers.end = if n % 40 == 0 { 1 } else { SCRAPES },
        "unknown",
        vec![],
    );
    many_silent.missing.push("25 nodes do not report");
    let mut renamed = scene(
        "a node that was renamed",
        |n, node| {
            if n == 5 {
                node.faults.push(dropped(n));
                let mut labels = node.labels.clone();
                labels.insert("node".to_owned(), "worker-5".to_owned());
                node.renamed = Some((5, labels));
            }
        },
        "critical",
        vec![expected(DROP, "node", &["node-5", "worker-5"], 2, 2)],
    );
    renamed.missing.clear();
    vec![
        scene(
            "a rollout, one node after the other",
            |n, node| {
                let is_new = n % 7 == 0;
                let image = if is_new { "v2" } else { "v1" };
                node.labels.insert("image".to_owned(), image.to_owned());
                let scrapes = TROUBLE + (n % 2) as u64..SCRAPES;
                node.faults.extend(is_new.then(|| Fault {
                    scrapes,
                    ..dropped(n)
                }));
            },
            "critical",
            vec![expected(DROP, "image", &["v2"], 143, 143)],
        ),
        scene(
            "a fault that is over",
            |n, node| {
                let hit = (n % 4 == 1).then(|| Fault {
                    scrapes: 2..3,
                    ..dropped(n)
                });
                node.faults.extend(hit);
            },
            "critical",
            vec![Expected {
                is_open: false,
                ..zone.clone()
            }],
        ),
        scene(
            "counters that begin anew on one node",
            |n, node| {
                if n == 7 {
                    node.faults.push(dropped(n));
                    node.started = Some(5);
                }
            },
            "critical",
            vec![expected(DROP, "node", &["node-7"], 1, 1)],
        ),
        scene(
            "all agents were started anew",
            |n, node| {
                node.started = Some(4);
                node.faults.extend((n % 4 == 1).then(|| dropped(n)));
            },
            "critical",
            vec![zone],
        ),
        scene(
            "a node that joined lately",
            |n, node| {
                if n == 8 {
                    node.is_target = 4..SCRAPES;
                    node.started = Some(4);
                    node.faults.push(dropped(n));
                }
            },
            "critical",
            vec![expected(DROP, "node", &["node-8"], 1, 1)],
        ),
        one_silent,
        many_silent,
        renamed,
    ]
}

/// Fleets that are not as most are.
fn oddities() -> Vec<Scene> {
    let hostile = "b\"} or vector(1) #\\\n\u{1b}[31m";
    let mut few = scene("three nodes", |_, _| {}, "critical", vec![]);
    few.nodes.truncate(3);
    few.nodes[1].faults.push(dropped(1));
    few.findings.push(expected(DROP, "node", &["node-1"], 1, 1));
    let mut versions = scene(
        "agents of two versions",
        |n, node| {
            node.version = if n % 2 == 0 { "0.1.0" } else { "0.2.0" };
            node.faults.extend((n == 7).then(|| dropped(n)));
        },
        "critical",
        vec![expected(DROP, "node", &["node-7"], 1, 1)],
    );
    versions.missing.push("2 versions, 0.1.0 and 0.2.0");
    let mut unwatched = scene("a node without an agent", |_, _| {}, "healthy", vec![]);
    unwatched
        .missing
        .push("1 node does not report: bare-metal-1");
    let known = (0..NODES).map(|n| format!("node-{n}"));
    unwatched.others = known
        .chain(["bare-metal-1".to_owned()])
        .map(|node| ("kube_node_info", labels([("job", "kube"), ("node", &node)])))
        .collect();
    vec![
        few,
        versions,
        unwatched,
        scene(
            "two clusters with nodes of the same names",
            |n, node| {
                let (cluster, number) = if n < 500 {
                    ("east", n)
                } else {
                    ("west", n - 500)
                };
                node.labels.insert("cluster".to_owned(), cluster.to_owned());
                node.labels
                    .insert("node".to_owned(), format!("node-{number}"));
                node.faults.extend((n == 507).then(|| dropped(n)));
            },
            "critical",
            vec![expected(DROP, "node", &["west/node-7"], 1, 1)],
        ),
        scene(
            "labels that are hostile",
            |n, node| {
                if n % 4 == 1 {
                    node.labels.insert("zone".to_owned(), hostile.to_owned());
                    node.faults.push(dropped(n));
                }
            },
            "critical",
            vec![expected(DROP, "zone", &[hostile], 250, 250)],
        ),
        scene(
            "a node whose queries nobody answers",
            |n, node| {
                node.faults
                    .extend((n == 9).then(|| fault("silent-server", vec![workload(n)])));
            },
            "critical",
            vec![expected("dns_unknown", "node", &["node-9"], 1, 1)],
        ),
    ]
}
