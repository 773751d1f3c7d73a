//! The terminal: taken, given back on every way out, and never waited for without an end.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::IsTerminal as _;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use nix::sys::signal::Signal;
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor;
use ratatui::crossterm::event;
use ratatui::crossterm::event::Event;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::EnterAlternateScreen;
use ratatui::crossterm::terminal::LeaveAlternateScreen;
use ratatui::crossterm::terminal::disable_raw_mode;
use ratatui::crossterm::terminal::enable_raw_mode;

use crate::stop::Stop;
use crate::watch::LineWriter;
use crate::watch::Written;

/// A terminal that takes nothing may have so long to take what gives it back.
const PATIENCE: Duration = Duration::from_secs(1);
/// Keys that wait to be looked at.
const KEYS_MAX: usize = 64;

/// Whether there is one at both ends.
pub fn is_there() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// The terminal while it is taken. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Screen>>,
}

impl Terminal {
    pub(super) fn take(stop: &Stop) -> Result<Self> {
        let screen = Screen {
            out: LineWriter::new(open()?),
            waiting: Vec::new(),
            stop: stop.clone(),
        };
        let inner = ratatui::Terminal::new(CrosstermBackend::new(screen));
        let mut terminal = Self {
            inner: inner.context("the terminal")?,
        };
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        terminal.enter().context("the terminal")?;
        Ok(terminal)
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(self.inner.backend_mut(), EnterAlternateScreen, cursor::Hide)?;
        // All of it is drawn anew. `clear()` would ask the terminal where its cursor is, and
        // not every one answers.
        let size = self.inner.size()?;
        self.inner.resize(size.into())
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.inner.draw(draw).map(|_| ())
    }

    /// Gives it back, stops as Ctrl-Z does, and takes it again when it goes on.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        nix::sys::signal::raise(Signal::SIGTSTP)?;
        self.enter()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whatever is wrong with it: there is nothing else to be done.
fn give_back() {
    let _raw = disable_raw_mode();
    let Ok(tty) = open() else { return };
    let mut text = Vec::new();
    // Writing to a Vec cannot fail.
    let _written = execute!(text, LeaveAlternateScreen, cursor::Show);
    let until = Instant::now() + PATIENCE;
    let _written = LineWriter::new(tty).write(&text, || Instant::now() > until);
}

/// The terminal once more, with a file description of its own: not to wait in a write must not
/// change the shell's.
fn open() -> Result<File> {
    OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open("/proc/self/fd/1")
        .context("cannot write to the terminal")
}

/// What is drawn, written in one go; a terminal that takes nothing is waited for until a signal
/// comes.
#[derive(Debug)]
struct Screen {
    out: LineWriter<File>,
    waiting: Vec<u8>,
    stop: Stop,
}

impl Write for Screen {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.waiting.extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        match self.out.write(&waiting, || self.stop.is_set())? {
            Written::Whole => Ok(()),
            Written::ReaderGone | Written::Stopped => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Keys and changes of size; it is disconnected when the terminal is gone.
pub(super) fn events() -> Result<Receiver<Event>> {
    let (sender, events) = bounded(KEYS_MAX);
    std::thread::Builder::new()
        .name("kerno-keys".to_owned())
        .spawn(move || {
            while let Ok(event) = event::read() {
                if sender.send(event).is_err() {
                    return;
                }
            }
        })
        .context("cannot start the thread that reads keys")?;
    Ok(events)
}

/// Whether it says that the terminal is gone, or that a signal came while it was waited for.
pub(super) fn is_gone(error: &io::Error) -> bool {
    let is_hung_up = [libc::EIO, libc::ENXIO, libc::ENODEV]
        .map(Some)
        .contains(&error.raw_os_error());
    // Who asks for its size may be told anything: crossterm then asks `tput`, and gives the last error
    // of that.
    is_hung_up || error.kind() == io::ErrorKind::BrokenPipe || !is_there()
}
