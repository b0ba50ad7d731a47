//! A ring of hashes: every endpoint has entries in the proportion of its weight, and a hash belongs to the next entry.
//!
//! Which entries there are, and where, is the same in gRPC's client for Go: `address_0`, `address_1` … are hashed, and the least
//! weight has a whole number of entries.

use xxhash_rust::xxh64::xxh64;

use crate::endpoint::Member;

/// Entries in the order of their hashes, which lie apart from the places so that a search stays in few lines of memory.
#[derive(Debug)]
pub(super) struct Ring {
    hashes: Box<[u64]>,
    places: Box<[u32]>,
}

impl Ring {
    /// The ring of all members that have a weight, whatever their state: where an endpoint stands does not depend on how
    /// the others do.
    pub(super) fn new(members: &[Member], entries_min: u64, entries_max: u64) -> Self {
        let mut named: Vec<(String, f64, u32)> = (0_u32..)
            .zip(members)
            .map(|(at, member)| (member.endpoint.to_string(), member.endpoint.share(), at))
            .filter(|(_, share, _)| *share > 0.0)
            .collect();
        // Rounding gives entries to one or the other: to the same whatever the order of the list.
        named.sort_by(|a, b| a.0.cmp(&b.0));
        let sum: f64 = named.iter().map(|(_, share, _)| share).sum();
        let least = named.iter().map(|(_, share, _)| share / sum).fold(1.0, f64::min);
        let scale = ((least * entries_min as f64).ceil() / least).min(entries_max as f64);
        let (mut due, mut made) = (0.0, 0.0);
        let mut entries = Vec::with_capacity(scale as usize + 1);
        for (name, share, at) in &named {
            due += scale * share / sum;
            let mut number = 0_u32;
            while made < due {
                entries.push((xxh64(format!("{name}_{number}").as_bytes(), 0), *at));
                number += 1;
                made += 1.0;
            }
        }
        entries.sort_unstable();
        Self::from_sorted(entries)
    }

    /// The same ring without the entries of those that do not pass.
    pub(super) fn only(&self, passes: impl Fn(usize) -> bool) -> Self {
        let entries = self.hashes.iter().copied().zip(self.places.iter().copied());
        Self::from_sorted(entries.filter(|(_, at)| passes(*at as usize)).collect())
    }

    /// Whose a hash is; `None` if the ring is empty.
    pub(super) fn at(&self, hash: u64) -> Option<usize> {
        let next = self.hashes.partition_point(|entry| *entry < hash);
        self.places.get(next).or_else(|| self.places.first()).map(|at| *at as usize)
    }

    fn from_sorted(entries: Vec<(u64, u32)>) -> Self {
        let (hashes, places): (Vec<u64>, Vec<u32>) = entries.into_iter().unzip();
        Self { hashes: hashes.into(), places: places.into() }
    }

    #[cfg(test)]
    pub(super) fn len_of(&self, place: u32) -> usize {
        self.places.iter().filter(|at| **at == place).count()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
}
