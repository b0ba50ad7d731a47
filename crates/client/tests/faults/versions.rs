//! Configs over a way that breaks again and again: what changed meanwhile is heard soon after the way is there again, the
//! newest version always, and no version twice.

use std::time::Duration;

use nacrite_client::config::{ConfigName, Listening};
use nacrite_client::{Client, ServerAddress};
use nacrite_testkit::Node;

use crate::clock;
use crate::proxy::Front;

/// How soon after the return of a server the newest version is heard.
const RIGHT_WITHIN: Duration = Duration::from_secs(3);

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Configs that are listened to.
const CONFIGS: usize = 10;

/// How often the way breaks.
const BREAKS: usize = 12;

/// One listener, and what it heard last.
struct Ear {
    listening: Listening,
    last: Option<String>,
}

impl Ear {
    /// Waits until this is heard.
    async fn until(&mut self, expected: Option<&str>) {
        while self.last.as_deref() != expected {
            let config = self.listening.changed().await.expect("the client is open");
            let heard = config.map(|config| config.content.to_string());
            assert_ne!(heard, self.last, "{} is heard twice", self.listening.name());
            self.last = heard;
        }
    }
}

#[tokio::test]
async fn the_newest_version_is_heard_once_however_often_the_way_breaks() {
    let node = Node::start().await;
    let front = Front::to(node.http, node.clients).await;
    let listener = Client::builder().server_list([front.address()]).build().expect("a good description");
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    let direct = Client::builder().server_list([main.with_grpc_port(node.clients.port())]);
    let publisher = direct.build().expect("a good description");
    let names: Vec<_> = (0..CONFIGS).map(|nth| ConfigName::new(format!("config-{nth}"))).collect();
    let mut ears = Vec::new();
    for name in &names {
        publisher.config().publish(name, "0").send().await.expect("published");
        let listening = listener.config().listen(name).await.expect("listening");
        let mut ear = Ear { listening, last: None };
        tokio::time::timeout(PATIENCE, ear.until(Some("0"))).await.expect("the first version is heard");
        ears.push(ear);
    }
    for turn in 1..=BREAKS {
        let version = turn.to_string();
        match turn % 3 {
            0 => front.refuse().await,
            1 => front.reset_all(),
            _ => front.grpc.close_all(),
        }
        // Some while the way is broken, the others while it is being made again.
        let (removed, changed) = names.split_first().expect("there are some");
        for name in changed {
            publisher.config().publish(name, &*version).send().await.expect("published");
        }
        if turn % 2 == 1 {
            publisher.config().remove(removed).await.expect("removed");
        } else {
            publisher.config().publish(removed, &*version).send().await.expect("published");
        }
        if turn % 3 == 0 {
            front.lead_to(node.http, node.clients).await;
        }
        let returned = clock::now();
        for (nth, ear) in ears.iter_mut().enumerate() {
            let expected = (nth > 0 || turn % 2 == 0).then_some(&*version);
            tokio::time::timeout(PATIENCE, ear.until(expected)).await.expect("the newest version is heard");
        }
        assert!(returned.elapsed() <= RIGHT_WITHIN, "turn {turn} took {:?}", returned.elapsed());
    }
    assert!(listener.close_within(PATIENCE).await && publisher.close_within(PATIENCE).await);
    node.stop().await;
}
