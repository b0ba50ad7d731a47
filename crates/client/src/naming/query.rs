//! Finding instances and services: from what is known already, or by asking the server.

use std::sync::Arc;

use nacrite_base::GroupName;
use nacrite_wire::client::Module;
use nacrite_wire::client::naming::{ServiceInfo, ServiceListRequest, ServiceQueryRequest};

use super::cache::list_of;
use super::door::Door;
use super::instance::Instance;
use super::instances::Instances;
use super::over_grpc::resource;
use super::selector::Selector;
use super::service::Service;
use super::{Naming, ServiceKey};
use crate::error::Error;
use crate::link::Resource;

/// Names asked for at once when all are wanted.
const PAGE_SIZE: u32 = 500;

/// Pages asked for when all are wanted. Half a million services: a server that still has more does not count right.
const PAGES_MAX: u32 = 1000;

/// A page of the names of services.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServicePage {
    /// How many services there are in all.
    pub count: u64,
    /// The names of this page, without their group, in no order.
    pub names: Vec<String>,
}

impl Naming {
    /// The instances of a service, as they are known: from memory, except the first time. From then on the service is kept
    /// up to date until [`Self::forget`], as if it was subscribed to.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// let orders = naming.instances("orders").await?;
    /// for instance in orders.iter() {
    ///     println!("{instance} in {}, healthy: {}", instance.cluster(), instance.is_healthy());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Why no server has answered. That there is nobody is an answer, and no error.
    pub async fn instances(&self, service: impl Into<Service<'_>>) -> Result<Instances, Error> {
        let service = service.into();
        if let Some(known) = self.shared.look(&service, Instances::clone) {
            return Ok(known);
        }
        let key = self.key(service)?;
        if !self.shared.may_keep(&key) {
            return self.query(service).await;
        }
        // Followed while it is waited for, and kept once it is known: a name that leads nowhere is not.
        let waiting = self.subscribe(service, Selector::default())?;
        let found = waiting.resolved(self.shared.settings.request_within).await?;
        self.shared.keep(&key)?;
        Ok(found)
    }

    /// Those of the instances that may be chosen: healthy, enabled, and with a weight above 0.
    ///
    /// # Errors
    /// As [`Self::instances`].
    pub async fn select_healthy(&self, service: impl Into<Service<'_>>) -> Result<Vec<Arc<Instance>>, Error> {
        Ok(self.instances(service).await?.eligible().cloned().collect())
    }

    /// One of them, at random by weight; `None` if there is none. From memory, except the first time.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// match naming.select_one("orders").await? {
    ///     Some(instance) => println!("calling {instance}"),
    ///     None => println!("nobody is there"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::instances`].
    pub async fn select_one(&self, service: impl Into<Service<'_>>) -> Result<Option<Arc<Instance>>, Error> {
        let service = service.into();
        match self.pick(service) {
            Some(picked) => Ok(picked),
            None => Ok(self.instances(service).await?.pick().cloned()),
        }
    }

    /// One of them, at random by weight, from memory alone: `None` if the service is not known, `Some(None)` if there is
    /// nobody to choose. Never waits.
    #[must_use]
    pub fn pick<'a>(&self, service: impl Into<Service<'a>>) -> Option<Option<Arc<Instance>>> {
        self.meter.picks.add_one();
        self.shared.look(&service.into(), |list| list.pick().cloned())
    }

    /// Keeps a service up to date no longer that was asked for by name. Subscriptions to it stay.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such service.
    pub fn forget<'a>(&self, service: impl Into<Service<'a>>) -> Result<(), Error> {
        self.shared.forget(&self.key(service)?);
        Ok(())
    }

    /// Asks the server for the instances of a service, past everything that is known.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn query(&self, service: impl Into<Service<'_>>) -> Result<Instances, Error> {
        let service: ServiceKey = self.key(service)?;
        let info = match &self.door {
            Door::Http(over) => over.http().list(&service, "", false).await?,
            Door::Grpc(link) => {
                let request = ServiceQueryRequest {
                    namespace: service.namespace.as_str(),
                    service_name: service.name.as_str(),
                    group_name: service.group.as_str(),
                    cluster: "",
                    healthy_only: false,
                    udp_port: 0,
                };
                let answer = link.ask(&request, resource(&service), self.shared.settings.request_within).await?;
                answer.service_info.unwrap_or_default()
            }
        };
        let ServiceInfo { hosts: Some(hosts), reach_protection_threshold, .. } = info else {
            return Err(Error::Undecodable("it has no list of instances".to_owned()));
        };
        Ok(list_of(&service, hosts, None, reach_protection_threshold))
    }

    /// A page of the names of all services in a group. `page_no` counts from 1.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such group; why there is no answer otherwise.
    pub async fn services(&self, group: &str, page_no: u32, page_size: u32) -> Result<ServicePage, Error> {
        let group = GroupName::parse(group).map_err(|error| Error::Invalid(error.to_string()))?;
        if page_no == 0 || page_size == 0 {
            return Err(Error::Invalid("pages count from 1, and hold at least one name".to_owned()));
        }
        let namespace = self.shared.namespace.as_str();
        let (count, names) = match &self.door {
            Door::Http(over) => over.http().services(namespace, group.as_str(), page_no, page_size).await?,
            Door::Grpc(link) => {
                let request = ServiceListRequest {
                    namespace,
                    service_name: "",
                    group_name: group.as_str(),
                    page_no,
                    page_size,
                    selector: "",
                };
                let resource = Resource { module: Module::Naming, namespace, group: group.as_str(), name: "" };
                let answer = link.ask(&request, resource, self.shared.settings.request_within).await?;
                (answer.count, answer.service_names)
            }
        };
        Ok(ServicePage { count: u64::try_from(count).unwrap_or_default(), names })
    }

    /// The names of all services in a group, page by page. Services that come or go meanwhile may be missing or stand
    /// twice; the names are put in order and each stands once.
    ///
    /// ```no_run
    /// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
    /// let page = naming.services("DEFAULT_GROUP", 1, 100).await?;
    /// println!("{} of {}", page.names.len(), page.count);
    /// println!("all: {:?}", naming.all_services("DEFAULT_GROUP").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::services`].
    pub async fn all_services(&self, group: &str) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for page_no in 1..=PAGES_MAX {
            let page = self.services(group, page_no, PAGE_SIZE).await?;
            let is_last = page.names.is_empty();
            names.extend(page.names);
            if is_last || names.len() as u64 >= page.count {
                break;
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}
