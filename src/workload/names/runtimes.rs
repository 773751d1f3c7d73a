//! The state folders of Docker and of everything that stores containers as
//! Podman and CRI-O do.

use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::Source;
use super::Workload;
use crate::workload::path::Runtime;

/// A container's configuration with Docker is some 10 KB.
const CONFIG_MAX: u64 = 1 << 20;
/// The list of all containers with Podman has some 500 octets for each.
const LIST_MAX: u64 = 16 << 20;
/// Users whose own containers are looked for.
const USERS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct StateFolders {
    docker: Vec<PathBuf>,
    storage: Vec<PathBuf>,
    failures: u64,
}

/// `config.v2.json` of Docker, as far as it counts here.
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Config", default)]
    config: DockerLabels,
}

#[derive(Default, Deserialize)]
struct DockerLabels {
    #[serde(rename = "Labels", default)]
    labels: Option<HashMap<String, String>>,
}

/// An entry of `containers.json` of containers/storage.
#[derive(Deserialize)]
struct Stored {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
}

impl StateFolders {
    /// Where this host's have them.
    pub(super) fn of_host() -> Self {
        let mut docker = vec![
            PathBuf::from("/var/lib/docker"),
            PathBuf::from("/var/snap/docker/common/var-lib-docker"),
        ];
        let mut storage = vec![PathBuf::from("/var/lib/containers/storage")];
        // Rootless ones are in their user's home.
        for home in homes(&read(Path::new("/etc/passwd"), CONFIG_MAX).unwrap_or_default()) {
            docker.push(home.join(".local/share/docker"));
            storage.push(home.join(".local/share/containers/storage"));
        }
        Self::new(docker, storage)
    }

    fn new(docker: Vec<PathBuf>, storage: Vec<PathBuf>) -> Self {
        Self {
            docker,
            storage,
            failures: 0,
        }
    }

    fn name_by_docker(&mut self, workload: &Workload, id: &str) {
        for folder in &self.docker {
            let path = folder.join("containers").join(id).join("config.v2.json");
            let Some(text) = present(read(&path, CONFIG_MAX), &mut self.failures) else {
                continue;
            };
            let Ok(config) = serde_json::from_slice::<DockerConfig>(&text) else {
                self.failures += 1;
                continue;
            };
            let labels = config.config.labels.unwrap_or_default();
            let label = |name: &str| labels.get(&format!("io.kubernetes.{name}"));
            if let (Some(namespace), Some(pod)) = (label("pod.namespace"), label("pod.name")) {
                let uid = label("pod.uid").map_or("", String::as_str);
                workload.name_pod(namespace, pod, uid);
            }
            let name = label("container.name").unwrap_or(&config.name);
            workload.name_container(name.trim_start_matches('/'));
            workload.tell_runtime(Runtime::Docker);
            return;
        }
    }

