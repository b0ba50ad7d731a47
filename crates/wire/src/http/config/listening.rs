//! The long poll of v1: which configs a client has, how long it waits, and how it is told (`reference/http.md`, 2.5.3).
//!
//! An entry is `dataId 0x02 group 0x02 md5 0x01`, or with a namespace `dataId 0x02 group 0x02 md5 0x02 tenant 0x01`.

use std::time::Duration;

use nacrite_base::Fault;

use crate::from_wire::config::{ListenAsk, lax_key};
use crate::http::forms;
use crate::http::params::Params;
use crate::http::refusal::{Refusal, shown};
use crate::to_wire::config::url_encoded;

/// Between the fields of an entry.
const FIELD_END: char = '\u{2}';

/// Behind an entry.
const ENTRY_END: char = '\u{1}';

/// Configs in one request; more are refused.
const ENTRIES_MAX: usize = 10_000;

/// Fields that an entry may have.
const FIELDS_MAX: usize = 4;

/// An answer comes this much before the client's own timeout, so that it is not taken for a broken connection.
const EARLY: Duration = Duration::from_millis(500);

/// Nobody is made to ask more often than this.
const HOLD_MIN: Duration = Duration::from_secs(10);

/// Nobody waits longer, however long it wants to: a client that went without a word is gone after this.
const HOLD_MAX: Duration = Duration::from_secs(1800);

/// The version from which a client reads what differs from the body of a short poll, and nothing else.
const READS_NO_HEADERS: u32 = 204;

/// How long a request may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all, and the answer stands in headers: the client knows no long polls.
    Short {
        /// It does not read the headers either.
        silent: bool,
    },
    /// Until something changes, at most so long. Zero answers at once.
    Until(Duration),
}

/// What a request says in headers about waiting.
#[derive(Clone, Copy, Debug, Default)]
pub struct HoldHeaders<'a> {
    /// `Long-Pulling-Timeout`, in milliseconds.
    pub timeout: Option<&'a str>,
    /// `Long-Pulling-Timeout-No-Hangup`: `true` for an answer at once.
    pub no_hang_up: Option<&'a str>,
    /// `Client-Version`.
    pub client_version: Option<&'a str>,
}

/// How long a request may be held.
///
/// # Errors
/// [`Refusal::NumberExpected`] for a timeout that is no number.
pub fn hold(headers: &HoldHeaders<'_>) -> Result<Hold, Refusal> {
    let Some(timeout) = headers.timeout else {
        let silent = headers.client_version.is_some_and(|version| number_of(version) >= READS_NO_HEADERS);
        return Ok(Hold::Short { silent });
    };
    if headers.no_hang_up.is_some_and(|said| said.eq_ignore_ascii_case("true")) {
        return Ok(Hold::Until(Duration::ZERO));
    }
    let wanted_ms: i64 = timeout.parse().map_err(|_| Refusal::NumberExpected { given: shown(timeout) })?;
    let wanted = Duration::from_millis(u64::try_from(wanted_ms).unwrap_or(0));
    Ok(Hold::Until(wanted.saturating_sub(EARLY).clamp(HOLD_MIN, HOLD_MAX)))
}

/// The digits of `2.0.4` as one number; parts that are no number do not count.
fn number_of(version: &str) -> u32 {
    let parts = version.split('.').filter_map(|part| part.parse::<u32>().ok());
    parts.fold(0, |sum, part| sum.saturating_mul(10).saturating_add(part))
}

/// The configs that a client has, with their digests.
///
/// # Errors
/// [`Fault::ParamInvalid`] for what does not keep to the protocol, [`Fault::Name`] for a name that breaks a rule.
pub fn listening(params: &Params<'_>) -> Result<Vec<ListenAsk>, Refusal> {
    let sent = params.sent("Listening-Configs").filter(|sent| !sent.trim().is_empty());
    // One more layer of encoding than other parameters have.
    let text = sent.and_then(|sent| forms::decode(sent.as_bytes())).ok_or_else(invalid)?;
    let mut asks = Vec::new();
    // What is behind the last end of an entry is none.
    let Some((entries, _)) = text.rsplit_once(ENTRY_END) else {
        return Ok(asks);
    };
    for entry in entries.split(ENTRY_END) {
        if asks.len() == ENTRIES_MAX {
            return Err(invalid());
        }
        asks.push(one(entry)?);
    }
    Ok(asks)
}

fn one(entry: &str) -> Result<ListenAsk, Refusal> {
    let mut fields = entry.splitn(FIELDS_MAX + 1, FIELD_END);
    let (Some(data_id), Some(group), Some(digest)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(invalid());
    };
    let tenant = fields.next();
    if fields.next().is_some() {
        return Err(invalid());
    }
    let key = lax_key(Some(data_id), Some(group), tenant)?.ok_or_else(invalid)?;
    Ok(ListenAsk {
        key: Some(key),
        data_id: data_id.to_owned(),
        group: group.to_owned(),
        tenant: tenant.map(str::to_owned),
        digest: Some(digest.to_owned()),
    })
}

