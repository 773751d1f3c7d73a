//! Contrasts of which there may be two, and where the server is on this host.

use super::contrasts::*;
use super::*;
use crate::doctor::finding::Finding;

const TYPE_SRV: u16 = 33;

fn first(story: Story) -> Finding {
    story.explain().findings.remove(0)
}

/// The queries came to a server on this host.
fn here(story: Story) -> Finding {
    first(seen_here(story, |_, _| {}))
}

fn told(finding: &Finding) -> String {
    finding.evidence.join("\n")
}

pub(super) fn zone_unanswered() -> Story {
    split(10, 80, asking("erp.corp.internal", 1), same)
}

pub(super) fn zone_unanswered_here() -> Story {
    seen_here(zone_unanswered(), |_, _| {})
}

pub(super) fn second_of_connection() -> Story {
    let later = |it| after_answer(over_tcp(it));
    split(16, 16, later, over_tcp)
}

#[test]
fn a_zone_that_goes_unanswered_is_named() {
    let found = first(zone_unanswered());
    assert_eq!(
        (found.rule, found.queries, found.title.as_str()),
        (
            Rule::ZoneUnanswered,
            10,
            "10.0.0.10:53 does not answer names of corp.internal, but all others"
        )
    );
    assert!(
        found
            .cause
            .contains("The server and the way to it are well")
    );
    let found = first(zone_unanswered_here());
    assert_eq!(found.rule, Rule::ZoneUnanswered);
    assert!(!found.cause.contains("on the way"), "{found:#?}");
    assert!(told(&found).contains("10 queries came to its socket and went unanswered there."));
    assert!(told(&found).contains("no slow or lost query of its own behind it."));
}

/// Others of the same zone are well, or nobody asked for any.
#[test]
fn it_may_be_a_part_of_a_zone() {
    let part = asking("erp.int.corp.internal", 1);
    let apart = split(10, 80, part, asking("www.corp.internal", 1));
    for story in [apart, split(10, 80, part, same)] {
        let found = first(story);
        assert_eq!(found.rule, Rule::ZoneUnanswered);
        assert!(
            found.title.contains("names of int.corp.internal,"),
            "{found:#?}"
        );
        assert!(!told(&found).contains("The same figures"), "{found:#?}");
    }
}

/// What lay unread before them, and who asks, is nearer than what was asked.
#[test]
fn a_zone_is_not_blamed_for_what_the_server_does_to_all() {
    let queued = |is_read: bool| {
        let story = seen_here(zone_unanswered(), |_, view| {
            view.queued_bytes = 4_000;
            // Where sockets are not known nobody can tell what was read.
            if !is_read {
                view.cookie = 0;
            }
        });
        story.said()
    };
    assert_eq!(queued(false), [("dns_unknown", 10)]);
    // The server answered what came after them.
    assert_eq!(queued(true), [("dns_zone_unanswered", 10)]);
    let ignored = seen_here(zone_unanswered(), |is_silent, view| {
        let ip = if is_silent { "10.81.1.2" } else { "10.81.2.1" };
        view.peer.set_ip(ip.parse().expect("an address"));
    });
    assert_eq!(ignored.said(), [("dns_clients_ignored", 10)]);
}

/// Nobody asked for another type below that zone, and for that type elsewhere.
#[test]
fn what_has_the_same_figures_is_told_with_it() {
    let srv = asking("ldap.corp.internal", TYPE_SRV);
    let found = first(split(10, 120, srv, same));
    assert_eq!(found.rule, Rule::TypeDropped);
    let both = "The same figures are those of names of corp.internal: it may be that instead, the \
                queries do not tell.";
    assert!(told(&found).contains(both), "{found:#?}");
    let edns = first(split(20, 60, |it| with_edns(srv(it)), same));
    let both = "The same figures are those of queries of type SRV and of names of corp.internal:";
    assert!(told(&edns).contains(both), "{edns:#?}");
    // It was asked for elsewhere too, and answered.
    let apart = split(10, 120, srv, same);
    let apart = apart.with((900..920).map(|n| {
        let it = attempt(n, SERVER, Outcome::Answered);
        asking("ldap.example.com", TYPE_SRV)(it)
    }));
    let apart = first(apart);
    assert_eq!(apart.rule, Rule::ZoneUnanswered);
    assert!(!told(&apart).contains("The same figures"), "{apart:#?}");
}

/// Nearly all is asked over UDP: what is asked over TCP may be for another zone by chance.
#[test]
fn udp_is_blamed_last() {
    let found = first(split(20, 8, asking("db.corp.internal", 1), over_tcp));
    assert_eq!(found.rule, Rule::ZoneUnanswered);
    assert!(told(&found).contains("The same figures are those of queries over UDP:"));
}

