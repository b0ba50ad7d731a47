//! The service of these tests, as a generator would write it: one method of each kind, and a client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use http::uri::PathAndQuery;
use nacrite_tonic::Channel;
use tokio::sync::{Semaphore, watch};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{IntoRequest, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

pub(crate) const SAY: &str = "/test.Echo/Say";
pub(crate) const COUNT: &str = "/test.Echo/Count";

/// What is asked and answered.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Words {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl Words {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }
}

/// A status that can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Failed(Status);

impl From<Status> for Failed {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl std::ops::Deref for Failed {
    type Target = Status;

    fn deref(&self) -> &Status {
        &self.0
    }
}

impl PartialEq for Failed {
    fn eq(&self, other: &Self) -> bool {
        (self.code(), self.message()) == (other.code(), other.message())
    }
}

/// What a server answers with, and what it saw.
#[derive(Debug)]
pub(crate) struct Script {
    /// Says who answered.
    pub(crate) name: String,
    /// One more message of `Count` goes out for each permit.
    pub(crate) counting: Semaphore,
    /// `Say` waits while this is true.
    pub(crate) is_silent: watch::Sender<bool>,
    /// `Say` fails while this is true.
    pub(crate) is_broken: watch::Sender<bool>,
    /// Calls that came.
    pub(crate) calls: watch::Sender<usize>,
    /// Metadata of the last call.
    pub(crate) metadata: watch::Sender<http::HeaderMap>,
    pub(crate) authority: watch::Sender<String>,
}

/// The service, beside the health service of gRPC if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Echo {
    pub(crate) script: Arc<Script>,
    pub(crate) health: Option<Routes>,
}

struct Say(Arc<Script>);

impl UnaryService<Words> for Say {
    type Response = Words;
    type Future = BoxFuture<'static, Result<Response<Words>, Status>>;

    fn call(&mut self, request: Request<Words>) -> Self::Future {
        let script = Arc::clone(&self.0);
        Box::pin(async move {
            let mut silent = script.is_silent.subscribe();
            silent.wait_for(|silent| !silent).await.expect("the script lives");
            match request.into_inner().text.as_str() {
                "fail" => Err(Status::failed_precondition("as it was told")),
                _ if *script.is_broken.borrow() => Err(Status::internal("it is broken")),
                _ => Ok(Response::new(Words { text: script.name.clone() })),
            }
        })
    }
}

struct Count(Arc<Script>);

impl ServerStreamingService<Words> for Count {
    type Response = Words;
    type ResponseStream = BoxStream<'static, Result<Words, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<Words>) -> Self::Future {
        let script = Arc::clone(&self.0);
        let counting = futures_util::stream::unfold(0_u32, move |number| {
            let script = Arc::clone(&script);
            async move {
                script.counting.acquire().await.ok()?.forget();
                (number < 3).then(|| (Ok(Words::new(&number.to_string())), number + 1))
            }
        });
        Box::pin(async move { Ok(Response::new(counting.boxed())) })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path().starts_with("/grpc.health.v1.Health/")
            && let Some(health) = &mut self.health
        {
            return health.call(request).boxed();
        }
        let script = Arc::clone(&self.script);
        script.metadata.send_replace(request.headers().clone());
        script.authority.send_replace(request.uri().authority().map(ToString::to_string).unwrap_or_default());
        script.calls.send_modify(|calls| *calls += 1);
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                SAY => grpc.unary(Say(script), request).await,
                COUNT => grpc.server_streaming(Count(script), request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        })
    }
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct EchoClient(Grpc<Channel>);

impl EchoClient {
    pub(crate) fn new(channel: &Channel) -> Self {
        Self(Grpc::new(channel.clone()))
    }

    /// Who answers.
    pub(crate) async fn say(&mut self, request: impl IntoRequest<Words>) -> Result<String, Failed> {
        self.0.ready().await?;
        let codec = ProstCodec::<Words, Words>::default();
        let answer = self.0.unary(request.into_request(), PathAndQuery::from_static(SAY), codec).await?;
        Ok(answer.into_inner().text)
    }

    pub(crate) async fn count(&mut self) -> Result<Streaming<Words>, Failed> {
        self.0.ready().await?;
        let codec = ProstCodec::<Words, Words>::default();
        let request = Request::new(Words::default());
        let answer = self.0.server_streaming(request, PathAndQuery::from_static(COUNT), codec).await?;
        Ok(answer.into_inner())
    }
}

/// Calls without anything special.
pub(crate) async fn say(channel: &Channel) -> Result<String, Failed> {
    EchoClient::new(channel).say(Words::default()).await
}

/// The next message, or the end.
pub(crate) async fn next(
    stream: &mut (impl Stream<Item = Result<Words, Status>> + Unpin),
) -> Option<Result<String, Failed>> {
    let next = std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await;
    next.map(|words| Ok(words?.text))
}
