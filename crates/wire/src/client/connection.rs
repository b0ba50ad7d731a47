//! About the connection itself (`reference/grpc.md`, 3 and 4.1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Ask, Module, answer};
use crate::lenient;

/// The first question on a connection: what are you?
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerCheckRequest {}

answer! {
    /// The server is there.
    ServerCheckResponse {
        /// The server's name of the connection.
        #[serde(deserialize_with = "lenient::owned_text")]
        connection_id: Option<Box<str>>,
        /// Whether it answers the setup with its abilities. Older servers and others do not.
        #[serde(deserialize_with = "lenient::truth")]
        support_ability_negotiation: bool,
    }
}

impl Ask for ServerCheckRequest {
    const TYPE: &'static str = "ServerCheckRequest";
    const MODULE: Module = Module::Internal;
    type Answer = ServerCheckResponse;
}

/// Is the connection still known?
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HealthCheckRequest {}

answer! {
    /// It is.
    HealthCheckResponse {}
}

impl Ask for HealthCheckRequest {
    const TYPE: &'static str = "HealthCheckRequest";
    const MODULE: Module = Module::Internal;
    type Answer = HealthCheckResponse;
}

/// The first message on the stream: who the client is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionSetupRequest<'a> {
    /// Program and version, as in `Nacos-Rust-Client:v0.1.0`.
    pub client_version: &'a str,
    /// Namespace of a config client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    /// What the client says about itself.
    pub labels: &'a BTreeMap<String, String>,
    /// Present if the client wants to hear of the server's abilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ability_table: Option<&'a BTreeMap<&'static str, bool>>,
}

impl ConnectionSetupRequest<'_> {
    /// Type of the payload.
    pub const TYPE: &'static str = "ConnectionSetupRequest";
}

/// The server's answer to the setup. It is not answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SetupAckRequest {
    /// What the server can do; what is absent is not known.
    #[serde(deserialize_with = "lenient::truths")]
    pub ability_table: BTreeMap<Box<str>, bool>,
}

/// The client is to go elsewhere.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectResetRequest {
    /// Address of the other server.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub server_ip: Option<Box<str>>,
    /// Its main port.
    #[serde(deserialize_with = "lenient::owned_text")]
    pub server_port: Option<Box<str>>,
}
