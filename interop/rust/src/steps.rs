//! Runs named steps one after another and prints one line for each. Knows nothing of Nacos.

use std::fmt::{Debug, Display, Formatter};
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

/// Nothing here takes long; a program that is still running then hangs.
const OVERALL: Duration = Duration::from_secs(240);
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Other clients allow five equal questions a second; so does this story.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// One line of output stays readable, also when the value is a mebibyte.
const SHOWN_LEN_MAX: usize = 600;

/// How a step ends when it does not pass.
#[derive(Debug)]
pub(crate) enum End {
    /// The server or client did something else than documented.
    Mismatch(String),
    /// The client has no call for this step, or the step was not asked for.
    Skip(String),
}

impl Display for End {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mismatch(what) | Self::Skip(what) => out.write_str(what),
        }
    }
}

impl<E: std::error::Error> From<E> for End {
    fn from(fault: E) -> Self {
        Self::Mismatch(format!("expected no error, saw {fault}"))
    }
}

/// What a passed step has to say, printed after its time; empty says nothing.
pub(crate) type Outcome = Result<String, End>;

/// Runs and counts. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Steps {
    client: Arc<str>,
    current: Arc<Mutex<String>>,
    passed: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    skipped: Arc<AtomicUsize>,
}

impl Steps {
    /// Starts the overall deadline.
    pub(crate) fn new(client: &str) -> Self {
        let steps = Self { client: client.into(), ..Self::default() };
        let overdue = steps.clone();
        std::thread::spawn(move || {
            std::thread::sleep(OVERALL);
            let what = format!("expected the program to end within {OVERALL:?}, saw it still in this step");
            overdue.fail(&overdue.current(), &what);
            overdue.finish();
            std::process::exit(1);
        });
        steps
    }

    pub(crate) async fn step(&self, name: &str, run: impl Future<Output = Outcome>) {
        name.clone_into(&mut self.current());
        let began = Instant::now();
        let outcome = run.await;
        let took = began.elapsed().as_millis();
        let client = &self.client;
        match outcome {
            Ok(note) => {
                self.passed.fetch_add(1, Relaxed);
                println!("{}", format!("ok   {client} {name} ({took} ms) {note}").trim_end());
            }
            Err(End::Skip(why)) => {
                self.skipped.fetch_add(1, Relaxed);
                println!("skip {client} {name}: {why}");
            }
            Err(End::Mismatch(what)) => self.fail(name, &what),
        }
    }

    /// Prints the last line. True if nothing failed.
    pub(crate) fn finish(&self) -> bool {
        let [passed, failed, skipped] = [&self.passed, &self.failed, &self.skipped].map(|count| count.load(Relaxed));
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        failed == 0
    }

    fn fail(&self, name: &str, what: &str) {
        self.failed.fetch_add(1, Relaxed);
        println!("FAIL {} {name}: {}", self.client, what.replace('\n', " "));
    }

    fn current(&self) -> MutexGuard<'_, String> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), End> {
    if holds { Ok(()) } else { Err(End::Mismatch(otherwise())) }
}

pub(crate) fn expect_equal<T: Debug + PartialEq>(what: &str, expected: &T, seen: &T) -> Result<(), End> {
    expect(expected == seen, || format!("{what}: expected {}, saw {}", show(expected), show(seen)))
}

/// Asks again and again, whatever goes wrong meanwhile, until the answer is the expected one.
pub(crate) async fn eventually<T: Debug + PartialEq, E: Display>(
    limit: Duration,
    what: &str,
    expected: T,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> Result<(), End> {
    let end = Instant::now() + limit;
    loop {
        let problem = match ask().await {
            Ok(seen) if seen == expected => return Ok(()),
            Ok(seen) => format!("{what}: expected {}, saw {}", show(&expected), show(&seen)),
            Err(fault) => format!("{what}: expected {}, saw {fault}", show(&expected)),
        };
        let waited = if limit.is_zero() { String::new() } else { format!(", for {limit:?}") };
        expect(Instant::now() < end, || problem + &waited)?;
        sleep(ASK_AGAIN).await;
    }
}

pub(crate) fn show(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN_LEN_MAX) {
        None => text,
        Some((cut, _)) => format!("{}… ({} bytes)", &text[..cut], text.len()),
    }
}
