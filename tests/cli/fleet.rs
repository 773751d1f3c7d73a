//! `kerno fleet` and servers that are no Prometheus, or none that is well. Thanos and Mimir
//! are not to be had here: their answers are those of their documentation.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;

use super::kerno;
use super::output;
use super::text;

/// A server that says to each request what it is told to say, and keeps what it was asked.
struct Fake {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// `say` gets a connection and what was asked on it.
    fn start(say: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (ears, say) = (Arc::clone(&heard), Arc::new(say));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, ears, say) = (
                    stream.expect("accepted"),
                    Arc::clone(&ears),
                    Arc::clone(&say),
                );
                // Whoever hangs up early is what some of the tests are about.
                thread::spawn(move || {
                    while let Some(request) = read_request(&stream) {
                        ears.lock().expect("ears").push(request.clone());
                        say(&mut stream, &request);
                    }
                });
            }
        });
        Self { url, heard }
    }

    /// One that answers with this.
    fn saying(status: &'static str, body: &'static str) -> Self {
        Self::start(move |stream, _| answer(stream, status, body))
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("ears").clone()
    }
}

fn read_request(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head += &line;
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).ok()?)
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
    );
    let _gone = stream.write_all(format!("{head}{body}").as_bytes());
}

/// Exit code 3, one line, nothing on stdout; what was said.
fn could_not_run(fake: &Fake) -> String {
    let done = output(&mut kerno(&[
        "fleet",
        "--prometheus",
        &fake.url,
        "--timeout",
        "1s",
    ]));
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(3), "{said}");
    assert_eq!(text(&done.stdout), "", "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("kerno: "), "{said}");
    said.to_owned()
}

#[test]
fn what_is_no_prometheus_is_one_sentence() {
    for (status, body, expected) in [
        (
            "422 Unprocessable",
            r#"{"status":"error","errorType":"execution","error":"too many\nsamples"}"#,
            "says: too many samples",
        ),
        (
            "503 Unavailable",
            "<html>away</html>",
            "answers with HTTP status 503: <html>away</html>",
        ),
        ("401 Unauthorized", "no org id", "--tenant"),
        (
            "404 Not Found",
            "404 page not found",
            "Is there a path before /api/v1",
        ),
        ("302 Found", "", "It sends elsewhere"),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","#,
            "does not answer as Prometheus does",
        ),
        (
            "200 OK",
            "<html>a login page</html>",
            "does not answer as Prometheus does",
        ),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#,
            "does not answer as Prometheus does",
        ),
        ("200 OK", r#"{"status":"success"}"#, "answers without data"),
        (
            "200 OK",
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            "no agent of kerno is known",
        ),
    ] {
        let said = could_not_run(&Fake::saying(status, body));
        assert!(said.contains(expected), "{status} {body}: {said}");
    }
}

#[test]
fn who_hangs_hangs_up_or_never_ends_is_one_sentence() {
    let hangs = Fake::start(|stream, _| {
        // Until kerno gives up.
        let _over = stream.read(&mut [0; 1]);
    });
    assert!(could_not_run(&hangs).contains("did not answer within 1s"));
    let hangs_up = Fake::start(|stream, _| {
        let _gone = stream.shutdown(std::net::Shutdown::Both);
    });
    could_not_run(&hangs_up);
    let nonsense = Fake::start(|stream, _| {
        let _gone = stream.write_all(b"\x00\xff SSH-2.0\r\n\r\n");
        let _gone = stream.shutdown(std::net::Shutdown::Both);
    });
    could_not_run(&nonsense);
    let endless = Fake::start(|stream, _| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
        let _gone = stream.write_all(head.as_bytes());
        while stream.write_all(&[b' '; 65_536]).is_ok() {}
    });
    could_not_run(&endless);
}

