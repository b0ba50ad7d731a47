//! Accounts of pushes for operators: whom the newest state of a service reached, and what one client has. Endpoints of
//! this server's own.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::push::latencies::BOUNDS_MS;
use nacrite_app::push::ledger::{Mishap, Trouble};
use nacrite_app::push::report::{self, Late};
use nacrite_app::push::told::{Fate, Told, Waiting};
use nacrite_wire::http::envelope::result;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::naming::form_service;
use nacrite_wire::http::naming::pushes::{
    ClientPushesShown, KnownShown, LateShown, PushState, ServicePushesShown, TroubleShown,
};
use nacrite_wire::http::refusal::{Refusal, shown as shown_text};

use crate::clients;
use crate::naming::{LOOK, operates};
use crate::reply;
use crate::table::{Answered, Call, Row};

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, show: fn(&App, &Call<'_>) -> Answered| {
        let app = Arc::clone(app);
        operates(endpoint, Generation::V3, LOOK, move |call| show(&app, call).into())
    };
    vec![row("GET /v3/admin/ns/service/pushes", of_service), row("GET /v3/admin/ns/client/pushes", of_client)]
}

fn of_service(app: &App, call: &Call<'_>) -> Answered {
    let service = form_service(&call.params)?;
    let pushes = report::of_service(app.naming.shards(), &app.connections, app.acks.ledger(), &service);
    let late_ms = app.clock.now().since(pushes.changed_at).as_millis();
    let late_ms = u64::try_from(late_ms).unwrap_or(u64::MAX);
    let shown = ServicePushesShown {
        service: &service,
        is_listed: pushes.is_listed,
        revision: pushes.revision,
        changed_at: pushes.changed_at,
        subscribers: pushes.subscribers,
        reached: pushes.reached,
        unconnected: pushes.unconnected,
        within_ms: [100, 50, 99].map(|percent| pushes.percentile_ms(percent)),
        late: pushes.late.iter().map(|late| late_shown(late, late_ms)).collect(),
        latencies: (&BOUNDS_MS, pushes.account.latencies.counts()),
        troubles: pushes.account.troubles.iter().map(trouble).collect(),
    };
    Ok(reply::json(result(&shown.encode())))
}

fn late_shown(late: &Late, late_ms: u64) -> LateShown<'_> {
    LateShown {
        client: &late.client,
        ip: &late.subscription.address,
        app: &late.subscription.app,
        state: state(&late.told, late.waiting),
        late_ms,
        tries: tries(&late.told, late.waiting),
    }
}

fn trouble(trouble: &Trouble) -> TroubleShown<'_> {
    let what = match trouble.mishap {
        Mishap::Refused => "refused",
        Mishap::Unacknowledged => "unacknowledged",
        Mishap::Gone => "gone",
    };
    TroubleShown { client: trouble.client.as_str(), at: trouble.at, what, reason: trouble.reason.as_deref() }
}

fn of_client(app: &App, call: &Call<'_>) -> Answered {
    let client = clients::find(app, &call.params)?.id;
    let pushes = report::of_client(app.naming.shards(), &app.connections, &client);
    // Who holds no connection is told in other ways, of which no account is kept here.
    let pushes = pushes.ok_or_else(|| Refusal::ClientAbsent { id: shown_text(&client.to_string()) })?;
    let services = pushes.services.iter().map(|known| KnownShown {
        service: &known.service,
        revision: known.revision,
        known: known.told.revision,
        state: state(&known.told, known.waiting),
        latency_ms: known.told.latency_ms(),
        tries: tries(&known.told, known.waiting),
    });
    let shown = ClientPushesShown {
        client: &client,
        subscriptions: pushes.subscriptions,
        current: pushes.current,
        latencies: (&BOUNDS_MS, pushes.latencies.counts()),
        services: services.collect(),
    };
    Ok(reply::json(result(&shown.encode())))
}

fn state(told: &Told, waiting: Waiting) -> PushState {
    match (waiting, told.fate) {
        (Waiting::ToBeSent, _) => PushState::Waiting,
        (Waiting::SentAt(_), _) => PushState::Sent,
        (Waiting::ForNothing, Fate::None) => PushState::Untold,
        (Waiting::ForNothing, Fate::Answered) => PushState::Answered,
        (Waiting::ForNothing, Fate::Acknowledged) => PushState::Acknowledged,
        (Waiting::ForNothing, Fate::Refused) => PushState::Refused,
        (Waiting::ForNothing, Fate::Unacknowledged) => PushState::Unacknowledged,
    }
}

/// How often it was told since it took something, with the push under way.
fn tries(told: &Told, waiting: Waiting) -> u32 {
    u32::from(told.in_vain) + u32::from(matches!(waiting, Waiting::SentAt(_)))
}
