//! Instances that stay whoever comes and goes: asked for once, over gRPC where the server takes them there, over HTTP
//! elsewhere. The redo has nothing to do with them, because no connection carries them.

use std::fmt;
use std::time::Duration;

use nacrite_base::ServiceKey;
use nacrite_wire::client::naming::{DEREGISTER, InstanceRequest, PersistentInstanceRequest, REGISTER};
use tokio::time::timeout;

use super::instance::Instance;
use super::over_grpc::resource;
use crate::clock;
use crate::error::Error;
use crate::http::naming::HttpNaming;
use crate::link::Link;

/// The server's ability to take persistent instances over gRPC.
const ABILITY: &str = "supportPersistentInstanceByGrpc";

/// Part of a call's time that is spent on waiting for a connection that tells the server's abilities. The rest is enough
/// to ask over HTTP a server that has no gRPC.
const WAIT_SHARE: u32 = 3;

/// Registers and deregisters persistent instances.
#[derive(Clone)]
pub(super) struct Persistent {
    /// `None` if everything goes over HTTP.
    pub(super) link: Option<Link>,
    pub(super) http: HttpNaming,
    pub(super) within: Duration,
}

impl fmt::Debug for Persistent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Persistent").field("within", &self.within).finish_non_exhaustive()
    }
}

impl Persistent {
    /// Registers an instance, or changes it.
    pub(super) async fn register(&self, service: &ServiceKey, instance: &Instance) -> Result<(), Error> {
        let began = clock::now();
        if let Some(link) = self.over_grpc().await {
            return ask(link, service, instance, REGISTER, self.within.saturating_sub(began.elapsed())).await;
        }
        let left = self.within.saturating_sub(began.elapsed());
        timeout(left, self.http.register(service, &instance.body())).await.unwrap_or_else(|_| self.too_late())
    }

    /// Deregisters an instance; one that is not there is gone already.
    pub(super) async fn deregister(&self, service: &ServiceKey, instance: &Instance) -> Result<(), Error> {
        let began = clock::now();
        if let Some(link) = self.over_grpc().await {
            return ask(link, service, instance, DEREGISTER, self.within.saturating_sub(began.elapsed())).await;
        }
        let left = self.within.saturating_sub(began.elapsed());
        timeout(left, self.http.deregister(service, &instance.body())).await.unwrap_or_else(|_| self.too_late())
    }

    fn too_late(&self) -> Result<(), Error> {
        Err(Error::Deadline { within: self.within, last: None })
    }

    /// The connection, if the server says that it takes them there. One that says nothing, or to which there is no
    /// connection in time, is asked over HTTP: all generations take them there.
    async fn over_grpc(&self) -> Option<&Link> {
        let link = self.link.as_ref()?;
        let mut sessions = link.session();
        let session = timeout(self.within / WAIT_SHARE, sessions.wait_for(Option::is_some)).await.ok()?.ok()?;
        let said = session.as_ref()?.abilities.has(ABILITY);
        (said == Some(true)).then_some(link)
    }
}

async fn ask(
    link: &Link,
    service: &ServiceKey,
    instance: &Instance,
    operation: &str,
    within: Duration,
) -> Result<(), Error> {
    let request = PersistentInstanceRequest(InstanceRequest {
        namespace: service.namespace.as_str(),
        service_name: service.name.as_str(),
        group_name: service.group.as_str(),
        operation,
        instance: instance.body(),
    });
    link.ask(&request, resource(service), within).await.map(drop)
}
