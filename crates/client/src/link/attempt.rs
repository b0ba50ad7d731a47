//! One attempt to be let in by one server: reach it, ask what it is, introduce oneself, wait until it has taken note.
//!
//! Whatever fails here, fails this attempt alone, and leaves nothing open behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use nacrite_wire::client::connection::{
    ConnectionSetupRequest, ServerCheckRequest, ServerCheckResponse, SetupAckRequest,
};
use nacrite_wire::json;
use nacrite_wire::payload::{Outgoing, Payload};
use tokio::time::timeout;
use tokio_util::sync::DropGuard;
use tracing::warn;

use crate::failure::{ConnectFailure, Layer};
use crate::link::connection::{self, Said};
use crate::link::phase::Health;
use crate::server::ServerAddress;
use crate::session::{Abilities, Stopwatch};
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;
use crate::transport::{CallError, Channel, Stream, Target};

/// Program and version, in the form that servers take apart.
const CLIENT_VERSION: &str = concat!("Nacos-Rust-Client:v", env!("CARGO_PKG_VERSION"));

/// What this client can do, in Nacos's names.
const ABILITIES: [(&str, bool); 1] = [("fuzzyWatch", true)];

/// What all attempts of a link have in common.
pub(super) struct Introduction {
    pub(super) tenant: Option<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) tls: Arc<TlsSetup>,
    pub(super) settings: LinkSettings,
    pub(super) tasks: Tasks,
}

/// A server has let us in.
pub(super) struct LetIn {
    pub(super) channel: Channel,
    pub(super) stream: Stream,
    pub(super) abilities: Abilities,
}

impl Introduction {
    /// Tries one server. `watch` takes the time of each step.
    ///
    /// # Errors
    /// How far it came and what happened there.
    pub(super) async fn to(
        &self,
        server: &ServerAddress,
        first: Option<IpAddr>,
        last: Option<IpAddr>,
        watch: &mut Stopwatch,
    ) -> Result<LetIn, ConnectFailure> {
        let target = Target { server, first, last, tls: &self.tls, settings: &self.settings };
        let channel = Channel::connect(target, &self.tasks, watch).await?;
        // Closes the connection on every way out but the last.
        let guard: DropGuard = channel.close.clone().drop_guard();
        let failure = |(layer, cause)| ConnectFailure { server: server.clone(), layer, cause };
        let checked = self.check(&channel).await;
        watch.lap(Layer::Handshake);
        let checked = checked.map_err(failure)?;
        let introduced = self.introduce(&channel, &checked).await;
        watch.lap(Layer::Rejected);
        let (stream, abilities) = introduced.map_err(failure)?;
        guard.disarm();
        Ok(LetIn { channel, stream, abilities })
    }

    /// Asks what the server is.
    async fn check(&self, channel: &Channel) -> Result<ServerCheckResponse, (Layer, String)> {
        let within = self.settings.server_check_within;
        let called = timeout(within, channel.call(connection::outgoing(&ServerCheckRequest {}, channel))).await;
        // Before it has begun to speak HTTP/2, whatever happens is about that.
        let blame = |cause: String| match channel.complaint() {
            Some(complaint) => (Layer::Http2, format!("{complaint} ({cause})")),
            None => (Layer::Handshake, cause),
        };
        let message = match called {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => return Err(blame(in_words(error))),
            Err(_) => return Err(blame(format!("no answer within {} ms", within.as_millis()))),
        };
        match connection::read(&message) {
            Said::Done(checked) => Ok(checked),
            Said::Error(code, words) | Said::Failed(code, words) => {
                Err((Layer::Rejected, format!("it answers {code}: {words}")))
            }
            Said::Undecodable(cause) => Err((Layer::Handshake, cause)),
        }
    }

    /// Introduces us, and waits until the server has taken note.
    async fn introduce(
        &self,
        channel: &Channel,
        checked: &ServerCheckResponse,
    ) -> Result<(Stream, Abilities), (Layer, String)> {
        let negotiates = checked.support_ability_negotiation;
        let within = self.settings.negotiation_within;
        let in_time = timeout(within, async {
            let mut stream = channel.stream().await.map_err(|error| (Layer::Handshake, in_words(error)))?;
            stream.say(self.setup(channel, negotiates)).await.map_err(rejected)?;
            let abilities = if negotiates {
                acknowledged(&mut stream).await.map_err(rejected)?
            } else {
                self.taken_in(channel, &mut stream).await.map_err(rejected)?;
                Abilities::default()
            };
            Ok((stream, abilities))
        });
        in_time.await.unwrap_or_else(|_| Err((Layer::Rejected, format!("not let in within {} ms", within.as_millis()))))
    }

    fn setup(&self, channel: &Channel, negotiates: bool) -> Outgoing {
        let abilities = BTreeMap::from(ABILITIES);
        let setup = ConnectionSetupRequest {
            client_version: CLIENT_VERSION,
            tenant: self.tenant.as_deref(),
            labels: &self.labels,
            ability_table: negotiates.then_some(&abilities),
        };
        let local_ip = Arc::clone(&channel.local_ip);
        Outgoing::request(ConnectionSetupRequest::TYPE, local_ip, json::bytes(&setup).into())
    }

    /// Waits until a server that says nothing about it has taken us in: a pause, then questions until it knows us. What
    /// it pushes meanwhile is about nothing that was asked for.
    async fn taken_in(&self, channel: &Channel, stream: &mut Stream) -> Result<(), String> {
        let asked = async {
            loop {
                tokio::time::sleep(self.settings.setup_pause.max(Duration::from_millis(1))).await;
                match connection::check(channel).await {
                    Ok(Health::Unregistered) => {}
                    Ok(Health::Good) => return Ok(()),
                    Ok(Health::Bad(cause)) => return Err(cause),
                    Err(error) => return Err(in_words(error)),
                }
            }
        };
        tokio::select! {
            biased;
            ended = until_end(stream) => Err(ended),
            asked = asked => asked,
        }
    }
}

/// Waits for what the server says it can do.
async fn acknowledged(stream: &mut Stream) -> Result<Abilities, String> {
    loop {
        let message = stream.next().await?;
        let Ok(payload) = Payload::decode(&message) else { continue };
        match payload.wire_type {
            "SetupAckRequest" => {
                let ack = json::read::<SetupAckRequest>(payload.body).unwrap_or_else(|error| {
                    // It is let in, and that is what matters; abilities that cannot be read are not known.
                    warn!(%error, "the server's abilities cannot be read");
                    SetupAckRequest::default()
                });
                return Ok(ack.ability_table.into());
            }
            "ConnectResetRequest" => return Err("the server sends its clients elsewhere".to_owned()),
            _ => {}
        }
    }
}

async fn until_end(stream: &mut Stream) -> String {
    loop {
        match stream.next().await {
            Ok(_) => {}
            Err(cause) => return cause,
        }
    }
}

fn rejected(cause: String) -> (Layer, String) {
    (Layer::Rejected, cause)
}

fn in_words(error: CallError) -> String {
    match error {
        CallError::Unsent(cause)
        | CallError::Unread(cause)
        | CallError::Broken(cause)
        | CallError::Undecodable(cause) => cause,
        CallError::Interrupted(cause) if cause.is_empty() => "it is not available".to_owned(),
        CallError::Interrupted(cause) => cause,
        CallError::Unimplemented(cause) => format!("it speaks gRPC, but not Nacos's: {cause}"),
        CallError::Status { code, message } => format!("gRPC status {code}: {message}"),
    }
}
