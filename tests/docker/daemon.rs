//! dockerd in a network and a mount namespace of its own.
//!
//! It has its usual paths, but `/etc`, `/opt`, `/run` and `/var/lib` are folders of
//! the test. However the test ends, janitors kill what is in its control groups:
//! dockerd, containerd and shims in one, containers in the others. Mounts and
//! network namespaces end with them.

use std::fs::File;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::tool::IP;
use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::cgroup::Janitor;
use crate::cgroup::mount_point;
use crate::image;
use crate::place::Place;
use crate::process::Process;
use crate::process::finish;
use crate::process::poll;
use crate::process::run;
use crate::remains::hierarchies;
use crate::unbound::Unbound;
use crate::unbound::library_path;
use crate::unbound::unpacked;

/// Where the host's DNS listens.
pub(crate) const DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// A network that somebody made: only in such does Docker resolve names itself.
const NETWORK: &str = "shop";
const SUBNET: &str = "10.99.0.0/24";

/// Where Docker has and looks for what is not the test's.
const COVERED: [&str; 4] = ["/etc", "/opt", "/run", "/var/lib"];

/// A running dockerd.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) dockerd: Process,
    pub(crate) place: Place,
    /// What all control groups of its containers are below.
    pub(crate) top: String,
    // After all processes.
    _janitor: Janitor,
}

/// A running container, which does nothing until it is told to.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    daemon: &'a Daemon,
    pub(crate) id: String,
    name: &'static str,
    /// Its first process.
    pub(crate) pid: u32,
}

impl Daemon {
    /// Starts one with a network and an image, and returns when containers can be made.
    pub(crate) fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let top = format!("kerno-docker-{}-{number}", std::process::id());
        let groups: Vec<_> = hierarchies().iter().map(|root| root.join(&top)).collect();
        let janitor = Janitor::of(&groups);
        let group = Cgroup::below(&mount_point(), "system.slice/docker.service");
        let mut place = Place::in_group(group);
        let address = format!("address add {DNS}/32 dev lo");
        place.namespace.run(IP, &address, "").expect("ip");
        for path in COVERED {
            let ours = place.folder().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(&ours).expect("a folder");
            place.instead_of(path, &ours);
        }
        let log = place.folder().join("dockerd.log");
        let mut command = place.command(unpacked(&["usr/sbin/dockerd", "usr/bin/dockerd"]));
        command
            .args(["--storage-driver", "vfs", "--bridge", "none"])
            // With systemd it would be asked for groups.
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .args(["--cgroup-parent", &format!("/{top}")])
            .env("PATH", programs(&place))
            .env("LD_LIBRARY_PATH", library_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("dockerd's log"));
        let mut dockerd = Process::start(&mut command);
        poll("dockerd to answer", || {
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!dockerd.has_ended(), "dockerd ended: {}", said());
            finish(docker(&place).arg("version"))
                .succeeded
                .then_some(())
        });
        let image = image::write(place.folder());
        run(docker(&place).arg("load").arg("--input").arg(image));
        run(docker(&place).args(["network", "create", "--subnet", SUBNET, NETWORK]));
        Self {
            dockerd,
            place,
            top,
            _janitor: janitor,
        }
    }

    /// Starts a container with an address in the network.
    pub(crate) fn container(&self, name: &'static str, address: IpAddr) -> Container<'_> {
        let mut start = docker(&self.place);
        start
            .args(["run", "--detach", "--name", name, "--network", NETWORK])
            .args(["--ip", &address.to_string(), "--dns", &DNS.to_string()])
            // The profile would be loaded for the whole machine.
            .args(["--security-opt", "apparmor=unconfined", image::NAME]);
        run(&mut start);
        let told = finish(docker(&self.place).args(["inspect", name])).output;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let pid = told[0]["State"]["Pid"].as_u64().expect("a number");
        Container {
            daemon: self,
            id: told[0]["Id"].as_str().expect("an id").to_owned(),
            name,
            pid: pid.try_into().expect("a process"),
        }
    }

    /// unbound as a service of the host, and where it runs.
    pub(crate) fn unbound(&self, zone: &str) -> (Unbound, Place) {
        let group = Cgroup::below(&mount_point(), "system.slice/unbound.service");
        let namespace = Namespace::of(self.dockerd.pid());
        let place = Place::with(namespace.expect("the daemon's namespace"), group);
        (Unbound::start(&place, zone, &[DNS], 53), place)
    }

    /// The host, as it looks to those who would know Docker's containers.
    pub(crate) fn host(&self) -> Place {
        let mut host = Place::host();
        host.instead_of("/var/lib", &self.place.folder().join("var/lib"));
        host
    }
}

impl Container<'_> {
    /// Asks for the address of a name, once, and returns what it printed.
    pub(crate) fn ask(&self, name: &str) -> String {
        let asking = ["exec", self.name, "nslookup", "-type=a", name];
        let done = finish(docker(&self.daemon.place).args(asking));
        assert!(done.succeeded, "{}", done.output);
        done.output
    }

    /// Its network, for sockets of the test.
    pub(crate) fn network(&self) -> Place {
        let namespace = Namespace::of(self.pid).expect("the container's namespace");
        Place::with(namespace, Cgroup::own())
    }

    /// What a record has as `container` of it.
    pub(crate) fn told(&self) -> Value {
        serde_json::json!({ "id": self.id, "name": self.name, "runtime": "docker" })
    }

    /// Its control group from the root.
    pub(crate) fn cgroup(&self) -> String {
        format!("/{}/{}", self.daemon.top, self.id)
    }
}

/// The client of this daemon, and of no other that the machine's user may have.
fn docker(place: &Place) -> Command {
    let mut command = place.command(unpacked(&["usr/bin/docker"]));
    command
        .env("DOCKER_HOST", "unix:///run/docker.sock")
        .env("DOCKER_CONFIG", "/run/client");
    command
}

/// What dockerd finds: no modprobe, as the kernel loads what a rule or a link needs,
/// and a bridge's filter is for the whole machine.
fn programs(place: &Place) -> String {
    let own = place.folder().join("bin");
    std::fs::create_dir(&own).expect("a folder");
    for program in ["iptables", "ip6tables"] {
        let real = format!("/usr/sbin/{program}-nft");
        symlink(real, own.join(program)).expect("a link");
    }
    let folders = ["usr/bin/containerd", "usr/sbin/runc"].map(|path| unpacked(&[path]));
    let folders = folders.map(|path| path.parent().expect("a folder").to_owned());
    let all: Vec<PathBuf> = folders.into_iter().chain([own]).collect();
    let joined = std::env::join_paths(all).expect("folders without colons");
    joined.into_string().expect("UTF-8")
}
