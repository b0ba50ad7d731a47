//! Locks (`reference/grpc.md`, 4.4).

use serde::Serialize;

use super::{Ask, Module, answer};
use crate::lenient;

/// The one kind of lock that servers know.
pub const KIND: &str = "NACOS_LOCK";

/// Operation of [`LockOperationRequest`].
pub const ACQUIRE: &str = "ACQUIRE";
/// Operation of [`LockOperationRequest`].
pub const RELEASE: &str = "RELEASE";

/// A lock, as a request names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockInstance<'a> {
    /// Name.
    pub key: &'a str,
    /// How long it is held if nobody releases it, in ms. Needed to acquire it.
    #[serde(rename = "expiredTime")]
    pub lease_ms: i64,
    /// [`KIND`].
    pub lock_type: &'a str,
}

/// Acquires or releases a lock.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LockOperationRequest<'a> {
    /// Which one.
    pub lock_instance: LockInstance<'a>,
    /// [`ACQUIRE`] or [`RELEASE`].
    #[serde(rename = "lockOperationEnum")]
    pub operation: &'a str,
}

answer! {
    /// How it went.
    LockOperationResponse {
        /// Whether it was acquired, or released.
        #[serde(deserialize_with = "lenient::truth")]
        result: bool,
    }
}

impl Ask for LockOperationRequest<'_> {
    const TYPE: &'static str = "LockOperationRequest";
    const MODULE: Module = Module::Lock;
    type Answer = LockOperationResponse;
}
