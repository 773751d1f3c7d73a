//! How a limit of a control group is raised, by who set it.

use std::ffi::OsStr;
use std::path::Path;

use crate::shell::Command;

/// The folder of a pod's or container's group has this in its path, whatever the runtime.
const KUBEPODS: &str = "kubepods";

/// The three ways to raise a limit: what a pod's resources are set to, the property of a
/// unit, and what is written into a file.
pub(super) struct Raise {
    pub(super) kubectl: Command,
    pub(super) property: String,
    pub(super) write: Command,
}

impl Raise {
    /// The command for a group with this folder.
    pub(super) fn command(self, folder: &Path) -> Command {
        let unit = folder.file_name().filter(|_| is_unit(folder));
        match unit {
            _ if folder.to_string_lossy().contains(KUBEPODS) => self.kubectl,
            Some(unit) => Command::new("systemctl set-property")
                .word(unit)
                .word(self.property)
                .or(self.write),
            None => self.write,
        }
    }
}

/// Where groups are mounted, and the folders of single controllers below it.
const MOUNT: &str = "/sys/fs/cgroup";

/// Whether the group is a service or a slice of the system's systemd: right below a slice,
/// or a slice right below the root. One of a user's systemd, or made within a service, may be
/// called like another's.
fn is_unit(folder: &Path) -> bool {
    let is = |group: &Path, kind| group.extension() == Some(OsStr::new(kind));
    let mut above = folder.ancestors().skip(1);
    let is_root = |parent: &Path| {
        let below = parent.strip_prefix(MOUNT);
        below.is_ok_and(|below| below.components().count() <= 1)
    };
    let is_at_its_place = folder
        .parent()
        .is_some_and(|parent| is(parent, "slice") || (is(folder, "slice") && is_root(parent)));
    (is(folder, "service") || is(folder, "slice"))
        && is_at_its_place
        && !above.any(|group| is(group, "service") || is(group, "scope"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_one_of_the_system() {
        let root = Path::new("/sys/fs/cgroup");
        for (group, unit) in [
            ("system.slice/unbound.service", true),
            ("system.slice/system-dns.slice/dns@1.service", true),
            ("system.slice/docker.service/inner", false),
            ("system.slice/docker.service/sshd.service", false),
            (
                "user.slice/user-7.slice/user@7.service/app.slice/sshd.service",
                false,
            ),
            (
                "user.slice/user-7.slice/session-3.scope/x.slice/sshd.service",
                false,
            ),
            ("made-by-hand/sshd.service", false),
            ("system.slice", true),
            ("unified/dns-edge.slice", true),
            ("system.slice/system-dns.slice", true),
            ("made/by-hand/dns.slice", false),
            ("user.slice/user-7.slice/user@7.service/app.slice", false),
        ] {
            assert_eq!(is_unit(&root.join(group)), unit, "{group}");
        }
    }
}
