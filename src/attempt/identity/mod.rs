//! Whose an attempt is, as plain data: what a control group's path says, and the
//! names that go with it.

pub mod cgroup_path;
mod workload_id;

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;

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
#[derive(Clone, Debug)]
pub struct Identity {
    /// Made from the path, so that it need not be looked through for each attempt.
    key: u64,
    cgroup: Box<str>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
    runtime: Option<Runtime>,
    pod: Option<Box<str>>,
    container_name: Option<Box<str>>,
    pod_name: Option<PodName>,
}

/// What a pod is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name, unique in the namespace at any one time.
    pub name: String,
    /// Its uid, where the path has none.
    pub uid: String,
}

impl Identity {
    /// Of the control group with this path, as seen from the root.
    pub fn of_cgroup(path: &[u8]) -> Self {
        let path = path.get(..cgroup_path::PATH_MAX).unwrap_or(path);
        let cgroup = names::visible(path);
        let facts = cgroup_path::parse(&cgroup);
        let mut hasher = DefaultHasher::new();
        cgroup.hash(&mut hasher);
        let boxed = |text: Option<&str>| text.map(Box::from);
        Self {
            key: hasher.finish(),
            unit: boxed(facts.unit),
            container: boxed(facts.container),
            runtime: facts.runtime,
            pod: boxed(facts.pod.as_deref()),
            container_name: None,
            pod_name: None,
            cgroup: cgroup.into(),
        }
    }

    /// The control group's path, from the root of its hierarchy.
    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// The systemd unit, as `unbound.service`.
    pub fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    /// The container's id.
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    /// What runs the container.
    pub fn runtime(&self) -> Option<Runtime> {
        self.runtime
    }

    /// The container's name: in a pod that in the pod's specification.
    pub fn container_name(&self) -> Option<&str> {
        match self.runtime {
            Some(Runtime::Lxc) => self.container(),
            _ => self.container_name.as_deref(),
        }
    }

    /// The pod's uid.
    pub fn pod_uid(&self) -> Option<&str> {
        let told = self.pod_name.as_ref().map(|pod| pod.uid.as_str());
        self.pod.as_deref().or(told.filter(|uid| !uid.is_empty()))
    }

    /// What the pod is called.
    pub fn pod_name(&self) -> Option<&PodName> {
        self.pod_name.as_ref()
    }

    /// Whether it is in a pod.
    pub fn is_pod(&self) -> bool {
        self.pod.is_some() || self.pod_name.is_some()
    }

    /// Whether it is a container's or a pod's.
    pub fn is_contained(&self) -> bool {
        self.container.is_some() || self.is_pod()
    }

    /// Whether a name is missing that somebody may know.
    pub fn lacks_names(&self) -> bool {
        let lacks_pod = self.pod.is_some() && self.pod_name.is_none();
        lacks_pod || (self.container.is_some() && self.container_name().is_none())
    }

    /// Whether it is nothing but a process's control group: then the process is
    /// the best name.
    pub fn is_anonymous(&self) -> bool {
        self.unit.is_none() && !self.is_contained()
    }

    /// Gives the container its name. The first one stays: both were told by
    /// somebody who knows it.
    pub fn name_container(&mut self, name: &str) {
        if self.container_name.is_none() {
            self.container_name = printable(name).map(Box::from);
        }
    }

    /// Says what runs the container, if its path does not.
    pub fn tell_runtime(&mut self, runtime: Runtime) {
        self.runtime.get_or_insert(runtime);
    }

    /// Gives the pod its name. The first one stays.
    pub fn name_pod(&mut self, namespace: &str, name: &str, uid: &str) {
        if self.pod_name.is_none()
            && let (Some(namespace), Some(name)) = (printable(namespace), printable(name))
        {
            let uid = printable(uid).unwrap_or_default();
            self.pod_name = Some(PodName {
                namespace,
                name,
                uid,
            });
        }
    }
}

/// What is known of control groups in the end: names that came after their first
/// attempts had gone on.
#[derive(Clone, Debug, Default)]
pub struct IdentityTable(HashMap<Box<str>, Arc<Identity>>);

impl IdentityTable {
    /// Control groups in it; a node has some hundred with names.
    pub const MAX: usize = 8192;

    /// Whether there was room for it.
    pub fn insert(&mut self, identity: Arc<Identity>) -> bool {
        let has_room = self.0.len() < Self::MAX || self.0.contains_key(identity.cgroup());
        if has_room {
            self.0.insert(identity.cgroup.clone(), identity);
        }
        has_room
    }

    /// Takes over what became known later.
    pub fn follow(&mut self, next: Self) {
        for identity in next.0.into_values() {
            let _no_room = self.insert(identity);
        }
    }

    /// The same control group with the names that came later, if any did.
    pub fn latest<'a>(&'a self, identity: &'a Arc<Identity>) -> &'a Arc<Identity> {
        self.0.get(identity.cgroup()).unwrap_or(identity)
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
        let name = long.pod_name().unwrap();
        assert_eq!(
            (name.namespace.as_str(), name.name.len()),
            ("n\\x0a", NAME_MAX)
        );
        long.name_pod("other", "other", "");
        assert_eq!(long.pod_name().unwrap().namespace, "n\\x0a");
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
