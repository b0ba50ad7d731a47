//! Finding whom to call: services by name, their instances picked by weight, one's own cluster first, those that fail left
//! out for a while.
//!
//! Built on the lists that `naming` keeps up to date, and on the policies of the crate `nacrite-balance`: this module decides
//! which services are followed, and holds what callers pick from. It sends no call itself.
//!
//! Every service that is asked for is followed from then on. Names may come from outside, as in a gateway: a service that
//! nobody asked for in a while is let go, and no more than a number of them are followed at once.

mod nobody;
mod service;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use foldhash::fast::RandomState;
use nacrite_balance::Policy;
use nacrite_balance::policy::{PreferLocality, WeightedRandom};
use parking_lot::{Mutex, RwLock};
use tracing::{debug, warn};

pub use self::nobody::NoInstance;
pub use self::service::{DiscoveredService, Outcome};
pub use nacrite_balance::outlier::{FailurePercentage, OutlierSettings, SuccessRate};

use self::service::Watched;
use crate::client::Client;
use crate::error::Error;
use crate::naming::{EmptyProtection, Selector, Service};
use crate::tasks::Tasks;

/// Groups of which the last good listing is kept; beyond this number none is kept of the others.
const LISTINGS_MAX: usize = 100;

/// How callers find whom to call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiscoverySettings {
    /// The caller's own cluster, whose instances are preferred. None.
    pub cluster: Option<String>,
    /// Others help while less than this of one's own, in percent, are there to be called: 0 if only when none is. 0, as in
    /// Nacos's own load balancer.
    pub spill_below_percent: u8,
    /// Which instances come into question at all. All.
    pub selector: Selector,
    /// What to do with a list that says that nobody is left. What the client does.
    pub empty_protection: Option<EmptyProtection>,
    /// Which instances are left out for a while because calls to them fail, and for how long: see [`DiscoveredService::report`].
    /// Five failures in a row eject, for 5 s at first, at most half of all. [`OutlierSettings::none`] for nobody.
    pub outliers: OutlierSettings,
    /// How many services are followed at once. Where more are asked for, one that nobody asked for lately is let go; if
    /// there is none, it is an error. 1,000: each costs a task and its list.
    pub followed_max: usize,
    /// After how long a service that nobody asks for is let go; at the latest after twice that. 10 min.
    pub idle_after: Duration,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            cluster: None,
            spill_below_percent: 0,
            selector: Selector::default(),
            empty_protection: None,
            outliers: OutlierSettings::default(),
            followed_max: 1_000,
            idle_after: Duration::from_secs(600),
        }
    }
}

/// Services by group and name, so that a look-up needs no key of its own.
type Followed = HashMap<Arc<str>, HashMap<Arc<str>, Arc<Watched>, RandomState>, RandomState>;

/// Finds whom to call. Clones share everything.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use nacrite_client::discover::Discovery;
///
/// let discovery = Discovery::new(&client);
/// let orders = discovery.service("orders")?;
/// orders.ready(Duration::from_secs(3)).await?;
/// let instance = orders.pick()?;
/// println!("calling {instance}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Discovery(Arc<Inner>);

struct Inner {
    client: Client,
    tasks: Tasks,
    settings: DiscoverySettings,
    policy: Arc<dyn Policy>,
    followed: RwLock<Followed>,
    listings: Mutex<BTreeMap<String, Arc<[String]>>>,
}

/// Names of services.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// In order, without their group.
    pub names: Arc<[String]>,
    /// Why these are the names of an earlier answer; `None` if they are those of the server.
    pub stale: Option<String>,
}

