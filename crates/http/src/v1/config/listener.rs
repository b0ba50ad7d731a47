//! The long poll, and who waits in it.
//!
//! A request that waits is a future inside its connection: nothing polls for it. It ends with the first change of one of
//! its configs, after its time, when the server stops, or when the client hangs up and the connection drops it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use nacrite_app::App;
use nacrite_app::config::{ConfigCases, Have};
use nacrite_app::pipeline::LimitClass;
use nacrite_base::{Action, Fault};
use nacrite_config::Labels;
use nacrite_wire::from_wire::config::ListenAsk;
use nacrite_wire::http::config::ask::{self, V1};
use nacrite_wire::http::config::listening::{self, Hold, HoldHeaders};
use nacrite_wire::http::config::shown::{Holdings, listeners_v1, watchers_v1};
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::to_wire::config::short_group_key;

use super::{json, row};
use crate::config;
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Reply, Row};

const PROBE_MODIFY_RESPONSE: HeaderName = HeaderName::from_static("probe-modify-response");
const PROBE_MODIFY_RESPONSE_NEW: HeaderName = HeaderName::from_static("probe-modify-response-new");

pub(super) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = &app.config;
    vec![
        // Waiting requests have a bound of their own (`LONG_POLLS_MAX`) and must not count against those that read.
        row("POST /v1/cs/configs/listener", Action::Read, LimitClass::Connection, {
            let app = Arc::clone(app);
            Box::new(move |call| listen(&app, call))
        }),
        row("GET /v1/cs/configs/listener", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| of_config(&cases, call).map(|held| json(listeners_v1(&held))).into())
        }),
        row("GET /v1/cs/listener", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| at_address(&cases, call).map(|held| json(listeners_v1(&held))).into())
        }),
        // What nodes before 3.0 ask each other; of this node alone it is the same question.
        row("GET /v1/cs/communication/configWatchers", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| of_config(&cases, call).map(|held| json(watchers_v1(&held))).into())
        }),
        row("GET /v1/cs/communication/watcherConfigs", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| at_address(&cases, call).map(|held| json(watchers_v1(&held))).into())
        }),
    ]
}

/// A request that may wait, with everything that it needs to go on.
struct Listen {
    app: Arc<App>,
    asks: Vec<ListenAsk>,
    ip: Arc<str>,
    tag: Option<String>,
    hold: Hold,
}

fn listen(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let headers = HoldHeaders {
        timeout: call.header("long-pulling-timeout"),
        no_hang_up: call.header("long-pulling-timeout-no-hangup"),
        client_version: call.header("client-version"),
    };
    let asked = listening::listening(&call.params).and_then(|asks| Ok((asks, listening::hold(&headers)?)));
    let (asks, hold) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let listen = Listen {
        app: Arc::clone(app),
        asks,
        ip: call.client_ip().to_string().into(),
        tag: call.carried_tag().map(str::to_owned),
        hold,
    };
    Reply::later(async move { listen.answer().await })
}

impl Listen {
    async fn answer(&self) -> Answered {
        let have: Vec<Have<'_>> =
            self.asks.iter().map(|ask| Have { key: ask.key.as_ref(), digest: ask.digest.as_deref() }).collect();
        let labels = Labels { client_ip: &self.ip, asked_tag: None, carried_tag: self.tag.as_deref() };
        let hold = match self.hold {
            Hold::Until(hold) => hold,
            Hold::Short { .. } => std::time::Duration::ZERO,
        };
        let changed = tokio::select! {
            changed = self.app.config.wait_for_change(&self.ip, &have, &labels, hold) => changed?,
            () = self.app.tasks.stopping() => Vec::new(),
        };
        let changed: Vec<&ListenAsk> = changed.iter().filter_map(|at| self.asks.get(*at)).collect();
        match self.hold {
            Hold::Short { silent } => Ok(short(&changed, silent)?),
            Hold::Until(_) if changed.is_empty() => Ok(json("")),
            Hold::Until(_) => {
                let mut answer = json(listening::changed(changed));
                reply::no_cache(answer.headers_mut());
                Ok(answer)
            }
        }
    }
}

/// An answer to a client that knows no long polls: what differs stands in headers.
fn short(changed: &[&ListenAsk], silent: bool) -> Result<Answer, Refusal> {
    let mut answer = json("");
    let headers = answer.headers_mut();
    reply::no_cache(headers);
    if !silent {
        let text = |text: String| HeaderValue::try_from(text).map_err(|error| Refusal::Fault(Fault::internal(error)));
        headers.insert(PROBE_MODIFY_RESPONSE, text(listening::old_keys(changed.iter().copied()))?);
        headers.insert(PROBE_MODIFY_RESPONSE_NEW, text(listening::keys(changed.iter().copied()))?);
    }
    Ok(answer)
}

// --- who listens ---

/// The addresses that listen to a config, with the digests of what they have.
fn of_config(cases: &ConfigCases, call: &Call<'_>) -> Result<Holdings, Refusal> {
    let key = ask::listeners_v1(&call.params)?;
    Ok(key.map(|key| config::listeners_of(cases, &key)).unwrap_or_default())
}

/// The configs that an address listens to, with the digests of what it has. Without `all` those of the default namespace
/// and those whose key has the asked namespace in it.
fn at_address(cases: &ConfigCases, call: &Call<'_>) -> Result<Holdings, Refusal> {
    let ask = ask::address(&call.params, &V1)?;
    let held = cases.listened_at(&ask.ip).into_iter();
    let held = held.map(|(key, has)| (key.namespace.is_public(), short_group_key(&key), has.to_string()));
    let wanted = held.filter(|(is_public, key, _)| ask.all || *is_public || ask.names(key));
    Ok(wanted.map(|(_, key, has)| (key, has)).collect())
}
