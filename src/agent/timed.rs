//! A window, and when it was by the wall clock: the newest as it is, an older one packed.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use crate::window::ClosedWindow;

/// Older ones are put together, to be as long as this.
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Which window it is, whatever the clock says: a run of an agent counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The run, by a random number.
    pub run: i64,
    /// The first window that is in it.
    pub first: u64,
    /// The last one.
    pub last: u64,
}

impl Place {
    /// Whether this one ends where the other begins.
    pub(super) fn is_before(&self, next: &Self) -> bool {
        self.run == next.run && self.last + 1 == next.first
    }
}

/// A window, or what stands for it, and when it was by the wall clock.
#[derive(Clone, Debug)]
pub struct Timed<W = ClosedWindow> {
    /// Which it is.
    pub place: Place,
    /// When it began.
    pub from: SystemTime,
    /// When it ended.
    pub to: SystemTime,
    /// What was seen.
    pub window: W,
}

impl<W> Timed<W> {
    /// Something else of the same time.
    fn with<V>(&self, window: V) -> Timed<V> {
        Timed {
            place: self.place,
            from: self.from,
            to: self.to,
            window,
        }
    }

    pub(super) fn overlaps(&self, from: SystemTime, to: SystemTime) -> bool {
        self.from < to && self.to > from
    }

    /// Whether the time of this length is over that it began in.
    pub(super) fn is_over(&self, length: Duration) -> bool {
        number(self.to, length) != number(self.from, length)
    }

    /// Whether both are in one time of this length, and nothing lies between.
    pub(super) fn goes_on_in<V>(&self, next: &Timed<V>, length: Duration) -> bool {
        self.place.is_before(&next.place)
            && self.to == next.from
            && number(self.from, length) == number(next.from, length)
    }
}

/// Which one it is in, of all times of this length since 1970.
fn number(moment: SystemTime, length: Duration) -> u64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / length.as_secs()
}

impl Timed {
    /// Puts a later one behind it.
    pub(super) fn merge(&mut self, next: &Self) {
        self.to = next.to;
        match self.place.is_before(&next.place) {
            true => self.window.merge(&next.window),
            false => self.window.merge_apart(&next.window),
        }
        if self.place.run == next.place.run {
            self.place.last = next.place.last;
        } else {
            self.place = next.place;
        }
    }
}

/// A packed window takes a tenth to a thirtieth of one that is whole.
#[derive(Debug)]
pub struct Packed {
    octets: Vec<u8>,
    queries: u64,
}

/// A window as memory keeps it; a copy is cheap.
pub type Held = Timed<Form>;

/// What a window is in memory.
#[derive(Clone, Debug)]
pub enum Form {
    /// Itself.
    Whole(Arc<Timed>),
    /// Its octets.
    Packed(Arc<Packed>),
}

impl Held {
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.window, Form::Whole(_))
    }

    /// The window itself; `None`, and that is logged, if it cannot be unpacked.
    pub(super) fn whole(&self) -> Option<Arc<Timed>> {
        match &self.window {
            Form::Whole(timed) => Some(Arc::clone(timed)),
            Form::Packed(packed) => {
                let window = ClosedWindow::restore(&packed.octets);
                let window = window.inspect_err(|why| log::error!("a window in memory: {why}"));
                Some(Arc::new(self.with(window.ok()?)))
            }
        }
    }

    /// What it takes, in octets, about.
    pub(super) fn octets(&self) -> usize {
        match &self.window {
            Form::Whole(timed) => timed.window.octets(),
            Form::Packed(packed) => packed.octets.capacity() + size_of::<Packed>(),
        }
    }

    /// Attempts that ended in it.
    pub(super) fn queries(&self) -> u64 {
        match &self.window {
            Form::Whole(timed) => timed.window.queries(),
            Form::Packed(packed) => packed.queries,
        }
    }
}

impl From<Arc<Timed>> for Held {
    fn from(timed: Arc<Timed>) -> Self {
        timed.with(Form::Whole(Arc::clone(&timed)))
    }
}

/// Several that follow each other as one, packed; `None` if that fails.
pub(super) fn packed(all: &[Held]) -> Option<Held> {
    let whole = match all {
        [one] => one.whole()?,
        _ => Arc::new(together(all)?),
    };
    let octets = whole.window.pack();
    let mut octets = octets
        .inspect_err(|why| log::error!("a window cannot be packed: {why}"))
        .ok()?;
    octets.shrink_to_fit();
    let queries = whole.window.queries();
    let packed = Form::Packed(Arc::new(Packed { octets, queries }));
    Some(whole.with(packed))
}

/// Those of one minute that follow each other.
pub(super) fn grouped<'a>(all: impl Iterator<Item = &'a Held>) -> Vec<Vec<Held>> {
    let mut minutes: Vec<Vec<Held>> = Vec::new();
    for held in all {
        match minutes.last_mut() {
            Some(minute)
                if minute
                    .last()
                    .is_some_and(|last| last.goes_on_in(held, MINUTE)) =>
            {
                minute.push(held.clone());
            }
            _ => minutes.push(vec![held.clone()]),
        }
    }
    minutes
}

/// One window of several that follow each other.
pub(super) fn together(all: &[Held]) -> Option<Timed> {
    let mut whole = None;
    all.iter()
        .filter_map(Held::whole)
        .for_each(|next| add(&mut whole, next));
    whole
}

/// Puts a later one behind what there is.
pub(super) fn add(whole: &mut Option<Timed>, next: Arc<Timed>) {
    match whole {
        Some(whole) => whole.merge(&next),
        None => *whole = Some(Arc::unwrap_or_clone(next)),
    }
}
