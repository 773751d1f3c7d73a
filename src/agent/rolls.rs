//! When windows end, and who waits for it.

use crossbeam_channel::Sender;

/// A roll is asked for and answered later. Who asks in between must wait for the one
/// after: the window that is being closed may end before his moment.
#[derive(Debug, Default)]
pub(super) struct Rolls {
    is_asked: bool,
    /// Another one is wanted when it is answered.
    is_next_wanted: bool,
    waiting: Vec<Sender<()>>,
    next: Vec<Sender<()>>,
}

impl Rolls {
    /// Wants one, for somebody or by the clock. Whether it is to be asked for now.
    pub(super) fn want(&mut self, whom: Option<Sender<()>>) -> bool {
        if self.is_asked {
            self.is_next_wanted |= whom.is_some();
            self.next.extend(whom);
            return false;
        }
        self.is_asked = true;
        self.waiting.extend(whom);
        true
    }

    /// It was answered: tells those that waited for it. Whether the next is to be asked for.
    pub(super) fn answered(&mut self) -> bool {
        for waiting in self.waiting.drain(..) {
            // Who no longer waits needs no word.
            let _gone = waiting.try_send(());
        }
        std::mem::swap(&mut self.waiting, &mut self.next);
        self.is_asked = std::mem::take(&mut self.is_next_wanted);
        self.is_asked
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::Receiver;
    use crossbeam_channel::bounded;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn who_asks_in_between_waits_for_the_one_after() {
        let mut rolls = Rolls::default();
        let (early, is_early) = bounded(1);
        let (late, is_late) = bounded(1);
        assert!(rolls.want(Some(early)));
        assert!(!rolls.want(Some(late)));
        assert!(rolls.answered(), "another is asked for");
        assert!(is_early.try_recv().is_ok());
        assert!(is_late.try_recv().is_err());
        assert!(!rolls.answered());
        assert!(is_late.try_recv().is_ok());
        // The clock alone needs no second one.
        assert!(rolls.want(None));
        assert!(!rolls.want(None));
        assert!(!rolls.answered());
    }

    proptest! {
        /// Whatever the order: a question is answered by a roll that was asked for after it
        /// came, and by the first such one.
        #[test]
        fn each_is_answered_by_a_window_that_has_its_moment(steps in prop::collection::vec(0..3_u8, 0..60)) {
            let mut rolls = Rolls::default();
            // When the roll on its way was asked for, by the number of steps.
            let mut asked: Option<usize> = None;
            let mut waiting: Vec<(usize, Receiver<()>)> = Vec::new();
            for (now, step) in steps.into_iter().enumerate() {
                let is_due = match step {
                    0 => rolls.want(None),
                    1 => {
                        let (tell, told) = bounded(1);
                        waiting.push((now, told));
                        rolls.want(Some(tell))
                    }
                    _ => match asked.take() {
                        None => false,
                        Some(of) => {
                            let next = rolls.answered();
                            for (came, told) in &waiting {
                                prop_assert_eq!(told.try_recv().is_ok(), *came <= of);
                            }
                            waiting.retain(|(came, _)| *came > of);
                            prop_assert_eq!(next, !waiting.is_empty());
                            next
                        }
                    },
                };
                if is_due {
                    prop_assert!(asked.is_none());
                    asked = Some(now);
                }
                prop_assert!(asked.is_some() || waiting.is_empty());
            }
        }
    }
}
