//! Wakes of a connection's task that come while the task runs.
//!
//! Answering a call wakes the task that answers it: there is something to write. The scheduler takes such a wake for more
//! work than one thread can do, and sends another thread to look, which costs more than the call. Here the task notes
//! it and goes round once more by itself; only wakes that come while it sleeps reach the scheduler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

const SLEEPING: u8 = 0;
const RUNNING: u8 = 1;
const WOKEN: u8 = 2;

/// Rounds that a task may go by itself before it lets others run.
const ROUNDS_MAX: usize = 16;

/// The wakes of one task.
#[derive(Debug)]
pub(crate) struct Wakes {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Wakes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(SLEEPING), task: Mutex::new(Waker::noop().clone()) })
    }

    /// What was woken so far is about to be looked at.
    pub(crate) fn heard(&self) {
        self.state.store(RUNNING, Ordering::SeqCst);
    }

    /// Runs `round` until it ends, or waits for something that has not happened yet. Each round calls [`Self::heard`]
    /// before it looks for what happened.
    pub(crate) fn poll(
        self: &Arc<Self>,
        cx: &Context<'_>,
        mut round: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        self.task.lock().clone_from(cx.waker());
        let waker = Waker::from(Arc::clone(self));
        for _ in 0..ROUNDS_MAX {
            self.heard();
            if round(&mut Context::from_waker(&waker)).is_ready() {
                return Poll::Ready(());
            }
            if self.state.compare_exchange(RUNNING, SLEEPING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                return Poll::Pending;
            }
        }
        self.state.store(SLEEPING, Ordering::SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let woken = self.state.compare_exchange(RUNNING, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if woken == Err(SLEEPING) {
            // Cloned, so that nothing runs under the lock.
            let task = self.task.lock().clone();
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Scheduler(AtomicUsize);

    impl Wake for Scheduler {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_that_wakes_itself_goes_round_again_and_the_scheduler_hears_nothing() {
        let (scheduler, wakes) = (Arc::new(Scheduler::default()), Wakes::new());
        let waker = Waker::from(Arc::clone(&scheduler));
        let mut rounds = 0;
        let polled = wakes.poll(&Context::from_waker(&waker), |cx| {
            rounds += 1;
            if rounds == 1 {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        });
        assert_eq!((polled, rounds, scheduler.0.load(Ordering::SeqCst)), (Poll::Pending, 2, 0));
    }

    #[test]
    fn a_sleeping_task_is_woken_by_the_scheduler() {
        let (scheduler, wakes) = (Arc::new(Scheduler::default()), Wakes::new());
        let waker = Waker::from(Arc::clone(&scheduler));
        let mut kept = None;
        assert!(wakes.poll(&Context::from_waker(&waker), |cx| keep(&mut kept, cx)).is_pending());
        kept.take().into_iter().for_each(Waker::wake);
        assert_eq!(scheduler.0.load(Ordering::SeqCst), 1);
    }

    fn keep(kept: &mut Option<Waker>, cx: &Context<'_>) -> Poll<()> {
        *kept = Some(cx.waker().clone());
        Poll::Pending
    }

    #[test]
    fn a_task_that_never_rests_lets_others_run() {
        let (scheduler, wakes) = (Arc::new(Scheduler::default()), Wakes::new());
        let waker = Waker::from(Arc::clone(&scheduler));
        let mut rounds = 0;
        let polled = wakes.poll(&Context::from_waker(&waker), |cx| {
            rounds += 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        assert_eq!((polled, rounds, scheduler.0.load(Ordering::SeqCst)), (Poll::Pending, ROUNDS_MAX, 1));
    }

    #[test]
    fn what_was_heard_needs_no_further_round() {
        let wakes = Wakes::new();
        let mut rounds = 0;
        let polled = wakes.poll(&Context::from_waker(Waker::noop()), |cx| {
            rounds += 1;
            cx.waker().wake_by_ref();
            wakes.heard();
            Poll::Pending
        });
        assert_eq!((polled, rounds), (Poll::Pending, 1));
    }
}
