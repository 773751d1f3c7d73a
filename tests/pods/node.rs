//! A node: containerd in a network and a mount namespace of its own.
//!
//! All that it makes (mounts, network namespaces, shims, containers) lives in
//! these namespaces and in control groups of the test. However the test ends, a
//! janitor kills what is in these groups, and the namespaces end with it; the
//! folders are the test's.

use std::fs::File;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use kerno_chaos::testbed::Namespace;
use kerno_chaos::testbed::tool::IP;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::cgroup::Janitor;
use crate::cgroup::mount_point;
use crate::cri::Cri;
use crate::image;
use crate::messages::Empty;
use crate::messages::StatusResponse;
use crate::place::Place;
use crate::process::Process;
use crate::process::poll;
use crate::process::run;
use crate::remains::hierarchies;
use crate::unbound::Unbound;
use crate::unbound::library_path;
use crate::unbound::unpacked;

/// Where the node's DNS listens, as NodeLocal DNSCache does.
pub(crate) const DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10));

/// What the node has of control groups.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// What this machine has, with a group of version 2 for each container.
    Machine,
    /// Version 1 alone: the socket's group of version 2 is the root.
    Version1,
}

impl Layout {
    /// Makes it so, for the node's own eyes.
    fn mounts(self) -> &'static str {
        match self {
            Self::Machine => "true",
            Self::Version1 => "mount -t tmpfs none \"$VERSION_2\"",
        }
    }
}

/// A running containerd.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) cri: Cri,
    pub(crate) socket: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) containerd: Process,
    /// Where services of the node run.
    place: Place,
    /// What all control groups of its pods are below.
    pub(crate) top: String,
    // After all processes.
    _janitor: Janitor,
}

impl Node {
    /// Starts one, and returns when pods can be made.
    pub(crate) fn start(layout: Layout) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let top = format!("kerno-pods-{}-{number}", std::process::id());
        let groups: Vec<_> = hierarchies().iter().map(|root| root.join(&top)).collect();
        let janitor = Janitor::of(&groups);
        let mut place = Place::in_group(Cgroup::below(
            &mount_point(),
            "system.slice/containerd.service",
        ));
        let address = format!("address add {DNS}/32 dev lo");
        place.namespace.run(IP, &address, "").expect("ip");
        let folder = place.folder().to_owned();
        // Where shims have their sockets and runc its states, whatever containerd is told.
        let run = folder.join("run");
        std::fs::create_dir(&run).expect("a folder");
        place.instead_of("/run", &run);
        let socket = folder.join("containerd.sock");
        let log = folder.join("containerd.log");
        let file = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("to write a file");
            path
        };
        std::fs::create_dir(folder.join("cni")).expect("a folder");
        file("cni/10-node.conflist", network(&folder));
        let config = file("containerd.toml", configuration(&folder));

        let mut command = place.command("unshare");
        command
            .args(["--mount", "--"])
            .args([
                "sh",
                "-c",
                &format!("{} && exec \"$@\"", layout.mounts()),
                "sh",
            ])
            .arg(unpacked(&["usr/bin/containerd"]))
            .arg("--config")
            .arg(config)
            .env("VERSION_2", mount_point())
            .env("PATH", path())
            .env("LD_LIBRARY_PATH", library_path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("containerd's log"));
        let containerd = Process::start(&mut command);
        let cri = poll("containerd's socket", || Cri::connect(&socket));
        let node = Self {
            cri,
            socket,
            log,
            containerd,
            place,
            top,
            _janitor: janitor,
        };
        node.import(&image::write(&folder));
        poll("a containerd that is ready", || {
            let status: StatusResponse = node.cri.call("Status", Empty {}).ok()?;
            let conditions = status.status?.conditions;
            conditions.iter().all(|it| it.status).then_some(())
        });
        node
    }

    /// Takes an image into the node's store.
    pub(crate) fn import(&self, image: &Path) {
        let mut ctr = self.place.command(unpacked(&["usr/bin/ctr"]));
        ctr.arg("--address").arg(&self.socket).args([
            "--namespace",
            "k8s.io",
            "images",
            "import",
            "--snapshotter",
            "native",
        ]);
        run(ctr.arg(image));
    }

    /// unbound as a service of the node, which every pod can ask.
    pub(crate) fn unbound(&self, zone: &str) -> Dns {
        let group = Cgroup::below(&mount_point(), "system.slice/unbound.service");
        let place = self.beside(group);
        let unbound = Unbound::start(&place, zone, &[DNS], 53);
        Dns { unbound, place }
    }

    /// Where containerd has everything.
    pub(crate) fn folder(&self) -> PathBuf {
        self.place.folder().to_owned()
    }

    /// In the network of the node, and in this control group.
    pub(crate) fn beside(&self, group: Cgroup) -> Place {
        let namespace = Namespace::of(self.containerd.pid());
        Place::with(namespace.expect("the node's namespace"), group)
    }
}

/// The node's DNS server and where it runs.
#[derive(Debug)]
pub(crate) struct Dns {
    pub(crate) unbound: Unbound,
    pub(crate) place: Place,
}

/// containerd finds its shim, and the shim runc, by this.
fn path() -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    let folders = ["usr/bin/containerd", "usr/sbin/runc"].map(|path| unpacked(&[path]));
    let folders = folders.map(|path| path.parent().expect("a folder").display().to_string());
    format!("{}:{own}", folders.join(":"))
}

/// Every pod has a cable to the node and an address of its own.
fn network(folder: &Path) -> String {
    let plugin = json!({
        "type": "ptp",
        "ipam": {
            "type": "host-local",
            "dataDir": folder.join("ipam"),
            "ranges": [[{ "subnet": "10.88.0.0/24" }]],
            "routes": [{ "dst": "0.0.0.0/0" }],
        },
    });
    json!({ "cniVersion": "0.4.0", "name": "node", "plugins": [plugin] }).to_string()
}

/// What belongs to the machine is not touched, and what would look for it is off.
fn configuration(folder: &Path) -> String {
    let plugins = unpacked(&["usr/lib/cni"]);
    let runc = unpacked(&["usr/sbin/runc"]);
    format!(
        r#"
version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
]
[grpc]
address = "{folder}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{image}"
netns_mounts_under_state_dir = true
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"
SystemdCgroup = false
"#,
        folder = folder.display(),
        plugins = plugins.display(),
        runc = runc.display(),
        image = image::NAME,
    )
}
