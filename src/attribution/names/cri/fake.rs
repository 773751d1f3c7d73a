//! A CRI server for tests: one that answers, and several that are broken or evil.

use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use h2::server::SendResponse;
use http::Response;
use prost::bytes::Bytes;

/// A container as the server tells of it, with its pod.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
}

/// What it does with a call.
#[derive(Clone, Debug)]
pub(crate) enum Manner {
    /// Answers with these.
    Answers(Vec<Told>),
    /// Takes the connection and says nothing, not even as HTTP/2.
    Mute,
    /// Takes the call and never answers.
    Hangs,
    /// Announces a message of a gigabyte and sends zeros for as long as anybody
    /// reads.
    Floods,
    /// Sends millions of empty items.
    Crowds,
    /// Sends what is no HTTP/2.
    Babbles,
    /// Sends what is no message.
    Garbles,
    /// Does not know the service, as a containerd without CRI.
    KnowsNothing,
}

/// A running server, which ends with the process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) socket: PathBuf,
    calls: Arc<AtomicUsize>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("cri.sock");
        let calls = Arc::new(AtomicUsize::new(0));
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        let counted = Arc::clone(&calls);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let (manner, counted) = (manner.clone(), Arc::clone(&counted));
                thread::spawn(move || serve(stream, &manner, &counted));
            }
        });
        Self {
            socket,
            calls,
            _folder: folder,
        }
    }

    /// Calls that were taken.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }
}

fn serve(mut stream: std::os::unix::net::UnixStream, manner: &Manner, calls: &AtomicUsize) {
    match manner {
        Manner::Mute => while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {},
        Manner::Babbles => while stream.write_all(&[b'x'; 4096]).is_ok() {},
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            stream.set_nonblocking(true).expect("a socket");
            // The client may break off at any point.
            let _broken = runtime.block_on(serve_http(stream, manner, calls));
        }
    }
}

async fn serve_http(
    stream: std::os::unix::net::UnixStream,
    manner: &Manner,
    calls: &AtomicUsize,
) -> Result<(), h2::Error> {
    let stream = tokio::net::UnixStream::from_std(stream).expect("a socket");
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(call) = connection.accept().await {
        let (request, respond) = call?;
        calls.fetch_add(1, Ordering::Relaxed);
        let path = request.uri().path().to_owned();
        let mut body = request.into_body();
        let manner = manner.clone();
        // The connection must be looked after meanwhile.
        tokio::spawn(async move {
            let mut asked = Vec::new();
            while let Some(Ok(part)) = body.data().await {
                let _room = body.flow_control().release_capacity(part.len());
                asked.extend(part);
            }
            let _broken = answer(respond, &manner, &path, &asked).await;
        });
    }
    Ok(())
}

async fn answer(
    mut respond: SendResponse<Bytes>,
    manner: &Manner,
    path: &str,
    asked: &[u8],
) -> Result<(), h2::Error> {
    let head = || Response::builder().header("content-type", "application/grpc");
    let message = match manner {
        Manner::Answers(_) if path.ends_with("/Version") => field(2, b"cri-o"),
        Manner::Answers(told) => list(told, path, asked),
        Manner::Garbles => vec![0xff; 1000],
        Manner::Crowds => [0x0a, 0x00].repeat(4 << 20),
        Manner::Hangs => {
            std::future::pending::<()>().await;
            return Ok(());
        }
        Manner::KnowsNothing => {
            let head = head().header("grpc-status", "12");
            let head = head.header("grpc-message", "unknown service runtime.v1.RuntimeService");
            respond.send_response(head.body(()).expect("a head"), true)?;
            return Ok(());
        }
        Manner::Floods => {
            let mut body = respond.send_response(head().body(()).expect("a head"), false)?;
            send(&mut body, vec![0, 0x40, 0, 0, 0]).await?;
            loop {
                send(&mut body, vec![0; 1 << 16]).await?;
            }
        }
        Manner::Mute | Manner::Babbles => unreachable!("not by HTTP/2"),
    };
    let mut body = respond.send_response(head().body(()).expect("a head"), false)?;
    let len = u32::try_from(message.len())
        .expect("below 4 GB")
        .to_be_bytes();
    send(&mut body, [&[0], &len[..], &message].concat()).await?;
    let mut trailers = http::HeaderMap::new();
    trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
    body.send_trailers(trailers)
}

/// No faster than the client reads.
async fn send(body: &mut h2::SendStream<Bytes>, octets: Vec<u8>) -> Result<(), h2::Error> {
    let mut rest = Bytes::from(octets);
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        let room = std::future::poll_fn(|context| body.poll_capacity(context)).await;
        let Some(room) = room.transpose()? else {
            return Ok(());
        };
        body.send_data(rest.split_to(room.min(rest.len())), false)?;
    }
    Ok(())
}

/// `ListContainersResponse` or `ListPodSandboxResponse`. The filter is the id,
/// wherever it stands in the request.
fn list(told: &[Told], path: &str, asked: &[u8]) -> Vec<u8> {
    let wants =
        |id: &str| asked.len() <= 5 || asked.windows(id.len()).any(|part| part == id.as_bytes());
    let sandbox = |it: &Told| format!("sandbox-of-{}", it.id);
    let mut message = Vec::new();
    for it in told {
        let item = if path.ends_with("/ListContainers") && wants(&it.id) {
            let metadata = field(1, it.name.as_bytes());
            let labels = field(8, b"\x0a\x01k\x12\x01v");
            [
                field(1, it.id.as_bytes()),
                field(2, sandbox(it).as_bytes()),
                field(3, &metadata),
                labels,
            ]
        } else if path.ends_with("/ListPodSandbox") && wants(&sandbox(it)) {
            let metadata = [
                field(1, it.pod.as_bytes()),
                field(2, it.uid.as_bytes()),
                field(3, it.namespace.as_bytes()),
            ];
            let id = field(1, sandbox(it).as_bytes());
            [id, field(2, &metadata.concat()), Vec::new(), Vec::new()]
        } else {
            continue;
        };
        message.extend(field(1, &item.concat()));
    }
    message
}

/// A length-delimited field of a protobuf message.
fn field(number: u8, octets: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut len = octets.len();
    while len >= 0x80 {
        field.push(u8::try_from(len & 0x7f).expect("seven bits") | 0x80);
        len >>= 7;
    }
    field.push(u8::try_from(len).expect("seven bits"));
    field.extend(octets);
    field
}
