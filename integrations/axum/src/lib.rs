//! Services on axum that register themselves.
