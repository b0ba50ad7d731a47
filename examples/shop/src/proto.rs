//! The words of the price service, made of `shop.proto` by `cargo xtask gen-proto`.

#[path = "generated/shop_v1.rs"]
mod shop_v1;

pub use shop_v1::*;
