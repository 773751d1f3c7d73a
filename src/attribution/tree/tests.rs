//! On the real hierarchy, with groups of the test's own.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::host;

/// A folder of control groups, removed with all below it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = host::cgroup_mount_point()
            .expect("cgroup v2 mounted")
            .join(format!("kerno-test-{}-{name}", std::process::id()));
        fs::create_dir(&path).expect("needs root");
        Self(path)
    }

    fn sub(&self, name: &str) -> (PathBuf, u64) {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("a cgroup");
        let id = fs::metadata(&path).expect("its inode").ino();
        (path, id)
    }

    /// Of this folder alone: no other test's groups are seen.
    fn tree(&self) -> Tree {
        Tree::new(File::open(&self.0).expect("the folder").into())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _gone_already = fs::remove_dir(path);
}

fn root() -> OwnedFd {
    let path = host::cgroup_mount_point().expect("cgroup v2 mounted");
    File::open(path).expect("needs root").into()
}

fn path_of(tree: &mut Tree, id: u64, now: Instant) -> Option<Vec<u8>> {
    Some(tree.place_of(id, now)?.path.to_vec())
}

fn settle(tree: &mut Tree) {
    while tree.update() {}
}

#[test]
fn root_a_group_that_is_there_is_found_without_looking_first() {
    let folder = Folder::new("handle");
    let (_, id) = folder.sub("a/b");
    let mut tree = Tree::new(root());
    let own = folder.0.file_name().expect("a name").as_bytes();
    assert_eq!(
        path_of(&mut tree, id, Instant::now()),
        Some([b"/", own, b"/a/b"].concat())
    );
    assert_eq!(path_of(&mut tree, 1, Instant::now()), Some(b"/".to_vec()));
    assert_eq!(path_of(&mut tree, u64::MAX, Instant::now()), None);
}

#[test]
fn root_a_group_that_came_and_went_is_known() {
    let folder = Folder::new("short");
    let mut tree = folder.tree();
    settle(&mut tree);
    let (path, id) = folder.sub("new/inner");
    settle(&mut tree);
    fs::remove_dir(&path).expect("rmdir");
    settle(&mut tree);
    let later = Instant::now() + Duration::from_secs(59);
    assert_eq!(path_of(&mut tree, id, later), Some(b"/new/inner".to_vec()));
    // Its number is not reused, and its folder may come back.
    let (_, again) = folder.sub("new/inner");
    settle(&mut tree);
    assert_ne!(id, again);
    assert_eq!(
        path_of(&mut tree, again, later),
        Some(b"/new/inner".to_vec())
    );
    assert_eq!(
        tree.by_id.get(&again).map(|place| place.path.to_vec()),
        Some(b"/new/inner".to_vec())
    );
}

#[test]
fn root_what_a_user_owned_is_remembered_when_all_of_it_is_gone() {
    let folder = Folder::new("handed-over");
    let mut tree = folder.tree();
    settle(&mut tree);
    let (users, _) = folder.sub("a");
    std::os::unix::fs::chown(&users, Some(1000), None).expect("needs root");
    let (path, id) = folder.sub("a/kubepods/podu-1");
    settle(&mut tree);
    for gone in [&path, &users.join("kubepods"), &users] {
        fs::remove_dir(gone).expect("rmdir");
    }
    settle(&mut tree);
    let place = tree.place_of(id, Instant::now()).expect("it was there");
    assert_eq!(
        place.delegated,
        Some(Delegated {
            depth: 1,
            uid: 1000
        })
    );
}

#[test]
fn root_what_was_there_before_is_watched_too() {
    let folder = Folder::new("before");
    let (_, id) = folder.sub("a/b/c");
    let mut tree = folder.tree();
    settle(&mut tree);
    assert_eq!(
        tree.by_id.get(&id).map(|place| place.path.to_vec()),
        Some(b"/a/b/c".to_vec())
    );
    let (path, below) = folder.sub("a/b/c/d");
    settle(&mut tree);
    fs::remove_dir(path).expect("rmdir");
    settle(&mut tree);
    assert_eq!(
        path_of(&mut tree, below, Instant::now()),
        Some(b"/a/b/c/d".to_vec())
    );
}

/// The queue of events is bounded; what comes while it is full is found by
/// looking through everything again.
#[test]
fn root_lost_events_are_made_up_for() {
    let queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .expect("a limit")
        .trim()
        .parse()
        .expect("a number");
    let folder = Folder::new("overflow");
    let mut tree = folder.tree();
    settle(&mut tree);
    // A group that comes and goes makes two events.
    for _ in 0..=queue / 2 {
        let (path, _) = folder.sub("x");
        fs::remove_dir(path).expect("rmdir");
    }
    let (_, id) = folder.sub("last");
    settle(&mut tree);
    assert_eq!(tree.counts.cgroup_rewalks, 1);
    assert_eq!(
        tree.by_id.get(&id).map(|place| place.path.to_vec()),
        Some(b"/last".to_vec())
    );
}

#[test]
fn root_a_crowd_of_short_lived_groups_needs_no_more_memory() {
    const GROUPS: usize = 100;
    let folder = Folder::new("crowd");
    let mut tree = folder.tree();
    tree.gone = Recent::new(2 * GROUPS);
    settle(&mut tree);
    let mut ids = Vec::new();
    for n in 0..3 * GROUPS {
        let (path, id) = folder.sub(&format!("pod{n}"));
        settle(&mut tree);
        fs::remove_dir(path).expect("rmdir");
        ids.push(id);
    }
    settle(&mut tree);
    let now = Instant::now();
    // Those of the last moment are known, the memory is bounded, and the watches
    // in the kernel are given back.
    for &id in &ids[ids.len() - GROUPS..] {
        assert!(path_of(&mut tree, id, now).is_some());
    }
    assert!(tree.gone.len() <= 2 * GROUPS, "{}", tree.gone.len());
    assert_eq!(tree.by_id.len(), 1, "the folder alone is there");
    assert_eq!(tree.groups.len(), tree.by_id.len());
    let watches = fs::read_to_string(format!(
        "/proc/self/fdinfo/{}",
        tree.events().expect("inotify").as_raw_fd()
    ));
    let watches = watches.expect("fdinfo").matches("inotify wd:").count();
    assert_eq!(watches, tree.groups.len());
}
