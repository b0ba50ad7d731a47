//! The server is restarted in the middle of everything.

use std::sync::Arc;

use nacrite_client::config::ConfigName;
use nacrite_client::naming::{Instance, Selector};

use crate::config::heard;
use crate::naming::{told, watched};
use crate::target::Target;
use crate::{Outcome, PATIENCE};

pub(crate) async fn all_is_right_after_a_restart(target: Arc<Target>) -> Outcome {
    let (provider, consumer) = (target.client(), target.client());
    let service = target.named("restarted");
    let name = ConfigName::new(target.named("restarted"));
    let instance = |port| Instance::builder("10.0.0.1", port);

    let leaving = provider.naming().register(&*service, instance(80)).await.expect("it registers");
    let staying = provider.naming().register(&*service, instance(81)).await.expect("it registers");
    let mut subscription = consumer.naming().subscribe(&*service, Selector::default()).expect("a name");
    told(&mut subscription, &[80, 81]).await;
    provider.config().publish(&name, "before").send().await.expect("published");
    let mut listening = consumer.config().listen(&name).await.expect("listening");
    heard(&mut listening, Some("before")).await;

    let ending = format!("{service}-ending");
    let watched_before = provider.naming().register(&*ending, instance(80)).await.expect("it registers");
    let mut watch = consumer.naming().watch_services("DEFAULT_GROUP", &format!("{service}*")).expect("a pattern");
    let is_watched = watch.active(PATIENCE).await.is_ok();
    if is_watched {
        watched(&mut watch, &[&service, &ending]).await;
    }

    let restarted = target.restart(async || {
        // Without a server it cannot be confirmed; it does not come back in any case.
        leaving.deregister().await.ok();
        watched_before.deregister().await.ok();
    });
    if let Err(why) = restarted.await {
        return Outcome::Unsupported(why);
    }
    staying.registered(PATIENCE).await.expect("it is registered again");
    told(&mut subscription, &[81]).await;
    provider.naming().register(&*service, instance(82)).await.expect("it registers");
    told(&mut subscription, &[81, 82]).await;
    if is_watched {
        // What went while there was no server is told, and what comes is heard.
        watched(&mut watch, &[&service]).await;
        provider.naming().register(&*ending, instance(80)).await.expect("it registers");
        watched(&mut watch, &[&service, &ending]).await;
    }
    let kept = consumer.config().get(&name).await.expect("an answer").expect("it is kept");
    assert_eq!(&*kept.content, "before");
    provider.config().publish(&name, "after").send().await.expect("published");
    heard(&mut listening, Some("after")).await;
    provider.config().remove(&name).await.expect("removed");
    assert!(provider.close_within(PATIENCE).await && consumer.close_within(PATIENCE).await);
    Outcome::Passed
}
