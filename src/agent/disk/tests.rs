//! Bounds are held, and each fault is known for what it is.

use std::os::unix::fs::PermissionsExt as _;

use super::super::history::Line;
use super::super::timed::Place;
use super::*;
use crate::doctor::Verdict;

fn bounds(folder: &Path) -> Bounds {
    Bounds {
        folder: folder.to_owned(),
        octets_max: 4 << 20,
        keep: Duration::from_secs(3_600),
    }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

/// The minute of this number, with so many octets.
fn minute(number: u64, octets: usize) -> Written {
    Written {
        boot: "a".to_owned(),
        place: Place {
            run: -7,
            first: number * 6,
            last: number * 6 + 5,
        },
        line: Line {
            from: at(number * 60),
            to: at(number * 60 + 60),
            queries: 10,
            verdict: Verdict::Warning,
            rules: ["dns_failure_rate".to_owned()].into(),
            workloads: ["pod shop/web-1".to_owned()].into(),
        },
        failed: 1,
        window: vec![number as u8; octets],
    }
}

fn found(folder: &Path) -> Vec<rows::Found> {
    let connection = read_only(folder).expect("a database");
    rows::find(&connection, (at(0), at(1_000_000)), 10_000).expect("rows")
}

fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn what_is_written_is_there_again_and_for_root_alone() {
    let folder = tempdir();
    let within = folder.path().join("a/b");
    let mut disk = Disk::open(bounds(&within)).expect("made");
    disk.share_key().expect("a key");
    disk.write(&[minute(0, 10), minute(1, 20)], at(200))
        .expect("written");
    // Killed at any moment: nothing is closed.
    std::mem::forget(disk);
    let connection = read_only(&within).expect("a database");
    let lines = rows::lines(&connection, (at(59), at(61)), 9).expect("rows");
    let expected = [minute(0, 0), minute(1, 0)].map(|it| (it.place, it.line));
    assert_eq!(lines, expected);
    let found = found(&within);
    let window = rows::window(&connection, found[1].id).expect("a row");
    assert_eq!(window, Some(vec![1; 20]));
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode(&within), 0o700);
    assert_eq!(mode(&within.join(FILE)), 0o600);
}

#[test]
fn size_and_age_are_bounded_with_the_log() {
    let folder = tempdir();
    let mut disk = Disk::open(bounds(folder.path())).expect("made");
    let mut forgotten = 0;
    for number in 0..60 {
        forgotten += disk
            .write(&[minute(number, 200_000)], at(number * 60))
            .expect("written");
        let size = size_of_files(folder.path());
        assert!(size <= 4 << 20, "{size} after {number}");
    }
    let there = found(folder.path());
    assert_eq!(there.len() as u64 + forgotten, 60);
    assert!(there.len() > 8, "{}", there.len());
    assert_eq!(there.last().map(|it| it.place.last), Some(59 * 6 + 5));
    // An hour later only what is young is there.
    disk.write(&[minute(119, 10)], at(120 * 60))
        .expect("written");
    let there = found(folder.path());
    assert!(there.iter().all(|it| it.to >= at(60 * 60)), "{there:?}");
    // The room is given back to the file system.
    assert!(size_of_files(folder.path()) < 1 << 20);
}

#[test]
fn without_room_nothing_is_written_and_later_it_is() {
    let folder = tempdir();
    let mut disk = Disk::open(bounds(folder.path())).expect("made");
    let too_large = disk.write(&[minute(0, 3 << 20)], at(0));
    assert!(matches!(too_large, Err(Fault::Full)), "{too_large:?}");
    // As on a full file system: SQLite says the same.
    let limit = |disk: &Disk, pages: i64| {
        disk.connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .expect("a limit");
    };
    limit(&disk, 20);
    let full = disk.write(&[minute(0, 10), minute(1, 500_000)], at(60));
    assert!(matches!(full, Err(Fault::Full)), "{full:?}");
    assert!(found(folder.path()).is_empty(), "all or none");
    limit(&disk, 100_000);
    disk.write(&[minute(0, 10), minute(1, 500_000)], at(60))
        .expect("written");
    assert_eq!(found(folder.path()).len(), 2);
}

