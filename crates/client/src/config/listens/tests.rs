//! Scripts of what happens to configs that are listened to. One line is one event, or one thing that must be so:
//!
//! ```text
//! snapshot x v0          the next listener to x finds v0 on disk
//! A listens x            A knows nothing and wants to know
//! A called-on x          A knows what the client holds
//! A knows x v1           A was given v1 by a query
//! A leaves
//! asks x=v1 y=-          a pass begins, and asks exactly this (`-` for a config that is not held); `asks nothing`
//! withdraws x            … and withdraws exactly this first
//! withdrawn              the server took that
//! agreed                 the server has the same of all that was asked
//! changed x              the server has something else of x, and the same of the rest
//! unanswered             the server did not answer
//! broken-off             the connection broke, or it was not allowed
//! fetched x v2           … `none` for a config that is not there
//! unfetched x
//! rests no|called|50     the pass ends, and this is how long to rest
//! pushed x               … `pushed x ignored` if nobody cares
//! reconnected, verify, unreachable
//! file x v9              a file overrides the server; `none` if it went
//! A hears v1             A is told v1 and takes it; `none` for a config that is not there, `nothing` for no news
//! A takes v1             A is being told v1
//! A took                 … and is done
//! A refuses 50           … or did not take it, and is told again after so many ms
//! waiting A B            these have something to be told
//! ```

use std::collections::HashMap;
use std::time::Duration;

use nacrite_base::ConfigType;

use super::*;
use crate::config::value::{Origin, digest_of};

struct Script {
    listens: Listens,
    listeners: HashMap<String, ListenerId>,
    snapshots: HashMap<String, Known>,
    work: Work,
}

fn version(word: &str) -> Known {
    match word {
        "none" => Known::Absent,
        content => Known::Present(Config::from_content(content, ConfigType::Text, Origin::Server)),
    }
}

fn heard(delivery: Option<Delivery>) -> String {
    match delivery {
        None => "nothing".to_owned(),
        Some(Delivery { config: None }) => "none".to_owned(),
        Some(Delivery { config: Some(config) }) => config.content.to_string(),
    }
}

/// The questions with digests turned back into versions.
fn shown(questions: &[Question]) -> String {
    let versions: HashMap<Box<str>, String> =
        (0..20).map(|n| format!("v{n}")).map(|v| (digest_of(&v).as_str().into(), v)).collect();
    let version = |digest: &str| versions.get(digest).cloned().unwrap_or_else(|| "-".to_owned());
    let of = questions.iter().flat_map(|question| &question.of);
    of.map(|(name, digest)| format!("{}={}", name.data_id(), version(digest))).collect::<Vec<_>>().join(" ")
}

impl Script {
    fn begin(&mut self, expected: &str, line: &str) {
        self.work = self.listens.begin();
        let expected = if expected == "nothing" { "" } else { expected };
        assert_eq!(shown(&self.work.ask), expected, "{line}");
    }

