//! What calls look at: the picker and the ways to the endpoints, as they are at one moment.
//!
//! A view never changes. The driver makes a new one when anything does and swaps it in; calls load it, pick and send, and
//! never wait for each other or for the driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::uri::Scheme;
use hyper::client::conn::http2::SendRequest;
use nacrite_balance::{Call, Endpoint, Load, Pick, Picker};
use tonic::body::Body;

use super::outcome::Notes;
use super::rules::Rules;

/// How often a call that was sent to a connection that has just closed picks again before it waits for the next view.
const PICKS_MAX: usize = 4;

/// A way to an endpoint, as calls see it.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) endpoint: Arc<Endpoint>,
    /// Sends calls; `None` unless it is ready.
    pub(crate) sender: Option<SendRequest<Body>>,
    pub(crate) load: Arc<Load>,
    /// A call wants it to be connected. Shared by all views, and taken back by the driver.
    pub(crate) asked: Arc<AtomicBool>,
    pub(crate) scheme: Scheme,
    /// Where calls note how they ended; `None` if nobody looks.
    pub(crate) notes: Option<Notes>,
}

impl Lane {
    /// Whether a call that is sent now has a chance.
    fn is_open(&self) -> bool {
        self.sender.as_ref().is_some_and(|sender| !sender.is_closed())
    }
}

/// How calls are sent at this moment.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// Nobody called for a while: connections are to be made first.
    Asleep,
    /// It is not known yet where the service is.
    Resolving,
    /// It could not be found out where the service is, or it is nowhere.
    Failing(Arc<str>),
    /// As the policy says.
    Picking(Arc<dyn Picker>),
    /// Not any more.
    Shut,
}

/// What a call has to do now.
#[derive(Debug)]
pub(crate) enum Look {
    /// Send it here.
    Send(Arc<Lane>),
    /// Wait for the next view.
    Wait,
    /// The same, and the driver has to know that somebody waits.
    WaitAndTell,
    /// Fail, unless it waits for readiness.
    Fail(Arc<str>),
    /// Fail in any case.
    Shut,
}

/// Everything that calls need to know.
#[derive(Debug)]
pub(crate) struct View {
    /// By what rules calls are made; `None` until they are known.
    pub(crate) rules: Option<Arc<Rules>>,
    pub(crate) choice: Choice,
    pub(crate) lanes: Box<[Arc<Lane>]>,
}

impl View {
    /// Without anybody to send calls to.
    pub(crate) fn without_lanes(rules: Option<Arc<Rules>>, choice: Choice) -> Self {
        Self { rules, choice, lanes: Box::default() }
    }

    /// Decides what becomes of a call.
    pub(crate) fn look(&self, call: &Call<'_>) -> Look {
        let picker = match &self.choice {
            Choice::Picking(picker) => picker,
            Choice::Asleep => return Look::WaitAndTell,
            Choice::Resolving => return Look::Wait,
            Choice::Failing(reason) => return Look::Fail(Arc::clone(reason)),
            Choice::Shut => return Look::Shut,
        };
        for _ in 0..PICKS_MAX {
            match picker.pick(call) {
                // Not open: it has closed since the view was made, and the next view is on its way.
                Pick::Take(at) => match self.lanes.get(at) {
                    Some(lane) if lane.is_open() => return Look::Send(Arc::clone(lane)),
                    _ => {}
                },
                Pick::Connect(at) => {
                    let Some(lane) = self.lanes.get(at) else { return Look::Wait };
                    lane.asked.store(true, Ordering::Release);
                    return Look::WaitAndTell;
                }
                Pick::Wait => return Look::Wait,
                Pick::Fail(reason) => return Look::Fail(reason),
            }
        }
        Look::Wait
    }
}
