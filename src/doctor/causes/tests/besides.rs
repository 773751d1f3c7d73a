//! What a finding says besides where that was looked at, and not where it was not.

use std::sync::Arc;

use super::servers::RESOLVER;
use super::*;
use crate::attempt::FailedCall;
use crate::attempt::Identity;
use crate::doctor::overheard::texts;
use crate::sampler::Process;

const TYPE_PTR: u16 = 12;

/// All that is said of it.
fn told(story: Story) -> String {
    let findings = story.explain().findings;
    let lines: Vec<_> = findings.iter().flat_map(texts).cloned().collect();
    lines.join("\n")
}

/// These are said of the one, and not of the other.
fn tells_apart(one: Story, other: Story, sentences: &[&str]) {
    let (one, other) = (told(one), told(other));
    for sentence in sentences {
        assert!(one.contains(sentence), "{sentence}: {one}");
        assert!(!other.contains(sentence), "{sentence}: {other}");
    }
}

fn five(made: impl Fn(Attempt) -> Attempt) -> Story {
    Story::default().with((0..5).map(|n| made(attempt(n, SERVER, Outcome::Unanswered))))
}

fn filtered(attempt: Attempt) -> Attempt {
    dropped(attempt, Packet::Query, "NETFILTER_DROP", "nft_do_chain")
}

fn rejected(attempt: Attempt, location: &str) -> Attempt {
    let drop = packet_drop(&attempt, Packet::Query, "NETFILTER_DROP", location);
    Attempt {
        drop: Some(Box::new(drop)),
        ..refused(attempt, libc::ECONNREFUSED)
    }
}

#[test]
fn what_kubernetes_does_is_said_on_its_nodes_alone() {
    let policy = || five(filtered);
    let rule = || five(|it| rejected(it, "nft_do_chain"));
    let ended = || servers::left_unread(0);
    let cases: [(&dyn Fn() -> Story, &str); 3] = [
        (
            &policy,
            "In Kubernetes that is an egress rule to the kube-dns pods and to the NodeLocal address.",
        ),
        (
            &rule,
            "kube-proxy has such a rule for a Service without ready endpoints",
        ),
        (&ended, "`kubectl -n kube-system get pods`"),
    ];
    for (story, sentence) in cases {
        let mut node = story();
        node.host.tools.kubelet = true;
        tells_apart(node, story(), &[sentence]);
    }
}

#[test]
fn the_kind_of_the_rule_is_said_as_far_as_the_function_tells() {
    let by = |location| five(move |it| rejected(it, location));
    tells_apart(
        by("nf_hook_slow"),
        by("nft_do_chain"),
        &["A REJECT rule (netfilter)"],
    );
}

#[test]
fn one_namespace_alone_that_a_policy_cuts_off_is_told() {
    let others = more(20, SERVER, Outcome::Answered).map(|mut it| {
        it.owner.netns = NODE;
        it
    });
    tells_apart(
        five(filtered).with(others),
        five(filtered),
        &["From one network namespace nothing is answered at all, and from others it is"],
    );
}

#[test]
fn a_firewall_of_the_host_is_asked_about_the_hosts_own_rules() {
    let of = |own| {
        let mut story = five(filtered);
        story.host.own_netns = Some(own);
        story.host.tools.firewalld = true;
        story
    };
    let step = "The rules are managed by a program here: `firewall-cmd --list-all-zones`";
    tells_apart(of(NODE), of(POD), &[step]);
}

#[test]
fn a_namespace_is_called_by_what_is_known_of_it() {
    let unknown = five(|it| {
        let mut it = filtered(it);
        it.drop.as_mut().expect("a drop").netns = 0;
        it
    });
    tells_apart(
        unknown,
        five(filtered),
        &["in an unknown network namespace"],
    );
}

