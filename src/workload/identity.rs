//! A workload: a control group's facts, and the names that go with them.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use super::path;
use super::path::Runtime;
use crate::attempt::names;

/// Kubernetes allows 253 octets in a name (RFC 1123 subdomain), Docker as many as
/// a file name has.
const NAME_MAX: usize = 255;

/// What one control group is. Names may come later than the rest: whoever holds
/// it sees them then.
///
/// All text is printable, whatever strangers chose.
pub struct Workload {
    serial: u64,
    cgroup: Box<str>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
    runtime: Option<Runtime>,
    pod: Option<Box<str>>,
    container_name: OnceLock<Box<str>>,
    runtime_told: OnceLock<Runtime>,
    pod_name: OnceLock<PodName>,
    awaited: AtomicBool,
    unnamed: AtomicU64,
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

impl Workload {
    /// Of the control group with this path, as seen from the root.
    pub fn of_cgroup(path: &[u8]) -> Self {
        static SERIAL: AtomicU64 = AtomicU64::new(0);

        let path = path.get(..path::PATH_MAX).unwrap_or(path);
        let cgroup = names::visible(path);
        let facts = path::parse(&cgroup);
        let boxed = |text: Option<&str>| text.map(Box::from);
        Self {
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            unit: boxed(facts.unit),
            container: boxed(facts.container),
            runtime: facts.runtime,
            pod: boxed(facts.pod.as_deref()),
            container_name: OnceLock::new(),
            runtime_told: OnceLock::new(),
            pod_name: OnceLock::new(),
            awaited: AtomicBool::new(false),
            unnamed: AtomicU64::new(0),
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
        self.runtime.or_else(|| self.runtime_told.get().copied())
    }

    /// The container's name: in a pod that in the pod's specification.
    pub fn container_name(&self) -> Option<&str> {
        match self.runtime {
            Some(Runtime::Lxc) => self.container(),
            _ => self.container_name.get().map(AsRef::as_ref),
        }
    }

    /// The pod's uid.
    pub fn pod_uid(&self) -> Option<&str> {
        let told = || self.pod_name.get().map(|pod| pod.uid.as_str());
        let told = || told().filter(|uid| !uid.is_empty());
        self.pod.as_deref().or_else(told)
    }

    /// What the pod is called.
    pub fn pod_name(&self) -> Option<&PodName> {
        self.pod_name.get()
    }

    /// Whether it is in a pod.
    pub fn is_pod(&self) -> bool {
        self.pod.is_some() || self.pod_name.get().is_some()
    }

    /// Whether it is a container's or a pod's.
    pub fn is_contained(&self) -> bool {
        self.container.is_some() || self.is_pod()
    }

    /// Whether a name is missing that somebody may know.
    pub fn lacks_names(&self) -> bool {
        let lacks_pod = self.pod.is_some() && self.pod_name.get().is_none();
        lacks_pod || (self.container.is_some() && self.container_name().is_none())
    }

    /// Whether it is nothing but a process's control group: then the process is
    /// the best name.
    pub fn is_anonymous(&self) -> bool {
        self.unit.is_none() && !self.is_contained()
    }

    /// Whether somebody is just looking for its names.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    /// Says whether somebody looks for its names.
    pub(super) fn set_awaited(&self, awaited: bool) {
        self.awaited.store(awaited, Ordering::Release);
    }

    /// Counts an attempt that went on without names.
    pub(super) fn went_unnamed(&self) {
        self.unnamed.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the count of those attempts.
    pub(super) fn take_unnamed(&self) -> u64 {
        self.unnamed.swap(0, Ordering::Relaxed)
    }

    /// Gives the container its name. The first one stays.
    pub(crate) fn name_container(&self, name: &str) {
        if let Some(name) = printable(name) {
            // Both were told by somebody who knows it.
            let _first = self.container_name.set(name.into());
        }
    }

    /// Says what runs the container, if its path does not.
    pub(super) fn tell_runtime(&self, runtime: Runtime) {
        let _first = self.runtime_told.set(runtime);
    }

    /// Gives the pod its name. The first one stays.
    pub(crate) fn name_pod(&self, namespace: &str, name: &str, uid: &str) {
        if let (Some(namespace), Some(name)) = (printable(namespace), printable(name)) {
            let uid = printable(uid).unwrap_or_default();
            let _first = self.pod_name.set(PodName {
                namespace,
                name,
                uid,
            });
        }
    }
}

/// Bounded and without control characters; `None` for nothing.
fn printable(name: &str) -> Option<String> {
    let bytes = name.as_bytes();
    let shown = names::visible(bytes.get(..NAME_MAX).unwrap_or(bytes));
    (!shown.is_empty()).then_some(shown)
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workload").field(&self.cgroup).finish()
    }
}

impl PartialEq for Workload {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Workload {}

impl PartialOrd for Workload {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Workload {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.serial.cmp(&other.serial)
    }
}

impl std::hash::Hash for Workload {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.serial.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Whom;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    #[test]
    fn it_is_called_by_the_best_name_there_is() {
        let pod = Workload::of_cgroup(format!("/kubepods/burstable/podu-1/{ID}").as_bytes());
        assert!(pod.lacks_names());
        assert_eq!(
            Whom::of(&pod).expect("it is somebody").to_string(),
            "pod u-1"
        );
        pod.name_container("web");
        pod.name_pod("shop", "web-1", "");
        assert_eq!(
            Whom::of(&pod).expect("it is somebody").to_string(),
            "pod shop/web-1"
        );
        assert_eq!(pod.pod_uid(), Some("u-1"));
        assert!(!pod.lacks_names());

        let container = Workload::of_cgroup(format!("/system.slice/docker-{ID}.scope").as_bytes());
        assert_eq!(
            Whom::of(&container).expect("it is somebody").to_string(),
            "container 3f0c2b8f5a1d"
        );
        container.name_container("db");
        assert_eq!(
            Whom::of(&container).expect("it is somebody").to_string(),
            "container db"
        );

        let unit = Workload::of_cgroup(b"/system.slice/unbound.service");
        assert_eq!(
            Whom::of(&unit).expect("it is somebody").to_string(),
            "unbound.service"
        );
        assert!(!unit.lacks_names() && !unit.is_anonymous());
        assert!(Workload::of_cgroup(b"/").is_anonymous());
    }

    #[test]
    fn what_strangers_chose_is_printable_and_bounded() {
        let hostile = Workload::of_cgroup(b"/\x1b[2J\xff/foo\\x2dbar.service");
        assert_eq!(hostile.cgroup(), "/\\x1b[2J\\xff/foo\\x2dbar.service");
        assert_eq!(hostile.unit(), Some("foo\\x2dbar.service"));
        let long = Workload::of_cgroup(&b"/x".repeat(10_000));
        assert_eq!(long.cgroup().len(), path::PATH_MAX);
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
    fn two_groups_are_never_the_same() {
        assert_ne!(Workload::of_cgroup(b"/a"), Workload::of_cgroup(b"/a"));
    }
}
