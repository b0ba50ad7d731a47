//! Decides what the life of a registered server does next: which act follows which event, and how long each may take.
//!
//! Pure: time comes in as the time since the life began, the next act comes out. One act is under way at a time; what it
//! waits for, and what it says when it fails, is the business of `run`. Every act of leaving is bounded, and a bound over
//! all of them holds whatever they do; each is begun once.

use std::time::Duration;

use super::bounds::Bounds;
use super::state::LeaveReason;

/// What is to be done now. The next act is ordered when this one has ended, failed, or used up its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Wait until the handlers answer and the program says that it is ready.
    Gate,
    /// Find out under which address others reach this server, and describe the instance.
    Describe,
    /// Call those who want to see the instance before it is registered.
    BeforeRegister,
    /// Register it.
    Register,
    /// Call those who want to know that it is.
    AfterRegister,
    /// Serve, and follow what becomes of the registration. Never ends by itself.
    Stay,
    /// Call those who want to do something before callers are sent away.
    BeforeLeave,
    /// Take the registration back.
    Deregister,
    /// Call those who want to know that it was.
    AfterLeave,
    /// Serve on, until callers have noticed.
    Linger,
    /// Accept nobody new, and finish what is under way.
    Drain,
    /// Close the client, if it is this life's own.
    Close,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The server's future was polled: from now on somebody answers.
    Served,
    /// The act that was ordered last is done.
    Done,
    /// It failed.
    Failed,
    /// It is time to leave.
    Leave(LeaveReason),
    /// There is no time to leave in order.
    AtOnce,
    /// The server's future is over.
    ServeEnded,
    /// The time of [`Life::deadline`] has come.
    Deadline,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Leave the act that is under way, and begin this one.
    Do(Act),
    /// It is over; whatever is still open is cut.
    End,
}

/// Where a life stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The port is bound, nobody answers.
    Bound,
    /// This act is under way.
    Doing(Act),
    /// Nothing more happens.
    Over,
}

/// How much of a registration there is to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// None was asked for.
    Nothing,
    /// One was asked for; a server may hold it.
    Asked,
    /// A server confirmed it, so callers may know of it.
    Confirmed,
}

/// The life of one server.
#[derive(Debug)]
pub(super) struct Life {
    bounds: Bounds,
    registers: Registers,
    step: Step,
    held: Held,
    is_serving: bool,
    reason: Option<LeaveReason>,
    deadline: Option<Duration>,
    /// When all of leaving must be over.
    last: Option<Duration>,
    is_late: bool,
}

/// Whether there is anything to register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registers {
    /// The server is registered, and an act that fails before that ends the life.
    OrEnds,
    /// The server is registered as soon as that is possible.
    WhenPossible,
    /// It serves without being registered.
    Never,
}

impl Life {
    pub(super) fn new(bounds: Bounds, registers: Registers) -> Self {
        Self {
            bounds,
            registers,
            step: Step::Bound,
            held: Held::Nothing,
            is_serving: false,
            reason: None,
            deadline: None,
            last: None,
            is_late: false,
        }
    }

    /// When [`Event::Deadline`] is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Why it leaves, once it does.
    pub(super) fn reason(&self) -> Option<LeaveReason> {
        self.reason
    }

    /// Whether leaving took longer than it may, so that something was cut.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Takes in what happened. `None`: what is under way goes on.
    pub(super) fn on(&mut self, now: Duration, event: Event) -> Option<Order> {
        if self.step == Step::Over {
            return None;
        }
        match event {
            Event::Served => {
                self.is_serving = true;
                (self.step == Step::Bound).then(|| self.begin(now, Act::Gate))
            }
            Event::Done => self.after(now),
            Event::Failed => self.after_failure(now),
            Event::Leave(reason) => self.reason.is_none().then(|| self.leave(now, reason)),
            Event::AtOnce => {
                self.reason.get_or_insert(LeaveReason::Call);
                Some(self.end())
            }
            Event::ServeEnded => self.after_serving(now),
            Event::Deadline => self.after_deadline(now),
        }
    }

    fn act(&self) -> Option<Act> {
        match self.step {
            Step::Doing(act) => Some(act),
            Step::Bound | Step::Over => None,
        }
    }

