//! Heart-beats: signs of life for instances that were registered over HTTP.
//!
//! Each instance has one task. What a beat does next is decided by [`Pulse`], which is pure; the task only waits and asks.
//! To stop means to wait for the beat that is under way: one that arrives after the deregistration would bring the instance
//! back.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use nacrite_wire::codes::beat;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::error::Error;
use crate::tasks::Tasks;

/// Time between beats, if neither the instance nor the server says otherwise.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// Bounds of what is believed: a server that names a shorter time would be flooded, and with a longer one the instance would
/// be taken for dead by servers that expect a beat every 15 s, had its owner not told them otherwise.
const INTERVAL_MIN: Duration = Duration::from_millis(500);
const INTERVAL_MAX: Duration = Duration::from_secs(300);

/// After a beat that nobody answered the next one comes this soon: a server that comes back has forgotten the instance, and
/// shall not have to wait for a whole interval to hear of it. Made a fifth longer or shorter at random.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// What a server said to a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It counted.
    Alive {
        /// When the next one is wanted.
        interval: Option<Duration>,
        /// Whether the next ones may come without the description of the instance; `None` if it was not said.
        light: Option<bool>,
    },
    /// The instance is not known.
    Unknown,
    /// No server answered.
    Failed,
}

impl Heard {
    /// Reads the answer to a beat. Servers say "not known" inside an answer that went well.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if it is no JSON object.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Body {
            #[serde(deserialize_with = "nacrite_wire::lenient::whole")]
            code: i64,
            #[serde(deserialize_with = "nacrite_wire::lenient::whole")]
            client_beat_interval: i64,
            light_beat_enabled: serde_json::Value,
        }

        let body: Body = serde_json::from_slice(body).map_err(|e| Error::Undecodable(e.to_string()))?;
        if body.code == i64::from(beat::NOT_FOUND) {
            return Ok(Self::Unknown);
        }
        let interval = u64::try_from(body.client_beat_interval).ok().filter(|ms| *ms > 0).map(Duration::from_millis);
        let light = body.light_beat_enabled.as_bool();
        Ok(Self::Alive { interval, light })
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Wait, then beat.
    BeatAfter(Duration),
    /// Register the instance again, at once.
    Register,
}

/// The rhythm of one instance.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    interval: Duration,
    is_light: bool,
}

impl Pulse {
    /// The first beat comes after one interval and describes the instance.
    const fn new(interval: Duration) -> Self {
        Self { interval, is_light: false }
    }

    fn heard(&mut self, heard: Heard) -> Then {
        match heard {
            Heard::Alive { interval, light } => {
                self.interval = interval.unwrap_or(self.interval).clamp(INTERVAL_MIN, INTERVAL_MAX);
                self.is_light = light.unwrap_or(self.is_light);
            }
            Heard::Unknown => return Then::Register,
            Heard::Failed => return Then::BeatAfter(self.failed()),
        }
        Then::BeatAfter(self.interval)
    }

    /// Nobody answered: when to try again.
    fn failed(&mut self) -> Duration {
        // It is late already, so that the next one had better bring everything along.
        self.is_light = false;
        self.interval.min(AFTER_FAILURE)
    }
}

/// Who sends the beats of one instance.
pub(crate) trait Heart: Send + Sync + 'static {
    /// Sends one; a light one without the description of the instance.
    fn beat(&self, is_light: bool) -> impl Future<Output = Result<Heard, Error>> + Send;

    /// Registers the instance again.
    fn register(&self) -> impl Future<Output = Result<(), Error>> + Send;
}

/// Whose beats they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BeatKey {
    /// Namespace, group and name of the service.
    pub(crate) service: Box<str>,
    /// Address of the instance.
    pub(crate) ip: Box<str>,
    /// And its port.
    pub(crate) port: u16,
}

/// The beats of a client.
pub(crate) struct Beats {
    tasks: Tasks,
    running: Mutex<HashMap<BeatKey, Running>>,
}

struct Running {
    stop: CancellationToken,
    /// Closes when its task has ended.
    ended: watch::Receiver<()>,
}

