//! Runs a script against one table of watches. A line is a time in milliseconds and a sentence; `#` starts a comment.
//! What came and went is told as lines of `who hears name …`; `nobody hears` anything that no line names.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nacrite_base::fuzzy_watch::{Source, WatchLimits, WatchPattern, Watches, part_matches};
use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName, Timestamp};

#[derive(Default)]
struct There(BTreeSet<ServiceKey>);

impl Source<ServiceKey> for There {
    fn is_there(&self, key: &ServiceKey) -> bool {
        self.0.contains(key)
    }

    fn each(&self, namespace: &str, visit: &mut dyn FnMut(&ServiceKey) -> ControlFlow<()>) {
        let mut inside = self.0.iter().filter(|key| key.namespace.as_str() == namespace);
        let _seen_enough = inside.try_for_each(visit);
    }
}

/// `name`, `group/name` or `namespace/group/name`.
fn key(text: &str) -> ServiceKey {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, group, name) = match *parts {
        [name] => ("public", "g", name),
        [group, name] => ("public", group, name),
        [namespace, group, name] => (namespace, group, name),
        _ => panic!("no name: {text}"),
    };
    ServiceKey {
        namespace: NamespaceId::from_stored(namespace),
        group: GroupName::from_stored(group),
        name: ServiceName::from_stored(name),
    }
}

struct Run {
    watches: Watches<ServiceKey, String>,
    there: There,
    heard: Vec<(String, ServiceKey)>,
}

impl Run {
    fn line(&mut self, sentence: &str) {
        let (time, rest) = sentence.split_once(' ').expect("a time and a sentence");
        let now = Timestamp::from_ms(time.parse().expect("milliseconds"));
        let Self { watches, there, heard } = self;
        let mut tell = |who: &String, key: &ServiceKey| heard.push((who.clone(), key.clone()));
        match *rest.split_whitespace().collect::<Vec<_>>() {
            [who, "watches", pattern, ref how @ ..] => {
                let watching = watches.watch(now, pattern, &who.to_owned(), there, &mut tell);
                let became = match &watching {
                    Ok(watching) if watching.is_full => "full",
                    Ok(_) => "well",
                    Err(_) => "refused",
                };
                assert_eq!(became, how.first().copied().unwrap_or("well"), "{sentence}");
            }
            [who, "leaves", pattern] => assert!(watches.unwatch(now, pattern, &who.to_owned()), "{sentence}"),
            [who, "is", "gone"] => watches.drop_listener(now, &who.to_owned()),
            [name, "comes"] => {
                there.0.insert(key(name));
                watches.changed(now, &key(name), there, &mut tell);
            }
            [name, "goes"] => {
                there.0.remove(&key(name));
                watches.changed(now, &key(name), there, &mut tell);
            }
            [name, "changes"] => watches.changed(now, &key(name), there, &mut tell),
            ["nobody", "hears"] => assert_eq!(std::mem::take(heard), [], "{sentence}"),
            [who, "hears", ref names @ ..] => {
                let mut told: Vec<_> = heard.extract_if(.., |(to, _)| to == who).map(|(_, key)| key).collect();
                told.sort();
                assert_eq!(told, names.iter().map(|name| key(name)).collect::<Vec<_>>(), "{sentence}");
            }
            [pattern, "knowing", known, "lacks", ref names @ ..] => {
                let known = known.split(',').filter(|name| *name != "-").map(key).collect();
                let mut differ = watches.difference(&WatchPattern::new(pattern), &known, there);
                differ.sort();
                assert_eq!(differ, names.iter().map(|name| key(name)).collect::<Vec<_>>(), "{sentence}");
            }
            _ => panic!("no sentence: {sentence}"),
        }
        assert_eq!(self.watches.violations(), Vec::<String>::new(), "{sentence}");
    }
}

/// Two patterns, ten names of each.
#[track_caller]
fn check(script: &str) {
    let limits = WatchLimits { patterns_max: 2, matches_max: 10 };
    let mut run = Run { watches: Watches::new(limits), there: There::default(), heard: Vec::new() };
    for line in script.lines() {
        let sentence = line.split('#').next().unwrap_or_default().trim();
        if !sentence.is_empty() {
            run.line(sentence);
        }
    }
    assert_eq!(run.heard, [], "nothing is told that the script does not name");
}

