//! From Nacos's words to checked words of the domain. What comes out of here cannot be wrong any more.
//!
//! Every function first checks the parameters that are present, as Nacos's parameter check does, then asks for what is
//! missing: the two are answered differently (`crate::codes`).

pub mod config;
pub mod fuzzy;
pub mod instance;
pub mod naming;
