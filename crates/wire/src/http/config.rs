//! The config requests and answers over HTTP.
//!
//! `ask` reads parameters into checked words, `listening` the protocol of the long poll; `shown` writes configs and
//! `history` what was done to them, each in the models of v1, v2 and v3 (`reference/http.md`, 2.5, 3.2, 4.1 and 4.3).

pub mod ask;
pub mod history;
pub mod listening;
pub mod shown;
