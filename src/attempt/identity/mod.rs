//! Whose an attempt is, as plain data: what a control group's path says, and the
//! names that go with it.

pub mod cgroup_path;
mod workload_id;

use std::collections::HashSet;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

pub use cgroup_path::Delegated;
pub use cgroup_path::Runtime;
pub use workload_id::ClientKey;
pub use workload_id::Container;
pub use workload_id::Labels;
pub use workload_id::Pod;
pub use workload_id::WorkloadId;

use super::names;

/// Kubernetes allows 253 octets in a name (RFC 1123 subdomain), Docker as many as
/// a file name has.
const NAME_MAX: usize = 255;

/// What one control group is, as far as it is known. Two are equal if they are of
/// the same group, whatever names are known: those may come later.
///
/// All text is printable, whatever strangers chose.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug)]
pub struct Identity {
    /// Made from the path, so that it need not be looked through for each attempt.
    key: u64,
    cgroup: Box<str>,
    /// What is known of it; the name of a pod's container stands with the container.
    labels: Labels,
    /// Who may have chosen the path. Only who asks for names wants to know.
    #[borsh(skip)]
    user: Option<u32>,
}

impl Identity {
    /// Of the control group with this path, as seen from the root.
    pub fn of_cgroup(path: &[u8]) -> Self {
        Self::of_delegated(path, None)
    }

    /// The same, where a part of the path is a user's.
    pub fn of_delegated(path: &[u8], delegated: Option<Delegated>) -> Self {
        let path = path.get(..cgroup_path::PATH_MAX).unwrap_or(path);
        let cgroup = names::visible(path);
        let facts = cgroup_path::parse(&cgroup, delegated);
        let mut hasher = DefaultHasher::new();
        cgroup.hash(&mut hasher);
        let container = facts.container.map(|id| Container {
            id: id.to_owned(),
            // With LXC the id is a name.
            name: (facts.runtime == Some(Runtime::Lxc)).then(|| id.to_owned()),
            runtime: facts.runtime,
        });
        let pod = facts.pod.map(|uid| Pod {
            uid: Some(uid),
            ..Pod::default()
        });
        let labels = Labels {
            user: facts.manager,
            unit: facts.unit.map(str::to_owned),
            container,
            pod,
        };
        Self {
            key: hasher.finish(),
            labels,
            user: facts.user,
            cgroup: cgroup.into(),
        }
    }

    /// The control group's path, from the root of its hierarchy.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// All that is known of it.
    pub fn labels(&self) -> Labels {
        let mut labels = self.labels.clone();
        if let Some(pod) = &mut labels.pod {
            pod.container = self.container_name().map(str::to_owned);
        }
        labels
    }

    /// The systemd unit, as `unbound.service`.
    pub fn unit(&self) -> Option<&str> {
        self.labels.unit.as_deref()
    }

    /// Whether it is a socket of systemd's that waits for its service.
    pub fn is_socket_unit(&self) -> bool {
        self.unit().is_some_and(|unit| unit.ends_with(".socket"))
    }

    /// Whether its unit is a scope with a number in place of a name, another with each start:
    /// then the process is the better name.
    pub fn is_numbered_scope(&self) -> bool {
        !self.is_contained() && self.unit().is_some_and(cgroup_path::is_numbered_scope)
    }

    /// The user whose own groups it is among, by id.
    pub fn user(&self) -> Option<u32> {
        self.user
    }

    /// The container's id.
    pub fn container(&self) -> Option<&str> {
        Some(&self.labels.container.as_ref()?.id)
    }

    /// The container's name: in a pod that in the pod's specification.
    pub fn container_name(&self) -> Option<&str> {
        self.labels.container.as_ref()?.name.as_deref()
    }

    /// The pod that it is in.
    pub fn pod(&self) -> Option<&Pod> {
        self.labels.pod.as_ref()
    }

    /// The pod's uid.
    pub fn pod_uid(&self) -> Option<&str> {
        self.pod()?.uid.as_deref()
    }

    /// Whether it is a container's or a pod's.
    pub fn is_contained(&self) -> bool {
        self.labels.container.is_some() || self.labels.pod.is_some()
    }

    /// Whether a name is missing that somebody may know.
    pub fn lacks_names(&self) -> bool {
        let Labels { container, pod, .. } = &self.labels;
        pod.as_ref().is_some_and(|it| it.name.is_none())
            || container.as_ref().is_some_and(|it| it.name.is_none())
    }

    /// Whether it is nothing but a process's control group: then the process is
    /// the best name.
    pub fn is_anonymous(&self) -> bool {
        self.labels.unit.is_none() && !self.is_contained()
    }

    /// Gives the container its name. The first one stays: both were told by
    /// somebody who knows it.
    pub fn name_container(&mut self, name: &str) {
        if let Some(container) = &mut self.labels.container
            && container.name.is_none()
        {
            container.name = printable(name);
        }
    }

    /// Says what runs the container, if its path does not.
    pub fn tell_runtime(&mut self, runtime: Runtime) {
        if let Some(container) = &mut self.labels.container {
            container.runtime.get_or_insert(runtime);
        }
    }

    /// Gives the pod its name. The first one stays, and so does the uid of the path.
    pub fn name_pod(&mut self, namespace: &str, name: &str, uid: &str) {
        if let (Some(namespace), Some(name)) = (printable(namespace), printable(name)) {
            let pod = self.labels.pod.get_or_insert_default();
            if pod.name.is_none() {
                pod.namespace = Some(namespace);
                pod.name = Some(name);
                pod.uid = pod.uid.take().or_else(|| printable(uid));
            }
        }
    }
}

