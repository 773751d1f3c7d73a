//! `mem`.

use std::fs;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use kerno_chaos::testbed::Cgroup;
use nix::sys::resource::UsageWho;
use nix::sys::resource::getrusage;

use super::place::Alone;
use super::place::PAGE;
use super::place::cold_file;
use super::place::count;
use super::place::folder;
use super::place::forget;
use super::place::mine;
use super::place::start;
use super::place::touch;

fn major_faults() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    usage.major_page_faults() as u64
}

#[test]
fn root_each_major_page_fault_is_counted_once() {
    const PAGES: u64 = 1000;
    let _alone = Alone::here();
    let folder = folder();
    let file = cold_file(folder.path(), PAGES);
    let len = (PAGES * PAGE) as usize;
    // SAFETY: a new mapping of a file that stays as long.
    let start_of = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            len,
            libc::PROT_READ,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    assert_ne!(start_of, libc::MAP_FAILED);
    // SAFETY: the mapping that was just made: page by page, without reading ahead.
    let advised = unsafe { libc::madvise(start_of, len, libc::MADV_RANDOM) };
    assert_eq!(advised, 0);
    let mem = start("mem");
    let before = major_faults();
    let mut sum = 0u64;
    for page in 0..PAGES {
        // SAFETY: within the mapping.
        sum += u64::from(unsafe {
            start_of
                .cast::<u8>()
                .add((page * PAGE) as usize)
                .read_volatile()
        });
    }
    let said = major_faults() - before;
    assert_eq!(sum, 7 * PAGES);
    let figures = mine(&mem);
    // SAFETY: nobody uses it any more.
    let unmapped = unsafe { libc::munmap(start_of, len) };
    assert_eq!(unmapped, 0);
    assert_eq!(count(&figures, "major_faults"), said, "{figures:?}");
    assert!(said >= PAGES, "the kernel itself counted {said}");
}

#[test]
fn root_each_oom_kill_is_counted_once_under_its_victim() {
    const ROUNDS: u64 = 10;
    const LIMIT: u64 = 16 << 20;
    let _alone = Alone::here();
    let group = memory_group();
    assert!(
        group.0.limit_memory(LIMIT).expect("a limit"),
        "a memory controller"
    );
    let mem = start("mem");
    let mut victims = Vec::new();
    for _ in 0..ROUNDS {
        // It runs on another CPU, and is killed first: it ends while its end is being told.
        let mut busy = Command::new("sh");
        busy.args([
            "-c",
            "x=$(head -c 4000000 /dev/zero | tr '\\0' x); \
             echo 1000 > /proc/self/oom_score_adj; echo; while :; do :; done",
        ])
        .stdout(Stdio::piped());
        group.0.admit(&mut busy).expect("a place in the group");
        let mut busy = busy.spawn().expect("sh");
        let ready = busy.stdout.as_mut().expect("a pipe").read_exact(&mut [0]);
        ready.expect("it is busy");
        // It keeps the last line, which never ends.
        let mut tail = Command::new("tail");
        tail.arg("/dev/zero");
        group.0.admit(&mut tail).expect("a place in the group");
        let mut tail = tail.spawn().expect("tail");
        let ended = tail.wait().expect("it ends");
        assert_eq!(ended.signal(), Some(libc::SIGKILL));
        // It is dead, or else the kernel will not have counted it.
        busy.kill().expect("no harm");
        busy.wait().expect("it ends");
        victims.extend([(busy.id(), "sh"), (tail.id(), "tail")]);
    }
    assert_eq!(
        group.0.oom_kills().expect("it counts"),
        2 * ROUNDS,
        "the kernel itself"
    );
    let all = mem.read().expect("it can be read");
    for (victim, name) in victims {
        let (_, reading) = all
            .iter()
            .find(|(owner, _)| owner.tgid == victim)
            .expect("it is known");
        assert_eq!(count(&reading.figures, "oom_kills"), 1, "{reading:?}");
        assert_eq!(reading.comm.as_bytes(), name.as_bytes());
    }
    let kills = all
        .values()
        .map(|it| count(&it.figures, "oom_kills"))
        .sum::<u64>();
    assert!(kills >= 2 * ROUNDS);
}

#[test]
fn root_pages_of_files_are_counted() {
    const PAGES: u64 = 200;
    let _alone = Alone::here();
    let folder = folder();
    let file = cold_file(folder.path(), PAGES);
    let mem = start("mem");
    let before = mine(&mem);
    let mut octets = [0; PAGE as usize];
    for page in 0..PAGES {
        file.read_exact_at(&mut octets, page * PAGE)
            .expect("it can be read");
    }
    let figures = mine(&mem);
    let more = |counter| count(&figures, counter) - count(&before, counter);
    assert_eq!(more("page_cache_accesses"), PAGES, "{figures:?}");
    // Pages are read ahead, several at a time in one piece, and the file system has its own.
    let added = more("page_cache_additions");
    assert!((1..=PAGES + 16).contains(&added), "{added}");
    for page in 0..PAGES {
        file.read_exact_at(&mut octets, page * PAGE)
            .expect("it can be read");
    }
    let again = mine(&mem);
    assert_eq!(
        count(&again, "page_cache_accesses") - count(&figures, "page_cache_accesses"),
        PAGES
    );
    let added = count(&again, "page_cache_additions") - count(&figures, "page_cache_additions");
    assert!(added <= 2, "all were there already, and {added} came");

    // Each piece of the cache gets dirty once: pages that are far apart lie in several.
    forget(&file);
    let before = mine(&mem);
    (0..PAGES).step_by(50).for_each(|page| touch(&file, page));
    let figures = mine(&mem);
    let dirtied = count(&figures, "page_cache_dirtied") - count(&before, "page_cache_dirtied");
    assert!(
        (PAGES / 50..=PAGES / 50 + 8).contains(&dirtied),
        "{dirtied}"
    );
}

/// A group of the memory controller, which is removed when this is dropped.
struct Group(Cgroup);

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir(self.0.path()) {
            eprintln!("{} stays: {error}", self.0.path().display());
        }
    }
}

fn memory_group() -> Group {
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    let has = |options: &str| options.split(',').any(|it| it == "memory");
    let mut mounts = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let version_1 = mounts.find(|it| it[2] == "cgroup" && has(it[3]));
    let root = version_1.map_or_else(|| "/sys/fs/cgroup".to_owned(), |it| it[1].to_owned());
    let name = format!("kerno-counters-{}", std::process::id());
    Group(Cgroup::new(PathBuf::from(root).join(name)).expect("a control group, as root"))
}
