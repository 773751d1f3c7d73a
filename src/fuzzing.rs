//! What `make fuzz` runs: a function for each kind of octets that others choose. Each calls
//! what kerno itself reads them with, and holds what comes out to what can be said of it
//! whatever went in. `fuzz/` has a target, a corpus and a dictionary for each.

use std::sync::Arc;

use domain::base::Message;
use domain::base::name::Name;
use domain::base::opt::exterr::ExtendedError;
use domain::dep::octseq::Parser;

use crate::agent;
use crate::agent::fuzzed::Rows;
use crate::attempt::Attempt;
use crate::attempt::Identity;
use crate::attempt::RawQuestion;
use crate::attempt::Shape;
use crate::attempt::identity::Delegated;
use crate::attempt::identity::WorkloadId;
use crate::attempt::identity::cgroup_path;
use crate::attempt::names;
use crate::attribution;
use crate::event::Event;
use crate::event::NoticeKind;
use crate::fleet;
use crate::host::Clock;
use crate::host::netlink;
use crate::host::proc;
use crate::kernel;
use crate::thresholds::LATENCY_WARNING_NS;
use crate::watch::Record;
use crate::window;

/// What takes octets.
type Target = fn(&[u8]);

/// All of them, by their names in `fuzz/`.
pub const TARGETS: [(&str, Target); 11] = [
    ("record", record),
    ("question", question),
    ("answer", answer),
    ("cgroup_path", cgroup_path),
    ("resolv_conf", resolv_conf),
    ("proc_tables", proc_tables),
    ("cri_response", cri_response),
    ("container_state", container_state),
    ("window_row", window_row),
    ("http_query", http_query),
    ("prometheus_answer", prometheus_answer),
];

/// Octets of the ring buffer, or of a query in flight: each attempt that they tell of is a line
/// of JSON.
pub fn record(octets: &[u8]) {
    for event in kernel::fuzzed::events(octets) {
        match event {
            Event::Ended(attempt) => assert_record(&attempt),
            Event::Stray(stray) => question(stray.question.as_bytes()),
            Event::Notice(notice) => match notice.kind {
                NoticeKind::Drop(packet) => {
                    let message = packet.message.as_ref();
                    message
                        .into_iter()
                        .for_each(|it| question(it.question.as_bytes()));
                }
                NoticeKind::SocketError { .. } => {}
            },
            Event::SlowRead(read) => assert_shown(&read.owner.comm.to_string()),
            Event::Closed(_) => {}
        }
    }
    if let Some((latency_ns, attempt)) = kernel::fuzzed::plain(octets) {
        assert!(u64::from(latency_ns) <= LATENCY_WARNING_NS);
        assert_eq!(attempt.elapsed().as_nanos(), latency_ns.into());
        assert_record(&attempt);
    }
}

fn assert_record(attempt: &Attempt) {
    let line = serde_json::to_string(&Record::new(attempt, &Clock::start())).expect("JSON");
    assert_json(&line);
}

/// A message from its question on: what reads it in different ways agrees.
pub fn question(octets: &[u8]) {
    let raw = RawQuestion::new(octets);
    let (fingerprint, shape) = (raw.fingerprint(), raw.shape());
    let parsed = raw.parse();
    assert_eq!(shape.is_some(), parsed.is_some());
    let Some(parsed) = parsed else {
        return;
    };
    assert!(parsed.name.bytes().all(|octet| octet.is_ascii_graphic()));
    assert_shown(&format!("{} {}", parsed.rtype, parsed.class));
    let name = octets.get(..parsed.wire_len - 4).expect("a name");
    assert!(name.len() <= 255);
    assert_eq!(shape.map(|it| it.rtype), Some(parsed.rtype));
    assert_eq!(fingerprint.map(|it| it.rtype), Some(parsed.rtype));

    // The form of RFC 1035 section 5.1 can be read back.
    let read: Name<Vec<u8>> = parsed.name.parse().expect("a name");
    assert_eq!(read.as_slice(), name);

    // It is the same question in capitals.
    let mut capitals = octets.to_vec();
    capitals[..name.len()].make_ascii_uppercase();
    let capitals = RawQuestion::new(&capitals);
    assert_eq!(capitals.fingerprint(), fingerprint);
    let as_written = capitals.shape().map(|it| Shape {
        has_capitals: shape.is_some_and(|own| own.has_capitals),
        ..it
    });
    assert_eq!(as_written, shape);

    let mut unnamed = raw.clone();
    unnamed.forget_name();
    assert!(unnamed.as_bytes().is_empty() && unnamed.parse().is_none());
    assert_eq!(
        (unnamed.fingerprint(), unnamed.shape()),
        (fingerprint, shape)
    );
}

/// The bits of an answer's header, and what follows it: extended codes are those that the
/// crate `domain` finds, where it finds a whole message.
pub fn answer(octets: &[u8]) {
    let Some((flags, echo)) = octets.split_first_chunk() else {
        return;
    };
    let flags = u16::from_be_bytes(*flags);
    let answer = kernel::fuzzed::answer(flags, echo);
    assert_shown(&names::rcode(answer.rcode));
    if let Some(code) = answer.extended_error {
        assert_shown(&names::extended_error(code));
    }

    // A question, and one record behind it.
    let mut whole = vec![0, 0, octets[0], octets[1], 0, 1, 0, 0, 0, 0, 0, 1];
    whole.extend(echo);
    let Ok(message) = Message::from_octets(&whole[..]) else {
        return;
    };
    let behind = RawQuestion::new(echo).parse().map(|it| it.wire_len);
    let is_opt = behind.is_some_and(|at| echo[at..].starts_with(&[0, 0, 41]));
    if let Some(opt) = message.opt().filter(|_| is_opt) {
        assert_eq!(answer.rcode, opt.rcode(message.header()));
        let mut errors = opt.opt().iter::<ExtendedError<_>>();
        let first = errors.next().transpose();
        if let Ok(first) = first {
            let code = first.map(|it| it.code().to_int());
            assert_eq!(answer.extended_error, code);
        }
    }
}