    /// The act under way has ended well.
    fn after(&mut self, now: Duration) -> Option<Order> {
        let next = match self.act()? {
            Act::Gate if self.registers == Registers::Never => Act::Stay,
            Act::Gate => Act::Describe,
            Act::Describe => Act::BeforeRegister,
            Act::BeforeRegister => Act::Register,
            Act::Register => {
                self.held = Held::Confirmed;
                Act::AfterRegister
            }
            Act::AfterRegister => Act::Stay,
            Act::Stay => return None,
            Act::BeforeLeave => Act::Deregister,
            Act::Deregister if self.held == Held::Confirmed => Act::AfterLeave,
            Act::Deregister => return Some(self.stop_serving(now)),
            // Who serves no more has nothing to offer to those who have not noticed yet.
            Act::AfterLeave if self.is_serving && !self.bounds.drain_wait.is_zero() => Act::Linger,
            Act::AfterLeave | Act::Linger => return Some(self.stop_serving(now)),
            Act::Drain => Act::Close,
            Act::Close => return Some(self.end()),
        };
        Some(self.begin(now, next))
    }

    /// The act under way has failed. What belongs to leaving goes on to the next act: a failure is no reason to stay.
    fn after_failure(&mut self, now: Duration) -> Option<Order> {
        match self.act()? {
            Act::Gate | Act::Describe | Act::BeforeRegister | Act::Register => {
                Some(self.leave(now, LeaveReason::Failed))
            }
            _ => self.after(now),
        }
    }

    fn after_deadline(&mut self, now: Duration) -> Option<Order> {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return None;
        }
        if self.last.is_some_and(|last| now >= last) {
            self.is_late = true;
            return Some(self.end());
        }
        match self.act()? {
            Act::Linger => self.after(now),
            act @ (Act::Drain | Act::Close) => {
                self.is_late |= act == Act::Drain;
                self.after(now)
            }
            _ => self.after_failure(now),
        }
    }

    fn after_serving(&mut self, now: Duration) -> Option<Order> {
        self.is_serving = false;
        match self.act() {
            Some(Act::Linger | Act::Drain) => Some(self.begin(now, Act::Close)),
            _ => self.reason.is_none().then(|| self.leave(now, LeaveReason::ServerEnded)),
        }
    }

    fn leave(&mut self, now: Duration, reason: LeaveReason) -> Order {
        self.reason = Some(reason);
        self.last = Some(now + self.bounds.stop_within);
        match self.held {
            Held::Nothing => self.stop_serving(now),
            Held::Asked => self.begin(now, Act::Deregister),
            Held::Confirmed => self.begin(now, Act::BeforeLeave),
        }
    }

    fn stop_serving(&mut self, now: Duration) -> Order {
        self.begin(now, if self.is_serving { Act::Drain } else { Act::Close })
    }

    fn begin(&mut self, now: Duration, act: Act) -> Order {
        if act == Act::Register {
            self.held = Held::Asked;
        }
        self.step = Step::Doing(act);
        let own = self.bound_of(act).map(|bound| now + bound);
        // Whichever comes first.
        self.deadline = own.into_iter().chain(self.last).min();
        Order::Do(act)
    }

    fn end(&mut self) -> Order {
        self.step = Step::Over;
        self.deadline = None;
        Order::End
    }

    /// How long an act may take; `None`: for as long as it needs.
    fn bound_of(&self, act: Act) -> Option<Duration> {
        let or_ends = |bound| (self.registers == Registers::OrEnds).then_some(bound);
        match act {
            Act::Gate => or_ends(self.bounds.ready_within),
            Act::Describe | Act::Register => or_ends(self.bounds.register_within),
            Act::BeforeRegister | Act::AfterRegister | Act::BeforeLeave | Act::AfterLeave => {
                Some(self.bounds.hooks_within)
            }
            Act::Stay => None,
            Act::Deregister => Some(self.bounds.deregister_within),
            Act::Linger => Some(self.bounds.drain_wait),
            Act::Drain => Some(self.bounds.drain_within),
            Act::Close => Some(self.bounds.close_within),
        }
    }
}

#[cfg(test)]
mod tests;
