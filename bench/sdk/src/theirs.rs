//! `nacos-sdk`, the official client, as its users call it.

use std::any::Any;
use std::sync::Arc;

use anyhow::{Result, ensure};
use nacos_sdk::api::config::{ConfigChangeListener, ConfigResponse, ConfigService, ConfigServiceBuilder};
use nacos_sdk::api::naming::{
    NamingChangeEvent, NamingEventListener, NamingService, NamingServiceBuilder, ServiceInstance,
};
use nacos_sdk::api::props::ClientProps;

use crate::sdk::{GROUP, IP, Sdk, Told, number, tell};

#[derive(Clone)]
pub(crate) struct Theirs {
    naming: NamingService,
    config: ConfigService,
}

struct Callback(Told);

impl NamingEventListener for Callback {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        let first = event.instances.as_ref().and_then(|instances| instances.first());
        tell(&self.0, first.map(|instance| instance.weight as u32));
    }
}

impl ConfigChangeListener for Callback {
    fn notify(&self, config: ConfigResponse) {
        tell(&self.0, number(config.content()));
    }
}

fn group() -> Option<String> {
    Some(GROUP.to_owned())
}

fn instance() -> ServiceInstance {
    ServiceInstance { ip: IP.to_owned(), port: 8080, ..ServiceInstance::default() }
}

impl Sdk for Theirs {
    async fn connect(server: &str) -> Result<Self> {
        // The environment is not looked into: it could change what is compared.
        let props = ClientProps::new().server_addr(server).app_name("sdkbench").env_first(false);
        // It keeps what it was told in files, and cannot be kept from it; not in the user's home.
        let props = props.cache_dir(std::env::temp_dir());
        let naming = NamingServiceBuilder::new(props.clone()).build().await?;
        let config = ConfigServiceBuilder::new(props).build().await?;
        Ok(Self { naming, config })
    }

    async fn register(&self, service: &str) -> Result<()> {
        Ok(self.naming.register_instance(service.to_owned(), group(), instance()).await?)
    }

    async fn deregister(&self, service: &str) -> Result<()> {
        Ok(self.naming.deregister_instance(service.to_owned(), group(), instance()).await?)
    }

    async fn instances(&self, service: &str) -> Result<usize> {
        let all = self.naming.get_all_instances(service.to_owned(), group(), Vec::new(), true).await?;
        Ok(all.iter().filter(|instance| instance.port > 0).count())
    }

    async fn select_one(&self, service: &str) -> Result<u16> {
        let chosen = self.naming.select_one_healthy_instance(service.to_owned(), group(), Vec::new(), true).await?;
        Ok(u16::try_from(chosen.port)?)
    }

    async fn publish(&self, data_id: &str, content: &str) -> Result<()> {
        let config = &self.config;
        let published = config.publish_config(data_id.to_owned(), GROUP.to_owned(), content.to_owned(), None).await?;
        ensure!(published, "the config was not published");
        Ok(())
    }

    async fn get(&self, data_id: &str) -> Result<usize> {
        Ok(self.config.get_config(data_id.to_owned(), GROUP.to_owned()).await?.content().len())
    }

    async fn follow(&self, service: &str, told: Told) -> Result<Box<dyn Any + Send>> {
        self.naming.subscribe(service.to_owned(), group(), Vec::new(), Arc::new(Callback(told))).await?;
        Ok(Box::new(()))
    }

    async fn listen(&self, data_id: &str, told: Told) -> Result<Box<dyn Any + Send>> {
        self.config.add_listener(data_id.to_owned(), GROUP.to_owned(), Arc::new(Callback(told))).await?;
        Ok(Box::new(()))
    }
}
