//! What the processes of the shop share: the words of the price service, the names under which they find each other, and
//! how the processes are started and ended.

pub mod names;
pub mod proto;
pub mod stage;
