//! The only file that knows Nacos's numbers: what each fault is on gRPC and over HTTP.
//!
//! This file is one shape repeated, a number per fault, and may be as long as there are faults. Each odd number names
//! the recording that proves it.

use nacrite_base::{Fault, NameError};

use crate::http::refusal::Refusal;

/// `resultCode` of an answer.
pub mod result {
    /// It was done.
    pub const SUCCESS: i32 = 200;
    /// It was not.
    pub const FAIL: i32 = 500;
}

/// `errorCode` of an answer, and of a fault that a handler throws also `resultCode`.
pub mod rpc {
    /// A client could not deal with a push.
    pub const CLIENT_ERROR: i32 = -500;
    /// The connection has no naming client behind it.
    pub const CLIENT_DISCONNECT: i32 = -401;
    /// The server is starting; in a config query: there is no such config.
    pub const INVALID_SERVER_STATUS: i32 = 300;
    /// There is no such config.
    pub const CONFIG_NOT_FOUND: i32 = 300;
    /// The connection is not registered; clients reconnect.
    pub const UN_REGISTER: i32 = 301;
    /// Nobody handles the type.
    pub const NO_HANDLER: i32 = 302;
    /// A parameter is wrong.
    pub const INVALID_PARAM: i32 = 400;
    /// Not allowed; clients log in anew.
    pub const NO_RIGHT: i32 = 403;
    /// There is no such thing.
    pub const NOT_FOUND: i32 = 404;
    /// The server failed.
    pub const SERVER_ERROR: i32 = 500;
    /// The server cannot do this.
    pub const NOT_IMPLEMENTED: i32 = 501;
    /// The body is broken, or the sender is the wrong one.
    pub const BAD_GATEWAY: i32 = 502;
    /// Over a limit.
    pub const OVER_THRESHOLD: i32 = 503;
    /// As many patterns are watched as may be; this one is not.
    pub const FUZZY_PATTERNS_FULL: i32 = 50310;
    /// The pattern matches more services than are told; it is watched all the same.
    pub const FUZZY_MATCHES_FULL: i32 = 50311;
}

/// `code` in the body of a v2 or v3 answer, with the text that goes with it.
pub mod body {
    /// A code and its text.
    pub type Code = (i32, &'static str);

    /// It was done.
    pub const SUCCESS: Code = (0, "success");
    /// A parameter is not there.
    pub const PARAMETER_MISSING: Code = (10000, "parameter missing");
    /// Not allowed.
    pub const ACCESS_DENIED: Code = (10001, "access denied");
    /// The storage failed.
    pub const DATA_ACCESS_ERROR: Code = (10002, "data access error");
    /// A parameter is wrong.
    pub const PARAMETER_VALIDATE_ERROR: Code = (20002, "parameter validate error");
    /// The body has a type that is not read here.
    pub const MEDIA_TYPE_ERROR: Code = (20003, "MediaType Error");
    /// There is no such thing.
    pub const RESOURCE_NOT_FOUND: Code = (20004, "resource not found");
    /// Somebody else was faster.
    pub const RESOURCE_CONFLICT: Code = (20005, "resource conflict");
    /// As many gray versions as there may be.
    pub const GRAY_OVER_MAX: Code = (20010, "config gray version version over max count");
    /// A weight outside 0 to 10,000.
    pub const WEIGHT_ERROR: Code = (21001, "weight error");
    /// Metadata that cannot be read.
    pub const INSTANCE_METADATA_ERROR: Code = (21002, "instance metadata error");
    /// There is no such instance.
    pub const INSTANCE_NOT_FOUND: Code = (21003, "instance not found");
    /// Something is wrong with the instance.
    pub const INSTANCE_ERROR: Code = (21004, "instance error");
    /// A service of that name is there.
    pub const SERVICE_ALREADY_EXIST: Code = (21007, "service already exist");
    /// There is no such service.
    pub const SERVICE_NOT_EXIST: Code = (21008, "service not exist");
    /// The service cannot be deleted.
    pub const SERVICE_DELETE_FAILURE: Code = (21009, "service delete failure");
    /// A selector that cannot be read.
    pub const SELECTOR_ERROR: Code = (21006, "selector error");
    /// A namespace that must not be.
    pub const ILLEGAL_NAMESPACE: Code = (22000, "illegal namespace");
    /// There is no such namespace.
    pub const NAMESPACE_NOT_EXIST: Code = (22001, "namespace not exist");
    /// A namespace of that id is there.
    pub const NAMESPACE_ALREADY_EXIST: Code = (22002, "namespace already exist");
    /// A member of the cluster cannot be so.
    pub const ILLEGAL_STATE: Code = (23000, "illegal state");
    /// The server failed.
    pub const SERVER_ERROR: Code = (30000, "server error");
    /// The server does not do this.
    pub const API_FUNCTION_DISABLED: Code = (40001, "API function disabled.");
}

/// Numbers in the JSON of a heart-beat's answer.
pub mod beat {
    /// The beat counted.
    pub const OK: i32 = 10200;
    /// The instance is not known; register again.
    pub const NOT_FOUND: i32 = 20404;
}

/// How a fault is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// HTTP status.
    pub http: u16,
    /// `code` and text in a v2 or v3 body.
    pub body: body::Code,
    /// `errorCode` on gRPC.
    pub rpc: i32,
    /// Who refused, which decides the shape of the answer.
    pub refused_by: RefusedBy,
}

