//! To whom a channel leads, as text: `scheme://authority/path?query`.
//!
//! Reads the text and undoes percent-encoding; what the parts mean is for the resolver of the scheme to say. A text without a
//! scheme that somebody knows gets the default one in front, as gRPC does it: `localhost:50051` is `dns:///localhost:50051`.

use std::fmt;

use percent_encoding::percent_decode_str;

/// Longest target that is read: names, groups and clusters at their longest fit many times over.
const LEN_MAX: usize = 8 * 1024;

/// A target, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    scheme: String,
    authority: String,
    path: String,
    query: Vec<(String, String)>,
}

/// Why a text is no target, or none that the resolver of its scheme understands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the target {target:?} {why}")]
pub struct TargetError {
    /// The text.
    pub target: String,
    /// What is wrong with it, as the end of a sentence.
    pub why: String,
}

impl Target {
    /// Reads a target. `is_known` says which schemes have a resolver; others are read as part of a name behind
    /// `default_scheme`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str, default_scheme: &str, is_known: impl Fn(&str) -> bool) -> Result<Self, TargetError> {
        let wrong = |why: String| TargetError { target: shortened(text), why };
        if text.is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        if text.len() > LEN_MAX {
            return Err(wrong(format!("is longer than {LEN_MAX} bytes")));
        }
        match text.split_once(':') {
            Some((scheme, rest)) if is_known(&scheme.to_ascii_lowercase()) => {
                Self::of(text, scheme, rest).map_err(wrong)
            }
            // What plainly names a scheme is not taken for the name of a host.
            Some((scheme, rest)) if is_scheme(scheme) && rest.starts_with('/') => {
                Err(wrong(format!("has the scheme {scheme:?}, for which there is no resolver")))
            }
            _ => Self::of(text, default_scheme, &format!("///{text}")).map_err(wrong),
        }
    }

    fn of(text: &str, scheme: &str, rest: &str) -> Result<Self, String> {
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            // `dns:host:port` is as good as `dns:///host:port`.
            None => ("", rest.strip_prefix('/').unwrap_or(rest)),
        };
        let query = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decoded(key)?, decoded(value)?))
        });
        Ok(Self {
            text: text.to_owned(),
            scheme: scheme.to_ascii_lowercase(),
            authority: decoded(authority)?,
            // Kept as it came: what separates segments can be told from what was encoded in one.
            path: path.to_owned(),
            query: query.collect::<Result<_, String>>()?,
        })
    }

    /// The scheme, in small letters.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// What stands between `//` and the next `/`; often empty.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The segments of the path.
    ///
    /// # Errors
    /// If one is no UTF-8.
    pub fn segments(&self) -> Result<Vec<String>, TargetError> {
        let segments = self.path.split('/').filter(|segment| !segment.is_empty());
        segments.map(|segment| decoded(segment).map_err(|why| self.wrong(why))).collect()
    }

    /// The parameters, in their order.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// An error about this target; `why` ends the sentence that begins with it.
    #[must_use]
    pub fn wrong(&self, why: impl Into<String>) -> TargetError {
        TargetError { target: shortened(&self.text), why: why.into() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Enough of a text to know it again.
fn shortened(text: &str) -> String {
    text.chars().take(256).collect()
}

fn is_scheme(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn decoded(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let is_broken = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && is_broken(at)) {
        return Err(format!("has a % without two hexadecimal digits in {text:?}"));
    }
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Into::into).map_err(|_| format!("is no UTF-8 where it says {text:?}"))
}

/// Host and port of `host:port` or `[v6]:port`.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub(crate) fn host_and_port(text: &str) -> Result<(&str, u16), String> {
    let wrong = |why: &str| format!("has the address {text:?}, {why}");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("whose bracket is not closed"))?;
            (host, rest.strip_prefix(':'))
        }
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.ok_or_else(|| wrong("which has no port"))?;
    if host.is_empty() {
        return Err(wrong("which has no host"));
    }
    if host.contains(':') && !text.starts_with('[') {
        return Err(wrong("which needs brackets around its host"));
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((host, port)),
        _ => Err(wrong("whose port is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(text, "dns", |scheme| ["dns", "nacos", "static"].contains(&scheme))
    }

    fn parts(text: &str) -> (String, String, Vec<String>, Vec<(String, String)>) {
        let target = parse(text).expect("a target");
        (target.scheme.clone(), target.authority.clone(), target.segments().expect("UTF-8"), target.query)
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn targets_are_taken_apart() {
        let query = vec![("group".to_owned(), "G".to_owned()), ("cluster".to_owned(), "a b".to_owned())];
        let orders = ("nacos".to_owned(), String::new(), strings(&["orders"]), query);
        assert_eq!(parts("nacos:///orders?group=G&cluster=a%20b"), orders);
        let full = ("nacos".to_owned(), "dev@backup".to_owned(), strings(&["G", "or/ders"]), Vec::new());
        assert_eq!(parts("NACOS://dev@backup/G/or%2Fders#never"), full);
    }

    #[test]
    fn what_names_no_known_scheme_gets_the_default_one() {
        let local = ("dns".to_owned(), String::new(), strings(&["localhost:50051"]), Vec::new());
        for text in ["localhost:50051", "dns:///localhost:50051", "dns:localhost:50051", "dns:/localhost:50051"] {
            assert_eq!(parts(text), local, "{text}");
        }
    }

    #[test]
    fn broken_targets_are_refused_in_words() {
        for (text, why) in [
            ("", "is empty"),
            ("consul:///orders", "for which there is no resolver"),
            ("nacos:///a?b=%zz", "two hexadecimal digits"),
            ("nacos:///a?b=%ff", "is no UTF-8"),
            (&"x".repeat(LEN_MAX + 1), "is longer than"),
        ] {
            let error = parse(text).expect_err("no target").to_string();
            assert!(error.contains(why) && error.len() < 400, "{error}");
        }
        assert!(parse("nacos:///%ff").expect("the path is read later").segments().is_err());
    }

    #[test]
    fn addresses_are_hosts_with_ports() {
        assert_eq!(host_and_port("a:1"), Ok(("a", 1)));
        assert_eq!(host_and_port("[::1]:80"), Ok(("::1", 80)));
        for bad in ["a", ":1", "a:0", "a:x", "a:70000", "::1", "::1:80", "[::1", "[::1]80", "[]:1"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