/// One node that asks and is well, and whatever else is asked for is not there.
fn one_node(warnings: &'static str) -> Fake {
    Fake::start(move |stream, request| {
        let series =
            |labels: &str| format!(r#"{{"metric":{{"node":"a"{labels}}},"value":[1,"100"]}}"#);
        let of = |name: &str| request.contains(name);
        let result = match () {
            () if of("query=last_over_time") => series(r#","version":"0.1.0""#),
            () if of("kerno_dns_queries_total") => series(r#","server":"10.0.0.1:53""#),
            () => String::new(),
        };
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}},"warnings":[{warnings}]}}"#
        );
        answer(stream, "200 OK", &body);
    })
}

#[test]
fn a_store_that_is_away_is_said() {
    let fake = one_node(r#""a store is away""#);
    let arguments = [
        "fleet",
        "--prometheus",
        &fake.url,
        "--output",
        "json",
        "--exit-code",
    ];
    let done = output(&mut kerno(&arguments));
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (&report["schema"], &report["verdict"]),
        (&"kerno.fleet.v1".into(), &"healthy".into())
    );
    let missing = report["missing"].as_array().expect("missing");
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0]
            .as_str()
            .is_some_and(|it| it.ends_with("warns: a store is away"))
    );
    let asked = fake.heard();
    assert!(asked.len() <= 20, "{} questions", asked.len());
    // All are about one moment.
    let time = |request: &String| {
        let from = request.find("time=").map(|at| &request[at..]);
        from.and_then(|it| it.split('&').next()).map(str::to_owned)
    };
    let times: std::collections::BTreeSet<_> = asked.iter().map(time).collect();
    assert_eq!(times.len(), 1, "{times:?}");
}

#[test]
fn secrets_come_from_files_and_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "open-sesame\n").expect("written");
    let fake = one_node("");
    let token = token.to_str().expect("UTF-8");
    let asked = |command: &mut std::process::Command| {
        let done = output(command);
        assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
        fake.heard().pop().expect("a request").to_ascii_lowercase()
    };
    let arguments = ["fleet", "--prometheus", &fake.url];
    let with = |more: &[&str]| kerno(&[&arguments, more].concat());
    let request = asked(&mut with(&["--token-file", token, "--tenant", "shop"]));
    assert!(
        request.contains("authorization: bearer open-sesame\r\n"),
        "{request}"
    );
    assert!(request.contains("x-scope-orgid: shop\r\n"), "{request}");
    let request = asked(with(&["--user", "ann"]).env("KERNO_PROMETHEUS_PASSWORD", "b:c"));
    // `ann:b:c`
    assert!(
        request.contains("authorization: basic yw5uomi6yw=="),
        "{request}"
    );
    let request = asked(with(&[]).env("KERNO_PROMETHEUS_HEADERS", "# who\nX-Who: me\n"));
    assert!(request.contains("x-who: me\r\n"), "{request}");
}

#[test]
fn what_cannot_be_asked_is_said_before_it_is() {
    for (arguments, expected) in [
        (
            &["--prometheus", "http://ann:open-sesame@127.0.0.1:1"][..],
            "--password-file",
        ),
        (
            &["--prometheus", "127.0.0.1:9090"],
            "does not begin with http",
        ),
        (
            &["--prometheus", "http://127.0.0.1:1", "--user", "ann"],
            "--user needs a password",
        ),
        (
            &[
                "--prometheus",
                "http://127.0.0.1:1",
                "--token-file",
                "/nowhere",
            ],
            "cannot open /nowhere",
        ),
        (
            &[
                "--prometheus",
                "http://127.0.0.1:1",
                "--at",
                "2999-01-01T00:00:00Z",
            ],
            "future",
        ),
        (
            &[
                "--prometheus",
                "https://127.0.0.1:1",
                "--ca-file",
                "/dev/null",
            ],
            "has no certificate",
        ),
        (&["--prometheus", "http://127.0.0.1:1"], "cannot be asked"),
    ] {
        let done = output(&mut kerno(&[&["fleet"], arguments].concat()));
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(
            said.contains(expected) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
        assert!(!said.contains("open-sesame"), "{said}");
    }
}