    fn name_by_storage(&mut self, wanted: &HashMap<&str, &Arc<Workload>>) {
        for folder in &self.storage {
            // The second is of containers that do not outlive a reboot.
            for file in ["containers.json", "volatile-containers.json"] {
                let path = folder.join("overlay-containers").join(file);
                let Some(text) = present(read(&path, LIST_MAX), &mut self.failures) else {
                    continue;
                };
                let Ok(all) = serde_json::from_slice::<Vec<Stored>>(&text) else {
                    self.failures += 1;
                    continue;
                };
                for stored in all {
                    if let Some(workload) = wanted.get(stored.id.as_str()) {
                        name_stored(workload, stored.names.unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// CRI-O calls them `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`; `POD` is the
/// sandbox.
fn name_stored(workload: &Workload, names: Vec<String>) {
    let Some(name) = names.first() else {
        return;
    };
    let parts: Vec<_> = name.split('_').collect();
    match parts[..] {
        ["k8s", container, pod, namespace, uid, _attempt] if workload.is_pod() => {
            workload.name_pod(namespace, pod, uid);
            workload.name_container(container);
        }
        _ => workload.name_container(name),
    }
}

impl Source for StateFolders {
    fn name(&mut self, wanted: &[Arc<Workload>]) {
        let containers: HashMap<&str, &Arc<Workload>> = wanted
            .iter()
            .filter_map(|workload| Some((workload.container()?, workload)))
            .collect();
        for (id, workload) in &containers {
            self.name_by_docker(workload, id);
        }
        if containers.values().any(|workload| workload.lacks_names()) {
            self.name_by_storage(&containers);
        }
    }

    fn failures(&self) -> u64 {
        self.failures
    }

    fn complaint(&self) -> Option<String> {
        (self.failures > 0).then(|| {
            "names of Docker's or Podman's containers could not be read from their state \
             folders; kerno reads /var/lib/docker and /var/lib/containers"
                .to_owned()
        })
    }
}

/// Most hosts have neither runtime, and that is no failure.
fn present(read: io::Result<Vec<u8>>, failures: &mut u64) -> Option<Vec<u8>> {
    match read {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => None,
        Err(error) => {
            log::debug!("a state folder cannot be read: {error}");
            *failures += 1;
            None
        }
    }
}

fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(max).read_to_end(&mut text)?;
    Ok(text)
}

/// Home folders that have state of a runtime in them (passwd(5)).
fn homes(passwd: &[u8]) -> Vec<PathBuf> {
    let homes = passwd.split(|&octet| octet == b'\n').filter_map(|line| {
        let home = line.split(|&octet| octet == b':').nth(5)?;
        let home = PathBuf::from(std::str::from_utf8(home).ok()?);
        let has_state = ["docker", "containers"]
            .iter()
            .any(|name| fs::metadata(home.join(".local/share").join(name)).is_ok());
        (home.is_absolute() && has_state).then_some(home)
    });
    homes.take(USERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Whom;

    const A: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";
    const B: &str = "b1946ac92492d2347c6235b4d2611184e59bd4a1c2f3a7d8990123456789abcd";

    fn of(path: &str) -> Arc<Workload> {
        Arc::new(Workload::of_cgroup(path.as_bytes()))
    }

    fn docker(config: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let container = folder.path().join("containers").join(A);
        fs::create_dir_all(&container).expect("mkdir");
        fs::write(container.join("config.v2.json"), config).expect("a file");
        folder
    }

    #[test]
    fn docker_tells_names_and_labels() {
        let folder = docker(br#"{"Name":"/web","Config":{"Labels":null},"State":{"Pid":1}}"#);
        let mut folders = StateFolders::new(vec![folder.path().to_owned()], Vec::new());
        let workload = of(&format!("/docker/{A}"));
        folders.name(&[Arc::clone(&workload), of(&format!("/docker/{B}"))]);
        assert_eq!(workload.container_name(), Some("web"));
        assert_eq!(folders.failures, 0);

        let folder = docker(
            br#"{"Name":"/k8s_nginx_web-1_shop_u-1_0","Config":{"Labels":{
                "io.kubernetes.container.name":"nginx","io.kubernetes.pod.name":"web-1",
                "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1"}}}"#,
        );
        let mut folders = StateFolders::new(vec![folder.path().to_owned()], Vec::new());
        let workload = of(&format!("/kubepods/podu-1/{A}"));
        folders.name(&[Arc::clone(&workload)]);
        assert_eq!(
            Whom::of(&workload).expect("it is somebody").to_string(),
            "pod shop/web-1"
        );
        assert_eq!(workload.container_name(), Some("nginx"));
        assert_eq!(workload.runtime(), Some(Runtime::Docker));
    }

    #[test]
    fn podman_and_crio_tell_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("overlay-containers");
        fs::create_dir(&list).expect("mkdir");
        let json = format!(
            r#"[{{"id":"{A}","names":["db"],"image":"x","metadata":"{{}}"}},
                {{"id":"{B}","names":["k8s_nginx_web-1_shop_u-1_0"]}},{{"id":"c"}}]"#
        );
        fs::write(list.join("containers.json"), json).expect("a file");
        let mut folders = StateFolders::new(Vec::new(), vec![folder.path().to_owned()]);
        let podman = of(&format!("/machine.slice/libpod-{A}.scope"));
        let crio = of(&format!("/kubepods/podu-1/crio-{B}"));
        folders.name(&[Arc::clone(&podman), Arc::clone(&crio)]);
        assert_eq!(podman.container_name(), Some("db"));
        assert_eq!(podman.runtime(), Some(Runtime::Podman));
        assert_eq!(
            Whom::of(&crio).expect("it is somebody").to_string(),
            "pod shop/web-1"
        );
        assert_eq!(crio.container_name(), Some("nginx"));
    }

    #[test]
    fn nonsense_costs_names_and_is_counted() {
        for junk in [&b""[..], b"{\"Name\":7}", &b"[".repeat(200_000)] {
            let folder = docker(junk);
            let mut folders = StateFolders::new(vec![folder.path().to_owned()], Vec::new());
            let workload = of(&format!("/docker/{A}"));
            folders.name(&[Arc::clone(&workload)]);
            assert!(workload.lacks_names());
            assert_eq!(folders.failures, 1, "{:?}", junk.get(..10));
            assert!(folders.complaint().is_some());
        }
    }

    #[test]
    fn homes_are_those_with_containers() {
        let home = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(home.path().join(".local/share/containers")).expect("mkdir");
        let passwd = format!(
            "root:x:0:0:root:/root-without:/bin/sh\njunk\na:x:1:1::{}:/bin/sh\n::::::\n",
            home.path().display()
        );
        assert_eq!(homes(passwd.as_bytes()), [home.path().to_owned()]);
    }
}
