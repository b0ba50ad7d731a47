//! How an attempt ended, noted once: for those who balance by work, and for those who look for endpoints that fail.
//!
//! An attempt that is given up says nothing about its endpoint, unless its time was over: an endpoint that is frozen answers
//! nobody, and is found by that alone.

use std::sync::Arc;

use http::HeaderMap;
use nacrite_balance::code::Code;
use nacrite_balance::endpoint::InFlight;
use nacrite_balance::outlier::Record;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::attempts::Judge;
use super::view::Lane;
use crate::clock;

/// The status of an answer.
const STATUS: &str = "grpc-status";

/// Where calls to an endpoint note how they ended.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    pub(crate) record: Arc<Record>,
    /// Wakes the driver.
    pub(crate) nudge: Arc<Notify>,
}

impl Notes {
    fn note(&self, code: Code) {
        if !code.blames_endpoint() {
            self.record.succeeded();
        } else if self.record.failed() {
            self.nudge.notify_one();
        }
    }
}

/// An attempt that is under way.
#[derive(Debug)]
pub(super) struct Attempt {
    lane: Arc<Lane>,
    _in_flight: InFlight,
    deadline: Option<Instant>,
    is_noted: bool,
    /// Who else wants to know, of an attempt whose answer has begun.
    judge: Option<Judge>,
}

impl Attempt {
    /// An attempt begins; it is counted as the endpoint's work until this is dropped.
    pub(super) fn begin(lane: Arc<Lane>, deadline: Option<Instant>) -> Self {
        let in_flight = lane.load.begin();
        Self { lane, _in_flight: in_flight, deadline, is_noted: false, judge: None }
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// How it ends is told to this too.
    pub(super) fn judge(&mut self, judge: Judge) {
        self.judge = Some(judge);
    }

    /// It ended with this status.
    pub(super) fn ended(self, code: Code) {
        self.end(code, None);
    }

    /// It ended, and that says nothing about the endpoint.
    pub(super) fn ended_unnoticed(mut self) {
        self.is_noted = true;
    }

    /// It ended with the status in these headers; without one it was no answer of gRPC.
    pub(super) fn ended_with(self, headers: &HeaderMap) {
        self.end(status(headers).unwrap_or(Code::Unknown), Some(headers));
    }

    fn end(mut self, code: Code, headers: Option<&HeaderMap>) {
        self.note(code);
        if let Some(judge) = self.judge.take() {
            judge.ended(code, headers);
        }
    }

    fn note(&mut self, code: Code) {
        self.is_noted = true;
        if let Some(notes) = &self.lane.notes {
            notes.note(code);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_noted && self.deadline.is_some_and(|deadline| clock::now() >= deadline) {
            self.note(Code::DeadlineExceeded);
        }
    }
}

/// The status in headers or trailers; `None` if there is none, which headers of an answer with messages have not.
pub(super) fn status(headers: &HeaderMap) -> Option<Code> {
    let text = headers.get(STATUS)?.to_str().ok()?;
    // What no version of gRPC knows is unknown.
    Some(text.parse().ok().and_then(Code::from_number).unwrap_or(Code::Unknown))
}
