//! From bytes in the ring buffer to events. Nothing here touches libbpf.

use domain::base::iana::OptRcode;

use super::discarded;
use super::fields;
use super::fields::FLAG_TC;
use super::fields::RCODE_MASK;
use super::fields::address;
use super::fields::owner;
use super::fields::role;
use super::fields::transport;
use super::wire::dns_call_kind;
use super::wire::dns_drop;
use super::wire::dns_full_record;
use super::wire::dns_kind;
use super::wire::dns_limit;
use super::wire::dns_record;
use super::wire::dns_send;
use super::wire::dns_short_record;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::attempt::FailedCall;
use crate::attempt::Ignored;
use crate::attempt::Outcome;
use crate::attempt::RawQuestion;
use crate::attempt::Reason;
use crate::attempt::SlowRead;
use crate::event::ClosedSocket;
use crate::event::Event;
use crate::event::Notice;
use crate::event::NoticeKind;
use crate::event::Stray;

/// A record of either size, with the parts that only the full one has.
struct Sized<'a> {
    record: &'a dns_record,
    question: &'a [u8],
    /// The answer behind its header, where its rcode may go on.
    echo: &'a [u8],
    /// The attempts of the record, and which of them was answered.
    sends: &'a [dns_send],
    answered: usize,
}

/// The sizes of bpf/dns_monitor.h tell the records apart.
fn sized(bytes: &[u8]) -> Option<Sized<'_>> {
    let (record, question, sends, answered) = if bytes.len() < size_of::<dns_full_record>() {
        let short: &dns_short_record = plain::from_bytes(bytes).ok()?;
        let record = &short.record;
        let sends = std::slice::from_ref(&record.send);
        (record, &short.question[..], sends, 0)
    } else {
        let full: &dns_full_record = plain::from_bytes(bytes).ok()?;
        let sends = full.sends.get(..usize::from(full.nsends))?;
        let answered = usize::from(full.answered);
        (&full.record, &full.question[..], sends, answered)
    };
    let octets = question;
    let question = octets.get(..usize::from(record.question_len))?;
    let echo = match (record.echoed, usize::from(record.echo_len)) {
        (0, 0) => &[],
        (0, len) => octets
            .get(dns_limit::DNS_ECHO_AT.0 as usize..)?
            .get(..len)?,
        _ => question,
    };
    Some(Sized {
        record,
        question,
        echo,
        sends,
        answered,
    })
}

/// Decodes one record into `events`; `None` if it is malformed or of a kind
/// that this version does not know.
pub(crate) fn decode(bytes: &[u8], events: &mut Vec<Event>) -> Option<()> {
    if bytes.len() == size_of::<dns_drop>() {
        events.push(Event::Notice(discarded::notice(bytes)?));
        return Some(());
    }
    let sized = sized(bytes)?;
    let record = sized.record;
    let event = match dns_kind(u32::from(record.kind)) {
        dns_kind::DNS_ANSWERED | dns_kind::DNS_RESENT => {
            if !ends_what_it_says(&sized) {
                return None;
            }
            events.extend(ended(&sized).map(Event::Ended));
            return Some(());
        }
        dns_kind::DNS_CONNECT_REFUSED => Event::Ended(connect_refused(record)),
        dns_kind::DNS_CALL_FAILED => Event::Ended(call_failed(record)),
        dns_kind::DNS_READ_LATE => Event::SlowRead(SlowRead {
            at_ns: record.end_ns,
            lay_ns: record.end_ns.saturating_sub(record.first_ns),
            owner: owner(&record.owner, record.tid),
            cookie: record.cookie,
            id: record.id,
        }),
        dns_kind::DNS_CLOSED => Event::Closed(ClosedSocket {
            at_ns: record.end_ns,
            cookie: record.cookie,
        }),
        dns_kind::DNS_STRAY => Event::Stray(Stray {
            at_ns: record.end_ns,
            cookie: Some(record.cookie),
            role: role(record.role),
            transport: transport(record.transport),
            local_port: record.local_port,
            peer: address(record.send.peer_ip, record.send.peer_port),
            id: record.id,
            owner: owner(&record.owner, record.tid),
            answer: answer(record, sized.echo),
            question: RawQuestion::new(sized.question),
        }),
        dns_kind::DNS_SOCKET_ERROR => Event::Notice(Notice {
            at_ns: record.end_ns,
            kind: NoticeKind::SocketError {
                cookie: record.cookie,
                netns: record.owner.netns,
                local_port: record.local_port,
                error: record.error,
            },
        }),
        _ => return None,
    };
    events.push(event);
    Some(())
}

