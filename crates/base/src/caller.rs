//! What a request may do, and where.

use std::fmt;

/// Whether a request changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Only looks.
    Read,
    /// Changes something.
    Write,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// The part of the server that a permission speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Area {
    /// Services, instances and subscriptions.
    Naming,
    /// Configs and their history.
    Config,
    /// Connections, nodes and the server itself.
    Operation,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naming => "naming",
            Self::Config => "config",
            Self::Operation => "operation",
        })
    }
}
