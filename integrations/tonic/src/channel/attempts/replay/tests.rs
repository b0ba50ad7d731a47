//! Requests that are sent again, piece by piece.

use std::future::poll_fn;

use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;

use super::*;

/// What the program sends, piece by piece.
struct Program {
    say: mpsc::Sender<Result<Bytes, Status>>,
    replay: Replay,
    budget: Arc<Budget>,
}

impl Program {
    fn new() -> Self {
        Self::with(Arc::default())
    }

    fn with(budget: Arc<Budget>) -> Self {
        let (say, mut heard) = mpsc::channel(64);
        let frames = futures_util::stream::poll_fn(move |cx| heard.poll_recv(cx)).map_frames();
        Self { say, replay: Replay::new(Body::new(StreamBody::new(frames)), Arc::clone(&budget)), budget }
    }

    fn says(&self, text: &str) {
        self.say.try_send(Ok(Bytes::copy_from_slice(text.as_bytes()))).expect("there is room");
    }

    fn says_much(&self, len: usize) {
        self.say.try_send(Ok(vec![0; len].into())).expect("there is room");
    }

    /// Says no more.
    fn ends(self) -> (Replay, Arc<Budget>) {
        (self.replay, self.budget)
    }

    fn kept(&self) -> usize {
        self.budget.0.load(Ordering::Relaxed)
    }
}

/// A stream of pieces as a stream of frames.
trait MapFrames: futures_util::Stream<Item = Result<Bytes, Status>> + Sized {
    fn map_frames(self) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Status>> {
        futures_util::StreamExt::map(self, |piece| piece.map(Frame::data))
    }
}

impl<S: futures_util::Stream<Item = Result<Bytes, Status>>> MapFrames for S {}

/// What is there now: a text, the end (`""`), an error (`"!"`), or `None` if it is to be waited for.
fn now(body: &mut Body) -> Option<String> {
    match body.frame().now_or_never()? {
        None => Some(String::new()),
        Some(Err(_)) => Some("!".to_owned()),
        Some(Ok(frame)) => Some(String::from_utf8_lossy(&frame.into_data().expect("data")).into_owned()),
    }
}

/// How many bytes there are now.
fn len(body: &mut Body) -> usize {
    now(body).map_or(0, |text| text.len())
}

/// What is there until it is over or is to be waited for.
fn texts(body: &mut Body) -> Vec<String> {
    std::iter::from_fn(|| now(body).filter(|text| !text.is_empty())).take(100).collect()
}

/// Does something beside the test.
#[expect(clippy::disallowed_methods, reason = "a test's own tasks end with its runtime")]
fn beside<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

#[tokio::test]
async fn next_attempt_sends_what_the_first_did_and_goes_on() {
    let program = Program::new();
    program.says("a");
    program.says("b");
    let (mut first, lease) = program.replay.open(0);
    assert_eq!(texts(&mut first), ["a", "b"]);
    drop((first, lease));
    let (mut second, _lease) = program.replay.open(1);
    program.says("c");
    assert_eq!(texts(&mut second), ["a", "b", "c"]);
    let (replay, _) = program.ends();
    assert_eq!(now(&mut second).as_deref(), Some(""));
    assert!(second.is_end_stream());
    let (mut third, _lease) = replay.open(2);
    assert!(!third.is_end_stream());
    assert_eq!(texts(&mut third), ["a", "b", "c"]);
    assert_eq!(now(&mut third).as_deref(), Some(""));
}

#[tokio::test]
async fn attempt_that_was_given_up_takes_nothing_more_from_the_program() {
    let program = Program::new();
    let (mut first, lease) = program.replay.open(0);
    assert_eq!(now(&mut first), None);
    drop(lease);
    program.says("a");
    assert_eq!(now(&mut first).as_deref(), Some("!"));
    let (mut second, _lease) = program.replay.open(1);
    assert_eq!(texts(&mut second), ["a"]);
}

#[tokio::test]
async fn attempts_at_the_same_time_get_the_same_and_wake_each_other() {
    let program = Program::new();
    let (mut first, _first) = program.replay.open(0);
    let (mut second, _second) = program.replay.open(1);
    let waiting = beside(async move {
        let frame = first.frame().await.expect("a frame").expect("no error");
        frame.into_data().expect("data")
    });
    tokio::task::yield_now().await;
    assert_eq!(now(&mut second), None, "it asked last, so the program would wake it alone");
    program.says("a");
    assert_eq!(texts(&mut second), ["a"]);
    assert_eq!(waiting.await.expect("it is woken"), "a");
}

#[tokio::test]
async fn attempt_that_goes_wakes_those_that_the_program_does_not_know() {
    let program = Program::new();
    let (mut first, _first) = program.replay.open(0);
    let (mut second, second_lease) = program.replay.open(1);
    let waiting = beside(async move { first.frame().await.expect("a frame").is_ok() });
    tokio::task::yield_now().await;
    assert_eq!(now(&mut second), None);
    drop((second, second_lease));
    // The first asks again by itself, and is now the one whom the program wakes.
    tokio::task::yield_now().await;
    program.says("a");
    assert!(waiting.await.expect("it is woken"));
}

