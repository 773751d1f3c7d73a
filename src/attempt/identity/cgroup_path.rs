//! What the path of a control group says about whose it is.
//!
//! Pure text. Paths are read from the root inwards, and what is further in wins:
//! a container may run containers of its own (Kind, Docker in Docker), and its
//! service manager may have units of its own.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use serde::Serialize;

/// The kernel gives no longer path (PATH_MAX).
pub const PATH_MAX: usize = 4096;
/// Nothing that is known nests deeper than some 12 levels; further ones are not
/// looked at.
const LEVELS_MAX: usize = 64;
/// Container ids are 32 random octets in hexadecimal with every runtime.
const ID_LEN: usize = 64;
/// A pod's uid is a UUID, or for a static pod an MD5 sum in hexadecimal.
const UID_MAX: usize = 64;

/// What runs a container, where the path gives it away.
#[derive(
    BorshDeserialize,
    BorshSerialize,
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// containerd, by its CRI plugin or nerdctl.
    Containerd,
    /// CRI-O.
    CriO,
    /// Docker.
    Docker,
    /// LXC.
    Lxc,
    /// Podman and whatever else builds on libpod.
    Podman,
}

/// What was found in a path, as text of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The systemd unit: the innermost service or scope that is no container.
    pub unit: Option<&'a str>,
    /// The container's id.
    pub container: Option<&'a str>,
    /// What runs the container; `None` if the path has the bare id only.
    pub runtime: Option<Runtime>,
    /// The pod's uid, with hyphens.
    pub pod: Option<String>,
    /// The user whose own service manager has the unit; `None` for a unit of the system, as a
    /// user's session is.
    pub manager: Option<u32>,
    /// The user among whose own groups it is, and who may have given it any name.
    pub user: Option<u32>,
}

/// A control group that is handed over to a user (`Delegate=` of systemd, `chown`): what is
/// below it that user makes, and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delegated {
    /// How many levels below the root it is.
    pub depth: usize,
    /// The user's number; of several who own a part of the path the outermost one's.
    pub uid: u32,
}

impl Facts<'_> {
    /// Whether a container or a pod was found, which tells most.
    pub fn is_contained(&self) -> bool {
        self.container.is_some() || self.pod.is_some()
    }
}

/// Who names the groups of containers how: `NAME-ID.scope` with systemd, `NAME-ID`
/// with the cgroupfs driver. A runtime that is set to another driver than the kubelet
/// makes one folder `kubepods-podUID.slice:NAME:ID` of it.
const NAMES: [(&str, Runtime); 6] = [
    ("cri-containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("crio", Runtime::CriO),
    ("docker", Runtime::Docker),
    // `podman run --cgroups=split`, as Quadlet does.
    ("libpod-payload", Runtime::Podman),
    ("libpod", Runtime::Podman),
];

/// Looks through a path as `/proc/PID/cgroup` has it, or below the mount point.
pub fn parse(path: &str, delegated: Option<Delegated>) -> Facts<'_> {
    let owner = user(path);
    let mut facts = Facts::default();
    // Where the kubelet puts its pods, and where Docker puts its containers.
    let (mut under_kubepods, mut under_docker) = (false, false);
    // What a container was handed over to is in that container, whatever it is called.
    let mut is_inside = false;
    for (depth, level) in path.split('/').take(LEVELS_MAX).enumerate() {
        let delegated = delegated.filter(|it| depth > it.depth);
        is_inside |= facts.user.is_none() && delegated.is_some() && facts.is_contained();
        if !is_inside {
            facts.user = owner.or(delegated.map(|it| it.uid));
        }
        let pod_folder = level.strip_prefix("pod").filter(|_| under_kubepods);
        let pod = pod_slice(level).or_else(|| uid(pod_folder?));
        // The kubelet's pods are no user's, and what a user calls a folder is no proof.
        if pod.is_some() && facts.user.is_none() && !is_inside {
            // A pod is nobody's unit, and what it runs in is not its container.
            facts = Facts {
                pod,
                ..Facts::default()
            };
        }
        if let Some((id, runtime)) = container(level, under_docker).filter(|_| !is_inside) {
            facts.container = Some(id);
            facts.runtime = runtime;
            // A unit that was found before is what the container runs in.
        } else if is_unit(level) {
            facts.unit = Some(level);
            let of_delegated = facts.user.filter(|_| delegated.is_some());
            facts.manager = manager(path, level).or(of_delegated);
        }
        let is_class = matches!(level, "burstable" | "besteffort");
        under_kubepods = level == "kubepods" || (under_kubepods && is_class);
        under_docker = level == "docker";
    }
    facts
}

