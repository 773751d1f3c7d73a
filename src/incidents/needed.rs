//! Which exchanges of servers something depends on. Nearly all were answered at once and
//! are looked at by nobody: how many there were is counted ([`super::arrivals`]).
//!
//! What is left out changes nothing that is said of a window, nor of it and its neighbours
//! together: what is kept of two windows has all that would be kept of both as one.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;

use super::incident::Incident;
use super::server_view::ServerView;
use super::server_view::is_in_time;
use crate::attempt::Fingerprint;
use crate::attempt::Transport;

/// Whether each of the views is needed: first those of windows before, then this window's own.
pub(super) fn of(before: &[&ServerView], own: &[&ServerView], incidents: &[Incident]) -> Vec<bool> {
    let all = [before, own].concat();
    let asked = Asked::by(incidents.iter());
    let is_needed = |(place, view): (usize, &&ServerView)| {
        asked.may_be(view) || (place >= before.len() && !view.is_fine())
    };
    let mut needed: Vec<bool> = all.iter().enumerate().map(is_needed).collect();
    let places = ends(&all, before.len())
        .chain(around_silence(&all, incidents))
        .chain(before_overflows(&all, incidents))
        .chain(of_connections(&all));
    places.for_each(|place| needed[place] = true);
    needed
}

/// What clients asked that had trouble with it, and when, in order.
struct Asked(HashMap<(u16, Fingerprint), Vec<u64>>);

impl Asked {
    fn by<'a>(incidents: impl Iterator<Item = &'a Incident>) -> Self {
        let mut asked: HashMap<_, Vec<u64>> = HashMap::new();
        for Incident { attempt, .. } in incidents {
            if let (Some(id), Some(question)) = (attempt.id, attempt.question.fingerprint()) {
                let sent = asked.entry((id, question)).or_default();
                sent.push(attempt.sent_ns);
            }
        }
        asked.values_mut().for_each(|sent| sent.sort_unstable());
        Self(asked)
    }

    /// Whether one of them may have come as this.
    fn may_be(&self, view: &ServerView) -> bool {
        let sent = view.question.and_then(|it| self.0.get(&(view.id, it)));
        let last = sent.and_then(|sent| {
            let until = sent.partition_point(|at| *at <= view.arrived_ns);
            sent.get(until.checked_sub(1)?)
        });
        last.is_some_and(|sent_ns| is_in_time(view.arrived_ns, *sent_ns))
    }
}

/// The first and the last that was answered of each line, by when it came and then by when it
/// was over: who served where, and what of it is next to other windows.
fn ends(all: &[&ServerView], of_before: usize) -> impl Iterator<Item = usize> + use<> {
    let mut ends: HashMap<Line, [usize; 4]> = HashMap::new();
    let answered = all.iter().enumerate().skip(of_before);
    for (place, view) in answered.filter(|(_, view)| view.is_answered()) {
        let ends = ends.entry(line_of(view)).or_insert([place; 4]);
        let (came, over) = (ServerView::order, ServerView::order_of_ends);
        let is_it = [
            came(view) < came(all[ends[0]]),
            came(view) > came(all[ends[1]]),
            over(view) < over(all[ends[2]]),
            over(view) > over(all[ends[3]]),
        ];
        for (end, is_it) in ends.iter_mut().zip(is_it) {
            if is_it {
                *end = place;
            }
        }
    }
    ends.into_values().flatten()
}

/// Where exchanges follow each other: a socket over UDP, or all connections of a process.
type Line = (u32, SocketAddr, Option<u32>, u64);

fn line_of(view: &ServerView) -> Line {
    let cookie = match view.transport {
        Transport::Udp => view.cookie,
        Transport::Tcp => 0,
    };
    (view.owner.netns, view.local, view.owner.pid, cookie)
}

