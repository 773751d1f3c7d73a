//! Which control groups a process is in, and where their files are.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::HostPath;
use super::Version;
use crate::host::proc::Root;
use crate::host::proc::cgroup;
use crate::host::proc::mountinfo;

/// Levels that are looked at, counted from the process's own upwards. Pods of
/// Kubernetes are five levels deep, or seven under Kind.
const LEVELS_MAX: usize = 16;

/// Where the hierarchies are mounted that have what is looked for; of several
/// mounts of one, whole hierarchies before parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Hierarchies {
    unified: Vec<Hierarchy>,
    cpu: Vec<Hierarchy>,
    memory: Vec<Hierarchy>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The control group that is mounted, as seen from this process's cgroup
    /// namespace.
    root: PathBuf,
    point: PathBuf,
}

/// A process's places in the hierarchies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The control group to name it by: that of version 2 unless it says
    /// nothing, else that of the CPU controller.
    pub(super) path: Option<HostPath>,
    /// The folder with its CPU figures.
    pub(super) cpu: Option<Folder>,
    /// The folder with its memory figures.
    pub(super) memory: Option<Folder>,
}

/// The folder of a control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Folder {
    pub(super) version: Version,
    /// Where the hierarchy is mounted: the folder and its parents up to here
    /// are control groups.
    point: PathBuf,
    path: PathBuf,
}

impl Folder {
    /// The folder and those above it, the process's own first.
    pub(super) fn and_above(&self) -> impl Iterator<Item = &Path> {
        self.path
            .ancestors()
            .take_while(|above| above.starts_with(&self.point))
            .take(LEVELS_MAX)
    }
}

impl Hierarchies {
    /// Looks where they are mounted.
    pub(super) fn find(root: &Root) -> Self {
        Self::parse(&mountinfo::read(root).unwrap_or_default())
    }

    fn parse(mountinfo: &[u8]) -> Self {
        let mut found = Self::default();
        for mount in mountinfo::parse(mountinfo) {
            let place = match () {
                () if mount.filesystem == b"cgroup2" => &mut found.unified,
                () if mount.controls(b"cpu") => &mut found.cpu,
                () if mount.controls(b"memory") => &mut found.memory,
                () => continue,
            };
            place.push(Hierarchy {
                root: mount.root.into(),
                point: mount.point,
            });
        }
        for mounts in [&mut found.unified, &mut found.cpu, &mut found.memory] {
            mounts.sort_by_key(|mount| mount.root.components().count());
        }
        found
    }

    /// Where the process is whose folder this is. An error if it is gone.
    pub(super) fn places(&self, process: &Root) -> io::Result<Places> {
        Ok(self.places_of(&cgroup::read(process)?))
    }

    fn places_of(&self, text: &[u8]) -> Places {
        let mut places = Places::default();
        let (mut unified, mut cpu, mut memory) = (None, None, None);
        for membership in cgroup::parse(text) {
            let path = Path::new(OsStr::from_bytes(membership.path));
            if membership.version() == Version::V2 {
                unified = Some(path);
            }
            if membership.controls(b"cpu") {
                cpu = Some(path);
            }
            if membership.controls(b"memory") {
                memory = Some(path);
            }
        }
        // A controller is either in a hierarchy of version 1 or in version 2.
        let folder = |of_v1: Option<&Path>, mounts: &[Hierarchy]| {
            let (mounts, path, version) = match of_v1 {
                Some(path) => (mounts, path, Version::V1),
                None => (&*self.unified, unified?, Version::V2),
            };
            mounts.iter().find_map(|it| it.folder(path, version))
        };
        places.cpu = folder(cpu, &self.cpu);
        places.memory = folder(memory, &self.memory);
        let telling = unified.filter(|path| *path != Path::new("/"));
        places.path = telling
            .or(cpu)
            .or(unified)
            .map(|path| HostPath::from(path.to_owned()));
        places
    }
}