/// Who refused a request; gRPC answers each in its own shape (`reference/grpc.md`, 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedBy {
    /// Nobody looked at the request: `ErrorResponse`, `resultCode` 500.
    Dispatcher,
    /// A check before the handler: the declared response type, `resultCode` 500.
    Filter,
    /// The handler: `ErrorResponse` with `resultCode` = `errorCode`, unless it answers with its own type.
    Handler,
}

/// What the parameter check says before the text of its fault, on gRPC.
pub const PARAM_CHECK_PREFIX: &str = "Param check invalid:";

/// The numbers of a fault. No `_` arm: a new fault compiles only with its numbers.
#[must_use]
pub fn codes(fault: &Fault) -> Codes {
    use RefusedBy::{Dispatcher, Filter, Handler};
    let (http, body, rpc, refused_by) = match fault {
        Fault::NotReady { .. } => (503, body::SERVER_ERROR, rpc::INVALID_SERVER_STATUS, Dispatcher),
        Fault::UnknownRequest => (404, body::RESOURCE_NOT_FOUND, rpc::NO_HANDLER, Dispatcher),
        Fault::Unregistered => (400, body::SERVER_ERROR, rpc::UN_REGISTER, Dispatcher),
        Fault::ForbiddenSender { .. } => (403, body::ACCESS_DENIED, rpc::BAD_GATEWAY, Dispatcher),
        Fault::Undecodable { .. } | Fault::EmptyRequest => {
            (400, body::PARAMETER_VALIDATE_ERROR, rpc::BAD_GATEWAY, Dispatcher)
        }
        Fault::NotServed { .. } => (501, body::API_FUNCTION_DISABLED, rpc::NOT_IMPLEMENTED, Handler),
        Fault::OverLimit { .. } => (503, body::SERVER_ERROR, rpc::OVER_THRESHOLD, Filter),
        Fault::Denied { .. } => (403, body::ACCESS_DENIED, rpc::NO_RIGHT, Filter),
        // `config-invalid-keys`: a query without a data id is the server's failure.
        Fault::ParamMissing { .. } => (400, body::PARAMETER_MISSING, rpc::SERVER_ERROR, Handler),
        Fault::ParamInvalid { .. } => (400, body::PARAMETER_VALIDATE_ERROR, rpc::SERVER_ERROR, Handler),

        // `naming-invalid-names`: a blank name passes the parameter check and fails in the handler.
        Fault::Name(NameError::Blank { .. }) => (400, body::PARAMETER_VALIDATE_ERROR, rpc::SERVER_ERROR, Handler),
        Fault::Name(NameError::TooLong { .. } | NameError::IllegalCharacters { .. }) | Fault::PortOutOfRange => {
            (400, body::PARAMETER_VALIDATE_ERROR, rpc::INVALID_PARAM, Filter)
        }

        Fault::InstanceAbsent | Fault::BeatSettings | Fault::ClusterNotPlain { .. } => {
            (400, body::INSTANCE_ERROR, rpc::INVALID_PARAM, Handler)
        }
        Fault::UnsupportedOperation { .. } | Fault::WrongKind { .. } | Fault::HealthChecked { .. } => {
            (400, body::SERVER_ERROR, rpc::INVALID_PARAM, Handler)
        }
        Fault::NoNamingClient { .. } => (400, body::SERVER_ERROR, rpc::CLIENT_DISCONNECT, Handler),
        Fault::IdGeneratorUnknown => (500, body::SERVER_ERROR, rpc::SERVER_ERROR, Handler),
        Fault::ServiceMissing { .. } => (400, body::SERVICE_NOT_EXIST, rpc::INVALID_PARAM, Handler),
        Fault::ServiceExists { .. } => (400, body::SERVICE_ALREADY_EXIST, rpc::INVALID_PARAM, Handler),
        Fault::ServiceNotEmpty { .. } => (400, body::SERVICE_DELETE_FAILURE, rpc::INVALID_PARAM, Handler),
        Fault::InstanceMissing => (404, body::RESOURCE_NOT_FOUND, rpc::NOT_FOUND, Handler),

        Fault::ConfigFieldInvalid { .. } | Fault::ContentTooLong { .. } => {
            (400, body::PARAMETER_VALIDATE_ERROR, rpc::INVALID_PARAM, Handler)
        }
        // `config-tag-invalid`, `config-addition-limits`: over gRPC these are failures of the server.
        Fault::Tag(_) | Fault::AttributeOver { .. } => {
            (400, body::PARAMETER_VALIDATE_ERROR, rpc::SERVER_ERROR, Handler)
        }
        Fault::ConfigMissing => (404, body::RESOURCE_NOT_FOUND, rpc::CONFIG_NOT_FOUND, Handler),
        // `config-cas`: a lost compare-and-set is 500, not 409.
        Fault::ConfigRaced => (500, body::RESOURCE_CONFLICT, rpc::SERVER_ERROR, Handler),
        Fault::GrayVersionsFull { .. } => (500, body::GRAY_OVER_MAX, rpc::SERVER_ERROR, Handler),
        Fault::GrayMissing { .. } => (404, body::RESOURCE_NOT_FOUND, rpc::SERVER_ERROR, Handler),

        Fault::NotDurable { .. } => (500, body::DATA_ACCESS_ERROR, rpc::SERVER_ERROR, Handler),
        Fault::Internal { .. } => (500, body::SERVER_ERROR, rpc::SERVER_ERROR, Handler),
    };
    Codes { http, body, rpc, refused_by }
}

