//! What is told over TCP: metrics and health, and nothing else. Names of queries are told over
//! the agent's socket only.

use std::io;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use anyhow::Result;
use anyhow::anyhow;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use hyper::body::Bytes;

use super::connections::Answered;
use super::connections::Bounds;
use super::connections::Door;
use super::connections::serve;
use super::health::Health;
use super::kept::Kept;
use super::metrics::Format;
use super::metrics::Metrics;
use super::metrics::Standing;
use super::writer::Told;
use crate::monitor::KernelStanding;

const BOUNDS: Bounds = Bounds {
    connections: 32,
    request_time: Duration::from_secs(5),
    answer_time: Duration::from_secs(15),
    request_octets: 8 * 1024,
};

/// The address, before anything is answered there.
#[derive(Debug)]
pub struct Web(TcpListener);

impl Web {
    /// Takes it.
    pub fn take(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => anyhow!(
                "another program listens at {address}: name another address with --listen, or \
                 do without metrics by --listen none"
            ),
            _ => anyhow!("cannot listen at {address} ({error}): name another one with --listen"),
        })?;
        Ok(Self(listener))
    }

    /// Answers for ever; on a `LocalSet`.
    pub(super) async fn answer(self, pages: Pages) -> Result<()> {
        self.0.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(self.0)?;
        let accept = async || Ok(listener.accept().await?.0);
        let door = Arc::clone(&pages.door);
        let pages = Arc::new(pages);
        serve(accept, door, move |request| {
            let pages = Arc::clone(&pages);
            async move {
                let head = Head::of(&request);
                // Others are answered meanwhile.
                let answer = tokio::task::spawn_blocking(move || pages.to(&head)).await;
                answer.unwrap_or_else(|error| {
                    plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
                })
            }
        })
        .await;
        Ok(())
    }
}

/// What counts of a request.
#[derive(Debug)]
struct Head {
    method: Method,
    path: String,
    accept: String,
}

impl Head {
    fn of<B>(request: &Request<B>) -> Self {
        let accept = request.headers().get_all(header::ACCEPT).iter();
        let accept: Vec<_> = accept.filter_map(|it| it.to_str().ok()).collect();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            accept: accept.join(","),
        }
    }
}

/// The pages there are.
#[derive(Debug)]
pub struct Pages {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    kept: Arc<Mutex<Kept>>,
    history: Option<Arc<Mutex<Told>>>,
    kernel: KernelStanding,
    door: Arc<Door>,
}

impl Pages {
    pub(super) fn of(metrics: Arc<Metrics>, health: Arc<Health>, kept: Arc<Mutex<Kept>>) -> Self {
        Self {
            metrics,
            health,
            kept,
            history: None,
            kernel: KernelStanding::default(),
            door: Door::new(BOUNDS),
        }
    }

    /// How the history stands, if there is one, and the kernel's side.
    pub(super) fn with(self, history: Option<Arc<Mutex<Told>>>, kernel: KernelStanding) -> Self {
        Self {
            history,
            kernel,
            ..self
        }
    }

    fn to(&self, head: &Head) -> Answered {
        if !matches!(head.method, Method::GET | Method::HEAD) {
            let why = "only GET and HEAD are answered";
            return plain(StatusCode::METHOD_NOT_ALLOWED, why.to_owned());
        }
        match head.path.as_str() {
            "/metrics" => self.metrics(&head.accept),
            // It answers only while it watches: who is healthy is ready.
            "/healthz" | "/readyz" => match self.health.check() {
                Ok(()) => plain(StatusCode::OK, "ok".to_owned()),
                Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
            },
            _ => plain(
                StatusCode::NOT_FOUND,
                "there are /metrics, /healthz and /readyz".to_owned(),
            ),
        }
    }

    fn metrics(&self, accept: &str) -> Answered {
        let format = format_for(accept);
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = Standing {
            windows: kept.number(),
            octets: kept.octets(),
            forgotten: kept.forgotten(),
            turned_away: self.door.turned_away(),
            history: None,
            kernel: self.kernel.now(),
        };
        drop(kept);
        let history = self.history.as_deref();
        let history = history.map(|it| it.lock().unwrap_or_else(PoisonError::into_inner));
        let standing = Standing {
            history: history.as_deref().cloned(),
            ..standing
        };
        told(
            StatusCode::OK,
            format.kind(),
            self.metrics.write(format, standing),
        )
    }
}

/// What is wanted more (RFC 9110 section 12.5.1), or the older one.
pub(super) fn format_for(accept: &str) -> Format {
    let weight_of = |wanted: &str| {
        let ranges = accept.split(',').filter_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next()?;
            let weight = parts
                .filter_map(|part| part.strip_prefix("q="))
                .next()
                .map_or(Some(1.0), |weight| weight.parse::<f32>().ok())?;
            kind.eq_ignore_ascii_case(wanted).then_some(weight)
        });
        ranges.fold(0.0, f32::max)
    };
    match weight_of("application/openmetrics-text") > weight_of("text/plain") {
        true => Format::OpenMetrics,
        false => Format::Text,
    }
}

fn plain(status: StatusCode, line: String) -> Answered {
    told(status, "text/plain; charset=utf-8", format!("{line}\n"))
}

fn told(status: StatusCode, kind: &'static str, body: String) -> Answered {
    let response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, kind)
        .header(header::CACHE_CONTROL, "no-store");
    response.body(Bytes::from(body).into()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::of(
            Arc::default(),
            Arc::new(Health::begin()),
            Arc::new(Mutex::new(Kept::within(1 << 20))),
        )
    }

    fn asked(method: Method, path: &str) -> StatusCode {
        let head = Head {
            method,
            path: path.to_owned(),
            accept: String::new(),
        };
        pages().to(&head).status()
    }

    #[test]
    fn nothing_else_is_there() {
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(asked(Method::GET, path), StatusCode::OK);
            assert_eq!(asked(Method::HEAD, path), StatusCode::OK);
            assert_eq!(asked(Method::POST, path), StatusCode::METHOD_NOT_ALLOWED);
        }
        for path in [
            "/",
            "/v1/doctor",
            "/v1/history",
            "/metrics/",
            "//metrics",
            "",
        ] {
            assert_eq!(asked(Method::GET, path), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        // Prometheus 2.42, and 3.5 with native histograms.
        for accept in [
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "Application/OpenMetrics-Text",
        ] {
            assert_eq!(format_for(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/html",
            "text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.1",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=lots",
            ";;,,q=;",
        ] {
            assert_eq!(format_for(accept), Format::Text, "{accept}");
        }
    }

    #[test]
    fn a_taken_port_is_one_sentence() {
        let there = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = there.local_addr().expect("its address");
        let told = Web::take(address).expect_err("it is taken").to_string();
        assert!(told.contains("--listen none"), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
}