impl Discovery {
    /// Finds whom to call among the services of this client, with settings that are right for nearly everybody.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self::with_settings(client, DiscoverySettings::default())
    }

    /// The same with other settings.
    ///
    /// ```no_run
    /// # fn example(client: nacrite_client::Client) {
    /// use nacrite_client::discover::{Discovery, DiscoverySettings};
    ///
    /// let mut settings = DiscoverySettings::default();
    /// settings.cluster = Some("hangzhou".into());
    /// let discovery = Discovery::with_settings(&client, settings);
    /// # }
    /// ```
    #[must_use]
    pub fn with_settings(client: &Client, settings: DiscoverySettings) -> Self {
        let policy: Arc<dyn Policy> = match &settings.cluster {
            None => Arc::new(WeightedRandom),
            Some(cluster) => {
                let prefer = PreferLocality::new(cluster, Arc::new(WeightedRandom));
                Arc::new(prefer.spill_below(settings.spill_below_percent))
            }
        };
        let tasks = client.tasks().part();
        let inner = Inner {
            client: client.clone(),
            tasks: tasks.clone(),
            settings,
            policy,
            followed: RwLock::default(),
            listings: Mutex::default(),
        };
        let inner = Arc::new(inner);
        tasks.spawn(let_go(Arc::downgrade(&inner), tasks.clone(), inner.settings.idle_after));
        Self(inner)
    }

    /// A service, which is followed from now on. Costs a look-up if it is followed already.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there can be no such service, or too many are followed; [`Error::Closed`].
    pub fn service<'a>(&self, service: impl Into<Service<'a>>) -> Result<DiscoveredService, Error> {
        let service = service.into();
        let known = |followed: &Followed| followed.get(service.group())?.get(service.name()).map(Arc::clone);
        if let Some(watched) = known(&self.0.followed.read()) {
            watched.mark_used();
            return Ok(DiscoveredService::new(watched, self.clone()));
        }
        let mut followed = self.0.followed.write();
        if let Some(watched) = known(&followed) {
            return Ok(DiscoveredService::new(watched, self.clone()));
        }
        self.0.make_room(&mut followed)?;
        let watched = self.0.follow(service)?;
        let group = followed.entry(service.group().into()).or_default();
        group.insert(service.name().into(), Arc::clone(&watched));
        Ok(DiscoveredService::new(watched, self.clone()))
    }

    /// The names of all services of a group. If no server answers, they are those of the last answer.
    ///
    /// # Errors
    /// Why no server answered, if none ever did.
    pub async fn services(&self, group: &str) -> Result<Listing, Error> {
        let listed = self.0.client.naming().all_services(group).await;
        let mut listings = self.0.listings.lock();
        match listed {
            Ok(names) => {
                let names: Arc<[String]> = names.into();
                if listings.contains_key(group) || listings.len() < LISTINGS_MAX {
                    listings.insert(group.to_owned(), Arc::clone(&names));
                }
                Ok(Listing { names, stale: None })
            }
            Err(error @ (Error::Closed | Error::Invalid(_) | Error::Denied(_))) => Err(error),
            Err(error) => match listings.get(group) {
                Some(names) => {
                    warn!(group, %error, "services cannot be listed, the last answer is used");
                    Ok(Listing { names: Arc::clone(names), stale: Some(error.to_string()) })
                }
                None => Err(error),
            },
        }
    }

    /// How many services are followed.
    #[must_use]
    pub fn followed(&self) -> usize {
        count(&self.0.followed.read())
    }
}

impl Inner {
    /// Begins to follow a service.
    fn follow(&self, service: Service<'_>) -> Result<Arc<Watched>, Error> {
        let (naming, selector) = (self.client.naming(), self.settings.selector.clone());
        let subscription = match self.settings.empty_protection {
            None => naming.subscribe(service, selector)?,
            Some(protection) => naming.subscribe_protected(service, selector, protection)?,
        };
        let (policy, outliers) = (Arc::clone(&self.policy), self.settings.outliers.clone());
        let meter = Arc::clone(naming.meter());
        let (watched, follow) = Watched::new(subscription, policy, outliers, meter, self.tasks.child_signal());
        self.tasks.spawn(follow);
        Ok(watched)
    }

    /// Lets one service go if as many are followed as may be.
    fn make_room(&self, followed: &mut Followed) -> Result<(), Error> {
        if count(followed) < self.settings.followed_max {
            return Ok(());
        }
        // Nobody holds it, and nobody asked for it since they were looked through last.
        let mut idle = followed.iter().flat_map(|(group, services)| services.iter().map(move |found| (group, found)));
        let idle = idle.find(|(_, (_, watched))| Arc::strong_count(watched) == 1 && !watched.is_used());
        let Some((group, (name, _))) = idle else {
            let max = self.settings.followed_max;
            return Err(Error::Invalid(format!("{max} services are followed, and all of them are in use")));
        };
        let (group, name) = (Arc::clone(group), Arc::clone(name));
        debug!(%group, service = %name, "let go for another service");
        if let Some(services) = followed.get_mut(&group) {
            services.remove(&name);
        }
        Ok(())
    }

    /// Lets go what nobody asked for since this was called last.
    fn let_go(&self) {
        self.followed.write().retain(|group, services| {
            services.retain(|name, watched| {
                let stays = watched.was_used() || Arc::strong_count(watched) > 1;
                if !stays {
                    debug!(%group, service = %name, "let go, nobody asks for it");
                }
                stays
            });
            !services.is_empty()
        });
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.stop_now();
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discovery").field("followed", &self.followed()).finish_non_exhaustive()
    }
}

fn count(followed: &Followed) -> usize {
    followed.values().map(HashMap::len).sum()
}

/// Lets services go that nobody asks for, while there is anybody who could.
async fn let_go(inner: Weak<Inner>, tasks: Tasks, idle_after: Duration) {
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = tokio::time::sleep(idle_after) => {}
        }
        match inner.upgrade() {
            Some(inner) => inner.let_go(),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests;
