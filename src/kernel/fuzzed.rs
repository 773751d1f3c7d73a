//! What the programs hand over, from octets: for `crate::fuzzing`.

#[cfg(test)]
pub(crate) mod seeds;

use super::decode;
use super::entry::Entry;
use super::fields::RCODE_MASK;
use super::plain::PlainRecord;
use super::wire::dns_key;
use super::wire::dns_query;
use super::wire::dns_record;
use crate::attempt::Answer;
use crate::attempt::Attempt;
use crate::event::Event;

/// What a record of the ring buffer tells, or a query in flight that is given up on: their
/// sizes tell them apart.
pub(crate) fn events(octets: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut room = Vec::new();
    let octets = aligned(octets, &mut room);
    if octets.len() == size_of::<dns_key>() + size_of::<dns_query>() {
        let attempts = in_flight(octets).map(|entry| entry.give_up(u64::MAX));
        events.extend(attempts.into_iter().flatten().map(Event::Ended));
    } else if decode::decode(octets, &mut events).is_none() {
        assert!(events.is_empty(), "half a record was believed");
    }
    events
}

/// A plain answer, as it is counted and as it is decoded.
pub(crate) fn plain(octets: &[u8]) -> Option<(u32, Attempt)> {
    let mut room = Vec::new();
    let plain = PlainRecord::of(aligned(octets, &mut room))?;
    let attempt = plain.attempt().expect("what is counted can be decoded");
    let _views = (plain.key(), plain.way(), plain.exchange(), plain.step().pid);
    assert_eq!(attempt.question.fingerprint(), Some(plain.fingerprint));
    Some((plain.latency_ns(), attempt))
}

/// What an answer with these bits says, of which so much was kept.
pub(crate) fn answer(flags: u16, echo: &[u8]) -> Answer {
    let record = dns_record {
        flags,
        ..dns_record::default()
    };
    let answer = decode::answer(&record, echo);
    assert_eq!(answer.rcode.to_int() & RCODE_MASK, flags & RCODE_MASK);
    answer
}

fn in_flight(octets: &[u8]) -> Option<Entry> {
    let (key, query) = octets.split_at(size_of::<dns_key>());
    let entry = Entry {
        key: *plain::from_bytes::<dns_key>(key).ok()?,
        query: *plain::from_bytes::<dns_query>(query).ok()?,
        place: None,
    };
    assert!(entry.view().question.len() <= entry.query.question.len());
    assert_eq!(entry.servers_asked(), entry.give_up(0).len() as u64);
    Some(entry)
}

/// As the ring buffer has them: at a multiple of eight.
fn aligned<'a>(octets: &[u8], room: &'a mut Vec<u64>) -> &'a [u8] {
    *room = vec![0; octets.len().div_ceil(8)];
    // SAFETY: any eight octets are a u64, and any u64 is eight octets.
    let (_, place, _) = unsafe { room.align_to_mut::<u8>() };
    place[..octets.len()].copy_from_slice(octets);
    &place[..octets.len()]
}
