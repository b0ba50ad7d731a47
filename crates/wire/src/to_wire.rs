//! From words of the domain to Nacos's words: answers, failures and pushes on gRPC.
//!
//! Every answer carries `resultCode`, `errorCode` and `success`, because each SDK judges by another of them
//! (`reference/grpc.md`, 2.4).

pub mod config;
pub mod connection;
pub mod fuzzy;
pub mod naming;

use bytes::Bytes;
use nacrite_base::Fault;

use crate::codes::{self, PARAM_CHECK_PREFIX, RefusedBy, result};
use crate::json;

/// The type of a failure that has no type of its own.
pub const ERROR_RESPONSE: &str = "ErrorResponse";

/// An answer that says nothing but success.
pub const DONE: Bytes = Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"success":true}"#);

/// How a request's own failures are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureShape {
    /// The handler throws: `ErrorResponse`, except for what a filter refuses.
    Thrown,
    /// The handler answers with its own type.
    Typed,
    /// The handler answers with its own type and `errorCode` 0 (recorded: `config-invalid-keys`, the removals).
    TypedWithoutCode,
}

/// How one type of request fails.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// The type of its answers.
    pub answer_type: &'static str,
    /// How its handler tells failures.
    pub shape: FailureShape,
    /// Fields that its answers carry even on failure, each with a comma in front.
    pub fields: &'static str,
}

/// Writes a failure: its type and its body.
#[must_use]
pub fn failure(fault: &Fault, of: &Failure) -> (&'static str, Bytes) {
    let codes = codes::codes(fault);
    let text = fault.to_string();
    match (codes.refused_by, of.shape) {
        (RefusedBy::Dispatcher, _) => (ERROR_RESPONSE, body(result::FAIL, codes.rpc, &text, "")),
        (RefusedBy::Filter, _) => {
            let is_param_check = codes.rpc == codes::rpc::INVALID_PARAM;
            let text = if is_param_check { format!("{PARAM_CHECK_PREFIX}{text}") } else { text };
            (of.answer_type, body(result::FAIL, codes.rpc, &text, of.fields))
        }
        (RefusedBy::Handler, FailureShape::Thrown) => (ERROR_RESPONSE, body(codes.rpc, codes.rpc, &text, "")),
        (RefusedBy::Handler, FailureShape::Typed) => (of.answer_type, body(result::FAIL, codes.rpc, &text, of.fields)),
        (RefusedBy::Handler, FailureShape::TypedWithoutCode) => {
            (of.answer_type, body(result::FAIL, 0, &text, of.fields))
        }
    }
}

fn body(result_code: i32, error_code: i32, message: &str, fields: &str) -> Bytes {
    let mut out = Vec::with_capacity(96 + message.len() + fields.len());
    out.extend_from_slice(b"{\"resultCode\":");
    json::write(&mut out, &result_code);
    out.extend_from_slice(b",\"errorCode\":");
    json::write(&mut out, &error_code);
    out.extend_from_slice(b",\"message\":");
    json::write(&mut out, message);
    out.extend_from_slice(fields.as_bytes());
    out.extend_from_slice(b",\"success\":false}");
    out.into()
}

/// Starts a successful answer; more fields and [`end`] follow.
fn begin(capacity: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + capacity);
    out.extend_from_slice(b"{\"resultCode\":200,\"errorCode\":0");
    out
}

/// Ends a successful answer.
fn end(mut out: Vec<u8>) -> Bytes {
    out.extend_from_slice(b",\"success\":true}");
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::GroupName;

    const LIST: Failure =
        Failure { answer_type: "ServiceListResponse", shape: FailureShape::Thrown, fields: ",\"count\":0" };

    #[track_caller]
    fn check(fault: &Fault, of: &Failure, wire_type: &str, json: &str) {
        let (said, body) = failure(fault, of);
        assert_eq!((said, std::str::from_utf8(&body)), (wire_type, Ok(json)));
    }

    #[test]
    fn the_dispatcher_the_filter_and_the_handler_refuse_in_their_own_shapes() {
        check(
            &Fault::Unregistered,
            &LIST,
            ERROR_RESPONSE,
            r#"{"resultCode":500,"errorCode":301,"message":"Connection is unregistered.","success":false}"#,
        );
        check(
            &Fault::Name(GroupName::parse("a b").expect_err("illegal")),
            &LIST,
            "ServiceListResponse",
            concat!(
                r#"{"resultCode":500,"errorCode":400,"message":"Param check invalid:Param 'group' is illegal, "#,
                r#"illegal characters should not appear in the param.","count":0,"success":false}"#
            ),
        );
        check(
            &Fault::InstanceAbsent,
            &LIST,
            ERROR_RESPONSE,
            r#"{"resultCode":400,"errorCode":400,"message":"Instance can not be null.","success":false}"#,
        );
    }

    #[test]
    fn config_requests_answer_with_their_own_type() {
        let query = Failure { answer_type: "ConfigQueryResponse", shape: FailureShape::Typed, fields: "" };
        check(
            &Fault::ConfigMissing,
            &query,
            "ConfigQueryResponse",
            r#"{"resultCode":500,"errorCode":300,"message":"config data not exist","success":false}"#,
        );
    }
}
