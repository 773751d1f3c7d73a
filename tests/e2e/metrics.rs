//! What the agent tells over TCP, to those who ask well and to those who do not.

use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use crate::agent::Agent;
use crate::fake_server;
use crate::message;
use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::finish;
use crate::process::poll;
use crate::site::unique_loopback;

/// A port that is free now.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address")
}

/// The status and the body of a page.
pub(crate) fn page(address: SocketAddr, path: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("to connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n{headers}\r\n").expect("to ask");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(series))?;
    line.trim().parse().ok()
}

/// Asks so many times, each from a port of its own, and takes the answers if there are to be.
pub(crate) fn ask(server: SocketAddr, number: u16, is_answered: bool) {
    let clients: Vec<UdpSocket> = (0..number)
        .map(|id| {
            let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
            let name = message::labels(&format!("n{id}.kerno.test"));
            let query = message::query(id, &name, message::A);
            client.send_to(&query, server).expect("to ask");
            client
        })
        .collect();
    if is_answered {
        for client in clients {
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let mut answer = [0; 512];
            client.recv(&mut answer).expect("an answer");
        }
    }
}

#[test]
fn root_metrics_say_what_the_doctor_says() {
    const PORT: u16 = 10_669;
    let listen = free_port();
    let at = listen.to_string();
    let port = PORT.to_string();
    let history = tempfile::tempdir().expect("a folder");
    let history = history.path().to_str().expect("UTF-8");
    // With all that may be told, so that promtool sees it.
    let options = ["--port", &port, "--timeout", "200ms", "--listen", &at];
    let more = ["--counters", "--history", history];
    let agent = Agent::start(&[&options[..], &more].concat());
    let good = SocketAddr::new(unique_loopback(), PORT);
    fake_server::serve(&Place::host(), good, |query, _| fake_server::at_once(query));
    let silent = fake_server::silent(&Place::host(), SocketAddr::new(unique_loopback(), PORT));
    ask(good, 30, true);
    ask(silent.local_addr().expect("its address"), 25, false);
    // A process whose name has all that a label must escape.
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = folder.path().join("a\"b\\c\nd{e=\"");
    std::fs::copy("/usr/bin/dig", &hostile).expect("dig, of bind9-dnsutils");
    let mut dig = Command::new(&hostile);
    let server = format!("@{}", good.ip());
    dig.args([
        &server,
        "-p",
        &port,
        "+tries=1",
        "+nocookie",
        "h.kerno.test",
    ]);
    let _answer = finish(&mut dig);

    let text = poll("the windows to be judged", || {
        let (status, text) = page(listen, "/metrics", "");
        assert_eq!(status, 200);
        let seen = value(&text, "kerno_queries_ended_total ")?;
        let is_counted = text.contains("kerno_kernel_events_total{");
        // Both ends of each.
        (seen >= 2.0 * 55.0 + 2.0 && is_counted).then_some(text)
    });
    assert!(text.contains("comm=\"a\\\"b\\\\"), "{text}");
    assert_eq!(page(listen, "/healthz", ""), (200, "ok\n".to_owned()));
    assert_eq!(page(listen, "/readyz", ""), (200, "ok\n".to_owned()));
    assert_eq!(page(listen, "/v1/doctor", "").0, 404);

    // The same, whoever is asked.
    let told = agent.asked(&["doctor", "--last", "1h", "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&told.output).expect("JSON");
    let sum = |name: &str, label: &str| -> f64 {
        let all = text
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        all.map(|line| {
            line.rsplit(' ')
                .next()
                .expect("a value")
                .parse::<f64>()
                .expect("one")
        })
        .sum()
    };
    let client = "kerno_dns_queries_total{role=\"client\"";
    for outcome in ["answered", "unanswered"] {
        let label = format!("outcome=\"{outcome}\"");
        assert_eq!(
            report["dns"][outcome],
            sum(client, &label) as u64,
            "{outcome}"
        );
    }
    assert_eq!(sum("kerno_dns_failures_total", ""), 25.0);
    assert_eq!(sum("kerno_dns_workload_failures_total", ""), 25.0);

    // promtool finds nothing to say of the text.
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of the package prometheus");
    let mut stdin = promtool.stdin.take().expect("piped");
    stdin.write_all(text.as_bytes()).expect("to write");
    drop(stdin);
    let done = promtool.wait_with_output().expect("its end");
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");

    // promtool's check does not know OpenMetrics: what imports it does, with a time behind
    // each sample.
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (_, open) = page(listen, "/metrics", accept);
    assert!(open.ends_with("# EOF\n"), "{open}");
    let timed: String = open
        .lines()
        .map(|line| match line.starts_with('#') {
            true => format!("{line}\n"),
            false => format!("{line} 1800000000\n"),
        })
        .collect();
    let file = folder.path().join("open");
    std::fs::write(&file, timed).expect("to write");
    let blocks = folder.path().join("blocks");
    let mut import = Command::new("promtool");
    import
        .args(["tsdb", "create-blocks-from", "openmetrics"])
        .args([&file, &blocks]);
    let imported = finish(&mut import);
    assert!(imported.succeeded, "{}", imported.output);
}

#[test]
fn root_whoever_scrapes_badly_holds_nobody_up() {
    let listen = free_port();
    let at = listen.to_string();
    let mut agent = Agent::start(&["--port", "10670", "--listen", &at]);
    let second = agent.asked(&["agent", "--listen", &at]);
    assert!(!second.succeeded, "{}", second.output);
    let mut third = Place::host().command(env!("CARGO_BIN_EXE_kerno"));
    let folder = tempfile::tempdir().expect("a folder");
    third
        .args(["agent", "--listen", &at, "--socket"])
        .arg(folder.path().join("kerno.sock"));
    let third = finish(&mut third);
    assert!(
        !third.succeeded && third.output.contains("--listen none"),
        "{}",
        third.output
    );
    assert_eq!(third.output.trim().lines().count(), 1, "{}", third.output);

    // A head that is too long, and one that does not end.
    let mut long = TcpStream::connect(listen).expect("to connect");
    long.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let header = format!("X: {}\r\n", "x".repeat(100_000));
    // It may be closed before all of it is there.
    let _written = long.write_all(format!("GET /metrics HTTP/1.1\r\n{header}\r\n").as_bytes());
    let mut answer = Vec::new();
    let _reset = long.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
        "{answer}"
    );
    let mut endless = TcpStream::connect(listen).expect("to connect");
    let mut sent = 0;
    while sent < 64 << 20 && endless.write_all(&[b'x'; 4096]).is_ok() {
        sent += 4096;
    }
    assert!(sent < 64 << 20, "a head without an end is read");

    // A thousand at once: some are inside, the others are closed, and it goes on.
    let crowd: Vec<TcpStream> = (0..1_000)
        .filter_map(|_| TcpStream::connect_timeout(&listen, Duration::from_secs(5)).ok())
        .collect();
    assert!(crowd.len() > 500, "{}", crowd.len());
    drop(crowd);
    // As many as there may be read an octet now and then, and read for long.
    let mut slow: Vec<TcpStream> = Vec::new();
    let mut octet = [0];
    poll("the slow ones to be inside", || {
        let mut stream = TcpStream::connect(listen).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write_all(asked).ok()?;
        if stream.read_exact(&mut octet).is_ok() {
            slow.push(stream);
        }
        (slow.len() == 32).then_some(())
    });
    let text = poll("a place to be free", || {
        let mut stream = TcpStream::connect(listen).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            .ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.starts_with("HTTP/1.1 200").then_some(text)
    });
    for stream in &mut slow {
        stream.read_exact(&mut octet).expect("another");
    }
    let turned_away = value(&text, "kerno_connections_turned_away_total ");
    assert!(turned_away.is_some_and(|it| it > 0.0), "{turned_away:?}");
    assert_eq!(page(listen, "/healthz", "").0, 200);
    let begin = Instant::now();
    page(listen, "/metrics", "");
    assert!(begin.elapsed() < PATIENCE);
    assert!(!agent.process.has_ended());
}
