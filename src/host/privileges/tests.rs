//! What a thread may do no more, tried by one that has given it up.

use std::fs;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::thread;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::*;

/// In a thread: rights, mounts and filters are a thread's, and those of the test stay.
fn lowered<T: Send>(writable: &[&Path], tried: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            lower(writable);
            tried()
        });
        thread.join().expect("it has tried")
    })
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn root_files_are_written_only_below_the_folders_named() {
    let (mine, other) = (tempfile::tempdir(), tempfile::tempdir());
    let (mine, other) = (mine.expect("a folder"), other.expect("a folder"));
    let strange = Path::new("/etc/kerno-has-written-this");
    let (there, elsewhere, etc) = lowered(&[mine.path()], || {
        (
            errno(fs::write(mine.path().join("file"), "")),
            errno(fs::write(other.path().join("file"), "")),
            errno(fs::write(strange, "")),
        )
    });
    assert_eq!(there, None);
    assert_eq!(elsewhere, Some(libc::EROFS));
    assert_eq!(etc, Some(libc::EROFS));
    assert!(!strange.exists());
    // The other threads have what they had.
    fs::write(other.path().join("file"), "").expect("this thread may");
}

#[test]
fn root_a_folder_that_lies_in_another_is_written_too() {
    let outer = tempfile::tempdir().expect("a folder");
    let inner = outer.path().join("history");
    fs::create_dir(&inner).expect("a folder");
    for folders in [[inner.as_path(), outer.path()], [outer.path(), &inner]] {
        let written = lowered(&folders, || {
            folders.map(|it| errno(fs::write(it.join("file"), "")))
        });
        assert_eq!(written, [None; 2], "{folders:?}");
    }
}

#[test]
fn root_nothing_is_traced_mounted_or_loaded() {
    let (traced, mounted, loaded) = lowered(&[], || {
        let none: Option<&str> = None;
        let target = Some("tmpfs");
        (
            // SAFETY: a call with plain numbers, which fails or does nothing.
            Errno::result(unsafe {
                libc::ptrace(libc::PTRACE_SEIZE, Pid::parent().as_raw(), 0, 0)
            }),
            mount(target, "/mnt", target, MsFlags::empty(), none),
            // SAFETY: a call with plain numbers, which denies itself or fails.
            unsafe { libc::syscall(libc::SYS_finit_module, -1, c"".as_ptr(), 0) },
        )
    });
    assert_eq!(traced, Err(Errno::EPERM));
    assert_eq!(mounted, Err(Errno::EPERM));
    assert_eq!(loaded, -1);
}

#[test]
fn root_nobody_is_called_over_tcp() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stream, datagram) = lowered(&[], || {
        (
            errno(TcpStream::connect(address)),
            errno(UdpSocket::bind(("127.0.0.1", 0))),
        )
    });
    assert_eq!(stream, Some(libc::EPERM));
    // Network namespaces are asked by datagrams.
    assert_eq!(datagram, None);
    // Who was listening before still is.
    let asked = thread::spawn(move || TcpStream::connect(address));
    lowered(&[], || listener.accept().map(drop)).expect("a connection");
    asked.join().expect("it has tried").expect("connected");
}

#[test]
fn root_capabilities_are_those_that_watching_needs() {
    let left = |set| {
        lowered(&[], move || {
            let held = caps::read(None, set).expect("the set");
            held.into_iter().filter(|it| !KEPT.contains(it)).count()
        })
    };
    assert!(caps::read(None, CapSet::Effective).expect("the set").len() > KEPT.len());
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Bounding] {
        assert_eq!(left(set), 0, "{set:?}");
    }
    let new = lowered(&[], || {
        // SAFETY: it reads a bit of this thread.
        unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) }
    });
    assert_eq!(new, 1);
}