    fn step(&mut self, line: &str) {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        let listens = &mut self.listens;
        let question = self.work.ask.first();
        match first {
            "asks" => self.begin(rest, line),
            "withdraws" => {
                let gone = self.work.withdraw.iter().flat_map(|question| &question.of);
                assert_eq!(gone.map(|(name, _)| name.data_id()).collect::<Vec<_>>().join(" "), rest, "{line}");
            }
            "withdrawn" => self.work.withdraw.iter().for_each(|question| listens.withdrawn(question)),
            "agreed" => assert!(listens.answered(question.expect("asked"), &[]).is_empty(), "{line}"),
            "changed" => {
                let changed: Vec<ConfigName> = rest.split(' ').map(ConfigName::from).collect();
                assert_eq!(listens.answered(question.expect("asked"), &changed), changed, "{line}");
            }
            "broken-off" => listens.broken_off(question.expect("asked").names()),
            "unanswered" => listens.unanswered(question.expect("asked")),
            "unfetched" => listens.unfetched(&rest.into()),
            "pushed" => {
                let (name, ignored) = rest.split_once(' ').map_or((rest, false), |(name, _)| (name, true));
                assert_eq!(listens.push(&name.into()), !ignored, "{line}");
            }
            "reconnected" => listens.reconnected(),
            "verify" => listens.verify(),
            "unreachable" => listens.unreachable(),
            "rests" => assert_eq!(listens.end(), self::rest(rest), "{line}"),
            "waiting" => {
                let expected: Vec<_> = rest.split_whitespace().map(|who| self.listeners[who]).collect();
                assert_eq!(listens.waiting(), expected, "{line}");
            }
            "fetched" | "file" | "snapshot" => {
                let (name, word) = rest.split_once(' ').expect("a version");
                match (first, version(word.trim())) {
                    ("fetched", known) => listens.fetched(&name.into(), known),
                    ("snapshot", known) => drop(self.snapshots.insert(name.to_owned(), known)),
                    (_, Known::Present(config)) => listens.overridden(&name.into(), Some(config)),
                    (_, _) => listens.overridden(&name.into(), None),
                }
            }
            who => self.listener(who, rest, line),
        }
    }

    fn listener(&mut self, who: &str, rest: &str, line: &str) {
        let words: Vec<&str> = rest.split_whitespace().collect();
        if let ["listens" | "called-on" | "knows", name, ..] = words[..] {
            let baseline = match (words[0], words.get(2)) {
                ("listens", _) => Baseline::Unknown,
                ("called-on", _) => Baseline::Held,
                (_, version) => Baseline::Version(self::version(version.expect("a version")).digest().into()),
            };
            let held = self.snapshots.remove(name).unwrap_or(Known::Nothing);
            let id = self.listens.add(&name.into(), baseline, held).expect("not too many");
            self.listeners.insert(who.to_owned(), id);
            return;
        }
        let id = self.listeners[who];
        match words[..] {
            ["leaves"] => self.listens.remove(id),
            ["hears", expected] => {
                let delivery = self.listens.take(id);
                let is_news = delivery.is_some();
                assert_eq!(heard(delivery), expected, "{line}");
                if is_news {
                    assert_eq!(self.listens.told(id, Outcome::Taken), None, "{line}");
                }
            }
            ["takes", expected] => assert_eq!(heard(self.listens.take(id)), expected, "{line}"),
            ["took"] => assert_eq!(self.listens.told(id, Outcome::Taken), None, "{line}"),
            ["refuses", ms] => {
                let pause = Duration::from_millis(ms.parse().expect("a number"));
                assert_eq!(self.listens.told(id, Outcome::Refused), Some(pause), "{line}");
            }
            _ => panic!("not understood: {line}"),
        }
    }
}

fn rest(word: &str) -> Rest {
    match word {
        "no" => Rest::No,
        "called" => Rest::UntilCalled,
        ms => Rest::For(Duration::from_millis(ms.parse().expect("a number"))),
    }
}

fn check_in(mode: Mode, script: &str) {
    let mut state = Script {
        listens: Listens::new(mode),
        listeners: HashMap::new(),
        snapshots: HashMap::new(),
        work: Work::default(),
    };
    for line in script.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            state.step(line);
        }
    }
}

fn check(script: &str) {
    check_in(Mode::Push, script);
}

#[test]
fn a_config_is_asked_for_fetched_asked_again_and_then_left_alone() {
    check(
        "
        A listens x
        A hears nothing
        asks x=-
        changed x
        fetched x v1
        rests no
        A hears v1
        A hears nothing
        asks x=v1               # a change between the two is found
        agreed
        rests called
        asks nothing
        ",
    );
}

#[test]
fn that_there_is_no_config_is_told_to_those_who_know_nothing() {
    check(
        "
        A listens x
        B called-on x
        asks x=-
        agreed
        rests called
        waiting A
        A hears none
        B hears nothing         # from nothing to nothing nothing changed
        ",
    );
}

