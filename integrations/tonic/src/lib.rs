//! gRPC services that register themselves, and channels that follow a registry.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use nacrite_tonic::Channel;
//!
//! let client = nacrite_client::Client::builder().servers("nacos-1:8848,nacos-2:8848").build()?;
//! let channel = Channel::builder("nacos:///orders?group=SHOP").nacos(&client).build()?;
//! let mut grpc = tonic::client::Grpc::new(channel); // Or the client that was generated for the service.
//! # let _: &mut tonic::client::Grpc<Channel> = &mut grpc;
//! # Ok(())
//! # }
//! ```
//!
//! | Where | What |
//! |---|---|
//! | [`Channel`], [`ChannelBuilder`] | calls to a service by its name |
//! | [`ResolverFactory`], [`Updates`] | from a target to endpoints; a scheme of one's own |
//! | [`balance`] | policies, service configs, retries, ejection |
//! | [`serve`] | services that register themselves |

mod channel;
mod clock;
mod resolver;
pub mod serve;
mod target;
mod tasks;
mod transport;

pub use channel::{
    AttemptContext, BuildError, CallCredentials, CallHash, CallHead, Channel, ChannelBuilder, ChannelMetrics,
    ChannelSettings, ChannelState, ConfigLookup, CredentialsOver, EndpointState, FailFast, Interceptor, ResponseBody,
    ResponseFuture, WaitForReady,
};
pub use nacrite_balance as balance;
pub use nacrite_balance::{Connectivity, Endpoint};
pub use resolver::{
    DnsResolver, NacosResolver, Resolution, ResolverFactory, ResolverRegistry, StaticResolver, Updates,
};
pub use target::{Target, TargetError};
pub use transport::{ChannelTls, KeepAliveWhileIdle, TlsError, TransportSettings};
