//! Records as the kernel writes them, and as no kernel would.

use std::mem::offset_of;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::decode::decode;
use super::super::wire::dns_full_record;
use super::super::wire::dns_kind;
use super::super::wire::dns_record;
use super::super::wire::dns_short_record;
use super::message::Dns;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Outcome;
use crate::attempt::Reason;
use crate::attempt::Role;
use crate::attempt::Transport;
use crate::event::Event;
use crate::event::NoticeKind;

const QUESTION_SHORT: usize = 64;
const QUESTION_MAX: usize = 260;

fn decoded(bytes: &[u8]) -> Option<Vec<Event>> {
    // The ring buffer's samples are aligned to eight octets.
    let mut aligned = vec![0_u64; bytes.len().div_ceil(8)];
    // SAFETY: any eight octets are a u64, and any u64 is eight octets.
    let (_, place, _) = unsafe { aligned.align_to_mut::<u8>() };
    place[..bytes.len()].copy_from_slice(bytes);
    let mut events = Vec::new();
    decode(&place[..bytes.len()], &mut events).map(|()| events)
}

fn attempts(bytes: &[u8]) -> Vec<Attempt> {
    let events = decoded(bytes).expect("a good record").into_iter();
    events
        .map(|event| match event {
            Event::Ended(attempt) => attempt,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// How an IPv4-mapped address begins.
const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];

/// What both sizes share: a client's question for `a`, asked from port 40000.
fn record(kind: dns_kind) -> dns_record {
    let mut record = dns_record {
        end_ns: 3000,
        first_ns: 1000,
        cookie: 77,
        local_port: 40000,
        id: 4711,
        query_bytes: 19,
        question_len: 7,
        kind: kind.0 as u8,
        role: 1,
        transport: 17,
        ..dns_record::default()
    };
    record.owner.tgid = 42;
    record.owner.netns = 4_026_531_840;
    record.owner.comm[..4].copy_from_slice(b"curl");
    record.send.local_ip = MAPPED;
    record.send.local_ip[12..].copy_from_slice(&[10, 0, 0, 5]);
    record.send.peer_ip = MAPPED;
    record.send.peer_ip[12..].copy_from_slice(&[10, 0, 0, 1]);
    record.send.peer_port = 53;
    record.send.at_ns = 2000;
    record.send.attempt = 2;
    record
}

fn short(record: dns_record) -> Vec<u8> {
    let mut short = dns_short_record {
        record,
        question: [0; QUESTION_SHORT],
    };
    short.question[..7].copy_from_slice(b"\x01a\0\0\x01\0\x01");
    // SAFETY: padded by hand.
    unsafe { plain::as_bytes(&short) }.to_vec()
}

/// Three servers, 10.0.0.1 to 10.0.0.3, attempts 1 to 3.
fn full(record: dns_record, nsends: u8, answered: u8) -> Vec<u8> {
    let mut full = dns_full_record {
        record,
        question: [0; QUESTION_MAX],
        nsends,
        answered,
        ..dns_full_record::default()
    };
    full.question[..7].copy_from_slice(b"\x01a\0\0\x01\0\x01");
    for (send, number) in full.sends.iter_mut().zip(1..) {
        send.peer_ip = MAPPED;
        send.peer_ip[12..].copy_from_slice(&[10, 0, 0, number]);
        send.attempt = number.into();
    }
    // SAFETY: padded by hand.
    unsafe { plain::as_bytes(&full) }.to_vec()
}

#[test]
fn a_short_record_is_one_attempt() {
    let mut answered = record(dns_kind::DNS_ANSWERED);
    answered.flags = 0x8000 | 0x0200 | 3;
    answered.answers = 5;
    answered.answer_bytes = 99;
    let [attempt] = &attempts(&short(answered))[..] else {
        panic!("one attempt");
    };
    assert_eq!(attempt.outcome, Outcome::Answered);
    assert_eq!(
        (attempt.role, attempt.transport),
        (Role::Client, Transport::Udp)
    );
    assert_eq!(
        (attempt.end_ns, attempt.sent_ns, attempt.first_ns),
        (3000, 2000, 1000)
    );
    assert_eq!(
        (attempt.cookie, attempt.id, attempt.number),
        (77, Some(4711), 2)
    );
    assert_eq!(attempt.local, "10.0.0.5:40000".parse().expect("an address"));
    assert_eq!(attempt.peer, "10.0.0.1:53".parse().expect("an address"));
    assert_eq!(attempt.owner.pid, Some(42));
    assert_eq!(attempt.owner.comm.to_string(), "curl");
    assert_eq!(attempt.question.parse().expect("a question").name, "a");
    let answer = attempt.answer.expect("an answer");
    assert_eq!((answer.rcode.to_int(), answer.truncated), (3, true));
    assert_eq!((answer.answers, answer.bytes), (5, 99));
}

#[test]
fn a_closed_socket_is_known_by_its_cookie() {
    let [Event::Closed(closed)] = &decoded(&short(record(dns_kind::DNS_CLOSED))).expect("one")[..]
    else {
        panic!("a closed socket");
    };
    assert_eq!((closed.cookie, closed.at_ns), (77, 3000));
}

#[test]
fn each_send_is_an_attempt_and_one_has_the_answer() {
    for nsends in 0..=4_u8 {
        for answered in (0..=4).chain([255]) {
            let bytes = full(record(dns_kind::DNS_ANSWERED), nsends, answered);
            let case = format!("{nsends} sends, answered {answered}");
            if nsends > 3 || answered >= nsends {
                assert_eq!(decoded(&bytes), None, "{case}");
                continue;
            }
            let expected: Vec<_> = (0..nsends)
                .map(|index| match index == answered {
                    true => (u16::from(index) + 1, Outcome::Answered, true),
                    false => (u16::from(index) + 1, Outcome::Superseded, false),
                })
                .collect();
            let seen: Vec<_> = attempts(&bytes)
                .iter()
                .map(|attempt| (attempt.number, attempt.outcome, attempt.answer.is_some()))
                .collect();
            assert_eq!(seen, expected, "{case}");
        }
    }
}

#[test]
fn what_was_resent_is_unanswered() {
    let of = |nsends| full(record(dns_kind::DNS_RESENT), nsends, 255);
    assert_eq!(decoded(&of(0)), None, "a record that ends nothing");
    for nsends in 1..=3 {
        let seen = attempts(&of(nsends));
        assert_eq!(seen.len(), usize::from(nsends));
        for attempt in seen {
            assert_eq!(attempt.outcome, Outcome::Unanswered);
            assert_eq!(attempt.answer, None);
        }
    }
}

#[test]
fn a_response_code_has_its_upper_bits_from_an_echoed_opt_record() {
    let query = Dns::query(7, "a");
    // rcode, octets behind the question, whether it is an echo, the result.
    let badvers = query.edns_error(16, &[]).body;
    let all_bits = query.edns_error(0xfff, &[0, 10, 0, 1, 9]).body;
    let cut = &badvers[..12];
    let not_opt = [&query.body[..], &[0, 0, 42, 4, 0xd0, 1, 0, 0, 0, 0, 0]].concat();
    let cases = [
        (0, &badvers[..], 1, 16),
        (0, &badvers, 0, 0),
        (7, &query.edns_error(23, &[]).body, 1, 23),
        (15, &all_bits, 1, 0xfff),
        (2, cut, 1, 2),
        (2, &not_opt, 1, 2),
        (2, &query.body, 1, 2),
        (2, &[], 1, 2),
        (2, &badvers[..13], 1, 0x12),
    ];
    for (flags, question, echoed, rcode) in cases {
        let mut this = record(dns_kind::DNS_ANSWERED);
        this.flags = flags;
        this.echoed = echoed;
        this.question_len = question.len() as u16;
        let mut bytes = short(this);
        bytes[size_of::<dns_record>()..][..question.len()].copy_from_slice(question);
        let answer = attempts(&bytes)[0].answer.expect("an answer");
        assert_eq!(answer.rcode.to_int(), rcode, "{question:x?}");
    }
}

#[test]
fn an_extended_error_is_the_first_among_the_options() {
    let query = Dns::query(7, "a");
    let cookie = [0, 10, 0, 2, 8, 9];
    let bogus = [0, 15, 0, 4, 0, 6, b'n', b'o'];
    let cases = [
        (bogus.to_vec(), Some(6)),
        ([&cookie[..], &bogus].concat(), Some(6)),
        ([&bogus[..], &[0, 15, 0, 2, 0, 22]].concat(), Some(6)),
        (cookie.to_vec(), None),
        (Vec::new(), None),
        // Too short for a code, and cut within it.
        (vec![0, 15, 0, 1, 6], None),
        (vec![0, 15, 0, 2, 0], None),
        (vec![0, 15, 0xff], None),
    ];
    for (options, code) in cases {
        let body = query.edns_error(2, &options).body;
        let mut this = record(dns_kind::DNS_ANSWERED);
        this.flags = 2;
        this.echoed = 1;
        this.question_len = body.len() as u16;
        let mut bytes = short(this);
        bytes[size_of::<dns_record>()..][..body.len()].copy_from_slice(&body);
        let answer = attempts(&bytes)[0].answer.expect("an answer");
        assert_eq!(answer.extended_error, code, "{options:x?}");
    }
}

#[test]
fn notices_say_what_they_know() {
    let mut error = record(dns_kind::DNS_SOCKET_ERROR);
    error.error = libc::EHOSTUNREACH;
    let mut refused = record(dns_kind::DNS_CONNECT_REFUSED);
    refused.error = libc::ECONNREFUSED;
    let [Event::Notice(notice)] = &decoded(&short(error)).expect("a record")[..] else {
        panic!("a notice");
    };
    let (cookie, error) = (77, libc::EHOSTUNREACH);
    let expected = NoticeKind::SocketError {
        cookie,
        netns: 4_026_531_840,
        local_port: 40000,
        error,
    };
    assert_eq!(notice.kind, expected);
    let attempt = &attempts(&short(refused))[0];
    assert_eq!((attempt.outcome, attempt.id), (Outcome::Refused, None));
}

#[test]
fn a_call_that_failed_is_a_refused_attempt_without_an_id() {
    let errno = Some(Reason::Errno(libc::EPERM));
    for (call, error, expected, reason) in [
        (1, libc::EPERM, FailedCall::Connect, errno.clone()),
        (1, 0, FailedCall::Connect, None),
        (2, libc::EPERM, FailedCall::Send, errno),
    ] {
        let mut failed = record(dns_kind::DNS_CALL_FAILED);
        failed.call = call;
        failed.error = error;
        let attempt = &attempts(&short(failed))[0];
        assert_eq!((attempt.outcome, attempt.id), (Outcome::Refused, None));
        assert_eq!(attempt.failed_call, Some(expected));
        assert_eq!(attempt.reason, reason);
    }
}

#[test]
fn a_slow_read_says_how_long_the_answer_lay() {
    let bytes = short(record(dns_kind::DNS_READ_LATE));
    let [Event::SlowRead(read)] = &decoded(&bytes).expect("a record")[..] else {
        panic!("a slow read");
    };
    assert_eq!((read.at_ns, read.lay_ns), (3000, 2000));
    assert_eq!((read.cookie, read.id, read.owner.pid), (77, 4711, Some(42)));
}

#[test]
fn what_a_query_found_queued_comes_with_its_record() {
    let mut answered = record(dns_kind::DNS_ANSWERED);
    answered.queued_bytes = 4096;
    assert_eq!(attempts(&short(answered))[0].queued_bytes, 4096);
}

#[test]
fn malformed_records_are_refused() {
    for kind in [
        dns_kind::DNS_ANSWERED,
        dns_kind::DNS_RESENT,
        dns_kind::DNS_STRAY,
    ] {
        let mut long = record(kind);
        for len in [QUESTION_SHORT + 1, QUESTION_MAX + 1, 65535] {
            long.question_len = len as u16;
            assert_eq!(decoded(&short(long)), None);
        }
        for len in [QUESTION_MAX + 1, 65535] {
            long.question_len = len as u16;
            assert_eq!(decoded(&full(long, 1, 0)), None);
        }
        for nsends in [4, 5, 255] {
            assert_eq!(decoded(&full(record(kind), nsends, 0)), None);
        }
    }
    assert_eq!(decoded(&full(record(dns_kind::DNS_ANSWERED), 0, 0)), None);
    for kind in (9..=255).chain([0]) {
        assert_eq!(decoded(&short(record(dns_kind(kind)))), None, "kind {kind}");
    }
    let whole = short(record(dns_kind::DNS_STRAY));
    for len in 0..whole.len() {
        assert_eq!(decoded(&whole[..len]), None, "{len} octets");
    }
}

/// What every later station relies on.
fn is_sane(event: &Event) -> bool {
    match event {
        Event::Ended(attempt) => {
            let answered = attempt.outcome == Outcome::Answered;
            let refused = attempt.outcome == Outcome::Refused;
            attempt.question.parse();
            attempt.question.as_bytes().len() <= QUESTION_MAX
                && attempt.answer.is_some() == answered
                && (attempt.reason.is_some() == refused || attempt.failed_call.is_some())
                && attempt
                    .answer
                    .is_none_or(|answer| answer.rcode.to_int() <= 0xfff)
        }
        Event::Stray(stray) => stray.answer.rcode.to_int() <= 0xfff,
        Event::Notice(_) | Event::SlowRead(_) | Event::Closed(_) => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn octets_of_any_length_give_nothing_or_something_sane(
        bytes in vec(any::<u8>(), 0..600),
    ) {
        for event in decoded(&bytes).into_iter().flatten() {
            prop_assert!(is_sane(&event), "{:?}", event);
        }
    }

    #[test]
    fn records_of_the_right_size_give_nothing_or_something_sane(
        mut bytes in prop_oneof![
            vec(any::<u8>(), size_of::<dns_short_record>()),
            vec(any::<u8>(), size_of::<dns_full_record>()),
        ],
        kind in 1..=8_u8,
        question_len in 0..300_u16,
        nsends in 0..5_u8,
    ) {
        let place = offset_of!(dns_record, question_len);
        bytes[place..place + 2].copy_from_slice(&question_len.to_ne_bytes());
        bytes[offset_of!(dns_record, kind)] = kind;
        if let Some(place) = bytes.get_mut(offset_of!(dns_full_record, nsends)) {
            *place = nsends;
        }
        for event in decoded(&bytes).into_iter().flatten() {
            prop_assert!(is_sane(&event), "{:?}", event);
        }
    }
}
