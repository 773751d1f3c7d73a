//! `kerno doctor` on real traffic. Each test watches a port of its own, because
//! a report is about the whole host and other tests ask DNS meanwhile.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;

use serde_json::Value;

use crate::doctor::Doctor;
use crate::doctor::checked;
use crate::message;
use crate::place::Place;
use crate::process::finish;
use crate::site::unique_loopback;
use crate::unbound::Unbound;
use crate::watch::Watch;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The main job: the fault that chaos makes is the one that the doctor names,
/// and both count the same.
#[test]
fn root_the_doctor_finds_the_flood() {
    let place = Place::new();
    let doctor = Doctor::start(&["--comm", "kerno", "--output", "json", "--exit-code"]);
    let mut flood = place.command(env!("CARGO_BIN_EXE_kerno"));
    flood.args(["chaos", "--induce", "dns-flood", "--duration", "3s"]);
    flood.args(["--output", "json"]);
    let flood = finish(&mut flood);
    assert!(flood.succeeded, "{}", flood.output);
    let told: Value = serde_json::from_str(&flood.output).expect("JSON");
    let (code, report) = doctor.json();

    // Critical by the convention of monitoring plugins.
    assert_eq!(code, 2);
    assert_eq!(report["verdict"], "critical");
    // The queue in front of its server is why, with its depth.
    let why = &report["findings"][0];
    assert_eq!(
        (&why["rule"], &why["severity"]),
        (&"dns_server_slow".into(), &"critical".into())
    );
    let evidence = why["evidence"].as_array().expect("evidence").iter();
    let mut evidence = evidence.map(|line| line.as_str().expect("a line"));
    assert!(
        evidence.any(|line| line.contains("lay unread in the server's socket")),
        "{why}"
    );
    let finding = &report["findings"][1];
    assert_eq!(finding["rule"], "dns_high_latency");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(finding["threshold"], 500.0);
    assert!(finding["value"].as_f64().expect("value") > 500.0);
    for part in ["title", "cause", "impact"] {
        assert!(!finding[part].as_str().expect(part).is_empty());
    }
    for part in ["evidence", "fix"] {
        assert!(!finding[part].as_array().expect(part).is_empty());
    }

    // Other tests run chaos too: this one is told apart by its pid.
    let mine = report["dns"]["by_process"]
        .as_array()
        .expect("processes")
        .iter()
        .find(|process| process["pid"] == flood.pid)
        .expect("the flood among the processes");
    for field in ["answered", "refused"] {
        assert_eq!(mine[field], told["flood"][field], "{field}");
    }
    assert_eq!(mine["queries"], told["flood"]["sent"]);
    assert_eq!(mine["rcodes"], told["flood"]["rcodes"]);
}

#[test]
fn root_a_healthy_server_is_healthy() {
    const PORT: u16 = 10053;
    let place = Place::new();
    let unbound = Unbound::start(&place, "kerno.test", &[LOCALHOST], PORT);
    let port = PORT.to_string();
    let doctor = Doctor::start(&["--port", &port, "--output", "json", "--exit-code"]);
    let dig = finish(place.command("dig").args([
        "@127.0.0.1",
        "-p",
        &port,
        "+tries=1",
        "www.kerno.test",
        "A",
        "nothing.kerno.test",
        "A",
    ]));
    assert!(dig.succeeded, "{}", dig.output);
    let (code, report) = doctor.json();

    assert_eq!((code, &report["verdict"]), (0, &"healthy".into()));
    assert_eq!(report["schema"], "kerno.doctor.v1");
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    let dns = &report["dns"];
    assert_eq!(dns["queries"], 2);
    assert_eq!(dns["answered"], 2);
    assert_eq!(dns["failure_percent"], 0.0);
    // NXDOMAIN is an answer.
    assert_eq!(dns["rcodes"]["NOERROR"], 1);
    assert_eq!(dns["rcodes"]["NXDOMAIN"], 1);
    assert_eq!(dns["by_process"][0]["comm"], "dig");
    assert_eq!(dns["by_process"][0]["pid"], dig.pid);
    assert_eq!(dns["by_server"][0]["ip"], "127.0.0.1");
    assert_eq!(dns["by_server"][0]["port"], PORT);
    assert_eq!(dns["server_side"]["queries"], 2);
    let latency = &dns["latency_ns"];
    let max = latency["max"].as_u64().expect("max");
    assert!(max > 0 && max <= u64::try_from(dig.took.as_nanos()).expect("short"));
    for percentile in ["p50", "p95", "p99"] {
        assert!(latency[percentile].as_u64().expect(percentile) <= max);
    }
    // With the one that the test asked to see it running.
    assert_eq!(unbound.queries(), 3);
}

