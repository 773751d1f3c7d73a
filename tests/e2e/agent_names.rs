//! Names of queries leave an agent only where they are asked for: what lies on disk, and what
//! metrics tell, is looked through for names that are nowhere else.

use std::net::SocketAddr;
use std::net::UdpSocket;
use std::path::Path;

use crate::agent::Agent;
use crate::agent::Silent;
use crate::agent_history::end;
use crate::agent_history::told;
use crate::fake_server;
use crate::message;
use crate::metrics::free_port;
use crate::metrics::page;
use crate::place::Place;
use crate::process::PATIENCE;
use crate::process::poll;
use crate::site::unique_loopback;

/// Asked for and answered.
const WELL: &str = "zebrafinch";
/// Asked for in vain.
const FAILED: &str = "quokkaberry";

/// The stored windows, unpacked: behind a format and a mark of ten octets.
fn on_disk(folder: &Path) -> Vec<u8> {
    let database = rusqlite::Connection::open(folder.join("history.db")).expect("the history");
    let mut select = database
        .prepare("SELECT window FROM windows")
        .expect("its table");
    let rows = select.query_map([], |row| row.get::<_, Vec<u8>>(0));
    let rows = rows.expect("rows").map(|row| row.expect("a row"));
    let plain: Vec<_> = rows
        .flat_map(|row| zstd::stream::decode_all(&row[10..]).expect("it is packed"))
        .collect();
    assert!(!plain.is_empty(), "nothing is written");
    plain
}

fn has(octets: &[u8], name: &str) -> bool {
    let mut places = octets.windows(name.len());
    places.any(|it| it.eq_ignore_ascii_case(name.as_bytes()))
}

#[test]
fn root_names_lie_on_disk_as_far_as_they_are_asked_for_and_in_no_metric() {
    const PORT: u16 = 10_666;
    let port = PORT.to_string();
    let good = SocketAddr::new(unique_loopback(), PORT);
    fake_server::serve(&Place::host(), good, |query, _| fake_server::at_once(query));
    let silent = Silent::start(PORT);
    for (names, has_failed, has_well) in [
        ("none", false, false),
        ("failed", true, false),
        ("all", true, true),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let shown = folder.path().to_str().expect("UTF-8");
        let listen = free_port();
        let at = listen.to_string();
        let mut agent = Agent::start(&[
            "--port",
            &port,
            "--timeout",
            "100ms",
            "--listen",
            &at,
            "--history",
            shown,
            "--history-names",
            names,
        ]);
        for id in 0..20 {
            let client = UdpSocket::bind("127.0.0.1:0").expect("the client");
            client.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let name = message::labels(&format!("{WELL}.kerno.test"));
            client
                .send_to(&message::query(id, &name, message::A), good)
                .expect("to ask");
            client.recv(&mut [0; 512]).expect("the answer");
            let name = message::labels(&format!("{FAILED}.kerno.test"));
            client
                .send_to(&message::query(id, &name, message::A), silent.address)
                .expect("to ask");
        }
        poll("the agent to know of all", || {
            let report = told(&agent, "/v1/doctor");
            let all = [&report["dns"]["answered"], &report["dns"]["unanswered"]];
            (all == [20, 20]).then_some(())
        });
        // Both formats, once all of it is judged.
        poll("the metrics to have them", || {
            let (_, text) = page(listen, "/metrics", "");
            text.contains("kerno_queries_ended_total 80").then_some(())
        });
        for accept in ["", "Accept: application/openmetrics-text\r\n"] {
            let (status, text) = page(listen, "/metrics", accept);
            assert_eq!(status, 200);
            for name in [WELL, FAILED, "kerno.test"] {
                assert!(!has(text.as_bytes(), name), "{name} in {text}");
            }
        }
        end(&mut agent);
        let octets = on_disk(folder.path());
        assert_eq!(has(&octets, FAILED), has_failed, "{names}");
        assert_eq!(has(&octets, WELL), has_well, "{names}");
    }
}
