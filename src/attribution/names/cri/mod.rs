//! The node's CRI socket, as the kubelet asks it: containerd's, CRI-O's or
//! cri-dockerd's. Read-only calls, and never more than a few seconds.

mod call;
#[cfg(test)]
mod fake;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use self::call::Connection;
use self::call::Failure;
use self::messages::Container;
use self::messages::ContainerFilter;
use self::messages::ListContainersRequest;
use self::messages::ListPodSandboxRequest;
use self::messages::PodSandbox;
use self::messages::PodSandboxFilter;
use self::messages::PodSandboxMetadata;
use self::messages::VersionRequest;
use self::messages::VersionResponse;
use super::Source;
use super::Subject;
use crate::attempt::identity::Runtime;

/// Where runtimes have their sockets: containerd, CRI-O, cri-dockerd, k3s and
/// RKE2, k0s, MicroK8s.
const SOCKETS: [&str; 6] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];
const VERSION: &str = "/runtime.v1.RuntimeService/Version";
const LIST_CONTAINERS: &str = "/runtime.v1.RuntimeService/ListContainers";
const LIST_SANDBOXES: &str = "/runtime.v1.RuntimeService/ListPodSandbox";
/// For so many workloads it is cheaper to ask for each than for everything.
const FEW: usize = 4;
/// A socket that failed is left alone for so long.
const REST: Duration = Duration::from_secs(10);
/// At most one round of questions in this time: a crowd is asked for together.
const PACE: Duration = Duration::from_millis(100);

/// All sockets that may know names.
#[derive(Debug)]
pub(super) struct Cri {
    sockets: Vec<Socket>,
    failures: u64,
    complaint: Option<String>,
    next: Option<Instant>,
    /// What there was at the start, and may be gone when it is asked for.
    first: Vec<Told>,
}

#[derive(Debug)]
struct Socket {
    path: PathBuf,
    /// Named by the user, so it must be there.
    demanded: bool,
    is_cri: bool,
    /// Who listens there, if it has said so.
    runtime: Option<Runtime>,
    /// Not before this time.
    next: Option<Instant>,
}

impl Cri {
    /// At the usual places, or only here.
    pub(super) fn new(endpoint: Option<PathBuf>) -> Self {
        let demanded = endpoint.is_some();
        let paths = match endpoint {
            Some(path) => vec![path],
            None => SOCKETS.map(PathBuf::from).to_vec(),
        };
        Self {
            sockets: paths
                .into_iter()
                .map(|path| Socket {
                    path,
                    demanded,
                    is_cri: true,
                    runtime: None,
                    next: None,
                })
                .collect(),
            failures: 0,
            complaint: None,
            next: None,
            first: Vec::new(),
        }
    }

    /// Asks one socket for these, or for everything; `None` if it cannot be asked.
    fn ask(&mut self, at: usize, wanted: &[Arc<Subject>]) -> Option<Told> {
        let socket = self.sockets.get_mut(at)?;
        let now = Instant::now();
        let rests = socket.next.is_some_and(|next| now < next);
        if !socket.is_cri || rests || !(socket.demanded || socket.path.exists()) {
            return None;
        }
        if let Some(pause) = self.next.and_then(|next| next.checked_duration_since(now)) {
            std::thread::sleep(pause);
        }
        let path = socket.path.clone();
        let told = ask(&path, socket.runtime, wanted);
        self.next = Some(Instant::now() + PACE);
        match told {
            Ok(told) => {
                socket.runtime = told.runtime;
                return Some(told);
            }
            // Docker's own containerd has no CRI.
            Err(Failure::NotCri) if !socket.demanded => socket.is_cri = false,
            Err(failure) => {
                socket.next = Some(Instant::now() + REST);
                self.failed(&path, &failure);
            }
        }
        None
    }

    fn failed(&mut self, path: &Path, failure: &Failure) {
        self.failures += 1;
        if self.complaint.is_none() {
            self.complaint = Some(format!(
                "the CRI socket {} could not be asked ({failure}), so pods and containers may have \
                 ids instead of names",
                path.display()
            ));
        }
    }
}

impl Source for Cri {
    fn look_around(&mut self) {
        for at in 0..self.sockets.len() {
            let told = self.ask(at, &[]);
            self.first.extend(told);
        }
    }

    fn name(&mut self, wanted: &[Arc<Subject>]) {
        let lacking = |wanted: &[Arc<Subject>]| -> Vec<Arc<Subject>> {
            wanted
                .iter()
                .filter(|it| it.lacks_names())
                .cloned()
                .collect()
        };
        self.first.iter().for_each(|told| told.name(wanted));
        for at in 0..self.sockets.len() {
            let lacking = lacking(wanted);
            if lacking.is_empty() {
                return;
            }
            if let Some(told) = self.ask(at, &lacking) {
                told.name(&lacking);
            }
        }
    }

