//! Whatever happens on the way, in the end everybody has heard how things stand: seeded histories of changes, lost pushes,
//! broken connections, refusals, listeners that come, go and fail.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::*;

const NAMES: [&str; 3] = ["x", "y", "z"];

/// Longer than it takes until everything is verified by itself.
const VERIFIED: Duration = Duration::from_secs(400);

/// Longer than a few answers take, and a listener that fails a few times; too short to be saved by verifying.
const SETTLED: Duration = Duration::from_secs(60);

/// One who listens, and what it has heard last.
struct Ear {
    name: &'static str,
    last: watch::Receiver<Option<Option<String>>>,
    _alive: Box<dyn std::any::Any>,
}

/// Listens with a value.
async fn with_value(configs: &Configs, name: &'static str) -> Ear {
    let mut listening = configs.listen(name).await.expect("listening");
    let (heard, last) = watch::channel(None);
    let alive = Arc::new(());
    let gone = Arc::downgrade(&alive);
    configs.inner.tasks.spawn(async move {
        while gone.strong_count() > 0 {
            match tokio::time::timeout(Duration::from_secs(1), listening.changed()).await {
                Ok(Ok(config)) => drop(heard.send_replace(Some(config.map(|config| config.content.to_string())))),
                Ok(Err(Error::Closed)) => return,
                Ok(Err(_)) | Err(_) => {}
            }
        }
    });
    Ear { name, last, _alive: Box::new(alive) }
}

/// Listens with a callback that fails now and then.
async fn with_callback(configs: &Configs, name: &'static str, seed: u64) -> Ear {
    let (heard, last) = watch::channel(None);
    let random = Mutex::new(StdRng::seed_from_u64(seed));
    let listener = configs.on_change(name, move |config: Option<Config>| {
        let fails = random.lock().random_bool(0.3);
        if !fails {
            heard.send_replace(Some(config.map(|config| config.content.to_string())));
        }
        async move { if fails { Err("not now") } else { Ok(()) } }
    });
    Ear { name, last, _alive: Box::new(listener.await.expect("listening")) }
}

#[track_caller]
fn all_know(server: &Fake, configs: &Configs, ears: &[Ear], seed: u64) {
    for ear in ears {
        let last = ear.last.borrow().clone().flatten();
        let stored = server.stored.lock().get(&ear.name.into()).map(|config| config.content.to_string());
        assert_eq!(last, stored, "seed {seed}, {}", ear.name);
    }
    assert!(configs.state().borrow().is_in_sync, "seed {seed}");
}

async fn live(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let (server, configs) = started();
    *server.lag.lock() = Duration::from_millis(3);
    let mut ears = vec![with_callback(&configs, "x", seed).await, with_callback(&configs, "y", !seed).await];
    let mut connection = 1;
    for step in 0..200 {
        let name = NAMES[random.random_range(0..NAMES.len())];
        match random.random_range(0..12) {
            0..=3 => server.set(name, Some(&format!("{step}"))),
            4 => server.set(name, None),
            5 => {
                // The push is lost.
                let config = Config::from_content(&format!("{step}"), ConfigType::Text, Origin::Server);
                server.stored.lock().insert(name.into(), config);
            }
            6 => {
                connection += 1;
                server.reconnect(connection);
            }
            7 => server.disconnect(),
            8 => server.fails_with(random.random_bool(0.5).then_some(|| Error::Busy("later".to_owned()))),
            9 => ears.push(with_value(&configs, name).await),
            10 if ears.len() > 2 => drop(ears.swap_remove(random.random_range(2..ears.len()))),
            _ => tokio::time::sleep(Duration::from_millis(random.random_range(0..5000))).await,
        }
    }
    server.fails_with(None);
    server.reconnect(connection + 1);
    tokio::time::sleep(VERIFIED).await;
    all_know(&server, &configs, &ears, seed);
    // From here on nothing goes wrong, but changes come while answers are on their way.
    for step in 0..30 {
        let name = NAMES[random.random_range(0..NAMES.len())];
        server.set(name, random.random_bool(0.8).then(|| format!("late {step}")).as_deref());
        tokio::time::sleep(Duration::from_millis(random.random_range(0..8))).await;
    }
    tokio::time::sleep(SETTLED).await;
    all_know(&server, &configs, &ears, seed);
    drop(ears);
    tokio::time::sleep(SETTLED).await;
    assert!(server.listened.lock().is_empty(), "seed {seed}");
    assert!(configs.inner.tasks.stop_all(LONG).await, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn in_the_end_everybody_has_heard_how_things_stand() {
    for seed in 0..50 {
        live(seed).await;
    }
}
