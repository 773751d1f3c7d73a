//! Whatever happened, the figures of a report agree with each other.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::attempt::Ignored;
use crate::units;

const DROPS: [(Packet, &str, &str); 6] = [
    (Packet::Query, "NETFILTER_DROP", "nft_do_chain"),
    (Packet::Query, "NO_SOCKET", "__udp4_lib_rcv"),
    (Packet::Query, "SOCKET_RCVBUFF", "udp_queue_rcv_one_skb"),
    (Packet::Query, "NEIGH_FAILED", "neigh_invalidate"),
    (Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv"),
    (Packet::Query, "SOCKET_FILTER", "udp_queue_rcv_one_skb"),
];
const ERRORS: [i32; 4] = [
    libc::ECONNREFUSED,
    libc::EHOSTUNREACH,
    libc::EACCES,
    libc::EPERM,
];

/// So many attempts that are alike: who asks whom, how they end, and who sees that.
#[derive(Clone, Debug)]
pub(super) struct Run {
    number: u64,
    asker: u32,
    server: usize,
    end: usize,
    pick: usize,
    seen: bool,
    slow: bool,
    /// Of type AAAA, with an OPT record, over TCP.
    kind: [bool; 3],
}

/// More than the places of one rule that are told one by one.
const SERVERS: usize = PLACES_MAX + 3;

prop_compose! {
    pub(super) fn run()(
        number in 1_u64..30,
        asker in 0_u32..4,
        server in 0..SERVERS,
        end in 0_usize..8,
        pick in 0_usize..12,
        seen: bool,
        slow: bool,
        kind: [bool; 3],
    ) -> Run {
        Run { number, asker, server, end, pick, seen, slow, kind }
    }
}

prop_compose! {
    /// One trouble at all servers: too many places to tell of each.
    pub(super) fn one_trouble()(run in run(), numbers in vec(1_u64..12, SERVERS)) -> Vec<Run> {
        let at = |(server, number)| Run { server, number, ..run.clone() };
        numbers.into_iter().enumerate().map(at).collect()
    }
}

pub(super) fn runs() -> impl Strategy<Value = Vec<Run>> {
    prop_oneof![2 => vec(run(), 1..10), 1 => one_trouble()]
}

impl Run {
    pub(super) fn attempts(&self, from: u64) -> impl Iterator<Item = Attempt> + '_ {
        let server = format!("10.0.0.{}:53", 10 + self.server);
        (from..from + self.number)
            .flat_map(move |n| {
                let asked = self.asked(n, &server, Outcome::Unanswered);
                let (packet, reason, location) = DROPS[self.pick % DROPS.len()];
                let mut made = match self.end {
                    0 => self.asked(n, &server, Outcome::Answered),
                    1 => answered_with(asked, [2, 5, 3, 1, 4, 9][self.pick % 6]),
                    6 => self.asked(n, &server, Outcome::Superseded),
                    7 => Attempt {
                        ignored: Ignored {
                            other_question: 2,
                            other_source: self.pick as u32,
                        },
                        ..asked
                    },
                    2 => dropped(asked, packet, reason, location),
                    3 => refused(asked, ERRORS[self.pick % ERRORS.len()]),
                    4 => {
                        let drop = dropped(asked.clone(), packet, reason, location).drop;
                        let errno = ERRORS[self.pick % ERRORS.len()];
                        Attempt {
                            drop,
                            ..refused(asked, errno)
                        }
                    }
                    _ => asked,
                };
                if self.slow {
                    made.end_ns = made.sent_ns + 400 * MS;
                }
                // The servers of this host are askers, too.
                made.owner.pid = Some(50 + self.asker);
                made.owner.netns = POD + self.asker;
                let outcome = match made.outcome {
                    Outcome::Answered => Outcome::Answered,
                    _ => Outcome::Unanswered,
                };
                let mut view = at_server(&made, 50 + self.server as u32, outcome, 300 * MS);
                view.owner.netns = POD + self.server as u32;
                view.queued_bytes = 900 * self.pick as u32;
                [self.seen.then_some(view), Some(made)]
            })
            .flatten()
    }

    fn asked(&self, n: u64, server: &str, outcome: Outcome) -> Attempt {
        let [is_aaaa, has_edns, is_tcp] = self.kind;
        let mut asked = attempt(n, server, outcome);
        if is_aaaa {
            asked.question = question(&format!("n{n}.example.com"), TYPE_AAAA);
        }
        if has_edns {
            asked = contrasts::with_edns(asked);
        }
        if is_tcp {
            asked.transport = Transport::Tcp;
        }
        asked
    }
}