impl Beats {
    pub(crate) fn new(tasks: Tasks) -> Self {
        Self { tasks, running: Mutex::default() }
    }

    /// How many instances are kept alive.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.running.lock().len()
    }

    /// Beats for an instance from now on, in place of what was done under this key before.
    pub(crate) fn start<H: Heart>(&self, key: BeatKey, interval: Duration, heart: H) {
        let (alive, ended) = watch::channel(());
        let stop = self.tasks.child_signal();
        let pulse = Pulse::new(interval.clamp(INTERVAL_MIN, INTERVAL_MAX));
        let before = self.running.lock().insert(key.clone(), Running { stop: stop.clone(), ended });
        if let Some(before) = before {
            before.stop.cancel();
        }
        self.tasks.spawn(async move {
            beat_until(&stop, pulse, &key, &heart).await;
            drop(alive);
        });
    }

    /// Beats no more for this instance. Returns when no beat is under way.
    pub(crate) async fn stop(&self, key: &BeatKey) {
        let running = self.running.lock().remove(key);
        if let Some(running) = running {
            ended(running).await;
        }
    }
}

async fn ended(mut running: Running) {
    running.stop.cancel();
    // An error is the end itself: the task has let go of its half.
    while running.ended.changed().await.is_ok() {}
}

async fn beat_until(stop: &CancellationToken, mut pulse: Pulse, key: &BeatKey, heart: &impl Heart) {
    let mut wait = pulse.interval;
    let mut is_answered = true;
    loop {
        // Between beats it stops at once; a beat that has begun is waited for.
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let heard = heart.beat(pulse.is_light).await;
        tell(key, &heard, &mut is_answered);
        wait = match pulse.heard(heard.unwrap_or(Heard::Failed)) {
            Then::BeatAfter(wait) => wait,
            // Whoever stops it now is about to deregister: to register would undo that.
            Then::Register if stop.is_cancelled() => return,
            Then::Register => match heart.register().await {
                Ok(()) => {
                    info!(service = %key.service, ip = %key.ip, port = key.port, "registered again");
                    pulse.interval
                }
                Err(error) => {
                    warn!(service = %key.service, ip = %key.ip, port = key.port, %error, "not registered again");
                    pulse.failed()
                }
            },
        };
        if !is_answered {
            wait = wait.mul_f64(rand::random_range(0.8..1.2));
        }
    }
}

