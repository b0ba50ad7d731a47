//! `ring_hash`: like goes to like. Calls of the same hash go to the same endpoint, and few of them elsewhere when the list
//! changes (gRFC A42, A61, A76).
//!
//! The ring is built as gRPC's client for Go builds its own, from the same texts with the same hash, so that programs in both
//! send the same calls to the same endpoints. (Java's writes addresses in another way, and has another ring.) Endpoints are
//! connected to when a call asks for them. Endpoints that failed are passed over: their calls go to the next on the ring
//! until they are back.

mod ring;

use std::sync::Arc;

use parking_lot::Mutex;
use xxhash_rust::xxh64::xxh64;

use crate::endpoint::{Connectivity, Endpoint, Member};
use crate::json::{Invalid, Node};
use crate::policy::ring_hash::ring::Ring;
use crate::policy::standing::{Always, without_takers};
use crate::policy::{Call, Pick, Picker, Policy, Wanted};

/// The ring has at least so many entries, unless the settings say otherwise (gRFC A42).
const ENTRIES_MIN: u64 = 1_024;

/// The ring never has more: a service config must not be able to take any amount of memory (gRFC A42). With more endpoints
/// than this, some have no entry and take no calls.
const ENTRIES_MAX: u64 = 4_096;

/// Settings above this are wrong, not only too large (gRFC A42).
const SETTING_MAX: u64 = 8 * 1_024 * 1_024;

/// What a call is bound to, as a number: the value of a header, or whatever else stands for it.
#[must_use]
pub fn hash_of(value: &[u8]) -> u64 {
    xxh64(value, 0)
}

/// Like to like.
#[derive(Debug)]
pub struct RingHash {
    entries_min: u64,
    entries_max: u64,
    header: Option<String>,
    /// The ring of the last list. States change far more often than lists, and building a ring is most of the work.
    last: Mutex<Option<Built>>,
}

/// A ring and the endpoints of which it was built.
#[derive(Debug)]
struct Built {
    endpoints: Box<[Arc<Endpoint>]>,
    ring: Arc<Ring>,
}

impl Built {
    /// Whether it was built of these: the very same, so that nobody compares addresses and weights.
    fn is_of(&self, members: &[Member]) -> bool {
        self.endpoints.len() == members.len()
            && self.endpoints.iter().zip(members).all(|(own, member)| Arc::ptr_eq(own, &member.endpoint))
    }
}

impl Default for RingHash {
    fn default() -> Self {
        Self::new(ENTRIES_MIN, ENTRIES_MAX, None)
    }
}

impl RingHash {
    /// The name in service configs.
    pub const NAME: &str = "ring_hash";

    fn new(entries_min: u64, entries_max: u64, header: Option<String>) -> Self {
        Self { entries_min, entries_max, header, last: Mutex::new(None) }
    }

    /// The ring of all members.
    fn ring(&self, members: &[Member]) -> Arc<Ring> {
        let mut last = self.last.lock();
        if let Some(built) = last.as_ref().filter(|built| built.is_of(members)) {
            return Arc::clone(&built.ring);
        }
        let ring = Arc::new(Ring::new(members, self.entries_min, self.entries_max));
        let endpoints = members.iter().map(|member| Arc::clone(&member.endpoint)).collect();
        *last = Some(Built { endpoints, ring: Arc::clone(&ring) });
        ring
    }

    /// Reads `{"minRingSize": 1024, "maxRingSize": 4096, "requestHashHeader": "x-user"}`.
    ///
    /// # Errors
    /// A field is not as it must be.
    pub fn parse(config: &Node<'_>) -> Result<Self, Invalid> {
        let size = |name| config.get(name)?.map(|node| node.whole(1..=SETTING_MAX)).transpose();
        let min = size("minRingSize")?.unwrap_or(ENTRIES_MIN);
        let max = size("maxRingSize")?.unwrap_or(ENTRIES_MAX);
        if min > max {
            return Err(config.need("minRingSize").map_or_else(
                |_| config.wrong("maxRingSize is less than the least size of a ring, 1024"),
                |node| node.wrong("must not be more than maxRingSize"),
            ));
        }
        let header = config.get("requestHashHeader")?.map(|node| header_name(&node)).transpose()?.flatten();
        Ok(Self::new(min.min(ENTRIES_MAX), max.min(ENTRIES_MAX), header))
    }
}

