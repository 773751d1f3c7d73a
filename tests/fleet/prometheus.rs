//! A real Prometheus that is told what was scraped (remote write 1.0), and asked.

use std::fs;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::Path;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use serde_json::Value;

/// Octets of a request, some.
const REQUEST: usize = 4 * 1024 * 1024;

pub(crate) struct Prometheus {
    child: Child,
    pub(crate) url: String,
    told: Vec<u8>,
    pub(crate) samples: u64,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Prometheus {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, "global: {}\n")
    }

    /// … with a configuration.
    pub(crate) fn start_with(folder: &Path, text: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("bound").to_string();
        drop(port);
        let configuration = folder.join("prometheus.yml");
        fs::write(&configuration, text).expect("written");
        let said = fs::File::create(folder.join("said")).expect("a file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            // What is told is old, and stays in memory.
            .args([
                "--web.enable-remote-write-receiver",
                "--storage.tsdb.retention.time=100y",
                "--storage.tsdb.min-block-duration=2000h",
                "--storage.tsdb.max-block-duration=2000h",
            ])
            // Memory for time: half of it would go into looking for what is used.
            .env("GOGC", "400")
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("prometheus, of tests/packages.txt");
        let mut started = Self {
            child,
            url: format!("http://{address}"),
            told: Vec::new(),
            samples: 0,
        };
        let patience = Instant::now() + Duration::from_secs(60);
        while !is_ready(&address) {
            let status = started.child.try_wait().expect("a child");
            let said = || fs::read_to_string(folder.join("said")).unwrap_or_default();
            assert!(
                status.is_none() && Instant::now() < patience,
                "{status:?}: {}",
                said()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        started
    }

    /// A series, with the times of its samples in seconds since 1970.
    pub(crate) fn tell(&mut self, labels: &[u8], samples: impl Iterator<Item = (u64, f64)>) {
        let mut series = Vec::with_capacity(512);
        series.extend(labels);
        for (seconds, value) in samples {
            // A double, and a number: milliseconds, which in this century take six octets.
            let milliseconds = seconds * 1_000;
            let mut sample = [0; 16];
            sample[0] = 1 << 3 | 1;
            sample[1..9].copy_from_slice(&value.to_le_bytes());
            sample[9] = 2 << 3;
            for (n, octet) in sample[10..].iter_mut().enumerate() {
                *octet = (milliseconds >> (7 * n)) as u8 | 0x80;
            }
            sample[15] &= 0x7f;
            series.extend([2 << 3 | 2, sample.len() as u8]);
            series.extend(sample);
            self.samples += 1;
        }
        write_bytes(&mut self.told, 1, &series);
        if self.told.len() > REQUEST {
            self.flush();
        }
    }

    /// Sends what it was told so far.
    pub(crate) fn flush(&mut self) {
        let body = std::mem::take(&mut self.told);
        let body = snap::raw::Encoder::new()
            .compress_vec(&body)
            .expect("snappy");
        let sent = ureq::post(format!("{}/api/v1/write", self.url))
            .header("Content-Type", "application/x-protobuf")
            .header("Content-Encoding", "snappy")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .send(&body);
        let sent = sent.expect("Prometheus takes what it is told");
        assert!(sent.status().is_success(), "{sent:?}");
    }

    /// An expression at a time.
    pub(crate) fn instant(&self, expression: &str, at: u64) -> Vec<Value> {
        self.ask("query", &[("query", expression), ("time", &at.to_string())])
    }

    /// … at each step of a time.
    pub(crate) fn range(&self, expression: &str, (from, to): (u64, u64), step: u64) -> Vec<Value> {
        let (from, to, step) = (from.to_string(), to.to_string(), step.to_string());
        let form = [
            ("query", expression),
            ("start", &from),
            ("end", &to),
            ("step", &step),
        ];
        self.ask("query_range", &form)
    }

    fn ask(&self, path: &str, form: &[(&str, &str)]) -> Vec<Value> {
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = ureq::post(url).send_form(form.iter().copied());
        let mut answer = answer.unwrap_or_else(|error| panic!("{form:?}: {error}"));
        let body = answer.body_mut().with_config().limit(1 << 30);
        let answer: Value =
            serde_json::from_slice(&body.read_to_vec().expect("a body")).expect("JSON");
        let result = answer["data"]["result"].as_array();
        result
            .unwrap_or_else(|| panic!("{form:?}: {answer}"))
            .clone()
    }

    /// The series that there are now.
    pub(crate) fn now(&self, expression: &str) -> Vec<Value> {
        self.ask("query", &[("query", expression)])
    }

    /// What `kerno fleet` says of the five minutes before a time: exit code, stdout, stderr.
    pub(crate) fn fleet(&self, at: u64, more: &[&str]) -> (i32, String, String) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(at);
        let at = humantime::format_rfc3339_seconds(at).to_string();
        self.fleet_now(&[&["--at", &at, "--last", "5m"], more].concat())
    }

    /// … now.
    pub(crate) fn fleet_now(&self, more: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
        command.args(["fleet", "--prometheus", &self.url, "--exit-code"]);
        let done = command.args(more).output().expect("kerno starts");
        let text = |octets| String::from_utf8(octets).expect("UTF-8");
        let code = done.status.code().expect("an exit code");
        (code, text(done.stdout), text(done.stderr))
    }
}

/// A label of a series, as remote write has it.
pub(crate) fn label(name: &str, value: &str) -> Vec<u8> {
    let mut both = Vec::with_capacity(64);
    write_bytes(&mut both, 1, name.as_bytes());
    write_bytes(&mut both, 2, value.as_bytes());
    let mut label = Vec::with_capacity(64);
    write_bytes(&mut label, 1, &both);
    label
}

/// A field of octets, as protocol buffers have it.
fn write_bytes(out: &mut Vec<u8>, field: u8, octets: &[u8]) {
    out.push(field << 3 | 2);
    write_varint(out, octets.len() as u64);
    out.extend(octets);
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn is_ready(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return false;
    };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n");
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}
