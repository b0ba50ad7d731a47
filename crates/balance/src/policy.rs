//! What a balancing policy is: it says which members are to be connected, and makes the picker that sends each call to one.
//!
//! A policy is a function of the members as they are: whoever holds the connections calls it again whenever the list, a
//! state, a weight or an ejection changed, and swaps the picker. Pickers are read by all calls at once and never wait.

pub mod round_robin;
pub mod standing;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt::Debug;
use std::sync::Arc;

use crate::endpoint::{Connectivity, Member};

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

    /// The state of all members together: ready if one is, connecting if one may become it, else failed.
    fn connectivity(&self, members: &[Member]) -> Connectivity {
        let any = |state| members.iter().any(|member| member.state == state);
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
