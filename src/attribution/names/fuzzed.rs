//! What runtimes and the kubelet say of containers, from octets: for `crate::fuzzing`.

use std::collections::HashMap;
use std::sync::Arc;

use super::Subject;
use super::by_container;
use super::logs;
use super::runtimes;
use crate::attempt::Identity;

/// The container that is asked for.
pub(crate) const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

/// A container of CRI-O's with its pod, a container with a bare id, and a pod's sandbox.
fn wanted() -> Vec<Arc<Subject>> {
    let paths = [
        format!("/kubepods/podu-1/crio-{ID}"),
        format!("/docker/{ID}"),
        "/kubepods/burstable/podu-1".to_owned(),
    ];
    let subjects = paths.map(|path| Arc::new(Subject::of_cgroup(path.as_bytes(), None)));
    subjects.into()
}

fn identities(wanted: &[Arc<Subject>]) -> Vec<Arc<Identity>> {
    wanted.iter().map(|it| it.identity()).collect()
}

/// The answers of a CRI socket.
#[cfg(feature = "k8s")]
pub(crate) fn cri_response(octets: &[u8]) -> Vec<Arc<Identity>> {
    let wanted = wanted();
    super::cri::fuzzed::name(octets, &wanted);
    identities(&wanted)
}

/// A file or a folder's name; the first octet says which.
pub(crate) fn container_state(octets: &[u8]) -> Vec<Arc<Identity>> {
    let wanted = wanted();
    let Some((kind, rest)) = octets.split_first() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(rest);
    match kind % 5 {
        0 => {
            if let Ok(config) = serde_json::from_slice::<runtimes::DockerConfig>(rest) {
                runtimes::name_configured(&wanted[0], config);
            }
        }
        1 => {
            if let Ok(list) = serde_json::from_slice::<Vec<runtimes::Stored>>(rest) {
                let by_id: HashMap<&str, &Subject> = by_container(&wanted);
                runtimes::name_listed(&by_id, list);
            }
        }
        2 => {
            let homes = runtimes::homes(rest);
            assert!(homes.values().all(|home| home.is_absolute()));
        }
        3 => {
            if let Some((namespace, pod, uid)) = logs::pod_folder(&text) {
                wanted[2].learn(|it| it.name_pod(namespace, pod, uid));
            }
        }
        _ => {
            if let Some((container, _id)) = logs::container_log(&text) {
                wanted[1].learn(|it| it.name_container(container));
            }
        }
    }
    identities(&wanted)
}
