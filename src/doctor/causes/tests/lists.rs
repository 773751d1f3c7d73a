//! What a resolv.conf, and the names that are asked for, tell of the list in it.

use std::path::PathBuf;

use super::*;
use crate::sampler::Process;
use crate::sampler::ResolvConf;

/// The program of [`attempt`].
const CURL: u32 = 4242;

fn conf(nameservers: &[&str], search: &[&str], ndots: u32) -> ResolvConf {
    ResolvConf {
        path: PathBuf::from("/etc/resolv.conf"),
        nameservers: nameservers
            .iter()
            .map(|it| it.parse().expect("an address"))
            .collect(),
        search: search.iter().map(|&it| it.to_owned()).collect(),
        ndots,
    }
}

fn with(story: Story, conf: ResolvConf) -> Story {
    with_conf_of(story, CURL, conf)
}

fn with_conf_of(mut story: Story, pid: u32, conf: ResolvConf) -> Story {
    let client = Process {
        resolv_conf: Some(conf),
        ..Process::default()
    };
    story.host.clients.insert(pid, client);
    story
}

fn findings(story: Story) -> Vec<Finding> {
    let findings = programs::diagnosed(story, &[]).findings;
    findings
        .into_iter()
        .filter(|it| !it.rule.is_summary())
        .collect()
}

fn text(finding: &Finding) -> String {
    let texts = [&finding.title, &finding.cause, &finding.impact];
    let all = texts.into_iter().chain(&finding.evidence);
    all.chain(&finding.fix)
        .map(|it| format!("{it}\n"))
        .collect()
}

#[test]
fn a_server_that_is_not_in_the_list_is_told_whatever_is_wrong_with_it() {
    let silent = || Story::default().with(many(20, SERVER, Outcome::Unanswered));
    let closed = || {
        let refused = many(20, SERVER, Outcome::Refused);
        Story::default().with(refused.map(|it| refused_by(it, libc::ECONNREFUSED)))
    };
    let denied = || {
        let all = many(20, SERVER, Outcome::Answered);
        Story::default().with(all.map(|it| answered_with(it, 5)))
    };
    for story in [silent, closed, denied] as [fn() -> Story; 3] {
        let told = text(&findings(with(story(), conf(&["10.0.0.11"], &[], 1)))[0]);
        assert!(
            told.contains("10.0.0.10:53 is not in the resolv.conf of who asks it (any more)"),
            "{told}"
        );
        assert!(told.contains("Restart the program"), "{told}");
        let told = text(&findings(with(story(), conf(&["10.0.0.10"], &[], 1)))[0]);
        assert!(!told.contains("(any more)"), "{told}");
    }
}

fn refused_by(attempt: Attempt, errno: i32) -> Attempt {
    refused(attempt, errno)
}

#[test]
fn nameservers_behind_the_third_are_never_asked() {
    let silent = || Story::default().with(many(20, SERVER, Outcome::Unanswered));
    let four = ["10.0.0.10", "10.0.0.2", "10.0.0.3", "10.0.0.4"];
    let told = text(&findings(with(silent(), conf(&four, &[], 1)))[0]);
    assert!(
        told.contains(
            "has 4 nameservers; C libraries use the first three, and never ask 10.0.0.4."
        ),
        "{told}"
    );
    let told = text(&findings(with(silent(), conf(&four[..3], &[], 1)))[0]);
    assert!(!told.contains("never ask"), "{told}");
}

#[test]
fn an_empty_list_means_the_own_host() {
    let story = || {
        let asked = many(20, "127.0.0.1:53", Outcome::Refused);
        Story::default().with(asked.map(|it| refused(it, libc::ECONNREFUSED)))
    };
    let told = text(&findings(with(story(), conf(&[], &[], 1)))[0]);
    assert!(
        told.contains("names no server: C libraries then ask 127.0.0.1"),
        "{told}"
    );
    assert!(!told.contains("(any more)"), "{told}");
}

