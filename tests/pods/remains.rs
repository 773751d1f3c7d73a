//! What a container runtime may leave on the machine.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;

use crate::process::poll;

/// Where control groups are mounted, every hierarchy once.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("/proc/self/mountinfo");
    let mut devices = BTreeSet::new();
    // The third field is the device, the fifth the place, proc_pid_mountinfo(5).
    mounts
        .lines()
        .filter(|line| line.contains(" - cgroup"))
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|fields| devices.insert(fields[2]))
        .map(|fields| PathBuf::from(fields[4]))
        .collect()
}

/// The first process of the machine may take a moment to notice who has ended.
pub(crate) fn nothing_is_left(top: &str, folder: &Path) {
    poll("the end of everything", || {
        left(top, folder).is_empty().then_some(())
    });
}

/// Control groups, their processes and mounts.
pub(crate) fn left(top: &str, folder: &Path) -> Vec<String> {
    let groups = hierarchies().into_iter().map(|root| root.join(top));
    let groups = groups.filter(|path| path.exists());
    let mut left: Vec<_> = groups.map(|path| path.display().to_string()).collect();
    let processes = std::fs::read_dir("/proc").expect("/proc");
    for process in processes.flatten() {
        let text = std::fs::read_to_string(process.path().join("cgroup")).unwrap_or_default();
        if text.contains(top) {
            left.push(process.path().display().to_string());
        }
    }
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
    let folder = folder.display().to_string();
    left.extend(
        mounts
            .lines()
            .filter(|it| it.contains(&folder))
            .map(str::to_owned),
    );
    left
}
