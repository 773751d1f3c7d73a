//! Calls that failed, so that no packet was sent.

use super::*;
use crate::attempt::Comm;
use crate::attempt::FailedCall;
use crate::sampler::Ports;

#[test]
fn the_forms_of_a_send_that_fails() {
    let title = |call, errno: Option<i32>, route: Option<bool>| {
        let mut incident = Story::default().with((0..4).map(|n| Attempt {
            outcome: Outcome::Refused,
            id: None,
            reason: errno.map(Reason::Errno),
            failed_call: Some(call),
            ..attempt(n, SERVER, Outcome::Refused)
        }));
        incident
            .host
            .routes
            .extend(route.map(|route| ((POD, address(SERVER).ip()), route)));
        let explanation = incident.explain();
        assert_eq!(explanation.findings[0].rule.name(), "dns_send_denied");
        assert_eq!(explanation.findings[0].queries, 4);
        explanation.findings[0].title.clone()
    };
    let (connect, send) = (FailedCall::Connect, FailedCall::Send);
    assert!(title(connect, Some(libc::EPERM), None).contains("BPF program on the cgroup"));
    assert!(title(send, Some(libc::EPERM), None).contains("BPF program on the cgroup"));
    assert!(title(send, Some(libc::ENETUNREACH), None).contains("no route"));
    assert!(title(connect, None, Some(false)).contains("no route"));
    assert!(title(connect, None, Some(true)).contains("No socket can be connected"));
    assert!(title(send, Some(libc::EAGAIN), None).contains("No socket can be connected"));
}

#[test]
fn who_has_the_ports_is_told_where_that_was_looked_at() {
    let told = |used| {
        let mut story = Story::default().with((0..4).map(|n| Attempt {
            failed_call: Some(FailedCall::Send),
            ..refused(attempt(n, SERVER, Outcome::Refused), libc::EAGAIN)
        }));
        let netns = story.attempts[0].owner.netns;
        let ports = Ports {
            range: Some((32_768, 60_999)),
            used,
            holders: vec![
                (77, Comm::new(b"leaky"), 28_000),
                (42, Comm::new(b"curl"), 9),
            ],
        };
        story.host.ports.insert(netns, ports);
        story.explain().findings.remove(0)
    };
    let up = told(28_232);
    let evidence = up.evidence.join(" ");
    for part in [
        "28,232 UDP ports of the 28,232 that the kernel gives (32768 to 60999) were in use",
        "Of its UDP sockets, leaky (pid 77) has 28,000, curl (pid 42) has 9.",
    ] {
        assert!(evidence.contains(part), "{evidence}");
    }
    assert!(up.cause.contains("are used up"), "{}", up.cause);
    let free = told(12);
    assert!(
        free.cause.contains("there were free ports"),
        "{}",
        free.cause
    );
    assert!(
        !free.cause.contains("all local ports are in use"),
        "{}",
        free.cause
    );
}

/// A resolver that may use IPv6 where there is none: its clients had their answers.
#[test]
fn ipv6_servers_that_are_got_round_are_one_note() {
    const RESOLVER: u32 = 53;
    let served = |outcome| {
        (0..30).flat_map(move |n| {
            let client = attempt(n, SERVER, outcome);
            let mut view = at_server(&client, RESOLVER, outcome, MS / 2);
            view.owner.comm = Comm::new(b"unbound");
            [view, client]
        })
    };
    let tries = |server: &'static str| {
        (0..20).map(move |n| {
            let mut it = refused(attempt(n, server, Outcome::Refused), libc::ENETUNREACH);
            it.id = None;
            it.reason = None;
            it.failed_call = Some(FailedCall::Connect);
            it.owner.pid = Some(RESOLVER);
            it.owner.comm = Comm::new(b"unbound");
            it.owner.netns = NODE;
            it.cookie += 5_000;
            it
        })
    };
    let story = |outcome, servers: &[&'static str]| {
        let mut story = Story::default().with(served(outcome));
        for server in servers {
            story = story.with(tries(server));
            story
                .host
                .routes
                .insert((NODE, address(server).ip()), false);
        }
        story
    };
    let (one, other) = ("[2001:db8::4]:53", "[2001:db8::5]:53");
    let mut findings = story(Outcome::Answered, &[one, other]).explain().findings;
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let note = findings.remove(0);
    assert_eq!((note.severity, note.queries), (Severity::Info, 40));
    assert_eq!(
        note.title,
        "unbound (pid 53) cannot reach its servers over IPv6: there is no route to them"
    );
    let told = note.evidence.join("\n") + &note.fix.join("\n");
    for part in [
        "[2001:db8::4]:53 (20), [2001:db8::5]:53 (20)",
        "`do-ip6: no`",
        "ip -6 route get 2001:db8::4",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("resolv.conf"), "{told}");
    // Over IPv4 each server is told by itself, and so where its clients were hurt.
    let v4 = story(Outcome::Answered, &["192.0.2.4:53", "192.0.2.5:53"]);
    assert_eq!(v4.explain().findings.len(), 2);
    for finding in story(Outcome::Unanswered, &[one, other]).explain().findings {
        assert!(!finding.title.contains("over IPv6"), "{finding:#?}");
    }
}

/// Who asked may have ended: its control group is known all the same.
#[test]
fn the_control_group_that_denies_is_named_and_no_process_that_is_gone() {
    let told = |ended| {
        let identity = std::sync::Arc::new(crate::attempt::Identity::of_cgroup(b"/build"));
        let mut story = Story::default().with((0..4).map(|n| {
            let denied = attempt(n, SERVER, Outcome::Dropped);
            let mut denied = dropped(denied, Packet::Query, "BPF_CGROUP_EGRESS", "ip_output");
            denied.workload = Some(identity.clone());
            denied
        }));
        let client = crate::sampler::Process {
            ended,
            ..crate::sampler::Process::default()
        };
        story.host.clients.insert(4_242, client);
        let finding = story.explain().findings.remove(0);
        finding.evidence.join("\n") + &finding.fix.join("\n")
    };
    let (here, gone) = (told(false), told(true));
    for it in [&here, &gone] {
        assert!(
            it.contains("They were sent from the control group /build."),
            "{it}"
        );
        assert!(it.contains("`bpftool cgroup tree`"), "{it}");
    }
    assert!(here.contains("`cat /proc/4242/cgroup`"), "{here}");
    assert!(
        !gone.contains("/cgroup`") && !gone.contains("PID"),
        "{gone}"
    );
}
