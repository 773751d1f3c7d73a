//! The socket of an agent: HTTP over a Unix socket, bounded in time, size and number.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;

use super::answers::Answers;

/// Tells what `kerno doctor --exit-code` ends with.
pub(super) const EXIT_CODE: &str = "kerno-exit-code";

/// Connections at one time; one beyond is closed.
const CONNECTIONS_MAX: usize = 32;
/// A request's head is there within this time, and its answer is read within the other.
const REQUEST_TIME: Duration = Duration::from_secs(5);
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Of a request's head, in octets.
const REQUEST_MAX: usize = 16 * 1024;

/// The socket, before anything is answered. Dropping it takes it away.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: Option<UnixListener>,
}

impl Socket {
    /// Takes it, also one that an agent has left that was killed.
    pub fn take(path: &Path) -> Result<Self> {
        let listener = listen(path)?;
        Ok(Self {
            path: path.to_owned(),
            listener: Some(listener),
        })
    }

    /// Answers from now on, until it is dropped.
    pub fn answer(&mut self, answers: Answers) -> Result<()> {
        let listener = self.listener.take().context("it is answered already")?;
        listener.set_nonblocking(true).context("the socket")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for the socket")?;
        std::thread::Builder::new()
            .name("kerno-socket".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve(listener, Arc::new(answers))) {
                    log::error!("the socket is closed: {error:#}");
                }
            })
            .context("cannot start the socket's thread")?;
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::info!("{}: {error}", self.path.display());
        }
    }
}

fn listen(socket: &Path) -> Result<UnixListener> {
    const REMEDY: &str = "run it with sudo, or name another place with --socket";
    let shown = socket.display();
    if let Ok(there) = fs::symlink_metadata(socket) {
        // A file refuses connections too, and is somebody's.
        if !there.file_type().is_socket() {
            bail!("{shown} is there, and no socket; name another place with --socket");
        }
        match UnixStream::connect(socket) {
            Ok(_) => bail!("an agent listens at {shown} already; --socket names another place"),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(socket)
                    .with_context(|| format!("cannot replace {shown}; {REMEDY}"))?;
            }
            Err(error) => bail!("{shown} cannot be looked at ({error}); {REMEDY}"),
        }
    }
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}; {REMEDY}", folder.display()))?;
    }
    let listener = UnixListener::bind(socket)
        .with_context(|| format!("cannot listen at {shown}; {REMEDY}"))?;
    // Names of queries are told there: root's and the group kerno's only.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot protect {shown}"))?;
    if let Ok(Some(group)) = nix::unistd::Group::from_name("kerno") {
        nix::unistd::chown(socket, None, Some(group.gid))
            .with_context(|| format!("cannot give {shown} to the group kerno"))?;
    }
    Ok(listener)
}

async fn serve(listener: UnixListener, answers: Arc<Answers>) -> Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let open = Arc::new(AtomicUsize::new(0));
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            loop {
                let Ok((stream, _)) = listener.accept().await else {
                    // No descriptor is free: there may be one soon.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS_MAX {
                    open.fetch_sub(1, Ordering::Relaxed);
                    continue;
                }
                let (open, answers) = (Arc::clone(&open), Arc::clone(&answers));
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request| answer(request, Arc::clone(&answers)));
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(REQUEST_TIME)
                        .max_buf_size(REQUEST_MAX)
                        .keep_alive(false)
                        .serve_connection(TokioIo::new(stream), service);
                    // Who goes away needs no answer.
                    let _done = tokio::time::timeout(ANSWER_TIME, connection).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        })
        .await
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Answers>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_get = *request.method() == Method::GET;
    let uri = request.uri();
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or("").to_owned());
    let found = match is_get {
        false => Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET is answered".to_owned(),
        )),
        // To put windows together takes its time, and others wait here meanwhile.
        true => tokio::task::spawn_blocking(move || answers.to(&path, &query))
            .await
            .unwrap_or_else(|error| Err((StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))),
    };
    let (status, kind, code, body) = match found {
        Ok(answer) => (StatusCode::OK, answer.kind, answer.exit_code, answer.body),
        Err((status, why)) => (status, "text/plain", None, format!("{why}\n").into_bytes()),
    };
    let mut response = Response::builder()
        .status(status)
        .header(http::header::CONTENT_TYPE, kind);
    if let Some(code) = code {
        response = response.header(EXIT_CODE, i16::from(code));
    }
    let body = Full::new(Bytes::from(body));
    Ok(response.body(body).unwrap_or_default())
}
