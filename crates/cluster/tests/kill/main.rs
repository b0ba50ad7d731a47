//! A process that is killed. Apart from the other tests, as starting a process hands every open lock to it for a moment.

#[cfg(test)]
mod kill;
#[cfg(test)]
#[path = "../it/machine.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use all of it")]
mod machine;
