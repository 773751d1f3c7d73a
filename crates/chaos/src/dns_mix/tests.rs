use super::part::End;
use super::*;

/// A port that no DNS server has, and that kerno's own tests do not watch.
const PORT: u16 = 15_353;

fn one_round() -> Report {
    let parts = usable_parts(PORT).unwrap();
    let mut report = Report::new(&parts, PORT);
    assert!(make_round(&parts, PORT, &mut report, &AtomicBool::new(false)).unwrap());
    report
}

fn planned(part: &Part) -> Outcomes {
    let n = u64::from(part.lookups);
    let none = Outcomes::default();
    match part.end {
        End::Answered => Outcomes {
            queries: n,
            answered: n,
            ..none
        },
        End::Unanswered => Outcomes {
            queries: n,
            unanswered: n,
            ..none
        },
        End::AnsweredWhenResent => Outcomes {
            queries: 2 * n,
            answered: n,
            unanswered: n,
            ..none
        },
        End::Refused => Outcomes {
            queries: n,
            refused: n,
            ..none
        },
        End::Unheard => Outcomes {
            queries: n,
            unheard: n,
            ..none
        },
    }
}

#[test]
fn every_part_comes_out_as_planned_and_the_total_adds_up() {
    let report = one_round();
    assert_eq!(report.rounds, 1);
    let mut total = Outcomes::default();
    for made in &report.parts {
        let part = PARTS.iter().find(|part| part.name == made.part).unwrap();
        assert_eq!(made.outcomes, planned(part), "{}", part.name);
        total += made.outcomes;
    }
    assert_eq!(report.total, total);
    let Outcomes {
        queries,
        answered,
        unanswered,
        refused,
        unheard,
    } = total;
    assert_eq!(queries, answered + unanswered + refused + unheard);
    assert!(report.slowest_answer_ns > 0);
    let mut text = Vec::new();
    report.write_text(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    assert_eq!(
        text.matches("::1").count(),
        report.parts.len() / 2,
        "{text}"
    );
}

#[test]
fn parts_over_ipv4_have_addresses_of_their_own_and_every_part_its_number() {
    let v4 = |part: &&Part| part.address.is_ipv4();
    let mut addresses: Vec<_> = PARTS.iter().filter(v4).map(|part| part.address).collect();
    addresses.dedup();
    assert_eq!(addresses.len(), PARTS.iter().filter(v4).count());
    for transport in [Transport::Udp, Transport::Tcp] {
        assert!(PARTS.iter().any(|part| part.transport == transport));
    }
}

#[test]
fn it_stops_when_told_to() {
    let parts = usable_parts(PORT + 1).unwrap();
    let mut report = Report::new(&parts, PORT + 1);
    assert!(!make_round(&parts, PORT + 1, &mut report, &AtomicBool::new(true)).unwrap());
    assert_eq!(report.total, Outcomes::default());
}

#[test]
fn an_address_that_is_taken_is_named_with_a_remedy() {
    let taken = std::net::UdpSocket::bind("127.53.53.66:15355").unwrap();
    let error = usable_parts(15_355).unwrap_err().to_string();
    assert!(error.contains("127.53.53.66:15355 is taken"), "{error}");
    assert!(error.contains("unshare --net"), "{error}");
    drop(taken);
}
