//! Asks an agent: its report each second, and what fails as it happens.

use std::path::Path;
use std::time::Duration;
use std::time::SystemTime;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::select;
use crossbeam_channel::tick;

use super::failure::Failure;
use super::own::save_as_file;
use super::picture::Picture;
use super::source;
use super::source::Inbox;
use super::source::Kind;
use super::source::SPAN;
use super::source::STEP;
use super::source::Source;
use super::source::Wish;
use crate::agent;
use crate::agent::Question;
use crate::report::Form;

/// No line of `kerno watch` is longer.
const LINE_MAX: usize = 64 * 1024;
/// How long to wait until an agent that is gone is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// Asks the agent at this socket; an error says what is wrong with it.
pub fn ask(socket: &Path) -> Result<Source> {
    let question = question(0, Form::Json);
    let (json, _) = agent::ask(socket, &path(question))?;
    let picture = Picture::of(&json)?;
    let (source, inbox, wishes) = source::pair(true);
    inbox.picture(picture);
    for (kind, name, path) in [
        (
            Kind::Query,
            "kerno-failures",
            "/v1/watch?failed=1&role=client",
        ),
        (
            Kind::Lookup,
            "kerno-lookups",
            "/v1/watch?lookups=1&failed=1&role=client",
        ),
    ] {
        let (live, at) = (inbox.clone(), socket.to_owned());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || follow(&at, path, kind, &live))
            .context("cannot start a thread that listens")?;
    }
    let at = socket.to_owned();
    std::thread::Builder::new()
        .name("kerno-asks".to_owned())
        .spawn(move || fill(&at, &inbox, &wishes))
        .context("cannot start the thread that asks")?;
    Ok(source)
}

/// About the time that ended so many seconds ago.
fn question(back_s: u64, form: Form) -> Question {
    let now = SystemTime::now();
    let before = |ago: Duration| now.checked_sub(ago);
    let back = Duration::from_secs(back_s);
    Question {
        from: before(back + SPAN),
        to: before(back).filter(|_| back_s > 0),
        form,
    }
}

fn path(question: Question) -> String {
    format!("/v1/doctor?{}", question.query())
}

fn fill(socket: &Path, inbox: &Inbox, wishes: &Receiver<Wish>) {
    let ticks = tick(STEP);
    let mut back_s = 0;
    loop {
        select! {
            recv(ticks) -> _ => {
                // What is over does not change.
                if back_s == 0 {
                    look(socket, back_s, inbox);
                }
            }
            recv(wishes) -> wish => match wish {
                Ok(Wish::Back(seconds)) => {
                    back_s = seconds;
                    look(socket, back_s, inbox);
                }
                Ok(Wish::Save) => inbox.notice(save(socket, back_s)),
                Err(_) => return,
            },
        }
    }
}

fn look(socket: &Path, back_s: u64, inbox: &Inbox) {
    let asked = agent::ask(socket, &path(question(back_s, Form::Json)));
    match asked.and_then(|(json, _)| Picture::of(&json)) {
        Ok(picture) => inbox.picture(picture),
        Err(error) => inbox.notice(format!("{error:#}")),
    }
}

fn save(socket: &Path, back_s: u64) -> String {
    let asked = agent::ask(socket, &path(question(back_s, Form::Html)));
    match asked.and_then(|(html, _)| save_as_file(&html)) {
        Ok(name) => format!("saved as {name}"),
        Err(error) => format!("not saved: {error:#}"),
    }
}

/// Listens for as long as the process runs; an agent that comes again is heard again.
fn follow(socket: &Path, path: &str, kind: Kind, inbox: &Inbox) {
    loop {
        let mut lines = Lines::default();
        let heard = agent::follow(socket, path, |part| lines.take(part, kind, inbox));
        if let Err(error) = heard {
            log::debug!("{error:#}");
        }
        std::thread::sleep(AGAIN);
    }
}

/// Puts lines together of the parts in which they come.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
    /// The rest of one that was too long.
    is_skipped: bool,
}

impl Lines {
    fn take(&mut self, part: &[u8], kind: Kind, inbox: &Inbox) {
        for piece in part.split_inclusive(|octet| *octet == b'\n') {
            let is_whole = piece.ends_with(b"\n");
            match self.begun.len() + piece.len() <= LINE_MAX && !self.is_skipped {
                true => self.begun.extend(piece),
                false => {
                    self.begun.clear();
                    self.is_skipped = true;
                }
            }
            if !is_whole {
                continue;
            }
            match Failure::parse(&self.begun) {
                Some(Failure {
                    lost: Some(lost), ..
                }) => inbox.lost(kind, lost),
                Some(failure) => inbox.failure(kind, failure),
                None => inbox.lost(kind, 1),
            }
            self.begun.clear();
            self.is_skipped = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_any_parts() {
        let (source, inbox, _wished) = source::pair(true);
        let mut lines = Lines::default();
        let line = br#"{"name":"a.example"}"#;
        let text = [&line[..], b"\n", line, b"\n{\n", br#"{"lost":3}"#, b"\n"].concat();
        text.chunks(7)
            .for_each(|part| lines.take(part, Kind::Query, &inbox));
        let news = source.take();
        assert_eq!((news.queries.told.len(), news.queries.lost), (2, 4));
        let long = vec![b'x'; LINE_MAX + 1];
        for part in [&long[..], b"y\n", line, b"\n"] {
            lines.take(part, Kind::Lookup, &inbox);
        }
        let news = source.take();
        assert_eq!((news.lookups.told.len(), news.lookups.lost), (1, 1));
    }
}