/// The path of a control group. The first octet says from which depth on it is a user's, if it
/// is one's.
pub fn cgroup_path(octets: &[u8]) {
    let (depth, path) = octets.split_first().unwrap_or((&0, octets));
    let delegated = (depth % 8 > 0).then_some(Delegated {
        depth: usize::from(depth % 8),
        uid: 1000,
    });
    let identity = Identity::of_delegated(path, delegated);
    assert_identity(&identity);
    let shown = identity.cgroup();
    let facts = cgroup_path::parse(shown, delegated);
    assert_eq!(facts.is_contained(), identity.is_contained());
    for part in [facts.unit, facts.container].into_iter().flatten() {
        assert!(shown.contains(part));
    }
    let is_of_user = shown.starts_with("/user.slice/user-") && facts.user.is_some();
    assert!(facts.pod.is_none() || !is_of_user, "a user made a pod");
}

/// A container's resolv.conf.
pub fn resolv_conf(octets: &[u8]) {
    let conf = proc::fuzzed::resolv_conf(octets);
    assert!(conf.nameservers.len() <= 16 && conf.search.len() <= 64 && conf.ndots <= 15);
    for suffix in &conf.search {
        assert!(!suffix.is_empty() && suffix.bytes().all(|octet| octet.is_ascii_graphic()));
    }
}

/// A file of the kernel or an answer of netlink. The first octet says which.
pub fn proc_tables(octets: &[u8]) {
    let Some((which, file)) = octets.split_first() else {
        return;
    };
    match proc::fuzzed::TABLES.get(usize::from(*which)) {
        Some((_, parse)) => parse(file),
        None => {
            for flow in netlink::fuzzed::flows(file) {
                assert_eq!(flow.source.is_ipv4(), flow.destination.is_ipv4());
            }
        }
    }
}

/// What a CRI socket answers.
#[cfg(feature = "k8s")]
pub fn cri_response(octets: &[u8]) {
    let identities = attribution::fuzzed::cri_response(octets);
    identities.iter().for_each(|it| assert_identity(it));
}

/// Without the feature there is none.
#[cfg(not(feature = "k8s"))]
pub fn cri_response(_octets: &[u8]) {}

/// Files and folders of container runtimes. The first octet says of which kind.
pub fn container_state(octets: &[u8]) {
    let identities: Vec<Arc<Identity>> = attribution::fuzzed::container_state(octets);
    identities.iter().for_each(|it| assert_identity(it));
}

fn assert_identity(identity: &Identity) {
    assert!(identity.cgroup().len() <= 4 * cgroup_path::PATH_MAX);
    assert_shown(identity.cgroup());
    if let Some(workload) = WorkloadId::of(identity) {
        assert_shown(&workload.to_string());
        assert_shown(&workload.name());
    }
    let labels = serde_json::to_string(&identity.labels()).expect("JSON");
    assert_json(&labels);
}

/// A row of an agent's history: whether its window is packed here, six numbers, three texts
/// with a line feed behind each, and the window.
pub fn window_row(octets: &[u8]) {
    let mut parser = Parser::from_ref(octets);
    let Ok(is_plain) = parser.parse_u8().map(|it| it % 2 == 0) else {
        return;
    };
    let numbers = std::array::from_fn(|_| parser.parse_i64_be().unwrap_or_default());
    let rest = octets.get(parser.pos()..).unwrap_or_default();
    let mut parts = rest.splitn(4, |&octet| octet == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let texts = [(); 3].map(|()| String::from_utf8_lossy(next()));
    let mut window = next().to_vec();
    if is_plain {
        window = window::fuzzed::packed(&window);
    }
    let [verdict, rules, workloads] = &texts;
    let told = agent::fuzzed::rows(&Rows {
        numbers,
        verdict,
        rules,
        workloads,
        window: &window,
    });
    let (troubles, notes) = told.split_first().expect("all troubles");
    assert_json(troubles);
    notes.iter().for_each(|note| assert_shown(note));
}

/// The query of a URL that an agent is asked with.
pub fn http_query(octets: &[u8]) {
    // A URL has no other octets.
    if let Ok(query) = std::str::from_utf8(octets) {
        let told = agent::fuzzed::http_query(query);
        told.iter().for_each(|why| assert_shown(why));
    }
}

/// The answers of a Prometheus: whatever they are, there is a report.
pub fn prometheus_answer(octets: &[u8]) {
    let (json, pages) = fleet::fuzzed::told(octets);
    let _whole: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    for page in pages {
        let hostile = page.lines().find(|line| line.contains(names::is_obeyed));
        assert_eq!(hostile, None);
    }
}

/// A line of JSON, whose texts a terminal may be shown.
fn assert_json(line: &str) {
    fn assert_value(value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => assert_shown(text),
            serde_json::Value::Array(all) => all.iter().for_each(assert_value),
            serde_json::Value::Object(all) => {
                all.keys().for_each(|key| assert_shown(key));
                all.values().for_each(assert_value);
            }
            _ => {}
        }
    }
    assert!(!line.contains('\n'));
    assert_value(&serde_json::from_str(line).expect("JSON"));
}

/// Nothing that a terminal would obey, or that reorders what it shows.
fn assert_shown(text: &str) {
    let hostile = text.chars().find(|it| !names::is_visible(*it));
    assert_eq!(hostile, None, "{text:?}");
}

#[cfg(test)]
mod tests;
