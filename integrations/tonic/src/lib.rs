//! gRPC services that register themselves, and channels that follow a registry.

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
