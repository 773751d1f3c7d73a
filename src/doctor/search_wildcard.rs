//! Rule `dns_search_amplification` once more: every name exists below a search domain (a
//! wildcard), so that names which were meant as they are get its answer.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::net::SocketAddr;

use super::commands;
use super::explanation::Explanation;
use super::explanation::Measured;
use super::finding::Finding;
use super::finding::Severity;
use super::finding::Subject;
use super::ranking;
use super::rule::Rule;
use super::said;
use super::who;
use crate::attempt::Comm;
use crate::attempt::Role;
use crate::incidents::Asking;
use crate::incidents::Evidence;
use crate::incidents::Said;
use crate::shell::Command;
use crate::thresholds::FAILURES_MIN;
use crate::units;

const EXAMPLES: usize = 3;
const NAME_MAX: usize = 60;

/// Zones at the top that nobody has as a label of his own; others (`dev`, `test`, `eu`) are
/// labels of real hosts, too.
const AT_THE_TOP: [&str; 9] = [
    "com", "net", "org", "edu", "gov", "mil", "info", "biz", "arpa",
];

/// What was said of names with a suffix of somebody's search list.
#[derive(Debug, Default)]
struct Below {
    /// The names without it, that exist with it and have a dot; what was answered.
    exist: BTreeMap<String, u64>,
    /// Answers that there is no such name.
    denied: u64,
    /// Those of `exist` that are names by themselves, as far as can be seen.
    meant: BTreeSet<String>,
    pids: BTreeSet<u32>,
    comm: Comm,
    ndots: u32,
    /// Who answered.
    server: Option<SocketAddr>,
}

/// One finding for each network namespace and suffix.
pub(super) fn check(evidence: &Evidence) -> Vec<Finding> {
    let conf_of = |said: &Said| {
        let client = evidence.host.clients.get(&said.pid?)?;
        let conf = client.resolv_conf.as_ref()?;
        (!conf.search.is_empty()).then_some(conf)
    };
    let is_client = |asking: &Asking, _: &Said| asking.role == Role::Client;
    let searches = said::sorted(evidence, |asking, said| {
        is_client(asking, said) && conf_of(said).is_some()
    });
    if searches.is_empty() {
        return Vec::new();
    }
    let all = evidence.answers.iter();
    let known: HashSet<String> = all
        .filter(|(asking, said)| is_client(asking, said) && said.records > 0)
        .filter_map(|(_, said)| name_of(said))
        .collect();
    let mut suffixes: BTreeMap<(u32, String), Below> = BTreeMap::new();
    for (asking, said) in searches {
        let (Some(pid), Some(conf), Some(name)) = (said.pid, conf_of(said), name_of(said)) else {
            continue;
        };
        let suffix = conf.search.iter().map(|it| it.to_ascii_lowercase());
        let with = |suffix: &String| {
            Some(
                name.strip_suffix(suffix.as_str())?
                    .strip_suffix('.')?
                    .to_owned(),
            )
        };
        // Of several that fit the longest was put behind it.
        let Some((suffix, base)) = suffix
            .filter_map(|suffix| Some((suffix.clone(), with(&suffix)?)))
            .max_by_key(|(suffix, _)| suffix.len())
        else {
            continue;
        };
        if !base.contains('.') {
            continue;
        }
        let below = suffixes.entry((asking.netns, suffix.clone())).or_default();
        below.ndots = conf.ndots;
        below.denied += said.no_such_name;
        if said.records == 0 {
            continue;
        }
        below.pids.insert(pid);
        below.comm = said.comm;
        below.server = Some(asking.server);
        let is_top = base
            .rsplit('.')
            .next()
            .is_some_and(|top| AT_THE_TOP.contains(&top));
        if is_top || known.contains(&base) || base.ends_with(&format!(".{suffix}")) {
            below.meant.insert(base.clone());
        }
        *below.exist.entry(base).or_default() += said.records;
    }
    let is_wildcard = |below: &Below| {
        below.denied == 0 && below.exist.len() as u64 >= FAILURES_MIN && !below.meant.is_empty()
    };
    let told = suffixes.into_iter().filter(|(_, below)| is_wildcard(below));
    told.map(|((netns, suffix), below)| finding(evidence, netns, &suffix, &below))
        .collect()
}

/// In lower case; `None` if it was not kept.
fn name_of(said: &Said) -> Option<String> {
    Some(said.question.parse()?.name.to_ascii_lowercase())
}

fn finding(evidence: &Evidence, netns: u32, suffix: &str, below: &Below) -> Finding {
    let shown = units::shorten(suffix, NAME_MAX);
    let answers: u64 = below.exist.values().sum();
    let names = below.exist.len() as u64;
    let asker = match &below.pids.iter().collect::<Vec<_>>()[..] {
        [pid] => who::process(Some(**pid), below.comm),
        many => who::crowd(many.len(), below.comm),
    };
    let examples: Vec<_> = below.meant.iter().collect();
    let examples = ranking::first_of(&examples, EXAMPLES, |name| {
        let name = units::shorten(name, NAME_MAX);
        format!("{name} as {name}.{shown}")
    });
    let conf = below.pids.iter().find_map(|pid| {
        let client = evidence.host.clients.get(pid)?;
        client.resolv_conf.as_ref()
    });
    let look = conf.map_or(Command::default(), |conf| {
        Command::new("grep -nE 'search|domain|ndots'").word(conf.path.as_path())
    });
    let dig = match below.server {
        Some(server) => commands::dig(server, false),
        None => Command::new("dig"),
    };
    let dig = dig
        .and("+short")
        .word(format!("there-is-no-such-name.{suffix}"));
    let explanation = Explanation::of(
        format!("Every name exists below the search domain {shown}: other names get its answer"),
        format!(
            "The zone of {shown} has a wildcard (`*`), and its suffix is in the search list. Names with fewer than \
             {} are tried with it first, others when they do not exist: it always has an answer, and the \
             name that was meant is not asked for, or not believed.",
            units::counted(u64::from(below.ndots), "dot", "dots")
        ),
        "No lookup fails, but programs connect to what the wildcard leads to: wrong hosts, certificates that \
         do not fit, names that should not exist and do.",
    )
    .line(format!(
        "{} to {} of {asker} with that suffix had records, and no name with a dot and that suffix was said not \
         to exist.",
        units::counted(answers, "answer", "answers"),
        units::counted(names, "name", "names"),
    ))
    .lines(examples.map(|examples| format!("Asked for: {examples}.")))
    .run(
        "Ask for a name that nobody has made; an address is the wildcard:",
        commands::within(evidence, Some(netns), dig),
    )
    .run("See the search list:", look)
    .say("Take the domain out of the search list, or the wildcard out of the zone.")
    .say(
        "Or let programs ask for names as they are: `options ndots:1`, or a final dot in their settings \
         (`api.example.com.`).",
    );
    let pid = match below.pids.len() {
        1 => below.pids.first().copied(),
        _ => None,
    };
    Finding {
        scope: Subject {
            netns: (netns != 0).then_some(netns),
            ..Subject::process(pid, below.comm)
        },
        queries: answers,
        ..explanation.finding(
            Rule::SearchAmplification,
            Severity::Warning,
            Measured::queries(answers),
        )
    }
}
