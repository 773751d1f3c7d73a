//! The state folders of Docker and of everything that stores containers as
//! Podman and CRI-O do.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::Source;
use super::Subject;
use crate::attempt::identity::Runtime;
use crate::host::proc::Root;
use crate::host::proc::untrusted;

/// A container's configuration with Docker is some 10 KB.
const CONFIG_MAX: u64 = 1 << 20;
/// The list of all containers with Podman has some 500 octets for each.
const LIST_MAX: u64 = 16 << 20;
/// Users whose own containers are looked for.
const USERS_MAX: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct StateFolders {
    docker: Vec<Folder>,
    storage: Vec<Folder>,
    failures: u64,
}

/// A folder of state.
#[derive(Debug, PartialEq, Eq)]
struct Folder {
    /// What its owner may write to: no link leads out of there.
    within: PathBuf,
    path: &'static str,
}

impl Folder {
    fn of_host(path: &'static str) -> Self {
        let within = PathBuf::from("/");
        Self { within, path }
    }

    fn read(&self, file: &str, max: u64) -> io::Result<Vec<u8>> {
        untrusted::open(&self.within, format!("{}/{file}", self.path))?.octets(max)
    }
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
        let docker = ["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"];
        let storage = ["/var/lib/containers/storage"];
        Self {
            docker: docker.map(Folder::of_host).into(),
            storage: storage.map(Folder::of_host).into(),
            failures: 0,
        }
    }

    fn name_by_docker(&mut self, subject: &Subject, id: &str) {
        for folder in &self.docker {
            let read = folder.read(&format!("containers/{id}/config.v2.json"), CONFIG_MAX);
            let Some(text) = present(read, &mut self.failures) else {
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
                subject.learn(|it| it.name_pod(namespace, pod, uid));
            }
            let name = label("container.name").unwrap_or(&config.name);
            subject.learn(|it| it.name_container(name.trim_start_matches('/')));
            subject.learn(|it| it.tell_runtime(Runtime::Docker));
            return;
        }
    }

    fn name_by_storage(&mut self, wanted: &HashMap<&str, &Arc<Subject>>) {
        for folder in &self.storage {
            // The second is of containers that do not outlive a reboot.
            for file in ["containers.json", "volatile-containers.json"] {
                let read = folder.read(&format!("overlay-containers/{file}"), LIST_MAX);
                let Some(text) = present(read, &mut self.failures) else {
                    continue;
                };
                let Ok(all) = serde_json::from_slice::<Vec<Stored>>(&text) else {
                    self.failures += 1;
                    continue;
                };
                for stored in all {
                    if let Some(subject) = wanted.get(stored.id.as_str()) {
                        name_stored(subject, stored.names.unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// CRI-O calls them `k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT`; `POD` is the
/// sandbox.
fn name_stored(subject: &Subject, names: Vec<String>) {
    let Some(name) = names.first() else {
        return;
    };
    let parts: Vec<_> = name.split('_').collect();
    match parts[..] {
        ["k8s", container, pod, namespace, uid, _attempt] if subject.identity().is_pod() => {
            subject.learn(|it| it.name_pod(namespace, pod, uid));
            subject.learn(|it| it.name_container(container));
        }
        _ => subject.learn(|it| it.name_container(name)),
    }
}

impl Source for StateFolders {
    /// Rootless ones are in their user's home, whose file system may be slow.
    fn look_around(&mut self) {
        let passwd = Root::default().octets("etc/passwd", CONFIG_MAX);
        for within in homes(&passwd.unwrap_or_default()) {
            let of_user = |path| Folder {
                within: within.clone(),
                path,
            };
            self.docker.push(of_user(".local/share/docker"));
            self.storage
                .push(of_user(".local/share/containers/storage"));
        }
    }

    fn name(&mut self, wanted: &[Arc<Subject>]) {
        let containers: HashMap<&str, &Arc<Subject>> = wanted
            .iter()
            .filter_map(|subject| Some((subject.of_path().container()?, subject)))
            .collect();
        for (id, subject) in &containers {
            self.name_by_docker(subject, id);
        }
        if containers.values().any(|subject| subject.lacks_names()) {
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
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;
    use crate::attempt::identity::WorkloadId;

    const A: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";
    const B: &str = "b1946ac92492d2347c6235b4d2611184e59bd4a1c2f3a7d8990123456789abcd";

    fn of(path: &str) -> Arc<Subject> {
        Arc::new(Subject::of_cgroup(path.as_bytes()))
    }

    fn docker(config: &[u8]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        let container = folder.path().join("containers").join(A);
        fs::create_dir_all(&container).expect("mkdir");
        fs::write(container.join("config.v2.json"), config).expect("a file");
        folder
    }

    fn below(folder: &tempfile::TempDir) -> Folder {
        Folder {
            within: folder.path().to_owned(),
            path: "",
        }
    }

    fn of_docker(folder: &tempfile::TempDir) -> StateFolders {
        StateFolders {
            docker: vec![below(folder)],
            storage: Vec::new(),
            failures: 0,
        }
    }

    fn of_storage(folder: &tempfile::TempDir) -> StateFolders {
        StateFolders {
            docker: Vec::new(),
            storage: vec![below(folder)],
            failures: 0,
        }
    }

    #[test]
    fn live_docker_tells_names_and_labels() {
        let folder = docker(br#"{"Name":"/web","Config":{"Labels":null},"State":{"Pid":1}}"#);
        let mut folders = of_docker(&folder);
        let subject = of(&format!("/docker/{A}"));
        folders.name(&[Arc::clone(&subject), of(&format!("/docker/{B}"))]);
        assert_eq!(subject.identity().container_name(), Some("web"));
        assert_eq!(folders.failures, 0);

        let folder = docker(
            br#"{"Name":"/k8s_nginx_web-1_shop_u-1_0","Config":{"Labels":{
                "io.kubernetes.container.name":"nginx","io.kubernetes.pod.name":"web-1",
                "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1"}}}"#,
        );
        let mut folders = of_docker(&folder);
        let subject = of(&format!("/kubepods/podu-1/{A}"));
        folders.name(&[Arc::clone(&subject)]);
        assert_eq!(
            WorkloadId::of(&subject.identity())
                .expect("it is somebody")
                .to_string(),
            "pod shop/web-1"
        );
        assert_eq!(subject.identity().container_name(), Some("nginx"));
        assert_eq!(subject.identity().runtime(), Some(Runtime::Docker));
    }

    #[test]
    fn live_podman_and_crio_tell_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("overlay-containers");
        fs::create_dir(&list).expect("mkdir");
        let json = format!(
            r#"[{{"id":"{A}","names":["db"],"image":"x","metadata":"{{}}"}},
                {{"id":"{B}","names":["k8s_nginx_web-1_shop_u-1_0"]}},{{"id":"c"}}]"#
        );
        fs::write(list.join("containers.json"), json).expect("a file");
        let mut folders = of_storage(&folder);
        let podman = of(&format!("/machine.slice/libpod-{A}.scope"));
        let crio = of(&format!("/kubepods/podu-1/crio-{B}"));
        folders.name(&[Arc::clone(&podman), Arc::clone(&crio)]);
        assert_eq!(podman.identity().container_name(), Some("db"));
        assert_eq!(podman.identity().runtime(), Some(Runtime::Podman));
        assert_eq!(
            WorkloadId::of(&crio.identity())
                .expect("it is somebody")
                .to_string(),
            "pod shop/web-1"
        );
        assert_eq!(crio.identity().container_name(), Some("nginx"));
    }

    #[test]
    fn live_nonsense_costs_names_and_is_counted() {
        for junk in [&b""[..], b"{\"Name\":7}", &b"[".repeat(200_000)] {
            let folder = docker(junk);
            let mut folders = of_docker(&folder);
            let subject = of(&format!("/docker/{A}"));
            folders.name(&[Arc::clone(&subject)]);
            assert!(subject.lacks_names());
            assert_eq!(folders.failures, 1, "{:?}", junk.get(..10));
            assert!(folders.complaint().is_some());
        }
    }

    /// How many failures are counted if a user makes this in the place of the list.
    fn failures(make: impl Fn(&Path)) -> u64 {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("overlay-containers")).expect("mkdir");
        make(&folder.path().join("overlay-containers/containers.json"));
        let mut folders = of_storage(&folder);
        let subject = of(&format!("/docker/{A}"));
        folders.name(&[Arc::clone(&subject)]);
        assert!(subject.lacks_names());
        folders.failures
    }

    #[test]
    fn pipes_devices_and_links_out_of_a_home_cost_names() {
        let secret = tempfile::NamedTempFile::new().expect("a file");
        let list = format!(r#"[{{"id":"{A}","names":["db"]}}]"#);
        fs::write(secret.path(), list).expect("a file");
        assert_eq!(failures(|it| mkfifo(it, Mode::S_IRWXU).expect("a pipe")), 1);
        // Seen from the home, nothing is there.
        for target in [secret.path(), Path::new("/dev/zero")] {
            assert_eq!(failures(|it| symlink(target, it).expect("a link")), 0);
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
