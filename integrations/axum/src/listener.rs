//! A listener whose connections are counted and can be cut.

use std::io;

use axum::serve::{Listener, ListenerExt as _, TapIo};
use nacrite_client::register::{Connections, Tracked};

/// What is served in place of a listener. It is a [`TapIo`], because axum knows the address of who asks
/// (`into_make_service_with_connect_info::<SocketAddr>()`) for its own listeners alone.
pub type TrackedListener<L> = TapIo<Counted<L>, fn(&mut Tracked<<L as Listener>::Io>)>;

/// A listener that counts its connections.
#[derive(Debug)]
pub struct Counted<L> {
    listener: L,
    connections: Connections,
}

impl<L: Listener> Listener for Counted<L> {
    type Io = Tracked<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (io, from) = self.listener.accept().await;
        (self.connections.track(io), from)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Counts the connections of a listener.
pub(crate) fn tracked<L: Listener>(listener: L, connections: Connections) -> TrackedListener<L> {
    let nothing: fn(&mut Tracked<L::Io>) = |_| {};
    Counted { listener, connections }.tap_io(nothing)
}
