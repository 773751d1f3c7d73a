//! Processes that the kernel killed because a control group had no memory left.

use std::path::Path;

use super::Version;
use super::read;

/// Kills in a control group since it was made: in version 2 with those of the
/// groups below it. `None` if it is gone, or the kernel does not count them
/// (version 1 before Linux 4.13).
pub(super) fn oom_kills(folder: &Path, version: Version) -> Option<u64> {
    let file = match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    read::value_of(&read::text(&folder.join(file), 4096).ok()?, "oom_kill")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_have_a_line_of_that_name() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        assert_eq!(oom_kills(folder.path(), Version::V2), None);
        write(
            "memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        write(
            "memory.events",
            "low 0\nhigh 0\nmax 9\noom 4\noom_kill 3\noom_group_kill 0\n",
        );
        assert_eq!(oom_kills(folder.path(), Version::V1), Some(2));
        assert_eq!(oom_kills(folder.path(), Version::V2), Some(3));
        write("memory.events", "oom_kill many\n");
        assert_eq!(oom_kills(folder.path(), Version::V2), None);
    }
}