#[test]
fn a_push_has_the_config_asked_for_again() {
    check(
        "
        A listens x
        B listens y
        asks x=- y=-
        agreed
        rests called
        pushed z ignored
        pushed x
        asks x=-
        changed x
        fetched x v1
        rests no
        asks x=v1
        agreed
        rests called
        A hears v1
        ",
    );
}

#[test]
fn a_push_during_a_question_is_not_lost() {
    check(
        "
        A listens x
        asks x=-
        pushed x
        agreed                  # may have been written before the push
        rests no
        asks x=-
        agreed
        rests called
        ",
    );
}

#[test]
fn a_push_during_a_fetch_is_not_lost() {
    check(
        "
        A listens x
        asks x=-
        changed x
        pushed x
        fetched x v1
        rests no
        asks x=v1
        changed x
        fetched x v2
        rests no
        A hears v2              # v1 was never of interest
        ",
    );
}

#[test]
fn a_digest_counts_as_told_only_after_the_listener_succeeded() {
    check(
        "
        A listens x
        asks x=-
        changed x
        fetched x v1
        A takes v1
        A takes nothing         # not twice at once
        A refuses 50
        A takes v1
        A refuses 100
        A takes v1
        A took
        A hears nothing
        ",
    );
}

#[test]
fn what_changed_while_a_listener_was_busy_is_told_as_the_newest_only() {
    check(
        "
        A listens x
        asks x=-
        changed x
        fetched x v1
        A takes v1
        rests no
        asks x=v1
        changed x
        fetched x v2
        waiting                 # A is busy
        rests no
        asks x=v2
        changed x
        fetched x v3
        A took
        A hears v3
        A hears nothing
        ",
    );
}

#[test]
fn a_version_that_failed_is_not_told_again_when_the_one_before_came_back() {
    check(
        "
        A knows x v1
        asks x=-
        changed x
        fetched x v2
        A takes v2
        A refuses 50
        fetched x v1
        A hears nothing
        ",
    );
}

#[test]
fn a_deletion_is_told() {
    check(
        "
        A listens x
        B called-on x
        asks x=-
        changed x
        fetched x v1
        A hears v1
        B hears v1
        rests no
        asks x=v1
        agreed
        rests called
        pushed x
        asks x=v1
        changed x
        fetched x none
        A hears none
        B hears none
        rests no
        asks x=-
        agreed
        rests called
        ",
    );
}

#[test]
fn another_connection_has_everything_asked_at_once() {
    check(
        "
        A listens x
        B listens y
        asks x=- y=-
        agreed
        rests called
        reconnected
        asks x=- y=-
        changed y
        fetched y v1
        rests no
        ",
    );
}

#[test]
fn an_answer_of_an_earlier_connection_confirms_nothing() {
    check(
        "
        A listens x
        asks x=-
        reconnected
        agreed
        rests no
        asks x=-
        agreed
        rests called
        ",
    );
}

#[test]
fn all_is_verified_now_and_then() {
    check(
        "
        A listens x
        asks x=-
        agreed
        rests called
        verify
        asks x=-
        agreed
        rests called
        ",
    );
}

#[test]
fn the_listener_of_a_version_is_told_of_others_only() {
    check(
        "
        snapshot x v1
        A knows x v1
        asks x=v1
        agreed
        A hears nothing
        rests called
        pushed x
        asks x=v1
        changed x
        fetched x v2
        A hears v2
        ",
    );
}

#[test]
fn a_snapshot_is_shown_only_when_no_server_answers() {
    check(
        "
        snapshot x v1
        A listens x
        snapshot y v1
        B listens y
        A hears nothing
        unreachable
        waiting A B
        A hears v1
        asks x=v1 y=v1
        changed x
        fetched x v2
        A hears v2
        B hears v1
        ",
    );
}

#[test]
fn a_snapshot_that_the_server_confirms_is_told_once() {
    check(
        "
        snapshot x v1
        A listens x
        B called-on x
        asks x=v1
        agreed
        A hears v1
        B hears nothing
        ",
    );
}