#[test]
fn there_is_one_who_writes() {
    let folder = tempdir();
    let first = Disk::open(bounds(folder.path())).expect("made");
    let second = Disk::open(bounds(folder.path()));
    assert!(matches!(second, Err(Fault::Taken)), "{second:?}");
    drop(first);
    Disk::open(bounds(folder.path())).expect("free again");
}

#[test]
fn a_damaged_one_is_known_and_put_aside() {
    let folder = tempdir();
    let path = folder.path().join(FILE);
    for junk in [vec![b'x'; 10_000], b"SQLite format 3\0junk".to_vec()] {
        fs::write(&path, &junk).expect("written");
        let opened = Disk::open(bounds(folder.path()));
        assert!(matches!(opened, Err(Fault::Damaged)), "{opened:?}");
        Disk::put_aside(folder.path()).expect("moved");
        assert_eq!(fs::read(folder.path().join(DAMAGED)).expect("kept"), junk);
        let mut disk = Disk::open(bounds(folder.path())).expect("begun anew");
        disk.write(&[minute(0, 10)], at(60)).expect("written");
    }
}

#[test]
fn damage_anywhere_is_damage_or_does_not_matter() {
    let folder = tempdir();
    let mut disk = Disk::open(bounds(folder.path())).expect("made");
    for number in 0..20 {
        disk.write(&[minute(number, 5_000)], at(number * 60))
            .expect("written");
    }
    drop(disk);
    let path = folder.path().join(FILE);
    let whole = fs::read(&path).expect("a file");
    for page in 0..whole.len() / 4_096 {
        let mut bent = whole.clone();
        bent[page * 4_096..page * 4_096 + 64].fill(0x5a);
        fs::write(&path, &bent).expect("written");
        match Disk::open(bounds(folder.path())) {
            Ok(mut disk) => {
                let _written = disk.write(&[minute(30, 10)], at(1_900));
            }
            Err(Fault::Damaged | Fault::Newer) => {}
            Err(other) => panic!("page {page}: {other}"),
        }
        if let Ok(connection) = read_only(folder.path()) {
            let _lines = rows::lines(&connection, (at(0), at(9_999)), 100);
        }
        for beside in ["-wal", "-shm"] {
            let _none = fs::remove_file(folder.path().join(format!("{FILE}{beside}")));
        }
    }
}

#[test]
fn that_of_a_later_kerno_is_left_alone() {
    let folder = tempdir();
    let disk = Disk::open(bounds(folder.path())).expect("made");
    disk.connection
        .pragma_update(None, "user_version", rows::SCHEMA + 1)
        .expect("a number");
    drop(disk);
    let before = fs::read(folder.path().join(FILE)).expect("a file");
    let opened = Disk::open(bounds(folder.path()));
    assert!(matches!(opened, Err(Fault::Newer)), "{opened:?}");
    assert!(matches!(read_only(folder.path()), Err(Fault::Newer)));
    assert_eq!(fs::read(folder.path().join(FILE)).expect("a file"), before);
}

#[test]
fn one_that_is_deleted_is_missed() {
    let folder = tempdir();
    let within = folder.path().join("kerno");
    let mut disk = Disk::open(bounds(&within)).expect("made");
    fs::remove_dir_all(&within).expect("removed");
    let gone = disk.write(&[minute(0, 10)], at(60));
    assert!(matches!(gone, Err(Fault::Gone)), "{gone:?}");
    drop(disk);
    assert!(matches!(read_only(&within), Err(Fault::Gone)));
    Disk::open(bounds(&within)).expect("made again");
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let folder = tempdir();
    let file = folder.path().join("file");
    fs::write(&file, "").expect("written");
    let opened = Disk::open(bounds(&file.join("kerno")));
    assert!(matches!(opened, Err(Fault::Other(_))), "{opened:?}");
}
