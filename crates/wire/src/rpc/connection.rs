//! Bodies about the connection itself (`reference/grpc.md`, 3 and 4.1).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::lenient::{self, TextMap};

/// A body of which nothing is used, but which must be an object.
#[derive(Debug, Default, Deserialize)]
pub struct NoFields {}

/// `ConnectionSetupRequest`, the first message on the stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionSetupRequest<'a> {
    /// Program and version.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub client_version: Option<Cow<'a, str>>,
    /// Namespace of a config client.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub tenant: Option<Cow<'a, str>>,
    /// What the client says about itself. Absent is fine, null is not (recorded: `conn-labels-missing`).
    #[serde(borrow, deserialize_with = "labels")]
    pub labels: TextMap<'a>,
    /// Present, even empty, if the client wants to negotiate abilities.
    #[serde(deserialize_with = "lenient::presence")]
    pub ability_table: Option<()>,
}

fn labels<'de, D: Deserializer<'de>>(from: D) -> Result<TextMap<'de>, D::Error> {
    lenient::text_map(from)?.ok_or_else(|| serde::de::Error::custom("labels must not be null"))
}

impl ConnectionSetupRequest<'_> {
    /// The value of a label; the last of a name counts.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().rev().find(|(key, _)| key == name)?.1.as_deref()
    }
}

/// Any answer of a client to a push. Only the id and the result matter, whatever its type is called (recorded:
/// `naming-push-ack-wrong-type`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AckBody<'a> {
    /// 200 for success.
    #[serde(deserialize_with = "lenient::whole")]
    pub result_code: i64,
    /// The id of the push.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub request_id: Option<Cow<'a, str>>,
    /// Why it failed, in the client's words; of any type, as nobody reads it but people.
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    /// Only in `ClientConfigMetricResponse`; passed on as it is.
    #[serde(borrow)]
    pub metrics: Option<BTreeMap<String, &'a RawValue>>,
}

impl AckBody<'_> {
    /// Why it failed, as a text.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        let said = self.message?.get();
        Some(serde_json::from_str(said).unwrap_or_else(|_| said.to_owned()))
    }
}

/// `ServerReloadRequest`: another node asks this one to lose some clients.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServerReloadRequest<'a> {
    /// How many connections may stay.
    #[serde(deserialize_with = "lenient::whole")]
    pub reload_count: i64,
    /// Where the others are to go, `ip:port`.
    #[serde(borrow, deserialize_with = "lenient::text")]
    pub reload_server: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn labels_may_be_absent_but_not_null() {
        assert!(json::read::<ConnectionSetupRequest<'_>>(br#"{"clientVersion":"x"}"#).is_ok());
        assert!(json::read::<ConnectionSetupRequest<'_>>(br#"{"labels":null}"#).is_err());
    }

    #[test]
    fn an_empty_ability_table_asks_for_negotiation() {
        let wants = |body: &'static [u8]| json::read::<ConnectionSetupRequest<'_>>(body).map(|s| s.ability_table);
        assert!(matches!(wants(br#"{"abilityTable":{}}"#), Ok(Some(()))));
        assert!(matches!(wants(br#"{"abilityTable":{"x":true}}"#), Ok(Some(()))));
        assert!(matches!(wants(br#"{"abilityTable":null}"#), Ok(None)));
        assert!(matches!(wants(b"{}"), Ok(None)));
    }
}
