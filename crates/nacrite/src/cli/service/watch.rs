//! `nacrite service watch`: the list as it is, then every change, until Ctrl-C.

use std::sync::Arc;

use nacrite_client::naming::{Change, Instance, Service, Subscription, SubscriptionState};

use super::{GetArgs, selector, shown};
use crate::cli::errand::{self, LinkNews};
use crate::cli::failure::Failure;
use crate::cli::output::{self, Form, Paint, Value};

pub(super) async fn watch(args: GetArgs) -> Result<(), Failure> {
    // Asked for first, so that an early Ctrl-C ends in order too.
    let mut stop = errand::stop_signals()?;
    errand::with_client(args.connection.client()?, async |client| {
        let service = Service::new(&args.service).in_group(&args.group);
        let subscription = client.naming().subscribe(service, selector(&args))?;
        let news = LinkNews::of(client.state().naming);
        tokio::select! {
            _ = stop.received() => Ok(()),
            ended = async {
                let first = subscription.resolved(args.connection.access.within());
                errand::patiently("subscribing", client, first).await?;
                follow(subscription, news, args.output.output).await
            } => ended,
        }
    })
    .await
}

/// Prints changes until the server refuses to tell more.
async fn follow(mut subscription: Subscription, mut news: LinkNews, form: Form) -> Result<(), Failure> {
    let mut state = subscription.state();
    let paint = Paint::for_output();
    loop {
        tokio::select! {
            change = subscription.changed() => {
                let Some(change) = change else { return Ok(()) };
                show(&change, form, paint)?;
            }
            told = news.next() => errand::note(&told),
            changed = state.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                match &*state.borrow_and_update() {
                    SubscriptionState::Refused { reason } => return Err(Failure::from(&**reason)),
                    SubscriptionState::Retrying { reason, attempts } => {
                        errand::note(&format!("attempt {attempts} to subscribe failed: {reason}; what is shown may be old"));
                    }
                    SubscriptionState::Pending | SubscriptionState::Active { .. } => {}
                }
            }
        }
    }
}

fn show(change: &Change, form: Form, paint: Paint) -> Result<(), Failure> {
    let kinds = [("added", &change.added), ("removed", &change.removed), ("changed", &change.modified)];
    if form != Form::Table {
        let listed =
            |list: &[Arc<Instance>]| Value::List(list.iter().map(|instance| shown::fields(instance)).collect());
        let mut fields = vec![
            ("group".to_owned(), change.service.group.as_str().into()),
            ("service".to_owned(), change.service.name.as_str().into()),
            ("instances".to_owned(), Value::Whole(i64::try_from(change.instances.len()).unwrap_or(i64::MAX))),
        ];
        fields.extend(kinds.iter().map(|(name, list)| ((*name).to_owned(), listed(list))));
        return output::event(form, &Value::Map(fields));
    }
    let mut text = String::new();
    for (kind, list) in kinds {
        let rows = shown::rows(list.iter().map(|instance| &**instance).collect());
        for line in output::lines(&rows) {
            text.push_str(&match kind {
                "added" => paint.green(&format!("+ {line}")),
                "removed" => paint.red(&format!("- {line}")),
                _ => paint.yellow(&format!("~ {line}")),
            });
            text.push('\n');
        }
    }
    if change.instances.is_empty() {
        text.push_str("nobody is registered\n");
    }
    output::print(&text)
}
