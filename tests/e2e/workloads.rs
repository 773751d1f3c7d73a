//! Whose a query is: control groups named as systemd and the container runtimes
//! name them, made by the test.

use std::fs;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;
use serde_json::json;

use crate::ask::ask;
use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::doctor::Doctor;
use crate::message;
use crate::place::Place;
use crate::place::link;
use crate::process::Process;
use crate::process::finish;
use crate::process::poll;
use crate::record::Record;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::site::unique_zone;
use crate::unbound::Unbound;

const ID: &str = "3f0c2b8f5a1d4e6790ab12cd34ef56a77b8c9d0e1f2a3b4c5d6e7f8091a2b3c4";
const UID: &str = "0a1b2c3d-4e5f-6789-abcd-ef0123456789";

/// A site whose client is in this cgroup.
fn site(cgroup: Cgroup) -> Site {
    let site = Site {
        zone: unique_zone(),
        client: Place::in_group(cgroup),
        server: Place::new(),
    };
    link(&site.client.namespace, &site.server.namespace);
    site
}

fn site_in(folders: &str) -> Site {
    site(Cgroup::below(&mount_point(), folders))
}

fn dig(site: &Site, label: &str) {
    let server = format!("@{SERVER_V4}");
    let arguments = [&server, "+tries=1", &site.name(label), "A"];
    let dig = finish(site.client.command("dig").args(arguments));
    assert!(dig.succeeded, "{}", dig.output);
}

/// A line of bash that asks for this name.
fn asks(name: &str) -> String {
    let query = message::query(7, &message::labels(name), message::A);
    // bash writes line by line: a line feed would make two datagrams of it.
    assert!(!query.contains(&b'\n'), "a label of {name} has ten octets");
    let escaped: String = query.iter().map(|b| format!("\\x{b:02x}")).collect();
    format!("exec 3<>/dev/udp/{SERVER_V4}/53; printf '{escaped}' >&3")
}

/// What the client's record says.
fn client(records: Vec<Record>) -> Record {
    let mut clients = records.into_iter().filter(|record| record.role == "client");
    let record = clients.next().expect("a client's record");
    assert!(clients.next().is_none());
    record
}

/// Where this hierarchy of version 1 is mounted.
fn version_1(option: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    let mut fields = mounts.lines().map(|line| line.split(' '));
    let point = fields.find_map(|mut fields| {
        let point = fields.nth(1)?;
        let is_it = fields.next()? == "cgroup" && fields.next()?.split(',').any(|it| it == option);
        is_it.then(|| PathBuf::from(point))
    });
    point.unwrap_or_else(|| panic!("no hierarchy of version 1 with {option}"))
}

#[test]
fn root_a_systemd_unit_of_version_2() {
    let site = site_in("system.slice/shop@1.service/worker");
    let _unbound = site.unbound();
    let mut watch = site.watch(&[]);
    dig(&site, "www");
    let record = client(site.records(&mut watch));
    assert_eq!(record.unit.as_deref(), Some("shop@1.service"));
    let told = site.client.cgroup.told(&mount_point());
    assert_eq!(record.cgroup, Some(told));
    assert_eq!((record.container, record.pod), (Value::Null, Value::Null));
}

#[test]
fn root_a_container_and_a_pod() {
    let scope = format!("system.slice/docker-{ID}.scope");
    let uid = UID.replace('-', "_");
    let slice = format!(
        "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{uid}.slice/\
         cri-containerd-{ID}.scope"
    );
    let docker = json!({ "id": ID, "runtime": "docker" });
    let containerd = json!({ "id": ID, "runtime": "containerd" });
    for (folders, container, pod) in [
        (&scope, docker, Value::Null),
        (&slice, containerd, json!({ "uid": UID })),
    ] {
        let site = site_in(folders);
        let _unbound = site.unbound();
        let mut watch = site.watch(&[]);
        dig(&site, "www");
        let record = client(site.records(&mut watch));
        assert_eq!((record.container, record.pod), (container, pod));
        assert_eq!(record.unit, None);
    }
}

/// Hybrid hosts and those with version 1 only: the socket's group of version 2 is
/// the root, and the process has the answer for as long as it lives.
#[test]
fn root_a_group_of_version_1_only() {
    for (option, folders) in [
        ("name=systemd", "system.slice/old.service".to_owned()),
        ("pids", format!("docker/{ID}")),
    ] {
        let point = version_1(option);
        let site = site(Cgroup::below(&point, &folders));
        let _unbound = site.unbound();
        let mut watch = site.watch(&[]);
        for label in ["a", "b", "c", "d", "e"] {
            let script = format!("{}; read", asks(&site.name(label)));
            let mut asking = site.client.command("bash");
            asking.args(["-c", &script]).stdin(Stdio::piped());
            let _alive = Process::start(&mut asking);
            let of_client = |it: &Record| it.role == "client";
            let seen = watch.until("a client", |seen| seen.iter().any(of_client));
            let record = client(seen);
            assert_eq!(record.cgroup, Some(site.client.cgroup.told(&point)));
            match option {
                "pids" => assert_eq!(record.container, json!({ "id": ID, "runtime": "docker" })),
                _ => assert_eq!(record.unit.as_deref(), Some("old.service")),
            }
        }
    }
}

