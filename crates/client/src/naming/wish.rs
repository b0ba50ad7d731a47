//! One thing that the server is to hold for this client on the connection that stands: what is wanted, what is known to be
//! held, when to try again, and when to stop trying.
//!
//! Pure. A connection takes everything it carried with it, so that what was never asked for on a new one needs no taking
//! back, unless the server is suspected to remember it: that is how nothing comes back that was given up while there was no
//! connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::error::Error;
use crate::session::Generation;

/// Longest pause between attempts that the server answered with being busy: it is to be relieved, but not forgotten.
const BUSY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The number of one attempt. Never repeats within a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The server holds it, or holds it no longer.
    Done,
    /// Whether it was done is not known, or it may be done later: it is tried again.
    Failed(Arc<Error>),
    /// It will not be done however often it is asked.
    Refused(Arc<Error>),
}

impl Outcome {
    /// What follows from an answer. A mistake of the caller, a missing right and a missing feature do not pass by
    /// themselves; everything else may.
    pub(crate) fn of<T>(answer: Result<T, Error>) -> Self {
        use nacrite_wire::codes::rpc;
        let Err(error) = answer else {
            return Self::Done;
        };
        let lasting = [rpc::INVALID_PARAM, rpc::NO_HANDLER, rpc::NO_RIGHT, rpc::NOT_FOUND, rpc::NOT_IMPLEMENTED];
        let refused = match &error {
            Error::Refused { code, .. } => lasting.iter().any(|lasting| i64::from(*lasting) == *code),
            // A lock is opened again, a wrong password stays wrong.
            Error::LoginRefused { is_locked, .. } => !is_locked,
            Error::Invalid(_) | Error::Denied(_) | Error::Unsupported(_) | Error::Closed => true,
            _ => false,
        };
        if refused { Self::Refused(Arc::new(error)) } else { Self::Failed(Arc::new(error)) }
    }
}

/// What to ask the server for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step<T> {
    /// To hold this, instead of what it holds.
    Put(T),
    /// To hold nothing.
    Take,
}

/// What the server holds, as far as is known.
#[derive(Clone, Debug, PartialEq)]
enum Held<T> {
    Nothing,
    This(Generation, T),
    /// Something was asked, and the answer is not known.
    Unknown(Generation),
}

impl<T> Held<T> {
    fn is_of(&self, current: Generation) -> bool {
        match self {
            Self::Nothing => false,
            Self::This(generation, _) | Self::Unknown(generation) => *generation == current,
        }
    }
}

#[derive(Debug)]
struct Flight<T> {
    ticket: Ticket,
    generation: Generation,
    asked: Option<T>,
    held_before: Held<T>,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Wish<T> {
    wanted: Option<T>,
    held: Held<T>,
    /// Whether what is held is what is wanted. Kept, because it is asked for far more often than it changes, and comparing
    /// sets of instances is dear.
    granted: bool,
    flight: Option<Flight<T>>,
    failures: u32,
    retry_at: Option<Instant>,
    again_at: Option<Instant>,
    refused: Option<Arc<Error>>,
}

impl<T: Clone + PartialEq> Wish<T> {
    pub(crate) fn new() -> Self {
        Self {
            wanted: None,
            held: Held::Nothing,
            granted: false,
            flight: None,
            failures: 0,
            retry_at: None,
            again_at: None,
            refused: None,
        }
    }

    /// Wants this from now on, or nothing. What was refused or postponed before is tried at once.
    pub(crate) fn want(&mut self, wanted: Option<T>) {
        self.wanted = wanted;
        self.refused = None;
        self.failures = 0;
        self.retry_at = None;
        self.compare();
    }

    fn compare(&mut self) {
        self.granted = matches!((&self.held, &self.wanted), (Held::This(_, held), Some(wanted)) if held == wanted);
    }

    fn hold(&mut self, held: Held<T>) {
        self.held = held;
        self.compare();
    }

    /// What is wanted.
    pub(crate) fn wanted(&self) -> Option<&T> {
        self.wanted.as_ref()
    }

    /// Another connection stands, or none. What the one before carried is gone with it.
    pub(crate) fn session(&mut self, current: Option<Generation>) {
        if !current.is_some_and(|current| self.held.is_of(current)) {
            self.hold(Held::Nothing);
        }
        // An attempt on the old connection can change nothing any more; a new one must not wait for it to fail.
        if self.flight.as_ref().is_some_and(|flight| Some(flight.generation) != current) {
            self.flight = None;
        }
        self.failures = 0;
        self.retry_at = None;
        // What one server cannot do, another may.
        if current.is_some() && self.refused.as_ref().is_some_and(|error| matches!(**error, Error::Unsupported(_))) {
            self.refused = None;
        }
    }

