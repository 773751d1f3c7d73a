//! How the kernel's side stands, beside what windows say.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::kernel::Runs;

/// As of the last window that is over.
#[derive(Clone, Debug, Default)]
pub struct KernelState {
    /// The ring buffer and the maps, and how full each was of late at most: 0 to 1.
    pub fill: Vec<(&'static str, f64)>,
    /// By program.
    pub runs: Vec<(String, Runs)>,
}

/// Where the poller tells it.
#[derive(Clone, Debug, Default)]
pub struct KernelStanding(Arc<Mutex<KernelState>>);

impl KernelStanding {
    /// As it is now.
    pub fn now(&self) -> KernelState {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    pub(super) fn set(&self, state: KernelState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
