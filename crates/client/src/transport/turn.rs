//! Drives a connection, and wakes its callers only when all that has come is read.
//!
//! One answer is three frames, and each of them would wake its caller: at once, on another thread, where it waits for
//! the lock that the reader holds, finds a part of its answer and sleeps again. So while a connection is being driven, who
//! is to be woken is noted, and woken once it has been.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use h2::client::Connection;
use parking_lot::Mutex;

use super::socket::Socket;

/// A connection that is driven in turns.
pub(super) struct Driven {
    http2: Connection<Socket, Bytes>,
    turn: Arc<Turn>,
}

impl Driven {
    pub(super) fn new(http2: Connection<Socket, Bytes>) -> Self {
        Self { http2, turn: Arc::default() }
    }

    pub(super) fn turn(&self) -> Arc<Turn> {
        Arc::clone(&self.turn)
    }
}

impl Future for Driven {
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _on = On::begin(&this.turn);
        Pin::new(&mut this.http2).poll(cx)
    }
}

/// Whether the connection is being driven, and who is to be woken afterwards.
#[derive(Default)]
pub(super) struct Turn(Mutex<State>);

#[derive(Default)]
struct State {
    is_on: bool,
    /// A call that was noted waits for nothing else, so it is here at most once: no more than calls under way.
    noted: Vec<Arc<Caller>>,
}

impl Turn {
    /// Waits for something that the connection brings; whoever waits is woken after its turn.
    pub(super) async fn after<F: Future>(self: &Arc<Self>, awaited: F) -> F::Output {
        let mut awaited = pin!(awaited);
        let mut caller: Option<Arc<Caller>> = None;
        poll_fn(|cx| {
            let known = caller.take().filter(|caller| caller.waker.will_wake(cx.waker()));
            let known = known.unwrap_or_else(|| Arc::new(Caller { waker: cx.waker().clone(), turn: Arc::clone(self) }));
            let waker = Waker::from(Arc::clone(&known));
            caller = Some(known);
            awaited.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

/// A turn that is on. Ends when it is dropped, so that a panic leaves nobody asleep.
struct On<'a>(&'a Turn);

impl<'a> On<'a> {
    fn begin(turn: &'a Turn) -> Self {
        turn.0.lock().is_on = true;
        Self(turn)
    }
}

impl Drop for On<'_> {
    fn drop(&mut self) {
        let noted = {
            let mut state = self.0.0.lock();
            state.is_on = false;
            std::mem::take(&mut state.noted)
        };
        for caller in noted {
            caller.waker.wake_by_ref();
        }
    }
}

/// Who waits for an answer.
struct Caller {
    waker: Waker,
    turn: Arc<Turn>,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        let turn = Arc::clone(&self.turn);
        let mut state = turn.0.lock();
        if state.is_on {
            state.noted.push(self);
        } else {
            drop(state);
            self.waker.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn callers_are_woken_after_the_turn() {
        let (turn, counted) = (Arc::new(Turn::default()), Arc::new(Counted::default()));
        let given = Mutex::new(None);
        let waiting = turn.after(poll_fn(|cx| {
            *given.lock() = Some(cx.waker().clone());
            Poll::<()>::Pending
        }));
        let mut waiting = pin!(waiting);
        let waker = Waker::from(Arc::clone(&counted));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let woken = || counted.0.load(Ordering::Relaxed);
        let given: Waker = given.lock().clone().expect("it was asked");
        let on = On::begin(&turn);
        given.wake_by_ref();
        assert_eq!(woken(), 0, "while the connection is driven nobody is woken");
        drop(on);
        assert_eq!(woken(), 1, "afterwards they are");
        given.wake();
        assert_eq!(woken(), 2, "in between they are woken at once");
        assert!(turn.0.lock().noted.is_empty());
    }
}
