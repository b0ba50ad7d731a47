//! What of the recordings is played. What is left out is not served yet, or differs on purpose; `docs/compatibility.md`
//! says for each which.

/// Recordings of 3.1 that are left out: locks, AI, fuzzy watch, gray releases by count.
pub(crate) const GRPC_3_1: &str = "^(ai-|lock-|.*fuzzy)";

/// Recordings of 2.5.1 that are left out.
pub(crate) const GRPC_2_5_1: &str = "^(ai-|lock-|.*fuzzy)";

/// Recordings that want the server for themselves.
pub(crate) const GRPC_EXCLUSIVE: &str = "loader";

/// Recordings over HTTP that are played.
pub(crate) const HTTP: &str = "*";