/// `12 of 3,000`: each such pair in a text.
pub(super) fn shares(text: &str) -> Vec<(u64, u64)> {
    let words: Vec<_> = text.split_whitespace().collect();
    let number = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ':', ';']).replace(',', "");
        word.parse::<u64>().ok()
    };
    words
        .windows(3)
        .filter(|three| three[1] == "of")
        .filter_map(|three| Some((number(three[0])?, number(three[2])?)))
        .collect()
}

/// `12 of 3,000 queries failed (0.4 %)`: each such pair with what is said of it behind.
pub(super) fn percents(text: &str) -> Vec<((u64, u64), String)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(" %)") {
        let Some(open) = text[..at].rfind('(') else {
            continue;
        };
        let before = &text[..open];
        let sentence = before.rfind([':', ';', ',']).filter(|at| {
            // Not one within a number.
            !before[at + 1..].starts_with(|it: char| it.is_ascii_digit())
        });
        let before = &before[sentence.map_or(0, |at| at + 1)..];
        if let Some(share) = shares(before).pop() {
            found.push((share, format!("{} %", &text[open + 1..at])));
        }
    }
    found
}

/// What holds of each sentence, whatever it is about.
pub(super) fn check_sentence(text: &str) -> Result<(), TestCaseError> {
    for (part, whole) in shares(text) {
        prop_assert!(part <= whole && whole > 0, "{text}");
    }
    for ((part, whole), told) in percents(text) {
        prop_assert_eq!(units::percent(part, whole), told, "{}", text);
    }
    if let Some((parts, whole)) = parts(text) {
        prop_assert!(0 < parts && parts <= whole, "{text}");
    }
    let is_garbled = text.contains("  ") || text.contains(" .") || text.contains("..");
    prop_assert!(!is_garbled && !text.contains("{}"), "{text}");
    Ok(())
}

/// `40 queries`: each such number.
pub(super) fn queries_told(text: &str) -> Vec<u64> {
    let words: Vec<_> = text.split_whitespace().collect();
    let told = words.windows(2).filter(|two| {
        matches!(
            two[1].trim_end_matches(['.', ',', ':', ';']),
            "queries" | "query"
        )
    });
    told.filter_map(|two| two[0].replace(',', "").parse().ok())
        .collect()
}

/// `asked S 40 times; of these, 30 went unanswered, 3 were answered slowly.`
pub(super) fn parts(line: &str) -> Option<(u64, u64)> {
    let (asked, parts) = line.split_once("; of these, ")?;
    let number = |word: &str| word.replace(',', "").parse::<u64>().ok();
    let asked = asked.split_whitespace().rev().nth(1).and_then(number)?;
    let parts = parts.split_whitespace().filter_map(number).sum();
    Some((parts, asked))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_figures_of_any_window_agree(runs in runs()) {
        let mut story = Story::default();
        for (place, run) in runs.iter().enumerate() {
            story.attempts.extend(run.attempts(place as u64 * 40));
        }
        let mut collector = Collector::default();
        story.attempts.iter().for_each(|it| collector.record(it));
        let snapshot = collector.snapshot();
        let diagnosis = explained(&story.evidence(), &snapshot);
        let failed: u64 = diagnosis.failures_by_cause.values().sum();
        prop_assert_eq!(failed, snapshot.client.outcomes.failed());
        let slow: u64 = diagnosis.slow_by_cause.values().sum();
        prop_assert_eq!(slow, snapshot.client.slower_than(100 * MS));
        let told: u64 = diagnosis.findings.iter().map(|it| it.queries).sum();
        prop_assert!(told <= snapshot.client.queries());
        for finding in &diagnosis.findings {
            let texts = [&finding.title, &finding.cause].into_iter().chain(&finding.evidence);
            for text in texts {
                check_sentence(text)?;
            }
            let both = snapshot.client.queries() + snapshot.server_side.queries();
            for number in finding.evidence.iter().flat_map(|it| queries_told(it)) {
                prop_assert!(number <= both, "{number} of {both}: {finding:#?}");
            }
            let own = finding.evidence.iter().filter_map(|it| it.split_once(" packets were discarded"));
            for (number, _) in own {
                let discarded = story.attempts.iter().filter(|it| it.drop.is_some() && it.role == Role::Client);
                let number: u64 = number.replace(',', "").parse().unwrap_or(0);
                prop_assert!(number <= discarded.count() as u64, "{finding:#?}");
            }
        }
    }
}
