//! Ctrl-C and SIGTERM, turned into a message that a loop can wait for.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use crossbeam_channel::Receiver;
use crossbeam_channel::bounded;
use nix::sys::signal::SigSet;
use nix::sys::signal::Signal;

/// A signal so soon after the first is the same wish: timeout(1) sends its signal to the process
/// and then to its group, and nobody presses a key twice as fast.
const ONE_WISH: Duration = Duration::from_millis(200);

/// Whether the user wants an end.
#[derive(Clone, Debug)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    channel: Receiver<()>,
}

impl Stop {
    /// On Ctrl-C and SIGTERM: see [`Self::on`].
    pub fn on_signals() -> Result<Self> {
        Self::on(&[Signal::SIGINT, Signal::SIGTERM])
    }

    /// Blocks the signals for this thread and all that it starts, and waits for
    /// them in a thread of its own. Call it before any thread is started. A
    /// second signal ends the process at once: the kernel detaches everything.
    pub fn on(all: &[Signal]) -> Result<Self> {
        let mut signals = SigSet::empty();
        all.iter().for_each(|signal| signals.add(*signal));
        signals.thread_block().context("cannot block signals")?;
        let (sender, channel) = bounded(1);
        let flag = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&flag);
        std::thread::Builder::new()
            .name("kerno-signals".to_owned())
            .spawn(move || {
                // Waiting needs none of them.
                let _as_before = caps::clear(None, caps::CapSet::Effective)
                    .and_then(|()| caps::clear(None, caps::CapSet::Permitted));
                if signals.wait().is_ok() {
                    set.store(true, Ordering::Relaxed);
                    drop(sender);
                }
                let first = Instant::now();
                while let Ok(signal) = signals.wait() {
                    if first.elapsed() > ONE_WISH {
                        // The shell's convention for a death by signal.
                        std::process::exit(128 + signal as i32);
                    }
                }
            })
            .context("cannot start the signal thread")?;
        Ok(Self { flag, channel })
    }

    /// Whether a signal has come.
    pub fn is_set(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// The flag itself, for loops that take one.
    pub fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }

    /// Disconnects when a signal comes, which wakes a `select!`.
    pub fn channel(&self) -> &Receiver<()> {
        &self.channel
    }
}
