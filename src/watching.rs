//! The threads that watch, and the window that they fill: for once, or always.

use std::time::Duration;

use anyhow::Result;
use anyhow::anyhow;
use crossbeam_channel::Receiver;

use crate::attribution;
use crate::attribution::Attribution;
use crate::counters::Watches;
use crate::filter::Filter;
use crate::host;
use crate::host::Clock;
use crate::host::Host;
use crate::host::Signal;
use crate::host::proc::Root;
use crate::host::proc::untrusted;
use crate::kernel::Config;
use crate::kernel::Wake;
use crate::monitor::Each;
use crate::monitor::Ending;
use crate::monitor::KernelStanding;
use crate::monitor::Message;
use crate::monitor::Monitor;
use crate::sampler::Sampler;
use crate::window::ClosedWindow;
use crate::window::End;
use crate::window::Window;

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// DNS ports.
    pub ports: Vec<u16>,
    /// How long an unanswered query is waited for.
    pub timeout: Duration,
    /// What windows are about; all else is evidence only.
    pub filter: Filter,
    /// How to find out whose a query is.
    pub workloads: attribution::Options,
    /// Attach all hooks from the start.
    pub all_hooks: bool,
}

/// All that watches while a window is open.
#[derive(Debug)]
pub struct Watching {
    monitor: Monitor,
    attribution: Attribution,
    sampler: Sampler,
    signals: Vec<Signal>,
    window: Window,
}

impl Watching {
    /// Returns when the programs count.
    pub fn start(options: Options) -> Result<Self> {
        let config = Config {
            ports: options.ports,
            // Who is in a hierarchy of version 1 is known only while it lives.
            wake: match attribution::has_version_1() {
                true => Wake::Newcomers,
                false => Wake::Many,
            },
            count_plain: options.filter.is_all(),
            lookups: true,
            all_hooks: options.all_hooks,
        };
        untrusted::use_helper();
        let host = Host::probe()?;
        let root = host.cgroup().try_clone_to_owned()?;
        // It takes its time where there are many namespaces, so it comes first.
        let watches = Watches::start(options.all_hooks);
        let watched = watches.signals().to_vec();
        let sampler = Sampler::start(Root::default(), watches);
        let monitor = Monitor::start(host, config, options.timeout)?;
        let messages = monitor.messages().clone();
        let attribution = Attribution::start(messages, root, &options.workloads)?;
        host::give_back_pages();
        Ok(Self {
            signals: [monitor.signals.clone(), watched].concat(),
            monitor,
            attribution,
            sampler,
            window: Window::new(options.filter),
        })
    }

    /// Which hooks are active.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// What is to be taken, until [`Message::Finished`].
    pub fn messages(&self) -> &Receiver<Message> {
        self.attribution.messages()
    }

    /// Takes a message that ends no window.
    pub fn take(&mut self, message: Message) {
        self.window.take(&message);
        let sampler = &mut self.sampler;
        match message {
            Message::Ended(attempts) => attempts.iter().for_each(|it| sampler.meet(it)),
            Message::Plain(plain) => plain.iter().for_each(|it| sampler.meet(&it.example)),
            Message::Suspects(places) => {
                places.into_iter().for_each(|it| sampler.meet_suspect(it));
            }
            Message::SlowReads(reads) => sampler.meet_readers(&reads),
            // They are the window's alone, or it is over.
            Message::Lookups(_)
            | Message::TurnedAway(_)
            | Message::CameSecond(_)
            | Message::Questions(_)
            | Message::Rolled(_)
            | Message::Finished(_) => {}
        }
    }

    /// Attempts in the window up to now, whatever the filter says.
    pub fn queries(&self) -> u64 {
        self.window.queries()
    }

    /// Who waits at the end of the window may still get an answer; then it stops.
    pub fn settle(&self) {
        self.monitor.settle();
    }

    /// Asks for the end.
    pub fn stop(&self) {
        self.monitor.stop();
    }

    /// What the window is about.
    pub fn filter(&self) -> &Filter {
        self.window.filter()
    }

    /// How the kernel's side stands.
    pub fn standing(&self) -> KernelStanding {
        self.monitor.standing()
    }

    /// Lets somebody who looks on have each attempt told.
    pub fn each(&self) -> Each {
        self.monitor.each()
    }

    /// Asks for the end of a window, which [`Message::Rolled`] tells.
    pub fn ask_to_roll(&self) {
        self.monitor.roll();
    }

    /// Closes the window that took so long, and begins the next.
    pub fn roll(&mut self, kernel: Ending, duration: Duration) -> ClosedWindow {
        let end = End {
            duration,
            kernel,
            host: self.sampler.roll(),
            known: self.attribution.known(),
            signals: self.signals.clone(),
            clock: Some(Clock::start()),
        };
        self.window.roll(end).attributed(self.attribution.roll())
    }

    /// Closes the last window.
    pub fn close(self, kernel: Ending, duration: Duration) -> Result<ClosedWindow> {
        self.monitor.join()?;
        // Before the figures are taken: names that came late are in them.
        let attributed = self.attribution.finish();
        let closed = self.window.close(End {
            duration,
            kernel,
            host: self.sampler.finish(),
            known: attributed.known,
            signals: self.signals,
            clock: Some(Clock::start()),
        });
        Ok(closed.attributed(attributed.books))
    }

    /// Ends without a last window.
    pub fn end(self) -> Result<()> {
        // Nobody takes what is told any more, so who hands it on must not wait for room: the poller
        // would wait for him.
        drop(self.attribution);
        self.monitor.join()
    }

    /// Why there are no more messages, though it was not finished.
    pub fn fault(self) -> anyhow::Error {
        let ended = self.monitor.join().err();
        ended.unwrap_or_else(|| anyhow!("the poller thread ended without a word"))
    }
}
