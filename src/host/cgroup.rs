//! The root of the cgroup v2 hierarchy: where it is mounted, or a private
//! mount of our own that no path leads to.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;

use super::proc::Root;
use super::proc::mountinfo;

/// Inode number of the root of the whole hierarchy; a cgroup namespace shows
/// another one.
const ROOT_INODE: u64 = 1;

/// Opens the root. On a host without a cgroup2 mount (cgroup v1 only) it makes
/// a detached mount, which ends with the last descriptor, even after SIGKILL.
pub(super) fn open_root() -> Result<File> {
    let mounts = mountinfo::read(&Root::default())
        .context("cannot read /proc/thread-self/mountinfo; is /proc mounted?")?;
    let root = match mount_points(&mounts).find_map(|path| File::open(path).ok()) {
        Some(root) => root,
        None => detached_mount().context(
            "no cgroup v2 hierarchy is mounted, and mounting one was refused; \
             try: mount -t cgroup2 none /sys/fs/cgroup/unified",
        )?,
    };
    Ok(root)
}

/// Where the hierarchy of cgroup v2 is mounted, if it is.
pub fn mount_point() -> Option<PathBuf> {
    let mounts = mountinfo::read(&Root::default()).ok()?;
    mount_points(&mounts).next()
}

/// Whether this is the root of the whole host, and not of a cgroup namespace.
pub(super) fn is_host_root(root: &File) -> bool {
    root.metadata().is_ok_and(|root| root.ino() == ROOT_INODE)
}

/// Mount points of cgroup2 file systems; a whole hierarchy before a bind mount
/// of a part.
fn mount_points(mountinfo: &[u8]) -> impl Iterator<Item = PathBuf> {
    let mut found: Vec<(bool, PathBuf)> = mountinfo::parse(mountinfo)
        .filter(|mount| mount.filesystem == b"cgroup2")
        .map(|mount| (mount.root != "/", mount.point))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path)
}

/// fsopen(2), fsconfig(2) and fsmount(2), Linux 5.2; nix does not wrap them.
fn detached_mount() -> Result<File> {
    const CGROUP2: &CStr = c"cgroup2";
    /// include/uapi/linux/mount.h
    const FSOPEN_CLOEXEC: libc::c_long = 1;
    const FSMOUNT_CLOEXEC: libc::c_long = 1;
    const FSCONFIG_CMD_CREATE: libc::c_long = 6;

    // SAFETY: the name is a NUL-terminated string; the kernel only reads it.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, CGROUP2.as_ptr(), FSOPEN_CLOEXEC) };
    let context = owned(context)?;
    // SAFETY: the descriptor is open; this command takes no further arguments.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_void>(),
            0,
        )
    };
    if created != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the descriptor is open; the rest are plain numbers.
    let mount = unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC,
        )
    };
    Ok(File::from(owned(mount)?))
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        // SAFETY: the kernel has just given us this descriptor.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_hierarchy_comes_before_a_part_of_it() {
        let mountinfo = "\
            24 1 0:22 / /sys rw - sysfs sysfs rw\n\
            30 24 0:26 /kubepods /var/part rw,relatime - cgroup2 cgroup2 rw\n\
            31 24 0:26 / /sys/fs/cgroup/with\\040space rw shared:9 - cgroup2 none rw\n";
        let points: Vec<_> = mount_points(mountinfo.as_bytes()).collect();
        assert_eq!(
            points,
            [
                PathBuf::from("/sys/fs/cgroup/with space"),
                PathBuf::from("/var/part")
            ]
        );
    }

    #[test]
    fn nonsense_has_no_mount_points() {
        for junk in [
            "",
            " - ",
            " - cgroup2",
            "a b c - cgroup2",
            "1 2 3 / - cgroup2 x",
        ] {
            assert_eq!(mount_points(junk.as_bytes()).count(), 0, "{junk:?}");
        }
    }

    #[test]
    fn root_a_detached_mount_is_the_root_of_the_hierarchy() {
        let root = detached_mount().expect("needs root");
        assert_eq!(root.metadata().expect("stat").ino(), ROOT_INODE);
    }
}
