//! Where what is shown comes from. Whoever has it hands it over and never waits for the screen.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use crossbeam_channel::Receiver;
use crossbeam_channel::Sender;
use crossbeam_channel::bounded;

use super::failure::Failure;
use super::picture::Picture;

/// The time that is looked at.
pub(super) const SPAN: Duration = Duration::from_secs(120);
/// It is looked at so often.
pub(super) const STEP: Duration = Duration::from_secs(1);
/// Failures that wait for the screen.
const WAITING_MAX: usize = 4_096;

/// What failed, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As `kerno watch --failed` tells it.
    Query,
    /// As `kerno watch --failed --lookups` does.
    Lookup,
}

/// What is wanted of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The time that ended so many seconds ago.
    Back(u64),
    /// The report of the latest picture as a file.
    Save,
}

/// Those of one kind.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// As they came.
    pub(super) told: Vec<Failure>,
    /// There was no room for so many.
    pub(super) lost: u64,
}

impl News {
    fn of(&mut self, kind: Kind) -> &mut Failures {
        match kind {
            Kind::Query => &mut self.queries,
            Kind::Lookup => &mut self.lookups,
        }
    }
}

/// What the screen has not taken yet.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) picture: Option<Picture>,
    pub(super) queries: Failures,
    pub(super) lookups: Failures,
    /// A sentence for whoever looks.
    pub(super) notice: Option<String>,
    /// It is over, and why if something is wrong.
    pub(super) end: Option<anyhow::Error>,
}

/// The screen's end.
#[derive(Debug)]
pub struct Source {
    news: Arc<Mutex<News>>,
    /// Something is new.
    pub(super) rings: Receiver<()>,
    pub(super) wishes: Sender<Wish>,
    /// Whether there is a past to look at.
    pub(super) has_history: bool,
    /// Whether options choose what is watched.
    pub(super) is_filtered: bool,
}

impl Source {
    /// Takes what there is.
    pub(super) fn take(&self) -> News {
        std::mem::take(&mut *locked(&self.news))
    }
}

fn locked(news: &Mutex<News>) -> MutexGuard<'_, News> {
    news.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The other end. With the last of them, the bell is gone.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    news: Arc<Mutex<News>>,
    bell: Sender<()>,
}

impl Inbox {
    pub(super) fn picture(&self, picture: Picture) {
        self.lock().picture = Some(picture);
        self.ring();
    }

    /// It is taken with the next picture: thousands a second ring no bell.
    pub(super) fn failure(&self, kind: Kind, failure: Failure) {
        let mut news = self.lock();
        let failures = news.of(kind);
        match failures.told.len() < WAITING_MAX {
            true => failures.told.push(failure),
            false => failures.lost += 1,
        }
    }

    /// Whether another one would be taken.
    pub(super) fn has_room(&self, kind: Kind) -> bool {
        self.lock().of(kind).told.len() < WAITING_MAX
    }

    pub(super) fn lost(&self, kind: Kind, number: u64) {
        self.lock().of(kind).lost += number;
    }

    pub(super) fn notice(&self, notice: String) {
        self.lock().notice = Some(notice);
        self.ring();
    }

    pub(super) fn end(&self, why: anyhow::Error) {
        self.lock().end = Some(why);
        self.ring();
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        locked(&self.news)
    }

    /// It rings already, if there is no room.
    fn ring(&self) {
        let _rings = self.bell.try_send(());
    }
}

/// Both ends, and where wishes come out.
pub(super) fn pair(has_history: bool) -> (Source, Inbox, Receiver<Wish>) {
    let (bell, rings) = bounded(1);
    let (wishes, wished) = bounded(16);
    let news = Inbox {
        news: Arc::default(),
        bell,
    };
    let source = Source {
        news: Arc::clone(&news.news),
        rings,
        wishes,
        has_history,
        is_filtered: false,
    };
    (source, news, wished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_look_is_told_how_much_went_by() {
        let (source, inbox, _wished) = pair(false);
        for _ in 0..WAITING_MAX + 5 {
            inbox.failure(Kind::Query, Failure::default());
        }
        // One kind does not crowd out the other.
        assert!(!inbox.has_room(Kind::Query) && inbox.has_room(Kind::Lookup));
        inbox.failure(Kind::Lookup, Failure::default());
        let news = source.take();
        let seen = |it: &Failures| (it.told.len(), it.lost);
        assert_eq!(seen(&news.queries), (WAITING_MAX, 5));
        assert_eq!(seen(&news.lookups), (1, 0));
        assert!(source.rings.try_recv().is_err());
        inbox.notice("a".to_owned());
        inbox.notice("b".to_owned());
        assert!(source.rings.try_recv().is_ok());
        assert!(source.rings.try_recv().is_err(), "it rings once");
        let news = source.take();
        assert_eq!((news.queries.lost, news.notice.as_deref()), (0, Some("b")));
    }
}
