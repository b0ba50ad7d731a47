//! What a client says and hears: the other direction of [`crate::rpc`] and [`crate::to_wire`].
//!
//! Requests are written from borrowed parts. Answers and pushes are read leniently: an unknown field is ignored, an absent
//! or `null` one takes its default, a scalar is converted ([`crate::lenient`]); servers omit nulls, and an error carries
//! none of the fields of success (`reference/client.md`, 1.1).

use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod config;
pub mod connection;
pub mod fuzzy;
pub mod lock;
pub mod naming;
pub mod nodes;

/// Part of a server that a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// The connection itself.
    Internal,
    /// Services and instances.
    Naming,
    /// Configs.
    Config,
    /// Locks.
    Lock,
}

impl Module {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Naming => "naming",
            Self::Config => "config",
            Self::Lock => "lock",
        }
    }
}

/// A request of a client.
pub trait Ask: Serialize {
    /// Type of the payload.
    const TYPE: &'static str;
    /// Who answers it.
    const MODULE: Module;
    /// What comes back when it went well.
    type Answer: Answer;

    /// Whether asking twice does what asking once does, so that it may be asked again if the answer was lost.
    fn is_repeatable(&self) -> bool {
        true
    }
}

/// An answer to a request.
pub trait Answer: DeserializeOwned + Default + Send {
    /// Type of the payload.
    const TYPE: &'static str;

    /// How it went.
    fn head(&self) -> Head<'_>;
}

/// What all answers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// 200 for success. An answer without one succeeded, as for Java's class.
    pub result_code: i64,
    /// Which failure.
    pub error_code: i64,
    /// The server's words about it.
    pub message: Option<&'a str>,
}

impl Head<'_> {
    /// Whether it went well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.result_code == crate::codes::result::SUCCESS as i64
    }
}

/// Declares an answer: its fields besides those of every answer.
macro_rules! answer {
    ($(#[$doc:meta])* $Name:ident { $($(#[$field_doc:meta])* $field:ident: $Field:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $Name {
            /// 200 for success.
            #[serde(deserialize_with = "crate::lenient::whole")]
            pub result_code: i64,
            /// Which failure.
            #[serde(deserialize_with = "crate::lenient::whole")]
            pub error_code: i64,
            /// The server's words about a failure.
            #[serde(deserialize_with = "crate::lenient::owned_text")]
            pub message: Option<Box<str>>,
            $($(#[$field_doc])* pub $field: $Field,)*
        }

        impl Default for $Name {
            fn default() -> Self {
                Self {
                    result_code: crate::codes::result::SUCCESS.into(),
                    error_code: 0,
                    message: None,
                    $($field: Default::default(),)*
                }
            }
        }

        impl $crate::client::Answer for $Name {
            const TYPE: &'static str = stringify!($Name);

            fn head(&self) -> $crate::client::Head<'_> {
                $crate::client::Head {
                    result_code: self.result_code,
                    error_code: self.error_code,
                    message: self.message.as_deref(),
                }
            }
        }
    };
}
pub(crate) use answer;

answer! {
    /// Why a request was refused before anybody looked into it, or failed while somebody did.
    ErrorResponse {}
}

/// What a client answers to a push. Which type it must be called, differs (`reference/grpc.md`, 3.9).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack<'a> {
    /// The id of the push.
    pub request_id: &'a str,
    /// 200 for success.
    pub result_code: i64,
    /// Which failure.
    pub error_code: i64,
    /// Whether it went well.
    pub success: bool,
    /// Words about a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

/// What every push carries.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PushHead {
    /// To be repeated in the answer.
    #[serde(deserialize_with = "crate::lenient::owned_text")]
    pub request_id: Option<Box<str>>,
}
