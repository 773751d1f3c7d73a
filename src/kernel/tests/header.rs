//! The DNS header: what is taken for DNS and what is not.

use super::super::counters::Counters;
use super::message::Dns;
use super::message::QR;
use super::packet::Path;
use super::programs::BOTH;
use super::programs::Hook;
use super::programs::Programs;

#[test]
fn root_every_id_is_legal() {
    let programs = Programs::load();
    for id in [0, 1, 255, 256, 32767, 32768, 65534, 65535] {
        programs.clear();
        programs.run(Hook::Egress, &Path::v4().udp(&Dns::query(id, "id").bytes()));
        assert_eq!(programs.the_query().key.id, id);
    }
}

#[test]
fn root_opcodes_up_to_dso_are_dns() {
    let programs = Programs::load();
    for opcode in 0..16 {
        for answer in [0, QR] {
            programs.clear();
            let mut message = Dns::query(7, "opcode.example");
            message.flags = answer | opcode << 11;
            let path = match answer {
                0 => Path::v4(),
                _ => Path::v4().back(),
            };
            programs.run(Hook::Egress, &path.udp(&message.bytes()));
            let is_dns = opcode <= 6;
            let counters = programs.counters();
            assert_eq!(counters.unparsed, u64::from(!is_dns), "opcode {opcode}");
            assert_eq!(counters.queries, u64::from(is_dns && answer == 0));
            assert_eq!(programs.events().len(), usize::from(is_dns && answer != 0));
        }
    }
}

#[test]
fn root_no_other_flag_matters() {
    let programs = Programs::load();
    // AA, TC, RD, RA, Z, AD, CD and the response code.
    for flags in (0..11).map(|bit| 1 << bit).chain([0x07ff]) {
        let mut message = Dns::query(7, "flags.example");
        message.flags = flags;
        for hook in BOTH {
            programs.clear();
            programs.run(hook, &Path::v4().udp(&message.bytes()));
            assert_eq!(programs.the_query().question(), message.body);
        }
    }
}

#[test]
fn root_at_most_one_question_is_dns() {
    let programs = Programs::load();
    for (questions, is_dns) in [
        (0, true),
        (1, true),
        (2, false),
        (256, false),
        (65535, false),
    ] {
        for hook in BOTH {
            programs.clear();
            let mut message = Dns::query(7, "count.example");
            message.counts[0] = questions;
            programs.run(hook, &Path::v4().udp(&message.bytes()));
            let expected = Counters {
                queries: u64::from(is_dns),
                unparsed: u64::from(!is_dns),
                ..Counters::default()
            };
            assert_eq!(programs.counters(), expected, "{questions} questions");
        }
    }
}

#[test]
fn root_other_counts_say_nothing_about_a_query() {
    let programs = Programs::load();
    for counts in [[0, 0, 65535], [65535; 3], [1, 1, 1]] {
        programs.clear();
        let mut message = Dns::query(7, "count.example");
        message.counts[1..].copy_from_slice(&counts);
        programs.run(Hook::Egress, &Path::v4().udp(&message.bytes()));
        assert_eq!(programs.the_query().question(), message.body);
    }
}