/// Whether a process watches the folder with this inode number: proc_pid_fdinfo(5).
fn is_watched(pid: u32, inode: u64) -> bool {
    let wanted = format!(" ino:{inode:x} ");
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).expect("its descriptors");
    infos
        .filter_map(|info| fs::read_to_string(info.ok()?.path()).ok())
        .flat_map(|info| info.lines().map(str::to_owned).collect::<Vec<_>>())
        .any(|line| line.starts_with("inotify ") && line.contains(&wanted))
}

/// Groups that are gone before their query has come to its end.
#[test]
fn root_whoever_was_short_lived_is_named() {
    const JOBS: usize = 20;
    let site = Site::new();
    let mut watch = site.watch(&["--timeout", "1s"]);
    let server = SocketAddr::new(SERVER_V4, 53);
    let silent = site
        .server
        .enter(|| UdpSocket::bind(server).expect("a server"));
    for job in 0..JOBS {
        let group = Cgroup::below(&mount_point(), &format!("job-{job}.service"));
        // On a busy machine the job may be over before kerno has run.
        poll("kerno to see the group", || {
            is_watched(watch.process.pid(), group.id()).then_some(())
        });
        let place = Place::in_group(group);
        // It asks from the site's namespace, and does not wait for an answer.
        let name = site.name(&format!("job-{job}"));
        let script = asks(&name);
        let net = format!("--net={}", site.client.namespace.path());
        let mut command = place.command("nsenter");
        command.args([&net, "bash", "-c", &script]);
        let done = finish(&mut command);
        assert!(done.succeeded, "{}", done.output);
        place.cgroup.remove();
    }
    let records = watch.until("every job", |seen| {
        seen.iter().filter(|it| it.role == "client").count() >= JOBS
    });
    drop(silent);
    for record in records.iter().filter(|record| record.role == "client") {
        let name = record.name.as_deref().expect("a name");
        let job = name.split('.').next().expect("a label");
        assert_eq!(record.unit, Some(format!("{job}.service")), "{record:?}");
        assert_eq!(record.outcome, "unanswered");
    }
}

#[test]
fn root_filters_choose_a_workload() {
    let scope = format!("web.service/docker-{ID}.scope");
    let site = site_in(&scope);
    let _unbound = site.unbound();
    let mut by_unit = site.watch(&["--unit", "web"]);
    let mut by_container = site.watch(&["--container", &ID[..12]]);
    let mut by_pod = site.watch(&["--pod", "shop/web-1"]);
    let mut all = site.watch(&["--role", "client"]);
    // One that is not asked for, by the test itself.
    let server = SocketAddr::new(SERVER_V4, 53);
    let query = message::query(7, &message::labels(&site.name("other")), message::A);
    ask(&site.client, server, &query);
    dig(&site, "wanted");
    dig(&site, "last");
    assert_eq!(all.records(3).len(), 3);
    for watch in [&mut by_unit, &mut by_container] {
        let names: Vec<_> = watch.records(2).into_iter().map(|it| it.name).collect();
        assert_eq!(names, [Some(site.name("wanted")), Some(site.name("last"))]);
    }
    by_pod.process.signal(Signal::SIGINT);
    by_pod.process.ended();
}

/// A host with services, a container and plain processes.
#[test]
fn root_the_report_has_every_workload() {
    const PORT: u16 = 10_653;
    let service = site_in("system.slice/shop.service");
    let container = site_in(&format!("system.slice/docker-{ID}.scope"));
    let port = PORT.to_string();
    let options = ["--port", port.as_str()];
    let json = Doctor::start(&[&options[..], &["--output", "json"]].concat());
    let of_unit = Doctor::start(&[&options[..], &["--output", "json", "--unit", "shop"]].concat());
    let text = Doctor::start(&options);
    for (site, queries) in [(&service, 3), (&container, 2)] {
        let unbound = Unbound::start(&site.server, &site.zone, &[SERVER_V4], PORT);
        for _ in 0..queries {
            let server = format!("@{SERVER_V4}");
            let arguments = [&server, "-p", &port, &site.name("www"), "A"];
            let dig = finish(site.client.command("dig").args(arguments));
            assert!(dig.succeeded, "{}", dig.output);
        }
        drop(unbound);
    }
    let (_, report) = json.json();
    let (_, of_unit) = of_unit.json();
    let (_, text) = text.text();

    let rows = report["dns"]["by_workload"].as_array().expect("workloads");
    let row = |kind: &str| {
        let mut rows = rows.iter().filter(|row| row["kind"] == kind);
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("no {kind}: {report:#}"));
        assert!(rows.next().is_none(), "{report:#}");
        row
    };
    assert_eq!(row("unit")["unit"], "shop.service");
    assert_eq!(row("unit")["queries"], 3);
    assert_eq!(row("container")["container"]["id"], ID);
    assert_eq!(row("container")["queries"], 2);
    for field in ["p50", "p95", "p99"] {
        assert!(row("unit")["latency_ns"][field].as_u64() > Some(0));
    }
    assert!(row("unit")["queries_per_second"].as_f64() > Some(0.0));
    assert_eq!(of_unit["dns"]["queries"], 3);
    assert_eq!(of_unit["dns"]["by_workload"][0]["unit"], "shop.service");
    let books = &report["accounting"]["workloads"];
    // The container has no name here.
    assert_eq!(
        (&books["unnamed"], &books["nameless"]),
        (&json!(2), &json!(1))
    );
    for told in ["shop.service", &format!("container {}", &ID[..12])] {
        assert!(text.contains(told), "{text}");
    }
}
