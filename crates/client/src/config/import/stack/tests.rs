//! Which layer counts, and what is kept when one does not fit.

use super::*;
use crate::config::format::Format;
use crate::config::value::digest_of;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Settings {
    a: u8,
    #[serde(default)]
    b: u8,
    #[serde(default = "largest")]
    #[serde(deserialize_with = "odd_is_refused")]
    max: u8,
}

fn largest() -> u8 {
    200
}

fn odd_is_refused<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let read: u8 = serde::Deserialize::deserialize(deserializer)?;
    if read.is_multiple_of(2) { Ok(read) } else { Err(serde::de::Error::custom("odd")) }
}

fn json(text: &str) -> Tree {
    Format::Json.tree(text).expect("it is JSON")
}

fn layer(rank: Rank, text: &str) -> Layer {
    Layer { optional: Optional::Required, ..Layer::fixed(text.to_owned(), rank, Some(json(text))) }
}

fn stack(layers: impl IntoIterator<Item = Layer>) -> Stack {
    Stack::new(layers.into_iter().collect()).0
}

fn version(text: &str) -> Heard {
    Heard::Version(digest_of(text), Format::Json.tree(text))
}

fn a_and_b(taken: Taken<Settings>) -> Option<(u8, u8)> {
    match taken {
        Taken::Changed(settings) => Some((settings.a, settings.b)),
        Taken::Same | Taken::Kept(_) => None,
    }
}

#[test]
fn the_rank_counts_and_then_the_order() {
    let ranks = [Rank::Default, Rank::ImportBelow, Rank::File, Rank::ImportAbove, Rank::Environment, Rank::Set];
    for strongest in 1..=ranks.len() {
        let layers = ranks.iter().take(strongest).rev().enumerate();
        let layers = layers.map(|(at, rank)| layer(*rank, &format!(r#"{{"a":{at}}}"#)));
        assert_eq!(stack(layers).bind::<Settings>().map(|settings| settings.a), Ok(0), "{strongest} layers");
    }
    let (same, places) = Stack::new(vec![
        layer(Rank::File, r#"{"a":1}"#),
        layer(Rank::Default, r#"{"a":2,"b":3}"#),
        layer(Rank::File, r#"{"a":4}"#),
    ]);
    assert_eq!(places, [1, 0, 2]);
    assert!(same.bind::<Settings>().is_ok_and(|settings| (settings.a, settings.b) == (4, 3)));
}

#[test]
fn the_environment_is_spelled_as_the_layers_below() {
    let layers = [layer(Rank::File, r#"{"maxSize":1}"#), layer(Rank::Environment, r#"{"max_size":"2"}"#)];
    assert!(stack(layers).values() == &json(r#"{"maxSize":"2"}"#));
}

#[test]
fn a_version_that_is_broken_or_does_not_fit_is_seen_and_not_used() {
    let mut stack = stack([layer(Rank::ImportBelow, r#"{"a":1}"#)]);
    for bad in ["{", r#"{"a":"many"}"#, "{}"] {
        let Taken::Kept(LayerTrouble::Unfit { digest, .. }) = stack.take::<Settings>(0, version(bad)) else {
            panic!("{bad} was taken");
        };
        assert_eq!(digest, Some(digest_of(bad)));
        assert!(stack.bind::<Settings>().is_ok_and(|settings| settings.a == 1));
        assert!(stack.state()[0].trouble.is_some());
    }
    assert_eq!(a_and_b(stack.take(0, version(r#"{"a":2}"#))), Some((2, 0)));
    assert_eq!(
        (stack.state()[0].trouble.clone(), stack.state()[0].digest.clone()),
        (None, Some(digest_of(r#"{"a":2}"#)))
    );
}

#[test]
fn one_layer_that_does_not_fit_does_not_keep_the_others_from_changing() {
    let mut stack = stack([layer(Rank::ImportBelow, r#"{"a":1}"#), layer(Rank::ImportBelow, r#"{"b":1}"#)]);
    assert!(matches!(stack.take::<Settings>(0, version(r#"{"a":"many"}"#)), Taken::Kept(_)));
    assert_eq!(a_and_b(stack.take(1, version(r#"{"b":2}"#))), Some((1, 2)));
    assert!(stack.state()[0].trouble.is_some() && stack.state()[1].trouble.is_none());
    assert_eq!(a_and_b(stack.take(0, version(r#"{"a":3}"#))), Some((3, 2)));
}

#[test]
fn layers_that_have_to_change_together_find_each_other() {
    let below = layer(Rank::ImportBelow, r#"{"a":1,"max":2}"#);
    let mut stack = stack([below, layer(Rank::ImportAbove, r#"{"b":1}"#)]);
    // Without `a` it does not fit, until the other layer brings one.
    assert!(matches!(stack.take::<Settings>(0, version(r#"{"max":4}"#)), Taken::Kept(_)));
    assert_eq!(a_and_b(stack.take(1, version(r#"{"a":7,"b":2}"#))), Some((7, 2)));
    assert!(stack.bind::<Settings>().is_ok_and(|settings| settings.max == 4));
    assert!(stack.state().iter().all(|layer| layer.trouble.is_none()));
}

#[test]
fn a_change_that_others_hide_is_no_change() {
    let mut stack = stack([layer(Rank::ImportBelow, r#"{"a":1}"#), layer(Rank::File, r#"{"a":5}"#)]);
    assert!(matches!(stack.take::<Settings>(0, version(r#"{"a":2}"#)), Taken::Same));
    assert_eq!(stack.state()[0].digest, Some(digest_of(r#"{"a":2}"#)));
}

#[test]
fn what_is_removed_is_gone_if_it_was_optional_and_kept_otherwise() {
    let optional = Layer { optional: Optional::Optional, ..layer(Rank::ImportAbove, r#"{"b":9}"#) };
    let mut stack = stack([layer(Rank::ImportBelow, r#"{"a":1}"#), optional]);
    let kept = stack.take::<Settings>(0, Heard::Nothing);
    assert!(matches!(kept, Taken::Kept(LayerTrouble::Removed)));
    assert!(stack.bind::<Settings>().is_ok_and(|settings| (settings.a, settings.b) == (1, 9)));
    assert_eq!(a_and_b(stack.take(1, Heard::Nothing)), Some((1, 0)));
    assert!(!stack.state()[1].is_there && stack.state()[1].trouble.is_none());
    assert_eq!(a_and_b(stack.take(0, version(r#"{"a":2}"#))), Some((2, 0)));
    assert!(stack.state()[0].trouble.is_none());
}

#[test]
fn a_layer_that_is_missing_may_come() {
    let missing =
        Layer { used: Version::ABSENT, trouble: Some(LayerTrouble::Missing), ..layer(Rank::ImportAbove, "{}") };
    let mut stack = stack([layer(Rank::File, r#"{"a":1}"#), missing]);
    assert!(matches!(stack.take::<Settings>(1, Heard::Nothing), Taken::Kept(LayerTrouble::Missing)));
    assert_eq!(a_and_b(stack.take(1, version(r#"{"a":2}"#))), Some((2, 0)));
}
