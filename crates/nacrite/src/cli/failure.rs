//! How a command ends when it was not done: what is said, in one line, and the exit code that scripts go by.

use std::fmt;

use nacrite_client::{ConnectFailure, Error};

use super::output::harmless;

/// What is printed below the help of a command: its examples, and the exit codes.
pub(crate) fn help(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

/// What scripts may rely on.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  the server refused, or something failed
  2  the command line cannot be understood, or asks for what cannot be
  3  what was asked for is not there
  4  not allowed, or name or password are wrong
  5  no server was reached, or none answered in time";

/// Kinds of failure. The numbers are a promise to scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server refused, or something failed.
    Failed = 1,
    /// The caller asked for what cannot be.
    Usage = 2,
    /// What was asked for is not there.
    NotFound = 3,
    /// Not allowed.
    Denied = 4,
    /// No server was reached, or none answered in time.
    Unreachable = 5,
}

/// Why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// Nothing is said if this is empty: what there is to say was said already.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Kind::Usage, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, text)
    }

    /// A file that could not be read or written.
    pub(crate) fn file(what: &str, error: &std::io::Error) -> Self {
        Self::new(Kind::Failed, format!("{what}: {error}"))
    }
}

impl fmt::Display for Failure {
    /// In one line, whatever a server put into its words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<&str> = self.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        f.write_str(&harmless(&lines.join(" ")))
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let kind = match error {
            Error::Invalid(_) => Kind::Usage,
            Error::Denied(_) | Error::LoginRefused { .. } => Kind::Denied,
            Error::NotConnected(_) | Error::Broken(_) => Kind::Unreachable,
            // A server that was reached and had something to say is not unreachable, however late it was.
            Error::Deadline { last, .. } => match last.as_deref() {
                Some(last) if !last.is_transient() => Self::from(last).kind,
                _ => Kind::Unreachable,
            },
            _ => Kind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&ConnectFailure> for Failure {
    fn from(failure: &ConnectFailure) -> Self {
        Self::new(Kind::Unreachable, failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_error_has_the_code_that_is_promised() {
        let code = |error: Error| Failure::from(error).kind as u8;
        assert_eq!(code(Error::ConfigRaced), 1);
        assert_eq!(code(Error::Refused { code: 500, message: "no".into() }), 1);
        assert_eq!(code(Error::Invalid("no such name".into())), 2);
        assert_eq!(code(Error::Denied("wrong password".into())), 4);
        assert_eq!(code(Error::NotConnected(None)), 5);
        let within = Duration::from_secs(1);
        assert_eq!(code(Error::Deadline { within, last: None }), 5);
        let last = Some(Box::new(Error::Denied("wrong password".into())));
        assert_eq!(code(Error::Deadline { within, last }), 4);
    }

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new(Kind::Failed, "the server answered 500:\n  <html>\n\n broken");
        assert_eq!(failure.to_string(), "the server answered 500: <html> broken");
    }
}
