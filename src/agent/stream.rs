//! What a reader of `/v1/watch` gets: the lines of `kerno watch`, as a body without an end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Frame;
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::live::Batch;
use super::live::Next;
use super::live::Reader;
use crate::attempt::Attempt;
use crate::attempt::Comm;
use crate::attempt::Role;
use crate::filter::Filter;
use crate::host::Clock;
use crate::lookup::Lookup;
use crate::lookup::LookupResult;
use crate::watch::LookupRecord;
use crate::watch::Record;
use crate::watch::Waits;

/// Lines written in one go; others are asked for on the same thread.
const LINES_MAX: usize = 256;

/// What a reader wants.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    filter: Filter,
    /// Lookups, not attempts.
    lookups: bool,
}

impl Wanted {
    /// Of the query of a URL, with the names of `kerno watch`'s options.
    pub(super) fn parse(query: &str) -> Result<Self> {
        let mut wanted = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let value = percent_decode_str(value).decode_utf8();
            let value = value.with_context(|| format!("{key:?} must be UTF-8"))?;
            wanted
                .set(key, &value)
                .map_err(|why| why.context(format!("{key:?}")))?;
        }
        Ok(wanted)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let filter = &mut self.filter;
        let text = || Some(value.to_owned());
        let yes = || match value {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => bail!("must be 1 or 0"),
        };
        match key {
            "lookups" => self.lookups = yes()?,
            "failed" => filter.failed = yes()?,
            "slower_than_ms" => {
                let ms = value.parse().context("must be a number")?;
                filter.slower_than = Some(Duration::from_millis(ms));
            }
            "pid" => filter.pid = Some(value.parse().context("must be a number")?),
            "comm" => match value.len() {
                1..=15 => filter.comm = Some(Comm::new(value.as_bytes())),
                _ => bail!("must have 1 to 15 octets"),
            },
            "name" => filter.name = Some(value.parse().map_err(anyhow::Error::msg)?),
            "role" => {
                filter.role = match value {
                    "client" => Some(Role::Client),
                    "server" => Some(Role::Server),
                    "both" => None,
                    _ => bail!("must be client, server or both"),
                };
            }
            "pod" => filter.pod = Some(value.parse().map_err(anyhow::Error::msg)?),
            "container" => filter.container = text(),
            "unit" => filter.unit = text(),
            _ => bail!("there is no such parameter"),
        }
        Ok(())
    }
}

/// What was lost is told where it would have been.
#[derive(Serialize)]
struct Loss {
    schema: &'static str,
    time: String,
    lost: u64,
}

/// Lines as they come.
#[derive(Debug)]
pub(super) struct Stream {
    reader: Reader,
    wanted: Wanted,
    /// What the agent itself watches.
    agent: Arc<Filter>,
    clock: Clock,
    waits: Waits,
    /// A batch, and how much of it is written.
    batch: Option<(Batch, usize)>,
}

impl Stream {
    pub(super) fn new(reader: Reader, wanted: Wanted, agent: Arc<Filter>) -> Self {
        Self {
            reader,
            wanted,
            agent,
            clock: Clock::start(),
            waits: Waits::default(),
            batch: None,
        }
    }

    fn attempts(&mut self, attempts: &[Attempt], lines: &mut Vec<u8>) -> serde_json::Result<()> {
        if self.wanted.lookups {
            attempts.iter().for_each(|it| self.waits.see(it));
            return Ok(());
        }
        let filters = [&*self.agent, &self.wanted.filter];
        for attempt in attempts {
            if filters.iter().all(|filter| filter.matches(attempt)) {
                write(&Record::new(attempt, &self.clock), lines)?;
            }
        }
        Ok(())
    }

    fn lookups(&mut self, lookups: &[Lookup], lines: &mut Vec<u8>) -> serde_json::Result<()> {
        if !self.wanted.lookups {
            return Ok(());
        }
        let filters = [&*self.agent, &self.wanted.filter];
        for (lookup, waited) in lookups.iter().zip(self.waits.of(lookups)) {
            let failed = lookup.outline.result == LookupResult::Failed;
            let took = Duration::from_nanos(lookup.outline.duration_ns);
            let name = lookup.name.as_deref();
            let is_wanted = |it: &&Filter| it.wants(&lookup.example, name, failed, took);
            if filters.iter().all(is_wanted) {
                write(&LookupRecord::new(lookup, waited, &self.clock), lines)?;
            }
        }
        Ok(())
    }

