//! Hash maps for what is counted at once for each query: keyed at random, as strangers choose
//! what is in them, and several times as fast as the standard library's.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// A hash map.
pub(super) type Table<K, V> = HashMap<K, V, RandomState>;