/// Those that were answered, by what they have in common: each list in the order of the ends,
/// and in the order of arrival.
fn answered<K: Hash + Eq>(
    all: &[&ServerView],
    of: impl Fn(&ServerView) -> K,
) -> HashMap<K, [Vec<usize>; 2]> {
    let mut lists: HashMap<K, [Vec<usize>; 2]> = HashMap::new();
    for (place, view) in all.iter().enumerate().filter(|(_, it)| it.is_answered()) {
        let lists = lists.entry(of(view)).or_default();
        lists.iter_mut().for_each(|list| list.push(place));
    }
    for [by_end, by_arrival] in lists.values_mut() {
        by_end.sort_unstable_by_key(|&place| all[place].order_of_ends());
        by_arrival.sort_unstable_by_key(|&place| all[place].order());
    }
    lists
}

/// The last of these that was over at this moment.
fn last_by(by_end: &[usize], all: &[&ServerView], at_ns: u64) -> Option<usize> {
    let until = by_end.partition_point(|&place| all[place].ended_ns <= at_ns);
    by_end.get(until.checked_sub(1)?).copied()
}

/// The first of these that came after it.
fn first_after(by_arrival: &[usize], all: &[&ServerView], at_ns: u64) -> Option<usize> {
    let until = by_arrival.partition_point(|&place| all[place].arrived_ns <= at_ns);
    by_arrival.get(until).copied()
}

/// Who answered where a query found nobody, before it and after it.
fn around_silence(all: &[&ServerView], incidents: &[Incident]) -> BTreeSet<usize> {
    // By the server that was asked; it may lead to several places.
    let mut missed: HashMap<SocketAddr, (BTreeSet<_>, BTreeSet<u64>)> = HashMap::new();
    for incident in incidents.iter().filter(|it| it.may_have_found_nobody()) {
        if let Some(drop) = incident.query_lost() {
            let (places, sent) = missed.entry(incident.server()).or_default();
            places.insert((drop.netns, drop.destination));
            sent.insert(incident.attempt.sent_ns);
        }
    }
    let mut found = BTreeSet::new();
    if missed.is_empty() {
        return found;
    }
    let answered = answered(all, |view| (view.owner.netns, view.local));
    for (places, sent) in missed.values() {
        for [by_end, by_arrival] in places.iter().filter_map(|place| answered.get(place)) {
            for &at_ns in sent {
                found.extend(last_by(by_end, all, at_ns));
                found.extend(first_after(by_arrival, all, at_ns));
            }
        }
    }
    found
}

/// The last answer of a socket before a query found no room in it: whether it served between
/// two of them.
fn before_overflows(all: &[&ServerView], incidents: &[Incident]) -> BTreeSet<usize> {
    let full = Asked::by(incidents.iter().filter(|it| it.has_overflowed()));
    let mut found = BTreeSet::new();
    if full.0.is_empty() {
        return found;
    }
    let answered = answered(all, |view| view.cookie);
    for view in all.iter().filter(|view| full.may_be(view)) {
        let there = answered.get(&view.cookie);
        found.extend(there.and_then(|[by_end, _]| last_by(by_end, all, view.arrived_ns)));
    }
    found
}

/// The last exchange of each connection whose process is known, where that of another one is
/// not: nobody answered that.
fn of_connections(all: &[&ServerView]) -> BTreeSet<usize> {
    let over_tcp = |view: &&&ServerView| view.transport == Transport::Tcp;
    let (known, unknown): (Vec<_>, Vec<_>) = all
        .iter()
        .enumerate()
        .filter(|(_, view)| over_tcp(view))
        .partition(|(_, view)| view.owner.pid.is_some());
    if unknown.is_empty() {
        return BTreeSet::new();
    }
    let mut last: HashMap<u64, usize> = HashMap::new();
    for (place, view) in known {
        let last = last.entry(view.cookie).or_insert(place);
        if view.order() > all[*last].order() {
            *last = place;
        }
    }
    let of = |(_, view): (usize, &&ServerView)| last.get(&view.cookie).copied();
    unknown.into_iter().filter_map(of).collect()
}
