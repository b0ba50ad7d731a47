//! HTTP calls to services by name.
