//! The node's CRI socket, as the kubelet asks it: containerd's, CRI-O's or
//! cri-dockerd's. Read-only calls, and never more than a few seconds.

mod call;
#[cfg(test)]
mod fake;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzed;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use prost::DecodeError;
use prost::Message as _;
use prost::bytes::Buf;

use self::call::Connection;
use self::call::Failure;
use self::call::items;
use self::messages::Container;
use self::messages::Filter;
use self::messages::ListRequest;
use self::messages::PodSandbox;
use self::messages::PodSandboxMetadata;
use self::messages::VersionResponse;
use super::Failures;
use super::Source;
use super::Subject;
use super::lacking;
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
/// At most one round of questions to a socket in this time: a crowd is asked for together.
const PACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Cri {
    sockets: Vec<Socket>,
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
    next: Instant,
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
                    next: Instant::now(),
                })
                .collect(),
            first: Vec::new(),
        }
    }
}

impl Socket {
    /// Asks for these, or for everything; `None` if it cannot be asked.
    fn ask(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures) -> Option<Told> {
        let pause = self.next.saturating_duration_since(Instant::now());
        if !self.is_cri || pause > PACE || !(self.demanded || self.path.exists()) {
            return None;
        }
        std::thread::sleep(pause);
        let told = ask(&self.path, self.runtime, wanted);
        let rest = if told.is_ok() { PACE } else { REST };
        self.next = Instant::now() + rest;
        match told {
            Ok(told) => {
                self.runtime = told.runtime;
                return Some(told);
            }
            // Docker's own containerd has no CRI.
            Err(Failure::NotCri) if !self.demanded => self.is_cri = false,
            Err(failure) => failures.add(|| {
                format!(
                    "the CRI socket {} could not be asked ({failure}), so pods and containers may have \
                     ids instead of names",
                    self.path.display()
                )
            }),
        }
        None
    }
}

impl Source for Cri {
    fn look_around(&mut self, failures: &mut Failures) {
        for socket in &mut self.sockets {
            self.first.extend(socket.ask(&[], failures));
        }
    }

    fn name(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures) {
        self.first.iter().for_each(|told| told.name(wanted));
        for socket in &mut self.sockets {
            let lacking = lacking(wanted);
            if lacking.is_empty() {
                return;
            }
            if let Some(told) = socket.ask(&lacking, failures) {
                told.name(&lacking);
            }
        }
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
        let mut told = Told {
            runtime: match known {
                Some(runtime) => Some(runtime),
                None => ask_who(&mut connection).await?,
            },
            ..Told::default()
        };
        let ids: Option<Vec<_>> = wanted.iter().map(|it| it.of_path().container()).collect();
        match ids.filter(|ids| (1..=FEW).contains(&ids.len())) {
            Some(ids) => {
                for id in ids {
                    told.ask_for(&mut connection, Some(id)).await?;
                }
            }
            None => told.ask_for(&mut connection, None).await?,
        }
        Ok(told)
    })
}

/// With the cgroupfs driver a path has the bare id of a container.
async fn ask_who(connection: &mut Connection) -> Result<Option<Runtime>, Failure> {
    Ok(who(connection.call(VERSION, &()).await?)?)
}

fn who(answer: impl Buf) -> Result<Option<Runtime>, DecodeError> {
    let version = VersionResponse::decode(answer)?;
    Ok(match version.runtime_name.as_str() {
        "containerd" => Some(Runtime::Containerd),
        "cri-o" => Some(Runtime::CriO),
        // As cri-dockerd says.
        "docker" => Some(Runtime::Docker),
        _ => None,
    })
}

impl Told {
    /// Asks for the container with this id and its pod, or for all.
    async fn ask_for(
        &mut self,
        connection: &mut Connection,
        id: Option<&str>,
    ) -> Result<(), Failure> {
        let request = |id: Option<&str>| ListRequest {
            filter: id.map(|id| Filter { id: id.to_owned() }),
        };
        let listed = connection.call(LIST_CONTAINERS, &request(id)).await?;
        let containers: Vec<Container> = items(listed)?;
        // What is no container may be the sandbox itself.
        let sandbox = id.map(|id| containers.first().map_or(id, |it| &it.pod_sandbox_id));
        let listed = connection.call(LIST_SANDBOXES, &request(sandbox)).await?;
        self.sandboxes.extend(items::<PodSandbox>(listed)?);
        self.containers.extend(containers);
        Ok(())
    }

    /// Names those that are in it; a server may send more than was asked for.
    fn name(&self, wanted: &[Arc<Subject>]) {
        // By the sandbox's id and by the pod's uid.
        let mut pods: HashMap<&str, &PodSandboxMetadata> = HashMap::new();
        for sandbox in &self.sandboxes {
            if let Some(metadata) = &sandbox.metadata {
                pods.insert(&sandbox.id, metadata);
                pods.insert(&metadata.uid, metadata);
            }
        }
        let containers = self.containers.iter().map(|it| (it.id.as_str(), it));
        let containers: HashMap<&str, &Container> = containers.collect();
        for subject in wanted {
            let of_path = subject.of_path();
            let container = of_path.container().and_then(|id| containers.get(id));
            if let Some(container) = container {
                subject.learn(|it| {
                    if let Some(metadata) = &container.metadata {
                        it.name_container(&metadata.name);
                    }
                    if let Some(runtime) = self.runtime {
                        it.tell_runtime(runtime);
                    }
                });
            }
            let sandbox = container.map(|it| it.pod_sandbox_id.as_str());
            let ids = [sandbox.or(of_path.container()), of_path.pod_uid()];
            if let Some(pod) = ids.into_iter().flatten().find_map(|id| pods.get(id)) {
                subject.learn(|it| it.name_pod(&pod.namespace, &pod.name, &pod.uid));
            }
        }
    }
}