/// Logs when beats are no longer answered, and when they are again; not each of them.
fn tell(key: &BeatKey, heard: &Result<Heard, Error>, is_answered: &mut bool) {
    match heard {
        Err(error) if *is_answered => {
            warn!(service = %key.service, ip = %key.ip, port = key.port, %error, "a heart-beat was not answered");
        }
        Err(error) => debug!(service = %key.service, ip = %key.ip, port = key.port, %error, "nor was this one"),
        Ok(_) if !*is_answered => {
            info!(service = %key.service, ip = %key.ip, port = key.port, "heart-beats are answered again");
        }
        Ok(_) => {}
    }
    *is_answered = heard.is_ok();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::{Semaphore, mpsc};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn alive(interval: Option<Duration>, light: Option<bool>) -> Heard {
        Heard::Alive { interval, light }
    }

    #[test]
    fn the_server_sets_the_rhythm_within_bounds() {
        let mut pulse = Pulse::new(INTERVAL);
        assert_eq!(pulse.heard(alive(None, None)), Then::BeatAfter(5 * S));
        assert_eq!(pulse.heard(alive(Some(2 * S), None)), Then::BeatAfter(2 * S));
        assert_eq!(pulse.heard(alive(Some(Duration::from_millis(1)), None)), Then::BeatAfter(INTERVAL_MIN));
        assert_eq!(pulse.heard(alive(Some(9999 * S), None)), Then::BeatAfter(INTERVAL_MAX));
    }

    #[test]
    fn beats_are_light_once_the_server_said_so() {
        let mut pulse = Pulse::new(INTERVAL);
        assert!(!pulse.is_light);
        pulse.heard(alive(None, Some(true)));
        pulse.heard(alive(None, None));
        assert!(pulse.is_light);
        pulse.heard(Heard::Failed);
        assert!(!pulse.is_light, "after a failure everything is told again");
        pulse.heard(alive(None, Some(true)));
        pulse.heard(alive(None, Some(false)));
        assert!(!pulse.is_light);
    }

    #[test]
    fn an_unknown_instance_registers_again_and_a_failure_is_followed_sooner() {
        let mut pulse = Pulse::new(INTERVAL);
        assert_eq!(pulse.heard(Heard::Unknown), Then::Register);
        assert_eq!(pulse.heard(Heard::Failed), Then::BeatAfter(2 * S));
        assert_eq!(pulse.heard(alive(None, None)), Then::BeatAfter(5 * S));
        assert_eq!(Pulse::new(S).heard(Heard::Failed), Then::BeatAfter(S));
    }

    #[test]
    fn answers_are_read_leniently() {
        let read = |json: &str| Heard::read(json.as_bytes()).ok();
        let full = r#"{"clientBeatInterval":2000,"code":10200,"lightBeatEnabled":true,"new":1}"#;
        assert_eq!(read(full), Some(alive(Some(2 * S), Some(true))));
        assert_eq!(read(r#"{"clientBeatInterval":"5000","code":20404}"#), Some(Heard::Unknown));
        assert_eq!(read("{}"), Some(alive(None, None)));
        assert_eq!(read(r#"{"clientBeatInterval":null,"code":null,"lightBeatEnabled":null}"#), Some(alive(None, None)));
        assert_eq!(read("ok"), None);
    }

    /// A heart whose beats are counted, and wait for a permit.
    struct Held {
        began: mpsc::Sender<bool>,
        permits: Arc<Semaphore>,
        ended: Arc<AtomicU32>,
    }

    impl Heart for Held {
        async fn beat(&self, is_light: bool) -> Result<Heard, Error> {
            self.began.send(is_light).await.expect("the test listens");
            self.permits.acquire().await.expect("never closed").forget();
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(Heard::Unknown)
        }

        async fn register(&self) -> Result<(), Error> {
            self.ended.fetch_add(100, Ordering::SeqCst);
            Ok(())
        }
    }

    fn key() -> BeatKey {
        BeatKey { service: "public#G@@a".into(), ip: "10.0.0.1".into(), port: 80 }
    }

    /// A beat that arrives after the deregistration brings the instance back to life; so does the registration that an
    /// "unknown" asks for.
    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_the_beat_under_way_and_registers_nothing_after_it() {
        let beats = Beats::new(Tasks::new().expect("inside a runtime"));
        let (began, mut begins) = mpsc::channel(8);
        let (permits, ended) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
        beats.start(key(), INTERVAL, Held { began, permits: Arc::clone(&permits), ended: Arc::clone(&ended) });
        assert_eq!(begins.recv().await, Some(false), "the first one describes the instance");
        let key = key();
        let mut stopping = Box::pin(beats.stop(&key));
        let early = tokio::time::timeout(60 * S, &mut stopping).await;
        assert!(early.is_err(), "the beat is still under way");
        permits.add_permits(1);
        stopping.await;
        assert_eq!(ended.load(Ordering::SeqCst), 1, "the beat has ended, and nothing was registered");
        assert_eq!(beats.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_registration_takes_the_place_of_the_first() {
        let tasks = Tasks::new().expect("inside a runtime");
        let beats = Beats::new(tasks.clone());
        let (permits, ended) = (Arc::new(Semaphore::new(1000)), Arc::new(AtomicU32::new(0)));
        let (first, mut firsts) = mpsc::channel(8);
        beats.start(key(), INTERVAL, Held { began: first, permits: Arc::clone(&permits), ended: Arc::clone(&ended) });
        let (second, mut seconds) = mpsc::channel(8);
        beats.start(key(), INTERVAL, Held { began: second, permits, ended: Arc::clone(&ended) });
        assert!(seconds.recv().await.is_some());
        assert!(firsts.recv().await.is_none(), "its task has ended");
        assert_eq!(beats.len(), 1);
        assert!(tasks.stop(S).await, "no task is left");
    }
}
