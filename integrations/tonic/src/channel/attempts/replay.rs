//! The request of a call, kept so that it can be sent again: what one attempt takes from the program is there for the next.
//!
//! Keeping has bounds, for a call and for all calls of a channel. What goes beyond binds the call to the attempt that took
//! it: the attempt goes on, no other begins, and nothing is kept any more (gRFC A6).

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tonic::Status;
use tonic::body::Body;

/// What is kept of one call, in bytes: 1 MiB, as other clients of gRPC do.
const CALL_LEN_MAX: usize = 1 << 20;

/// What is kept of all calls of a channel, in bytes: 16 MiB, as other clients of gRPC do.
const CHANNEL_LEN_MAX: usize = 16 << 20;

/// How much is kept of all calls of a channel.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    /// Takes so much, if there is as much left.
    fn take(&self, len: usize) -> bool {
        let more = |kept: usize| kept.checked_add(len).filter(|kept| *kept <= CHANNEL_LEN_MAX);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn give_back(&self, len: usize) {
        self.0.fetch_sub(len, Ordering::Relaxed);
    }
}

/// Attempts of a call, by number.
type AttemptNumber = u32;

/// The request of one call.
#[derive(Debug)]
pub(super) struct Replay(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    state: Mutex<State>,
    budget: Arc<Budget>,
    /// The call was bound because there was too much.
    overflowed: Notify,
}

#[derive(Debug)]
struct State {
    /// Where the program's messages come from.
    source: Body,
    frames: VecDeque<Bytes>,
    /// How many frames are not kept any more, before those that are.
    let_go: usize,
    kept_len: usize,
    is_over: bool,
    failure: Option<Status>,
    /// Attempts that are under way.
    open: Vec<AttemptNumber>,
    /// The one attempt that counts.
    bound: Option<AttemptNumber>,
    /// Attempts that wait for the program, to be woken when another got what they wait for.
    waiting: Vec<(AttemptNumber, Waker)>,
}

impl State {
    fn is_open(&self, attempt: AttemptNumber) -> bool {
        self.bound.map_or_else(|| self.open.contains(&attempt), |bound| bound == attempt)
    }

    fn wake_others(&mut self, attempt: AttemptNumber) {
        for (_, waker) in self.waiting.drain(..).filter(|(waiting, _)| *waiting != attempt) {
            waker.wake();
        }
    }
}

impl Replay {
    /// Nothing is taken from `source` before an attempt asks for it.
    pub(super) fn new(source: Body, budget: Arc<Budget>) -> Self {
        let state = State {
            source,
            frames: VecDeque::new(),
            let_go: 0,
            kept_len: 0,
            is_over: false,
            failure: None,
            open: Vec::new(),
            bound: None,
            waiting: Vec::new(),
        };
        Self(Arc::new(Kept { state: Mutex::new(state), budget, overflowed: Notify::new() }))
    }

    /// The request from its beginning, for an attempt that is under way as long as the lease is held. Numbers never repeat
    /// within a call.
    pub(super) fn open(&self, attempt: AttemptNumber) -> (Body, Lease) {
        self.0.state.lock().open.push(attempt);
        let body = ReplayBody { kept: Arc::clone(&self.0), attempt, next: 0, has_failed: false };
        (Body::new(body), Lease { kept: Arc::clone(&self.0), attempt })
    }

    /// Binds the call to an attempt: it goes on without its lease, and no other does. A call that is bound stays so.
    pub(super) fn bind(&self, attempt: AttemptNumber) {
        let mut state = self.0.state.lock();
        if state.bound.is_none() {
            state.bound = Some(attempt);
            state.wake_others(attempt);
        }
    }

    /// The attempt to which the call is bound.
    pub(super) fn bound(&self) -> Option<AttemptNumber> {
        self.0.state.lock().bound
    }

    /// Waits until there is too much to be kept, and tells which attempt the call is bound to.
    pub(super) async fn overflowed(&self) -> AttemptNumber {
        loop {
            self.0.overflowed.notified().await;
            if let Some(bound) = self.bound() {
                return bound;
            }
        }
    }
}

