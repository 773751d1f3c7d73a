//! kerno in a pod, with the rights and mounts of `deploy/kubernetes.yaml`.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;

use serde_json::Value;

use crate::manifest;
use crate::messages::Capability;
use crate::messages::ContainerConfig;
use crate::messages::ImageSpec;
use crate::messages::LinuxContainerResources;
use crate::messages::LinuxContainerSecurityContext;
use crate::messages::Mount;
use crate::messages::NamespaceOption;
use crate::messages::SecurityProfile;
use crate::node::Layout;
use crate::node::Node;
use crate::pod::NODE;
use crate::pod::Pod;
use crate::process::poll;
use crate::process::run;
use crate::record::Record;

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
    poll("a kerno that watches", || {
        let log = pod.log("kerno");
        log.contains(&"kerno: watching".to_owned()).then_some(())
    });

    // A filter of system calls is on (proc_pid_status(5)).
    let status = format!("/proc/{}/status", kerno.process());
    let status = std::fs::read_to_string(status).expect("its status");
    assert!(status.contains("Seccomp:\t2\n"), "{status}");

    // A line in the log for what failed, and for nothing else.
    web.ask(&format!("www.{zone}"));
    let refused = format!("refused.{zone}");
    web.exec(&["/bin/nslookup", "-type=a", &refused]);
    let record = poll("a line in the log", || {
        let log = pod.log("kerno");
        let ours = log.iter().filter(|line| line.contains(&refused));
        let mut records = ours.map(|line| Record::read(line));
        records.find(|record| record.role == "client")
    });
    assert_eq!(record.rcode.as_deref(), Some("REFUSED"));
    assert_eq!(record.pod, web.pod_told(), "{record:?}");
    assert_eq!(record.container, web.told(), "{record:?}");
    let of_zone = |line: &&String| line.contains(&format!("www.{zone}"));
    assert_eq!(pod.log("kerno").iter().filter(of_zone).count(), 0);

    // `kubectl exec`
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
    for folder in manifest::folders() {
        let on_the_node = match folder.on_the_node.as_str() {
            "/run/containerd" => node.folder().display().to_string(),
            other => other.to_owned(),
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
