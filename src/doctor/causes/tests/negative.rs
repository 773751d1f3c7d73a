//! A cache that keeps saying that names do not exist.

use super::*;
use crate::attempt::Comm;

const PID: u32 = 53;

/// A cache on this host at [`OTHER`] denies names which [`SERVER`] knows; the cache has asked
/// these servers so often, in vain.
pub(super) fn denying(comm: &[u8], asked: &[(&str, u64)]) -> Story {
    let mut story = answers::contradicting();
    let denied: Vec<_> = story
        .attempts
        .iter()
        .filter(|it| it.peer == address(OTHER))
        .cloned()
        .collect();
    for it in &denied {
        let mut view = at_server(it, PID, Outcome::Answered, MS / 10);
        view.answer = it.answer;
        view.owner.comm = Comm::new(comm);
        story.attempts.push(view);
    }
    for &(server, times) in asked {
        for (n, it) in (0..times).zip(&denied) {
            let mut own = it.clone();
            own.owner.pid = Some(PID);
            own.owner.comm = Comm::new(comm);
            own.owner.netns = NODE;
            own.peer = address(server);
            own.cookie = 6_000 + n;
            story.attempts.push(own);
        }
    }
    story
}

fn only(story: Story) -> Finding {
    let findings = programs::diagnosed(story, &[]).findings;
    let mut found = findings
        .into_iter()
        .filter(|it| it.rule == Rule::Contradiction);
    found.next().expect("a contradiction")
}

#[test]
fn a_cache_that_did_not_ask_again_is_named_with_its_flush() {
    for (comm, flush) in [
        (&b"unbound"[..], "`unbound-control flush_negative`"),
        (b"dnsmasq", "`kill -HUP 53`"),
        (b"systemd-resolve", "`resolvectl flush-caches`"),
        (b"named", "`rndc flush`"),
        (b"nscd", "`nscd -i hosts`"),
        (b"pdns_recursor", "`rec_control wipe-cache '$'`"),
        // Of which no command is known.
        (b"coredns", "or restart it"),
    ] {
        let found = only(denying(comm, &[(SERVER, 10)]));
        assert!(found.title.contains("(negative cache)"), "{found:#?}");
        assert!(
            found.cause.contains("10.0.0.10:53 knows them by now"),
            "{found:#?}"
        );
        assert!(found.fix[2].contains(flush), "{found:#?}");
    }
}

/// It may be a server with a zone of its own that is in nobody's way.
#[test]
fn who_asks_nobody_may_be_a_cache_or_not() {
    let found = only(denying(b"dnsmasq", &[]));
    assert!(found.title.ends_with("contradict each other"), "{found:#?}");
    assert!(
        found
            .cause
            .ends_with("keeps an answer from before the names were made."),
        "{found:#?}"
    );
    let last = found.fix.last().expect("a step");
    assert_eq!(last, "If it is a cache, empty it: `kill -HUP 53`");
}

#[test]
fn who_asks_somebody_else_or_each_time_keeps_nothing() {
    let elsewhere = only(denying(b"unbound", &[("10.0.0.99:53", 10)]));
    assert!(
        elsewhere.title.ends_with("contradict each other"),
        "{elsewhere:#?}"
    );
    let each_time = only(denying(b"unbound", &[(SERVER, 30)]));
    assert!(
        each_time.title.ends_with("contradict each other"),
        "{each_time:#?}"
    );
}

/// Whatever the family and the type, and however the names are written.
#[test]
fn a_cache_over_ipv6_is_told_as_well() {
    let (one, other) = ("[2001:db8::53]:53", "[fd00::53]:5353");
    let mut story = denying(b"unbound", &[(SERVER, 10)]);
    for it in &mut story.attempts {
        for end in [&mut it.peer, &mut it.local] {
            if *end == address(SERVER) {
                *end = address(one);
            } else if *end == address(OTHER) {
                *end = address(other);
            }
        }
        let name = it.question.parse().expect("a question").name;
        let is_odd = it.cookie % 2 == 1;
        let written = if is_odd { name.to_uppercase() } else { name };
        it.question = question(&written, TYPE_AAAA);
    }
    let found = only(story);
    assert!(
        found.title.contains("[fd00::53]:5353 keeps saying"),
        "{found:#?}"
    );
    assert!(
        found.cause.contains("[2001:db8::53]:53 knows them by now"),
        "{found:#?}"
    );
    let asks = found.fix.join("\n");
    assert!(asks.contains("dig @fd00::53 -p 5353"), "{asks}");
    assert_eq!(
        asks.matches(".CORP.TEST AAAA`").count() + asks.matches(".corp.test AAAA`").count(),
        2
    );
}
