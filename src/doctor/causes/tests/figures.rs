//! Whatever happened, the figures of a report agree with each other.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

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
}

prop_compose! {
    pub(super) fn run()(
        number in 1_u64..30,
        asker in 0_u32..4,
        server in 0_usize..3,
        end in 0_usize..6,
        pick in 0_usize..12,
        seen: bool,
        slow: bool,
    ) -> Run {
        Run { number, asker, server, end, pick, seen, slow }
    }
}

impl Run {
    pub(super) fn attempts(&self, from: u64) -> impl Iterator<Item = Attempt> + '_ {
        let server = [SERVER, OTHER, "10.0.0.12:53"][self.server];
        (from..from + self.number)
            .flat_map(move |n| {
                let asked = attempt(n, server, Outcome::Unanswered);
                let (packet, reason, location) = DROPS[self.pick % DROPS.len()];
                let mut made = match self.end {
                    0 => attempt(n, server, Outcome::Answered),
                    1 => answered_with(asked, [2, 5, 3][self.pick % 3]),
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
                [self.seen.then_some(view), Some(made)]
            })
            .flatten()
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
    fn the_figures_of_any_window_agree(runs in vec(run(), 1..8)) {
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
                for (part, whole) in shares(text) {
                    prop_assert!(part <= whole, "{text}");
                }
                if let Some((parts, whole)) = parts(text) {
                    prop_assert!(0 < parts && parts <= whole, "{text}");
                }
            }
        }
    }
}
