//! Why a call was not sent. What went wrong with a call that was sent is told by `reqwest` itself.

use nacrite_client::discover::NoInstance;

/// Why a call to a service was not sent. Found in [`reqwest_middleware::Error::Middleware`], by `downcast_ref`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is nobody to send it to. Tells the service, its group, and what there is.
    #[error(transparent)]
    NoInstance(#[from] NoInstance),
    /// There can be no such service, or too many are followed.
    #[error("service {service:?} in group {group:?} cannot be called: {cause}")]
    Unusable {
        /// The name.
        service: String,
        /// The group.
        group: String,
        /// Why not.
        cause: nacrite_client::Error,
    },
    /// Nobody knows who is there, because no server has answered in time.
    #[error("service {service:?} in group {group:?} is not known: {cause}")]
    Unresolved {
        /// The name.
        service: String,
        /// The group.
        group: String,
        /// Why not.
        cause: nacrite_client::Error,
    },
    /// What was asked for is no address of a service.
    #[error("{0}")]
    BadAddress(String),
}

impl From<CallError> for reqwest_middleware::Error {
    fn from(error: CallError) -> Self {
        Self::middleware(error)
    }
}
