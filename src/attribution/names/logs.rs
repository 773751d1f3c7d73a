//! The kubelet's log folders, whose names hold those of pods and containers:
//! `/var/log/pods/NAMESPACE_POD_UID/CONTAINER/` and
//! `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`. No part has an
//! underscore of its own (RFC 1123 names).

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use super::Failures;
use super::Source;
use super::Subject;
use super::by_container;

/// Entries of a folder that are looked at; a node has some hundred.
const ENTRIES_MAX: usize = 16_384;

#[derive(Debug)]
pub(super) struct Logs {
    /// `/var/log`
    pub(super) folder: PathBuf,
}

impl Source for Logs {
    fn name(&mut self, wanted: &[Arc<Subject>], _failures: &mut Failures) {
        let mut pods: HashMap<&str, Vec<&Subject>> = HashMap::new();
        for subject in wanted {
            if let Some(uid) = subject.of_path().pod_uid() {
                pods.entry(uid).or_default().push(subject);
            }
        }
        if pods.is_empty() {
            return;
        }
        for name in entries(&self.folder.join("pods")) {
            if let Some((namespace, pod, uid)) = pod_folder(&name) {
                for subject in pods.get(uid).into_iter().flatten() {
                    subject.learn(|it| it.name_pod(namespace, pod, uid));
                }
            }
        }
        let containers = by_container(wanted);
        for name in entries(&self.folder.join("containers")) {
            if let Some((container, id)) = container_log(&name)
                && let Some(subject) = containers.get(id)
            {
                subject.learn(|it| it.name_container(container));
            }
        }
    }
}

fn entries(folder: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .take(ENTRIES_MAX)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
}

pub(super) fn pod_folder(name: &str) -> Option<(&str, &str, &str)> {
    match name.split('_').collect::<Vec<_>>()[..] {
        [namespace, pod, uid] => Some((namespace, pod, uid)),
        _ => None,
    }
}

pub(super) fn container_log(name: &str) -> Option<(&str, &str)> {
    let (_pod_and_namespace, last) = name.strip_suffix(".log")?.rsplit_once('_')?;
    last.rsplit_once('-')
}

#[cfg(test)]
mod tests {
    use super::super::tests::ask;
    use super::*;
    use crate::attempt::identity::WorkloadId;

    const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";

    #[test]
    fn folders_and_links_name_pod_and_container() {
        let log = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(log.path().join("pods/shop_web-1_u-1/nginx")).expect("mkdir");
        fs::create_dir_all(log.path().join("pods/junk")).expect("mkdir");
        fs::create_dir_all(log.path().join("pods/a_b_c_d")).expect("mkdir");
        fs::create_dir(log.path().join("containers")).expect("mkdir");
        let link = log
            .path()
            .join(format!("containers/web-1_shop_my-nginx-{ID}.log"));
        fs::write(link, "").expect("a file");
        let subject = Arc::new(Subject::of_cgroup(
            format!("/kubepods/burstable/podu-1/{ID}").as_bytes(),
            None,
        ));
        let other = Arc::new(Subject::of_cgroup(b"/kubepods/podu-2", None));
        let folder = log.path().to_owned();
        let mut logs = Logs { folder };
        ask(&mut logs, &[&subject, &other]);
        let identity = subject.identity();
        assert_eq!(
            WorkloadId::of(&identity).expect("a pod").name(),
            "shop/web-1"
        );
        assert_eq!(identity.container_name(), Some("my-nginx"));
        assert!(other.lacks_names());
    }

    #[test]
    fn a_host_without_a_kubelet_has_no_names() {
        let subject = Arc::new(Subject::of_cgroup(b"/kubepods/podu-2", None));
        ask(
            &mut Logs {
                folder: "/nonexistent".into(),
            },
            &[&subject],
        );
        assert!(subject.lacks_names());
    }
}
