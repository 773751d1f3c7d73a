//! Nothing of a node is left on the machine, however it ends.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::node::Layout;
use crate::node::Node;
use crate::node::hierarchies;
use crate::process::poll;

#[test]
fn root_nothing_is_left_of_a_node() {
    let node = Node::start(Layout::Machine);
    let _container = node.pod("shop", "web-1").container("nginx");
    let (top, folder) = (node.top.clone(), node.folder());
    assert_eq!(left(&top, &folder).len(), hierarchies().len() + PROCESSES);
    drop(node);
    nothing_is_left(&top, &folder);
}

/// The test's own end is the end of what it started.
#[test]
fn root_nothing_is_left_of_a_node_that_is_killed() {
    let node = Node::start(Layout::Machine);
    let _container = node.pod("shop", "web-1").container("nginx");
    let (top, folder) = (node.top.clone(), node.folder());
    node.containerd.signal(Signal::SIGKILL);
    drop(node);
    nothing_is_left(&top, &folder);
}

/// The first process of the machine may take a moment to notice who has ended.
fn nothing_is_left(top: &str, folder: &Path) {
    poll("the end of everything", || {
        left(top, folder).is_empty().then_some(())
    });
}

/// The pause container's and the other one's.
const PROCESSES: usize = 2;

/// Control groups, their processes and mounts.
fn left(top: &str, folder: &Path) -> Vec<String> {
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