/// Whose a control group is: systemd makes one for each user (systemd.slice(5)), and nobody
/// else may make one beside it. What is below, the user makes.
fn user(path: &str) -> Option<u32> {
    let (slice, _) = path.strip_prefix("/user.slice/user-")?.split_once('/')?;
    slice.strip_suffix(".slice")?.parse().ok()
}

/// The user whose own service manager has the unit, by where systemd puts it.
fn manager(path: &str, unit: &str) -> Option<u32> {
    let uid = user(path)?;
    let of_user = format!("user@{uid}.service");
    let below = path.split('/').any(|level| level == of_user);
    (below && unit != of_user).then_some(uid)
}

/// `kubepods-burstable-podUID.slice`, in Kind `kubelet-kubepods-podUID.slice`,
/// with underscores where the uid has hyphens, which systemd takes for levels.
/// For what may follow a colon see [`NAMES`].
fn pod_slice(level: &str) -> Option<String> {
    let slice = level.split(':').next()?.strip_suffix(".slice")?;
    let (parent, uid_text) = slice.rsplit_once("-pod")?;
    let (_, class) = parent.rsplit_once("kubepods")?;
    match class {
        "" | "-burstable" | "-besteffort" => uid(uid_text),
        _ => None,
    }
}

fn uid(text: &str) -> Option<String> {
    let is_uid = (1..=UID_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    is_uid.then(|| text.replace('_', "-"))
}

/// The id that a folder is named after, and by whom if the name says so.
fn container(level: &str, under_docker: bool) -> Option<(&str, Option<Runtime>)> {
    if is_id(level) {
        return Some((level, under_docker.then_some(Runtime::Docker)));
    }
    let (name, id) = match level.rsplit_once(':') {
        Some((slice, id)) => (slice.rsplit_once(':')?.1, id),
        None => {
            if let Some(name) = level.strip_prefix("lxc.payload.") {
                return Some((name, Some(Runtime::Lxc)));
            }
            let name = level.strip_suffix(".scope").unwrap_or(level);
            name.rsplit_once('-')?
        }
    };
    let (_, runtime) = NAMES.iter().find(|(known, _)| *known == name)?;
    is_id(id).then_some((id, Some(*runtime)))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_LEN && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Monitors of containers, whose scopes are the runtime's own.
const MONITORS: [&str; 2] = ["crio-conmon-", "libpod-conmon-"];

/// A service, a scope other than a container's or its monitor's, or a socket of systemd's that
/// waits for its service: it stays in that group.
fn is_unit(level: &str) -> bool {
    let service = level.strip_suffix(".service");
    let name = service.or_else(|| level.strip_suffix(".scope"));
    let name = name.or_else(|| level.strip_suffix(".socket"));
    let is_monitor = |name: &str| MONITORS.iter().any(|it| name.starts_with(it));
    name.is_some_and(|name| !name.is_empty() && !is_monitor(name))
}

/// A scope that nobody gave a name: `run-rID` and `run-uNUMBER` of `systemd-run --scope` and of
/// whoever starts aardvark-dns by it, `run-pPID-iID` since systemd 257, and `podman-PID` of what
/// Podman starts for a user's containers.
pub(super) fn is_numbered_scope(unit: &str) -> bool {
    let Some(name) = unit.strip_suffix(".scope") else {
        return false;
    };
    let numbers = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let id = |text: &str| text.len() == 32 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let rest = |prefix: &str| name.strip_prefix(prefix).filter(|it| !it.is_empty());
    rest("run-r").is_some_and(id)
        || rest("run-u").is_some_and(numbers)
        || rest("run-p")
            .and_then(|it| it.split_once("-i"))
            .is_some_and(|(process, invocation)| numbers(process) && numbers(invocation))
        || rest("podman-").is_some_and(numbers)
}

/// Services that start containers. With cgroup version 1 a container may stay in
/// the version 2 group of what started it, so that this group says nothing.
pub const STARTERS: [&str; 13] = [
    "containerd.service",
    "cri-docker.service",
    "crio.service",
    "docker.service",
    "k0scontroller.service",
    "k0sworker.service",
    "k3s-agent.service",
    "k3s.service",
    "kubelet.service",
    "podman.service",
    "rke2-agent.service",
    "rke2-server.service",
    "snap.microk8s.daemon-containerd.service",
];

#[cfg(test)]
mod tests;