/// How a refusal is told over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpCodes {
    /// Status.
    pub status: u16,
    /// `code` and text in a v2 or v3 body.
    pub body: body::Code,
}

/// The numbers of a refusal. No `_` arm, as for [`codes`].
#[must_use]
pub fn http(refusal: &Refusal) -> HttpCodes {
    let (status, body) = match refusal {
        Refusal::Fault(fault) => {
            let Codes { http, body, .. } = codes(fault);
            (http, body)
        }

        Refusal::BodyTooLong { .. } => (413, body::PARAMETER_VALIDATE_ERROR),
        Refusal::BodyLate { .. } => (408, body::PARAMETER_VALIDATE_ERROR),
        Refusal::BodiesFull => (503, body::SERVER_ERROR),
        Refusal::BodyBroken | Refusal::Undecodable | Refusal::TooManyParams { .. } => {
            (400, body::PARAMETER_VALIDATE_ERROR)
        }
        Refusal::MediaTypeUnread { .. } => (400, body::MEDIA_TYPE_ERROR),

        Refusal::NotBound { .. } | Refusal::FieldMissing { .. } | Refusal::BodyMissing => {
            (400, body::PARAMETER_MISSING)
        }
        // `v2/ns-instance-errors`: a value of the wrong type is the server's failure.
        Refusal::Unbindable { .. } => (500, body::SERVER_ERROR),
        Refusal::NumberExpected { .. } | Refusal::PageNegative { .. } | Refusal::PageNotPositive { .. } => {
            (400, body::PARAMETER_VALIDATE_ERROR)
        }

        Refusal::ServiceNameFiltered { .. }
        | Refusal::ServiceNameUngrouped { .. }
        | Refusal::BeatUnreadable
        | Refusal::InstancesUnreadable => (400, body::PARAMETER_VALIDATE_ERROR),
        Refusal::WeightOutOfRange => (400, body::WEIGHT_ERROR),
        Refusal::MetadataUnreadable { .. } => (400, body::INSTANCE_METADATA_ERROR),
        Refusal::CheckerUnreadable => (400, body::PARAMETER_VALIDATE_ERROR),
        // `v3/ns-cluster-health`: not the number of a service that is not there.
        Refusal::ServiceOfClusterAbsentV1 { .. }
        | Refusal::ServiceOfClusterAbsent { .. }
        | Refusal::SwitchRefused { .. } => (400, body::SERVER_ERROR),
        Refusal::SelectorUnknown => (400, body::SELECTOR_ERROR),
        // `ns-service-selector`: 500, though the caller is wrong.
        Refusal::SelectorExpression => (500, body::SERVER_ERROR),
        Refusal::ServiceAbsent { .. } => (400, body::SERVICE_NOT_EXIST),
        Refusal::ServiceOfInstanceAbsent { .. } => (400, body::INSTANCE_ERROR),
        Refusal::ListedServiceAbsent { .. } | Refusal::ListedClusterAbsent { .. } => (404, body::SERVER_ERROR),
        Refusal::NoInstances { .. } | Refusal::ClientAbsent { .. } => (404, body::RESOURCE_NOT_FOUND),

        Refusal::MemberStateUnknown { .. } => (400, body::ILLEGAL_STATE),
        Refusal::LookupUnknown { .. } | Refusal::RaftGroupUnknown { .. } | Refusal::RaftCommandUnknown { .. } => {
            (400, body::PARAMETER_VALIDATE_ERROR)
        }

        Refusal::ConfigUnpublished | Refusal::NotInBeta => (404, body::RESOURCE_NOT_FOUND),
        Refusal::HistoryOfAnother => (403, body::ACCESS_DENIED),
        Refusal::ClientSilent { .. } => (500, body::SERVER_ERROR),

        Refusal::NamespaceAbsent { .. } => (404, body::NAMESPACE_NOT_EXIST),
        Refusal::NamespaceIllegal { .. } => (400, body::ILLEGAL_NAMESPACE),
        Refusal::NamespaceTaken { .. } => (400, body::NAMESPACE_ALREADY_EXIST),
    };
    HttpCodes { status, body }
}

/// The status of a refusal in v2 and v3, where they disagree with v1.
#[must_use]
pub fn status_of_later(refusal: &Refusal, status: u16) -> u16 {
    match refusal {
        // `v2/ns-operator`: a value that v1 takes for the caller's fault is the server's failure.
        Refusal::SwitchRefused { .. } => 500,
        _ => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::GroupName;

    #[test]
    fn a_blank_name_is_told_otherwise_than_an_illegal_one() {
        let blank = Fault::Name(GroupName::parse("").expect_err("blank"));
        let illegal = Fault::Name(GroupName::parse("a b").expect_err("illegal"));
        assert_eq!((codes(&blank).rpc, codes(&blank).refused_by), (500, RefusedBy::Handler));
        assert_eq!((codes(&illegal).rpc, codes(&illegal).refused_by), (400, RefusedBy::Filter));
    }
}
