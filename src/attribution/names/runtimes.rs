//! The state folders of Docker and of everything that stores containers as
//! Podman and CRI-O do.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Failures;
use super::Source;
use super::Subject;
use super::by_container;
use crate::attempt::identity::Runtime;
use crate::host::proc::Root;
use crate::host::proc::untrusted;

/// A container's configuration with Docker is some 10 KB.
const CONFIG_MAX: u64 = 1 << 20;
/// The list of all containers with Podman has some 500 octets for each.
const LIST_MAX: u64 = 16 << 20;
/// How containers/storage keeps what containers write (containers-storage.conf(5)); most use the
/// first, and a user without rights gets the second where the first needs some.
const DRIVERS: [&str; 4] = ["overlay", "vfs", "btrfs", "zfs"];
/// A line for each user, of some 60 octets.
const PASSWD_MAX: u64 = 1 << 20;
/// Users whose homes are known.
const USERS_MAX: usize = 16_384;

/// What to say if there are names that cannot be read.
const UNREADABLE: &str = "names of Docker's or Podman's containers could not be read from their state \
                          folders; kerno reads /var/lib/docker and /var/lib/containers";

#[derive(Debug)]
pub(super) struct StateFolders {
    docker: Vec<Folder>,
    storage: Vec<Folder>,
    /// Of users, by their number (passwd(5)).
    homes: HashMap<u32, PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
struct Folder {
    /// What its owner may write to: no link leads out of there.
    within: PathBuf,
    path: &'static str,
}

impl Folder {
    /// What a file says in JSON. Most hosts have neither runtime, and that is no failure.
    fn read<T: DeserializeOwned>(
        &self,
        file: &str,
        max: u64,
        failures: &mut Failures,
    ) -> Option<T> {
        let file = format!("{}/{file}", self.path);
        let content = untrusted::read(&self.within, file, max);
        let read = content.and_then(|it| Ok(serde_json::from_slice(&it.octets)?));
        let is_there = |error: &io::Error| {
            !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            )
        };
        if let Some(error) = read.as_ref().err().filter(|error| is_there(error)) {
            log::debug!("a state folder cannot be read: {error}");
            failures.add(|| UNREADABLE.to_owned());
        }
        read.ok()
    }
}

/// `config.v2.json` of Docker, as far as it counts here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct DockerConfig {
    name: String,
    config: DockerLabels,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerLabels {
    labels: Option<HashMap<String, String>>,
}

/// An entry of `containers.json` of containers/storage.
#[derive(Deserialize)]
pub(super) struct Stored {
    id: String,
    names: Option<Vec<String>>,
}

impl StateFolders {
    /// Where this host's have them.
    pub(super) fn of_host() -> Self {
        let docker = ["/var/lib/docker", "/var/snap/docker/common/var-lib-docker"];
        let storage = ["/var/lib/containers/storage"];
        let folder = |path| Folder {
            within: PathBuf::from("/"),
            path,
        };
        Self {
            docker: docker.map(folder).into(),
            storage: storage.map(folder).into(),
            homes: HashMap::new(),
        }
    }

    /// Those of one user, whose state names containers of that user alone.
    fn of_home(home: &Path) -> Self {
        let folder = |path| Folder {
            within: home.to_owned(),
            path,
        };
        Self {
            docker: vec![folder(".local/share/docker")],
            storage: vec![folder(".local/share/containers/storage")],
            homes: HashMap::new(),
        }
    }

    fn name_all(&self, wanted: &HashMap<&str, &Subject>, failures: &mut Failures) {
        for (id, subject) in wanted {
            self.name_by_docker(subject, id, failures);
        }
        if wanted.values().any(|subject| subject.lacks_names()) {
            self.name_by_storage(wanted, failures);
        }
    }

    fn name_by_docker(&self, subject: &Subject, id: &str, failures: &mut Failures) {
        let file = format!("containers/{id}/config.v2.json");
        let mut configs = self
            .docker
            .iter()
            .filter_map(|it| it.read(&file, CONFIG_MAX, failures));
        if let Some(config) = configs.next() {
            name_configured(subject, config);
        }
    }

    fn name_by_storage(&self, wanted: &HashMap<&str, &Subject>, failures: &mut Failures) {
        let files = DRIVERS.iter().flat_map(|driver| {
            // The second is of containers that do not outlive a reboot.
            let files = ["containers.json", "volatile-containers.json"];
            files.map(|file| format!("{driver}-containers/{file}"))
        });
        let files: Vec<String> = files.collect();
        for folder in &self.storage {
            let lists = files
                .iter()
                .filter_map(|it| folder.read(it, LIST_MAX, failures));
            lists.for_each(|list| name_listed(wanted, list));
        }
    }
}