/// Whether the record ends at least one attempt, and the answered one if there
/// is an answer: else an attempt would vanish unseen.
fn ends_what_it_says(sized: &Sized<'_>) -> bool {
    let answered = if has_answer(sized.record) {
        sized.answered
    } else {
        0
    };
    answered < sized.sends.len()
}

fn has_answer(record: &dns_record) -> bool {
    dns_kind(u32::from(record.kind)) == dns_kind::DNS_ANSWERED
}

/// The attempts that end with this record: one for each server that was asked.
fn ended<'a>(sized: &'a Sized<'_>) -> impl Iterator<Item = Attempt> + 'a {
    let record = sized.record;
    let has_answer = has_answer(record);
    sized.sends.iter().enumerate().map(move |(index, send)| {
        let outcome = match has_answer {
            true if index == sized.answered => Outcome::Answered,
            true => Outcome::Superseded,
            false => Outcome::Unanswered,
        };
        Attempt {
            outcome,
            id: Some(record.id),
            answer: (outcome == Outcome::Answered).then(|| answer(record, sized.echo)),
            question: RawQuestion::new(sized.question),
            ..attempt(record, send)
        }
    })
}

/// A TCP connection for a query that never got its message out.
fn connect_refused(record: &dns_record) -> Attempt {
    Attempt {
        outcome: Outcome::Refused,
        id: None,
        reason: Some(Reason::Errno(record.error)),
        ..attempt(record, &record.send)
    }
}

/// A system call that failed before there was a packet.
fn call_failed(record: &dns_record) -> Attempt {
    let call = match dns_call_kind(u32::from(record.call)) {
        dns_call_kind::DNS_CALL_CONNECT => FailedCall::Connect,
        _ => FailedCall::Send,
    };
    Attempt {
        outcome: Outcome::Refused,
        reason: (record.error != 0).then_some(Reason::Errno(record.error)),
        failed_call: Some(call),
        ..attempt(record, &record.send)
    }
}

/// What all attempts of a record share.
fn attempt(record: &dns_record, send: &dns_send) -> Attempt {
    let local = address(send.local_ip, record.local_port);
    let peer = address(send.peer_ip, send.peer_port);
    Attempt {
        end_ns: record.end_ns,
        sent_ns: send.at_ns,
        first_ns: record.first_ns,
        cookie: record.cookie,
        owner: owner(&record.owner, record.tid),
        number: send.attempt,
        query_bytes: record.query_bytes,
        queued_bytes: record.queued_bytes,
        ignored: Ignored {
            other_question: record.other_question,
            other_source: record.other_source,
        },
        ..Attempt::between(role(record.role), transport(record.transport), local, peer)
    }
}

pub(super) fn answer(record: &dns_record, echo: &[u8]) -> Answer {
    let opt = opt_behind(echo).unwrap_or_default();
    Answer {
        rcode: OptRcode::masked_from_int(extended_rcode(opt) << 4 | record.flags & RCODE_MASK),
        truncated: record.flags & FLAG_TC != 0,
        answers: record.answers,
        bytes: record.answer_bytes,
        bits: fields::header_bits(record.flags),
        extended_error: extended_error(opt),
    }
}

/// The OPT record right behind the echoed question, from its class on: root name and
/// type 41 are before it (RFC 6891 section 6.1.2).
fn opt_behind(octets: &[u8]) -> Option<&[u8]> {
    const ROOT_AND_OPT: [u8; 3] = [0, 0, 41];
    let behind = RawQuestion::new(octets)
        .parse()
        .map_or(0, |question| question.wire_len);
    octets.get(behind..)?.strip_prefix(&ROOT_AND_OPT)
}

/// Upper eight bits of the response code, behind the size (section 6.1.3). 0 if there
/// are none.
fn extended_rcode(opt: &[u8]) -> u16 {
    opt.get(2).map_or(0, |&bits| u16::from(bits))
}

/// The first INFO-CODE among the options (RFC 8914 section 2), as far as they were kept.
fn extended_error(opt: &[u8]) -> Option<u16> {
    const EXTENDED_ERROR: u16 = 15;
    let number = |at: usize| -> Option<u16> {
        Some(u16::from_be_bytes(opt.get(at..at + 2)?.try_into().ok()?))
    };
    // Behind the class, the TTL and the length of all options.
    let end = 8 + usize::from(number(6)?);
    let mut at = 8;
    while at + 4 <= end {
        let (code, len) = (number(at)?, number(at + 2)?);
        if code == EXTENDED_ERROR && len >= 2 {
            return number(at + 4);
        }
        at += 4 + usize::from(len);
    }
    None
}
