//! The name of a process, as `ps` and the kernel show it.

use std::ffi::CString;

use anyhow::Context as _;
use anyhow::Result;
use nix::sys::prctl;

/// Gives this process a name of 15 bytes at most.
pub(super) fn set_comm(comm: &str) -> Result<()> {
    let name = CString::new(comm)?;
    prctl::set_name(&name).with_context(|| format!("cannot take the name {comm}"))
}
