//! Whose each query is: on a node with every kind of pod.

use serde_json::Value;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::doctor::Doctor;
use crate::node::DNS;
use crate::node::Layout;
use crate::node::Node;
use crate::pod::Container;
use crate::pod::Network;
use crate::process::finish;
use crate::record::Record;
use crate::watch::Watch;

#[test]
fn root_names_on_a_node() {
    Story::new().told();
}

/// Processes of pods that live as long as their query are looked at themselves.
#[test]
fn root_names_on_a_node_with_version_1_alone() {
    let zone = format!("v1{}.pods.test", std::process::id());
    let node = Node::start(Layout::Version1);
    let _dns = node.unbound(&zone);
    let socket = node.socket.to_str().expect("UTF-8");
    let options = [
        "--cri-endpoint",
        socket,
        "--timeout",
        "1s",
        "--role",
        "client",
    ];
    let of_zone = zone.clone();
    let mut watch = Watch::start(&options, move |record| record.in_zone(&of_zone));
    for (namespace, name) in [("shop", "web-1"), ("shop", "web-2"), ("other", "web-1")] {
        let pod = node.pod(namespace, name);
        let silent = format!("silent.{zone}");
        let app = pod.run("app", &["/bin/nslookup", "-type=a", &silent]);
        let record = watch.records(1).remove(0);
        assert_eq!(record.outcome, "unanswered");
        is_of(&record, &app);

        // One that ends at once may be gone before it is looked at; nobody else is
        // named in its place, as the service that started it.
        app.ask(&format!("www.{zone}"));
        let of_ended = |seen: &[Record]| seen.iter().any(|it| it.outcome == "answered");
        let records = watch.until("the other one", of_ended);
        let record = records.iter().find(|it| it.outcome == "answered");
        let record = record.expect("it was awaited");
        match &record.cgroup {
            Some(_) => is_of(record, &app),
            None => assert_eq!((&record.unit, &record.pod), (&None, &Value::Null)),
        }
        pod.delete();
        // What it still asked before it was deleted.
        watch.until("nothing", |_| true);
    }
}

/// A node, its zone, and what there must be in the report at the end.
struct Story {
    node: Node,
    zone: String,
    asked: Vec<(Value, u64)>,
}

impl Story {
    fn new() -> Self {
        Self {
            node: Node::start(Layout::Machine),
            zone: format!("node{}.pods.test", std::process::id()),
            asked: Vec::new(),
        }
    }

