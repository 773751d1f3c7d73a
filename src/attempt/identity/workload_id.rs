//! Who asks, by the best name there is, and how it is written in JSON.

use std::fmt;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use serde::Serialize;

use super::Identity;
use super::IdentityTable;
use super::cgroup_path::Runtime;
use crate::attempt::Attempt;
use crate::attempt::Comm;

/// Digits of a container's id that people write.
const SHORT: usize = 12;

/// A workload as people think of it: a pod, else a container, else a systemd
/// unit, else a process. Several control groups may be one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadId {
    /// A pod with all its containers.
    Pod(Pod),
    /// A container that is in no pod.
    Container(Container),
    /// A systemd unit, as `unbound.service`; of which user's manager, if it is not the
    /// system's: both may have one of the same name.
    Unit(String, Option<u32>),
    /// A process that is in none of these, with its thread-group id if known.
    Process(Option<u32>, Comm),
}

/// A pod. What is not known is absent.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
)]
pub struct Pod {
    /// Its namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its uid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The container in it that asked, by its name in the pod's specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}

/// A container. What is not known is absent.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What runs it, as `containerd`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
}

/// The fields of a record, or of a finding's scope.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// The systemd unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The user whose own service manager has that unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
    /// The container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// The pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
}

impl WorkloadId {
    /// Who made an attempt.
    pub fn made(attempt: &Attempt) -> Self {
        ClientKey::of(attempt).id(&IdentityTable::default())
    }

    /// Whose control group it is; `None` if only the process can be named.
    pub fn of(identity: &Identity) -> Option<Self> {
        let Labels {
            unit,
            user,
            container,
            pod,
        } = &identity.labels;
        match (pod, container) {
            (Some(pod), _) => Some(Self::Pod(pod.clone())),
            (None, Some(container)) => Some(Self::Container(container.clone())),
            (None, None) if identity.is_numbered_scope() => None,
            (None, None) => unit.clone().map(|unit| Self::Unit(unit, *user)),
        }
    }

    /// `pod`, `container`, `unit` or `process`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pod(_) => "pod",
            Self::Container(_) => "container",
            Self::Unit(..) => "unit",
            Self::Process(..) => "process",
        }
    }

    /// The name alone: `shop/web-1`, `db`, `unbound.service`, `curl`; an id where
    /// there is no name.
    pub fn name(&self) -> String {
        match self {
            Self::Pod(Pod {
                namespace: Some(namespace),
                name: Some(name),
                ..
            }) => format!("{namespace}/{name}"),
            Self::Pod(pod) => pod.uid.clone().unwrap_or_default(),
            Self::Container(container) => {
                let id = || container.id.get(..SHORT).unwrap_or(&container.id);
                container.name.clone().unwrap_or_else(|| id().to_owned())
            }
            Self::Unit(unit, _) => unit.clone(),
            Self::Process(_, comm) => comm.to_string(),
        }
    }

    /// As fields; none for a process.
    pub fn labels(&self) -> Labels {
        let mut labels = Labels::default();
        match self.clone() {
            Self::Pod(pod) => labels.pod = Some(pod),
            Self::Container(container) => labels.container = Some(container),
            Self::Unit(unit, user) => (labels.unit, labels.user) = (Some(unit), user),
            Self::Process(..) => {}
        }
        labels
    }
}

impl fmt::Display for WorkloadId {
    /// `pod shop/web-1`, `container db`, `unbound.service`, `curl (pid 4242)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Pod(_) | Self::Container(_) => write!(f, "{} {name}", self.kind()),
            Self::Unit(_, Some(user)) => write!(f, "{name} of user {user}"),
            Self::Unit(_, None) => f.write_str(&name),
            Self::Process(Some(pid), _) if name.is_empty() => write!(f, "pid {pid}"),
            Self::Process(Some(pid), _) => write!(f, "{name} (pid {pid})"),
            Self::Process(None, _) => f.write_str("an unknown process"),
        }
    }
}

/// The key by which figures are kept while names are still to come.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientKey {
    /// A control group that is somebody's.
    Workload(Arc<Identity>),
    /// Any other process.
    Process(Option<u32>, Comm),
}

impl ClientKey {
    /// Who made an attempt.
    pub fn of(attempt: &Attempt) -> Self {
        match &attempt.workload {
            Some(workload) if !workload.is_anonymous() && !workload.is_numbered_scope() => {
                Self::Workload(Arc::clone(workload))
            }
            _ => Self::Process(attempt.owner.pid, attempt.owner.comm),
        }
    }

