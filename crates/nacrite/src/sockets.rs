//! The ports of a server, taken before anything else, so that a taken port is said at once and nothing was touched.

use std::io;
use std::net::{IpAddr, SocketAddr};

use anyhow::anyhow;
use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use crate::settings::Settings;

/// Connections that wait to be accepted. A storm of reconnecting clients must not be refused; the system caps it.
const BACKLOG: u32 = 4096;

/// Every listening socket.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub http: TcpListener,
    pub clients: TcpListener,
    /// Only with an identity.
    pub nodes: Option<TcpListener>,
    /// Only if clients are told over UDP.
    pub udp: Option<UdpSocket>,
}

impl Sockets {
    /// Takes the ports.
    ///
    /// # Errors
    /// One line that names the port and what it is for.
    pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let ports = settings.ports();
        let nodes = settings.app.identity.is_some();
        Ok(Self {
            http: listen(settings.bind, ports.http, "HTTP")?,
            clients: listen(settings.bind, ports.clients, "gRPC for clients")?,
            nodes: nodes.then(|| listen(settings.bind, ports.nodes, "gRPC for nodes")).transpose()?,
            udp: settings.udp_enabled.then(|| send_from(settings.bind, settings.udp_port)).transpose()?,
        })
    }
}

fn send_from(address: IpAddr, port: u16) -> anyhow::Result<UdpSocket> {
    nacrite_udp::bind(address, port)
        .map_err(|error| anyhow!("cannot send over UDP from port {port}: {error}; choose another with udp.port"))
}

fn listen(address: IpAddr, port: u16, purpose: &str) -> anyhow::Result<TcpListener> {
    let at = SocketAddr::new(address, port);
    try_listen(at).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "port {port} for {purpose} is taken by another program on {address}; end it, or choose other ports with \
             --http-port or --port-offset"
        ),
        io::ErrorKind::PermissionDenied => {
            anyhow!("port {port} for {purpose} is not allowed to this user; choose another with --http-port")
        }
        io::ErrorKind::AddrNotAvailable => {
            anyhow!("{address} is no address of this machine; choose another with --bind")
        }
        _ => anyhow!("cannot listen on {at} for {purpose}: {error}"),
    })
}

fn try_listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server takes its port back at once, though closed connections linger on it.
    socket.set_reuseaddr(true)?;
    socket.bind(at)?;
    socket.listen(BACKLOG)
}
