//! One call to a CRI socket that costs no more than a bounded time and memory,
//! whatever the other end does.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
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
use tonic::transport::Channel;
use tonic::transport::Endpoint;

use super::messages::VersionResponse;
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

/// Why a call gave nothing.
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

    fn of(status: &Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::NotCri,
            Code::DeadlineExceeded | Code::Cancelled => Self::new("it does not answer in time"),
            _ => Self::new(status.message()),
        }
    }
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
        match tokio::time::timeout(CONNECT_MAX, endpoint.connect()).await {
            Ok(Ok(channel)) => {
                let client = Grpc::new(channel).max_decoding_message_size(MESSAGE_MAX);
                Ok(Self(client))
            }
            Ok(Err(error)) => Err(Failure::new(&cause(&error))),
            Err(_) => Err(Failure::new("it does not answer in time")),
        }
    }

    /// A call of the service.
    pub(super) async fn call<A: Answer>(
        &mut self,
        method: &'static str,
        request: &impl Message,
    ) -> Result<A, Failure> {
        let path = PathAndQuery::from_static(method);
        let request = Request::new(request.encode_to_vec());
        let call = async {
            self.0.ready().await.map_err(|error| cause(&error))?;
            Ok::<_, String>(self.0.unary(request, path, Octets).await)
        };
        let response = match tokio::time::timeout(CALL_MAX, call).await {
            Ok(Ok(response)) => response.map_err(|status| Failure::of(&status))?,
            Ok(Err(error)) => return Err(Failure::new(&error)),
            Err(_) => return Err(Failure::new("it does not answer in time")),
        };
        A::read(response.into_inner()).map_err(|error| Failure::new(&error.to_string()))
    }
}

/// tonic says "transport error"; what it was comes below.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(below) = last.source() {
        last = below;
    }
    last.to_string()
}

/// What is read of an answer.
pub(super) trait Answer: Sized {
    fn read(from: Bytes) -> Result<Self, prost::DecodeError>;
}

impl Answer for VersionResponse {
    fn read(from: Bytes) -> Result<Self, prost::DecodeError> {
        Self::decode(from)
    }
}

/// A message of which only the list in field 1 counts: up to [`ITEMS_MAX`] items;
/// those beyond are left out.
impl<T: Message + Default> Answer for Vec<T> {
    fn read(mut from: Bytes) -> Result<Self, prost::DecodeError> {
        let mut items = Self::new();
        while from.has_remaining() && items.len() < ITEMS_MAX {
            let (tag, wire_type) = prost::encoding::decode_key(&mut from)?;
            if (tag, wire_type) == (1, WireType::LengthDelimited) {
                items.push(T::decode_length_delimited(&mut from)?);
            } else {
                prost::encoding::skip_field(wire_type, tag, &mut from, DecodeContext::default())?;
            }
        }
        Ok(items)
    }
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