/// The name of a header of text, in lower case; `None` if it is empty, which is the same as none.
fn header_name(node: &Node<'_>) -> Result<Option<String>, Invalid> {
    let name = node.text()?.to_ascii_lowercase();
    if name.ends_with("-bin") {
        return Err(node.wrong("must not name a binary header (-bin)"));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(fits) {
        return Err(node.wrong("must be the name of a header"));
    }
    Ok(Some(name).filter(|name| !name.is_empty()))
}

impl Policy for RingHash {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn wanted(&self, _: &[Member]) -> Wanted {
        Wanted::OnDemand
    }

    fn picker(&self, members: &[Member]) -> Arc<dyn Picker> {
        let usable = usable(members);
        if !usable.contains(&true) {
            return Arc::new(Always(without_takers(members)));
        }
        let ring = self.ring(members).only(|at| usable[at]);
        let ready = ring.only(|at| members[at].state == Connectivity::Ready);
        let states = members.iter().map(|member| member.state).collect();
        let is_connecting = members.iter().any(|member| member.state == Connectivity::Connecting);
        Arc::new(Lookup { ring, ready, states, is_connecting })
    }

    fn connectivity(&self, members: &[Member]) -> Connectivity {
        let any = |state| members.iter().any(|member| member.state == state && !member.is_failing());
        // Endpoints are tried one by one, so that two failures must stand for more (gRFC A42).
        match members.iter().filter(|member| member.is_failing()).count() {
            _ if any(Connectivity::Ready) => Connectivity::Ready,
            2.. => Connectivity::TransientFailure,
            _ if any(Connectivity::Connecting) => Connectivity::Connecting,
            1 if members.len() > 1 => Connectivity::Connecting,
            _ if any(Connectivity::Idle) => Connectivity::Idle,
            _ => Connectivity::TransientFailure,
        }
    }

    fn hash_header(&self) -> Option<&str> {
        self.header.as_deref()
    }
}

/// Which members calls may meet on the ring: those that did not fail, and those whose pause after a failure is over, which
/// nobody but a call connects to again. Ejected ones only if all are.
fn usable(members: &[Member]) -> Vec<bool> {
    let is_open = |member: &Member| {
        let is_open = match member.state {
            Connectivity::Idle | Connectivity::Ready => true,
            Connectivity::Connecting => !member.is_failing(),
            Connectivity::TransientFailure | Connectivity::Shutdown => false,
        };
        is_open && member.endpoint.share() > 0.0
    };
    let spared: Vec<bool> = members.iter().map(|member| is_open(member) && !member.ejected).collect();
    if spared.contains(&true) { spared } else { members.iter().map(is_open).collect() }
}

#[derive(Debug)]
struct Lookup {
    /// Those that calls may meet. Not empty, unless the list is longer than a ring can be.
    ring: Ring,
    /// Those of them that are ready.
    ready: Ring,
    states: Box<[Connectivity]>,
    is_connecting: bool,
}

impl Lookup {
    fn state(&self, at: usize) -> Connectivity {
        self.states.get(at).copied().unwrap_or_default()
    }

    /// A call that is bound to nothing goes anywhere. It brings one endpoint after the other into use, so that in the end
    /// all share such calls, but waits for none while another is being connected (gRFC A76).
    fn pick_any(&self) -> Pick {
        let hash = rand::random();
        let met = self.ring.at(hash);
        match met.map(|at| (at, self.state(at))) {
            Some((at, Connectivity::Ready)) => Pick::Take(at),
            Some((at, Connectivity::Idle)) if !self.is_connecting => Pick::Connect(at),
            _ => self.ready.at(hash).map_or(Pick::Wait, Pick::Take),
        }
    }
}

impl Picker for Lookup {
    fn pick(&self, call: &Call<'_>) -> Pick {
        let Some(hash) = call.hash else { return self.pick_any() };
        let Some(at) = self.ring.at(hash) else { return Pick::Wait };
        match self.state(at) {
            Connectivity::Ready => Pick::Take(at),
            Connectivity::Idle => Pick::Connect(at),
            Connectivity::Connecting | Connectivity::TransientFailure | Connectivity::Shutdown => Pick::Wait,
        }
    }
}

#[cfg(test)]
mod tests;
