//! Background work. Each file is one task: it takes no input, may run at any time, and makes what is into what should
//! be.

pub mod ejection;
pub mod expiry;
pub mod guard;
pub mod health;
pub mod history;
pub mod notes;
pub mod orphans;
pub mod rebalance;
pub mod switches;
