//! The socket: one task sends what is due, one takes what comes back.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nacrite_app::App;
use nacrite_app::push::datagrams::{Due, client_at};
use nacrite_wire::push_packet::{self, PACKET_LEN_MAX};
use tokio::net::UdpSocket;
use tracing::debug;

use crate::rendered::{self, Packet};

/// Bytes of an acknowledgement that are looked at; the rest is cut off by the system. One of a list has some sixty. A
/// longer one is that of a dump, which nobody asked for.
const ACK_LEN_MAX: usize = 2048;

/// After an error, receiving waits this long: an error that stays must not become a circle.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Opens the socket of a server that listens on `bind`. Port 0 is any that is free.
///
/// Clients name the address by which others reach them, also on the machine of a server that listens on loopback alone.
/// From a loopback address their acknowledgements would come back under another name, so that such a server sends from
/// whatever address the system chooses. It takes nothing there but acknowledgements of what it sent.
///
/// # Errors
/// The port is taken, or not allowed.
pub fn bind(bind: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let from = match bind {
        IpAddr::V4(v4) if v4.is_loopback() => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(v6) if v6.is_loopback() => Ipv6Addr::UNSPECIFIED.into(),
        other => other,
    };
    let socket = std::net::UdpSocket::bind((from, port))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// From now on tells clients over `socket`, until the server stops.
///
/// # Errors
/// The system does not say where the socket is.
pub fn start(app: &Arc<App>, socket: UdpSocket) -> io::Result<()> {
    let (local, socket) = (socket.local_addr()?, Arc::new(socket));
    app.datagrams.open(local);
    let (taker, receiver) = (Arc::clone(app), Arc::clone(&socket));
    app.tasks.spawn(async move { receive(&taker, &receiver).await });
    let teller = Arc::clone(app);
    app.tasks.spawn(async move {
        send(&teller, &socket, local).await;
        teller.datagrams.close();
    });
    Ok(())
}

async fn send(app: &App, socket: &UdpSocket, local: SocketAddr) {
    // Marks of an earlier run must not be those of this one, and JavaScript must be able to write them.
    let mut marks = app.clock.now().as_ms()..;
    loop {
        let due = tokio::select! {
            biased;
            () = app.tasks.stopping() => return,
            due = app.datagrams.next() => due,
        };
        // The present, not what was the present when the service changed; nothing for who no longer asks.
        let Some((view, subscription)) = app.naming.shards().view_for(&client_at(due.to), &due.service) else {
            continue;
        };
        let packet = rendered::packet(&view, &subscription.clusters, || marks.next().unwrap_or_default());
        if app.datagrams.is_under_way(&due, packet.mark) {
            continue;
        }
        send_one(app, socket, local, due, &packet, view.changed_at).await;
    }
}

async fn send_one(
    app: &App,
    socket: &UdpSocket,
    local: SocketAddr,
    due: Due,
    packet: &Packet,
    changed_at: nacrite_base::Timestamp,
) {
    if packet.bytes.len() > PACKET_LEN_MAX {
        app.metrics.udp.too_long.inc();
        debug!(service = %due.service, len = packet.bytes.len(), "the list does not fit into a packet");
        return;
    }
    match socket.send_to(&packet.bytes, reached_from(local, due.to)).await {
        Ok(_) => app.datagrams.sent(due, packet.mark, changed_at),
        Err(error) => {
            debug!(to = %due.to, service = %due.service, %error, "a packet was not sent");
            app.datagrams.failed(due);
        }
    }
}

/// An address as a socket at `local` writes it: one of the newer family writes the older in its own way.
fn reached_from(local: SocketAddr, to: SocketAddr) -> SocketAddr {
    match to.ip() {
        IpAddr::V4(v4) if local.is_ipv6() => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
        _ => to,
    }
}

async fn receive(app: &App, socket: &UdpSocket) {
    let mut packet = vec![0; ACK_LEN_MAX];
    loop {
        let received = tokio::select! {
            biased;
            () = app.tasks.stopping() => return,
            received = socket.recv_from(&mut packet) => received,
        };
        match received {
            Ok((len, from)) => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                let mark = push_packet::acknowledged(&packet[..len]);
                if !mark.is_some_and(|mark| app.datagrams.acknowledged(from, mark)) {
                    debug!(%from, ?mark, "not an acknowledgement that is waited for");
                }
            }
            Err(error) => {
                debug!(%error, "receiving over UDP");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_family_reaches_the_older() {
        let (v4, v6): (SocketAddr, SocketAddr) = (([10, 0, 0, 9], 5).into(), (Ipv6Addr::LOCALHOST, 5).into());
        let written = |local: &str, to| reached_from(local.parse().expect("an address"), to).to_string();
        assert_eq!(written("0.0.0.0:1", v4), "10.0.0.9:5");
        assert_eq!(written("[::]:1", v4), "[::ffff:10.0.0.9]:5");
        assert_eq!(written("[::]:1", v6), "[::1]:5");
    }
}
