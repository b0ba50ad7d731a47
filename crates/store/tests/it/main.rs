//! The store, tested through its public face: files in memory that crash, tear and rot, and files on disk.

#[cfg(test)]
mod crash;
#[cfg(test)]
mod files;
#[cfg(test)]
mod model;
#[cfg(test)]
mod rot;
