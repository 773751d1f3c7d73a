//! Pods by name, from a CRI socket that answers and from those that do not.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::time::Duration;
use std::time::SystemTime;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::cgroup::Cgroup;
use crate::cgroup::mount_point;
use crate::doctor::Doctor;
use crate::fake_cri::Manner;
use crate::fake_cri::Server;
use crate::fake_cri::Told;
use crate::place::Place;
use crate::place::link;
use crate::process::finish;
use crate::site::SERVER_V4;
use crate::site::Site;
use crate::site::unique_zone;

const UID: &str = "0a1b2c3d-4e5f-6789-abcd-ef0123456789";

/// A pod with one container, and its site.
struct Pod {
    site: Site,
    told: Told,
}

impl Pod {
    fn new(number: u8) -> Self {
        let id = format!("{number:02x}").repeat(32);
        let folders = format!("kubepods/burstable/pod{UID}/{id}");
        let site = Site {
            zone: unique_zone(),
            client: Place::in_group(Cgroup::below(&mount_point(), &folders)),
            server: Place::new(),
        };
        link(&site.client.namespace, &site.server.namespace);
        Self {
            site,
            told: Told {
                id,
                name: "nginx".to_owned(),
                namespace: "shop".to_owned(),
                pod: format!("web-{number}"),
                uid: UID.to_owned(),
            },
        }
    }

    fn dig(&self) {
        let server = format!("@{SERVER_V4}");
        let arguments = [&server, "+tries=1", &self.site.name("www"), "A"];
        let dig = finish(self.site.client.command("dig").args(arguments));
        assert!(dig.succeeded, "{}", dig.output);
    }
}

fn endpoint(server: &Server) -> String {
    format!("unix://{}", server.socket().display())
}

#[test]
fn root_a_pod_is_named_by_its_first_query() {
    let pod = Pod::new(1);
    let _unbound = pod.site.unbound();
    let cri = Server::start(Manner::Answers(vec![pod.told.clone()]));
    let options = ["--pod", "shop/web-1", "--role", "client"];
    let endpoint = endpoint(&cri);
    let mut watch = pod
        .site
        .watch(&[&["--cri-endpoint", &endpoint], &options[..]].concat());
    pod.dig();
    let record = watch.records(1).remove(0);
    assert_eq!(
        record.pod,
        json!({ "namespace": "shop", "name": "web-1", "uid": UID, "container": "nginx" })
    );
    assert_eq!(
        record.container,
        json!({ "id": pod.told.id, "name": "nginx", "runtime": "cri-o" })
    );
}

/// Names are all that it costs: the record is there at once, and the end says why
/// there is none.
#[test]
fn root_a_socket_that_hangs_costs_names_only() {
    let pod = Pod::new(2);
    let _unbound = pod.site.unbound();
    let cri = Server::start(Manner::Hangs);
    let mut watch = pod.site.watch(&["--cri-endpoint", &endpoint(&cri)]);
    pod.dig();
    let records = watch.records(2);
    let now = SystemTime::now();
    for record in &records {
        let ended = humantime::parse_rfc3339(&record.time).expect("a time");
        let waited = now.duration_since(ended).unwrap_or_default();
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }
    let client = records
        .iter()
        .find(|it| it.role == "client")
        .expect("a client");
    assert_eq!(client.pod, json!({ "uid": UID }));
    assert_eq!(client.container, json!({ "id": pod.told.id }));
    watch.process.signal(Signal::SIGINT);
    assert!(watch.process.ended().success());
    let complaints = watch.complaints();
    let told = |it: &&String| it.contains("cri.sock could not be asked");
    assert_eq!(complaints.iter().filter(told).count(), 1, "{complaints:?}");
}

/// Two pods, one of which asks in vain: the finding says which.
#[test]
fn root_the_finding_names_the_pod() {
    const PORT: u16 = 10_753;
    let (good, bad) = (Pod::new(3), Pod::new(4));
    let told = vec![good.told.clone(), bad.told.clone()];
    let cri = Server::start(Manner::Answers(told));
    let port = PORT.to_string();
    let endpoint = endpoint(&cri);
    let options = [
        "--port",
        &port,
        "--timeout",
        "200ms",
        "--cri-endpoint",
        &endpoint,
    ];
    let json = Doctor::start(&[&options[..], &["--output", "json"]].concat());
    let text = Doctor::start(&options);
    let server = SocketAddr::new(SERVER_V4, PORT);
    for (pod, answers) in [(&good, true), (&bad, false)] {
        let silent = pod
            .site
            .server
            .enter(|| UdpSocket::bind(server).expect("a server"));
        for _ in 0..3 {
            let arguments = [
                &format!("@{SERVER_V4}"),
                "-p",
                &port,
                "+tries=1",
                "+timeout=1",
                &pod.site.name("www"),
                "A",
            ];
            let mut dig = pod.site.client.command("dig");
            dig.args(arguments);
            if answers {
                let socket = silent.try_clone().expect("a socket");
                let answering = std::thread::spawn(move || {
                    let mut query = [0; 512];
                    let (len, from) = socket.recv_from(&mut query).expect("a query");
                    let answer = crate::message::answer(&query[..len], 0);
                    socket.send_to(&answer, from).expect("to answer");
                });
                assert!(finish(&mut dig).succeeded);
                answering.join().expect("an answer");
            } else {
                assert!(!finish(&mut dig).succeeded);
            }
        }
    }
    let (_, report) = json.json();
    let (_, text) = text.text();
    let rows = &report["dns"]["by_workload"];
    let names: Vec<_> = rows
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| &row["name"])
        .collect();
    assert_eq!(names.len(), 2, "{rows:#}");
    assert!(names.contains(&&json!("shop/web-3")), "{rows:#}");
    let findings = report["findings"].as_array().expect("findings");
    assert!(!findings.is_empty());
    for finding in findings {
        assert_eq!(finding["scope"]["pod"]["name"], "web-4", "{finding:#}");
        assert_eq!(finding["scope"]["pod"]["namespace"], "shop");
    }
    assert!(text.contains("pod shop/web-4"), "{text}");
}
