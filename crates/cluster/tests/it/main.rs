//! The journal through its public face: on real files, opened, killed and opened again.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod load;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod snapshots;
