//! What nodes ask each other about their connections (`reference/grpc.md`, 4.1).

use serde::{Deserializer, Serialize};

use super::{Ask, Module, answer};
use crate::lenient;

/// How many connections do you have?
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerLoaderInfoRequest {}

answer! {
    /// Numbers by name, all of them as texts.
    ServerLoaderInfoResponse {
        /// `conCount`, `sdkConCount`, and what the machine does.
        #[serde(deserialize_with = "numbers")]
        loader_metrics: Numbers,
    }
}

/// Texts by name.
pub type Numbers = Vec<(Box<str>, Box<str>)>;

fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Numbers, D::Error> {
    let map = lenient::text_map(from)?.unwrap_or_default();
    Ok(map.into_iter().filter_map(|(name, value)| Some((name.into(), value?.into()))).collect())
}

impl ServerLoaderInfoResponse {
    /// A count; `None` if it is absent or no number.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<usize> {
        self.loader_metrics.iter().find(|(known, _)| &**known == name)?.1.parse().ok()
    }
}

impl Ask for ServerLoaderInfoRequest {
    const TYPE: &'static str = "ServerLoaderInfoRequest";
    const MODULE: Module = Module::Internal;
    type Answer = ServerLoaderInfoResponse;
}

/// Tell clients to go elsewhere until few enough are left.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerReloadRequest<'a> {
    /// How many may stay.
    pub reload_count: usize,
    /// Where the others are to go, `ip:port`.
    pub reload_server: &'a str,
}

answer! {
    /// `ok`, or `ignore` if there was nothing to do, in `message`.
    ServerReloadResponse {}
}

impl Ask for ServerReloadRequest<'_> {
    const TYPE: &'static str = "ServerReloadRequest";
    const MODULE: Module = Module::Internal;
    type Answer = ServerReloadResponse;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn counts_are_texts() {
        let body = br#"{"resultCode":200,"loaderMetrics":{"conCount":"7","sdkConCount":"x","cpu":"0.1"}}"#;
        let answer: ServerLoaderInfoResponse = json::read(body).expect("an answer");
        assert_eq!(
            [answer.count("conCount"), answer.count("sdkConCount"), answer.count("none")],
            [Some(7), None, None]
        );
        assert_eq!(json::bytes(&ServerLoaderInfoRequest {}), b"{}");
        let ask = ServerReloadRequest { reload_count: 3, reload_server: "a:1" };
        assert_eq!(json::bytes(&ask), br#"{"reloadCount":3,"reloadServer":"a:1"}"#);
    }
}
