//! The queries in flight, as user space sees them: what is there, and the claim
//! that makes an entry ours.

use std::time::Duration;

use anyhow::Result;
use libbpf_rs::MapCore;
use libbpf_rs::MapFlags;

use super::entry::Claim;
use super::entry::Entry;
use super::fields;
use super::slots::Slots;
use super::wire::dns_connection;
use super::wire::dns_key;
use super::wire::dns_query;
use crate::attempt::Attempt;
use crate::attempt::Role;
use crate::attempt::Transport;

/// A connection without a segment for this long has lost its end unseen.
const IDLE: Duration = Duration::from_secs(600);
/// The same while others may need the room. Resolvers close after 10 to 30 s (unbound's
/// `tcp-idle-timeout`, BIND's `tcp-idle-timeout`); what is said after that finds its place
/// again.
const IDLE_WHEN_CROWDED: Duration = Duration::from_secs(10);
/// One end has closed; the other's FIN may go to a timewait socket, which no hook
/// sees. What comes later finds its place in the stream again.
const CLOSING: Duration = Duration::from_secs(2);
/// The kernel gives up on a connection after 127 s (tcp_syn_retries, tcp(7)), and
/// sends its last SYN halfway.
const CONNECTING: Duration = Duration::from_secs(130);

/// Every query in flight, in a slot or an entry that is completely filled.
pub(super) fn snapshot(map: &dyn MapCore, slots: &Slots<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    slots.snapshot(&mut entries);
    for_each(map, |key: &dns_key, query: &dns_query| {
        if query.ready != 0 {
            entries.push(Entry {
                key: *key,
                query: *query,
                place: None,
            });
        }
    })?;
    Ok(entries)
}

/// Takes the query out of the kernel's hands and gives up on it.
pub(super) fn claim(
    map: &dyn MapCore,
    slots: &Slots<'_>,
    entry: &Entry,
    now_ns: u64,
) -> Result<Claim> {
    if let Some(place) = entry.place {
        return Ok(slots.claim(place, now_ns));
    }
    // A look first: what was replaced since the snapshot may just be filled, and
    // should not be taken from under the hands of the program that fills it.
    let current = map.lookup(key_bytes(&entry.key), MapFlags::ANY)?;
    match current {
        Some(current) if is_still(entry, query_of(&current)?) => {
            take_claim(map, slots, entry, now_ns)
        }
        _ => Ok(Claim::Kernels),
    }
}

/// The claim itself. Between the look and this, a microsecond, the entry may
/// have been replaced.
pub(super) fn take_claim(
    map: &dyn MapCore,
    slots: &Slots<'_>,
    entry: &Entry,
    now_ns: u64,
) -> Result<Claim> {
    let key = key_bytes(&entry.key);
    let Some(bytes) = take(map, key)? else {
        return Ok(Claim::Kernels);
    };
    let query = query_of(&bytes)?;
    if query.ready == 0 || query.nsends == 0 {
        // Whose it was is not known yet: the slots of its bucket stay unused, which
        // costs time and nothing else.
        return Ok(Claim::Lost);
    }
    // A resent query is a new attempt, and goes back. Where it can't, because it
    // was resent once more or the room is taken, it has ended.
    if !is_still(entry, query) && map.update(key, &bytes, MapFlags::NO_EXIST).is_ok() {
        return Ok(Claim::Kernels);
    }
    slots.release(&entry.key, query);
    let taken = Entry {
        query: *query,
        ..*entry
    };
    Ok(Claim::Ours(taken.give_up(now_ns)))
}

/// Whether the query is what we saw: filled, and not sent again since.
fn is_still(entry: &Entry, query: &dns_query) -> bool {
    let now = Entry {
        query: *query,
        ..*entry
    };
    query.ready != 0 && now.newest_ns() <= entry.newest_ns()
}

fn key_bytes(key: &dns_key) -> &[u8] {
    // SAFETY: dns_key has no padding bytes: its fields fill its 32 bytes.
    unsafe { plain::as_bytes(key) }
}

fn query_of(bytes: &[u8]) -> Result<&dns_query> {
    plain::from_bytes(bytes).map_err(|_| anyhow::anyhow!("dns_inflight: short value"))
}

/// Removes an element and returns it. Hash maps can do both at once since 5.14;
/// before that there is a moment between the two.
fn take(map: &dyn MapCore, key: &[u8]) -> Result<Option<Vec<u8>>> {
    match map.lookup_and_delete(key) {
        Ok(value) => Ok(value),
        Err(error) if error.kind() == libbpf_rs::ErrorKind::NotFound => Ok(None),
        Err(_) => {
            let Some(value) = map.lookup(key, MapFlags::ANY)? else {
                return Ok(None);
            };
            Ok(map.delete(key).is_ok().then_some(value))
        }
    }
}