/// Names that are answered with records, as they are sent.
fn asked(names: &[&str], records: u16, rcode: u16) -> Vec<Attempt> {
    let all = (0..).zip(names);
    all.map(|(n, name)| {
        let mut it = answered_with(attempt(n, SERVER, Outcome::Answered), rcode);
        it.question = question(name, TYPE_A);
        let answer = it.answer.as_mut().expect("an answer");
        answer.answers = records;
        answer.bits.recursion_desired = true;
        answer.bits.recursion_available = true;
        it
    })
    .collect()
}

const WILD: [&str; 4] = [
    "www.shop.com.wild.lab",
    "api.shop.com.wild.lab",
    "db.prod.wild.lab",
    "web.prod.wild.lab",
];

fn wildcards(story: Story, search: &[&str]) -> Vec<Finding> {
    let all = findings(with(story, conf(&["10.0.0.10"], search, 5)));
    all.into_iter()
        .filter(|it| it.title.starts_with("Every name exists"))
        .collect()
}

/// What is said of a wildcard below this domain, whatever it is called.
pub(super) fn wildcard_below(domain: &str) -> Vec<Finding> {
    let names: Vec<String> = WILD
        .iter()
        .filter_map(|name| Some(format!("{}.{domain}", name.strip_suffix(".wild.lab")?)))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::default().with(asked(&names, 1, 0));
    story.host.own_netns = story.attempts.first().map(|it| it.owner.netns);
    wildcards(story, &[domain])
}

#[test]
fn a_wildcard_below_a_search_domain_is_told() {
    let found = wildcards(Story::default().with(asked(&WILD, 1, 0)), &["wild.lab"]);
    assert_eq!((found.len(), found[0].queries), (1, 4));
    let told = text(&found[0]);
    assert!(told.contains("below the search domain wild.lab"), "{told}");
    assert!(
        told.contains("www.shop.com as www.shop.com.wild.lab"),
        "{told}"
    );
    assert!(told.contains("Names with fewer than 5 dots"), "{told}");
}

#[test]
fn names_of_the_domain_itself_are_no_wildcard() {
    // Nothing says that these are meant as names of their own.
    let own = [
        "db.prod.wild.lab",
        "web.prod.wild.lab",
        "mail.prod.wild.lab",
    ];
    let story = Story::default().with(asked(&own, 1, 0));
    assert_eq!(wildcards(story, &["wild.lab"]), []);
    // One of them does not exist: as in a cluster.
    let missing = asked(&["www.other.com.wild.lab"], 0, 3);
    let missing = missing.into_iter().map(|mut it| {
        shift(&mut it, 90_000 * MS);
        it.cookie += 700;
        it
    });
    let story = Story::default().with(asked(&WILD, 1, 0)).with(missing);
    assert_eq!(wildcards(story, &["wild.lab"]), []);
    // Another suffix than in the list, and names without a dot.
    assert_eq!(
        wildcards(Story::default().with(asked(&WILD, 1, 0)), &["other.lab"]),
        []
    );
    let short = ["a.wild.lab", "b.wild.lab", "c.wild.lab", "d.wild.lab"];
    assert_eq!(
        wildcards(Story::default().with(asked(&short, 1, 0)), &["wild.lab"]),
        []
    );
}

#[test]
fn a_name_that_others_know_as_it_is_was_meant_so() {
    let own = [
        "db.prod.wild.lab",
        "web.prod.wild.lab",
        "mail.prod.wild.lab",
    ];
    let mut known = asked(&["db.prod"], 1, 0);
    known[0].owner.pid = Some(99);
    known[0].cookie += 900;
    let story = Story::default().with(asked(&own, 1, 0)).with(known);
    let found = wildcards(story, &["wild.lab"]);
    assert!(
        text(&found[0]).contains("Asked for: db.prod as db.prod.wild.lab."),
        "{found:#?}"
    );
    // The suffix was put behind a name that has it.
    let twice = [
        "a.wild.lab.wild.lab",
        "b.wild.lab.wild.lab",
        "c.wild.lab.wild.lab",
    ];
    assert_eq!(
        wildcards(Story::default().with(asked(&twice, 1, 0)), &["wild.lab"]).len(),
        1
    );
}

