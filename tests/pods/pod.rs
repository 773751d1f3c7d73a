//! Pods and their containers, made as the kubelet makes them.

use std::cell::Cell;
use std::path::PathBuf;

use kerno_chaos::testbed::Namespace;
use serde_json::Value;
use serde_json::json;

use crate::cgroup::mount_point;
use crate::image;
use crate::messages::ContainerConfig;
use crate::messages::ContainerMetadata;
use crate::messages::CreateContainerRequest;
use crate::messages::DnsConfig;
use crate::messages::Empty;
use crate::messages::ExecSyncRequest;
use crate::messages::ExecSyncResponse;
use crate::messages::Id;
use crate::messages::ImageSpec;
use crate::messages::LinuxContainerConfig;
use crate::messages::LinuxContainerSecurityContext;
use crate::messages::LinuxPodSandboxConfig;
use crate::messages::LinuxSandboxSecurityContext;
use crate::messages::NamespaceOption;
use crate::messages::PodSandboxConfig;
use crate::messages::PodSandboxMetadata;
use crate::messages::RunPodSandboxRequest;
use crate::messages::StopContainerRequest;
use crate::node::DNS;
use crate::node::Node;

/// `NamespaceMode` of CRI: a container's own, and the node's.
const CONTAINER: i32 = 1;
pub(crate) const NODE: i32 = 2;

/// Whose network a pod is in.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub(crate) enum Network {
    Own = 0,
    Node = NODE,
}

/// A pod, or one that is no more.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    node: &'a Node,
    id: String,
    config: PodSandboxConfig,
    /// Containers that were started: one that is started again is another attempt.
    attempts: Cell<u32>,
}

/// A container of a pod.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    node: &'a Node,
    pub(crate) id: String,
    name: String,
    metadata: PodSandboxMetadata,
    parent: String,
}

impl Node {
    /// A pod with the network of its own.
    pub(crate) fn pod(&self, namespace: &str, name: &str) -> Pod<'_> {
        self.pod_in(namespace, name, Network::Own)
    }

    /// A pod whose containers have processes of their own.
    pub(crate) fn pod_in(&self, namespace: &str, name: &str, network: Network) -> Pod<'_> {
        self.pod_with(
            namespace,
            name,
            NamespaceOption {
                network: network as i32,
                pid: CONTAINER,
            },
        )
    }

    /// A pod of the class Burstable.
    pub(crate) fn pod_with(
        &self,
        namespace: &str,
        name: &str,
        namespaces: NamespaceOption,
    ) -> Pod<'_> {
        let uid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("a uid");
        let uid = uid.trim().to_owned();
        let log_directory = self.folder().join(format!("{namespace}_{name}_{uid}"));
        std::fs::create_dir(&log_directory).expect("a folder for logs");
        let config = PodSandboxConfig {
            // Whoever has the node's network has its name too.
            hostname: match namespaces.network {
                NODE => String::new(),
                _ => name.to_owned(),
            },
            log_directory: log_directory.display().to_string(),
            dns_config: Some(DnsConfig {
                servers: vec![DNS.to_string()],
                searches: Vec::new(),
                options: Vec::new(),
            }),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: format!("/{}/kubepods/burstable/pod{uid}", self.top),
                security_context: Some(LinuxSandboxSecurityContext {
                    namespace_options: Some(namespaces),
                }),
            }),
            metadata: Some(PodSandboxMetadata {
                name: name.to_owned(),
                uid,
                namespace: namespace.to_owned(),
                attempt: 0,
            }),
        };
        let request = RunPodSandboxRequest {
            config: Some(config.clone()),
        };
        let made: Id = self.cri.done("RunPodSandbox", request);
        Pod {
            node: self,
            id: made.id,
            config,
            attempts: Cell::new(0),
        }
    }
}

