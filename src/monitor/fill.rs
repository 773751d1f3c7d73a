//! How full the kernel's side is: the fullest of late.

use std::time::Duration;
use std::time::Instant;

use libbpf_rs::AsRawLibbpf as _;
use libbpf_rs::RingBuffer;

/// The fullest is told for so long at least: whoever scrapes once a minute sees it.
const KEPT: Duration = Duration::from_secs(60);

/// Places of the kernel's side that may be full, and how full each was of late: 0 to 1.
#[derive(Debug)]
pub(super) struct Fill {
    since: Instant,
    now: Shares,
    before: Shares,
}

type Shares = Vec<(&'static str, f64)>;

impl Fill {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            now: Shares::new(),
            before: Shares::new(),
        }
    }

    /// A place is this full now.
    pub(super) fn see(&mut self, place: &'static str, share: f64) {
        raise(&mut self.now, place, share);
    }

    /// The fullest of the last minute or two.
    pub(super) fn fullest(&mut self, now: Instant) -> Shares {
        let mut fullest = self.before.clone();
        for (place, share) in &self.now {
            raise(&mut fullest, place, *share);
        }
        if now.saturating_duration_since(self.since) >= KEPT {
            self.since = now;
            self.before = std::mem::take(&mut self.now);
        }
        fullest
    }
}

fn raise(shares: &mut Shares, place: &'static str, share: f64) {
    match shares.iter_mut().find(|(known, _)| *known == place) {
        Some((_, known)) => *known = known.max(share),
        None => shares.push((place, share)),
    }
}

/// How full the ring buffer is.
pub(super) fn of_ring(ring: &RingBuffer<'_>) -> f64 {
    // SAFETY: the ring buffer lives as long as the borrow; the call only looks up its first ring.
    let first = unsafe { libbpf_sys::ring_buffer__ring(ring.as_libbpf_object().as_ptr(), 0) };
    if first.is_null() {
        return 0.0;
    }
    // SAFETY: the ring belongs to the ring buffer; its positions are mapped memory.
    let (waiting, size) = unsafe {
        (
            libbpf_sys::ring__avail_data_size(first),
            libbpf_sys::ring__size(first),
        )
    };
    waiting as f64 / size.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_is_told_for_a_minute_at_least_and_for_two_at_most() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut fill = Fill::new(begin);
        assert_eq!(fill.fullest(begin), []);
        fill.see("ring", 0.9);
        fill.see("ring", 0.2);
        fill.see("slots", 0.1);
        let told = |fill: &mut Fill, seconds| {
            let fullest = fill.fullest(at(seconds));
            fullest
                .iter()
                .find(|(place, _)| *place == "ring")
                .map(|it| it.1)
        };
        for seconds in [10, 50, 60, 70, 119] {
            assert_eq!(told(&mut fill, seconds), Some(0.9), "{seconds}");
            fill.see("ring", 0.3);
        }
        assert_eq!(told(&mut fill, 121), Some(0.9));
        assert_eq!(told(&mut fill, 122), Some(0.3));
    }
}