#[test]
fn a_snapshot_is_not_shown_when_a_connection_breaks_or_something_is_not_allowed() {
    check(
        "
        snapshot x v1
        A listens x
        asks x=v1
        broken-off
        rests 50
        A hears nothing
        asks x=v1
        unanswered
        rests 100
        A hears v1
        ",
    );
}

#[test]
fn setbacks_are_followed_by_longer_and_longer_rests() {
    check(
        "
        A listens x
        asks x=-
        unanswered
        rests 50
        asks x=-
        changed x
        unfetched x
        rests 100
        asks x=-
        unanswered
        rests 200
        asks x=-
        agreed
        rests called
        verify
        asks x=-
        unanswered
        rests 50
        ",
    );
}

#[test]
fn a_server_that_says_changed_and_sends_the_same_is_not_asked_in_a_loop() {
    check(
        "
        A listens x
        asks x=-
        changed x
        fetched x v1
        rests no
        asks x=v1
        changed x
        fetched x v1
        rests 50
        asks x=v1
        changed x
        fetched x v1
        rests 100
        A hears v1
        A hears nothing
        ",
    );
}

#[test]
fn leaving_leaves_the_others_alone_and_the_last_one_withdraws() {
    check(
        "
        A listens x
        B listens x
        asks x=-
        agreed
        rests called
        A leaves
        asks nothing
        rests called
        B leaves
        asks nothing
        withdraws x
        withdrawn
        rests called
        pushed x ignored
        ",
    );
}

#[test]
fn who_comes_back_during_the_withdrawal_is_asked_for_again() {
    check(
        "
        A listens x
        asks x=-
        agreed
        rests called
        A leaves
        asks nothing
        withdraws x
        B listens x
        withdrawn
        rests no
        asks x=-
        changed x
        fetched x v1
        B hears v1
        ",
    );
}

#[test]
fn a_file_overrides_the_server_while_it_is_there() {
    check(
        "
        A listens x
        asks x=-
        changed x
        fetched x v1
        rests no
        A hears v1
        file x v9
        A hears v9
        asks x=v1               # the server is asked for its own
        changed x
        fetched x v2
        rests no
        A hears nothing
        file x none
        A hears v2
        ",
    );
}

#[test]
fn a_long_poll_asks_for_everything_each_time() {
    check_in(
        Mode::Poll,
        "
        A listens x
        asks x=-
        changed x
        fetched x v1
        rests no
        A hears v1
        asks x=v1
        agreed
        rests no
        asks x=v1
        unanswered
        rests 2000
        A leaves
        asks nothing
        withdraws
        rests called
        ",
    );
}

#[test]
fn first_questions_are_urgent_and_long_ones_are_cut() {
    let mut listens = Listens::new(Mode::Poll);
    for n in 0..=ASKED_MAX {
        listens.add(&format!("d{n}").into(), Baseline::Unknown, Known::Nothing).expect("not too many");
    }
    let work = listens.begin();
    assert_eq!(work.ask.iter().map(|question| question.of.len()).collect::<Vec<_>>(), [ASKED_MAX, 1]);
    assert!(work.ask.iter().all(|question| question.is_urgent));
    work.ask.iter().for_each(|question| drop(listens.answered(question, &[])));
    assert_eq!(listens.end(), Rest::No);
    assert!(listens.begin().ask.iter().all(|question| !question.is_urgent));
}

#[test]
fn there_is_a_bound() {
    let mut listens = Listens::new(Mode::Push);
    for n in 0..ENTRIES_MAX {
        listens.add(&format!("d{n}").into(), Baseline::Unknown, Known::Nothing).expect("not too many");
    }
    assert!(listens.add(&"d0".into(), Baseline::Unknown, Known::Nothing).is_ok());
    assert!(matches!(listens.add(&"more".into(), Baseline::Unknown, Known::Nothing), Err(Error::Invalid(_))));
}
