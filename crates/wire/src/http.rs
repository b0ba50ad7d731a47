//! Nacos's words over HTTP, of all three generations: parameters into checked words of the domain, answers into bodies.
//!
//! The generations differ in their spelling only, so the files are cut by what is spoken of; each says which generation
//! it writes. Decoding of the query and of forms is the edge's business: readers take [`params::Params`].

pub mod body;
pub mod config;
pub mod core_ops;
pub mod dates;
pub mod envelope;
pub mod failure;
pub mod forms;
pub mod load;
pub mod members;
pub mod namespaces;
pub mod naming;
pub mod params;
pub mod prometheus;
pub mod pushes;
pub mod refusal;
pub mod server;
