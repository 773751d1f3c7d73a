//! As many queries as the machine can make: dnsperf, the server and kerno must
//! count the same, and what kerno could not keep is accounted for by name.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use crate::ALONE;
use crate::doctor::Doctor;
use crate::place::Place;
use crate::process::finish;
use crate::unbound::Unbound;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn root_everyone_counts_the_same_over_udp() {
    count("udp", 10353);
}

#[test]
fn root_everyone_counts_the_same_over_tcp() {
    count("tcp", 10453);
}

fn count(transport: &str, port: u16) {
    let _alone = ALONE.lock();
    let place = Place::new();
    let unbound = Unbound::start(&place, "kerno.test", &[LOCALHOST], port);
    let names = place.folder().join("names");
    std::fs::write(&names, "www.kerno.test A\nnothing.kerno.test A\n").expect("the names");
    let port = port.to_string();
    let doctor = Doctor::start(&["--port", &port, "--output", "json"]);
    let mut dnsperf = place.command("dnsperf");
    dnsperf.args([
        "-s",
        "127.0.0.1",
        "-p",
        &port,
        "-m",
        transport,
        "-l",
        "10",
        "-d",
    ]);
    let told = finish(dnsperf.arg(&names));
    assert!(told.succeeded, "{}", told.output);
    let (_, report) = doctor.json();
    // Less the one that the test asked to see it running.
    let served = unbound.queries() - 1;

    let sent = number_after(&told.output, "Queries sent:");
    let completed = number_after(&told.output, "Queries completed:");
    let accounting = &report["accounting"];
    let of = |field: &str| accounting[field].as_u64().expect(field);
    // Each query is seen by the socket that asks and by the one that is asked.
    assert_eq!(of("queries_seen"), sent + served, "{accounting}");
    let ways = &accounting["lost_by"];
    assert_eq!(
        of("lost"),
        ways["inflight_full"].as_u64().unwrap() + ways["ring_full"].as_u64().unwrap()
    );
    for unseen in [
        "tcp_untracked",
        "tcp_gap",
        "tcp_split",
        "tcp_crowded",
        "closings_unseen",
        "unparsed",
    ] {
        assert_eq!(of(unseen), 0, "{accounting}");
    }
    if of("lost") == 0 && completed == sent {
        let dns = &report["dns"];
        assert_eq!(dns["answered"], sent);
        assert_eq!(dns["server_side"]["answered"], served);
        // Every other name does not exist.
        assert!(
            dns["rcodes"]["NOERROR"]
                .as_u64()
                .unwrap()
                .abs_diff(sent / 2)
                <= 1
        );
        assert!(
            dns["rcodes"]["NXDOMAIN"]
                .as_u64()
                .unwrap()
                .abs_diff(sent / 2)
                <= 1
        );
    }
}

/// The number that follows the words in dnsperf's report.
fn number_after(report: &str, words: &str) -> u64 {
    let line = report
        .lines()
        .find_map(|line| line.trim().strip_prefix(words));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("no {words:?} in {report}"))
}
