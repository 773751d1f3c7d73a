//! kerno in a pod, with the rights and mounts of `deploy/kubernetes.yaml`.

use std::io::Read as _;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::manifest;
use crate::messages::Capability;
use crate::messages::ContainerConfig;
use crate::messages::ImageSpec;
use crate::messages::KeyValue;
use crate::messages::LinuxContainerResources;
use crate::messages::LinuxContainerSecurityContext;
use crate::messages::Mount;
use crate::messages::NamespaceOption;
use crate::messages::SecurityProfile;
use crate::node::DNS;
use crate::node::Layout;
use crate::node::Node;
use crate::pod::NODE;
use crate::pod::Pod;
use crate::process::PATIENCE;
use crate::process::poll;
use crate::process::run;

/// What the kubelet hides of /proc and /sys from every container.
const MASKED: [&str; 4] = [
    "/proc/kcore",
    "/proc/keys",
    "/proc/timer_list",
    "/sys/firmware",
];
const READ_ONLY: [&str; 3] = ["/proc/bus", "/proc/sys", "/proc/sysrq-trigger"];

#[test]
fn root_kerno_as_it_is_deployed() {
    let zone = format!("deployed{}.pods.test", std::process::id());
    let node = Node::start(Layout::Machine);
    let _dns = node.unbound(&zone);
    let shop = node.pod("shop", "web-1");
    let web = shop.container("nginx");

    assert!(manifest::says("hostPID: true") && manifest::says("hostNetwork: true"));
    let namespaces = NamespaceOption {
        network: NODE,
        pid: NODE,
    };
    let pod = node.pod_with("kerno", "kerno-1", namespaces);
    node.import(&packed(&node));
    let kerno = pod.start(as_deployed(&node, &pod));
    let address = SocketAddr::new(DNS, manifest::port());
    // The kubelet asks until it is there.
    let group = Cgroup::below(&mount_point(), "system.slice/kubelet.service");
    let kubelet = node.beside(group);
    let ask = |path: &str| kubelet.enter(|| page(address, path));
    poll("a kerno that watches", || {
        (ask(manifest::probe("startupProbe"))?.0 == 200).then_some(())
    });
    for kind in ["readinessProbe", "livenessProbe"] {
        assert_eq!(ask(manifest::probe(kind)).map(|it| it.0), Some(200));
    }
    let log = pod.log("kerno");
    let log = log.iter().map(|line| serde_json::from_str::<Value>(line));
    let log: Vec<_> = log.map(|line| line.expect("JSON alone")).collect();
    assert!(!log.is_empty());
    let elsewhere = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port());
    let listens = kubelet.enter(|| TcpStream::connect(elsewhere).is_ok());
    assert!(!listens, "it listens at the pod's address alone");

    // A filter of system calls is on (proc_pid_status(5)).
    let status = format!("/proc/{}/status", kerno.process());
    let status = std::fs::read_to_string(status).expect("its status");
    assert!(status.contains("Seccomp:\t2\n"), "{status}");

    // `kubectl exec`: the time behind.
    web.ask(&format!("www.{zone}"));
    let refused = format!("refused.{zone}");
    web.exec(&["/bin/nslookup", "-type=a", &refused]);
    let last = ["kerno", "doctor", "--last", "10m", "--output", "json"];
    poll("the agent to know of it", || {
        let (report, code) = kerno.exec(&last);
        assert_eq!(code, 0, "{report}");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let rows = report["dns"]["by_workload"].as_array()?;
        let row = rows.iter().find(|row| row["pod"] == shop.told())?;
        let rcodes = &row["rcodes"];
        (rcodes["NOERROR"] == 1 && rcodes["REFUSED"] == 1).then_some(())
    });
    let (history, code) = kerno.exec(&["kerno", "history", "--output", "json"]);
    assert_eq!(code, 0, "{history}");
    let history = node.folder().join("history/history.db");
    assert!(history.exists(), "{}", history.display());
    // What Prometheus gets.
    let label = "namespace=\"shop\",pod=\"web-1\"";
    let text = poll("its ten seconds to be over", || {
        let (_, text) = ask("/metrics")?;
        text.contains(label).then_some(text)
    });
    assert!(!text.contains(&zone), "no metric has the name of a query");

    // A doctor beside it.
    let ended = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                web.ask(&format!("www.{zone}"));
            }
        });
        let glob = format!("*.{zone}");
        let arguments = ["--duration", "2s", "--output", "json", "--name", &glob];
        let (report, code) = kerno.exec(&[&["kerno", "doctor"], &arguments[..]].concat());
        ended.store(true, Ordering::Relaxed);
        assert_eq!(code, 0, "{report}");
        report
    });
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let row = &report["dns"]["by_workload"][0];
    assert_eq!(row["pod"], shop.told(), "{report:#}");
    assert_eq!(
        report["host"]["name"],
        nix::unistd::gethostname()
            .expect("a name")
            .to_str()
            .expect("UTF-8")
    );
    let missing: Vec<_> = report["signals"]
        .as_array()
        .expect("signals")
        .iter()
        .filter(|it| it["active"] == false)
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The status and the text of a page, if there is one.
fn page(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer))
}

