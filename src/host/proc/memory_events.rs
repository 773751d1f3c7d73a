//! `memory.events`, in version 1 `memory.oom_control`: processes that the kernel killed because a control group had no memory left.

use super::Root;
use super::cgroup::Version;
use super::root::value_of;

/// Kills in the control group whose folder this is, since it was made: in version 2 with those of the
/// groups below it. `None` if it is gone, or the kernel does not count them
/// (version 1 before Linux 4.13).
pub fn oom_kills(group: &Root, version: Version) -> Option<u64> {
    let file = match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    value_of(&group.text(file, 4096).ok()?, "oom_kill")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_have_a_line_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let group = Root::at(folder.path());
        let write = |name: &str, text: &str| std::fs::write(group.path(name), text).unwrap();
        assert_eq!(oom_kills(&group, Version::V2), None);
        write(
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        write(
            "memory.events",
            "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n",
        );
        assert_eq!(oom_kills(&group, Version::V1), Some(2));
        assert_eq!(oom_kills(&group, Version::V2), Some(3));
        write("memory.events", "oom_kill many\n");
        assert_eq!(oom_kills(&group, Version::V2), None);
    }
}
