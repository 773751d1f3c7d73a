//! Hashes of what strangers choose, that an agent's windows keep: keyed, because whoever
//! chooses names must not choose collisions, and with the same key by every agent of a host, so
//! that windows of a former one are about the same names.

use std::hash::BuildHasher as _;
use std::hash::Hash;
use std::hash::Hasher as _;
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

static KEY: OnceLock<u64> = OnceLock::new();

/// Uses this key, unless one is in use; says which one is.
pub fn use_key(key: u64) -> u64 {
    *KEY.get_or_init(|| key)
}

/// The key that is in use. Whoever knows it can choose collisions.
pub fn key() -> u64 {
    *KEY.get_or_init(|| match cfg!(any(test, fuzzing)) {
        // What is written is compared.
        true => 7,
        // The standard library takes its own from the system, at random.
        false => std::hash::RandomState::new().build_hasher().finish(),
    })
}

/// Says of a hash whether it was made with the same key, and in the same way.
pub fn mark() -> u64 {
    hash(b"kerno".as_slice())
}

pub(super) fn hash(of: impl Hash) -> u64 {
    static STATE: OnceLock<SeedableRandomState> = OnceLock::new();
    static SHARED: OnceLock<SharedSeed> = OnceLock::new();
    let state = STATE.get_or_init(|| {
        let shared = SHARED.get_or_init(|| SharedSeed::from_u64(key()));
        SeedableRandomState::with_seed(key(), shared)
    });
    state.hash_one(of)
}