#[test]
fn what_lay_in_the_socket_and_was_counted_is_told() {
    let overflow = || servers::overloaded(servers::server(None, 0.1, 0.0));
    let mut counted = overflow();
    counted.host.udp.insert(NODE, 7);
    let server = counted.host.servers.get_mut(&RESOLVER).expect("a server");
    server.netns = Some(NODE);
    let views = counted.attempts.iter_mut();
    let last = views.filter(|it| it.role == Role::Server).last();
    last.expect("a view").queued_bytes = 300_000;
    tells_apart(
        counted,
        overflow(),
        &[
            "RcvbufErrors of network namespace 4026532001 (of pid 53) grew by 7 until the last look at it.",
            "When half of these queries came, 200,000 bytes or more lay unread in the server's socket, and at \
             most 300,000.",
        ],
    );
}

#[test]
fn a_cpu_limit_that_was_not_looked_at_is_not_ruled_out() {
    let mut unknown = servers::hesitant(0.01, 0.18);
    let server = unknown.host.servers.get_mut(&RESOLVER).expect("a server");
    server.is_quota_known = false;
    tells_apart(
        unknown,
        servers::hesitant(0.01, 0.18),
        &["When the server has work, it waits for a CPU. Whether other programs use it"],
    );
}

#[test]
fn what_a_slow_server_asks_itself_is_told() {
    let own = (700..703).map(|n| {
        let mut it = attempt(n, OTHER, Outcome::Answered);
        it.owner.pid = Some(RESOLVER);
        it.owner.netns = NODE;
        it
    });
    tells_apart(
        slow::here(300, 299, 0).with(own),
        slow::here(300, 299, 0),
        &[
            "The server (pid 53) asked others 3 times itself; none of these is known to be slow or lost for \
             the same question.",
        ],
    );
}

#[test]
fn reverse_lookups_of_a_storm_are_told() {
    let storm = |name, rtype| {
        Story::default().with((0..2_000).map(move |n| Attempt {
            question: question(name, rtype),
            ..attempt(n, SERVER, Outcome::Answered)
        }))
    };
    tells_apart(
        storm("1.2.0.192.in-addr.arpa", TYPE_PTR),
        storm("db.example.com", TYPE_A),
        &["100 % were reverse lookups (PTR), as log writers make them."],
    );
}

#[test]
fn an_upstream_that_is_slow_and_silent_is_told_as_both() {
    let late = |own| dropped(own, Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv");
    let both = servers::forwarded(|own| match own.cookie % 2 {
        0 => own,
        _ => late(own),
    });
    tells_apart(
        both,
        servers::forwarded(late),
        &["what it asks there is answered slowly or not at all."],
    );
}

#[test]
fn how_queries_over_tcp_were_discarded_is_told() {
    let over_tcp = |is_discarded: bool| {
        let mut truncated = attempt(99, SERVER, Outcome::Answered);
        truncated.answer.as_mut().expect("an answer").truncated = true;
        let asked = five(|it| {
            let it = Attempt {
                transport: Transport::Tcp,
                id: None,
                ..it
            };
            match is_discarded {
                true => filtered(it),
                false => it,
            }
        });
        asked.with([truncated])
    };
    tells_apart(
        over_tcp(true),
        over_tcp(false),
        &["5 were discarded by this host's kernel: NETFILTER_DROP"],
    );
}

#[test]
fn how_long_a_server_here_took_for_a_late_answer_is_told() {
    // Each was given up on before.
    let late = || {
        let all = (0..5).flat_map(|n| {
            let unanswered = attempt(n, SERVER, Outcome::Unanswered);
            let mut late = answered_with(unanswered.clone(), 0);
            late.outcome = Outcome::Late;
            late.end_ns = late.sent_ns + 6_000 * MS;
            [unanswered, late]
        });
        all.collect::<Vec<_>>()
    };
    let views: Vec<_> = late()
        .iter()
        .filter(|it| it.outcome == Outcome::Unanswered)
        .map(|it| at_server(it, RESOLVER, Outcome::Answered, 5_900 * MS))
        .collect();
    let here = Story::default().with(views).with(late());
    tells_apart(
        here,
        Story::default().with(late()),
        &["The server is on this host and took up to 5.9 s of it."],
    );
    let line = "5 answers came after the query had been sent again or given up on.";
    let closed = five(|it| dropped(it, Packet::Answer, "NO_SOCKET", "__udp4_lib_rcv"));
    tells_apart(Story::default().with(late()), closed, &[line]);
}

/// A unit of systemd has settings of its own.
#[test]
fn a_unit_that_may_not_send_is_asked_what_forbids_it() {
    let of = |path: &'static str, made: fn(Attempt) -> Attempt| {
        let identity = Arc::new(Identity::of_cgroup(path.as_bytes()));
        five(move |it| Attempt {
            workload: Some(identity.clone()),
            ..made(it)
        })
    };
    let denied: fn(Attempt) -> Attempt =
        |it| dropped(it, Packet::Query, "BPF_CGROUP_EGRESS", "ip_output");
    let no_route: fn(Attempt) -> Attempt = |it| Attempt {
        id: None,
        failed_call: Some(FailedCall::Send),
        ..refused(it, libc::ENETUNREACH)
    };
    let cases: [(_, [&str; 2]); 2] = [
        (
            denied,
            [
                "See what the unit forbids (and the slices above it):",
                "show -p IPAddressAllow -p IPAddressDeny -p IPEgressFilterPath -p \
                 RestrictNetworkInterfaces shop.service",
            ],
        ),
        (
            no_route,
            [
                "See whether the unit has a network of its own, which holds nothing but `lo`:",
                "show -p PrivateNetwork -p NetworkNamespacePath -p JoinsNamespaceOf shop.service",
            ],
        ),
    ];
    for (made, sentences) in cases {
        let unit = of("/system.slice/shop.service", made);
        tells_apart(unit, of("/build", made), &sentences);
    }
}