    /// By the names that are known in the end.
    pub fn id(&self, known: &IdentityTable) -> WorkloadId {
        match self {
            Self::Workload(identity) => {
                let unnamed = || WorkloadId::Unit(identity.cgroup().to_owned(), None);
                WorkloadId::of(known.latest(identity)).unwrap_or_else(unnamed)
            }
            Self::Process(pid, comm) => WorkloadId::Process(*pid, *comm),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    fn told(path: &str) -> (Option<WorkloadId>, serde_json::Value) {
        let mut workload = Identity::of_cgroup(path.as_bytes());
        workload.name_container("nginx");
        if workload.pod().is_some() {
            workload.name_pod("shop", "web-1", "");
        }
        let labels = serde_json::to_value(workload.labels()).expect("JSON");
        (WorkloadId::of(&workload), labels)
    }

    #[test]
    fn a_pod_comes_before_its_container() {
        let (whom, labels) = told(&format!("/kubepods/burstable/podu-1/crio-{ID}"));
        assert_eq!(whom.expect("a pod").to_string(), "pod shop/web-1");
        assert_eq!(
            labels,
            serde_json::json!({
                "container": { "id": ID, "name": "nginx", "runtime": "cri-o" },
                "pod": { "namespace": "shop", "name": "web-1", "uid": "u-1", "container": "nginx" },
            })
        );
    }

    #[test]
    fn a_scope_without_a_name_is_its_process() {
        let key = |scope: &str| {
            let path = format!("/system.slice/{scope}");
            let mut attempt = crate::sample::attempt(
                ("aardvark-dns", 812),
                "10.89.0.1:53",
                crate::attempt::Outcome::Answered,
                0,
            );
            attempt.workload = Some(Arc::new(Identity::of_cgroup(path.as_bytes())));
            let key = ClientKey::of(&attempt);
            let whose = WorkloadId::of(attempt.workload.as_deref().expect("one"));
            assert_eq!(whose.is_some(), matches!(key, ClientKey::Workload(_)));
            key
        };
        let process = ClientKey::Process(Some(812), Comm::new(b"aardvark-dns"));
        for scope in [
            "run-r9cacb95069d8483e91a29efaf2851a1a.scope",
            "run-u20.scope",
            "run-p812-i813.scope",
            "podman-1339.scope",
        ] {
            assert_eq!(key(scope), process, "{scope}");
        }
        for scope in [
            "run-r.scope",
            "run-review.scope",
            "podman-shop.scope",
            "run-u20.service",
        ] {
            assert!(matches!(key(scope), ClientKey::Workload(_)), "{scope}");
        }
    }

    #[test]
    fn a_container_comes_before_its_unit() {
        let (whom, labels) = told(&format!("/system.slice/web.service/libpod-payload-{ID}"));
        assert_eq!(whom.expect("a container").to_string(), "container nginx");
        assert_eq!(labels["unit"], "web.service");
        let (whom, labels) = told("/system.slice/web.service");
        assert_eq!(whom, Some(WorkloadId::Unit("web.service".to_owned(), None)));
        assert_eq!(labels, serde_json::json!({ "unit": "web.service" }));
    }

    #[test]
    fn units_of_the_system_and_of_a_user_are_two() {
        let (system, labels) = told("/system.slice/twin.service");
        assert_eq!(labels, serde_json::json!({ "unit": "twin.service" }));
        let manager = "/user.slice/user-1000.slice/user@1000.service";
        let (user, labels) = told(&format!("{manager}/app.slice/twin.service"));
        assert_eq!(
            labels,
            serde_json::json!({ "unit": "twin.service", "user": 1000 })
        );
        assert_ne!(system, user);
        assert_eq!(system.expect("a unit").to_string(), "twin.service");
        assert_eq!(
            user.expect("a unit").to_string(),
            "twin.service of user 1000"
        );
        // The manager itself, and a session, are the system's.
        for unit in [manager, "/user.slice/user-1000.slice/session-3.scope"] {
            assert_eq!(told(unit).1.get("user"), None, "{unit}");
        }
    }

    #[test]
    fn without_names_there_are_ids() {
        let pod = Identity::of_cgroup(format!("/kubepods/podu-1/{ID}").as_bytes());
        assert_eq!(WorkloadId::of(&pod).expect("a pod").name(), "u-1");
        let container = Identity::of_cgroup(format!("/docker/{ID}").as_bytes());
        let whom = WorkloadId::of(&container).expect("a container");
        assert_eq!(whom.name(), "3f0c2b8f5a1d");
        assert_eq!(WorkloadId::of(&Identity::of_cgroup(b"/user.slice")), None);
    }
}
