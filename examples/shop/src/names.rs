//! The names under which the parts of the shop find each other in the registry.

/// The service that knows prices. Callers write `nacos:///prices`.
pub const PRICES: &str = "prices";

/// The front, which answers browsers.
pub const FRONT: &str = "shop-front";

/// The config that says how much everything is reduced.
pub const SALE: &str = "shop-sale.yaml";
