//! What a callback was told, in order and with the time, so that a step can ask how late it came.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::steps::{End, LOOK_AGAIN, Outcome, expect, show};

/// A late callback is better reported with its time than as missing.
const PATIENCE: Duration = Duration::from_millis(500);

/// Filled by the client's threads and read by the steps.
#[derive(Debug)]
pub(crate) struct Told<T> {
    entries: Mutex<Vec<(T, Instant)>>,
}

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self { entries: Mutex::default() }
    }
}

impl<T: Debug + PartialEq> Told<T> {
    pub(crate) fn add(&self, value: T) {
        self.entries().push((value, Instant::now()));
    }

    pub(crate) fn count(&self) -> usize {
        self.entries().len()
    }

    /// Waits until `wanted` was told as the `after`-th entry or later. Returns a note with the time between `changed`
    /// and that callback.
    ///
    /// # Errors
    /// A mismatch if that time is more than `limit`.
    pub(crate) async fn expect(&self, wanted: &T, after: usize, changed: Instant, limit: Duration) -> Outcome {
        let end = Instant::now() + limit + PATIENCE;
        let late = loop {
            match self.find(wanted, after) {
                Ok(at) => break at.saturating_duration_since(changed),
                Err(seen) if Instant::now() >= end => {
                    let problem = format!("expected the callback to be told {}, saw {seen}", show(wanted));
                    return Err(End::Mismatch(format!("{problem}, for {limit:?}")));
                }
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        };
        expect(late <= limit, || format!("expected the callback within {limit:?}, saw it after {late:?}"))?;
        Ok(format!("told after {} ms", late.as_millis()))
    }

    /// When `wanted` was told, or what was told last instead.
    fn find(&self, wanted: &T, after: usize) -> Result<Instant, String> {
        let entries = self.entries();
        let new = entries.get(after..).unwrap_or_default();
        match new.iter().find(|(value, _)| value == wanted) {
            Some((_, at)) => Ok(*at),
            None => Err(new.last().map_or("no callback".to_owned(), |(value, _)| show(value))),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<(T, Instant)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
