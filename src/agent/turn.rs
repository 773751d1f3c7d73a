//! Windows are put together and judged by one thread at a time: what that takes of memory for
//! a moment is taken once, not by three threads together when ten seconds are over.

use std::sync::Mutex;
use std::sync::PoisonError;

static TURN: Mutex<()> = Mutex::new(());

/// Does it when nobody else does. It must wait for nobody outside, and not take turns itself.
pub(super) fn in_turn<T>(work: impl FnOnce() -> T) -> T {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    work()
}
