//! The middleware: takes calls to services, sends each to an instance, and again to another one where that is safe.
//!
//! An attempt that never reached anybody is repeated whatever its method; one that may have been done only if doing it twice
//! is the same as once. A body that cannot be copied is sent once. The call is over at its deadline, whatever is left to
//! try. What became of every attempt is reported, so that an instance that fails gets no calls for a while.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;
use nacrite_client::discover::{DiscoveredService, Discovery, Outcome};
use nacrite_client::naming::{Instance, Service};
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{Error, Middleware, Next, Result};
use tokio::time::Instant;
use tracing::debug;

use crate::clock;
use crate::error::CallError;
use crate::settings::{Deadline, Group, LoadBalancerSettings};
use crate::target;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends calls to services to their instances. Clones share everything.
#[derive(Clone)]
pub struct LoadBalancer {
    discovery: Discovery,
    settings: Arc<LoadBalancerSettings>,
}

/// Who answered a call: among the extensions of its response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Called {
    /// The instance.
    pub instance: Arc<Instance>,
    /// Attempts that it took, this one included.
    pub attempts: u32,
}

impl LoadBalancer {
    /// With settings that are right for nearly everybody.
    #[must_use]
    pub fn new(discovery: &Discovery) -> Self {
        Self::with_settings(discovery, LoadBalancerSettings::default())
    }

    /// With other settings.
    ///
    /// ```no_run
    /// # fn example(discovery: nacrite_client::discover::Discovery) {
    /// use nacrite_reqwest::{LoadBalancer, LoadBalancerSettings, Names};
    ///
    /// let mut settings = LoadBalancerSettings::default();
    /// settings.names = Names::LbOnly;
    /// settings.retry.attempts_max = 2;
    /// let balancer = LoadBalancer::with_settings(&discovery, settings);
    /// # }
    /// ```
    #[must_use]
    pub fn with_settings(discovery: &Discovery, settings: LoadBalancerSettings) -> Self {
        Self { discovery: discovery.clone(), settings: Arc::new(settings) }
    }

    /// Sends one call without any middleware, for those who have a plain client.
    ///
    /// ```no_run
    /// # async fn example(balancer: nacrite_reqwest::LoadBalancer) -> Result<(), Box<dyn std::error::Error>> {
    /// let client = reqwest::Client::new();
    /// let response = balancer.execute(&client, client.get("lb://Orders/api/42").build()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CallError`] if it was not sent; what `reqwest` says otherwise.
    pub async fn execute(&self, client: &reqwest::Client, request: Request) -> Result<Response> {
        self.call(request, &mut Plain { client, none: Extensions::new() }).await
    }

    async fn call(&self, mut request: Request, way: &mut (dyn Way + Send)) -> Result<Response> {
        let group = self.group_of(&mut request, way.extensions());
        let Some(name) = target::service_of(request.url(), self.settings.names)? else {
            return way.send(request).await;
        };
        let within = request.timeout().copied().or(self.settings.within);
        let limit = within.map(|within| clock::now() + within);
        let given = way.extensions().get::<Deadline>().map(|deadline| deadline.0);
        let end = [limit, given].into_iter().flatten().min();
        let service = self.service(name, &group, end).await?;
        let attempts = Attempts { settings: &self.settings, service, end, tried: Vec::new() };
        attempts.run(request, way).await
    }

    /// The group of the service; a header that says it is taken off.
    fn group_of(&self, request: &mut Request, extensions: &Extensions) -> Arc<str> {
        let header = self.settings.group_header.as_ref().and_then(|name| request.headers_mut().remove(name));
        if let Some(Group(group)) = extensions.get() {
            return Arc::clone(group);
        }
        let header = header.as_ref().and_then(|value| value.to_str().ok());
        header.map_or_else(|| Arc::clone(&self.settings.group), Arc::from)
    }

    /// The service, once it is known who is there.
    async fn service(&self, name: &str, group: &str, end: Option<Instant>) -> Result<DiscoveredService> {
        let told = |cause| CallError::Unusable { service: name.to_owned(), group: group.to_owned(), cause };
        let service = self.discovery.service(Service::new(name).in_group(group)).map_err(told)?;
        let left = end.map(|end| end.saturating_duration_since(clock::now()));
        let within = left.map_or(self.settings.resolve_within, |left| left.min(self.settings.resolve_within));
        let told = |cause| CallError::Unresolved { service: name.to_owned(), group: group.to_owned(), cause };
        service.ready(within).await.map_err(told)?;
        Ok(service)
    }
}

