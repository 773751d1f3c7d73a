//! Windows as they are stored, from octets: for `crate::fuzzing`.

use super::*;
#[cfg(test)]
use crate::window::stored::tests::sample_window;

/// What would be in a row whose window has these octets: compressed, and with a head that this
/// run believes.
pub(crate) fn packed(plain: &[u8]) -> Vec<u8> {
    let mut octets = Vec::from(FORMAT.to_le_bytes());
    octets.extend(hashing::mark().to_le_bytes());
    let packed = zstd::stream::encode_all(plain, 1).expect("it is compressed");
    octets.extend(packed);
    octets
}

/// Reads a window, and says whether there is one: then it is written and read again.
pub(crate) fn restored(stored: &[u8]) -> Option<ClosedWindow> {
    let window = ClosedWindow::restore(stored).ok()?;
    let plain = borsh::to_vec(&window).expect("it is written");
    let again = window.clone().store(Names::All).expect("it is written");
    let again = ClosedWindow::restore(&again).expect("it is read");
    assert_eq!(plain, borsh::to_vec(&again).expect("it is written"));
    Some(window)
}

/// A window with a bit of everything.
#[cfg(test)]
pub(crate) fn seed() -> Vec<u8> {
    borsh::to_vec(&sample_window()).expect("it is written")
}

/// The same with more attempts than a number has room for: found by libFuzzer.
#[cfg(test)]
pub(crate) fn seed_beyond_counting() -> Vec<u8> {
    let mut window = sample_window();
    window.seen.totals.dropped = u64::MAX;
    borsh::to_vec(&window).expect("it is written")
}
