//! CRI as the kubelet speaks it: calls that wait for their answer.

use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tokio::runtime::Runtime;
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

/// A pod takes half a second; two cores may also run a compiler.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to containerd.
#[derive(Debug)]
pub(crate) struct Cri {
    runtime: Runtime,
    channel: Channel,
}

impl Cri {
    /// `None` while nobody listens there.
    pub(crate) fn connect(socket: &Path) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .expect("a socket's path")
            .timeout(PATIENCE);
        let channel = runtime.block_on(endpoint.connect()).ok()?;
        Some(Self { runtime, channel })
    }

    /// Calls a method of the runtime service, as `RunPodSandbox`.
    pub(crate) fn call<Q, A>(&self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = PathAndQuery::try_from(format!("/runtime.v1.RuntimeService/{method}"))
            .expect("a method's path");
        self.runtime.block_on(async {
            let mut client = Grpc::new(self.channel.clone());
            client.ready().await.expect("containerd listens");
            let answer = client.unary(Request::new(request), path, Plain(PhantomData));
            Ok(answer.await?.into_inner())
        })
    }

    /// A call that must succeed.
    pub(crate) fn done<Q, A>(&self, method: &str, request: Q) -> A
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.call(method, request)
            .unwrap_or_else(|status| panic!("{method}: {}", status.message()))
    }
}

/// Messages as prost writes and reads them.
struct Plain<Q, A>(PhantomData<(Q, A)>);

impl<Q, A> Codec for Plain<Q, A>
where
    Q: Message + 'static,
    A: Message + Default + 'static,
{
    type Encode = Q;
    type Decode = A;
    type Encoder = Plain<Q, A>;
    type Decoder = Plain<Q, A>;

    fn encoder(&mut self) -> Self::Encoder {
        Plain(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Plain(PhantomData)
    }
}

impl<Q: Message, A> Encoder for Plain<Q, A> {
    type Item = Q;
    type Error = Status;

    fn encode(&mut self, item: Q, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to).expect("a buffer that grows");
        Ok(())
    }
}

impl<Q, A: Message + Default> Decoder for Plain<Q, A> {
    type Item = A;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<A>, Status> {
        let answer = A::decode(from).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Some(answer))
    }
}
