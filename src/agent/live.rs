//! Who looks on: each reader has a queue of his own, which is never waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;

use crate::attempt::Attempt;
use crate::lookup::Lookup;
use crate::monitor::Each;
use crate::monitor::Message;

/// Readers at one time.
const READERS_MAX: usize = 16;
/// Attempts and lookups that may wait for one reader, some 600 octets each.
const QUEUED_MAX: usize = 4096;

/// What a reader gets.
#[derive(Clone, Debug)]
pub(super) enum Batch {
    /// In their order.
    Attempts(Arc<Vec<Attempt>>),
    /// After their attempts.
    Lookups(Arc<Vec<Lookup>>),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Attempts(all) => all.len(),
            Self::Lookups(all) => all.len(),
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    /// Attempts and lookups in them.
    number: usize,
    /// Those that there was no room for, since he was told the last time.
    lost: u64,
    is_over: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Batches taken out, and those that found no room.
    taken: AtomicUsize,
    refused: AtomicUsize,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, batch: &Batch) {
        let mut waiting = self.lock();
        let number = batch.len();
        // A larger one than there is ever room for finds some in an empty queue. Once
        // something is lost nothing comes behind it until that is told.
        let is_full = waiting.number > 0 && waiting.number + number > QUEUED_MAX;
        if is_full || waiting.lost > 0 {
            waiting.lost += number as u64;
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.number += number;
            waiting.batches.push_back(batch.clone());
        }
        let waker = waiting.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// All who look on.
#[derive(Clone, Debug)]
pub(super) struct Live {
    readers: Arc<Mutex<Vec<Arc<Queue>>>>,
    each: Option<Each>,
}

impl Live {
    /// Of attempts that are told one by one only while somebody looks on.
    pub(super) fn of(each: Each) -> Self {
        Self {
            readers: Arc::default(),
            each: Some(each),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Queue>>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many look on.
    pub(super) fn readers(&self) -> usize {
        self.lock().len()
    }

    /// One more, from now on; `None` if there are too many.
    pub(super) fn join(&self) -> Option<Reader> {
        let mut readers = self.lock();
        if readers.len() >= READERS_MAX {
            return None;
        }
        let queue = Arc::<Queue>::default();
        readers.push(Arc::clone(&queue));
        self.want(&readers);
        Some(Reader {
            queue,
            live: self.clone(),
        })
    }

    fn leave(&self, queue: &Arc<Queue>) {
        let mut readers = self.lock();
        readers.retain(|it| !Arc::ptr_eq(it, queue));
        self.want(&readers);
    }

    fn want(&self, readers: &[Arc<Queue>]) {
        if let Some(each) = &self.each {
            each.want(!readers.is_empty());
        }
    }

    /// Shows it to all of them.
    pub(super) fn see(&self, message: &Message) {
        let readers = self.lock();
        if readers.is_empty() {
            return;
        }
        let batch = match message {
            Message::Ended(attempts) => Batch::Attempts(Arc::new(attempts.clone())),
            Message::Lookups(lookups) => Batch::Lookups(Arc::new(lookups.clone())),
            // As with `kerno watch`.
            _ => return,
        };
        readers.iter().for_each(|queue| queue.push(&batch));
    }

    /// There will be no more.
    pub(super) fn end(&self) {
        for queue in self.lock().iter() {
            let mut waiting = queue.lock();
            waiting.is_over = true;
            if let Some(waker) = waiting.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Whether a reader takes what there is for him.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    queue: Arc<Queue>,
    taken: usize,
    refused: usize,
}

impl Progress {
    /// Whether he took nothing since the last time, although there was too much for him.
    pub(super) fn has_stalled(&mut self) -> bool {
        let taken = self.queue.taken.load(Ordering::Relaxed);
        let refused = self.queue.refused.load(Ordering::Relaxed);
        let took_none = std::mem::replace(&mut self.taken, taken) == taken;
        let missed = std::mem::replace(&mut self.refused, refused) != refused;
        took_none && missed
    }
}

/// One who looks on, until it is dropped.
#[derive(Debug)]
pub(super) struct Reader {
    queue: Arc<Queue>,
    live: Live,
}

/// What is next for a reader.
#[derive(Debug)]
pub(super) enum Next {
    /// So many were lost before what comes now.
    Lost(u64),
    /// These.
    Batch(Batch),
    /// No more.
    End,
}

impl Reader {
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<Next> {
        let mut waiting = self.queue.lock();
        if let Some(batch) = waiting.batches.pop_front() {
            waiting.number -= batch.len();
            self.queue.taken.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(Next::Batch(batch));
        }
        // Those that were lost came behind all that had room.
        match std::mem::take(&mut waiting.lost) {
            0 if waiting.is_over => Poll::Ready(Next::End),
            0 => {
                waiting.waker = Some(context.waker().clone());
                Poll::Pending
            }
            lost => Poll::Ready(Next::Lost(lost)),
        }
    }

    pub(super) fn progress(&self) -> Progress {
        Progress {
            queue: Arc::clone(&self.queue),
            taken: 0,
            refused: 0,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.live.leave(&self.queue);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sample;

    pub(in crate::agent) fn live() -> Live {
        Live {
            readers: Arc::default(),
            each: None,
        }
    }

    fn ended(number: usize) -> Message {
        Message::Ended(vec![sample::plain_attempt(); number])
    }

    /// What there is now: how many attempts, how many lost.
    fn all(reader: &mut Reader) -> (usize, u64) {
        let context = Context::from_waker(Waker::noop());
        let (mut got, mut missed) = (0, 0);
        loop {
            match reader.poll(&context) {
                Poll::Ready(Next::Batch(batch)) => got += batch.len(),
                Poll::Ready(Next::Lost(lost)) => missed += lost,
                Poll::Ready(Next::End) | Poll::Pending => return (got, missed),
            }
        }
    }

    #[test]
    fn each_gets_all_and_who_stands_still_is_told_what_he_missed() {
        let live = live();
        let mut quick = live.join().expect("room");
        let mut slow = live.join().expect("room");
        let (mut got, mut progress) = (0, slow.progress());
        assert!(!progress.has_stalled());
        for _ in 0..100 {
            live.see(&ended(100));
            let (more, lost) = all(&mut quick);
            assert_eq!(lost, 0);
            got += more;
        }
        assert_eq!(got, 10_000);
        assert!(progress.has_stalled());
        let (got, lost) = all(&mut slow);
        assert_eq!(got as u64 + lost, 10_000);
        assert!(got <= QUEUED_MAX && lost > 0, "{got}, {lost}");
        assert!(!progress.has_stalled());
        // From now on he gets all again.
        live.see(&ended(7));
        assert_eq!(all(&mut slow), (7, 0));
        live.see(&ended(2 * QUEUED_MAX));
        assert_eq!(all(&mut slow).1, 0, "a batch is told in one piece");
    }

    #[test]
    fn places_are_given_back() {
        let live = live();
        let all: Vec<_> = std::iter::from_fn(|| live.join()).collect();
        assert_eq!(all.len(), READERS_MAX);
        drop(all);
        assert_eq!(live.readers(), 0);
        let mut reader = live.join().expect("room");
        live.end();
        let context = Context::from_waker(Waker::noop());
        assert!(matches!(reader.poll(&context), Poll::Ready(Next::End)));
    }
}