#[tokio::test]
async fn attempt_that_is_given_up_and_still_there_hands_the_word_on() {
    let program = Program::new();
    let (mut first, _first) = program.replay.open(0);
    let (mut second, second_lease) = program.replay.open(1);
    let waiting = beside(async move { first.frame().await.expect("a frame").is_ok() });
    tokio::task::yield_now().await;
    assert_eq!(now(&mut second), None);
    drop(second_lease);
    // The program wakes the second, whose connection asks once more before it notices.
    program.says("a");
    assert_eq!(now(&mut second).as_deref(), Some("!"));
    assert!(waiting.await.expect("it is woken"));
    drop(second);
}

#[tokio::test]
async fn bound_attempt_goes_on_without_its_lease_and_others_do_not() {
    let program = Program::new();
    program.says("a");
    program.says("b");
    let (mut first, first_lease) = program.replay.open(0);
    let (mut second, _lease) = program.replay.open(1);
    assert_eq!(texts(&mut first), ["a", "b"]);
    program.replay.bind(1);
    program.replay.bind(0);
    assert_eq!(program.replay.bound(), Some(1));
    drop(first_lease);
    assert_eq!(now(&mut first).as_deref(), Some("!"));
    assert_eq!(texts(&mut second), ["a", "b"]);
    program.says("c");
    assert_eq!(texts(&mut second), ["c"]);
    assert_eq!(program.kept(), 0, "nobody sends it again");
}

#[tokio::test]
async fn more_than_a_call_may_keep_binds_it_to_who_sends_it() {
    let program = Program::new();
    let (mut first, _first) = program.replay.open(0);
    let (mut second, _second) = program.replay.open(1);
    program.says_much(CALL_LEN_MAX - 1);
    assert_eq!(len(&mut first), CALL_LEN_MAX - 1);
    assert_eq!((program.kept(), program.replay.bound()), (CALL_LEN_MAX - 1, None));
    program.says_much(2);
    assert_eq!(len(&mut first), 2);
    assert_eq!(program.replay.overflowed().await, 0);
    assert_eq!(program.kept(), 0);
    assert_eq!(now(&mut second).as_deref(), Some("!"));
    program.says_much(CALL_LEN_MAX * 3);
    assert_eq!(len(&mut first), CALL_LEN_MAX * 3);
    assert_eq!(program.kept(), 0);
    program.ends();
    assert_eq!(now(&mut first).as_deref(), Some(""));
    assert!(first.is_end_stream());
}

#[tokio::test]
async fn exactly_what_may_be_kept_is_kept() {
    let program = Program::new();
    program.says_much(CALL_LEN_MAX);
    let (mut first, _first) = program.replay.open(0);
    assert_eq!(len(&mut first), CALL_LEN_MAX);
    assert_eq!(program.replay.bound(), None);
}

#[tokio::test]
async fn all_calls_of_a_channel_share_a_bound() {
    let budget = Arc::<Budget>::default();
    let calls: Vec<Program> = (0..17).map(|_| Program::with(Arc::clone(&budget))).collect();
    let open: Vec<_> = calls.iter().map(|call| call.replay.open(0)).collect();
    for (call, (mut body, _lease)) in calls.iter().zip(open) {
        call.says_much(CALL_LEN_MAX);
        assert_eq!(len(&mut body), CALL_LEN_MAX, "what cannot be kept is sent all the same");
    }
    assert!(calls[..16].iter().all(|call| call.replay.bound().is_none()));
    assert_eq!(calls[16].replay.bound(), Some(0));
    assert_eq!(budget.0.load(Ordering::Relaxed), CHANNEL_LEN_MAX);
    drop(calls);
    assert_eq!(budget.0.load(Ordering::Relaxed), 0, "everything is given back");
}

#[tokio::test]
async fn failure_of_the_program_is_that_of_every_attempt() {
    let program = Program::new();
    program.says("a");
    program.say.try_send(Err(Status::aborted("given up"))).expect("there is room");
    let (mut first, _first) = program.replay.open(0);
    let (mut second, _second) = program.replay.open(1);
    assert_eq!(texts(&mut first), ["a", "!"]);
    assert_eq!(texts(&mut second), ["a", "!"]);
    assert_eq!(now(&mut first).as_deref(), Some(""), "once");
}

#[tokio::test]
async fn trailers_bind_the_call() {
    let trailers = futures_util::stream::iter([Ok::<_, Status>(Frame::trailers(http::HeaderMap::new()))]);
    let replay = Replay::new(Body::new(StreamBody::new(trailers)), Arc::default());
    let (mut first, _first) = replay.open(0);
    let frame = poll_fn(|cx| Pin::new(&mut first).poll_frame(cx)).await.expect("a frame").expect("no error");
    assert!(frame.is_trailers());
    assert_eq!(replay.bound(), Some(0));
}