#[test]
fn root_a_silent_server_fails_its_clients() {
    const PORT: u16 = 10153;
    const QUERIES: u16 = 20;
    let server = SocketAddr::new(unique_loopback(), PORT);
    let silent = UdpSocket::bind(server).expect("the server");
    let port = PORT.to_string();
    let options = ["--port", &port, "--timeout", "100ms"];
    let json = Doctor::start(&[&options[..], &["--output", "json", "--exit-code"]].concat());
    let text = Doctor::start(&options);
    let mut watch = Watch::start(&options, |_| true);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the client");
    for id in 0..QUERIES {
        let query = message::query(id, &message::labels("silent.kerno.test"), message::A);
        socket.send_to(&query, server).expect("to ask");
    }
    // When one kerno has given up on them all, each does so when it ends.
    watch.records(2 * usize::from(QUERIES));
    let (code, report) = json.json();
    let (_, text) = text.text();
    drop(silent);

    assert_eq!((code, &report["verdict"]), (2, &"critical".into()));
    let why = &report["findings"][0];
    assert_eq!(why["rule"], "dns_unknown");
    assert_eq!(why["queries"], QUERIES);
    assert_eq!(
        report["accounting"]["failures_by_cause"],
        serde_json::json!({ "dns_unknown": QUERIES })
    );
    let finding = &report["findings"][1];
    assert_eq!(finding["rule"], "dns_failure_rate");
    assert_eq!(finding["value"], 100.0);
    assert_eq!(finding["queries"], QUERIES);
    assert_eq!(report["dns"]["unanswered"], QUERIES);
    assert_eq!(report["dns"]["failure_percent"], 100.0);
    // The server never answered: nobody is known to own its queries.
    assert_eq!(report["dns"]["server_side"]["unanswered"], QUERIES);

    // Into a pipe: no colours; on any terminal: at most 100 columns.
    assert!(text.contains("dns_failure_rate"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
}

/// A server that died in the last seconds must not pass for healthy.
#[test]
fn root_who_still_waits_at_the_end_is_waited_for() {
    const PORT: u16 = 10553;
    const QUERIES: u16 = 20;
    let server = SocketAddr::new(unique_loopback(), PORT);
    let silent = UdpSocket::bind(server).expect("the server");
    let port = PORT.to_string();
    let options = [
        "--port",
        &port,
        "--timeout",
        "10s",
        "--output",
        "json",
        "--exit-code",
    ];
    let doctor = Doctor::watching("3s", &options);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("the client");
    for id in 0..QUERIES {
        let query = message::query(id, &message::labels("silent.kerno.test"), message::A);
        socket.send_to(&query, server).expect("to ask");
    }
    let (code, text) = doctor.ended();
    drop(silent);
    let report = checked(&text);
    assert_eq!((code, &report["verdict"]), (2, &"critical".into()));
    assert_eq!(report["dns"]["unanswered"], QUERIES);
    assert_eq!(report["accounting"]["in_flight"], 0);
}

#[test]
fn root_no_query_is_no_traffic() {
    let doctor = Doctor::start(&["--port", "10253", "--output", "json", "--exit-code"]);
    let (code, report) = doctor.json();
    assert_eq!((code, &report["verdict"]), (0, &"no_traffic".into()));
    assert_eq!(report["dns"]["queries"], 0);
    assert_eq!(report["accounting"]["queries_seen"], 0);
    for signal in report["signals"].as_array().expect("signals") {
        assert_eq!(signal["active"], true, "{signal}");
    }
}
