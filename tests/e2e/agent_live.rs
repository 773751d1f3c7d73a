//! `/v1/watch`: who looks on at an agent.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::agent::Agent;
use crate::message;
use crate::process::PATIENCE;
use crate::process::poll;
use crate::site::unique_loopback;

/// One who looks on.
struct Reader(BufReader<UnixStream>);

impl Reader {
    fn start(agent: &Agent, query: &str) -> Self {
        let mut stream = agent.connect();
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let request = format!("GET /v1/watch?{query} HTTP/1.1\r\nhost: kerno\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("to ask");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a head");
        }
        Self(reader)
    }

    /// The next records, in chunks (RFC 9112 section 7.1).
    fn records(&mut self, number: usize) -> Vec<Value> {
        let mut all = Vec::new();
        while all.len() < number {
            let mut size = String::new();
            self.0.read_line(&mut size).expect("a chunk");
            let size = usize::from_str_radix(size.trim(), 16).expect("its size");
            assert!(size > 0, "the end, after {all:?}");
            let mut chunk = vec![0; size + 2];
            self.0.read_exact(&mut chunk).expect("a chunk");
            chunk.truncate(size);
            let text = String::from_utf8(chunk).expect("UTF-8");
            all.extend(
                text.lines()
                    .map(|line| serde_json::from_str::<Value>(line).expect(line)),
            );
        }
        all
    }
}

/// A server, and a client that asks it.
struct Pair {
    server: UdpSocket,
    client: UdpSocket,
}

impl Pair {
    fn start(port: u16) -> Self {
        let address = SocketAddr::new(unique_loopback(), port);
        let server = UdpSocket::bind(address).expect("the server");
        let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
        client.connect(address).expect("a connected socket");
        Self { server, client }
    }

    fn ask(&self, id: u16, name: &str, rcode: u8) {
        let query = message::query(id, &message::labels(name), message::A);
        let mut octets = [0; 512];
        self.client.send(&query).expect("to ask");
        let (len, from) = self.server.recv_from(&mut octets).expect("the query");
        let mut answer = message::answer(&octets[..len], 0);
        answer[3] |= rcode;
        self.server.send_to(&answer, from).expect("to answer");
        self.client.recv(&mut octets).expect("the answer");
    }
}

#[test]
fn root_each_reader_of_an_agent_sees_what_he_wants_and_none_holds_it_up() {
    const PORT: u16 = 10_662;
    let agent = Agent::start(&["--port", &PORT.to_string()]);
    let pair = Pair::start(PORT);
    // Counted together, as nobody looks on.
    (0..20).for_each(|id| pair.ask(id, "before.kerno.test", 0));
    let report = agent.report(&["--last", "1h"]);
    assert_eq!(report["accounting"]["queries_seen"], 2 * 20, "{report:#}");
    let mut all = Reader::start(&agent, "role=client");
    let mut failed = Reader::start(&agent, "role=client&failed=1");
    let mut lookups = Reader::start(&agent, "lookups=1&name=*.b.kerno.test");
    let stopped = Reader::start(&agent, "");
    for id in 0..100 {
        let rcode = if id % 10 == 0 { 2 } else { 0 };
        pair.ask(1000 + id, "a.kerno.test", rcode);
    }
    let records = all.records(100);
    let ids: Vec<_> = records.iter().map(|it| it["id"].as_u64()).collect();
    assert_eq!(ids, (1000..1100).map(Some).collect::<Vec<_>>());
    assert!(
        records
            .iter()
            .all(|it| it["schema"] == "kerno.dns.v1" && it["role"] == "client")
    );
    let records = failed.records(10);
    assert!(
        records.iter().all(|it| it["rcode"] == "SERVFAIL"),
        "{records:?}"
    );
    pair.ask(7, "other.b.kerno.test", 0);
    let lookup = &lookups.records(1)[0];
    assert_eq!(lookup["schema"], "kerno.lookup.v1");
    assert_eq!(lookup["name"], "other.b.kerno.test");
    // Far more than there is room for, for those who read nothing now; no faster than the agent
    // answers.
    for _ in 0..60 {
        (0..100).for_each(|id| pair.ask(id, "many.kerno.test", 0));
        agent.report(&["--last", "1h"]);
    }
    let report = agent.report(&["--last", "1h"]);
    assert_eq!(report["accounting"]["lost"], 0, "{}", report["accounting"]);
    // Who goes away is forgotten, and all is counted together again.
    drop((all, failed, lookups, stopped));
    poll("nobody looks on", || {
        let mut stream = agent.connect();
        let request = b"GET /v1/status HTTP/1.1\r\nhost: kerno\r\nconnection: close\r\n\r\n";
        stream.write_all(request).expect("to ask");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.contains("\"watching\": 0").then_some(())
    });
}
