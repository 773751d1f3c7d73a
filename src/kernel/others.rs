//! Programs of others that may deny a send, as Cilium's.

use std::fs;
use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// More control groups are not looked at; then one of the others may have one.
const GROUPS_MAX: usize = 16_384;

/// The hooks of `sendmsg()`.
const SENDMSG: [libbpf_sys::bpf_attach_type; 2] = [
    libbpf_sys::BPF_CGROUP_UDP4_SENDMSG,
    libbpf_sys::BPF_CGROUP_UDP6_SENDMSG,
];

/// Whether a program of somebody else hangs on `sendmsg()`, on the root of cgroup v2 or
/// below it. `own` is whether kerno's own do so just now.
pub(crate) fn may_deny_sends(root: BorrowedFd<'_>, own: bool) -> io::Result<bool> {
    for hook in SENDMSG {
        if programs(root, hook)? > u32::from(own) {
            return Ok(true);
        }
    }
    let mut folders = vec![PathBuf::from(format!(
        "/proc/self/fd/{}/.",
        root.as_raw_fd()
    ))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        // It may be gone by now; one that cannot be read has nothing for kerno.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            seen += 1;
            if seen > GROUPS_MAX {
                return Ok(true);
            }
            let path = entry.path();
            let Ok(group) = File::open(&path) else {
                continue;
            };
            for hook in SENDMSG {
                if programs(group.as_fd(), hook).is_ok_and(|number| number > 0) {
                    return Ok(true);
                }
            }
            // Two links are the folder itself and its ".": there is none below it.
            if group.metadata().is_ok_and(|it| it.nlink() > 2) {
                folders.push(path);
            }
        }
    }
    Ok(false)
}

/// How many hang on a hook of this very control group.
fn programs(group: BorrowedFd<'_>, hook: libbpf_sys::bpf_attach_type) -> io::Result<u32> {
    let mut number = 0;
    let fd = group.as_raw_fd();
    let nothing = std::ptr::null_mut();
    // SAFETY: the kernel is given no room for ids, and writes their number alone.
    let error =
        unsafe { libbpf_sys::bpf_prog_query(fd, hook, 0, nothing, nothing, &raw mut number) };
    match error {
        0 => Ok(number),
        _ => Err(io::Error::from_raw_os_error(-error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That a program is found is in tests/e2e, which have control groups of their own.
    #[test]
    fn live_what_is_no_control_group_is_an_error() {
        let folder = File::open("/proc").expect("a folder");
        assert!(may_deny_sends(folder.as_fd(), false).is_err());
    }
}
