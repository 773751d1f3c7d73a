//! No line is wider than its terminal, whatever strangers are called.

use domain::base::iana::OptRcode;
use proptest::prelude::*;
use unicode_width::UnicodeWidthStr as _;

use super::*;

/// A word of a command may be wider; its lines begin with nothing else.
fn is_no_wider(line: &str, columns: usize) -> bool {
    let command = line.trim_start().trim_end_matches(" \\");
    line.width() <= columns || shell::words(command).len() == 1
}

#[test]
fn a_terminal_may_be_of_any_size() {
    for (terminal, columns) in [(None, 100), (Some(0), 60), (Some(79), 79), (Some(300), 120)] {
        assert_eq!(columns_in(terminal), columns);
    }
}

#[test]
fn a_report_fits_its_terminal() {
    let mut fed = node();
    let names = [
        "名前の長いポッド-データベース-接続",
        "🦀🧑‍🚀👩🏽‍💻❤️🇩🇪-emoji",
        "e\u{301}a\u{308}o\u{323}\u{302}-combining-名前",
        "한국어-이름-긴-이름-아주-긴-이름-더-긴-이름",
    ];
    for (pid, name) in (100..).zip(names) {
        let name = name.repeat(3);
        let of_pod = Attempt {
            workload: Some(sample::pod("店", &name, "容器")),
            ..attempt((&name, pid), BAD, Outcome::Unanswered, 5_000 * MS)
        };
        fed.feed(30, &of_pod);
        fed.feed(30, &with_rcode(answer_after((&name, pid), GOOD, 700), 2));
    }
    let mut report = report(&fed);
    report.host.name = names.concat();
    report.attribution.get_or_insert_default().complaints = names.map(str::to_owned).to_vec();
    for columns in [60, 80, 100, 120] {
        let page = pretty_in(&report, columns);
        for line in page.lines() {
            assert!(is_no_wider(line, columns), "{columns}: {line}\n{page}");
        }
        // It uses the room that it has.
        let widest = page.lines().map(|line| line.width()).max();
        assert!(widest > Some(columns - 5), "{widest:?}");
    }
    insta::assert_snapshot!("narrow", pretty_in(&report, 60));
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let outcome = prop_oneof![
        Just(Outcome::Answered),
        Just(Outcome::Unanswered),
        Just(Outcome::Late),
        Just(Outcome::Refused),
        Just(Outcome::Dropped),
        Just(Outcome::Superseded),
    ];
    let who = (
        any::<[u8; 16]>(),
        proptest::option::of(0..4_000_000u32),
        any::<[u8; 16]>(),
    );
    let times = (any::<u64>(), any::<u64>(), any::<u64>());
    (
        outcome,
        any::<bool>(),
        who,
        times,
        any::<u16>(),
        any::<u16>(),
        any::<bool>(),
    )
        .prop_map(
            |(outcome, server, (comm, pid, ip), (end, sent, first), port, rcode, v4)| {
                let mut attempt = attempt(("", 0), "[::1]:53", outcome, 0);
                attempt.role = if server { Role::Server } else { Role::Client };
                attempt.owner.comm = crate::attempt::Comm::new(&comm);
                attempt.owner.pid = pid;
                let short = std::net::IpAddr::from([ip[0], ip[1], ip[2], ip[3]]);
                attempt.peer = (if v4 { short } else { ip.into() }, port).into();
                (attempt.end_ns, attempt.sent_ns, attempt.first_ns) = (end, sent, first);
                attempt.number = port;
                if let Some(answer) = &mut attempt.answer {
                    answer.rcode = OptRcode::masked_from_int(rcode);
                }
                attempt
            },
        )
}

proptest! {
    #[test]
    fn no_line_is_wide_and_none_obeys_a_stranger(
        attempts in proptest::collection::vec((any_attempt(), 1..50u64), 0..40),
        counts in any::<[u64; 12]>(),
        seconds in 0..1_000_000_000u64,
        host in ".{0,120}",
    ) {
        let mut fed = Fed::default();
        for (attempt, times) in &attempts {
            fed.feed(*times, attempt);
        }
        let [queries, inflight_full, ring_full, notice_lost, unparsed, ..] = counts;
        let [.., tcp_untracked, tcp_gap, in_flight] = counts;
        let kernel = Counters {
            queries, inflight_full, ring_full, notice_lost, unparsed, tcp_untracked, tcp_gap,
            ..Counters::default()
        };
        let missing = Signal { name: SignalName::Reads, shows: "much".into(), missing: Some(host.clone()), attached: None };
        let mut report = report_with(&fed, kernel, in_flight, vec![missing]);
        report.window = Duration::from_secs(seconds);
        report.host.name = host;
        for columns in [60, 80, 100, 120] {
            for line in pretty_in(&report, columns).lines() {
                prop_assert!(is_no_wider(line, columns), "{columns}: {line}");
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
        prop_assert!(!json(&report).to_string().contains("null"));
    }
}