/// The path stands in no command that can be pasted.
#[test]
fn a_limit_whose_path_no_command_can_have_is_told_by_its_file() {
    let version = crate::sampler::Version::V2;
    let killed = |group: &str| killed::killed(group, version);
    tells_apart(
        killed("/sys/fs/cgroup/d\u{f1}s"),
        killed("/sys/fs/cgroup/dns"),
        &["it is in the file memory.max or memory.limit_in_bytes of that cgroup."],
    );
    let throttled = |group: &str| {
        let quota = crate::sampler::Quota {
            cgroup: std::path::PathBuf::from(group).into(),
            version,
            ..servers::quota(90)
        };
        servers::overloaded(servers::server(Some(quota), 0.2, 0.0))
    };
    tells_apart(
        throttled("/sys/fs/cgroup/d\u{f1}s"),
        throttled("/sys/fs/cgroup/dns"),
        &["it is in the file cpu.max or cpu.cfs_quota_us of the server's cgroup"],
    );
}

/// Without a clock that tells the time of the day.
#[test]
fn a_server_that_has_gone_silent_is_told_without_a_clock() {
    tells_apart(
        apart::silent_while(300, |n| n >= 200),
        apart::silent_while(300, |n| (100..200).contains(&n)),
        &[
            "10.0.0.10:53 does not answer any more",
            "Of queries sent in the last 9.9 s in which it was asked, 100 of 100 went unanswered",
        ],
    );
}

#[test]
fn the_file_that_a_container_was_given_is_named_where_it_is_known() {
    let stub = |is_known: bool| {
        let asked = many(20, "127.0.0.53:53", Outcome::Refused).map(|it| {
            let it = refused(it, libc::ECONNREFUSED);
            let mut drop = packet_drop(&it, Packet::Query, "NO_SOCKET", "__udp4_lib_rcv");
            drop.netns = POD;
            Attempt {
                drop: Some(Box::new(drop)),
                ..it
            }
        });
        let mut story = Story::default().with(asked);
        story.host.own_netns = Some(NODE);
        let conf = crate::sampler::ResolvConf {
            path: std::path::PathBuf::from("/run/pod/resolv.conf"),
            nameservers: vec![address("127.0.0.53:53").ip()],
            search: Vec::new(),
            ndots: 1,
        };
        let client = Process {
            resolv_conf: Some(conf).filter(|_| is_known),
            ..Process::default()
        };
        story.host.clients.insert(4_242, client);
        story
    };
    let step = "See what the container was given: `cat /run/pod/resolv.conf`";
    tells_apart(stub(true), stub(false), &[step]);
}
