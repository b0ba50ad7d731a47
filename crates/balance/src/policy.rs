//! What a balancing policy is: it says which members are to be connected, and makes the picker that sends each call to one.
//!
//! A policy is a function of the members as they are: whoever holds the connections calls it again whenever the list, a
//! state, a weight or an ejection changed, and swaps the picker. Pickers are read by all calls at once and never wait.

mod alias;
pub mod least_request;
pub mod locality;
pub mod pick_first;
pub mod registry;
pub mod ring_hash;
pub mod round_robin;
pub mod standing;
#[cfg(test)]
pub(crate) mod testing;
pub mod weighted_random;
pub mod weighted_round_robin;

use std::fmt::Debug;
use std::sync::Arc;

use crate::endpoint::{Connectivity, Member};

pub use self::least_request::LeastRequest;
pub use self::locality::PreferLocality;
pub use self::pick_first::PickFirst;
pub use self::registry::PolicyRegistry;
pub use self::ring_hash::RingHash;
pub use self::round_robin::RoundRobin;
pub use self::weighted_random::WeightedRandom;
pub use self::weighted_round_robin::WeightedRoundRobin;

/// A call, as far as a picker may look at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// Full method, `/package.Service/Method`, or a path.
    pub method: &'a str,
    /// What the call is bound to, for policies that send like to like.
    pub hash: Option<u64>,
}

/// What becomes of a call. Numbers are places in the list of members of which the picker was made.
#[derive(Clone, Debug, PartialEq)]
pub enum Pick {
    /// It goes to this member.
    Take(usize),
    /// It waits for the next picker; this member is to be connected, if it is not.
    Connect(usize),
    /// It waits for the next picker.
    Wait,
    /// It fails now with this reason, unless it waits for readiness.
    Fail(Arc<str>),
}

/// Which members are to have a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wanted {
    /// Every one.
    All,
    /// These places in the list. Others that have one keep it until they are idle; a policy that names one place wants
    /// the others closed.
    Only(Vec<usize>),
    /// Those that a picker asks for with [`Pick::Connect`].
    OnDemand,
}

/// Sends calls to members.
pub trait Picker: Debug + Send + Sync {
    /// Who takes this call.
    fn pick(&self, call: &Call<'_>) -> Pick;
}

/// Balances calls over members.
pub trait Policy: Debug + Send + Sync {
    /// Its name in a service config, such as `round_robin`.
    fn name(&self) -> &str;

    /// Which members are to have a connection now.
    fn wanted(&self, members: &[Member]) -> Wanted;

    /// A picker over the members as they are.
    fn picker(&self, members: &[Member]) -> Arc<dyn Picker>;

    /// The header of a call that says what the call is bound to, for policies that send like to like: [`Call::hash`] is then
    /// [`hash_of`](ring_hash::hash_of) of its value (of several, joined by commas). In lower case.
    fn hash_header(&self) -> Option<&str> {
        None
    }

    /// The state of all members together: ready if one is, connecting or idle if one may become it that did not fail since
    /// it was last ready, else failed.
    fn connectivity(&self, members: &[Member]) -> Connectivity {
        let any = |state| members.iter().any(|member| member.state == state && !member.is_failing());
        if any(Connectivity::Ready) {
            Connectivity::Ready
        } else if any(Connectivity::Connecting) {
            Connectivity::Connecting
        } else if any(Connectivity::Idle) {
            Connectivity::Idle
        } else {
            Connectivity::TransientFailure
        }
    }
}
