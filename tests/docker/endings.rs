//! Nothing of Docker is left on the machine, however it ends.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use nix::sys::signal::Signal;

use crate::cgroup::mount_point;
use crate::daemon::Daemon;
use crate::remains::hierarchies;
use crate::remains::left;
use crate::remains::nothing_is_left;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));

#[test]
fn root_nothing_is_left_of_docker() {
    ends(|_| ());
}

/// The test's own end is the end of what it started.
#[test]
fn root_nothing_is_left_of_docker_that_is_killed() {
    ends(|daemon| daemon.dockerd.signal(Signal::SIGKILL));
}

fn ends(how: fn(&Daemon)) {
    let daemon = Daemon::start();
    daemon.container("web", ADDRESS);
    let (top, folder) = (daemon.top.clone(), daemon.place.folder().to_owned());
    let service = daemon.place.cgroup.told(&mount_point());
    // The container's process, and at least dockerd, containerd and a shim.
    assert_eq!(left(&top, &folder).len(), hierarchies().len() + 1);
    assert!(left(&service[1..], &folder).len() >= 4);
    how(&daemon);
    drop(daemon);
    nothing_is_left(&top, &folder);
    nothing_is_left(&service[1..], &folder);
    assert!(!folder.exists());
}
