//! The clients of the server: they come, introduce themselves, are asked and told things, and go.

use std::sync::Arc;
use std::time::Duration;

use nacrite_base::{ConnectionId, Fault};
use tracing::{debug, info};

use super::App;
use crate::connections::{Connection, Introduction, Listener, Registered};
use crate::control::Mode;
use crate::moving::{Order, Share};
use crate::push::outbox::{Answer, Control, Redirect};

impl App {
    /// A connection was accepted.
    pub fn connected(&self, connection: &Connection) {
        self.metrics.connections_opened.inc();
        debug!(connection = %connection.id, remote = %connection.remote, "connection accepted");
    }

    /// Why no client is let in now; `None` if they are. Clients that are in already are served all the same.
    #[must_use]
    pub fn takes_clients(&self) -> Option<&'static str> {
        match (self.tasks.is_stopping(), self.drain.is_draining()) {
            (true, _) => Some("it is stopping"),
            (false, true) => Some("it hands its clients to other servers"),
            (false, false) => None,
        }
    }

    /// The client behind a connection introduced itself.
    ///
    /// # Errors
    /// Why it is not let in, in words for the client; its connection is to be closed.
    pub fn introduce(&self, connection: &Arc<Connection>, introduction: Introduction) -> Result<(), String> {
        let negotiates = introduction.negotiates;
        let is_client = connection.listener == Listener::Clients && !connection.is_registered();
        if let Some(reason) = self.takes_clients().filter(|_| is_client) {
            self.metrics.refused(if self.tasks.is_stopping() { "stopping" } else { "draining" }, "intercept");
            return Err(format!("the server takes no clients: {reason}"));
        }
        match self.connections.register(connection, introduction) {
            Registered::Now => debug!(connection = %connection.id, "connection registered"),
            Registered::Before => {}
            Registered::Above(over) => {
                self.metrics.refused(over.name(), Mode::Monitor.name());
                debug!(connection = %connection.id, %over, "connection above a limit that is only watched");
            }
            Registered::Refused(over) => {
                self.metrics.refused(over.name(), Mode::Intercept.name());
                debug!(connection = %connection.id, %over, "connection refused");
                return Err(format!("the server takes no more clients: {over}"));
            }
        }
        if negotiates {
            // A client that already has more messages waiting than it reads is not helped by one more.
            connection.outbox.control(Control::SetupAck, None).ok();
        }
        Ok(())
    }

    /// A connection ended: whatever its client had goes, or is held for a moment.
    pub fn disconnected(&self, connection: &Connection) {
        self.connections.unregister(&connection.id);
        self.acks.gone(connection);
        connection.outbox.close();
        self.listeners.drop_connection(&connection.id);
        self.service_watch.drop_connection(&connection.id);
        self.config_watch.drop_connection(&connection.id);
        self.shards.connection_lost(connection, self.guard.end_of(connection));
        debug!(connection = %connection.id, "connection ended");
    }

    /// Tells a client to go elsewhere. Nothing happens if it is not here. Does not wait for the answer: the client
    /// decides (recorded: `conn-reset-no-ack`).
    pub fn reset(&self, id: &ConnectionId, redirect: Option<Redirect>) {
        if let Some(connection) = self.connections.get(id) {
            info!(connection = %id, ?redirect, "client told to go elsewhere");
            // A client that takes no messages cannot be told; detection will find it.
            connection.outbox.control(Control::Reset(redirect), None).ok();
        }
    }

    /// Tells clients to go elsewhere until at most `keep` are left, so many per second. Returns how many have to go. A
    /// server that hands over all its clients goes on with that.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] for a redirect address that names no port.
    pub fn reload(&self, keep: usize, redirect: Option<&str>) -> Result<usize, Fault> {
        let redirect = redirect.map(Redirect::parse).transpose()?.flatten();
        let surplus = self.connections.sdk_len().saturating_sub(keep);
        if surplus > 0 && !self.drain.is_draining() {
            let shares = redirect.into_iter().map(|to| Share { to, count: surplus }).collect();
            self.balance.mover().order(Order { keep, shares, per_second: None });
        }
        Ok(surplus)
    }

    /// Asks a client something, and waits for the answer.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if the client does not answer in time, or is gone.
    pub async fn ask(&self, connection: &Connection, question: Control, within: Duration) -> Result<Answer, Fault> {
        let no_answer = || Fault::ParamInvalid { message: format!("no answer from {} in time", connection.id) };
        let (tell, told) = tokio::sync::oneshot::channel();
        connection.outbox.control(question, Some(tell)).map_err(|_| no_answer())?;
        match tokio::time::timeout(within, told).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(no_answer()),
        }
    }
}
