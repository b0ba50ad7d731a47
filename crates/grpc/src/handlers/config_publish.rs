//! `ConfigPublishRequest`: gives a config, or a gray version of it, a new content.

use nacrite_app::config::{ConfigCases, Publish};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Publisher};
use nacrite_wire::from_wire::config::publish_request;
use nacrite_wire::to_wire::DONE;

use super::typed;
use crate::table::{Call, Reply, Row, Senders};

pub(super) fn row(config: ConfigCases) -> Row {
    Row {
        wire_type: "ConfigPublishRequest",
        needs: Needs::Permission(Action::Write, Area::Config),
        limit: LimitClass::ConfigWrite,
        senders: Senders::Anybody,
        failure: typed("ConfigPublishResponse", ""),
        run: Box::new(move |call| handle(config.clone(), call)),
    }
}

fn handle(config: ConfigCases, call: &Call<'_>) -> Reply {
    let ask = match publish_request(call.payload.body) {
        Ok(ask) => ask,
        Err(fault) => return fault.into(),
    };
    let by = Publisher { user: ask.user, ip: call.remote_ip() };
    let publish = Publish {
        key: ask.key,
        content: ask.content,
        cas: ask.cas,
        attributes: ask.attributes,
        by,
        release: ask.release,
    };
    Reply::later(async move {
        config.publish(publish).await?;
        Ok(DONE)
    })
}

impl Call<'_> {
    /// The address that the history shows: the other end of the socket, which the client cannot choose.
    pub(super) fn remote_ip(&self) -> std::sync::Arc<str> {
        self.connection.remote.ip().to_string().into()
    }
}
