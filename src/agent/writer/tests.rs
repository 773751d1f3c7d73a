//! What cannot be written is written later, and each fault is said once.

use std::fs;
use std::path::Path;

use super::super::timed::Place;
use super::super::timed::Timed;
use super::*;
use crate::window::End;
use crate::window::Window;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// Windows of ten seconds with a query each, from this number to before that one.
fn add(work: &Work, numbers: std::ops::Range<u64>) {
    let mut kept = work.kept.lock().expect("no panic");
    for number in numbers {
        let mut window = Window::default();
        window.attempt(&crate::sample::plain_attempt());
        kept.add(Timed {
            place: Place {
                run: 1,
                first: number,
                last: number,
            },
            from: at(number * 10),
            to: at(number * 10 + 10),
            window: window.close(End::default()),
        });
    }
}

fn work(folder: &Path, octets_max: usize) -> Work {
    Work {
        bounds: Bounds {
            folder: folder.to_owned(),
            octets_max: 4 << 20,
            keep: Duration::from_secs(100_000_000_000),
        },
        names: Names::Failed,
        boot: "a".to_owned(),
        kept: Arc::new(Mutex::new(Kept::within(octets_max))),
        told: Arc::default(),
        disk: None,
        next: 0,
    }
}

fn told(work: &Work) -> Told {
    work.told.lock().expect("no panic").clone()
}

#[test]
fn minutes_are_written_when_they_are_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut work = work(folder.path(), usize::MAX);
    add(&work, 0..6);
    work.write(false);
    assert_eq!(told(&work).written, 0, "it may go on");
    add(&work, 6..14);
    work.write(false);
    work.write(false);
    let now = told(&work);
    assert_eq!((now.written, now.windows, now.failures), (2, 2, 0));
    assert_eq!(now.since.as_deref(), Some("2027-01-15T08:00:00.000Z"));
    work.write(true);
    assert_eq!(told(&work).windows, 3);
}

#[test]
fn a_fault_is_told_once_and_what_waited_is_written_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("kerno");
    fs::write(&place, "in the way").expect("written");
    let mut work = work(&place, usize::MAX);
    add(&work, 0..8);
    work.write(false);
    add(&work, 8..14);
    work.write(false);
    let now = told(&work);
    assert!(now.fault.is_some(), "{now:?}");
    assert_eq!((now.failures, now.written), (2, 0));
    fs::remove_file(&place).expect("removed");
    work.write(false);
    let now = told(&work);
    assert_eq!((now.fault, now.written, now.unwritten), (None, 2, 0));
}

#[test]
fn one_that_is_deleted_gets_all_again_that_memory_has() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("kerno");
    let mut work = work(&place, usize::MAX);
    add(&work, 0..14);
    work.write(false);
    fs::remove_dir_all(&place).expect("removed");
    add(&work, 14..20);
    work.write(false);
    let now = told(&work);
    assert_eq!((now.begun_anew, now.failures), (1, 1));
    work.write(false);
    let now = told(&work);
    assert_eq!((now.fault, now.windows), (None, 3));
}

#[test]
fn a_damaged_one_is_begun_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("history.db"), [b'x'; 5_000]).expect("written");
    let mut work = work(folder.path(), usize::MAX);
    add(&work, 0..8);
    work.write(false);
    work.write(false);
    let now = told(&work);
    assert_eq!((now.begun_anew, now.windows, now.fault), (1, 1, None));
}

#[test]
fn what_memory_forgets_before_it_is_written_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("kerno");
    fs::write(&place, "in the way").expect("written");
    let mut work = work(&place, 0);
    add(&work, 0..20);
    work.write(false);
    // Memory has the minute that is open.
    assert_eq!(told(&work).unwritten, 18);
    fs::remove_file(&place).expect("removed");
    work.write(true);
    let now = told(&work);
    assert_eq!((now.written, now.unwritten), (1, 18));
}

/// Where no window has room beside another.
#[test]
fn minutes_that_memory_has_no_room_for_are_written_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut work = work(folder.path(), 0);
    for number in 0..20 {
        add(&work, number..number + 1);
        work.write(false);
    }
    let now = told(&work);
    assert_eq!((now.written, now.unwritten, now.failures), (3, 0, 0));
    work.write(true);
    let now = told(&work);
    assert_eq!((now.written, now.windows, now.unwritten), (4, 4, 0));
}

#[test]
fn the_thread_writes_the_last_minute_when_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = work(folder.path(), usize::MAX);
    add(&of, 0..3);
    let kept = Arc::clone(&of.kept);
    let writer =
        Writer::start(of.bounds.clone(), of.names, of.boot.clone(), kept).expect("it runs");
    writer.wake();
    let told = writer.told();
    drop(writer);
    assert_eq!(told.lock().expect("no panic").windows, 1);
}
