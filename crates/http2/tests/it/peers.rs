//! A client that is not ours: that of the crate `h2`.
