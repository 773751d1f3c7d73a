//! Error answers of which the reason is known.

use super::*;
use crate::attempt::Comm;

const SERVFAIL: u16 = 2;
const REFUSED: u16 = 5;
const PID: u32 = 53;

/// Twenty error answers to a program that wanted recursion.
fn errors(rcode: u16, change: impl Fn(&mut Attempt)) -> Vec<Attempt> {
    many(20, SERVER, Outcome::Answered)
        .map(|it| {
            let mut it = answered_with(it, rcode);
            let bits = &mut it.answer.as_mut().expect("an answer").bits;
            bits.recursion_desired = true;
            bits.recursion_available = true;
            change(&mut it);
            it
        })
        .collect()
}

fn told(code: u16) -> impl Fn(&mut Attempt) {
    move |it| it.answer.as_mut().expect("an answer").extended_error = Some(code)
}

fn only(story: Story) -> Finding {
    let mut findings = story.explain().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn says(finding: &Finding, text: &str) -> bool {
    let texts = [&finding.title, &finding.cause, &finding.impact];
    let all = texts.into_iter().chain(&finding.evidence);
    all.chain(&finding.fix).any(|it| it.contains(text))
}

/// One of each kind, for the commands that they offer.
pub(super) fn all() -> impl Iterator<Item = Story> {
    let by_code = [6, 14, 15, 18, 20, 22].map(|code| errors(SERVFAIL, told(code)));
    let silent = stub(REFUSED, b"dnsmasq", true);
    let by_code = by_code.into_iter().map(|it| Story::default().with(it));
    by_code.chain([silent, stub(SERVFAIL, b"systemd-resolve", true), lame()])
}

#[test]
fn what_the_server_says_itself_is_believed() {
    for (code, text) in [
        (6, "DNSSEC does not verify"),
        (7, "DNSSEC does not verify"),
        (12, "DNSSEC does not verify"),
        (14, "is not ready (Extended DNS Error 14)"),
        (22, "could not reach the zone's own servers"),
        (23, "could not reach the zone's own servers"),
        (15, "on purpose"),
        (17, "on purpose"),
        (18, "this client is not allowed"),
        (20, "not responsible for that zone"),
    ] {
        for (rcode, rule) in [(SERVFAIL, Rule::Servfail), (REFUSED, Rule::RefusedRcode)] {
            let found = only(Story::default().with(errors(rcode, told(code))));
            assert_eq!((found.rule, found.queries), (rule, 20));
            assert!(says(&found, text), "{code}: {found:#?}");
        }
    }
    // Others are evidence only.
    let other = only(Story::default().with(errors(SERVFAIL, told(0))));
    assert!(says(&other, "tried and could not"), "{other:#?}");
}

#[test]
fn two_reasons_are_two_findings() {
    let mut both = errors(SERVFAIL, told(6));
    for it in both.iter_mut().skip(10) {
        it.answer.as_mut().expect("an answer").extended_error = Some(22);
    }
    let findings = Story::default().with(both).explain().findings;
    let queries: Vec<_> = findings.iter().map(|it| (it.rule, it.queries)).collect();
    assert_eq!(queries, [(Rule::Servfail, 10), (Rule::Servfail, 10)]);
}

#[test]
fn what_is_fine_without_checks_is_badly_signed() {
    let unchecked = |is_fine: bool| {
        let failed = errors(SERVFAIL, |_| {});
        let fine = failed.iter().take(3).map(|it| {
            let mut it = answered_with(it.clone(), if is_fine { 0 } else { SERVFAIL });
            it.cookie += 5_000;
            it.answer
                .as_mut()
                .expect("an answer")
                .bits
                .checking_disabled = true;
            it
        });
        let fine: Vec<_> = fine.collect();
        Story::default().with(failed).with(fine)
    };
    let findings = unchecked(true).explain().findings;
    let signed = findings
        .iter()
        .find(|it| says(it, "DNSSEC does not verify"));
    assert!(signed.is_none(), "three of them are too few: {findings:#?}");
    // All names.
    let failed = errors(SERVFAIL, |_| {});
    let fine = failed.iter().map(|it| {
        let mut it = answered_with(it.clone(), 0);
        it.cookie += 5_000;
        it.answer
            .as_mut()
            .expect("an answer")
            .bits
            .checking_disabled = true;
        it
    });
    let fine: Vec<_> = fine.collect();
    let found = only(Story::default().with(failed).with(fine));
    assert!(says(&found, "DNSSEC does not verify"), "{found:#?}");
    assert!(
        says(&found, "with the CD bit (no checks) were answered NOERROR"),
        "{found:#?}"
    );
    let findings = unchecked(false).explain().findings;
    assert!(
        findings
            .iter()
            .all(|it| !says(it, "DNSSEC does not verify")),
        "{findings:#?}"
    );
}

/// A server on this host that answers so, and asks others or not.
fn stub(rcode: u16, comm: &[u8], asks_nobody: bool) -> Story {
    let clients = errors(rcode, |_| {});
    let views: Vec<_> = clients
        .iter()
        .map(|it| {
            let mut view = at_server(it, PID, Outcome::Answered, MS / 10);
            view.answer = it.answer;
            view.owner.comm = Comm::new(comm);
            view
        })
        .collect();
    let mut own = attempt(900, OTHER, Outcome::Answered);
    own.owner.pid = Some(PID);
    let own = (!asks_nobody).then_some(own);
    Story::default().with(views).with(clients).with(own)
}

#[test]
fn a_stub_that_asks_nobody_has_no_upstream() {
    for rcode in [SERVFAIL, REFUSED] {
        let found = only(stub(rcode, b"systemd-resolve", true));
        assert!(says(&found, "has no server to ask"), "{found:#?}");
        assert!(says(&found, "resolvectl status"), "{found:#?}");
        let found = only(stub(rcode, b"dnsmasq", true));
        assert!(says(&found, "has no server to ask"), "{found:#?}");
        assert!(says(&found, "dnsmasq `server=`"), "{found:#?}");
        assert!(!says(&found, "resolvectl"), "{found:#?}");
        let asks = only(stub(rcode, b"dnsmasq", false));
        assert!(!says(&asks, "has no server to ask"), "{asks:#?}");
    }
    // Who would not look names up for anybody has none to ask.
    let mut story = stub(REFUSED, b"nsd", true);
    for it in &mut story.attempts {
        it.answer
            .as_mut()
            .expect("an answer")
            .bits
            .recursion_available = false;
    }
    let found = only(story);
    assert!(!says(&found, "has no server to ask"), "{found:#?}");
    assert!(says(&found, "have no RA bit"), "{found:#?}");
}

#[test]
fn a_server_that_serves_others_has_somebody_to_ask() {
    let others = |netns| {
        more(60, SERVER, Outcome::Answered).map(move |mut it| {
            it.owner.netns = netns;
            it
        })
    };
    let story = stub(REFUSED, b"unbound", true).with(others(NODE + 1));
    let findings = story.explain().findings;
    let found = findings.iter().find(|it| it.rule == Rule::RefusedRcode);
    let found = found.expect("who is refused is told");
    assert!(!says(found, "has no server to ask"), "{found:#?}");
    assert!(
        says(found, "0 of its 20 answers to these clients were NOERROR"),
        "{found:#?}"
    );
}

#[test]
fn who_may_not_have_a_zone_is_told_of_that() {
    const TYPE_AXFR: u16 = 252;
    let asks = |rtype| {
        let refused = errors(REFUSED, move |it| {
            it.question = question("example.com", rtype)
        });
        only(Story::default().with(refused))
    };
    assert!(says(&asks(TYPE_AXFR), "`allow-transfer`"));
    assert!(!says(&asks(TYPE_A), "allow-transfer"));
    assert!(says(&asks(TYPE_A), "`access-control:`"));
}

#[test]
fn an_update_is_told_as_no_query() {
    const NOTAUTH: u16 = 9;
    for rcode in [REFUSED, NOTAUTH] {
        let asks = |is_no_query| {
            only(Story::default().with(errors(rcode, move |it| {
                it.answer.as_mut().expect("an answer").bits.is_no_query = is_no_query;
            })))
        };
        let found = asks(true);
        assert!(
            found
                .title
                .contains("to messages that are no queries (UPDATE, NOTIFY)"),
            "{found:#?}"
        );
        assert!(says(&found, "`allow-update`"), "{found:#?}");
        assert!(
            !says(&found, "dig @") && !says(&found, "dig -"),
            "{found:#?}"
        );
        let found = asks(false);
        assert!(
            !says(&found, "UPDATE") && says(&found, "dig "),
            "{found:#?}"
        );
    }
}

/// So many answers of type A that are well, and twice as many errors to another type, of a
/// server on this host that was not seen to ask anybody.
fn by_type(number: u64, rcode: u16, rtype: u16) -> Story {
    let ask = |n: u64, rcode, rtype| {
        let mut it = answered_with(attempt(n, SERVER, Outcome::Answered), rcode);
        let bits = &mut it.answer.as_mut().expect("an answer").bits;
        (bits.recursion_desired, bits.recursion_available) = (true, true);
        it.question = question(&format!("n{n}.example.com"), rtype);
        let mut view = at_server(&it, PID, Outcome::Answered, MS / 10);
        view.answer = it.answer;
        [view, it]
    };
    Story::default()
        .with((0..number).flat_map(|n| ask(n, 0, TYPE_A)))
        .with((50..50 + 2 * number).flat_map(|n| ask(n, rcode, rtype)))
}

#[test]
fn errors_to_one_type_alone_are_told_as_that() {
    for number in [3, 20] {
        for rcode in [SERVFAIL, REFUSED, 4] {
            let found = only(by_type(number, rcode, TYPE_AAAA));
            let told = (found.rule, found.queries);
            assert_eq!(told, (Rule::AaaaBroken, 2 * number), "{found:#?}");
            let found = only(by_type(number, rcode, 65));
            assert!(
                found.title.contains("to queries of type HTTPS"),
                "{found:#?}"
            );
            assert!(!says(&found, "has no server to ask"), "{found:#?}");
            let others = format!("0 of {number}.");
            let told = |line: &String| line.contains("type HTTPS") && line.ends_with(&others);
            assert!(found.evidence.iter().any(told), "{found:#?}");
        }
    }
    // musl asks for AAAA again and again, so that few answers to A stand against many.
    let few = by_type(1, SERVFAIL, TYPE_AAAA).with(
        by_type(20, SERVFAIL, TYPE_AAAA)
            .attempts
            .into_iter()
            .skip(40),
    );
    let found = only(few);
    assert_eq!(
        (found.rule, found.queries),
        (Rule::AaaaBroken, 42),
        "{found:#?}"
    );
    // Both types fail: then it is not the type.
    let all = only(stub(SERVFAIL, b"dnsmasq", true));
    assert!(says(&all, "has no server to ask"), "{all:#?}");
}

/// A resolver on this host asks a server of the zone, which does not have it; its client is
/// answered SERVFAIL.
fn lame() -> Story {
    lame_at(OTHER, REFUSED, b"unbound")
}

fn lame_at(zones: &str, rcode: u16, resolver: &[u8]) -> Story {
    let mut story = Story::default();
    for n in 0..20 {
        let mut client = answered_with(attempt(n, SERVER, Outcome::Answered), SERVFAIL);
        client.end_ns = client.sent_ns + 4 * MS;
        let mut view = at_server(&client, PID, Outcome::Answered, 3 * MS);
        view.answer = client.answer;
        let mut own = answered_with(attempt(n, zones, Outcome::Answered), rcode);
        own.cookie += 7_000;
        own.owner.pid = Some(PID);
        own.owner.comm = Comm::new(resolver);
        own.owner.netns = NODE;
        own.sent_ns = view.sent_ns + MS;
        own.end_ns = own.sent_ns + MS;
        story = story.with([own, view, client]);
    }
    story
}

#[test]
fn an_error_of_the_upstream_is_no_slow_upstream() {
    let found = only(lame());
    assert_eq!((found.rule, found.queries), (Rule::RefusedRcode, 40));
    assert!(says(&found, "does not have the zone"), "{found:#?}");
    assert!(
        says(
            &found,
            "20 queries to the resolver 10.0.0.10:53 went wrong because of this"
        ),
        "{found:#?}"
    );
    assert!(!says(&found, "slowly or not at all"), "{found:#?}");
}

/// NSD and Knot say SERVFAIL for a zone that they could not load, BIND does for one that has
/// expired; REFUSED says who does not know of it.
#[test]
fn a_zone_that_is_not_loaded_is_told_whatever_its_server_says() {
    for (rcode, rule) in [(SERVFAIL, Rule::Servfail), (REFUSED, Rule::RefusedRcode)] {
        for (zones, resolver) in [
            (OTHER, &b"named"[..]),
            ("[2001:db8::53]:53", b"unbound"),
            ("192.0.2.53:5353", b"pdns_recursor"),
        ] {
            let found = only(lame_at(zones, rcode, resolver));
            assert_eq!((found.rule, found.queries), (rule, 40));
            assert!(says(&found, "does not have the zone"), "{found:#?}");
            assert!(says(&found, "named-checkzone"), "{found:#?}");
            assert!(found.title.contains(zones), "{}", found.title);
            assert!(!says(&found, "allow the client"), "{found:#?}");
        }
    }
    // Who wants recursion asks a resolver, and hears that this is none.
    let mut direct = errors(SERVFAIL, |it| {
        it.peer = address("[2001:db8::53]:53");
        it.answer
            .as_mut()
            .expect("an answer")
            .bits
            .recursion_available = false;
    });
    for it in &mut direct {
        it.transport = Transport::Tcp;
    }
    let found = only(Story::default().with(direct));
    assert!(says(&found, "it has not loaded the zone"), "{found:#?}");
}

/// dig asks for A if it is not told otherwise, which may be well.
#[test]
fn a_command_asks_for_the_type_that_goes_wrong() {
    for (rtype, word) in [
        (28, "AAAA"),
        (65, "HTTPS"),
        (16, "TXT"),
        (65_280, "TYPE65280"),
    ] {
        let all = errors(SERVFAIL, |it| {
            it.question = question("www.example.com", rtype);
        });
        let found = only(Story::default().with(all));
        let asks = found.fix.join("\n");
        assert!(asks.contains(&format!("www.example.com {word}`")), "{asks}");
    }
    let found = only(Story::default().with(errors(SERVFAIL, |_| {})));
    assert!(found.fix[0].ends_with(".example.com`"), "{found:#?}");
}

/// A forwarder that takes ten at once, each for 1,250 ms, and answers the rest with an error.
pub(super) fn full(rcode: u16) -> Story {
    let mut story = contrasts::in_flight_limited();
    let beyond = story.attempts.iter_mut();
    for it in beyond.filter(|it| it.outcome == Outcome::Unanswered) {
        let refused = answered_with(it.clone(), rcode);
        let end_ns = refused.sent_ns + MS;
        *it = Attempt { end_ns, ..refused };
    }
    story
}

#[test]
fn a_full_forwarder_is_told_by_how_many_others_waited() {
    for (rcode, rule, name) in [
        (REFUSED, Rule::RefusedRcode, "REFUSED"),
        (SERVFAIL, Rule::Servfail, "SERVFAIL"),
    ] {
        let mut findings = full(rcode).explain().findings;
        findings.retain(|it| it.rule == rule);
        let found = findings.remove(0);
        assert_eq!(
            found.title,
            format!("10.0.0.10:53 takes about 10 queries at once, and answers {name} to the rest")
        );
        assert_eq!((found.queries, found.severity), (20, Severity::Critical));
        let told = format!(
            "Of queries sent while 10 or more others waited for their answers there, 20 of 20 were \
             answered {name}; of those sent while fewer did, 0 of 70."
        );
        assert!(says(&found, &told), "{found:#?}");
    }
    // Where what is asked tells them apart as well, it is that.
    let mut by_zone = full(REFUSED);
    for it in &mut by_zone.attempts {
        let is_refused = it.answer.is_some_and(|it| it.rcode == OptRcode::REFUSED);
        let name = if is_refused {
            "www.evil.test"
        } else {
            "www.good.test"
        };
        it.question = question(name, 1);
    }
    let findings = by_zone.explain().findings;
    let found = findings.iter().find(|it| it.rule == Rule::RefusedRcode);
    let found = found.expect("a finding");
    assert!(!says(found, "at once"), "{found:#?}");
    // Few beside the rest, as a filter refuses them, but this is none.
    let mut busy = full(REFUSED);
    busy.attempts
        .extend((200..400).map(|n| attempt(n, SERVER, Outcome::Answered)));
    let mut findings = busy.explain().findings;
    findings.retain(|it| it.rule == Rule::RefusedRcode);
    assert_eq!(findings[0].severity, Severity::Critical);
}

#[test]
fn systemd_resolved_is_asked_what_it_validated() {
    let of = |comm: &[u8]| {
        let errors = errors(SERVFAIL, told(6));
        let views: Vec<_> = errors
            .iter()
            .map(|it| {
                let mut view = at_server(it, PID, Outcome::Answered, MS / 2);
                view.owner.comm = crate::attempt::Comm::new(comm);
                view
            })
            .collect();
        only(Story::default().with(views).with(errors))
    };
    let step = "systemd-resolved tells what it validated: `resolvectl query NAME`";
    assert!(says(&of(b"systemd-resolve"), step));
    assert!(!says(&of(b"unbound"), step));
}