impl<'a> Pod<'a> {
    /// Starts a container that does nothing until it is told to.
    pub(crate) fn container(&self, name: &str) -> Container<'a> {
        self.run(name, &["/bin/sleep", "3600"])
    }

    /// Starts a container that runs this program.
    pub(crate) fn run(&self, name: &str, program: &[&str]) -> Container<'a> {
        self.start(self.configured(name, program))
    }

    /// How a container is made that has nothing special.
    pub(crate) fn configured(&self, name: &str, program: &[&str]) -> ContainerConfig {
        let namespaces = self.linux().security_context.as_ref().expect("it is set");
        ContainerConfig {
            metadata: Some(ContainerMetadata {
                name: name.to_owned(),
                attempt: self.attempts.replace(self.attempts.get() + 1),
            }),
            image: Some(ImageSpec {
                image: image::NAME.to_owned(),
            }),
            command: program.iter().map(|&part| part.to_owned()).collect(),
            log_path: format!("{name}.log"),
            linux: Some(LinuxContainerConfig {
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: namespaces.namespace_options.clone(),
                    ..LinuxContainerSecurityContext::default()
                }),
                ..LinuxContainerConfig::default()
            }),
            ..ContainerConfig::default()
        }
    }

    /// Starts a container.
    pub(crate) fn start(&self, config: ContainerConfig) -> Container<'a> {
        let name = config.metadata.as_ref().expect("it is set").name.clone();
        let request = CreateContainerRequest {
            pod_sandbox_id: self.id.clone(),
            config: Some(config),
            sandbox_config: Some(self.config.clone()),
        };
        let made: Id = self.node.cri.done("CreateContainer", request);
        let id = Id {
            id: made.id.clone(),
        };
        let _: Empty = self.node.cri.done("StartContainer", id);
        Container {
            node: self.node,
            id: made.id,
            name,
            metadata: self.config.metadata.clone().expect("it is set"),
            parent: self.linux().cgroup_parent.clone(),
        }
    }

    fn linux(&self) -> &LinuxPodSandboxConfig {
        self.config.linux.as_ref().expect("it is set")
    }

    /// What a container has written so far, in the order of its lines.
    pub(crate) fn log(&self, name: &str) -> Vec<String> {
        let path = PathBuf::from(&self.config.log_directory).join(format!("{name}.log"));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // `TIME stdout F TEXT`, as the kubelet reads it.
        let lines = text.lines().filter_map(|line| line.splitn(4, ' ').nth(3));
        lines.map(str::to_owned).collect()
    }

    /// What a report has as `pod` of it.
    pub(crate) fn told(&self) -> Value {
        pod_told(self.config.metadata.as_ref().expect("it is set"))
    }

    /// Ends and forgets it with all its containers, as after a deletion.
    pub(crate) fn delete(self) {
        let id = Id { id: self.id };
        let _: Empty = self.node.cri.done("StopPodSandbox", id.clone());
        let _: Empty = self.node.cri.done("RemovePodSandbox", id);
    }
}

fn pod_told(metadata: &PodSandboxMetadata) -> Value {
    json!({
        "namespace": metadata.namespace,
        "name": metadata.name,
        "uid": metadata.uid,
    })
}

impl Container<'_> {
    /// Runs a program in it, to its end, and returns what it wrote and its code.
    pub(crate) fn exec(&self, program: &[&str]) -> (String, i32) {
        let request = ExecSyncRequest {
            container_id: self.id.clone(),
            cmd: program.iter().map(|&part| part.to_owned()).collect(),
            timeout: 20,
        };
        let done: ExecSyncResponse = self.node.cri.done("ExecSync", request);
        let output = [done.stdout, done.stderr].concat();
        (
            String::from_utf8_lossy(&output).into_owned(),
            done.exit_code,
        )
    }

    /// Asks for the address of a name, once.
    pub(crate) fn ask(&self, name: &str) {
        let (output, code) = self.exec(&["/bin/nslookup", "-type=a", name]);
        assert_eq!(code, 0, "{output}");
    }

    /// Ends it at once.
    pub(crate) fn stop(&self) {
        let request = StopContainerRequest {
            container_id: self.id.clone(),
            timeout: 0,
        };
        let _: Empty = self.node.cri.done("StopContainer", request);
    }

    /// What a record has as `pod` of it.
    pub(crate) fn pod_told(&self) -> Value {
        let mut told = pod_told(&self.metadata);
        told["container"] = json!(self.name);
        told
    }

    /// What a record has as `container` of it.
    pub(crate) fn told(&self) -> Value {
        json!({ "id": self.id, "name": self.name, "runtime": "containerd" })
    }

    /// Its control group from the root.
    pub(crate) fn cgroup(&self) -> String {
        format!("{}/{}", self.parent, self.id)
    }

    /// The number of its first process.
    pub(crate) fn process(&self) -> u32 {
        let group: PathBuf = mount_point().join(self.cgroup().trim_start_matches('/'));
        let processes = std::fs::read_to_string(group.join("cgroup.procs")).expect("a group");
        let first = processes.lines().next().expect("a process");
        first.parse().expect("a number")
    }

    /// The network namespace of its pod.
    pub(crate) fn network(&self) -> Namespace {
        Namespace::of(self.process()).expect("the pod's namespace")
    }

    /// Forgets it, after its end.
    pub(crate) fn remove(self) {
        let _: Empty = self.node.cri.done("RemoveContainer", Id { id: self.id });
    }
}
