//! Answers of a CRI socket, from octets: for `crate::fuzzing`.

use super::*;

/// Names these by what a socket answers: to three calls, one behind the other with its length
/// in two octets before it.
pub(in crate::attribution::names) fn name(octets: &[u8], wanted: &[Arc<Subject>]) {
    let mut rest = octets;
    let mut next = || {
        let (len, behind) = rest.split_first_chunk().unwrap_or((&[0; 2], rest));
        let len = usize::from(u16::from_le_bytes(*len)).min(behind.len());
        let (message, behind) = behind.split_at(len);
        rest = behind;
        message.to_vec()
    };
    let (version, containers, sandboxes) = (next(), next(), next());
    let told = Told {
        runtime: who(&version[..]).unwrap_or_default(),
        containers: items(containers.into()).unwrap_or_default(),
        sandboxes: items(sandboxes.into()).unwrap_or_default(),
    };
    assert!(told.containers.len() <= call::ITEMS_MAX);
    assert!(told.sandboxes.len() <= call::ITEMS_MAX);
    told.name(wanted);
}