#[test]
fn the_second_question_of_a_connection_may_be_ignored() {
    let found = first(second_of_connection());
    assert_eq!((found.rule, found.queries), (Rule::SecondQuery, 16));
    assert_eq!(
        found.title,
        "10.0.0.10:53 answers only the first question of each TCP connection"
    );
    let both = "Of queries on a TCP connection that had an answer before, 16 of 16 went unanswered; \
                of all others, 0 of 16.";
    assert_eq!(found.evidence[0], both);
    // The C library asks for A first.
    let aaaa = asking("www.example.com", TYPE_AAAA);
    let found = first(split(
        16,
        16,
        |it| aaaa(after_answer(over_tcp(it))),
        over_tcp,
    ));
    assert_eq!(found.rule, Rule::AaaaBroken);
    let both =
        "The same figures are those of queries on a TCP connection that had an answer before:";
    assert!(told(&found).contains(both), "{found:#?}");
}

/// What came to its socket nothing on the way has discarded.
#[test]
fn where_the_server_is_on_this_host_nothing_on_the_way_is_blamed() {
    let rows = [
        (edns_dropped(), "some then stay silent"),
        (
            case_dropped(),
            "The server does not know that, and stays silent.",
        ),
        (type_dropped(), "The server does not handle type HTTPS"),
        (udp_unserved(), "the server does not answer them"),
        (second_query(), "small proxies forget a client"),
    ];
    for (story, cause) in rows {
        let found = here(story);
        assert!(found.cause.contains(cause), "{found:#?}");
        assert!(!found.cause.contains("on the way"), "{found:#?}");
        assert!(!found.cause.contains("in front"), "{found:#?}");
        assert!(
            told(&found).contains("The server is on this host: "),
            "{found:#?}"
        );
    }
    let fixed = here(edns_dropped()).fix.join("\n") + &here(second_query()).fix.join("\n");
    assert!(fixed.contains("RFC 6891 section 7"), "{fixed}");
    assert!(fixed.contains("whatever comes from one port"), "{fixed}");
}

#[test]
fn reverse_lookups_have_words_of_their_own() {
    let ptr = asking("9.8.7.198.in-addr.arpa", TYPE_PTR);
    let found = first(split(12, 60, ptr, same));
    assert_eq!(found.rule, Rule::TypeDropped);
    assert!(
        found
            .cause
            .contains("where the name of an address is asked for")
    );
    assert!(found.impact.contains("logins with ssh"), "{found:#?}");
    assert!(!told(&found).contains("The same figures"), "{found:#?}");
}

/// The zone is that of the addresses that were asked for.
#[test]
fn the_zone_of_private_addresses_is_their_own() {
    let of = |name| {
        let found = first(split(10, 60, asking(name, TYPE_PTR), same));
        assert_eq!(found.rule, Rule::PrivateReverse);
        found.fix.join("\n")
    };
    for (name, zone) in [
        ("1.33.30.172.in-addr.arpa", "/30.172.in-addr.arpa/"),
        ("4.3.2.10.IN-ADDR.arpa", "/10.in-addr.arpa/"),
        ("5.0.168.192.in-addr.arpa", "/168.192.in-addr.arpa/"),
        ("1.0.64.100.in-addr.arpa", "/64.100.in-addr.arpa/"),
        ("1.0.0.0.0.0.0.0.8.b.D.f.ip6.arpa", "/d.f.ip6.arpa/"),
        ("1.0.0.0.0.0.0.0.8.e.f.ip6.arpa", "/8.e.f.ip6.arpa/"),
    ] {
        assert!(of(name).contains(zone), "{name}: {}", of(name));
    }
}

/// What a server on this host sent itself nobody on the way has changed.
#[test]
fn a_server_that_changes_the_question_is_named() {
    let asked = (0..9).flat_map(|n| {
        let mut query = attempt(n, SERVER, Outcome::Unanswered);
        query.ignored.other_question = 1;
        [at_server(&query, 53, Outcome::Answered, MS), query]
    });
    let found = first(Story::default().with(asked));
    assert_eq!((found.rule, found.queries), (Rule::AnswerIgnored, 9));
    assert!(found.cause.contains("sends them so itself"), "{found:#?}");
    assert!(told(&found).contains("9 of these were answered by itself."));
    assert!(found.fix.join("\n").contains("CoreDNS `rewrite … answer`"));
}

/// The resolver's own query is silent because of the zone: its client's is a symptom.
#[test]
fn clients_of_a_resolver_have_the_cause_of_its_own_queries() {
    let story = forwarders::silent_zone();
    let found = story.explain().findings;
    let zone = found.iter().find(|it| it.rule == Rule::ZoneUnanswered);
    let zone = zone.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(
        found.iter().all(|it| it.rule != Rule::UpstreamSlow),
        "{found:#?}"
    );
    assert!(told(zone).contains("it could not ask further"), "{zone:#?}");
}