#[test]
fn programs_that_ask_resolved_over_d_bus_are_said_not_to_be_seen() {
    let story = |asked: &[(u64, &str)]| {
        let own = many(20, SERVER, Outcome::Answered).map(|mut it| {
            it.owner.pid = Some(53);
            it.owner.comm = crate::attempt::Comm::new(b"systemd-resolved");
            it
        });
        let own: Vec<_> = own.collect();
        let views = asked.iter().flat_map(|&(times, stub)| {
            (0..times).map(move |n| {
                let asked = attempt(500 + n, stub, Outcome::Answered);
                at_server(&asked, 53, Outcome::Answered, MS)
            })
        });
        let views: Vec<_> = views.collect();
        let evidence = Story::default().with(own).with(views).evidence();
        crate::doctor::unseen_clients(&evidence)
    };
    let told = story(&[]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("20 queries, and nobody was seen to ask it over 127.0.0.53"),
        "{told:?}"
    );
    // Five names of two families each, and most of what it asks is for these.
    assert_eq!(story(&[(10, "127.0.0.53:53")]), [""; 0]);
    // At an address that it was given besides (DNSStubListenerExtra=).
    assert_eq!(story(&[(1, SERVER)]), [""; 0]);
    let told = story(&[(4, "127.0.0.53:53"), (1, "127.0.0.54:53")]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("20 queries, and was asked 5 times over 127.0.0.53. Either"),
        "{told:?}"
    );
}

/// What it asks is in no resolv.conf.
#[test]
fn who_has_systemd_resolved_is_sent_to_resolvectl() {
    let asks = |comm: &'static [u8], serves: bool, failed: fn(Attempt) -> Attempt| {
        let own = |it: Attempt| {
            let mut it = it;
            it.owner.pid = Some(53);
            it.owner.comm = crate::attempt::Comm::new(comm);
            it
        };
        let views = (800..830).filter(|_| serves).map(move |n| {
            let asked = attempt(n, "127.0.0.53:53", Outcome::Answered);
            let mut view = at_server(&asked, 53, Outcome::Answered, MS);
            view.owner.comm = crate::attempt::Comm::new(comm);
            view
        });
        let failing = many(20, SERVER, Outcome::Unanswered).map(failed).map(own);
        let well = more(30, OTHER, Outcome::Answered).map(own);
        let views: Vec<_> = views.collect();
        let story = Story::default().with(views).with(failing).with(well);
        let found = findings(with_conf_of(story, 53, conf(&["10.0.0.99"], &[], 1)));
        text(&found[0])
    };
    let silent: fn(Attempt) -> Attempt = |it| it;
    let closed: fn(Attempt) -> Attempt = |it| refused(it, libc::ECONNREFUSED);
    let no_way: fn(Attempt) -> Attempt = |it| refused(it, libc::EHOSTUNREACH);
    for (failed, serves) in [
        (silent, true),
        (closed, true),
        (no_way, true),
        (silent, false),
    ] {
        let told = asks(b"systemd-resolve", serves, failed);
        assert!(told.contains("`resolvectl status`"), "{told}");
        assert!(told.contains("`resolvectl dns LINK ADDRESS`"), "{told}");
        assert!(!told.contains("(any more)"), "{told}");
        let told = asks(b"curl", false, failed);
        assert!(!told.contains("resolvectl"), "{told}");
    }
    // A balancer has a list of its own as well.
    let told = asks(b"dnsdist", true, silent);
    assert!(told.contains("the resolver's own list"), "{told}");
    assert!(!told.contains("grep -n nameserver"), "{told}");
    assert!(!told.contains("rotate"), "{told}");
}
