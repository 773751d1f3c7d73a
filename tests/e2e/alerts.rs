//! A real Prometheus scrapes a real agent while the lab makes faults: what is well opens no alert,
//! each fault opens its own and closes it, and the dashboard has something to show of it. The
//! agent's wall clock goes ahead where only time has to pass: it judges times of ten seconds.

use std::env;
use std::fs;
use std::iter;
use std::os::fd::FromRawFd as _;
use std::os::fd::OwnedFd;
use std::thread;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::agent::Agent;
use crate::agent_history::status;
use crate::agent_history::told;
use crate::metrics::free_port;
use crate::place::Place;
use crate::process::finish;
use crate::prometheus::Prometheus;
use crate::prometheus::now;
use crate::prometheus::wait_for;
use crate::unbound;
use crate::wall_clock::WallClock;

/// Scenarios of the lab, with the rule that finds them.
const FAULTS: [(&str, &str); 4] = [
    ("closed-port", "dns_nobody_listening"),
    ("nft-drop", "dns_policy_drop"),
    ("dead-server", "dns_dead_server"),
    ("upstream-slow", "dns_upstream_slow"),
];
/// 25 names a second of each client.
const DURATION: &str = "3s";
/// Windows of the agent, in seconds.
const STEP: i64 = 10;

/// Other tests flood this host, which kerno says: that alert is left out here.
const OF_OTHERS: &str = "KernoBlind";

/// What the scenario says of itself when it is over.
fn lab(scenario: &str, zone: &str) -> Value {
    // Where it needs a resolver, it finds the unpacked one.
    let program = unbound::unpacked(&["usr/sbin/unbound"]);
    let folder = program.parent().expect("a folder").to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = iter::once(folder).chain(env::split_paths(&path));
    let mut chaos = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    chaos
        .args(["chaos", "--induce", scenario, "--duration", DURATION])
        .args(["--zone", &format!("{scenario}.{zone}"), "--output", "json"])
        .env("PATH", env::join_paths(folders).expect("a PATH"))
        .env("LD_LIBRARY_PATH", unbound::library_path());
    let chaos = finish(&mut chaos);
    assert!(chaos.succeeded, "{scenario}: {}", chaos.output);
    serde_json::from_str(&chaos.output).expect("JSON")
}

/// `kernel.bpf_stats_enabled`, until it is dropped.
fn statistics() -> OwnedFd {
    // SAFETY: the call takes a number and returns a descriptor or an error.
    let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
    assert!(fd >= 0, "BPF_ENABLE_STATS: {fd}");
    // SAFETY: it is new, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Every query of the dashboard, as Grafana would ask it here.
fn asked_by_dashboard() -> Vec<String> {
    let text = fs::read_to_string("deploy/grafana/kerno.json").expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let asked = targets.flatten().map(|target| {
        let asked = target["expr"].as_str().expect("an expression");
        asked
            .replace("$instance", ".*")
            .replace("$__rate_interval", "30s")
            .replace("$__range", "1h")
    });
    asked.collect()
}

/// The window that is open ends, as if its ten seconds were over.
fn end_window(agent: &Agent, clock: &WallClock) {
    clock.set_apart(clock.apart() + STEP);
    let _ended_by_a_question = told(agent, "/v1/windows?last_ms=1000");
}

#[test]
fn root_faults_open_their_alerts_and_close_them() {
    let zone = format!("alerts{}.test", std::process::id());
    let listen = free_port();
    let (at, names) = (listen.to_string(), format!("*.{zone}"));
    let history = tempfile::tempdir().expect("a folder");
    let history = history.path().to_str().expect("UTF-8");
    let options = [
        "--name",
        &names,
        "--timeout",
        "2s",
        "--listen",
        &at,
        "--counters",
    ];
    // The kernel counts what programs take for as long as somebody holds this.
    let _statistics = statistics();
    let clock = WallClock::new();
    let variables = clock.variables();
    let variables = variables.each_ref().map(|(name, it)| (*name, it.as_str()));
    let options = [&options[..], &["--history", history]].concat();
    let mut agent = Agent::start_with(&options, &variables);
    let prometheus = Prometheus::start(listen);
    let begin = now();
    let alerts = |state: &str| {
        let mut alerts = prometheus.alerts(begin, state);
        alerts.remove(OF_OTHERS);
        alerts
    };

    // What is well.
    let well = lab("healthy", &zone);
    assert!(well["healthy"].as_u64() > Some(40), "{well}");
    let end = now() + clock.apart() as f64;
    end_window(&agent, &clock);
    wait_for("what is well to be judged", || {
        let judged = prometheus.number("kerno_window_end_timestamp_seconds")?;
        (judged >= end).then_some(())
    });
    let answered = prometheus.number("sum(kerno_dns_answers_total{rcode=\"NOERROR\"})");
    assert!(answered > Some(40.0), "{answered:?}");

    // Faults side by side.
    let begun = now();
    thread::scope(|threads| {
        for (scenario, _) in FAULTS {
            let zone = &zone;
            threads.spawn(move || {
                let said = lab(scenario, zone);
                assert!(said["broken"].as_u64() > Some(20), "{said}");
            });
        }
    });
    end_window(&agent, &clock);
    let others = ["KernoDnsFailing", "KernoDnsSlow", "KernoDnsServerDown"];
    let wanted = FAULTS.map(|(_, rule)| format!("KernoFinding {rule}"));
    let wanted = wanted.iter().map(String::as_str).chain(others);
    let wanted: Vec<_> = wanted.collect();
    let rang = wait_for("each fault's alert", || {
        let rang = alerts("firing");
        let ring = |alert: &&str| rang.contains_key(*alert);
        wanted.iter().all(ring).then_some(rang)
    });
    // None before there was a fault.
    for (alert, time) in alerts("pending|firing") {
        assert!(time > begun, "{alert} at {time}, {begun}: {rang:?}");
    }
    // The minute behind is to be without them, and three looks more.
    wait_for("the end of all findings", || {
        end_window(&agent, &clock);
        let open = status(&agent)["findings_open"].clone();
        open.as_array().expect("a list").is_empty().then_some(())
    });
    wait_for("the end of all alerts and findings", || {
        let rings = prometheus.now("ALERTS").into_iter().filter(|alert| {
            let name = &alert["metric"]["alertname"];
            name != OF_OTHERS
        });
        let is_over = rings.count() == 0 && prometheus.now("kerno_finding").is_empty();
        is_over.then_some(())
    });
    // No other cause was told: besides them there are the two sums.
    let sums = ["dns_failure_rate", "dns_high_latency"].map(|it| format!("KernoFinding {it}"));
    for alert in alerts("firing").into_keys() {
        let is_expected = wanted.contains(&alert.as_str()) || sums.contains(&alert);
        assert!(is_expected, "{alert}: {wanted:?}");
    }
    // Each failure has one cause.
    let failed = "sum(kerno_dns_failures_total) == sum(kerno_dns_queries_total{role=\"client\", \
                  outcome=~\"unanswered|refused|dropped\"})";
    assert!(prometheus.number(failed) > Some(100.0));

    // Every query of the dashboard has had something to show.
    for asked in asked_by_dashboard() {
        let series = prometheus.since(begin, &asked);
        assert!(!series.is_empty(), "nothing is there for {asked}");
    }

    // And nobody answers.
    agent.process.signal(Signal::SIGTERM);
    agent.process.ended();
    wait_for("KernoAgentMissing", || {
        alerts("firing")
            .contains_key("KernoAgentMissing")
            .then_some(())
    });
}