    fn failures(&self) -> u64 {
        self.failures
    }

    fn complaint(&self) -> Option<String> {
        self.complaint.clone()
    }
}

/// What a socket said.
#[derive(Debug, Default)]
struct Told {
    runtime: Option<Runtime>,
    containers: Vec<Container>,
    sandboxes: Vec<PodSandbox>,
}

/// A runtime of its own for each round, so that nothing of a socket that hangs or
/// floods is left behind.
fn ask(path: &Path, known: Option<Runtime>, wanted: &[Arc<Subject>]) -> Result<Told, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Other(error.to_string()))?;
    runtime.block_on(async {
        let mut connection = Connection::open(path).await?;
        let who = match known {
            Some(runtime) => Some(runtime),
            None => ask_who(&mut connection).await?,
        };
        let all_have_ids = wanted.iter().all(|it| it.of_path().container().is_some());
        let told = match (1..=FEW).contains(&wanted.len()) && all_have_ids {
            true => ask_for_each(&mut connection, wanted).await?,
            false => ask_for_all(&mut connection).await?,
        };
        Ok(Told {
            runtime: who,
            ..told
        })
    })
}

/// With the cgroupfs driver a path has the bare id of a container.
async fn ask_who(connection: &mut Connection) -> Result<Option<Runtime>, Failure> {
    let version: VersionResponse = connection.call(VERSION, VersionRequest {}).await?;
    Ok(match version.runtime_name.as_str() {
        "containerd" => Some(Runtime::Containerd),
        "cri-o" => Some(Runtime::CriO),
        // As cri-dockerd says.
        "docker" => Some(Runtime::Docker),
        _ => None,
    })
}

async fn ask_for_all(connection: &mut Connection) -> Result<Told, Failure> {
    let containers = ListContainersRequest { filter: None };
    let sandboxes = ListPodSandboxRequest { filter: None };
    Ok(Told {
        runtime: None,
        containers: connection.call(LIST_CONTAINERS, containers).await?,
        sandboxes: connection.call(LIST_SANDBOXES, sandboxes).await?,
    })
}

async fn ask_for_each(
    connection: &mut Connection,
    wanted: &[Arc<Subject>],
) -> Result<Told, Failure> {
    let mut told = Told::default();
    for id in wanted
        .iter()
        .filter_map(|subject| subject.of_path().container())
    {
        let filter = Some(ContainerFilter { id: id.to_owned() });
        let request = ListContainersRequest { filter };
        let containers: Vec<Container> = connection.call(LIST_CONTAINERS, request).await?;
        // What is no container may be the sandbox itself.
        let sandbox = containers.first().map(|it| it.pod_sandbox_id.clone());
        let id = sandbox.unwrap_or_else(|| id.to_owned());
        let filter = Some(PodSandboxFilter { id });
        let request = ListPodSandboxRequest { filter };
        let sandboxes: Vec<PodSandbox> = connection.call(LIST_SANDBOXES, request).await?;
        told.sandboxes.extend(sandboxes);
        told.containers.extend(containers);
    }
    Ok(told)
}

impl Told {
    /// Names those that are in it; a server may send more than was asked for.
    fn name(&self, wanted: &[Arc<Subject>]) {
        let mut pods: HashMap<&str, &PodSandboxMetadata> = HashMap::new();
        let mut by_uid: HashMap<&str, &PodSandboxMetadata> = HashMap::new();
        for sandbox in &self.sandboxes {
            if let Some(metadata) = &sandbox.metadata {
                pods.insert(&sandbox.id, metadata);
                by_uid.insert(&metadata.uid, metadata);
            }
        }
        let containers: HashMap<&str, &Container> = self
            .containers
            .iter()
            .map(|it| (it.id.as_str(), it))
            .collect();
        for subject in wanted {
            let container = subject
                .of_path()
                .container()
                .and_then(|id| containers.get(id));
            if let Some(metadata) = container.and_then(|it| it.metadata.as_ref()) {
                subject.learn(|it| it.name_container(&metadata.name));
            }
            if let (Some(_), Some(runtime)) = (container, self.runtime) {
                subject.learn(|it| it.tell_runtime(runtime));
            }
            let sandbox = container.map(|it| it.pod_sandbox_id.as_str());
            let of_sandbox = sandbox
                .or(subject.of_path().container())
                .and_then(|id| pods.get(id));
            let of_uid = || subject.of_path().pod_uid().and_then(|uid| by_uid.get(uid));
            if let Some(pod) = of_sandbox.or_else(of_uid) {
                subject.learn(|it| it.name_pod(&pod.namespace, &pod.name, &pod.uid));
            }
        }
    }
}
