//! A channel to a service: built once, cloned freely, used as the transport of generated clients.
//!
//! A call runs through `call` (interceptors, deadline), `attempts` (what is tried again) and `attempt` (pick, send), and looks
//! at nothing but the present `view`. The `driver` owns everything that changes and makes views. Neither locks the other out.

mod attempt;
mod attempts;
mod body;
mod builder;
mod call;
mod driver;
mod failure;
mod health;
mod intercept;
mod lengths;
mod metrics;
mod outcome;
mod rules;
mod settings;
mod state;
mod view;
mod way;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::uri::Authority;
use http::{HeaderValue, Request, Response};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;

pub use body::ResponseBody;
pub use builder::{BuildError, ChannelBuilder};
pub use call::{CallHash, FailFast, WaitForReady};
pub use intercept::{AttemptContext, CallCredentials, CallHead, CredentialsOver, Interceptor};
pub use metrics::ChannelMetrics;
pub use rules::ConfigLookup;
pub use settings::ChannelSettings;
pub use state::{ChannelState, EndpointState};

use crate::tasks::Tasks;
use attempts::Budget;
use intercept::Secrets;
use metrics::{IN_ORDER, Meter};
use view::View;

/// How long tasks may take to end after the calls did, or were cut: they only have to notice.
const TASKS_END_WITHIN: Duration = Duration::from_secs(1);

/// What calls and the driver share.
struct Shared {
    view: ArcSwap<View>,
    /// There is a new view.
    changed: Notify,
    /// The driver has something to look at.
    nudge: Arc<Notify>,
    /// The driver is to end.
    over: CancellationToken,
    /// New calls are refused.
    closing: AtomicBool,
    /// The last call has ended while the channel was closing.
    drained: Notify,
    state: watch::Sender<ChannelState>,
    meter: Meter,
    tasks: Tasks,
    /// What is kept of requests, so that they can be sent again.
    kept: Arc<Budget>,
    interceptors: Box<[Arc<dyn Interceptor>]>,
    secrets: Option<Secrets>,
    authority: Authority,
    user_agent: HeaderValue,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl Shared {
    fn is_closing(&self) -> bool {
        self.closing.load(IN_ORDER)
    }

    fn call_ended(&self) {
        self.meter.call_ended();
        if self.is_closing() {
            self.drained.notify_waiters();
        }
    }
}

/// Ends the driver when nobody can call any more. Calls that are under way hold it too.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.over.cancel();
    }
}

/// A channel to a service. Cheap to clone; clones share everything. Dropping the last one closes its connections when the
/// calls that are under way have ended.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use nacrite_tonic::Channel;
///
/// let channel = Channel::builder("nacos:///orders?group=SHOP").nacos(&client).build()?;
/// let mut grpc = tonic::client::Grpc::new(channel.clone()); // Or the client that was generated for the service.
/// # let _: &mut tonic::client::Grpc<Channel> = &mut grpc;
/// println!("{:?}", channel.state().borrow().endpoints);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Channel(Arc<Handle>);

impl Channel {
    /// Begins to describe a channel to `target`: `nacos:///service?group=G&cluster=C`, `dns:///host:port`,
    /// `static:///host:port,host:port`, or a scheme of one's own.
    pub fn builder(target: impl Into<String>) -> ChannelBuilder {
        ChannelBuilder::new(target.into())
    }

    /// Begins to find endpoints and to connect, as the first call would. Returns at once.
    pub fn connect(&self) {
        self.shared().nudge.notify_one();
    }

    /// How the channel is doing, to be looked at or to be watched.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ChannelState> {
        self.shared().state.subscribe()
    }

    /// What the channel has counted.
    #[must_use]
    pub fn metrics(&self) -> ChannelMetrics {
        self.shared().meter.counted()
    }

    /// Refuses new calls, waits until those under way have ended, at most `within`, and closes the connections. What has not
    /// ended by then is cut. Returns whether everything ended by itself.
    pub async fn shutdown(&self, within: Duration) -> bool {
        let shared = self.shared();
        shared.closing.store(true, IN_ORDER);
        let drained = async {
            loop {
                let mut drained = std::pin::pin!(shared.drained.notified());
                drained.as_mut().enable();
                if shared.meter.in_flight() == 0 {
                    return;
                }
                drained.await;
            }
        };
        let is_drained = tokio::time::timeout(within, drained).await.is_ok();
        shared.over.cancel();
        shared.tasks.stop_now();
        shared.tasks.ended(TASKS_END_WITHIN).await && is_drained
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0.shared
    }
}

/// An answer on its way.
#[must_use = "a call is made when it is awaited"]
pub struct ResponseFuture(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Status>> + Send>>);

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl tower_service::Service<Request<Body>> for Channel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = ResponseFuture;

    /// Always: waiting for an endpoint is part of the call, so that its deadline covers it.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        ResponseFuture(Box::pin(call::run(self.clone(), request)))
    }
}
