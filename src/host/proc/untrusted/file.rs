//! How one such file is opened.
//!
//! What is asked for may be a link out of there, a pipe that nobody writes to, a
//! device that does something when it is opened, a lease that makes who opens wait,
//! a file of the kernel that waits or is used up by reading (`/proc/kmsg`), or one
//! without an end.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::fcntl::OpenHow;
use nix::fcntl::ResolveFlag;
use nix::fcntl::openat2;
use nix::sys::statfs::fstatfs;

/// More than enough: see the test.
const TRIES: usize = 32;

/// What a regular file in such a folder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Device and inode number: which file it is, whatever its path.
    pub identity: (u64, u64),
    /// The beginning of it, as much as was asked for.
    pub octets: Vec<u8>,
}

impl Content {
    /// The octets as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.octets).into_owned()
    }
}

/// See [`super::read`].
pub(super) fn read(folder: &Path, file: &Path, max: u64) -> io::Result<Content> {
    // Without opening it: a folder of FUSE may never answer that.
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_DIRECTORY)
        .open(folder)?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let handle = File::from(resolve(&folder, file, how)?);
    let found = handle.metadata()?;
    if !found.is_file() || is_of_the_kernel(&handle)? {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // The same file, whatever has been put in its place meanwhile.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(format!("/proc/self/fd/{}", handle.as_raw_fd()))?;
    let mut octets = Vec::new();
    file.take(max).read_to_end(&mut octets)?;
    Ok(Content {
        identity: (found.dev(), found.ino()),
        octets,
    })
}

/// File systems that the kernel makes up (linux/magic.h): to read there may wait, use
/// something up, or set off work in a driver.
const KERNEL_MADE: [i64; 8] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x7363_6673, // securityfs
    0x6165_676c, // pstore
];

fn is_of_the_kernel(handle: &File) -> io::Result<bool> {
    let kind = fstatfs(handle)?.filesystem_type();
    Ok(KERNEL_MADE.contains(&(kind.0 as i64)))
}

/// The kernel gives up at a `..` if anything on the host is renamed or mounted at
/// that moment (openat2(2)), and resolv.conf is often a link with one.
fn resolve(folder: &File, file: &Path, how: OpenHow) -> nix::Result<OwnedFd> {
    let mut tries = 1;
    loop {
        match openat2(folder, file, how) {
            Err(Errno::EAGAIN) if tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::atomic::AtomicBool;
    use std::sync::atomic::Ordering;
    use std::time::Duration;
    use std::time::Instant;

    use nix::sys::stat::Mode;
    use nix::sys::stat::SFlag;
    use nix::sys::stat::makedev;
    use nix::sys::stat::mknod;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;

    use super::*;

    /// A stranger's folder, `root`, beside a file of the host.
    fn place() -> TempDir {
        let place = tempfile::tempdir().expect("a folder");
        fs::write(place.path().join("secret"), "of the host").expect("a file");
        fs::create_dir_all(place.path().join("root/etc")).expect("folders");
        fs::write(place.path().join("root/secret"), "of the stranger").expect("a file");
        place
    }

    fn read(place: &TempDir) -> io::Result<String> {
        let begun = Instant::now();
        let folder = place.path().join("root");
        let content = super::read(&folder, Path::new("/etc/file"), 1000);
        assert!(begun.elapsed() < Duration::from_secs(5));
        content.map(|content| content.text())
    }

    #[test]
    fn live_links_are_followed_and_lead_nowhere_else() {
        for target in [
            "/secret",
            "../secret",
            "../../../secret",
            "/etc/../../secret",
        ] {
            let place = place();
            symlink(target, place.path().join("root/etc/file")).expect("a link");
            assert_eq!(read(&place).expect(target), "of the stranger");
        }
        let place = place();
        let secret = place.path().join("secret");
        fs::remove_dir(place.path().join("root/etc")).expect("gone");
        // Of a folder on the way, and absolute as the host has it.
        symlink(place.path(), place.path().join("root/etc")).expect("a link");
        symlink(secret, place.path().join("file")).expect("a link");
        assert!(read(&place).is_err());
    }

    #[test]
    fn live_who_renames_meanwhile_does_not_hide_a_file() {
        let place = place();
        symlink("../secret", place.path().join("root/etc/file")).expect("a link");
        let names = [place.path().join("a"), place.path().join("b")];
        fs::write(&names[0], "").expect("a file");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    fs::rename(&names[0], &names[1]).expect("to rename");
                    fs::rename(&names[1], &names[0]).expect("to rename");
                }
            });
            let found = (0..1000).filter(|_| read(&place).is_ok()).count();
            over.store(true, Ordering::Relaxed);
            assert_eq!(found, 1000);
        });
    }

    #[test]
    fn live_links_of_procfs_are_not_followed() {
        let secret = File::open("/etc/passwd").expect("a file");
        let own = std::process::id();
        let fd = secret.as_raw_fd();
        let refused = super::read(Path::new("/proc"), Path::new(&format!("{own}/fd/{fd}")), 1);
        let errno = refused.map(|_| ()).unwrap_err().raw_os_error();
        assert_eq!(errno, Some(libc::ELOOP));
    }

    #[test]
    fn a_loop_of_links_and_a_folder_are_no_file() {
        let place = place();
        let file = place.path().join("root/etc/file");
        symlink("/etc/file", &file).expect("a link");
        assert!(read(&place).is_err());
        fs::remove_file(&file).expect("gone");
        fs::create_dir(&file).expect("a folder");
        assert_eq!(read(&place).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::remove_dir(&file).expect("gone");
        assert_eq!(read(&place).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_pipe_without_a_writer_holds_nothing_up() {
        let place = place();
        mkfifo(&place.path().join("root/etc/file"), Mode::S_IRWXU).expect("a pipe");
        assert_eq!(read(&place).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn root_a_device_is_not_opened() {
        let place = place();
        let file = place.path().join("root/etc/file");
        // /dev/zero, which has no end either.
        mknod(&file, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 5)).expect("a device (root?)");
        assert_eq!(read(&place).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn live_files_of_the_kernel_are_not_read() {
        for file in ["proc/kallsyms", "sys/kernel/notes"] {
            let refused = super::read(Path::new("/"), Path::new(file), 1).expect_err(file);
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{file}");
        }
    }

    #[test]
    fn live_of_a_huge_file_no_more_is_read_than_was_asked_for() {
        let place = place();
        let file = File::create(place.path().join("root/etc/file")).expect("a file");
        file.set_len(10 << 30).expect("a sparse file");
        assert_eq!(read(&place).expect("a file").len(), 1000);
    }
}
