//! One call to a CRI socket that costs no more than a bounded time and memory,
//! whatever the other end does.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use prost::bytes::Buf as _;
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
    pub(super) async fn call<Q, A>(
        &mut self,
        method: &'static str,
        request: Q,
    ) -> Result<A, Failure>
    where
        Q: Message + 'static,
        A: Answer + 'static,
    {
        let path = PathAndQuery::from_static(method);
        let call = async {
            self.0.ready().await.map_err(|error| cause(&error))?;
            let codec = Plain(PhantomData);
            let response = self.0.unary(Request::new(request), path, codec).await;
            Ok::<_, String>(response)
        };
        match tokio::time::timeout(CALL_MAX, call).await {
            Ok(Ok(Ok(response))) => Ok(response.into_inner()),
            Ok(Ok(Err(status))) => Err(Failure::of(&status)),
            Ok(Err(error)) => Err(Failure::new(&error)),
            Err(_) => Err(Failure::new("it does not answer in time")),
        }
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
pub(super) trait Answer: Send + Sync + Sized {
    fn read(from: &mut DecodeBuf<'_>) -> Result<Self, prost::DecodeError>;
}

impl Answer for VersionResponse {
    fn read(from: &mut DecodeBuf<'_>) -> Result<Self, prost::DecodeError> {
        Self::decode(from)
    }
}

/// A message of which only the list in field 1 counts: up to [`ITEMS_MAX`] items;
/// those beyond are left out.
impl<T: Message + Default> Answer for Vec<T> {
    fn read(from: &mut DecodeBuf<'_>) -> Result<Self, prost::DecodeError> {
        let mut items = Self::new();
        while from.has_remaining() && items.len() < ITEMS_MAX {
            let (tag, wire_type) = prost::encoding::decode_key(from)?;
            if (tag, wire_type) == (1, WireType::LengthDelimited) {
                items.push(T::decode_length_delimited(&mut *from)?);
            } else {
                prost::encoding::skip_field(wire_type, tag, from, DecodeContext::default())?;
            }
        }
        // tonic takes what is left for the next message.
        from.advance(from.remaining());
        Ok(items)
    }
}

/// A request and its answer, as prost writes and reads them.
struct Plain<Q, A>(PhantomData<(Q, A)>);

impl<Q, A> Codec for Plain<Q, A>
where
    Q: Message + 'static,
    A: Answer + 'static,
{
    type Encode = Q;
    type Decode = A;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(PhantomData)
    }

    fn decoder(&mut self) -> Self {
        Self(PhantomData)
    }
}

impl<Q: Message, A> Encoder for Plain<Q, A> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, item: Q, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl<Q, A: Answer> Decoder for Plain<Q, A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        A::read(from)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
