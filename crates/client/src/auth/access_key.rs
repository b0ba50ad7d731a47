//! Signatures with an access key, V1 and V4. Pure: the time comes in.
//!
//! Naming signs `time@@group@@service`, config signs `namespace+group+time`; both in Base64 of HMAC-SHA1 (the protocol's
//! choice). V4 is the same with a key that is derived from the secret, the day and the region.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use nacrite_wire::client::Module;
use sha1::Sha1;
use sha2::Sha256;

use super::Secret;
use crate::link::Resource;

/// What keys are derived for.
const PRODUCT: &str = "mse-nacos";

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct AccessKey {
    id: Box<str>,
    secret: Secret,
    security_token: Option<Secret>,
    region: Option<Box<str>>,
}

impl AccessKey {
    pub(super) fn new(id: &str, secret: Secret) -> Self {
        Self { id: id.into(), secret, security_token: None, region: None }
    }

    pub(super) fn with_security_token(self, token: Secret) -> Self {
        Self { security_token: Some(token), ..self }
    }

    pub(super) fn with_region(self, region: &str) -> Self {
        Self { region: Some(region).filter(|region| !region.trim().is_empty()).map(Into::into), ..self }
    }

    /// The headers of a request about `resource`, sent at `now_ms` after 1970.
    pub(super) fn headers(&self, resource: Resource<'_>, now_ms: u64) -> Vec<(String, String)> {
        let key = match &self.region {
            None => self.secret.expose().to_owned(),
            Some(region) => derived(self.secret.expose(), &day(now_ms), region),
        };
        let time = now_ms.to_string();
        let mut headers = match resource.module {
            Module::Naming => {
                let data = naming_data(resource, &time);
                let signature = sign(&key, &data);
                vec![("ak", self.id.to_string()), ("data", data), ("signature", signature)]
            }
            Module::Config => {
                let signature = sign(&key, &config_text(resource, &time));
                vec![("Spas-AccessKey", self.id.to_string()), ("Timestamp", time), ("Spas-Signature", signature)]
            }
            // Locks are asked for by name alone.
            Module::Lock => return vec![("ak".to_owned(), self.id.to_string())],
            Module::Internal => return Vec::new(),
        };
        if self.region.is_some() {
            headers.push(("signatureVersion", "v4".to_owned()));
        }
        if let Some(token) = &self.security_token {
            headers.push(("Spas-SecurityToken", token.expose().to_owned()));
        }
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn naming_data(resource: Resource<'_>, time: &str) -> String {
    match (resource.group, resource.name) {
        (_, "") => time.to_owned(),
        // The name may bring its group along.
        ("", name) => format!("{time}@@{name}"),
        (_, name) if name.contains("@@") => format!("{time}@@{name}"),
        (group, name) => format!("{time}@@{group}@@{name}"),
    }
}

fn config_text(resource: Resource<'_>, time: &str) -> String {
    match (resource.namespace, resource.group) {
        (_, "") => time.to_owned(),
        ("", group) => format!("{group}+{time}"),
        (namespace, group) => format!("{namespace}+{group}+{time}"),
    }
}

fn sign(key: &str, text: &str) -> String {
    BASE64.encode(mac::<Hmac<Sha1>>(key.as_bytes(), text))
}

/// The key of V4, as text.
fn derived(secret: &str, day: &str, region: &str) -> String {
    let mut key = mac::<Hmac<Sha256>>(format!("aliyun_v4{secret}").as_bytes(), day);
    for part in [region, PRODUCT, "aliyun_v4_request"] {
        key = mac::<Hmac<Sha256>>(&key, part);
    }
    BASE64.encode(key)
}

fn mac<M: Mac + KeyInit>(key: &[u8], text: &str) -> Vec<u8> {
    let mac = <M as KeyInit>::new_from_slice(key).map(|mac| mac.chain_update(text));
    // HMAC takes keys of any length.
    mac.map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default()
}

/// The day of `ms` after 1970 in UTC, as `yyyyMMdd`; by the civil calendar counted from a first of March, so that the day
/// that some years have more is the last one of a year.
fn day(ms: u64) -> String {
    const DAY_MS: u64 = 86_400_000;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    const DAYS_BEFORE: u64 = 719_468;
    let days = ms / DAY_MS + DAYS_BEFORE;
    let (era, in_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year_of_era = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn about<'a>(module: Module, namespace: &'a str, group: &'a str, name: &'a str) -> Resource<'a> {
        Resource { module, namespace, group, name }
    }

    fn header(key: &AccessKey, resource: Resource<'_>, name: &str) -> Option<String> {
        key.headers(resource, NOW_MS).into_iter().find(|(is, _)| is == name).map(|(_, value)| value)
    }

    fn v1() -> AccessKey {
        AccessKey::new("id", Secret("secret".into()))
    }

    /// The expected values were computed by another program from the description of the protocol.
    #[test]
    fn signatures_are_those_of_an_independent_calculation() {
        let naming = about(Module::Naming, "dev", "G", "orders");
        let nameless = about(Module::Naming, "dev", "", "");
        let config = about(Module::Config, "dev", "G", "app.yaml");
        let public = about(Module::Config, "", "G", "app.yaml");
        let signed = |key: &AccessKey, resource, name: &str| header(key, resource, name).expect("there is a signature");
        assert_eq!(signed(&v1(), naming, "data"), "1700000000000@@G@@orders");
        assert_eq!(signed(&v1(), naming, "signature"), "tvgeXm9ug9EJPo3b4qU3pdpXzKI=");
        assert_eq!(signed(&v1(), nameless, "data"), "1700000000000");
        assert_eq!(signed(&v1(), nameless, "signature"), "GkxmUVZIPEAQC5SikuOBv4kZAhc=");
        assert_eq!(signed(&v1(), config, "Spas-Signature"), "12ma/dd/+eqd1eLqkbP+uAnY6L4=");
        assert_eq!(signed(&v1(), public, "Spas-Signature"), "MLQATmJivmjRYlzaB2PcEwry6CA=");
        let batch = about(Module::Config, "dev", "", "");
        assert_eq!(signed(&v1(), batch, "Spas-Signature"), "GkxmUVZIPEAQC5SikuOBv4kZAhc=");
        let v4 = v1().with_region("cn-hangzhou");
        assert_eq!(derived("secret", "20231114", "cn-hangzhou"), "UbZ6C42poqXaOcWh2fmi54JLe2eWnhaUlmAzFLP7Rwc=");
        assert_eq!(signed(&v4, naming, "signature"), "DZxPxuAZe1pzw9dhjSVrns+XyFk=");
        assert_eq!(signed(&v4, config, "Spas-Signature"), "lsn1yjAJqcrfaoIp0FnlHqjNYAM=");
    }

    #[test]
    fn headers_say_who_when_and_how() {
        let config = about(Module::Config, "", "", "");
        assert_eq!(header(&v1(), config, "Spas-AccessKey").as_deref(), Some("id"));
        assert_eq!(header(&v1(), config, "Timestamp").as_deref(), Some("1700000000000"));
        assert_eq!(header(&v1(), config, "signatureVersion"), None);
        let full = v1().with_region("cn-hangzhou").with_security_token(Secret("temporary".into()));
        assert_eq!(header(&full, config, "signatureVersion").as_deref(), Some("v4"));
        assert_eq!(header(&full, config, "Spas-SecurityToken").as_deref(), Some("temporary"));
        let naming = about(Module::Naming, "", "G", "a");
        assert_eq!(header(&full, naming, "Spas-SecurityToken").as_deref(), Some("temporary"));
        assert_eq!(full.headers(about(Module::Lock, "", "", ""), NOW_MS), [("ak".to_owned(), "id".to_owned())]);
        assert!(full.headers(about(Module::Internal, "", "", ""), NOW_MS).is_empty());
        assert_eq!(header(&v1().with_region(" "), config, "signatureVersion"), None, "a blank region is none");
    }

    #[test]
    fn a_name_that_brings_its_group_is_taken_as_it_is() {
        assert_eq!(naming_data(about(Module::Naming, "", "", "a"), "1"), "1@@a");
        assert_eq!(naming_data(about(Module::Naming, "", "G", "H@@a"), "1"), "1@@H@@a");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (ms, expected) in [
            (0, "19700101"),
            (951_782_399_999, "20000228"),
            (951_782_400_000, "20000229"),
            (951_868_800_000, "20000301"),
            (1_709_164_800_000, "20240229"),
            (4_107_542_400_000, "21000301"),
        ] {
            assert_eq!(day(ms), expected, "{ms}");
        }
    }
}