    /// Whether the server is known to hold what is wanted.
    pub(crate) const fn is_granted(&self) -> bool {
        self.granted
    }

    /// Whether the server does not hold what is wanted, and may yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.wanted.is_some() && !self.is_granted() && self.refused().is_none()
    }

    /// What the server is known to hold.
    pub(crate) fn held(&self) -> Option<&T> {
        match &self.held {
            Held::This(_, held) => Some(held),
            _ => None,
        }
    }

    /// Whether the server holds nothing for sure.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.held == Held::Nothing
    }

    /// Whether nothing is wanted and nothing can be held: there is nothing left to do.
    pub(crate) fn is_over(&self) -> bool {
        self.wanted.is_none() && self.held == Held::Nothing && self.flight.is_none()
    }

    /// Whether an attempt is under way.
    pub(crate) fn is_asking(&self) -> bool {
        self.flight.is_some()
    }

    /// Why the server will not hold what is wanted.
    pub(crate) fn refused(&self) -> Option<&Arc<Error>> {
        self.refused.as_ref()
    }

    /// Asks for what is held as if it were not: whoever wants it now was not there when the server told of it.
    pub(crate) fn ask_anew(&mut self) {
        if let Held::This(generation, _) = self.held {
            self.hold(Held::Unknown(generation));
        }
    }

    /// The server may hold something, although nothing was asked on this connection.
    pub(crate) fn suspect(&mut self, current: Generation) {
        if self.held == Held::Nothing && self.flight.is_none() {
            self.hold(Held::Unknown(current));
        }
    }

    /// Asks once more at that moment, although it is held: to hear what has changed.
    pub(crate) fn repeat_at(&mut self, at: Instant) {
        self.again_at = Some(at);
    }

    /// What there is to ask on the connection that stands.
    pub(crate) fn next(&self, now: Instant) -> Option<Step<T>> {
        if self.flight.is_some() || self.refused.is_some() || self.retry_at.is_some_and(|at| at > now) {
            return None;
        }
        match &self.wanted {
            Some(_) if self.is_granted() && self.again_at.is_none_or(|at| at > now) => None,
            Some(wanted) => Some(Step::Put(wanted.clone())),
            None if self.held == Held::Nothing => None,
            None => Some(Step::Take),
        }
    }

    /// When [`Self::next`] may say something else.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        if self.flight.is_some() || self.refused.is_some() {
            return None;
        }
        let again_at = if self.is_granted() { self.again_at } else { None };
        self.retry_at.or(again_at)
    }

    /// The step is being asked. Until it is answered, nobody knows what the server holds.
    pub(crate) fn begin(&mut self, ticket: Ticket, generation: Generation, step: &Step<T>) {
        let asked = match step {
            Step::Put(wanted) => Some(wanted.clone()),
            Step::Take => None,
        };
        let held_before = std::mem::replace(&mut self.held, Held::Unknown(generation));
        self.granted = false;
        self.flight = Some(Flight { ticket, generation, asked, held_before });
        self.retry_at = None;
        self.again_at = None;
    }

    /// The attempt has ended. Returns what was asked, unless the attempt counts no more: the connection has changed.
    pub(crate) fn end(
        &mut self,
        now: Instant,
        ticket: Ticket,
        outcome: &Outcome,
        pause: Duration,
    ) -> Option<Option<T>> {
        let flight = self.flight.take_if(|flight| flight.ticket == ticket)?;
        match outcome {
            Outcome::Done => {
                self.hold(match &flight.asked {
                    Some(asked) => Held::This(flight.generation, asked.clone()),
                    None => Held::Nothing,
                });
                self.failures = 0;
            }
            // Something else is wanted by now: that has not failed yet, and does not wait.
            Outcome::Failed(_) if self.wanted != flight.asked => self.failures = 0,
            Outcome::Failed(error) => {
                self.failures = self.failures.saturating_add(1);
                self.retry_at = Some(now + pause_after(error, self.failures, pause));
            }
            Outcome::Refused(error) => {
                self.hold(flight.held_before);
                // What is wanted by now may be something else, which nobody has refused.
                if self.wanted == flight.asked {
                    self.refused = Some(Arc::clone(error));
                }
            }
        }
        Some(flight.asked)
    }

    /// How often it was tried in vain since it was wanted, or since the connection changed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A network that fails says nothing about load; a server that is busy is to be relieved.