#[test]
fn watchers_hear_of_what_comes_and_goes_and_of_nothing_else() {
    check(
        "
        0 a watches public>>g>>or*
        0 b watches public>>*>>*
        1 orders comes
        1 a hears orders
        1 b hears orders
        2 pay comes
        2 b hears pay
        2 a hears
        3 orders changes               # it is there as before
        3 dev/g/orders comes           # another namespace
        3 nobody hears
        4 orders goes
        4 a hears orders
        4 b hears orders
        5 orders goes                  # nothing is gone twice
        5 nobody hears
        ",
    );
}

#[test]
fn who_leaves_or_is_gone_hears_nothing_more() {
    check(
        "
        0 a watches public>>g>>*
        0 b watches public>>g>>*
        1 a leaves public>>g>>*
        1 orders comes
        1 b hears orders
        2 b is gone
        2 orders goes
        2 nobody hears
        ",
    );
}

#[test]
fn a_watcher_is_told_what_it_has_wrong() {
    check(
        "
        0 a1 comes
        0 a2 comes
        0 b1 comes
        0 a watches public>>g>>a*
        0 public>>g>>a* knowing - lacks a1 a2
        0 public>>g>>a* knowing a1,a2 lacks
        0 public>>g>>a* knowing a1,a9,b9 lacks a2 a9    # b9 is none of the pattern
        0 public>>g>>x* knowing a1 lacks                # nobody watches it
        ",
    );
}

#[test]
fn what_found_no_room_is_told_once_others_are_gone() {
    check(
        "
        0 s0 comes
        0 s1 comes
        0 s2 comes
        0 s3 comes
        0 s4 comes
        0 s5 comes
        0 s6 comes
        0 s7 comes
        0 s8 comes
        0 a watches public>>g>>*
        1 s9 comes
        1 a hears s9
        1 t1 comes
        1 nobody hears                              # ten are told already
        1 b watches public>>g>>* full
        1 public>>g>>* knowing t1 lacks s0 s1 s2 s3 s4 s5 s6 s7 s8 s9     # t1 is not gone
        2 s3 goes
        2 a hears s3 t1
        2 b hears s3 t1
        3 t1 goes
        3 a hears t1
        3 b hears t1
        4 c watches public>>g>>*
        ",
    );
}

#[test]
fn a_pattern_keeps_its_place_for_a_moment() {
    check(
        "
        0 a watches public>>g>>x
        0 a watches public>>g>>y
        0 b watches public>>g>>z refused
        0 b watches public>>g>>x
        0 b is gone
        0 a leaves public>>g>>y
        29999 b watches public>>g>>z refused
        30000 b watches public>>g>>z
        30000 z comes
        30000 b hears z
        ",
    );
}

#[test]
fn a_pattern_of_another_form_is_taken_and_means_nothing() {
    check(
        "
        0 orders comes
        0 a watches public>>g
        0 a watches >>
        1 pay comes
        1 nobody hears
        1 public>>g knowing orders lacks
        ",
    );
}

#[test]
fn watching_twice_is_watching_once() {
    check(
        "
        0 a watches public>>g>>*
        0 a watches public>>g>>*
        1 orders comes
        1 a hears orders
        2 a leaves public>>g>>*
        2 orders goes
        2 nobody hears
        ",
    );
}

#[test]
fn parts_match_in_five_ways_and_no_other() {
    for (part, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("*", "", true),
        ("*", "x", true),
        ("**", "x", true),
        ("a*", "ab", true),
        ("a*", "ba", false),
        ("*b", "ab", true),
        ("*b", "ba", false),
        ("*b*", "abc", true),
        ("*b*", "ac", false),
        ("a*c", "abc", false),
        ("", "", true),
        ("", "a", false),
    ] {
        assert_eq!(part_matches(part, text), expected, "{part} {text}");
    }
}
