//! How many there must be before more than a warning is said.

use crate::thresholds::SAMPLE_MIN;

/// What a small sample is worth, in words; `None` if it is large enough.
pub(super) fn small(size: u64, what: &str) -> Option<String> {
    (size < SAMPLE_MIN).then(|| {
        format!(
            "The sample is small: {size} {what}, and it takes {SAMPLE_MIN} for more than a warning."
        )
    })
}