/// Connections for a query that nobody accepted in time, ended as unanswered.
/// They stay in the map, because the kernel goes on sending their SYN (with
/// whomever it interrupts as "current"); those whose end was never seen leave it.
/// One that was begun after `until_ns` does not count.
pub(super) fn sweep_connections(
    map: &dyn MapCore,
    slots: &Slots<'_>,
    now_ns: u64,
    timeout: Duration,
    until_ns: u64,
) -> Result<Vec<Attempt>> {
    let mut pending = Vec::new();
    let mut idle = Vec::new();
    let mut quiet = Vec::new();
    let mut number = 0;
    let is_older =
        |since: u64, than: Duration| u128::from(now_ns.saturating_sub(since)) >= than.as_nanos();
    for_each(map, |cookie: &u64, c: &dns_connection| {
        number += 1;
        if is_connecting(c, until_ns) && is_older(c.connect_ns, timeout) {
            pending.push((*cookie, *c));
        } else if is_older(c.last_ns, patience(c)) {
            idle.push(*cookie);
        } else if patience(c) == IDLE && c.connect_ns == 0 && is_older(c.last_ns, IDLE_WHEN_CROWDED)
        {
            quiet.push(*cookie);
        }
    })?;
    if number > map.max_entries() / 2 {
        idle.append(&mut quiet);
    }
    for cookie in idle {
        if let Some(taken) = take(map, &cookie.to_ne_bytes())?
            && let Ok(connection) = plain::from_bytes(&taken)
        {
            slots.release_connection(connection);
        }
    }
    let mut ended = Vec::new();
    for (cookie, c) in pending {
        let key = cookie.to_ne_bytes();
        let value = map.lookup(&key, MapFlags::ANY)?.unwrap_or_default();
        let now: Result<&dns_connection, _> = plain::from_bytes(&value);
        let Some(now) = now.ok().filter(|now| now.connect_ns == c.connect_ns) else {
            continue; // accepted, refused or closed since our look
        };
        let marked = dns_connection {
            connect_ns: 0,
            gave_up: 1,
            ..*now
        };
        // SAFETY: dns_connection is padded by hand: no byte is uninitialised.
        let value = unsafe { plain::as_bytes(&marked) };
        // A failure means that it was refused just now, and reported so.
        if map.update(&key, value, MapFlags::EXIST).is_ok() {
            ended.push(never_accepted(cookie, &c, now_ns));
        }
    }
    Ok(ended)
}

/// Whether a connection is being made that was begun until then.
pub(super) fn any_connecting(map: &dyn MapCore, until_ns: u64) -> Result<bool> {
    let mut any = false;
    for_each(map, |_: &u64, c: &dns_connection| {
        any |= is_connecting(c, until_ns)
    })?;
    Ok(any)
}

fn is_connecting(c: &dns_connection, until_ns: u64) -> bool {
    c.connect_ns != 0 && c.connect_ns <= until_ns
}

fn patience(c: &dns_connection) -> Duration {
    match (c.fins, c.gave_up) {
        (0, 0) => IDLE,
        (0, _) => CONNECTING,
        _ => CLOSING,
    }
}

fn never_accepted(cookie: u64, c: &dns_connection, now_ns: u64) -> Attempt {
    let local = fields::address(c.local_ip, c.local_port);
    let peer = fields::address(c.peer_ip, c.peer_port);
    Attempt {
        end_ns: now_ns,
        sent_ns: c.connect_ns,
        first_ns: c.connect_ns,
        cookie,
        owner: fields::owner(&c.owner, c.tid),
        ..Attempt::between(Role::Client, Transport::Tcp, local, peer)
    }
}

/// Reads a whole hash map in one system call. A batch smaller than the map may
/// silently end early, at a full bucket.
fn for_each<K: plain::Plain, V: plain::Plain>(
    map: &dyn MapCore,
    mut visit: impl FnMut(&K, &V),
) -> Result<()> {
    let batch = map.lookup_batch(map.max_entries(), MapFlags::ANY, MapFlags::ANY)?;
    for (key, value) in batch {
        if let (Ok(key), Ok(value)) = (plain::from_bytes(&key), plain::from_bytes(&value)) {
            visit(key, value);
        }
    }
    Ok(())
}