fn pause_after(error: &Error, failures: u32, pause: Duration) -> Duration {
    if !matches!(error, Error::Busy(_)) {
        return pause;
    }
    let doubled = 1_u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
    pause.saturating_mul(doubled).min(BUSY_PAUSE_MAX).max(pause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const PAUSE: Duration = Duration::from_secs(3);

    fn failed() -> Outcome {
        Outcome::of::<()>(Err(Error::Broken("cut".to_owned())))
    }

    /// Lets the wish take its next step, and tells which one.
    fn begin(wish: &mut Wish<u8>, now: Instant, number: u64, generation: u64) -> Option<Step<u8>> {
        let step = wish.next(now)?;
        wish.begin(Ticket(number), Generation::new(generation), &step);
        Some(step)
    }

    #[test]
    fn what_was_never_asked_for_on_this_connection_is_not_taken_back() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        assert_eq!(begin(&mut wish, now, 1, 1), Some(Step::Put(1)));
        wish.end(now, Ticket(1), &Outcome::Done, PAUSE);
        wish.session(None);
        wish.want(None);
        wish.session(Some(Generation::new(2)));
        assert_eq!(wish.next(now), None);
        assert!(wish.is_over());
    }

    #[test]
    fn what_is_held_can_be_asked_for_anew() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        wish.ask_anew();
        assert_eq!(begin(&mut wish, now, 1, 1), Some(Step::Put(1)));
        wish.end(now, Ticket(1), &Outcome::Done, PAUSE);
        wish.want(None);
        wish.want(Some(1));
        assert_eq!(wish.next(now), None, "it is held");
        wish.ask_anew();
        assert_eq!(begin(&mut wish, now, 2, 1), Some(Step::Put(1)));
        wish.end(now, Ticket(2), &Outcome::Done, PAUSE);
        assert_eq!(wish.next(now), None);
    }

    #[test]
    fn what_may_have_been_done_is_taken_back() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        begin(&mut wish, now, 1, 1);
        wish.end(now, Ticket(1), &failed(), PAUSE);
        wish.want(None);
        assert_eq!(begin(&mut wish, now, 2, 1), Some(Step::Take));
        wish.end(now, Ticket(2), &Outcome::Done, PAUSE);
        assert!(wish.is_over());
    }

    #[test]
    fn a_failure_is_tried_again_after_a_pause_and_at_once_on_a_new_connection() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        begin(&mut wish, now, 1, 1);
        wish.end(now, Ticket(1), &failed(), PAUSE);
        assert_eq!((wish.next(now), wish.wake_at()), (None, Some(now + PAUSE)));
        assert_eq!(wish.next(now + PAUSE), Some(Step::Put(1)));
        wish.session(Some(Generation::new(2)));
        assert_eq!(wish.next(now), Some(Step::Put(1)));
    }

    #[test]
    fn a_busy_server_is_asked_more_and_more_rarely() {
        let (mut wish, mut now, mut pauses) = (Wish::new(), clock::now(), Vec::new());
        wish.want(Some(1));
        for number in 1..=40 {
            begin(&mut wish, now, number, 1);
            wish.end(now, Ticket(number), &Outcome::of::<()>(Err(Error::Busy("full".to_owned()))), PAUSE);
            let at = wish.wake_at().expect("it is tried again");
            pauses.push((at - now).as_secs());
            now = at;
        }
        assert_eq!(pauses[..6], [3, 6, 12, 24, 30, 30]);
        assert_eq!(pauses.last(), Some(&30));
    }

    #[test]
    fn a_refusal_stops_until_something_else_is_wanted() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        begin(&mut wish, now, 1, 1);
        wish.end(now, Ticket(1), &Outcome::of::<()>(Err(Error::Denied("no".to_owned()))), PAUSE);
        assert!(wish.refused().is_some());
        wish.session(Some(Generation::new(2)));
        assert_eq!((wish.next(now + PAUSE), wish.wake_at()), (None, None));
        wish.want(Some(2));
        assert_eq!(wish.next(now), Some(Step::Put(2)));
    }

    #[test]
    fn an_answer_from_the_connection_before_changes_nothing() {
        let (mut wish, now) = (Wish::new(), clock::now());
        wish.want(Some(1));
        begin(&mut wish, now, 1, 1);
        wish.session(Some(Generation::new(2)));
        begin(&mut wish, now, 2, 2);
        assert_eq!(wish.end(now, Ticket(1), &Outcome::Done, PAUSE), None);
        assert!(!wish.is_granted());
        wish.end(now, Ticket(2), &Outcome::Done, PAUSE);
        assert!(wish.is_granted());
    }

    #[test]
    fn which_errors_are_for_good() {
        let refused = |code: i64| Error::Refused { code, message: String::new() };
        for good in [refused(400), refused(403), refused(501), Error::Invalid(String::new()), Error::Closed] {
            assert!(matches!(Outcome::of::<()>(Err(good)), Outcome::Refused(_)));
        }
        for passing in [refused(500), refused(300), Error::NotConnected(None), Error::Undecodable(String::new())] {
            assert!(matches!(Outcome::of::<()>(Err(passing)), Outcome::Failed(_)));
        }
    }
}