    fn told(mut self) {
        let (node, zone) = (&self.node, self.zone.clone());
        let dns = node.unbound(&zone);
        let asked = &mut self.asked;

        // Two pods that were there before kerno, one with two containers.
        let web = node.pod("shop", "web-1");
        let containers = [web.container("nginx"), web.container("sidecar")];
        let db = node.pod("shop", "db-0");
        let db_container = db.container("postgres");

        let socket = node.socket.to_str().expect("UTF-8");
        let glob = format!("*.{zone}");
        let options = ["--cri-endpoint", socket, "--name", &glob];
        let doctor = Doctor::start(&[&options[..], &["--output", "json"]].concat());
        let only =
            Doctor::start(&[&options[..], &["--output", "json", "--pod", "shop/db-0"]].concat());
        let of_zone = zone.clone();
        let mut watch = Watch::start(
            &[&options[..], &["--role", "client"]].concat(),
            move |record: &Record| record.in_zone(&of_zone),
        );

        for container in &containers {
            container.ask(&format!("www.{zone}"));
            told_at_once(&mut watch, container);
        }
        asked.push((web.told(), 2));
        db_container.ask(&format!("www.{zone}"));
        told_at_once(&mut watch, &db_container);
        asked.push((db.told(), 1));

        // One that starts while kerno watches, and one in the node's network.
        let late = node.pod("shop", "late");
        let late_container = late.container("app");
        asked.push((late.told(), told(&mut watch, &late_container, &zone)));
        let agent = node.pod_in("kube-system", "agent", Network::Node);
        let agent_container = agent.container("agent");
        asked.push((agent.told(), told(&mut watch, &agent_container, &zone)));

        // A container that fails and is started again, in the same pod.
        containers[1].stop();
        let again = web.run("sidecar", &["/bin/sleep", "3600"]);
        assert_ne!(again.id, containers[1].id);
        asked[0].1 += told(&mut watch, &again, &zone);

        // A pod of a stateful set: the same name, but another one.
        let old = db.told();
        db.delete();
        let db = node.pod("shop", "db-0");
        assert_ne!(db.told(), old);
        let db_container = db.container("postgres");
        asked.push((db.told(), told(&mut watch, &db_container, &zone)));

        // A job that is gone when the report is made.
        let job = node.pod("batch", "job-1");
        let worker = job.container("job");
        asked.push((job.told(), told(&mut watch, &worker, &zone)));
        worker.stop();
        worker.remove();
        job.delete();

        // A service of the node and a process of nobody's.
        let services = [
            ("system.slice/backup.service", Some("backup.service")),
            ("nobody", None),
        ];
        for (folders, unit) in services {
            let place = node.beside(Cgroup::below(&mount_point(), folders));
            let mut dig = place.command("dig");
            dig.args([&format!("@{DNS}"), &format!("www.{zone}"), "A"]);
            assert!(finish(&mut dig).succeeded);
            let record = watch.records(1).remove(0);
            assert_eq!(record.unit.as_deref(), unit, "{record:?}");
            assert_eq!((record.container, record.pod), (Value::Null, Value::Null));
        }

        let (_, report) = doctor.json();
        let (_, only) = only.json();
        self.reported(&report);
        let rows = only["dns"]["by_workload"].as_array().expect("workloads");
        let of_old = rows.iter().filter(|row| row["pod"] == old).count();
        let of_new = rows.iter().filter(|row| row["pod"] == db.told()).count();
        assert_eq!((rows.len(), of_old, of_new), (2, 1, 1), "{only:#}");
        drop(dns);
    }

    /// Every pod is in the report under its name, and nobody else.
    fn reported(&self, report: &Value) {
        let rows = report["dns"]["by_workload"].as_array().expect("workloads");
        for (pod, queries) in &self.asked {
            let row = rows.iter().find(|row| row["pod"] == *pod);
            let row = row.unwrap_or_else(|| panic!("no {pod}: {report:#}"));
            assert_eq!(row["kind"], "pod");
            assert_eq!(row["queries"], *queries, "{pod}: {report:#}");
            assert!(row["latency_ns"]["p99"].as_u64() > Some(0));
        }
        let of_kind = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).count();
        let kinds = ["pod", "container", "unit", "process"].map(of_kind);
        assert_eq!(kinds, [self.asked.len(), 0, 1, 1], "{report:#}");
        assert_eq!(report["verdict"], "healthy");
        let books = &report["accounting"]["workloads"];
        assert_eq!(books["source_failures"], json!(0), "{books:#}");
    }
}

/// One query has been asked by a container that kerno knew when it started.
fn told_at_once(watch: &mut Watch, container: &Container<'_>) {
    let record = watch.records(1).remove(0);
    is_of(&record, container);
}

/// Asks until a record has the names, which may come later than the first one
/// where the machine is busy. Returns how often was asked.
fn told(watch: &mut Watch, container: &Container<'_>, zone: &str) -> u64 {
    for number in 1..=20 {
        container.ask(&format!("www.{zone}"));
        let record = watch.records(1).remove(0);
        if record.pod.get("name").is_some() {
            is_of(&record, container);
            return number;
        }
        // The ids are in the path.
        let told = container.pod_told();
        assert_eq!(record.pod["uid"], told["uid"], "{record:?}");
        assert_eq!(record.container["id"], container.id, "{record:?}");
    }
    panic!("{container:?} never got its name");
}

fn is_of(record: &Record, container: &Container<'_>) {
    assert_eq!(record.pod, container.pod_told(), "{record:?}");
    assert_eq!(record.container, container.told(), "{record:?}");
    assert_eq!(
        record.cgroup.as_ref(),
        Some(&container.cgroup()),
        "{record:?}"
    );
    assert_eq!(record.unit, None, "{record:?}");
    assert_eq!(record.comm.as_deref(), Some("nslookup"));
}
