//! One call to a CRI socket that costs no more than a bounded time and memory,
//! whatever the other end does.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::DecodeError;
use prost::Message;
use prost::bytes::Buf as _;
use prost::bytes::BufMut as _;
use prost::bytes::Bytes;
use prost::encoding::DecodeContext;
use prost::encoding::WireType;
use tonic::Code;
use tonic::Request;
use tonic::Status;
use tonic::client::Grpc;
use tonic::codec::Codec;
use tonic::codec::DecodeBuf;
use tonic::codec::Decoder;
use tonic::codec::EncodeBuf;
use tonic::codec::Encoder;
use tonic::transport;
use tonic::transport::Channel;
use tonic::transport::Endpoint;

use crate::attempt::names;

/// A socket on the same host answers at once or not at all.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// containerd lists a thousand containers in some 50 ms.
const CALL_MAX: Duration = Duration::from_secs(2);
/// The limit of the kubelet's own CRI client.
const MESSAGE_MAX: usize = 16 << 20;
/// Items of a list that are taken; an item costs some 300 octets when decoded,
/// and as few as two in the message.
pub(super) const ITEMS_MAX: usize = 16_384;
/// Characters of somebody else's error text.
const ERROR_MAX: usize = 200;

#[derive(Debug)]
pub(super) enum Failure {
    /// There is a server, but it is no CRI.
    NotCri,
    /// Anything else, printable.
    Other(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCri => f.write_str("it does not speak CRI v1"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Failure {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let text = names::visible(bytes.get(..ERROR_MAX).unwrap_or(bytes));
        Self::Other(text)
    }

    fn not_in_time() -> Self {
        Self::new("it does not answer in time")
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::NotCri,
            Code::DeadlineExceeded | Code::Cancelled => Self::not_in_time(),
            _ => Self::new(status.message()),
        }
    }
}

impl From<transport::Error> for Failure {
    /// tonic says "transport error"; what it was comes below.
    fn from(error: transport::Error) -> Self {
        let mut last: &dyn std::error::Error = &error;
        while let Some(below) = last.source() {
            last = below;
        }
        Self::new(&last.to_string())
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(&error.to_string())
    }
}

/// Does it, or fails when the time is over.
async fn within<T>(
    limit: Duration,
    it: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = tokio::time::timeout(limit, it).await;
    done.unwrap_or_else(|_| Err(Failure::not_in_time()))
}

/// A connection for a few calls.
pub(super) struct Connection(Grpc<Channel>);

impl Connection {
    pub(super) async fn open(socket: &Path) -> Result<Self, Failure> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .map_err(|error| Failure::new(&error.to_string()))?
            .connect_timeout(CONNECT_MAX)
            .timeout(CALL_MAX);
        // The handshake of HTTP/2 has no limit of its own.
        let channel = within(CONNECT_MAX, async { Ok(endpoint.connect().await?) }).await?;
        let client = Grpc::new(channel).max_decoding_message_size(MESSAGE_MAX);
        Ok(Self(client))
    }

    /// A call of the service, and the message that answers it.
    pub(super) async fn call(
        &mut self,
        method: &'static str,
        request: &impl Message,
    ) -> Result<Bytes, Failure> {
        let path = PathAndQuery::from_static(method);
        let request = Request::new(request.encode_to_vec());
        within(CALL_MAX, async {
            self.0.ready().await?;
            Ok(self.0.unary(request, path, Octets).await?.into_inner())
        })
        .await
    }
}

/// Of a message only the list in field 1: up to [`ITEMS_MAX`] items; those beyond are
/// left out.
pub(super) fn items<T: Message + Default>(mut message: Bytes) -> Result<Vec<T>, DecodeError> {
    let mut items = Vec::new();
    while message.has_remaining() && items.len() < ITEMS_MAX {
        let (tag, wire_type) = prost::encoding::decode_key(&mut message)?;
        if (tag, wire_type) == (1, WireType::LengthDelimited) {
            items.push(T::decode_length_delimited(&mut message)?);
        } else {
            prost::encoding::skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
        }
    }
    Ok(items)
}

/// Messages as octets, so that an answer can be read in part.
struct Octets;

impl Codec for Octets {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Octets {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Octets {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