/// What is known of control groups in the end: names that came after their first
/// attempts had gone on.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, Default)]
pub struct IdentityTable(HashSet<Arc<Identity>>);

impl IdentityTable {
    /// Control groups in it; a node has some hundred with names.
    pub const MAX: usize = 8192;

    /// Whether there was room for it.
    pub fn insert(&mut self, identity: Arc<Identity>) -> bool {
        let has_room = self.0.len() < Self::MAX || self.0.contains(&identity);
        if has_room {
            self.0.replace(identity);
        }
        has_room
    }

    /// Takes over what became known later.
    pub fn follow(&mut self, next: Self) {
        for identity in next.0 {
            let _no_room = self.insert(identity);
        }
    }

    /// The same control group with the names that came later, if any did.
    pub fn latest<'a>(&'a self, identity: &'a Arc<Identity>) -> &'a Arc<Identity> {
        self.0.get(identity).unwrap_or(identity)
    }

    /// Brings what an attempt has up to date.
    pub fn update(&self, identity: &mut Option<Arc<Identity>>) {
        if let Some(identity) = identity {
            *identity = Arc::clone(self.latest(identity));
        }
    }
}

/// Bounded and without control characters; `None` for nothing.
fn printable(name: &str) -> Option<String> {
    let bytes = name.as_bytes();
    let shown = names::visible(bytes.get(..NAME_MAX).unwrap_or(bytes));
    (!shown.is_empty()).then_some(shown)
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.cgroup == other.cgroup
    }
}

impl Eq for Identity {}

impl PartialOrd for Identity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.cgroup.cmp(&other.cgroup)
    }
}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    #[test]
    fn it_is_called_by_the_best_name_there_is() {
        let mut pod = Identity::of_cgroup(format!("/kubepods/burstable/podu-1/{ID}").as_bytes());
        assert!(pod.lacks_names());
        assert_eq!(
            WorkloadId::of(&pod).expect("it is somebody").to_string(),
            "pod u-1"
        );
        pod.name_container("web");
        pod.name_pod("shop", "web-1", "");
        assert_eq!(
            WorkloadId::of(&pod).expect("it is somebody").to_string(),
            "pod shop/web-1"
        );
        assert_eq!(pod.pod_uid(), Some("u-1"));
        assert!(!pod.lacks_names());

        let mut container =
            Identity::of_cgroup(format!("/system.slice/docker-{ID}.scope").as_bytes());
        assert_eq!(
            WorkloadId::of(&container)
                .expect("it is somebody")
                .to_string(),
            "container 3f0c2b8f5a1d"
        );
        container.name_container("db");
        assert_eq!(
            WorkloadId::of(&container)
                .expect("it is somebody")
                .to_string(),
            "container db"
        );

        let unit = Identity::of_cgroup(b"/system.slice/unbound.service");
        assert_eq!(
            WorkloadId::of(&unit).expect("it is somebody").to_string(),
            "unbound.service"
        );
        assert!(!unit.lacks_names() && !unit.is_anonymous());
        assert!(Identity::of_cgroup(b"/").is_anonymous());
    }

    #[test]
    fn what_strangers_chose_is_printable_and_bounded() {
        let hostile = Identity::of_cgroup(b"/\x1b[2J\xff/foo\\x2dbar.service");
        assert_eq!(hostile.cgroup(), "/\\x1b[2J\\xff/foo\\x2dbar.service");
        assert_eq!(hostile.unit(), Some("foo\\x2dbar.service"));
        let mut long = Identity::of_cgroup(&b"/x".repeat(10_000));
        assert_eq!(long.cgroup().len(), cgroup_path::PATH_MAX);
        long.name_pod("n\n", &"p".repeat(100_000), "");
        let pod = long.pod().unwrap();
        assert_eq!(pod.namespace.as_deref(), Some("n\\x0a"));
        assert_eq!(pod.name.as_ref().map(String::len), Some(NAME_MAX));
        long.name_pod("other", "other", "");
        assert_eq!(long.pod().unwrap().namespace.as_deref(), Some("n\\x0a"));
    }

    #[test]
    fn a_group_is_the_same_whatever_it_is_called_by_now() {
        let path = format!("/docker/{ID}");
        let unnamed = Arc::new(Identity::of_cgroup(path.as_bytes()));
        let mut named = (*unnamed).clone();
        named.name_container("db");
        assert_eq!(named, *unnamed);
        assert_ne!(named, Identity::of_cgroup(b"/a"));
        let mut table = IdentityTable::default();
        assert!(table.insert(Arc::new(named)));
        let mut of_attempt = Some(Arc::clone(&unnamed));
        table.update(&mut of_attempt);
        assert_eq!(of_attempt.unwrap().container_name(), Some("db"));
        let other = Arc::new(Identity::of_cgroup(b"/a"));
        assert_eq!(table.latest(&other), &other);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut table = IdentityTable::default();
        let identity = |n: usize| Arc::new(Identity::of_cgroup(format!("/{n}").as_bytes()));
        assert!((0..IdentityTable::MAX).all(|n| table.insert(identity(n))));
        assert!(!table.insert(identity(IdentityTable::MAX)));
        assert!(table.insert(identity(0)), "it is there");
    }
}
