//! Messages of the scripted server: which type answers which, and bodies with fields left out.

use bytes::{BufMut, Bytes, BytesMut};
use nacrite_wire::payload::{Outgoing, Payload};
use serde_json::{Map, Value, json};

use super::{Behaviour, Reply, Seen};

/// Requests and the types of their answers. What is not on the list is not known, and answered with 302.
const ANSWERS: &[(&str, &str)] = &[
    ("BatchInstanceRequest", "BatchInstanceResponse"),
    ("ConfigBatchListenRequest", "ConfigChangeBatchListenResponse"),
    ("ConfigFuzzyWatchRequest", "ConfigFuzzyWatchResponse"),
    ("ConfigPublishRequest", "ConfigPublishResponse"),
    ("ConfigQueryRequest", "ConfigQueryResponse"),
    ("ConfigRemoveRequest", "ConfigRemoveResponse"),
    ("HealthCheckRequest", "HealthCheckResponse"),
    ("InstanceRequest", "InstanceResponse"),
    ("LockOperationRequest", "LockOperationResponse"),
    ("NamingFuzzyWatchRequest", "NamingFuzzyWatchResponse"),
    ("PersistentInstanceRequest", "InstanceResponse"),
    ("ServerCheckRequest", "ServerCheckResponse"),
    ("ServiceListRequest", "ServiceListResponse"),
    ("ServiceQueryRequest", "QueryServiceResponse"),
    ("SubscribeServiceRequest", "SubscribeServiceResponse"),
];

/// The type of the answer to a request, if it is known.
pub(super) fn answer_type(wire_type: &str) -> Option<&'static str> {
    ANSWERS.iter().find(|(request, _)| *request == wire_type).map(|(_, answer)| *answer)
}

/// Type and body of a reply; `None` for one that is no message.
pub(super) fn written(request: &str, reply: Reply, behaviour: &Behaviour) -> Option<(&'static str, Vec<u8>)> {
    let failure = |result_code: i64, code: i64, message: String| json!({"resultCode": result_code, "errorCode": code, "message": message, "success": false});
    let (wire_type, body) = match (reply, answer_type(request)) {
        (Reply::Raw(wire_type, body), _) => return Some((wire_type, body)),
        (Reply::Done(fields), Some(wire_type)) => {
            let mut body = json!({"resultCode": 200, "errorCode": 0, "success": true});
            merge(&mut body, fields);
            (wire_type, body)
        }
        (Reply::Failed { code, message }, Some(wire_type)) => (wire_type, failure(500, code, message)),
        (Reply::Error { code, message }, _) => ("ErrorResponse", failure(500, code, message)),
        (Reply::Done(_) | Reply::Failed { .. }, None) => {
            ("ErrorResponse", failure(500, 302, format!("no handler for {request}")))
        }
        (Reply::Status(..) | Reply::Reset | Reply::Cut | Reply::Silence, _) => return None,
    };
    Some((wire_type, spoilt(body, behaviour).to_string().into_bytes()))
}

/// A body without what the test wants left out.
pub(super) fn spoilt(mut body: Value, behaviour: &Behaviour) -> Value {
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| !behaviour.leaves_out.contains(name));
        for name in &behaviour.nulls {
            if let Some(field) = fields.get_mut(name) {
                *field = Value::Null;
            }
        }
    }
    body
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}

/// A message in its frame.
pub(super) fn framed(wire_type: &'static str, body: Vec<u8>) -> Bytes {
    let outgoing = Outgoing::answer(wire_type, body.into());
    let mut out = BytesMut::new();
    out.put_u8(0);
    out.put_u32(u32::try_from(outgoing.encoded_len()).expect("a message of a test is small"));
    outgoing.encode(&mut out);
    out.freeze()
}

/// A message as it came.
pub(super) fn read(connection: u64, message: &[u8]) -> Seen {
    let payload = Payload::decode(message).expect("a client sends envelopes");
    let body = serde_json::from_slice(payload.body).unwrap_or(Value::Object(Map::new()));
    let headers = payload.headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Seen { connection, wire_type: payload.wire_type.to_owned(), headers, body }
}