fn invalid() -> Refusal {
    Refusal::Fault(Fault::ParamInvalid { message: "invalid probeModify".to_owned() })
}

/// The configs that differ, as the body of an answer tells them.
#[must_use]
pub fn changed<'a>(asks: impl IntoIterator<Item = &'a ListenAsk>) -> String {
    let mut out = keys(asks);
    out.push('\n');
    out
}

/// The configs that differ, with the separators percent-encoded.
#[must_use]
pub fn keys<'a>(asks: impl IntoIterator<Item = &'a ListenAsk>) -> String {
    let mut out = String::new();
    for ask in asks {
        out.push_str(&ask.data_id);
        out.push(FIELD_END);
        out.push_str(&ask.group);
        if let Some(tenant) = ask.tenant.as_deref().filter(|_| !ask.tenant_is_blank()) {
            out.push(FIELD_END);
            out.push_str(tenant);
        }
        out.push(ENTRY_END);
    }
    url_encoded(&out)
}

/// The configs that differ, as clients before long polls read them.
#[must_use]
pub fn old_keys<'a>(asks: impl IntoIterator<Item = &'a ListenAsk>) -> String {
    asks.into_iter().map(|ask| format!("{}:{};", ask.data_id, ask.group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sent: &str) -> Result<Vec<ListenAsk>, Refusal> {
        let mut params = Params::default();
        params.push("Listening-Configs".into(), sent.into());
        listening(&params)
    }

    #[test]
    fn entries_have_three_fields_or_four() {
        let asks =
            read("a\u{2}g\u{2}m1\u{1}b:c\u{2}g\u{2}\u{2}dev\u{1}d\u{2}g\u{2}m3\u{2}\u{1}rest").expect("three entries");
        let digests: Vec<_> = asks.iter().map(|ask| ask.digest.as_deref()).collect();
        assert_eq!(digests, [Some("m1"), Some(""), Some("m3")]);
        assert_eq!(changed(&asks), "a%02g%01b%3Ac%02g%02dev%01d%02g%01\n");
        assert_eq!(old_keys(&asks), "a:g;b:c:g;d:g;");
        assert_eq!(changed([]), "\n");
    }

    #[test]
    fn names_are_encoded_once_more_than_other_parameters() {
        let asks = read("a%3Ab%02g%02m%01").expect("one entry");
        assert_eq!(asks[0].data_id, "a:b");
        assert!(read("a%3").is_err() && read("a%zz").is_err() && read("%ff").is_err());
    }

    #[test]
    fn what_does_not_keep_to_the_protocol_is_refused() {
        for bad in [
            "",
            " ",
            "a\u{1}",
            "a\u{2}g\u{1}",
            "\u{2}g\u{2}m\u{1}",
            "a\u{2} \u{2}m\u{1}",
            "a\u{2}g\u{2}m\u{2}t\u{2}x\u{1}",
        ] {
            let refusal = read(bad).expect_err(bad);
            assert_eq!(refusal.to_string(), "invalid probeModify", "{bad:?}");
        }
        assert!(matches!(read("a b\u{2}g\u{2}m\u{1}"), Err(Refusal::Fault(Fault::Name(_)))));
        assert!(read(&"a\u{2}g\u{2}\u{1}".repeat(ENTRIES_MAX)).is_ok());
        assert!(read(&"a\u{2}g\u{2}\u{1}".repeat(ENTRIES_MAX + 1)).is_err());
        assert!(read("a\u{2}g\u{2}m").is_ok_and(|asks| asks.is_empty()));
    }

    #[track_caller]
    fn holds(timeout: Option<&str>, no_hang_up: Option<&str>, client_version: Option<&str>, expected: Hold) {
        let headers = HoldHeaders { timeout, no_hang_up, client_version };
        assert_eq!(hold(&headers).ok(), Some(expected), "{headers:?}");
    }

    #[test]
    fn a_request_is_held_a_little_shorter_than_it_says() {
        let until = |ms| Hold::Until(Duration::from_millis(ms));
        holds(Some("30000"), None, None, until(29_500));
        holds(Some("1000"), None, None, until(10_000));
        holds(Some("-5"), None, None, until(10_000));
        holds(Some("99999999999"), Some("false"), None, until(1_800_000));
        holds(Some("30000"), Some("True"), None, until(0));
        holds(None, Some("true"), None, Hold::Short { silent: false });
        holds(None, None, Some("1.4.2"), Hold::Short { silent: false });
        holds(None, None, Some("2.0.4"), Hold::Short { silent: true });
        let headers = HoldHeaders { timeout: Some("soon"), ..HoldHeaders::default() };
        assert!(matches!(hold(&headers), Err(Refusal::NumberExpected { .. })));
    }
}
