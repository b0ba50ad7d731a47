//! How an attempt of a call ended, as far as it decides whether there is another.

use std::time::Duration;

use crate::code::Code;

/// The header with which a server says when to come back, and whether.
pub const PUSHBACK_HEADER: &str = "grpc-retry-pushback-ms";

/// The header that tells a server how many attempts there were before. Not sent with the first one.
pub const PREVIOUS_ATTEMPTS_HEADER: &str = "grpc-previous-rpc-attempts";

/// Attempts that never left are repeated this often at most. They cost no server anything; more of them mean that something
/// here is broken, and a call must end.
pub const NEVER_LEFT_MAX: u32 = 1_000;

/// What a server says about coming back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pushback {
    /// Nothing.
    #[default]
    None,
    /// Not to.
    Never,
    /// After this time.
    After(Duration),
}

impl Pushback {
    /// Reads the values of [`PUSHBACK_HEADER`]. What is not one number means: not to come back.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => parse_ms(value).map_or(Self::Never, Self::After),
            (Some(_), Some(_)) => Self::Never,
        }
    }
}

/// A number of milliseconds of 31 bits without needless zeros or signs.
fn parse_ms(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let ms: i32 = text.parse().ok().filter(|_| is_plain)?;
    Some(Duration::from_millis(u64::try_from(ms).ok()?))
}

/// How far a request came.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// It did not leave this process.
    NeverLeft,
    /// It reached a server that says it did nothing with it: a refused stream, or one above the last of a farewell.
    Unprocessed,
    /// The application may have seen it; or no endpoint was picked for it.
    #[default]
    Other,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Its status.
    pub code: Code,
    /// What the server said about coming back.
    pub pushback: Pushback,
    /// How far the request came.
    pub reach: Reach,
    /// Whether the call is bound to this attempt: headers were received, or its request is too large to be kept.
    pub is_committed: bool,
    /// Whether it ended because the time for one attempt was over.
    pub has_timed_out: bool,
}

impl Ended {
    /// An attempt that the application answered with a status alone.
    #[must_use]
    pub fn with(code: Code) -> Self {
        let (pushback, reach) = (Pushback::None, Reach::Other);
        Self { code, pushback, reach, is_committed: false, has_timed_out: false }
    }
}

/// Which attempts are repeated without counting: the application never saw them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Transparent {
    never_left: u32,
    /// Whether a server saw the call: then one that does nothing with it is no longer passed over.
    has_reached: bool,
}

impl Transparent {
    /// Whether this end is one of those.
    pub(crate) fn repeats(&mut self, ended: &Ended) -> bool {
        if ended.is_committed {
            return false;
        }
        match ended.reach {
            Reach::NeverLeft => {
                self.never_left += 1;
                self.never_left <= NEVER_LEFT_MAX
            }
            Reach::Unprocessed => !std::mem::replace(&mut self.has_reached, true),
            Reach::Other => {
                self.has_reached = true;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushback(values: &[&str]) -> Pushback {
        Pushback::parse(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn pushback_is_a_number_of_milliseconds() {
        assert_eq!(pushback(&[]), Pushback::None);
        for (text, ms) in [("0", 0), ("1", 1), ("100", 100), ("2147483647", i32::MAX as u64)] {
            assert_eq!(pushback(&[text]), Pushback::After(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn pushback_that_is_negative_or_no_number_forbids() {
        for text in ["-1", "-2147483648", "2147483648", "", "x", "1x", " 1", "1 ", "01", "00", "-0", "+1", "1.0"] {
            assert_eq!(pushback(&[text]), Pushback::Never, "{text:?}");
        }
        assert_eq!(Pushback::parse([&b"\xff"[..]]), Pushback::Never);
        assert_eq!(pushback(&["1", "1"]), Pushback::Never);
    }
}
