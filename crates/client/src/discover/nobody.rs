//! Why there is nobody to call, in words that name the service, its group and what was found.

use nacrite_base::ServiceKey;

/// Why no instance of a service can be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoInstance {
    /// No server has said yet who is there.
    #[error("service {} in group {}: no server has answered yet", .service.name, .service.group)]
    Unknown {
        /// Which service.
        service: ServiceKey,
    },
    /// There is none, or no such service.
    #[error("service {} in group {}: there is no instance", .service.name, .service.group)]
    Empty {
        /// Which service.
        service: ServiceKey,
    },
    /// There are some, and none of them is to be called.
    #[error(
        "service {} in group {}: none of {total} instances may be called: {unhealthy} not healthy, {disabled} switched off, \
         the others of weight 0",
        .service.name, .service.group
    )]
    NoneCallable {
        /// Which service.
        service: ServiceKey,
        /// How many there are.
        total: usize,
        /// How many of them do not work, as far as the server knows.
        unhealthy: usize,
        /// How many of them may get no traffic.
        disabled: usize,
    },
    /// All that may be called were tried.
    #[error("service {} in group {}: all of its instances were tried: {tried}", .service.name, .service.group)]
    AllTried {
        /// Which service.
        service: ServiceKey,
        /// How many were.
        tried: usize,
    },
}

impl NoInstance {
    /// Which service.
    #[must_use]
    pub const fn service(&self) -> &ServiceKey {
        match self {
            Self::Unknown { service }
            | Self::Empty { service }
            | Self::NoneCallable { service, .. }
            | Self::AllTried { service, .. } => service,
        }
    }
}
