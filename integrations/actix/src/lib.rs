//! Services on actix-web that register themselves.
