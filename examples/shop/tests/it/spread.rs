//! Calls go where the weights in the registry say.

use crate::load::Load;
use crate::open;
use crate::scale::Scale;

/// How many percent of all calls a share may be off.
const OFF_MAX_PERCENT: f64 = 3.0;

#[tokio::test(flavor = "multi_thread")]
async fn weights_of_one_two_and_seven_hold() {
    let weights = [1.0, 2.0, 7.0];
    let (_alone, shop) = open(&weights).await;
    let scale = Scale::asked();
    let load = Load::begin(shop.front_at, scale.per_second);
    // Who is connected first gets everything until the others are.
    load.go_on(scale.calm).await;
    let steady = load.elapsed();
    load.last(scale.lasting).await;

    let calls = load.end().await;
    let spread = calls.spread(steady);
    println!("weights: {spread:?}; {}", calls.summary());
    assert_eq!(calls.failed().count(), 0, "{}", calls.summary());
    let all: usize = spread.values().sum();
    for (at, weight) in weights.iter().enumerate() {
        let name = format!("prices-{}", at + 1);
        let share = spread.get(name.as_str()).copied().unwrap_or_default() as f64 * 100.0 / all as f64;
        let wanted = weight * 100.0 / weights.iter().sum::<f64>();
        assert!((share - wanted).abs() <= OFF_MAX_PERCENT, "{name}: {share:.1} % instead of {wanted} %: {spread:?}");
    }
}
