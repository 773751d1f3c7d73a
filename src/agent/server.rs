//! The socket of an agent: HTTP over a Unix socket, bounded in time, size and number.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http_body_util::Either;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::body::Incoming;

use super::answers::Answers;
use super::connections;
use super::connections::Bounds;
use super::connections::Door;
use super::stream::Stream;
use super::web::Pages;
use super::web::Web;
use crate::host;
use crate::host::proc::Root;

/// Tells what `kerno doctor --exit-code` ends with.
pub(super) const EXIT_CODE: &str = "kerno-exit-code";

const BOUNDS: Bounds = Bounds {
    connections: 32,
    request_time: Duration::from_secs(5),
    answer_time: Duration::from_secs(60),
    request_octets: 16 * 1024,
};

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

    /// Answers from now on, until it is dropped; also what is asked over TCP.
    pub fn answer(&mut self, answers: Answers, web: Option<(Web, Pages)>) -> Result<()> {
        let listener = self.listener.take().context("it is answered already")?;
        listener.set_nonblocking(true).context("the socket")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime for the socket")?;
        std::thread::Builder::new()
            .name("kerno-socket".to_owned())
            .spawn(move || {
                let both = async {
                    if let Some((web, pages)) = web {
                        tokio::task::spawn_local(async {
                            if let Err(error) = web.answer(pages).await {
                                log::error!("nothing is told over TCP: {error:#}");
                            }
                        });
                    }
                    if let Err(error) = serve(listener, Arc::new(answers)).await {
                        log::error!("the socket is closed: {error:#}");
                    }
                };
                tokio::task::LocalSet::new().block_on(&runtime, both);
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
    if let Some(group) = host::group_id(&Root::default(), "kerno") {
        // As a service of that group it is so already, and may not change it.
        if fs::symlink_metadata(socket).is_ok_and(|it| it.gid() != group) {
            nix::unistd::chown(socket, None, Some(group.into()))
                .with_context(|| format!("cannot give {shown} to the group kerno"))?;
        }
    }
    Ok(listener)
}

async fn serve(listener: UnixListener, answers: Arc<Answers>) -> Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let accept = async || Ok(listener.accept().await?.0);
    connections::serve(accept, Door::new(BOUNDS), move |request| {
        answer(request, Arc::clone(&answers))
    })
    .await;
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Answers>,
) -> Response<Either<Full<Bytes>, Stream>> {
    let is_get = *request.method() == Method::GET;
    let uri = request.uri();
    let (path, query) = (uri.path().to_owned(), uri.query().unwrap_or("").to_owned());
    if is_get && path == "/v1/watch" {
        return watch(&answers, &query);
    }
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
    let body = Either::Left(Bytes::from(body).into());
    response.body(body).unwrap_or_else(|_| nothing())
}

/// Lines from now on.
fn watch(answers: &Answers, query: &str) -> Response<Either<Full<Bytes>, Stream>> {
    let (stream, progress) = match answers.watch(query) {
        Ok(both) => both,
        Err((status, why)) => {
            let body = Either::Left(Bytes::from(format!("{why}\n")).into());
            let response = Response::builder().status(status);
            return response.body(body).unwrap_or_else(|_| nothing());
        }
    };
    let response = Response::builder()
        .header(http::header::CONTENT_TYPE, "application/x-ndjson")
        .extension(progress);
    let body = response.body(Either::Right(stream));
    body.unwrap_or_else(|_| nothing())
}

fn nothing() -> Response<Either<Full<Bytes>, Stream>> {
    Response::new(Either::Left(Full::default()))
}
