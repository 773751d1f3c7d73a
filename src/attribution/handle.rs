//! A control group by its id: the kernel takes it as a file handle.

use std::fs;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;

/// `FILEID_KERNFS` of include/linux/exportfs.h, since Linux 5.5: the handle is
/// the 64-bit id, as `bpf_skb_cgroup_id` gives it.
const FILEID_KERNFS: i32 = 0xfe;

/// `struct file_handle` with its octets.
#[repr(C)]
struct FileHandle {
    bytes: u32,
    kind: i32,
    id: u64,
}

/// The path of the control group with this id, from the root of the hierarchy
/// that is mounted at `root`, which is empty itself.
/// `ESTALE` if there is none, `EPERM` without `CAP_DAC_READ_SEARCH`.
pub(super) fn path_of(root: BorrowedFd<'_>, id: u64) -> io::Result<Vec<u8>> {
    let group = open(root, id)?;
    let path = link(group.as_raw_fd())?;
    let path = path.strip_suffix(b" (deleted)").unwrap_or(&path);
    let root = link(root.as_raw_fd())?;
    // A mount that no path leads to has the root `/`.
    let below = match path.strip_prefix(root.as_slice()) {
        Some(below) if root != b"/" => below,
        _ => path,
    };
    Ok(below.to_vec())
}

fn open(root: BorrowedFd<'_>, id: u64) -> io::Result<OwnedFd> {
    let mut handle = FileHandle {
        bytes: 8,
        kind: FILEID_KERNFS,
        id,
    };
    // SAFETY: the handle is as long as it says and lives through the call, which
    // only reads it; the descriptor is open.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_open_by_handle_at,
            root.as_raw_fd(),
            &raw mut handle,
            libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC,
        )
    };
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given us this descriptor.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn link(fd: i32) -> io::Result<Vec<u8>> {
    let link = fs::read_link(format!("/proc/self/fd/{fd}"))?;
    Ok(link.into_os_string().into_vec())
}
