//! What is found out about processes.

use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use nix::mount::MsFlags;
use nix::mount::mount;
use nix::sched::CloneFlags;

use super::place::Inhabitant;
use super::place::Pod;
use super::place::sleep;
use super::*;
use crate::sampler::Process;

/// What is told at the end about a client that was there all the time.
fn client(pid: u32) -> Process {
    let mut sampler = start();
    sampler.meet_now(&attempt_of(pid, Role::Client));
    let mut sample = sampler.finish();
    sample.clients.remove(&pid).expect("the client")
}

#[test]
fn root_a_quota_of_the_pod_throttles_the_process_of_its_container() {
    let pod = Pod::new("quota", 10_000, 100_000);
    let mut busy = Command::new("sh");
    busy.args(["-c", "while :; do :; done"]);
    let entrance = pod.entrance();
    let busy = Inhabitant::new(busy, CloneFlags::empty(), move || {
        (&entrance).write_all(b"0")
    });
    let mut sampler = start();
    sampler.meet_now(&attempt_of(busy.pid(), Role::Server));
    let stat = pod.folder.join("cpu.stat");
    await_that("throttled periods", || {
        let text = fs::read_to_string(&stat).expect("cpu.stat");
        let throttled = text
            .lines()
            .find_map(|line| line.strip_prefix("nr_throttled "));
        throttled.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count >= 15))
    });
    let sample = sampler.finish();
    let server = &sample.servers[&busy.pid()];
    let quota = server.quota.as_ref().expect("a quota");
    assert_eq!(quota.cgroup.as_path(), pod.folder);
    assert_eq!(quota.quota, Some(Duration::from_millis(10)));
    assert_eq!(quota.period, Duration::from_millis(100));
    assert!(quota.throttled_periods >= 3, "{quota:?}");
    assert!(quota.throttled_periods <= quota.periods, "{quota:?}");
    assert!(quota.throttled > Duration::from_millis(50), "{quota:?}");
    let ran = server.spans.iter().map(|span| span.ran);
    assert!(ran.reduce(f64::max).is_some_and(|it| it > 0.0 && it < 0.5));
    assert!(!server.ended);
}

#[test]
fn root_a_process_without_a_quota_has_none() {
    let sleeper = Inhabitant::new(sleep(), CloneFlags::empty(), || Ok(()));
    assert_eq!(client(sleeper.pid()).quota, None);
}

