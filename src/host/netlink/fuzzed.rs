//! Answers of connection tracking, from octets: for `crate::fuzzing`.

use super::answers;
use super::conntrack;
use super::soon;
use crate::host::proc::conntrack_table::Flow;

/// What one message with answers tells, read as a dump is.
pub(crate) fn flows(octets: &[u8]) -> Vec<Flow> {
    let mut flows = Vec::new();
    let mut is_first = true;
    let receive = |buffer: &mut [u8]| {
        // Nothing comes behind it.
        if !std::mem::take(&mut is_first) {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let len = octets.len().min(buffer.len());
        buffer[..len].copy_from_slice(&octets[..len]);
        Ok(len)
    };
    let _end = answers(receive, soon(), |family, entry| {
        flows.extend(conntrack::flow(1, family, entry));
    });
    flows
}
