//! Those who ask the agent: readers that stall, connections that say nothing, reports,
//! and a scraper.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;

/// Connections that say nothing.
const IDLE: usize = 8;
/// Readers of `/v1/watch` that take nothing.
const STALLED: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

/// An address that nobody has now.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port")?;
    listener.local_addr().context("no address")
}

/// They hang up when they are dropped.
#[derive(Debug)]
pub(crate) struct Askers {
    socket: PathBuf,
    listen: SocketAddr,
    _idle: Vec<UnixStream>,
    _silent: Vec<TcpStream>,
    stalled: Vec<UnixStream>,
    reader: Option<(UnixStream, JoinHandle<()>)>,
}

impl Askers {
    /// They come.
    pub(crate) fn begin(socket: &Path, listen: SocketAddr) -> Result<Self> {
        let connect = || UnixStream::connect(socket).context("the agent's socket");
        let watch = || -> Result<UnixStream> {
            let mut stream = connect()?;
            stream.write_all(b"GET /v1/watch HTTP/1.1\r\nhost: kerno\r\n\r\n")?;
            Ok(stream)
        };
        let idle: Result<Vec<_>> = (0..IDLE).map(|_| connect()).collect();
        let silent: Result<Vec<_>, _> = (0..IDLE).map(|_| TcpStream::connect(listen)).collect();
        let stalled: Result<Vec<_>> = (0..STALLED).map(|_| watch()).collect();
        let stream = watch()?;
        let mut reading = stream.try_clone()?;
        // Until it is hung up.
        let reader = thread::spawn(move || {
            let mut octets = vec![0; 65_536];
            while reading.read(&mut octets).is_ok_and(|len| len > 0) {}
        });
        Ok(Self {
            socket: socket.to_owned(),
            listen,
            _idle: idle?,
            _silent: silent?,
            stalled: stalled?,
            reader: Some((stream, reader)),
        })
    }

    /// For a report, the history and the metrics. One that gets no answer asks again later.
    pub(crate) fn ask(&self) {
        for path in ["/v1/doctor?last_ms=60000", "/v1/history?last_ms=600000"] {
            if let Ok(stream) = UnixStream::connect(&self.socket) {
                let _set = stream.set_read_timeout(Some(PATIENCE));
                let _answer = get(stream, path);
            }
        }
        let _metrics = metrics(self.listen);
    }
}

impl Drop for Askers {
    fn drop(&mut self) {
        self.stalled.clear();
        if let Some((stream, reader)) = self.reader.take() {
            let _gone = stream.shutdown(std::net::Shutdown::Both);
            let _died = reader.join();
        }
    }
}

fn get(mut stream: impl std::io::Read + std::io::Write, path: &str) -> Result<String> {
    write!(stream, "GET {path} HTTP/1.1\r\nhost: kerno\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn metrics(listen: SocketAddr) -> Result<String> {
    let stream = TcpStream::connect(listen)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    get(stream, "/metrics")
}

/// Series of the metrics, with their values.
pub(crate) type Totals = BTreeMap<String, f64>;

/// The metrics when so many attempts were seen, or after so long at the latest.
pub(crate) fn totals(listen: SocketAddr, seen: u64, patience: Duration) -> Result<Totals> {
    let begin = Instant::now();
    loop {
        let text = metrics(listen)?;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| line.rsplit_once(' '));
        let samples = samples.filter_map(|(name, it)| Some((name.to_owned(), it.parse().ok()?)));
        let totals: Totals = samples.collect();
        let of = |name: &str| totals.get(name).copied().unwrap_or(f64::NAN);
        let is_over = of("kerno_queries_in_flight") == 0.0;
        if (is_over && of("kerno_queries_seen_total") >= seen as f64) || begin.elapsed() > patience
        {
            return Ok(totals);
        }
        thread::sleep(Duration::from_millis(500));
    }
}