    /// The next part of the batch. What cannot be written as JSON is none of kerno's.
    fn part(&mut self) -> serde_json::Result<Vec<u8>> {
        let mut lines = Vec::new();
        let Some((batch, at)) = self.batch.take() else {
            return Ok(lines);
        };
        self.clock.follow();
        let next = at + LINES_MAX;
        let rest = match &batch {
            Batch::Attempts(all) => {
                let part = all.get(at..next.min(all.len())).unwrap_or_default();
                self.attempts(part, &mut lines)?;
                all.len() > next
            }
            Batch::Lookups(all) => {
                let part = all.get(at..next.min(all.len())).unwrap_or_default();
                self.lookups(part, &mut lines)?;
                all.len() > next
            }
        };
        self.batch = rest.then_some((batch, next));
        Ok(lines)
    }
}

fn write(line: &impl Serialize, lines: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *lines, line)?;
    lines.push(b'\n');
    Ok(())
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = |lines| Poll::Ready(Some(Ok(Frame::data(Bytes::from(lines)))));
        loop {
            while self.batch.is_some() {
                let lines = self.part().unwrap_or_default();
                if !lines.is_empty() {
                    return frame(lines);
                }
            }
            match self.reader.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Next::End) => return Poll::Ready(None),
                Poll::Ready(Next::Batch(batch)) => self.batch = Some((batch, 0)),
                Poll::Ready(Next::Lost(lost)) => {
                    let time = humantime::format_rfc3339_nanos(SystemTime::now()).to_string();
                    let loss = Loss {
                        schema: "kerno.loss.v1",
                        time,
                        lost,
                    };
                    let mut lines = Vec::new();
                    if write(&loss, &mut lines).is_ok() {
                        return frame(lines);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use serde_json::Value;

    use super::*;
    use crate::agent::live;
    use crate::monitor::Message;
    use crate::sample;

    /// What a stream says by now.
    fn lines(stream: &mut Stream) -> Vec<Value> {
        let mut context = Context::from_waker(Waker::noop());
        let mut all = Vec::new();
        while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut *stream).poll_frame(&mut context) {
            all.extend_from_slice(&frame.into_data().expect("data"));
        }
        let text = String::from_utf8(all).expect("UTF-8");
        let line = |line: &str| serde_json::from_str(line).expect("JSON");
        text.lines().map(line).collect()
    }

    #[test]
    fn a_line_for_each_that_is_wanted_and_one_for_what_was_lost() {
        let live = live::tests::live();
        let stream = |query: &str| {
            let wanted = Wanted::parse(query).expect("a good query");
            Stream::new(live.join().expect("room"), wanted, Arc::default())
        };
        let (mut all, mut failed) = (stream(""), stream("failed=1"));
        let mut other = stream("name=*.other.example&role=client");
        live.see(&Message::Ended(vec![sample::plain_attempt(); 1000]));
        let told = lines(&mut all);
        assert_eq!(told.len(), 1000);
        assert!(told.iter().all(|it| it["schema"] == "kerno.dns.v1"));
        assert!(lines(&mut failed).is_empty() && lines(&mut other).is_empty());
        for _ in 0..10 {
            live.see(&Message::Ended(vec![sample::plain_attempt(); 1000]));
        }
        let told = lines(&mut all);
        assert_eq!(told.len(), 4001);
        assert_eq!(told[4000]["schema"], "kerno.loss.v1");
        assert_eq!(told[4000]["lost"], 6000);
    }

    #[test]
    fn nonsense_is_told() {
        let parsed = Wanted::parse("comm=my%20dns&unit=a%26b.service&slower_than_ms=5&lookups=1");
        let parsed = parsed.expect("a good query");
        assert_eq!(parsed.filter.comm, Some(Comm::new(b"my dns")));
        assert_eq!(parsed.filter.unit.as_deref(), Some("a&b.service"));
        assert!(parsed.lookups);
        for query in [
            "x=1",
            "pid=me",
            "role=all",
            "failed=perhaps",
            "comm=",
            "pod=web",
            "name=",
            "unit=%ff",
            "slower_than_ms=-1",
            "comm=0123456789abcdef",
        ] {
            assert!(Wanted::parse(query).is_err(), "{query}");
        }
    }
}
