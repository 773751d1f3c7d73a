//! What the poller says at the end of a window, and of the watching.

use std::time::Duration;
use std::time::Instant;

use anyhow::Result;

use super::Poller;
use super::send;
use crate::monitor::Ending;
use crate::monitor::KernelState;
use crate::monitor::Message;

/// Programs that were running while they were detached end within an RCU grace
/// period, a few milliseconds; a record of theirs is waited for no longer.
const SETTLE_MAX: Duration = Duration::from_millis(250);

impl Poller<'_, '_, '_> {
    /// Tells all that is known, and what the kernel side says of it. What it puts into the
    /// ring buffer meanwhile counts as waiting: its end is in the next window.
    pub(super) fn roll(&mut self) -> Result<()> {
        self.drain_all()?;
        self.hand_on();
        self.hand_on_cells(Instant::now(), true);
        let mut all = self.ending()?;
        let known = self.reported + all.counters.lost();
        // The others may still be joined: a later window has them.
        all.drops_unjoined = self.tracker.drops_unjoined_for_good();
        all.in_flight = all.counters.queries.saturating_sub(known);
        let since = all.since(&std::mem::replace(&mut self.told, all));
        self.standing.set(KernelState {
            fill: self.fill.fullest(Instant::now()),
            runs: self.programs.runs()?,
        });
        send(self.out, Message::Rolled(since));
        Ok(())
    }

    /// Detaches, waits for the programs that are just running, and says what is
    /// left.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.programs.detach();
        let deadline = Instant::now() + SETTLE_MAX;
        let ending = loop {
            while self.drain()? > 0 {
                self.hand_on();
            }
            self.sweep()?;
            self.hand_on();
            let ending = self.ending()?;
            let known = self.reported + ending.in_flight + ending.counters.lost();
            let is_settled = known == ending.counters.queries && !self.tracker.has_fresh_notices();
            if is_settled || Instant::now() >= deadline {
                break ending;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        self.grouping.close_all();
        self.turned_away.extend(self.tracker.turned_away_at_last());
        self.hand_on();
        let undecoded = *self.undecoded.borrow();
        if undecoded > 0 {
            log::error!("{undecoded} records could not be decoded: a fault in kerno");
        }
        send(self.out, Message::Finished(ending.since(&self.told)));
        Ok(())
    }

    pub(super) fn is_settled(&self) -> Result<bool> {
        Ok(
            self.programs.in_flight()?.is_empty()
                && !self.programs.any_connecting(self.until_ns)?,
        )
    }

    fn ending(&self) -> Result<Ending> {
        let mut counters = self.programs.counters()?;
        counters.queries += self.never_accepted + self.tracker.unsent();
        counters.inflight_full += self.lost_in_claims;
        counters.notice_lost += self.tracker.notices_lost();
        let in_flight = self.programs.in_flight()?;
        Ok(Ending {
            carried: 0,
            counters,
            in_flight: in_flight.iter().map(|entry| entry.servers_asked()).sum(),
            stray_answers: self.tracker.stray_answers(),
            strays_early: self.tracker.strays_early(),
            drops_unjoined: self.tracker.drops_unjoined(),
            grouped: self.grouping.counts(),
            on_demand: self.demand.as_ref().map(|it| it.attached(Instant::now())),
        })
    }
}
