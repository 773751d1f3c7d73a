//! Groups of users, as group(5) has them. Not by the C library: it loads modules of the host's
//! (nsswitch.conf(5)), and a static kerno dies of those that it was not built with, as that of
//! systemd.

use super::proc::Root;

/// Of the file.
const GROUPS_MAX: u64 = 1 << 20;

/// The number of the group with this name, if the host's own file has it.
pub fn group_id(root: &Root, name: &str) -> Option<u32> {
    let mut lines = root.lines("etc/group", GROUPS_MAX).ok()?;
    lines.find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Root::at(folder.path());
        assert_eq!(group_id(&root, "kerno"), None, "there is no file");
        fs::create_dir(folder.path().join("etc")).expect("a folder");
        let groups = "root:x:0:\nnokerno:x:7:kerno\nkerno\n+kerno:x:8:\nkerno:x:none:\n\
                      kerno:x:997:ann,bob\nkerno:x:998:\n";
        fs::write(folder.path().join("etc/group"), groups).expect("a file");
        assert_eq!(group_id(&root, "kerno"), Some(997));
        assert_eq!(group_id(&root, "root"), Some(0));
        assert_eq!(group_id(&root, ""), None);
    }

    #[test]
    fn live_root_has_the_number_0() {
        assert_eq!(group_id(&Root::default(), "root"), Some(0));
    }
}
