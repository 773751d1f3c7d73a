//! Asks an agent, over its socket.

use std::future::Future as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::anyhow;
use anyhow::bail;
use http::Request;
use http_body_util::BodyExt as _;
use http_body_util::Empty;
use http_body_util::Limited;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Larger than any report.
const ANSWER_MAX: usize = 64 * 1024 * 1024;
/// An agent puts hours of windows together within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether somebody listens there, or it cannot be seen by this user.
pub fn is_there(socket: &Path) -> bool {
    use std::io::ErrorKind::ConnectionRefused;
    use std::io::ErrorKind::NotFound;
    let connected = std::os::unix::net::UnixStream::connect(socket);
    !connected.is_err_and(|error| matches!(error.kind(), NotFound | ConnectionRefused))
}

/// Asks for a path with its query. Returns the body, and what the verdict's exit code is if
/// there is one.
pub fn ask(socket: &Path, path: &str) -> Result<(Vec<u8>, Option<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the socket")?;
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, exchange(socket, path)).await })
        .map_err(|_| anyhow!("the agent at {} does not answer", socket.display()))?
}

/// Asks for what has no end, and hands on each part of it as it comes; returns when the agent
/// ends it.
pub fn follow(socket: &Path, path: &str, each: impl FnMut(&[u8])) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the socket")?
        .block_on(listen(socket, path, each))
}

async fn listen(socket: &Path, path: &str, mut each: impl FnMut(&[u8])) -> Result<()> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(http::header::HOST, "kerno")
        .body(Empty::<Bytes>::new())?;
    let parts = async {
        let mut answer = sender.send_request(request).await?;
        if answer.status() != http::StatusCode::OK {
            bail!("the agent says {}", answer.status());
        }
        while let Some(frame) = answer.frame().await {
            if let Some(data) = frame?.data_ref() {
                each(data);
            }
        }
        Ok(())
    };
    tokio::pin!(connection);
    tokio::pin!(parts);
    let mut is_over = false;
    std::future::poll_fn(|context| {
        // Its end is that of the parts, too.
        is_over = is_over || connection.as_mut().poll(context).is_ready();
        parts.as_mut().poll(context)
    })
    .await
}

async fn exchange(socket: &Path, path: &str) -> Result<(Vec<u8>, Option<u8>)> {
    let shown = socket.display();
    let stream = UnixStream::connect(socket).await.map_err(|error| {
        if error.kind() == std::io::ErrorKind::PermissionDenied {
            return anyhow!(
                "{shown} may be asked by root and the group kerno only: ask with sudo ({error})"
            );
        }
        anyhow!(
            "no agent can be asked at {shown} ({error}): start one as root with `kerno agent`, \
             or watch now with `kerno doctor`"
        )
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header(http::header::HOST, "kerno")
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_MAX).collect().await;
        let body = body.map_err(|error| anyhow!("the agent's answer: {error}"))?;
        Ok::<_, anyhow::Error>((head, body.to_bytes()))
    };
    tokio::pin!(connection);
    tokio::pin!(answer);
    let (head, body) = std::future::poll_fn(|context| {
        // Its end is the answer's end too.
        let _over = connection.as_mut().poll(context);
        answer.as_mut().poll(context)
    })
    .await?;
    if head.status != http::StatusCode::OK {
        bail!(
            "the agent at {shown}: {}",
            String::from_utf8_lossy(&body).trim()
        );
    }
    let code = head.headers.get(super::server::EXIT_CODE);
    let code = code.and_then(|code| code.to_str().ok()?.parse().ok());
    Ok((body.to_vec(), code))
}
