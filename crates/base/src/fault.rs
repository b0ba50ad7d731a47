//! Why a request was refused, in the words of the domain. No protocol, no number: `nacrite_wire::codes` has those.
//!
//! The texts are what a client reads, so they are the ones that Nacos sends where a recording shows one. What the log
//! must know and the client must not stands in [`Fault::Internal`].

use crate::caller::{Action, Area};
use crate::key::{ClientId, Kind, ServiceKey};
use crate::name::{ClusterName, NameError, TagError};

/// Any error, for causes that only the log reads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    // --- the request as such ---
    /// The server does not take requests yet, or no more.
    #[error("server is not ready: {reason}")]
    NotReady {
        /// What it waits for.
        reason: &'static str,
    },
    /// Nobody handles a request of this type.
    #[error("RequestHandler Not Found")]
    UnknownRequest,
    /// The connection never introduced itself, or was ejected.
    #[error("Connection is unregistered.")]
    Unregistered,
    /// A request that only nodes, or only clients, may send.
    #[error(" invoke {request} from {sender} is forbidden")]
    ForbiddenSender {
        /// The type of the request.
        request: String,
        /// Who sent it: `sdk` or `cluster`.
        sender: &'static str,
    },
    /// The body is not what the type of the request asks for.
    #[error("errCode: 101, errMsg: Nacos deserialize failed. {detail}")]
    Undecodable {
        /// What the decoder met, without any content.
        detail: String,
    },
    /// The body is `null`.
    #[error("Invalid request")]
    EmptyRequest,
    /// A known endpoint that this version does not serve yet.
    #[error("`{what}` is not served by this version of Nacrite")]
    NotServed {
        /// The method and the path.
        what: String,
    },
    /// More requests than a limit allows.
    #[error("over the limit of {limit}")]
    OverLimit {
        /// Which limit, with its number.
        limit: String,
    },
    /// The caller did not prove who it is, or may not do this.
    #[error("no permission to {action} {area}")]
    Denied {
        /// What it wanted to do.
        action: Action,
        /// Where.
        area: Area,
    },
    /// A parameter that must be there is not.
    #[error("Param '{name}' is required.")]
    ParamMissing {
        /// The parameter.
        name: &'static str,
    },
    /// A parameter has a value that it cannot have.
    #[error("{message}")]
    ParamInvalid {
        /// What is wrong with it, for the caller.
        message: String,
    },

    // --- names ---
    /// A name breaks a rule.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A port outside 0 to 65535.
    #[error("Param 'port' is illegal, the value should be between 0 and 65535.")]
    PortOutOfRange,

    // --- naming ---
    /// A registration without an instance.
    #[error("Instance can not be null.")]
    InstanceAbsent,
    /// Heart-beat settings that contradict each other.
    #[error("Instance 'heart beat interval' must less than 'heart beat timeout' and 'ip delete timeout'.")]
    BeatSettings,
    /// A cluster name that a single registration must not have.
    #[error("Instance 'clusterName' should be characters with only 0-9a-zA-Z-. (current: {cluster})")]
    ClusterNotPlain {
        /// The name as it was sent.
        cluster: String,
    },
    /// An operation that the request type does not know.
    #[error("Unsupported request type {given}")]
    UnsupportedOperation {
        /// The operation as it was sent.
        given: String,
    },
    /// Instances of the other kind live in the service.
    #[error(
        "errCode: 400, errMsg: Current service {} is {is} service, can't register {wanted} instance. ",
        service.grouped()
    )]
    WrongKind {
        /// The service.
        service: ServiceKey,
        /// What the service is.
        is: Kind,
        /// What was to be registered.
        wanted: Kind,
    },
    /// The connection did not introduce itself as one that registers or subscribes.
    #[error(
        "errCode: -401, errMsg: Client [{client}] connection already disconnect, can't register ephemeral instance. "
    )]
    NoNamingClient {
        /// The client of the connection.
        client: ClientId,
    },
    /// `preserved.instance.id.generator` names no generator.
    #[error("The InstanceIdGenerator type is not found ")]
    IdGeneratorUnknown,
    /// The service was never created, nor registered in.
    #[error("service not found, namespace: {}, serviceName: {}", service.namespace, service.grouped())]
    ServiceMissing {
        /// The service.
        service: ServiceKey,
    },
    /// A service of that name is there already.
    #[error("specified service {} already exists!", service.grouped())]
    ServiceExists {
        /// The service.
        service: ServiceKey,
    },
    /// A service that still has instances cannot be deleted.
    #[error("Service {} is not empty, can't be delete. Please unregister instance first", service.grouped())]
    ServiceNotEmpty {
        /// The service.
        service: ServiceKey,
    },
    /// Health is only set by hand where nothing checks it.
    #[error("health check is still working, service: {}, cluster: {cluster}", service.grouped())]
    HealthChecked {
        /// The service.
        service: ServiceKey,
        /// The cluster of the instance.
        cluster: ClusterName,
    },
    /// No such instance in the service.
    #[error("no matched ip found!")]
    InstanceMissing,

    // --- config ---
    /// The data id or the group is blank, or the content is.
    #[error("{what} : {given}")]
    ConfigFieldInvalid {
        /// What is wrong: `invalid dataId`, `invalid group`, `content is blank`.
        what: &'static str,
        /// The value as it was sent.
        given: String,
    },
    /// The content is longer than allowed.
    #[error("invalid content, over {len_max}")]
    ContentTooLong {
        /// Characters allowed.
        len_max: usize,
    },
    /// A tag breaks a rule.
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A descriptive field of a config is too long, or there are too many of it.
    #[error("too {much} {field}, over {max}")]
    AttributeOver {
        /// `long` or `much`.
        much: &'static str,
        /// The field.
        field: &'static str,
        /// What is allowed.
        max: usize,
    },
    /// There is no such config.
    #[error("config data not exist")]
    ConfigMissing,
    /// The config was changed by someone else since the caller read it.
    #[error("Cas publish fail, server md5 may have changed.")]
    ConfigRaced,
    /// A config has as many gray versions as it may have.
    #[error("gray config version is over max count :{max}")]
    GrayVersionsFull {
        /// How many it may have.
        max: usize,
    },
    /// There is no gray version of that name.
    #[error("gray version {name} does not exist")]
    GrayMissing {
        /// The name as it was sent.
        name: String,
    },

    // --- the server itself ---
    /// The disk, or a majority of disks, did not take the write. It may or may not have happened.
    #[error("the write could not be confirmed: {reason}")]
    NotDurable {
        /// Which step failed.
        reason: String,
    },
    /// Anything else. The client reads only this text; the log gets the cause.
    #[error("server error")]
    Internal {
        /// What happened.
        #[source]
        cause: BoxError,
    },
}

impl Fault {
    /// A fault whose cause only the log may see.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::Internal { cause: cause.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_fault_does_not_show_its_cause() {
        let fault = Fault::internal("password=secret");
        assert_eq!(fault.to_string(), "server error");
    }
}