impl fmt::Debug for LoadBalancer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadBalancer").field("discovery", &self.discovery).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Middleware for LoadBalancer {
    async fn handle(&self, request: Request, extensions: &mut Extensions, next: Next<'_>) -> Result<Response> {
        self.call(request, &mut Chain { extensions, next }).await
    }
}

/// How a request that is addressed to an instance goes on from here.
trait Way {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response>>;

    /// What belongs to the call besides the request.
    fn extensions(&self) -> &Extensions;
}

/// Through the middleware that follows.
struct Chain<'a> {
    extensions: &'a mut Extensions,
    next: Next<'a>,
}

impl Way for Chain<'_> {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response>> {
        self.next.clone().run(request, self.extensions)
    }

    fn extensions(&self) -> &Extensions {
        self.extensions
    }
}

/// Straight to the network.
struct Plain<'a> {
    client: &'a reqwest::Client,
    none: Extensions,
}

impl Way for Plain<'_> {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async { self.client.execute(request).await.map_err(Error::from) })
    }

    fn extensions(&self) -> &Extensions {
        &self.none
    }
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// There is an answer.
    Answered(StatusCode),
    /// Nobody was reached: nothing was done.
    NeverSent,
    /// It broke on its way, or took too long. Whether it was done is not known.
    Broken,
    /// It failed for a reason of the caller's own.
    Own,
}

impl Ending {
    fn of(result: &Result<Response>) -> Self {
        match result {
            Ok(response) => Self::Answered(response.status()),
            Err(Error::Reqwest(error)) if error.is_connect() => Self::NeverSent,
            Err(Error::Reqwest(error)) if error.is_timeout() || error.is_request() => Self::Broken,
            Err(_) => Self::Own,
        }
    }
}

/// The attempts of one call.
struct Attempts<'a> {
    settings: &'a LoadBalancerSettings,
    service: DiscoveredService,
    end: Option<Instant>,
    tried: Vec<Arc<Instance>>,
}

impl Attempts<'_> {
    async fn run(mut self, mut request: Request, way: &mut (dyn Way + Send)) -> Result<Response> {
        let url = request.url().clone();
        let may_repeat = self.settings.retry.may_repeat(request.method());
        let mut instance = self.service.pick().map_err(CallError::from)?;
        loop {
            self.tried.push(Arc::clone(&instance));
            let is_last = self.tried.len() as u64 >= u64::from(self.settings.retry.attempts_max);
            let copy = if is_last { None } else { request.try_clone() };
            let result = way.send(self.addressed(request, &url, &instance)?).await;
            let ending = Ending::of(&result);
            self.report(&instance, ending);
            let again = copy.and_then(|copy| Some((copy, self.next(ending, may_repeat)?)));
            let Some((copy, next)) = again else { return self.signed(result, instance) };
            (request, instance) = (copy, next);
        }
    }

    /// The request at an instance, with the time that is left.
    fn addressed(&self, mut request: Request, url: &reqwest::Url, instance: &Instance) -> Result<Request> {
        *request.url_mut() = target::at(url, instance)?;
        if let Some(end) = self.end {
            *request.timeout_mut() = Some(end.saturating_duration_since(clock::now()));
        }
        Ok(request)
    }

    /// Who is to be tried next, if anybody is.
    fn next(&self, ending: Ending, may_repeat: bool) -> Option<Arc<Instance>> {
        let repeats = match ending {
            Ending::NeverSent => true,
            Ending::Broken => may_repeat,
            Ending::Answered(status) => may_repeat && self.settings.retry.repeats(status),
            Ending::Own => false,
        };
        let is_over = self.end.is_some_and(|end| end <= clock::now());
        if !repeats || is_over {
            return None;
        }
        self.service.pick_other(&self.tried).ok()
    }

    fn report(&self, instance: &Arc<Instance>, ending: Ending) {
        let outcome = match ending {
            Ending::Answered(status) if !self.settings.failures.contains(&status.as_u16()) => Outcome::Success,
            Ending::Answered(_) | Ending::NeverSent | Ending::Broken => Outcome::Failure,
            Ending::Own => return,
        };
        if outcome == Outcome::Failure {
            // Neither address nor error: queries may hold secrets, and errors show them.
            let (service, attempt) = (self.service.key(), self.tried.len());
            debug!(%service, %instance, attempt, ?ending, "a call failed");
        }
        self.service.report(instance, outcome);
    }

    /// The result, with who it is from.
    fn signed(&self, result: Result<Response>, instance: Arc<Instance>) -> Result<Response> {
        let attempts = u32::try_from(self.tried.len()).unwrap_or(u32::MAX);
        result.map(|mut response| {
            response.extensions_mut().insert(Called { instance, attempts });
            response
        })
    }
}
