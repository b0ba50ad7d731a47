//! What can go wrong for the caller of this crate: whose fault it is, and whether trying again is safe.

use std::fmt;
use std::time::Duration;

use crate::failure::ConnectFailure;

/// Why something was not done. [`Self::whose`] says who has to do something about it, [`Self::is_transient`] whether waiting
/// may be enough.
///
/// ```no_run
/// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::Error;
///
/// match configs.get("app.yaml").await {
///     Ok(Some(config)) => println!("{} bytes", config.content.len()),
///     Ok(None) => println!("there is none, which is no error"),
///     Err(Error::NotConnected(Some(failure))) => println!("at {}: {failure}", failure.server),
///     Err(error) if error.is_transient() => println!("later, perhaps: {error}"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for something that cannot be asked; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// There is no connection, and none came about in time.
    #[error("not connected{}", because(.0.as_ref()))]
    NotConnected(Option<ConnectFailure>),
    /// There was no answer in time. Whether it was done is not known.
    #[error("no answer within {} ms{}", .within.as_millis(), because(.last.as_deref()))]
    Deadline {
        /// How long was waited, over all attempts.
        within: Duration,
        /// How the last attempt failed.
        last: Option<Box<Error>>,
    },
    /// The connection broke before the answer. Whether it was done is not known.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Not allowed, also after a new login.
    #[error("not allowed: {0}")]
    Denied(String),
    /// The server did not log the user in, so nothing was asked in that name. Shows no password.
    #[error("the login of {user:?} was refused: {message}")]
    LoginRefused {
        /// Who was to be logged in.
        user: String,
        /// Whether the server takes no login of this user for a while, whatever the password: `true` for the statuses 423
        /// and 429, and where its words speak of a lock. Else name or password are wrong.
        is_locked: bool,
        /// The server's status and words.
        message: String,
    },
    /// Somebody else changed the config in between.
    #[error("the config was changed by someone else")]
    ConfigRaced,
    /// The config is being written at this moment; it can be read soon.
    #[error("the config is being written")]
    ConfigBeingWritten,
    /// The server is over one of its limits, or still starting.
    #[error("the server is busy: {0}")]
    Busy(String),
    /// The server cannot do this.
    #[error("the server does not support {0}")]
    Unsupported(String),
    /// The server refused, or failed.
    #[error("the server answered {code}: {message}")]
    Refused {
        /// Its number of the failure.
        code: i64,
        /// Its words.
        message: String,
    },
    /// The server's answer cannot be read.
    #[error("the answer cannot be read: {0}")]
    Undecodable(String),
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

/// Who has to do something about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller: the same call will fail again.
    Callers,
    /// The server.
    Servers,
    /// The way between.
    Network,
}

impl Error {
    /// Who has to do something about it.
    #[must_use]
    pub const fn whose(&self) -> Whose {
        match self {
            Self::Invalid(_)
            | Self::Denied(_)
            | Self::LoginRefused { .. }
            | Self::ConfigRaced
            | Self::Closed
            | Self::File { .. } => Whose::Callers,
            Self::NotConnected(_) | Self::Deadline { .. } | Self::Broken(_) => Whose::Network,
            Self::Busy(_)
            | Self::ConfigBeingWritten
            | Self::Unsupported(_)
            | Self::Refused { .. }
            | Self::Undecodable(_) => Whose::Servers,
        }
    }

    /// Whether the same call may well succeed later, without anybody doing anything about it.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotConnected(_)
                | Self::Deadline { .. }
                | Self::Broken(_)
                | Self::Busy(_)
                | Self::ConfigBeingWritten
                | Self::LoginRefused { is_locked: true, .. }
        )
    }
}

fn because<T: fmt::Display + ?Sized>(cause: Option<&T>) -> String {
    cause.map(|cause| format!(": {cause}")).unwrap_or_default()
}
