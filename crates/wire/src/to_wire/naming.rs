//! Answers and pushes of the naming requests.

use bytes::Bytes;

use super::{begin, end};
use crate::json;

/// `InstanceResponse` after a registration.
pub const REGISTERED: Bytes =
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"type":"registerInstance","success":true}"#);

/// `InstanceResponse` after a deregistration.
pub const DEREGISTERED: Bytes =
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"type":"deregisterInstance","success":true}"#);

/// `BatchInstanceResponse`.
pub const BATCH_REGISTERED: Bytes =
    Bytes::from_static(br#"{"resultCode":200,"errorCode":0,"type":"batchRegisterInstance","success":true}"#);

/// `QueryServiceResponse` around a written list.
#[must_use]
pub fn query_response(service_info: &[u8]) -> Bytes {
    let mut out = begin(service_info.len());
    out.extend_from_slice(b",\"serviceInfo\":");
    out.extend_from_slice(service_info);
    end(out)
}

/// `SubscribeServiceResponse` around a written list.
#[must_use]
pub fn subscribe_response(service_info: &[u8]) -> Bytes {
    let mut out = begin(service_info.len());
    out.extend_from_slice(b",\"message\":\"success\",\"serviceInfo\":");
    out.extend_from_slice(service_info);
    end(out)
}

/// `ServiceListResponse`: how many there are in all, and the names of one page.
#[must_use]
pub fn list_response<S: AsRef<str>>(count: usize, names: &[S]) -> Bytes {
    let mut out = begin(32 * names.len());
    out.extend_from_slice(b",\"count\":");
    json::write(&mut out, &count);
    out.extend_from_slice(b",\"serviceNames\":[");
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(&mut out, name.as_ref());
    }
    out.push(b']');
    end(out)
}

/// `NotifySubscriberRequest` around a written list. Only `serviceInfo` names the service, as in Java
/// (`reference/grpc.md`, 4.2.5).
#[must_use]
pub fn notify_subscriber(request_id: u64, service_info: &[u8]) -> Bytes {
    let mut out = super::connection::begin_push(request_id, service_info.len());
    out.extend_from_slice(b",\"serviceInfo\":");
    out.extend_from_slice(service_info);
    super::connection::end_push(out, "naming")
}
