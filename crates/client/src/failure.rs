//! Why a connection did not come about, layer by layer, in words that say what to do.

use std::fmt;

use crate::server::ServerAddress;

/// How far an attempt to connect came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Finding the address that goes with the name.
    Resolve,
    /// Reaching the port.
    Tcp,
    /// Agreeing on keys.
    Tls,
    /// Speaking HTTP/2.
    Http2,
    /// Asking what server it is, and introducing oneself.
    Handshake,
    /// Being let in.
    Rejected,
    /// Proving who one is.
    Login,
    /// It stood, and was lost.
    Lost,
}

/// Why an attempt to connect failed. Shown in words that name host, port and step:
///
/// ```
/// use nacrite_client::{ConnectFailure, Layer};
///
/// let failure = ConnectFailure {
///     server: "10.0.0.7:8848".parse()?,
///     layer: Layer::Tcp,
///     cause: "Connection refused".to_owned(),
/// };
/// let shown = "10.0.0.7:9848 cannot be reached: Connection refused (gRPC's port is the main port 8848 + 1000)";
/// assert_eq!(failure.to_string(), shown);
/// # Ok::<(), nacrite_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectFailure {
    /// Which server.
    pub server: ServerAddress,
    /// How far it came.
    pub layer: Layer,
    /// What happened there.
    pub cause: String,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, layer, cause } = self;
        let (host, grpc_port) = (server.host(), server.grpc_port());
        match layer {
            Layer::Resolve => write!(f, "the name {host} is not known: {cause}"),
            // HTTP, or gRPC on the main port: there is no second port to explain.
            Layer::Tcp if grpc_port == server.port() => write!(f, "{host}:{grpc_port} cannot be reached: {cause}"),
            Layer::Tcp => write!(
                f,
                "{host}:{grpc_port} cannot be reached: {cause} (gRPC's port is the main port {} + {})",
                server.port(),
                i32::from(grpc_port) - i32::from(server.port())
            ),
            Layer::Tls => write!(f, "TLS with {host}:{grpc_port} failed: {cause}"),
            Layer::Http2 => write!(f, "{host}:{grpc_port} does not speak HTTP/2: {cause}"),
            Layer::Handshake => {
                write!(f, "{host}:{grpc_port} is reached, but does not answer as a Nacos server: {cause}")
            }
            Layer::Rejected => write!(f, "{host}:{grpc_port} refused the connection: {cause}"),
            Layer::Lost => write!(f, "the connection to {host}:{grpc_port} was lost: {cause}"),
            Layer::Login => write!(f, "logging in at {host}:{} failed: {cause}", server.port()),
        }
    }
}
