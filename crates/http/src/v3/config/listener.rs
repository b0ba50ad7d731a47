//! Who listens to configs, and what clients know of them, in v3.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::config::ConfigCases;
use nacrite_app::pipeline::LimitClass;
use nacrite_base::Action;
use nacrite_wire::http::config::ask::{self, V3};
use nacrite_wire::http::config::shown::{Holdings, listeners_v3};
use nacrite_wire::http::envelope::result;
use nacrite_wire::to_wire::config::group_key;

use super::row;
use crate::config;
use crate::reply;
use crate::table::{Answered, Call, Reply, Row};

pub(super) fn rows(app: &Arc<App>) -> Vec<Row> {
    let cases = &app.config;
    vec![
        row("GET /v3/admin/cs/config/listener", Action::Write, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| of_config(&cases, call).into())
        }),
        row("GET /v3/admin/cs/listener", Action::Read, LimitClass::Operation, {
            let cases = cases.clone();
            Box::new(move |call| at_address(&cases, call).into())
        }),
        row("GET /v3/admin/cs/metrics/ip", Action::Read, LimitClass::Operation, {
            let app = Arc::clone(app);
            Box::new(move |call| metrics(&app, call))
        }),
    ]
}

fn of_config(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let key = ask::form_key(&call.params, &V3)?;
    call.params.form_flag("aggregation")?;
    Ok(reply::json(result(&listeners_v3("config", &config::listeners_of(cases, &key)))))
}

/// Without `all` only configs whose key has the asked namespace in it: here the default namespace is one like others.
fn at_address(cases: &ConfigCases, call: &Call<'_>) -> Answered {
    let ask = ask::address(&call.params, &V3)?;
    call.params.form_flag("aggregation")?;
    let held = cases.listened_at(&ask.ip).into_iter().map(|(key, has)| (group_key(&key), has.to_string()));
    let wanted: Holdings = held.filter(|(key, _)| ask.all || ask.names(key)).collect();
    Ok(reply::json(result(&listeners_v3("ip", &wanted))))
}

fn metrics(app: &Arc<App>, call: &Call<'_>) -> Reply {
    let (ip, key) = match ask::metrics(&call.params, &V3) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let app = Arc::clone(app);
    Reply::later(async move {
        let said = config::metrics(&app, &ip, &key, config::Silent::Refused).await?;
        Ok(reply::json(result(&said)))
    })
}
