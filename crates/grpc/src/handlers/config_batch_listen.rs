//! `ConfigBatchListenRequest`: a client says which configs it has, with their digests, and learns which differ now.

use nacrite_app::config::{ConfigCases, Have};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_app::push::listeners::Held;
use nacrite_base::{Action, Area, Fault, Tag};
use nacrite_config::Labels;
use nacrite_wire::from_wire::config::{ListenAsk, listen_request};
use nacrite_wire::to_wire::config::{ChangedConfig, listen_response};
use nacrite_wire::to_wire::{Failure, FailureShape};

use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(config: ConfigCases) -> Row {
    Row {
        wire_type: "ConfigBatchListenRequest",
        needs: Needs::Permission(Action::Read, Area::Config),
        limit: LimitClass::ConfigRead,
        senders: Senders::Anybody,
        failure: Failure {
            answer_type: "ConfigChangeBatchListenResponse",
            shape: FailureShape::Thrown,
            fields: ",\"changedConfigs\":[]",
        },
        run: Box::new(move |call| handle(&config, call).into()),
    }
}

fn handle(config: &ConfigCases, call: &Call<'_>) -> Answered {
    let (listen, asks) = listen_request(call.payload.body)?;
    let carried = call.payload.header("Vipserver-Tag").filter(|tag| !tag.is_empty());
    let tag = carried.map(Tag::parse).transpose()?;
    let own = call.labels(None);
    let labels = Labels { carried_tag: tag.as_ref().map(Tag::as_str).or(own.carried_tag), ..own };
    if listen { start(config, call, &asks, &labels) } else { Ok(stop(config, call, &asks)) }
}

/// Listens first and looks then, so that no change is missed.
fn start(config: &ConfigCases, call: &Call<'_>, asks: &[ListenAsk], labels: &Labels<'_>) -> Answered {
    for (ask, key) in asks.iter().filter_map(|ask| Some((ask, ask.key.as_ref()?))) {
        let has = Held::of(ask.digest.as_deref());
        config.listen(call.connection, key, !ask.tenant_is_blank(), has)?;
    }
    let differs =
        |ask: &&ListenAsk| config.differs(Have { key: ask.key.as_ref(), digest: ask.digest.as_deref() }, labels);
    Ok::<_, Fault>(listen_response(asks.iter().filter(differs).map(|ask| ChangedConfig {
        group: &ask.group,
        data_id: &ask.data_id,
        tenant: ask.tenant.as_deref(),
    })))
}

fn stop(config: &ConfigCases, call: &Call<'_>, asks: &[ListenAsk]) -> bytes::Bytes {
    for key in asks.iter().filter_map(|ask| ask.key.as_ref()) {
        config.unlisten(call.connection, key);
    }
    listen_response([])
}
