//! The entry of a process of the shop.

fn main() {}
