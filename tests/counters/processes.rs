//! `proc` and `disk`: each one file and its test.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;

use super::place::Alone;
use super::place::PAGE;
use super::place::cold_file;
use super::place::count;
use super::place::folder;
use super::place::mine;
use super::place::of_process;
use super::place::start;

#[test]
fn root_children_are_counted() {
    const CHILDREN: u64 = 30;
    let _alone = Alone::here();
    let proc = start("proc");
    let mut pids = Vec::new();
    for _ in 0..CHILDREN {
        let mut child = Command::new("true").spawn().expect("it starts");
        pids.push(child.id());
        assert!(child.wait().expect("it ends").success());
    }
    assert_eq!(count(&mine(&proc), "forks"), CHILDREN);
    for pid in pids {
        let figures = of_process(&proc, pid);
        assert_eq!(count(&figures, "execs"), 1, "{figures:?}");
        assert_eq!(count(&figures, "exits"), 1, "{figures:?}");
    }
}

#[test]
fn root_requests_to_a_disk_are_counted() {
    const REQUESTS: u64 = 100;
    let _alone = Alone::here();
    let folder = folder();
    cold_file(folder.path(), REQUESTS);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(folder.path().join("cold"))
        .expect("a file system on a disk");
    let disk = start("disk");
    let before = mine(&disk);
    // Aligned, as the disk wants it.
    let mut room = vec![0u8; 2 * PAGE as usize];
    let at = room.as_ptr().align_offset(PAGE as usize);
    let page = &mut room[at..][..PAGE as usize];
    for number in 0..REQUESTS {
        file.read_exact_at(page, number * PAGE)
            .expect("it can be read");
    }
    let figures = mine(&disk);
    let more = |counter| count(&figures, counter) - count(&before, counter);
    assert_eq!(more("requests"), REQUESTS, "{figures:?}");
    assert_eq!(more("latency"), REQUESTS, "{figures:?}");
    assert_eq!(more("bytes"), REQUESTS * PAGE, "{figures:?}");
}
