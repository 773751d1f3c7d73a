//! Watches by itself: closes a window each second, and puts together what the screen shows.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::select;
use crossbeam_channel::tick;
use serde::Serialize;

use super::failure::Failure;
use super::picture::Picture;
use super::source;
use super::source::Inbox;
use super::source::Kind;
use super::source::SPAN;
use super::source::STEP;
use super::source::Source;
use super::source::Wish;
use crate::attempt::Role;
use crate::doctor::Rule;
use crate::filter::Filter;
use crate::host::Clock;
use crate::host::Facts;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::monitor::Ending;
use crate::monitor::Message;
use crate::report::Form;
use crate::report::Report;
use crate::watch::LookupRecord;
use crate::watch::Record;
use crate::watching::Options;
use crate::watching::Watching;
use crate::window::ClosedWindow;

/// Seconds that are put together to one block.
const BLOCK: usize = 10;

/// Starts to watch. The handle's thread ends when the source is dropped.
pub fn watch(options: Options) -> Result<(Source, JoinHandle<()>)> {
    // Where the server is on this host too, one query would be there twice.
    let role = options.filter.role.or(Some(Role::Client));
    let failed = Filter {
        failed: true,
        role,
        ..options.filter.clone()
    };
    let is_filtered = !options.filter.is_all();
    let watching = Watching::start(options)?;
    let (mut source, inbox, wishes) = source::pair(false);
    source.is_filtered = is_filtered;
    let thread = std::thread::Builder::new()
        .name("kerno-top".to_owned())
        .spawn(move || {
            if let Err(error) = fill(watching, &failed, &inbox, &wishes) {
                inbox.end(error);
            }
        })
        .context("cannot start the thread that watches")?;
    Ok((source, thread))
}

fn fill(
    mut watching: Watching,
    failed: &Filter,
    inbox: &Inbox,
    wishes: &Receiver<Wish>,
) -> Result<()> {
    let mut clock = Clock::start();
    let mut began = Instant::now();
    let mut recent = Recent::default();
    let mut since = Since::default();
    let mut last: Option<Report> = None;
    let ticks = tick(STEP);
    loop {
        select! {
            recv(watching.messages()) -> message => match message {
                Ok(Message::Rolled(ending)) => {
                    let report = roll(&mut watching, ending, &mut began, &mut recent, &mut since);
                    show(&report, inbox)?;
                    last = Some(report);
                    clock.follow();
                }
                Ok(Message::Finished(_)) => return Ok(()),
                Ok(message) => {
                    tell(&message, failed, &clock, inbox)?;
                    watching.take(message);
                }
                Err(_) => return Err(watching.fault()),
            },
            recv(ticks) -> _ => watching.ask_to_roll(),
            recv(wishes) -> wish => match (wish, &last) {
                (Ok(Wish::Save), Some(report)) => inbox.notice(save(report)),
                (Ok(_), _) => {}
                // The screen is gone.
                (Err(_), _) => return watching.end(),
            },
        }
    }
}

fn roll(
    watching: &mut Watching,
    ending: Ending,
    began: &mut Instant,
    recent: &mut Recent,
    since: &mut Since,
) -> Report {
    let now = Instant::now();
    let window = watching.roll(ending, now.duration_since(*began));
    *began = now;
    recent.add(window);
    let mut report = Report {
        filter: watching.filter().options(),
        ..Report::new(SystemTime::now(), Facts::gather(), recent.whole())
    };
    since.keep(&mut report.timeline.rules);
    report
}

fn show(report: &Report, inbox: &Inbox) -> Result<()> {
    let mut json = Vec::new();
    report.write(Form::Json, &mut json)?;
    inbox.picture(Picture::of(&json)?);
    Ok(())
}

