//! Nothing of a node is left on the machine, however it ends.

use nix::sys::signal::Signal;

use crate::node::Layout;
use crate::node::Node;
use crate::remains::hierarchies;
use crate::remains::left;
use crate::remains::nothing_is_left;

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

/// The pause container's and the other one's.
const PROCESSES: usize = 2;
