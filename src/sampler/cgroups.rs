//! Which control groups a process is in, and where their files are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;

use super::Version;
use crate::host::proc::Root;
use crate::host::proc::cgroup;
use crate::host::proc::mountinfo;

/// Levels that are looked at, counted from the process's own upwards. Pods of
/// Kubernetes are five levels deep, or seven under Kind.
const LEVELS_MAX: usize = 16;

/// Where the hierarchies are mounted that may have the figures; of several mounts of one,
/// whole hierarchies before parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Hierarchies {
    unified: Vec<Hierarchy>,
    cpu: Vec<Hierarchy>,
    memory: Vec<Hierarchy>,
}

/// Whose figures are looked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Controller {
    Cpu,
    Memory,
}

impl Controller {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Cpu => b"cpu",
            Self::Memory => b"memory",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    /// The control group that is mounted, as seen from this process's cgroup
    /// namespace.
    root: PathBuf,
    point: PathBuf,
}

/// The folder of a control group with the figures of a controller.
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
            let controls = |controller: Controller| mount.controls(controller.name());
            let (has_cpu, has_memory) = (controls(Controller::Cpu), controls(Controller::Memory));
            let hierarchy = Hierarchy {
                root: mount.root.into(),
                point: mount.point.clone(),
            };
            if mount.filesystem == b"cgroup2" {
                found.unified.push(hierarchy);
                continue;
            }
            // Version 1 may have both in one hierarchy.
            found.cpu.extend(has_cpu.then(|| hierarchy.clone()));
            found.memory.extend(has_memory.then_some(hierarchy));
        }
        for mounts in [&mut found.unified, &mut found.cpu, &mut found.memory] {
            mounts.sort_by_key(|mount| mount.root.components().count());
        }
        found
    }

    /// That of the process whose folder in procfs this is.
    pub(super) fn folder(&self, process: &Root, controller: Controller) -> Option<Folder> {
        self.folder_of(&cgroup::read(process).ok()?, controller)
    }

    fn folder_of(&self, text: &[u8], controller: Controller) -> Option<Folder> {
        let (mut unified, mut own) = (None, None);
        for membership in cgroup::parse(text) {
            let path = Path::new(OsStr::from_bytes(membership.path));
            if membership.version() == Version::V2 {
                unified = Some(path);
            }
            if membership.controls(controller.name()) {
                own = Some(path);
            }
        }
        let of_version_1 = match controller {
            Controller::Cpu => &self.cpu,
            Controller::Memory => &self.memory,
        };
        // A controller is either in a hierarchy of version 1 or in version 2.
        let (mounts, path, version) = match own {
            Some(path) => (of_version_1, path, Version::V1),
            None => (&self.unified, unified?, Version::V2),
        };
        mounts.iter().find_map(|it| it.folder(path, version))
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

    fn folder(mountinfo: &str, cgroup: &str) -> Option<Folder> {
        Hierarchies::parse(mountinfo.as_bytes()).folder_of(cgroup.as_bytes(), Controller::Cpu)
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
        let folder = folder(V2, &format!("0::{path}\n"));
        assert_eq!(folder.as_ref().unwrap().version, Version::V2);
        assert_eq!(
            above(folder.as_ref()),
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
        let cpu = folder(V1, cgroup).unwrap();
        assert_eq!(cpu.version, Version::V1);
        assert_eq!(
            above(Some(&cpu))[0],
            "/sys/fs/cgroup/cpu,cpuacct/kubepods/pod1/c"
        );
        let all = Hierarchies::parse(V1.as_bytes());
        let memory = all.folder_of(cgroup.as_bytes(), Controller::Memory);
        assert_eq!(
            above(memory.as_ref())[0],
            "/sys/fs/cgroup/memory/kubepods/pod1/c"
        );
    }

    #[test]
    fn a_hybrid_host_has_them_where_the_controller_is() {
        let hybrid = format!("{V1}29 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
        let cgroup = "4:memory:/m\n1:cpu,cpuacct:/\n0::/system.slice/unbound.service\n";
        let folder = folder(&hybrid, cgroup);
        assert_eq!(folder.as_ref().unwrap().version, Version::V1);
        assert_eq!(above(folder.as_ref()), ["/sys/fs/cgroup/cpu,cpuacct"]);
    }

    #[test]
    fn paths_out_of_this_cgroup_namespace_need_a_mount_from_there() {
        let inside = "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let host = "31 24 0:26 /../.. /host/sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";
        let neighbour = "0::/../../pod2/c\n";
        assert_eq!(folder(inside, neighbour), None);
        let seen = folder(&format!("{host}{inside}"), neighbour);
        assert_eq!(
            above(seen.as_ref()),
            [
                "/host/sys/fs/cgroup/pod2/c",
                "/host/sys/fs/cgroup/pod2",
                "/host/sys/fs/cgroup"
            ]
        );
        // A level between that cannot be named.
        assert_eq!(folder(host, "0::/..\n"), None);
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
            let folder = folder(V2, hostile);
            assert!(
                folder.is_none_or(|it| it.path == Path::new("/sys/fs/cgroup")),
                "{hostile:?}"
            );
        }
        let deep = format!("0::{}\n", "/x".repeat(2000));
        assert_eq!(above(folder(V2, &deep).as_ref()).len(), LEVELS_MAX);
    }

    #[test]
    fn live_the_running_kernel_agrees_on_the_form() {
        let own = Hierarchies::find(&Root::default());
        let own = own.folder(&Root::at("/proc/self"), Controller::Cpu);
        let cpu = own.expect("a hierarchy for the CPU");
        assert!(cpu.and_above().all(|folder| folder.is_dir()));
    }
}