/// Hands on what failed.
fn tell(message: &Message, failed: &Filter, clock: &Clock, inbox: &Inbox) -> Result<()> {
    match message {
        Message::Ended(attempts) => {
            for attempt in attempts.iter().filter(|it| failed.matches(it)) {
                hand_on(inbox, Kind::Query, || Record::new(attempt, clock))?;
            }
        }
        Message::Lookups(lookups) => {
            for lookup in lookups.iter().filter(|it| has_failed(it, failed)) {
                // What they waited for is in the findings.
                let line = || LookupRecord::new(lookup, BTreeMap::new(), clock);
                hand_on(inbox, Kind::Lookup, line)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn has_failed(lookup: &Lookup, failed: &Filter) -> bool {
    let has_failed = lookup.outline.result == LookupResult::Failed;
    let took = Duration::from_nanos(lookup.outline.duration_ns);
    failed.wants(&lookup.example, lookup.name.as_deref(), has_failed, took)
}

/// A line costs more than it is worth if nobody would see it.
fn hand_on<L: Serialize>(inbox: &Inbox, kind: Kind, line: impl FnOnce() -> L) -> Result<()> {
    let failure = match inbox.has_room(kind) {
        true => Failure::parse(&serde_json::to_vec(&line())?),
        false => None,
    };
    match failure {
        Some(failure) => inbox.failure(kind, failure),
        None => inbox.lost(kind, 1),
    }
    Ok(())
}

/// Since when each rule explains something: also when that is longer ago than what is shown.
#[derive(Debug, Default)]
struct Since(BTreeMap<Rule, SystemTime>);

impl Since {
    fn keep(&mut self, rules: &mut BTreeMap<Rule, (SystemTime, SystemTime)>) {
        self.0.retain(|rule, _| rules.contains_key(rule));
        for (rule, (first, _)) in rules {
            let since = self.0.entry(*rule).or_insert(*first);
            *since = (*first).min(*since);
            *first = *since;
        }
    }
}

/// The windows of the time that is shown.
#[derive(Debug, Default)]
struct Recent {
    /// The oldest first, each of [`BLOCK`] seconds.
    blocks: VecDeque<ClosedWindow>,
    /// All of these together.
    before: Option<ClosedWindow>,
    /// What is no whole block yet, and of how many windows.
    open: Option<(ClosedWindow, usize)>,
}

impl Recent {
    fn add(&mut self, window: ClosedWindow) {
        let open = match self.open.take() {
            None => (window, 1),
            Some((mut open, number)) => {
                open.merge(&window);
                (open, number + 1)
            }
        };
        if open.1 < BLOCK {
            self.open = Some(open);
            return;
        }
        self.blocks.push_back(open.0);
        let step = STEP.as_secs().max(1) * BLOCK as u64;
        while self.blocks.len() as u64 > SPAN.as_secs() / step {
            self.blocks.pop_front();
        }
        self.before = together(self.blocks.iter());
    }

    /// One window of all.
    fn whole(&self) -> ClosedWindow {
        let open = self.open.as_ref().map(|(open, _)| open);
        together(self.before.iter().chain(open)).unwrap_or_default()
    }
}

fn together<'a>(mut windows: impl Iterator<Item = &'a ClosedWindow>) -> Option<ClosedWindow> {
    let mut whole = windows.next()?.clone();
    windows.for_each(|next| whole.merge(next));
    Some(whole)
}

/// Writes the report to a file here; what came of it, in a sentence.
fn save(report: &Report) -> String {
    let mut html = Vec::new();
    let written = report.write(Form::Html, &mut html);
    match written
        .map_err(anyhow::Error::from)
        .and_then(|()| save_as_file(&html))
    {
        Ok(name) => format!("saved as {name}"),
        Err(error) => format!("not saved: {error:#}"),
    }
}

/// Into a new file in this folder, for its owner only: names of queries are in it.
pub(super) fn save_as_file(html: &[u8]) -> Result<String> {
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let name = format!("kerno-{}.html", time.replace(['-', ':'], ""));
    // By its whole path: the folder that may be written to is mounted over the one in which this
    // process began.
    let path = std::path::absolute(&name)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| name.clone())?;
    file.write_all(html).with_context(|| name.clone())?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Fed;
    use crate::sample::plain_attempt;
    use crate::sampler::HostSample;

    #[test]
    fn the_time_that_is_shown_is_bounded_and_each_second_is_in_it_once() {
        let mut fed = Fed::default();
        fed.feed(1, &plain_attempt());
        let mut second = fed.closed(Ending::default(), HostSample::default(), Vec::new());
        // Nothing that goes on from one to the next.
        second.shrink();
        let mut recent = Recent::default();
        for number in 1..=300u64 {
            recent.add(second.clone());
            let shown = recent.whole().queries();
            match number {
                ..=129 => assert_eq!(shown, number),
                _ => assert!((120..130).contains(&shown), "{shown} at {number}"),
            }
        }
    }

    #[test]
    fn since_when_something_goes_wrong_does_not_move_with_what_is_shown() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let mut since = Since::default();
        let mut told = |shown: &[(Rule, u64)]| {
            let of = |&(rule, first): &(Rule, u64)| (rule, (at(first), at(300)));
            let mut rules: BTreeMap<_, _> = shown.iter().map(of).collect();
            since.keep(&mut rules);
            rules.values().map(|(first, _)| *first).collect::<Vec<_>>()
        };
        assert_eq!(told(&[(Rule::Servfail, 100)]), [at(100)]);
        assert_eq!(told(&[(Rule::Servfail, 180)]), [at(100)]);
        // An earlier one is told later: it was waited for.
        assert_eq!(told(&[(Rule::Servfail, 90)]), [at(90)]);
        // It was over for as long as is shown, and begins anew.
        assert_eq!(told(&[]), []);
        assert_eq!(told(&[(Rule::Servfail, 250)]), [at(250)]);
    }
}
