//! The loop: what is new, keys, and a picture of both.

use std::io;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use crossbeam_channel::select;
use ratatui::crossterm::event::Event;
use ratatui::crossterm::event::KeyEventKind;

use super::draw;
use super::keys::Deed;
use super::look::Look;
use super::source::STEP;
use super::source::Source;
use super::state::State;
use super::terminal;
use super::terminal::Terminal;
use crate::stop::Stop;

/// Shows what the source has until somebody quits, a signal comes, or the terminal is gone.
pub fn run(source: Source, stop: &Stop) -> Result<()> {
    // Lines of a log would stand in the middle of the screen.
    if io::stderr().is_terminal() {
        log::set_max_level(log::LevelFilter::Off);
    }
    let mut terminal = Terminal::take(stop)?;
    let shown = show(&source, stop, &mut terminal);
    drop(terminal);
    match shown {
        Err(error) if error.downcast_ref().is_some_and(terminal::is_gone) => Ok(()),
        shown => shown,
    }
}

fn show(source: &Source, stop: &Stop, terminal: &mut Terminal) -> Result<()> {
    let events = terminal::events()?;
    let look = Look::of_environment();
    let mut state = State::new(source.has_history, source.is_filtered);
    loop {
        terminal.draw(|frame| draw::draw(frame, &state, look))?;
        select! {
            recv(stop.channel()) -> _ => return Ok(()),
            recv(source.rings) -> ring => {
                let mut news = source.take();
                if let Some(why) = news.end.take() {
                    return Err(why);
                }
                state.take(news);
                if ring.is_err() {
                    bail!("the thread that watches has ended");
                }
            }
            recv(events) -> event => match event {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => match state.key(key) {
                    Deed::None => {}
                    Deed::Quit => return Ok(()),
                    Deed::Suspend => terminal.suspend()?,
                    Deed::Wish(wish) => source.wishes.send(wish).context("nobody watches any more")?,
                },
                // A change of size needs no more than the next picture.
                Ok(_) => {}
                Err(_) => return Ok(()),
            },
            default(STEP) => state.take(source.take()),
        }
    }
}
