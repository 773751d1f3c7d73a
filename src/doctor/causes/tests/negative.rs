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
    ] {
        // Not at all, or oftener answered than asked.
        for asked in [&[][..], &[(SERVER, 10)]] {
            let found = only(denying(comm, asked));
            assert!(found.title.contains("(negative cache)"), "{found:#?}");
            assert!(
                found.cause.contains("10.0.0.10:53 knows them by now"),
                "{found:#?}"
            );
            assert!(found.fix[2].contains(flush), "{found:#?}");
        }
    }
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
