//! One record of each kind, as the programs write them.

use crate::kernel::wire::dns_call_kind;
use crate::kernel::wire::dns_conntrack;
use crate::kernel::wire::dns_drop;
use crate::kernel::wire::dns_drop_flag;
use crate::kernel::wire::dns_full_record;
use crate::kernel::wire::dns_key;
use crate::kernel::wire::dns_kind;
use crate::kernel::wire::dns_query;
use crate::kernel::wire::dns_record;
use crate::kernel::wire::dns_short_record;

const QUESTION: &[u8] = b"\x03www\x07example\x03com\0\0\x01\0\x01";
/// With the code of RFC 8914 for a bogus signature.
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x06";

/// How an IPv4-mapped address begins, and an address.
fn mapped(last: u8) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last]
}

fn record(kind: dns_kind) -> dns_record {
    let mut record = dns_record {
        end_ns: 1_000_000_002_000,
        first_ns: 1_000_000_000_000,
        cookie: 77,
        local_port: 40_000,
        id: 4711,
        query_bytes: 33,
        answer_bytes: 49,
        answers: 1,
        flags: 0x8180,
        question_len: QUESTION.len() as u16,
        kind: kind.0 as u8,
        role: 1,
        transport: 17,
        tid: 43,
        ..dns_record::default()
    };
    record.owner.tgid = 42;
    record.owner.netns = 4_026_531_840;
    record.owner.cgroup_id = 1;
    record.owner.comm[..4].copy_from_slice(b"curl");
    record.send.local_ip = mapped(5);
    record.send.peer_ip = mapped(53);
    record.send.peer_port = 53;
    record.send.at_ns = record.first_ns;
    record.send.attempt = 1;
    record
}

fn short(record: dns_record) -> Vec<u8> {
    let mut short = dns_short_record {
        record,
        ..dns_short_record::default()
    };
    short.question[..QUESTION.len()].copy_from_slice(QUESTION);
    // SAFETY: padded by hand.
    unsafe { plain::as_bytes(&short) }.to_vec()
}

/// Asked of three servers at once; the question is followed by an OPT record.
fn full(record: dns_record) -> Vec<u8> {
    let mut full = dns_full_record {
        record,
        nsends: 3,
        answered: 1,
        ..dns_full_record::default()
    };
    let octets = [QUESTION, OPT].concat();
    full.record.question_len = octets.len() as u16;
    full.record.echoed = 1;
    full.question[..octets.len()].copy_from_slice(&octets);
    for (send, number) in full.sends.iter_mut().zip(1..) {
        *send = record.send;
        send.peer_ip = mapped(number);
        send.attempt = number.into();
    }
    // SAFETY: padded by hand.
    unsafe { plain::as_bytes(&full) }.to_vec()
}

/// A packet that a firewall discards.
fn discarded(transport: u8) -> Vec<u8> {
    let mut drop = dns_drop {
        at_ns: 1_000_000_001_000,
        reason: 3,
        location: 0xffff_ffff_8100_0000,
        cookie: 77,
        source_ip: mapped(5),
        source_port: 40_000,
        destination_ip: mapped(53),
        destination_port: 53,
        id: 4711,
        transport,
        tcp_flags: 2,
        drop_flags: (dns_drop_flag::DNS_DROP_SENT.0 | dns_drop_flag::DNS_DROP_ARMED.0) as _,
        conntrack: dns_conntrack::DNS_CONNTRACK_CONFIRMED.0 as _,
        reply_ip: mapped(54),
        question_len: QUESTION.len() as _,
        ..dns_drop::default()
    };
    drop.question[..QUESTION.len()].copy_from_slice(QUESTION);
    // SAFETY: padded by hand.
    unsafe { plain::as_bytes(&drop) }.to_vec()
}

/// A query that waits.
fn in_flight() -> Vec<u8> {
    let record = record(dns_kind::DNS_ANSWERED);
    let key = dns_key {
        cookie: record.cookie,
        local_port: record.local_port,
        id: record.id,
        role: 1,
        transport: 17,
        ..dns_key::default()
    };
    let mut query = dns_query {
        first_ns: record.first_ns,
        owner: record.owner,
        tid: record.tid,
        nsends: 1,
        ready: 1,
        message_bytes: record.query_bytes,
        question_len: record.question_len,
        ..dns_query::default()
    };
    query.sends[0] = record.send;
    query.question[..QUESTION.len()].copy_from_slice(QUESTION);
    // SAFETY: padded by hand.
    let (key, query) = unsafe { (plain::as_bytes(&key), plain::as_bytes(&query)) };
    [key, query].concat()
}

/// Of each kind, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let of = |kind| record(kind);
    let servfail = dns_record {
        flags: 0x8182,
        answers: 0,
        ..of(dns_kind::DNS_ANSWERED)
    };
    let server = dns_record {
        role: 2,
        ..of(dns_kind::DNS_ANSWERED)
    };
    let failed_call = dns_record {
        call: dns_call_kind::DNS_CALL_CONNECT.0 as u8,
        error: libc::EPERM,
        ..of(dns_kind::DNS_CALL_FAILED)
    };
    let socket_error = dns_record {
        error: libc::ECONNREFUSED,
        ..of(dns_kind::DNS_SOCKET_ERROR)
    };
    vec![
        ("answered", short(of(dns_kind::DNS_ANSWERED))),
        ("answered-by-a-server-here", short(server)),
        ("answered-with-an-error", full(servfail)),
        ("resent", full(of(dns_kind::DNS_RESENT))),
        ("connect-refused", short(of(dns_kind::DNS_CONNECT_REFUSED))),
        ("call-failed", short(failed_call)),
        ("read-late", short(of(dns_kind::DNS_READ_LATE))),
        ("closed", short(of(dns_kind::DNS_CLOSED))),
        ("stray", short(of(dns_kind::DNS_STRAY))),
        ("socket-error", short(socket_error)),
        ("discarded", discarded(17)),
        ("discarded-connection", discarded(6)),
        ("in-flight", in_flight()),
    ]
}