/// The image as `make image` makes it, but with the debug build.
fn packed(node: &Node) -> PathBuf {
    let file = node.folder().join("kerno-image.tar");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/image");
    run(Command::new(script).args([env!("CARGO_BIN_EXE_kerno"), file.to_str().expect("UTF-8")]));
    file
}

/// The container of the manifest, and the libraries that the debug build needs.
fn as_deployed(node: &Node, pod: &Pod<'_>) -> ContainerConfig {
    let mut config = pod.configured("kerno", &[]);
    config.args = manifest::arguments()
        .into_iter()
        .map(str::to_owned)
        .collect();
    config.image = Some(ImageSpec {
        image: manifest::image(),
    });
    for (name, field) in manifest::told_by_fields() {
        assert_eq!(field, "status.podIP");
        config.envs.push(KeyValue {
            key: name.to_owned(),
            value: DNS.to_string(),
        });
    }
    for folder in manifest::folders() {
        let own = |name: &str| {
            let path = node.folder().join(name);
            std::fs::create_dir_all(&path).expect("a folder");
            path.display().to_string()
        };
        let on_the_node = match folder.on_the_node.as_deref() {
            Some("/run/containerd") => own(""),
            Some("/var/lib/kerno") => own("history"),
            Some(other) => other.to_owned(),
            None => own("run-kerno"),
        };
        config
            .mounts
            .push(mount(&on_the_node, &folder.inside, folder.read_only));
    }
    for (there, inside) in [("/usr/lib", "/lib"), ("/usr/lib64", "/lib64")] {
        if Path::new(there).exists() {
            config.mounts.push(mount(there, inside, true));
        }
    }

    for line in ["privileged: false", "type: RuntimeDefault", "runAsUser: 0"] {
        assert!(manifest::says(line), "{line}");
    }
    let linux = config.linux.as_mut().expect("it is set");
    linux.resources = Some(LinuxContainerResources {
        memory_limit_in_bytes: manifest::memory_limit(),
    });
    let security = linux.security_context.as_mut().expect("it is set");
    let strings = |texts: &[&str]| texts.iter().map(|&it| it.to_owned()).collect();
    *security = LinuxContainerSecurityContext {
        capabilities: Some(Capability {
            add_capabilities: strings(&manifest::capabilities()),
            drop_capabilities: strings(&["ALL"]),
        }),
        namespace_options: security.namespace_options.clone(),
        readonly_rootfs: manifest::says("readOnlyRootFilesystem: true"),
        no_new_privs: manifest::says("allowPrivilegeEscalation: false"),
        masked_paths: strings(&MASKED),
        readonly_paths: strings(&READ_ONLY),
        seccomp: Some(SecurityProfile::default()),
    };
    assert!(security.readonly_rootfs && security.no_new_privs);
    config
}

fn mount(host_path: &str, container_path: &str, readonly: bool) -> Mount {
    Mount {
        container_path: container_path.to_owned(),
        host_path: host_path.to_owned(),
        readonly,
    }
}
