//! `nacrite-client`, as its users call it.

use std::any::Any;
use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result};
use nacrite_client::Client;
use nacrite_client::naming::{Instance, Selector};

use crate::sdk::{IP, Sdk, Told, number, tell};

/// How long a server may take to be there; it may have been started a moment ago.
const READY_WITHIN: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub(crate) struct Ours(pub(crate) Client);

impl Sdk for Ours {
    async fn connect(server: &str) -> Result<Self> {
        let client = Client::builder().servers(server).app_name("sdkbench").build()?;
        client.naming();
        client.config();
        client.ready(READY_WITHIN).await?;
        Ok(Self(client))
    }

    async fn register(&self, service: &str) -> Result<()> {
        self.0.naming().register(service, Instance::builder(IP, 8080)).await?;
        Ok(())
    }

    async fn deregister(&self, service: &str) -> Result<()> {
        Ok(self.0.naming().deregister(service, Instance::builder(IP, 8080)).await?)
    }

    async fn instances(&self, service: &str) -> Result<usize> {
        Ok(self.0.naming().instances(service).await?.iter().filter(|instance| instance.port() > 0).count())
    }

    async fn select_one(&self, service: &str) -> Result<u16> {
        Ok(self.0.naming().select_one(service).await?.context("nobody is there")?.port())
    }

    async fn publish(&self, data_id: &str, content: &str) -> Result<()> {
        self.0.config().publish(data_id, content).send().await?;
        Ok(())
    }

    async fn get(&self, data_id: &str) -> Result<usize> {
        Ok(self.0.config().get(data_id).await?.context("there is no such config")?.content.len())
    }

    async fn follow(&self, service: &str, told: Told) -> Result<Box<dyn Any + Send>> {
        let callback = self.0.naming().subscribe_with(service, Selector::default(), move |change| {
            tell(&told, change.instances.iter().next().map(|instance| instance.weight() as u32));
        })?;
        Ok(Box::new(callback))
    }

    async fn listen(&self, data_id: &str, told: Told) -> Result<Box<dyn Any + Send>> {
        let listener = self.0.config().on_change(data_id, move |config| {
            tell(&told, config.and_then(|config| number(&config.content)));
            std::future::ready(Ok::<_, Infallible>(()))
        });
        Ok(Box::new(listener.await?))
    }
}
