//! Which ports are DNS, and what follows from the direction.

use super::super::counters::Counters;
use super::message::Dns;
use super::message::QR;
use super::packet::Path;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;
use crate::attempt::Role;
use crate::event::Event;

#[test]
fn root_other_ports_are_not_looked_at() {
    let programs = Programs::load();
    let query = Dns::query(7, "elsewhere.example").bytes();
    for (from, to) in [
        (40000, 54),
        (52, 40000),
        (0, 0),
        (13568, 40000),
        (40000, 5353),
    ] {
        for hook in BOTH {
            programs.run(hook, &Path::v4().with_ports(from, to).udp(&query));
            programs.run(hook, &Path::v6().with_ports(from, to).udp(&query));
        }
    }
    programs.assert_only_counted(Counters::default());
}

#[test]
fn root_each_of_eight_ports_is_watched() {
    let ports = [53, 5353, 1, 65535, 1053, 8053, 9953, 5300];
    let programs = Programs::on_ports(&ports);
    let query = Dns::query(7, "eight.example");
    for port in ports {
        for hook in BOTH {
            programs.clear();
            programs.run(
                hook,
                &Path::v4().with_ports(40000, port).udp(&query.bytes()),
            );
            assert_eq!(programs.the_query().question(), query.body, "port {port}");
        }
    }
}

#[test]
fn root_port_zero_is_not_watched_because_the_list_is_short() {
    let programs = Programs::on_ports(&[5353]);
    let query = Dns::query(7, "zero.example").bytes();
    for hook in BOTH {
        programs.run(hook, &Path::v4().with_ports(40000, 0).udp(&query));
        programs.run(hook, &Path::v4().with_ports(40000, 53).udp(&query));
    }
    programs.assert_only_counted(Counters::default());
}

#[test]
fn root_only_the_end_that_asks_has_queries() {
    let programs = Programs::load();
    let (out, back) = (Path::v4(), Path::v4().back());
    let query = Dns::query(7, "who.example");
    let mut answer = query.answer(0);
    answer.flags |= QR;
    let both_dns = out.with_ports(53, 53);
    // Hook, path, whether the message is an answer, the role, a contradiction.
    let cases = [
        (Hook::Egress, out, false, Role::Client, false),
        (Hook::Ingress, back, true, Role::Client, false),
        (Hook::Ingress, out, false, Role::Server, false),
        (Hook::Egress, back, true, Role::Server, false),
        (Hook::Egress, out, true, Role::Server, true),
        (Hook::Ingress, back, false, Role::Server, true),
        (Hook::Ingress, out, true, Role::Client, true),
        (Hook::Egress, back, false, Role::Client, true),
        (Hook::Egress, both_dns, false, Role::Client, false),
        (Hook::Egress, both_dns, true, Role::Server, false),
        (Hook::Ingress, both_dns, false, Role::Server, false),
        (Hook::Ingress, both_dns, true, Role::Client, false),
    ];
    for (hook, path, is_answer, role, contradictory) in cases {
        let message = if is_answer { &answer } else { &query };
        programs.clear();
        programs.run(hook, &path.udp(&message.bytes()));
        let case = format!("{hook:?} {path:?} answer: {is_answer}");
        let counters = programs.counters();
        assert_eq!(counters.contradictory, u64::from(contradictory), "{case}");
        let counts = !is_answer && !contradictory;
        assert_eq!(counters.queries, u64::from(counts), "{case}");
        if contradictory {
            assert_eq!(programs.in_flight().len(), 0, "{case}");
            assert_eq!(programs.events(), [], "{case}");
            continue;
        }
        if !is_answer {
            assert_eq!(programs.the_query().view().role, role, "{case}");
            continue;
        }
        let (local, peer) = path.local_and_peer(hook);
        match &programs.events()[..] {
            [Event::Stray(stray)] => {
                assert_eq!(stray.role, role, "{case}");
                assert_eq!(stray.peer, peer, "{case}");
                assert_eq!(stray.local_port, local.port(), "{case}");
            }
            other => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn root_nothing_counts_before_arming_but_answers_are_told() {
    let mut programs = Programs::load();
    programs.arm(false);
    let query = Dns::query(7, "early.example");
    for hook in BOTH {
        programs.run(hook, &Path::v4().udp(&query.bytes()));
    }
    programs.assert_only_counted(Counters::default());
    let answer = query.answer(0).bytes();
    programs.run(Hook::Ingress, &Path::v4().back().udp(&answer));
    assert!(matches!(&programs.events()[..], [Event::Stray(_)]));
}