pub(super) fn name_configured(subject: &Subject, configured: DockerConfig) {
    let DockerConfig { name, config } = configured;
    let labels = config.labels.unwrap_or_default();
    let label = |name: &str| labels.get(&format!("io.kubernetes.{name}"));
    subject.learn(|it| {
        if let (Some(namespace), Some(pod)) = (label("pod.namespace"), label("pod.name")) {
            it.name_pod(namespace, pod, label("pod.uid").map_or("", String::as_str));
        }
        let name = label("container.name").unwrap_or(&name);
        it.name_container(name.trim_start_matches('/'));
        it.tell_runtime(Runtime::Docker);
    });
}

pub(super) fn name_listed(wanted: &HashMap<&str, &Subject>, list: Vec<Stored>) {
    for stored in list {
        if let Some(subject) = wanted.get(stored.id.as_str()) {
            name_stored(subject, stored.names.unwrap_or_default());
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
    subject.learn(|it| match parts[..] {
        ["k8s", container, pod, namespace, uid, _attempt] if it.pod().is_some() => {
            it.name_pod(namespace, pod, uid);
            it.name_container(container);
        }
        _ => it.name_container(name),
    });
}

impl Source for StateFolders {
    fn look_around(&mut self, _failures: &mut Failures) {
        let passwd = Root::default().octets("etc/passwd", PASSWD_MAX);
        self.homes = homes(&passwd.unwrap_or_default());
    }

    fn name(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures) {
        self.name_all(&by_container(wanted), failures);
    }

    /// A rootless runtime's state is in the user's home.
    fn name_of_users(&mut self, wanted: &[Arc<Subject>], failures: &mut Failures) {
        let mut of_users: BTreeMap<u32, Vec<Arc<Subject>>> = BTreeMap::new();
        for subject in wanted {
            if let Some(uid) = subject.of_path().user() {
                of_users.entry(uid).or_default().push(Arc::clone(subject));
            }
        }
        for (uid, subjects) in of_users {
            if let Some(home) = self.homes.get(&uid) {
                Self::of_home(home).name_all(&by_container(&subjects), failures);
            }
        }
    }
}

/// Home folders by user, as passwd(5) has them.
pub(super) fn homes(passwd: &[u8]) -> HashMap<u32, PathBuf> {
    let homes = passwd.split(|&octet| octet == b'\n').filter_map(|line| {
        let mut fields = std::str::from_utf8(line).ok()?.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let home = PathBuf::from(fields.nth(2)?);
        home.is_absolute().then_some((uid, home))
    });
    homes.take(USERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::super::tests::ask;
    use super::*;
    use crate::attempt::identity::WorkloadId;

    const A: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";
    const B: &str = "b1946ac92492d2347c6235b4d2611184e59bd4a1c2f3a7d8990123456789abcd";

    fn of(path: &str) -> Arc<Subject> {
        Arc::new(Subject::of_cgroup(path.as_bytes(), None))
    }

    fn runtime(subject: &Subject) -> Option<Runtime> {
        subject.identity().labels().container?.runtime
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
            homes: HashMap::new(),
        }
    }

    fn of_storage(folder: &tempfile::TempDir) -> StateFolders {
        StateFolders {
            docker: Vec::new(),
            storage: vec![below(folder)],
            homes: HashMap::new(),
        }
    }

    #[test]
    fn live_docker_tells_names_and_labels() {
        let folder = docker(br#"{"Name":"/web","Config":{"Labels":null},"State":{"Pid":1}}"#);
        let mut folders = of_docker(&folder);
        let subject = of(&format!("/docker/{A}"));
        let failures = ask(&mut folders, &[&subject, &of(&format!("/docker/{B}"))]);
        assert_eq!(subject.identity().container_name(), Some("web"));
        assert_eq!(failures.times, 0);

        let folder = docker(
            br#"{"Name":"/k8s_nginx_web-1_shop_u-1_0","Config":{"Labels":{
                "io.kubernetes.container.name":"nginx","io.kubernetes.pod.name":"web-1",
                "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1"}}}"#,
        );
        let mut folders = of_docker(&folder);
        let subject = of(&format!("/kubepods/podu-1/{A}"));
        ask(&mut folders, &[&subject]);
        assert_eq!(
            WorkloadId::of(&subject.identity())
                .expect("it is somebody")
                .to_string(),
            "pod shop/web-1"
        );
        assert_eq!(subject.identity().container_name(), Some("nginx"));
        assert_eq!(runtime(&subject), Some(Runtime::Docker));
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
        ask(&mut folders, &[&podman, &crio]);
        assert_eq!(podman.identity().container_name(), Some("db"));
        assert_eq!(runtime(&podman), Some(Runtime::Podman));
        assert_eq!(
            WorkloadId::of(&crio.identity())
                .expect("it is somebody")
                .to_string(),
            "pod shop/web-1"
        );
        assert_eq!(crio.identity().container_name(), Some("nginx"));
    }

    #[test]
    fn live_a_user_may_have_another_driver() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("vfs-containers");
        fs::create_dir(&list).expect("mkdir");
        let json = format!(r#"[{{"id":"{A}","names":["db"]}}]"#);
        fs::write(list.join("containers.json"), json).expect("a file");
        let podman = of(&format!("/user.slice/libpod-{A}.scope"));
        ask(&mut of_storage(&folder), &[&podman]);
        assert_eq!(podman.identity().container_name(), Some("db"));
    }

    #[test]
    fn live_nonsense_costs_names_and_is_counted() {
        for junk in [&b""[..], b"{\"Name\":7}", &b"[".repeat(200_000)] {
            let folder = docker(junk);
            let mut folders = of_docker(&folder);
            let subject = of(&format!("/docker/{A}"));
            let failures = ask(&mut folders, &[&subject]);
            assert!(subject.lacks_names());
            assert_eq!(failures.times, 1, "{:?}", junk.get(..10));
            assert!(failures.complaint.is_some());
        }
    }

    /// How many failures are counted if a user makes this in the place of the list.
    fn failures(make: impl Fn(&Path)) -> u64 {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("overlay-containers")).expect("mkdir");
        make(&folder.path().join("overlay-containers/containers.json"));
        let mut folders = of_storage(&folder);
        let subject = of(&format!("/docker/{A}"));
        let failures = ask(&mut folders, &[&subject]);
        assert!(subject.lacks_names());
        failures.times
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

    /// A user's own list that names A "mine", and a source that knows the user as 1000.
    fn of_user() -> (tempfile::TempDir, StateFolders) {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home
            .path()
            .join(".local/share/containers/storage/overlay-containers");
        fs::create_dir_all(&folder).expect("mkdir");
        let list = format!(r#"[{{"id":"{A}","names":["k8s_c_mine_ns_u-1_0"]}}]"#);
        fs::write(folder.join("containers.json"), list).expect("a file");
        let folders = StateFolders {
            docker: Vec::new(),
            storage: Vec::new(),
            homes: homes(format!("a:x:1000:1000::{}:/bin/sh", home.path().display()).as_bytes()),
        };
        (home, folders)
    }

    #[test]
    fn the_hosts_own_state_names_nothing_in_a_users_groups() {
        let (home, _) = of_user();
        let mut folders = StateFolders::of_home(home.path());
        let hosts = of(&format!("/machine.slice/libpod-{A}.scope"));
        // A user may call a group of its own after anybody's container.
        let users = of(&format!(
            "/user.slice/user-1000.slice/user@1000.service/libpod-{A}.scope"
        ));
        ask(&mut folders, &[&hosts, &users]);
        assert!(hosts.identity().container_name().is_some());
        assert_eq!(users.identity().container_name(), None);
    }

    #[test]
    fn a_user_names_nobodys_containers_but_its_own() {
        let (_home, mut folders) = of_user();
        let own =
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope");
        let subject = of(&own);
        ask(&mut folders, &[&subject]);
        assert_eq!(
            subject.identity().container_name(),
            Some("k8s_c_mine_ns_u-1_0")
        );
        for path in [
            format!("/kubepods/burstable/podu-1/{A}"),
            format!("/machine.slice/libpod-{A}.scope"),
            format!("/user.slice/user-1001.slice/user@1001.service/libpod-{A}.scope"),
            format!("/user.slice/libpod-{A}.scope"),
            format!("/atk/user.slice/user-1000.slice/libpod-{A}.scope"),
        ] {
            let subject = of(&path);
            let failures = ask(&mut folders, &[&subject]);
            assert!(subject.lacks_names(), "{path}");
            assert_eq!(failures.times, 0);
        }
    }

    #[test]
    fn homes_are_found_by_their_user() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\njunk\na:x:1:1::/home/a:/bin/sh\n::::::\n\
                      b:x:2:2::not/absolute:/bin/sh\n";
        let expected = [(0, "/root"), (1, "/home/a")].map(|(uid, it)| (uid, PathBuf::from(it)));
        assert_eq!(homes(passwd.as_bytes()), HashMap::from(expected));
    }
}