/// An attempt is under way.
#[derive(Debug)]
pub(super) struct Lease {
    kept: Arc<Kept>,
    attempt: AttemptNumber,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.kept.state.lock().open.retain(|open| *open != self.attempt);
    }
}

/// The request as one attempt sends it.
#[derive(Debug)]
struct ReplayBody {
    kept: Arc<Kept>,
    attempt: AttemptNumber,
    /// The number of the frame that comes next.
    next: usize,
    /// It ended with an error, which is said once.
    has_failed: bool,
}

impl ReplayBody {
    /// The next frame, if another attempt has taken it from the program before.
    fn kept(&mut self, state: &mut State) -> Option<Bytes> {
        let frame = state.frames.get(self.next.checked_sub(state.let_go)?)?.clone();
        self.next += 1;
        if state.bound.is_some() {
            self.let_go(state);
        }
        Some(frame)
    }

    /// Lets go of what this attempt has sent: nobody else will.
    fn let_go(&self, state: &mut State) {
        while state.let_go < self.next {
            let Some(frame) = state.frames.pop_front() else { break };
            state.let_go += 1;
            state.kept_len -= frame.len();
            self.kept.budget.give_back(frame.len());
        }
    }

    /// A frame came from the program: it is kept for others, or it binds the call.
    fn keep(&mut self, state: &mut State, data: &Bytes) {
        let fits = state.bound.is_none() && state.kept_len.saturating_add(data.len()) <= CALL_LEN_MAX;
        self.next += 1;
        if fits && self.kept.budget.take(data.len()) {
            state.kept_len += data.len();
            state.frames.push_back(data.clone());
        } else {
            self.overflow(state);
        }
    }

    /// What was just taken is not kept: the call is bound to this attempt.
    fn overflow(&self, state: &mut State) {
        self.let_go(state);
        state.let_go = self.next;
        if state.bound.is_none() {
            state.bound = Some(self.attempt);
            self.kept.overflowed.notify_one();
        }
    }

    fn poll_kept(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !state.is_open(self.attempt) {
            // If the program has woken this one, it has woken nobody who goes on.
            state.wake_others(self.attempt);
            return Poll::Ready(Some(Err(Status::cancelled("another attempt of the call goes on"))));
        }
        if let Some(data) = self.kept(state) {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if state.is_over {
            return Poll::Ready(state.failure.clone().map(Err));
        }
        self.poll_source(state, cx)
    }

    fn poll_source(&mut self, state: &mut State, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut state.source).poll_frame(cx);
        if polled.is_pending() {
            // Only the last that asked is woken by the program; it wakes the others.
            let attempt = self.attempt;
            state.waiting.retain(|(waiting, _)| *waiting != attempt);
            state.waiting.push((attempt, cx.waker().clone()));
        }
        let polled = ready!(polled);
        state.wake_others(self.attempt);
        Poll::Ready(match polled {
            None => {
                state.is_over = true;
                None
            }
            Some(Err(failure)) => {
                (state.is_over, state.failure) = (true, Some(failure.clone()));
                Some(Err(failure))
            }
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(data) => self.keep(state, data),
                    // Requests have no trailers in gRPC; if one has, it is not sent twice.
                    None => self.overflow(state),
                }
                Some(Ok(frame))
            }
        })
    }
}

impl http_body::Body for ReplayBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.has_failed {
            return Poll::Ready(None);
        }
        let kept = Arc::clone(&self.kept);
        let polled = self.poll_kept(&mut kept.state.lock(), cx);
        self.has_failed = matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        let state = self.kept.state.lock();
        let has_all = self.next == state.let_go + state.frames.len();
        state.failure.is_none() && has_all && (state.is_over || state.source.is_end_stream())
    }
}

impl Drop for ReplayBody {
    fn drop(&mut self) {
        // If the program would have woken this one, it would now wake nobody.
        self.kept.state.lock().wake_others(self.attempt);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.give_back(self.state.get_mut().kept_len);
    }
}

#[cfg(test)]
mod tests;
