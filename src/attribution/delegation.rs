//! Which part of a control group's path is a user's.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::path::PathBuf;

use crate::attempt::identity::Delegated;
use crate::host::proc::Root;
use crate::host::proc::cgroup::Membership;
use crate::host::proc::cgroup::Version;
use crate::host::proc::cgroup::has_word;
use crate::host::proc::mountinfo;

/// Write access of a folder's group, and of everybody.
const GROUP_WRITES: u32 = 0o020;
const ALL_WRITE: u32 = 0o002;

/// Looks at the folders that lead to a group, from the root inwards. Whoever may write to one
/// makes what is below it. Those that are gone say nothing.
pub(super) fn find(hierarchy: &Path, path: &[u8]) -> Option<Delegated> {
    let mut levels: Vec<_> = path.split(|&octet| octet == b'/').skip(1).collect();
    // The group itself was made by who may write to the one above.
    levels.pop();
    let mut folder = hierarchy.to_owned();
    for (above, level) in levels.into_iter().enumerate() {
        // From another cgroup namespace: nobody can say which folder that leads through.
        if level == b".." {
            return None;
        }
        folder.push(OsStr::from_bytes(level));
        let metadata = folder.symlink_metadata().ok()?;
        if is_users(&metadata) {
            let uid = metadata.uid();
            return Some(Delegated {
                depth: above + 1,
                uid,
            });
        }
    }
    None
}

fn is_users(folder: &Metadata) -> bool {
    let mode = folder.mode();
    let group_may = mode & GROUP_WRITES != 0 && folder.gid() != 0;
    folder.uid() != 0 || group_may || mode & ALL_WRITE != 0
}

/// Where this host's hierarchies are.
#[derive(Debug, Default)]
pub(super) struct Mounts(Vec<Mount>);

#[derive(Debug)]
struct Mount {
    /// As `/proc/PID/cgroup` calls it; nothing for version 2.
    options: Vec<u8>,
    point: PathBuf,
}

impl Mounts {
    /// Those that are mounted whole.
    pub(super) fn of(root: &Root) -> Self {
        let text = mountinfo::read(root).unwrap_or_default();
        let whole = mountinfo::parse(&text).filter(|it| it.root == "/");
        let mounts = whole.filter_map(|it| {
            let options = match it.filesystem {
                b"cgroup2" => Vec::new(),
                b"cgroup" => it.options.to_owned(),
                _ => return None,
            };
            Some(Mount {
                options,
                point: it.point,
            })
        });
        Self(mounts.collect())
    }

    /// Which part of this group's path is a user's.
    pub(super) fn delegated(&self, group: &Membership<'_>) -> Option<Delegated> {
        let is_it = |mount: &&Mount| match group.version() {
            Version::V2 => mount.options.is_empty(),
            Version::V1 => group
                .controllers
                .split(|&octet| octet == b',')
                .all(|it| has_word(&mount.options, it)),
        };
        let mount = self.0.iter().find(is_it)?;
        find(&mount.point, group.path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::fs::chown;

    use super::*;

    const POD: &str = "a/kubepods/burstable/podu-1/c";

    fn hierarchy() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join(POD)).expect("groups");
        folder
    }

    fn found(folder: &tempfile::TempDir, path: &str) -> Option<(usize, u32)> {
        let found = find(folder.path(), path.as_bytes());
        found.map(|it| (it.depth, it.uid))
    }

    #[test]
    fn root_below_a_group_that_a_user_owns_all_is_the_users() {
        let folder = hierarchy();
        let pod = format!("/{POD}");
        assert_eq!(found(&folder, &pod), None);
        // A container's own group may be handed over to it.
        chown(folder.path().join(POD), Some(1000), None).expect("needs root");
        assert_eq!(found(&folder, &pod), None);
        assert_eq!(found(&folder, &format!("{pod}/x")), Some((5, 1000)));
        // The outermost counts.
        chown(folder.path().join("a"), Some(1001), None).expect("needs root");
        assert_eq!(found(&folder, &pod), Some((1, 1001)));
        assert_eq!(found(&folder, "/a"), None);
        // What is gone below it was the user's too.
        assert_eq!(found(&folder, "/a/gone/x/y"), Some((1, 1001)));
        assert_eq!(found(&folder, "/../a/x"), None);
        assert_eq!(found(&folder, "/"), None);
    }

    #[test]
    fn root_whoever_may_write_there_makes_what_is_below() {
        let pod = format!("/{POD}");
        for (mode, gid, is_users) in [
            (0o755, 0, false),
            (0o775, 0, false),
            (0o775, 1000, true),
            (0o757, 0, true),
        ] {
            let folder = hierarchy();
            let above = folder.path().join("a/kubepods");
            chown(&above, None, Some(gid)).expect("needs root");
            fs::set_permissions(&above, fs::Permissions::from_mode(mode)).expect("a mode");
            assert_eq!(found(&folder, &pod).is_some(), is_users, "{mode:o} {gid}");
        }
    }

    #[test]
    fn each_hierarchy_is_looked_at_where_it_is_mounted() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::at(folder.path());
        fs::create_dir_all(folder.path().join("proc/thread-self")).expect("a folder");
        let lines = "1 0 0:1 / /two rw - cgroup2 cgroup2 rw\n\
                     2 0 0:2 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
                     3 0 0:3 / /systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
                     4 0 0:4 /part /memory rw - cgroup cgroup rw,memory\n\
                     5 0 0:5 / /tmp rw - tmpfs tmpfs rw\n";
        fs::write(folder.path().join("proc/thread-self/mountinfo"), lines).expect("a file");
        let mounts = Mounts::of(&root);
        let points: Vec<_> = mounts
            .0
            .iter()
            .map(|it| it.point.display().to_string())
            .collect();
        assert_eq!(points, ["/two", "/cpu", "/systemd"]);
    }
}