#[test]
fn root_resolv_conf_is_that_of_the_process_own_mount_namespace() {
    let folder = tempfile::tempdir().expect("a folder");
    let ours = folder.path().join("resolv.conf");
    fs::write(
        &ours,
        "nameserver 10.77.0.2\nsearch a.test b.test\noptions ndots:5\n",
    )
    .unwrap();
    let nothing = None::<&str>;
    let cover = move || {
        let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(nothing, "/", nothing, private, nothing)?;
        let theirs = "/etc/resolv.conf";
        mount(Some(&ours), theirs, nothing, MsFlags::MS_BIND, nothing)?;
        Ok(())
    };
    let sleeper = Inhabitant::new(sleep(), CloneFlags::CLONE_NEWNS, cover);
    let conf = client(sleeper.pid()).resolv_conf.expect("resolv.conf");
    assert_eq!(
        conf.path.to_str().expect("a path"),
        format!("/proc/{}/root/etc/resolv.conf", sleeper.pid())
    );
    assert_eq!(conf.nameservers, ["10.77.0.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(conf.search, ["a.test", "b.test"]);
    assert_eq!(conf.ndots, 5);
}

/// A sleeper whose root is `folder`; busybox is static and needs nothing there.
fn confined(folder: &Path) -> Inhabitant {
    // A file that this process has open to write, a child of another test may have too
    // until it executes something, and such a file cannot be executed (ETXTBSY).
    let copied = Command::new("cp").arg("/bin/busybox").arg(folder).status();
    assert!(copied.expect("cp").success(), "busybox-static");
    let mut sleep = Command::new("/busybox");
    sleep.args(["sleep", "600"]).current_dir("/");
    let root = std::ffi::CString::new(folder.as_os_str().as_bytes()).expect("a path");
    Inhabitant::new(sleep, CloneFlags::empty(), move || {
        nix::unistd::chroot(root.as_c_str())?;
        Ok(nix::unistd::chdir("/")?)
    })
}

#[test]
fn root_links_of_a_container_stay_below_its_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let within = |path: &str| folder.path().join(path);
    fs::create_dir(within("etc")).unwrap();
    let conf = within("etc/resolv.conf");
    let inhabitant = confined(folder.path());
    let pid = inhabitant.pid();
    // A file that this host has and the container has not.
    std::os::unix::fs::symlink("/etc/passwd", &conf).unwrap();
    assert!(Path::new("/etc/passwd").exists());
    assert_eq!(client(pid).resolv_conf, None);
    fs::write(within("inside"), "nameserver 10.77.0.3\n").unwrap();
    fs::remove_file(&conf).unwrap();
    std::os::unix::fs::symlink("/../../inside", &conf).unwrap();
    let found = client(pid).resolv_conf.expect("resolv.conf");
    assert_eq!(found.nameservers, ["10.77.0.3".parse::<IpAddr>().unwrap()]);
}

#[test]
fn root_a_pipe_in_place_of_resolv_conf_holds_nothing_up() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("etc")).unwrap();
    let pipe = folder.path().join("etc/resolv.conf");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let inhabitant = confined(folder.path());
    assert_eq!(client(inhabitant.pid()).resolv_conf, None);
}

#[test]
fn root_a_process_that_has_ended_keeps_what_was_found() {
    let sleeper = Inhabitant::new(sleep(), CloneFlags::empty(), || Ok(()));
    let pid = sleeper.pid();
    let mut sampler = start();
    sampler.meet_now(&attempt_of(pid, Role::Client));
    drop(sleeper);
    let sample = sampler.finish();
    let process = &sample.clients[&pid];
    assert!(process.ended && process.netns.is_some());
}

#[test]
fn live_who_listens_is_found_though_it_never_answered() {
    let own = std::process::id();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut silent = attempt_of(own, Role::Server);
    silent.local = socket.local_addr().expect("an address");
    silent.outcome = Outcome::Unanswered;
    silent.owner.pid = None;
    let mut sampler = start();
    sampler.meet(&silent);
    let key = (silent.owner.netns, silent.local);
    await_that("the listener", || {
        let baseline = sampler.baseline.lock().expect("the baseline");
        baseline.listeners.contains_key(&key) && baseline.servers.contains_key(&own)
    });
    let sample = sampler.finish();
    assert_eq!(sample.listeners.get(&key), Some(&own));
    assert!(sample.servers.contains_key(&own));
}

/// As a service that systemd starts when the first query has come.
#[test]
fn live_who_listens_later_is_found_too() {
    let own = std::process::id();
    // Nobody else's.
    let address = SocketAddr::from(([127, 88, (own >> 8) as u8, own as u8], 53_053));
    let mut silent = attempt_of(own, Role::Server);
    silent.local = address;
    silent.outcome = Outcome::Unanswered;
    silent.owner.pid = None;
    let mut sampler = start();
    sampler.meet(&silent);
    let key = (silent.owner.netns, address);
    let baseline = sampler.baseline.clone();
    await_that("the first look", || {
        let baseline = baseline.lock().expect("the baseline");
        baseline.open.contains_key(&key)
    });
    let _socket = std::net::UdpSocket::bind(address).expect("a socket");
    await_that("the listener", || {
        let baseline = baseline.lock().expect("the baseline");
        baseline.listeners.contains_key(&key) && !baseline.open.contains_key(&key)
    });
    assert_eq!(sampler.finish().listeners.get(&key), Some(&own));
}
