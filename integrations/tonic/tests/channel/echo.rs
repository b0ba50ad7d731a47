//! The service of these tests, as a generator would write it: one method of each kind, and a client.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{BoxStream, Stream, StreamExt as _, TryStreamExt as _};
use http::uri::PathAndQuery;
use http_body_util::BodyExt as _;
use nacrite_tonic::Channel;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::server::{ClientStreamingService, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{Code, IntoRequest, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower_service::Service;

pub(crate) const SAY: &str = "/test.Echo/Say";
pub(crate) const COUNT: &str = "/test.Echo/Count";
pub(crate) const GATHER: &str = "/test.Echo/Gather";

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
    /// What becomes of the next calls, before the service sees them.
    pub(crate) orders: Mutex<VecDeque<Order>>,
    /// What every call said about the attempts before it.
    pub(crate) previous: Mutex<Vec<Option<String>>>,
    /// What `Say` was told.
    pub(crate) said: Mutex<Vec<String>>,
}

/// What becomes of a call.
#[derive(Debug)]
pub(crate) enum Order {
    /// The service sees it.
    Pass,
    /// It fails with a status alone, and with this word about coming back.
    Fail(Code, Option<&'static str>),
    /// Its answer begins, and fails then.
    Break(Code),
    /// It is refused as if nobody had seen it.
    Refuse,
    /// A piece of its request is read, and it fails then with a status alone.
    Taste(Code),
    /// It is not answered.
    Ignore,
}

impl Script {
    /// The next calls fail with this status.
    pub(crate) fn fail(&self, count: usize, code: Code) {
        self.order((0..count).map(|_| Order::Fail(code, None)));
    }

    pub(crate) fn order(&self, orders: impl IntoIterator<Item = Order>) {
        self.orders.lock().extend(orders);
    }

    /// What the calls said about the attempts before them, one after the other.
    pub(crate) fn previous(&self) -> Vec<Option<String>> {
        self.previous.lock().clone()
    }
}

/// Carries out what is ordered; `None` if the service is to see the call.
async fn ordered(order: Order, request: &mut Body) -> Option<Result<http::Response<Body>, h2::Error>> {
    Some(match order {
        Order::Pass => return None,
        Order::Fail(code, pushback) => {
            let mut status = Status::new(code, "as it was told");
            if let Some(pushback) = pushback {
                status.metadata_mut().insert("grpc-retry-pushback-ms", pushback.parse().expect("a value"));
            }
            Ok(status.into_http())
        }
        Order::Break(code) => {
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from(code as i32));
            let frames = futures_util::stream::iter([Ok::<_, Status>(http_body::Frame::trailers(trailers))]);
            let mut answer = http::Response::new(Body::new(http_body_util::StreamBody::new(frames)));
            let grpc = http::HeaderValue::from_static("application/grpc");
            answer.headers_mut().insert(http::header::CONTENT_TYPE, grpc);
            Ok(answer)
        }
        Order::Taste(code) => {
            request.frame().await.expect("a frame").expect("no error");
            Ok(Status::new(code, "as it was told").into_http())
        }
        Order::Refuse => Err(h2::Reason::REFUSED_STREAM.into()),
        Order::Ignore => std::future::pending().await,
    })
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
            let text = request.into_inner().text;
            script.said.lock().push(text.clone());
            match text.as_str() {
                "fail" => Err(Status::failed_precondition("as it was told")),
                _ if *script.is_broken.borrow() => Err(Status::internal("it is broken")),
                // It has read the request.
                text if text.starts_with("fail") => Err(Status::unavailable("as it was told")),
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

struct Gather(Arc<Script>);

impl ClientStreamingService<Words> for Gather {
    type Response = Words;
    type Future = BoxFuture<'static, Result<Response<Words>, Status>>;

    fn call(&mut self, request: Request<Streaming<Words>>) -> Self::Future {
        let script = Arc::clone(&self.0);
        Box::pin(async move {
            let words: Vec<Words> = request.into_inner().try_collect().await?;
            let text = words.into_iter().map(|words| words.text).collect::<String>();
            script.said.lock().push(text.clone());
            Ok(Response::new(Words { text }))
        })
    }
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = h2::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        if request.uri().path().starts_with("/grpc.health.v1.Health/")
            && let Some(health) = &mut self.health
        {
            return health.call(request).map(|answer| answer.map_err(|never| match never {})).boxed();
        }
        let script = Arc::clone(&self.script);
        script.metadata.send_replace(request.headers().clone());
        script.authority.send_replace(request.uri().authority().map(ToString::to_string).unwrap_or_default());
        let previous = request.headers().get("grpc-previous-rpc-attempts").and_then(|count| count.to_str().ok());
        script.previous.lock().push(previous.map(str::to_owned));
        script.calls.send_modify(|calls| *calls += 1);
        let order = script.orders.lock().pop_front().unwrap_or(Order::Pass);
        Box::pin(async move {
            if let Some(answer) = ordered(order, request.body_mut()).await {
                return answer;
            }
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                SAY => grpc.unary(Say(script), request).await,
                GATHER => grpc.client_streaming(Gather(script), request).await,
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

    /// All that was said, in one.
    pub(crate) async fn gather<S>(&mut self, words: S) -> Result<String, Failed>
    where
        S: Stream<Item = Words> + Send + 'static,
    {
        self.0.ready().await?;
        let codec = ProstCodec::<Words, Words>::default();
        let path = PathAndQuery::from_static(GATHER);
        Ok(self.0.client_streaming(Request::new(words), path, codec).await?.into_inner().text)
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