impl Hierarchy {
    /// Both paths are as seen from this process's cgroup namespace, and start
    /// with `/..` where they lead out of it.
    fn folder(&self, path: &Path, version: Version) -> Option<Folder> {
        let below = path.strip_prefix(&self.root).ok()?;
        // Nobody can say which folder the way up leads through.
        if !below
            .components()
            .all(|it| matches!(it, Component::Normal(_)))
        {
            return None;
        }
        Some(Folder {
            version,
            point: self.point.clone(),
            // Without the slash at the end that join() gives to nothing.
            path: self.point.join(below).components().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Debian 11 and later, and every current distribution.
    const V2: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
    /// CentOS 7, Ubuntu 20.04 with systemd.
    const V1: &str = "\
        25 23 0:22 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
        26 25 0:23 / /sys/fs/cgroup/systemd rw,nosuid shared:9 - cgroup cgroup rw,xattr,name=systemd\n\
        27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:10 - cgroup cgroup rw,cpu,cpuacct\n\
        28 25 0:25 / /sys/fs/cgroup/memory rw,nosuid shared:11 - cgroup cgroup rw,memory\n";

    fn places(mountinfo: &str, cgroup: &str) -> Places {
        Hierarchies::parse(mountinfo.as_bytes()).places_of(cgroup.as_bytes())
    }

    fn above(folder: Option<&Folder>) -> Vec<&str> {
        folder
            .iter()
            .flat_map(|folder| folder.and_above())
            .map(|path| path.to_str().unwrap())
            .collect()
    }

    #[test]
    fn version_2_has_everything_in_one_place() {
        let path = "/kubepods.slice/kubepods-pod1.slice/cri-containerd-9f.scope";
        let places = places(V2, &format!("0::{path}\n"));
        assert_eq!(places.path.unwrap().to_string(), path);
        assert_eq!(places.cpu.as_ref().unwrap().version, Version::V2);
        assert_eq!(places.cpu, places.memory);
        assert_eq!(
            above(places.cpu.as_ref()),
            [
                "/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-containerd-9f.scope",
                "/sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice",
                "/sys/fs/cgroup/kubepods.slice",
                "/sys/fs/cgroup",
            ]
        );
    }

    #[test]
    fn version_1_has_a_hierarchy_for_each_controller() {
        let cgroup =
            "11:memory:/kubepods/pod1/c\n5:cpu,cpuacct:/kubepods/pod1/c\n1:name=systemd:/\n";
        let places = places(V1, cgroup);
        assert_eq!(places.path.unwrap().to_string(), "/kubepods/pod1/c");
        let cpu = places.cpu.unwrap();
        assert_eq!(cpu.version, Version::V1);
        assert_eq!(
            above(Some(&cpu))[0],
            "/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/c"
        );
        assert_eq!(
            above(places.memory.as_ref()).last(),
            Some(&"/sys/fs/cgroup/memory")
        );
    }

    #[test]
    fn a_hybrid_host_is_named_by_what_says_something() {
        let hybrid = format!("{V1}29 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let cgroup = "4:memory:/m\n1:cpu,cpuacct:/quota\n0::/\n";
        let without = places(&hybrid, cgroup);
        assert_eq!(without.path.unwrap().to_string(), "/quota");
        assert_eq!(without.cpu.unwrap().version, Version::V1);
        let with = places(
            &hybrid,
            "1:cpu,cpuacct:/\n0::/system.slice/unbound.service\n",
        );
        assert_eq!(
            with.path.unwrap().to_string(),
            "/system.slice/unbound.service"
        );
        assert_eq!(above(with.cpu.as_ref()), ["/sys/fs/cgroup/cpu,cpuacct"]);
        // Its memory is not controlled by version 1, so by version 2.
        assert_eq!(with.memory.unwrap().version, Version::V2);
    }

    #[test]
    fn paths_out_of_this_cgroup_namespace_need_a_mount_from_there() {
        let inside = "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let host = "31 24 0:26 /../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let neighbour = "0::/../../pod2/c\n";
        assert_eq!(places(inside, neighbour).cpu, None);
        let seen = places(&format!("{host}{inside}"), neighbour).cpu;
        assert_eq!(
            above(seen.as_ref()),
            [
                "/host/sys/fs/cgroup/pod2/c",
                "/host/sys/fs/cgroup/pod2",
                "/host/sys/fs/cgroup"
            ]
        );
        // A level between that cannot be named.
        assert_eq!(places(host, "0::/..\n").cpu, None);
    }

    #[test]
    fn hostile_paths_lead_nowhere_else() {
        for hostile in [
            "0::/a/../../../etc\n",
            "0::relative\n",
            "0::\n",
            "0:\n",
            ":::\n",
            "\u{0}\n",
        ] {
            let places = places(V2, hostile);
            assert!(
                places
                    .cpu
                    .is_none_or(|cpu| cpu.path == Path::new("/sys/fs/cgroup")),
                "{hostile:?}"
            );
        }
        let deep = format!("0::{}\n", "/x".repeat(2000));
        assert_eq!(above(places(V2, &deep).cpu.as_ref()).len(), LEVELS_MAX);
    }

    #[test]
    fn the_running_kernel_agrees_on_the_form() {
        let places = Hierarchies::find(&Root::default())
            .places(&Root::at("/proc/self"))
            .unwrap();
        let cpu = places.cpu.expect("a hierarchy for the CPU");
        assert!(cpu.and_above().all(|folder| folder.is_dir()));
    }
}
