//! HTTP on whatever comes in, bounded in time, size and number.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Request;
use http::Response;
use http_body_util::Full;
use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;

use super::live::Progress;

/// A whole answer.
pub(super) type Answered = Response<Full<Bytes>>;

/// What one who asks may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections at one time; one beyond is closed.
    pub(super) connections: usize,
    /// A request's head is there within this time,
    pub(super) request_time: Duration,
    /// and its answer is read within this one.
    pub(super) answer_time: Duration,
    /// Of a request's head, in octets.
    pub(super) request_octets: usize,
}

/// Who is inside.
#[derive(Debug)]
pub(super) struct Door {
    bounds: Bounds,
    inside: AtomicUsize,
    turned_away: AtomicU64,
}

/// A place inside; dropping it leaves.
struct Place(Arc<Door>);

impl Door {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self {
            bounds,
            inside: AtomicUsize::new(0),
            turned_away: AtomicU64::new(0),
        })
    }

    /// Connections that found no place.
    pub(super) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    fn enter(self: &Arc<Self>) -> Option<Place> {
        if self.inside.fetch_add(1, Ordering::Relaxed) >= self.bounds.connections {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            self.turned_away.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Takes connections for ever, one request each; on a `LocalSet`. An answer whose head has
/// a [`Progress`] goes on for as long as there is some.
pub(super) async fn serve<S, A, B>(
    accept: impl AsyncFn() -> io::Result<S>,
    door: Arc<Door>,
    answer: impl Fn(Request<Incoming>) -> A + Clone + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    loop {
        let Ok(stream) = accept().await else {
            // No descriptor is free: there may be one soon.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Some(place) = door.enter() else { continue };
        let answer = answer.clone();
        tokio::task::spawn_local(async move {
            let bounds = place.0.bounds;
            let progress = Arc::<Mutex<Option<Progress>>>::default();
            let kept = Arc::clone(&progress);
            let service = service_fn(move |request| {
                let (answered, kept) = (answer(request), Arc::clone(&kept));
                async move {
                    let mut answered = answered.await;
                    let progress = answered.extensions_mut().remove();
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = progress;
                    Ok::<_, Infallible>(answered)
                }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(bounds.request_time)
                .max_buf_size(bounds.request_octets)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            // Who goes away needs no answer.
            while tokio::time::timeout(bounds.answer_time, &mut connection)
                .await
                .is_err()
            {
                let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.as_mut().is_none_or(Progress::has_stalled) {
                    break;
                }
            }
        });
    }
}
