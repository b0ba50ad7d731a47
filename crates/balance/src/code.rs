//! gRPC's status codes, by name and number, and sets of them.

use std::fmt;

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Code {
    /// It succeeded.
    Ok = 0,
    /// Its caller gave it up.
    Cancelled = 1,
    /// Nobody knows how.
    Unknown = 2,
    /// An argument is wrong, whatever the state of the system.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// What it is about does not exist.
    NotFound = 5,
    /// What it was to make exists.
    AlreadyExists = 6,
    /// The caller may not do this.
    PermissionDenied = 7,
    /// A quota or a resource is used up.
    ResourceExhausted = 8,
    /// The system is not in the state that the call needs.
    FailedPrecondition = 9,
    /// Somebody else was faster.
    Aborted = 10,
    /// It went past the end.
    OutOfRange = 11,
    /// There is no such method.
    Unimplemented = 12,
    /// Something that always holds did not.
    Internal = 13,
    /// The service cannot be reached at the moment.
    Unavailable = 14,
    /// Data are lost or damaged.
    DataLoss = 15,
    /// The caller did not say who it is.
    Unauthenticated = 16,
}

/// All codes with their names, in the order of their numbers.
const NAMES: [(Code, &str); 17] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::OutOfRange, "OUT_OF_RANGE"),
    (Code::Unimplemented, "UNIMPLEMENTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::DataLoss, "DATA_LOSS"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];

impl Code {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The code of a number; `None` if there is none, which callers take for [`Code::Unknown`].
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        NAMES.get(usize::try_from(number).ok()?).map(|(code, _)| *code)
    }

    /// The code of a name, in whatever case; `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(code, _)| *code)
    }

    /// Whether it speaks against the endpoint that answered rather than against the call. A caller that asks for what does
    /// not exist must not bring an endpoint into disrepute; gRFC A50 counts every status but OK.
    #[must_use]
    pub fn blames_endpoint(self) -> bool {
        use Code::{DataLoss, DeadlineExceeded, Internal, ResourceExhausted, Unavailable, Unknown};
        matches!(self, Unknown | DeadlineExceeded | ResourceExhausted | Internal | Unavailable | DataLoss)
    }

    /// Its name, such as `UNAVAILABLE`.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.number())].1
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Some of the codes.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Codes(u32);

impl Codes {
    /// Whether one is among them.
    #[must_use]
    pub fn contains(self, code: Code) -> bool {
        self.0 & (1 << code.number()) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Code> for Codes {
    fn from_iter<I: IntoIterator<Item = Code>>(codes: I) -> Self {
        Self(codes.into_iter().fold(0, |bits, code| bits | 1 << code.number()))
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(NAMES.iter().filter(|(code, _)| self.contains(*code)).map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_the_same_code() {
        for (number, (code, name)) in (0_u64..).zip(NAMES) {
            assert_eq!(u64::from(code.number()), number);
            assert_eq!(Code::from_number(number), Some(code));
            assert_eq!(Code::from_name(name), Some(code));
            assert_eq!(Code::from_name(&name.to_lowercase()), Some(code));
            assert_eq!(code.name(), name);
        }
        assert_eq!(Code::from_number(17), None);
        assert_eq!(Code::from_number(u64::MAX), None);
        assert_eq!(Code::from_name("CANCELED"), None);
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let codes: Codes = [Code::Unavailable, Code::Ok].into_iter().collect();
        assert!(codes.contains(Code::Ok) && codes.contains(Code::Unavailable) && !codes.contains(Code::Internal));
        assert!(Codes::default().is_empty() && !codes.is_empty());
        assert_eq!(format!("{codes:?}"), r#"{"OK", "UNAVAILABLE"}"#);
    }
}
