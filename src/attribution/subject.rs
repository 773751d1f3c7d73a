//! A control group while it is found out whose it is.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use crate::attempt::Identity;
use crate::attempt::identity::Delegated;

/// Shared by the threads that find it out. An attempt gets what is known when it
/// goes on; what comes later is in the table at the end.
#[derive(Debug)]
pub(super) struct Subject {
    of_path: Arc<Identity>,
    latest: RwLock<Arc<Identity>>,
    awaited: AtomicBool,
    unnamed: AtomicU64,
}

impl Subject {
    /// The control group with this path, as seen from the root, where a part of it may be a
    /// user's.
    pub(super) fn of_cgroup(path: &[u8], delegated: Option<Delegated>) -> Self {
        let of_path = Arc::new(Identity::of_delegated(path, delegated));
        Self {
            latest: RwLock::new(Arc::clone(&of_path)),
            of_path,
            awaited: AtomicBool::new(false),
            unnamed: AtomicU64::new(0),
        }
    }

    /// What its path says, without names.
    pub(super) fn of_path(&self) -> &Identity {
        &self.of_path
    }

    pub(super) fn identity(&self) -> Arc<Identity> {
        // A change is made at once or not at all, whoever panics.
        Arc::clone(&self.latest.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn learn(&self, add: impl FnOnce(&mut Identity)) {
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        add(Arc::make_mut(&mut latest));
    }

    /// Whether a name is missing that somebody may know.
    pub(super) fn lacks_names(&self) -> bool {
        self.identity().lacks_names()
    }

    /// Whether somebody is just looking for its names.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    pub(super) fn set_awaited(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::Release);
    }

    /// Counts attempts that went on without names.
    pub(super) fn went_unnamed(&self, number: u64) {
        self.unnamed.fetch_add(number, Ordering::Relaxed);
    }

    /// Takes the count of those attempts.
    pub(super) fn take_unnamed(&self) -> u64 {
        self.unnamed.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_an_identity_keeps_it_and_the_next_one_gets_the_name() {
        let pod = Subject::of_cgroup(b"/kubepods/podu-1", None);
        let before = pod.identity();
        pod.learn(|identity| identity.name_pod("shop", "web-1", ""));
        assert!(before.lacks_names() && !pod.lacks_names());
        assert_eq!(*before, *pod.identity());
        assert!(pod.of_path().lacks_names());
    }
}
