//! Asks an address server for the list of servers, again and again.
//!
//! What was learned once is kept until something else is learned: an address server that fails, answers with nothing or with
//! what cannot be read, takes no server away. The order of the lines carries no meaning.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tracing::{info, warn};

use super::{parse, variables};
use crate::error::Error;
use crate::http::{Call, Http};
use crate::link::ServerSource;
use crate::server::ServerAddress;
use crate::tasks::Tasks;

/// Nacos: `endpointPort`.
const PORT: u16 = 8080;

/// Nacos: `endpointRefreshIntervalSeconds`.
const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// How often it is asked in short order until it answers for the first time.
const FIRST_TRIES: u32 = 5;

/// Pause between those; with the time-out, all of them take at most 18 s.
const FIRST_PAUSE: Duration = Duration::from_millis(600);

/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An address server, which tells where the servers are. Default values are those of Nacos.
///
/// ```
/// use nacrite_client::AddressServer;
///
/// let asked = AddressServer::new("${REGISTRY_ENDPOINT:addresses.internal}").port(80).namespace("dev");
/// ```
#[derive(Clone, Debug)]
pub struct AddressServer {
    endpoint: String,
    port: u16,
    context_path: String,
    cluster: String,
    namespace: Option<String>,
    query: Vec<(String, String)>,
    refresh_every: Duration,
}

impl AddressServer {
    /// The address server at `endpoint`: a host, `host:port`, or either with `http://` or `https://` in front. In it,
    /// `${NAME:default}` stands for an environment variable.
    #[must_use]
    pub fn new(endpoint: &str) -> Self {
        Self::with_variables(endpoint, |name| std::env::var(name).ok())
    }

    /// The address server that the environment names as clients of Alibaba Cloud expect it, if it names one:
    /// `ALIBABA_ALIWARE_ENDPOINT_URL`, with `_PORT`, `_CONTEXT_PATH` and `ALIBABA_ALIWARE_NAMESPACE`.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn with_variables(endpoint: &str, look_up: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            endpoint: variables::expand(endpoint, look_up),
            port: PORT,
            context_path: "nacos".to_owned(),
            cluster: "serverlist".to_owned(),
            namespace: None,
            query: Vec::new(),
            refresh_every: REFRESH_EVERY,
        }
    }

    fn from_variables(look_up: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let look_up = |name: &str| look_up(name).filter(|value| !value.trim().is_empty());
        let mut asked = Self::with_variables(&look_up("ALIBABA_ALIWARE_ENDPOINT_URL")?, |_| None);
        if let Some(port) = look_up("ALIBABA_ALIWARE_ENDPOINT_PORT").and_then(|port| port.trim().parse().ok()) {
            asked = asked.port(port);
        }
        if let Some(path) = look_up("ALIBABA_ALIWARE_ENDPOINT_CONTEXT_PATH") {
            asked = asked.context_path(&path);
        }
        if let Some(namespace) = look_up("ALIBABA_ALIWARE_NAMESPACE") {
            asked = asked.namespace(&namespace);
        }
        Some(asked)
    }

    /// Its port, if the endpoint names none; 8080 if not set. Nacos: `endpointPort`.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The first part of its path; `nacos` if not set. Nacos: `endpointContextPath`.
    #[must_use]
    pub fn context_path(mut self, path: &str) -> Self {
        path.trim_matches('/').clone_into(&mut self.context_path);
        self
    }

    /// The last part of its path, which names a cluster of servers; `serverlist` if not set. Nacos: `endpointClusterName`.
    #[must_use]
    pub fn cluster(mut self, cluster: &str) -> Self {
        cluster.trim_matches('/').clone_into(&mut self.cluster);
        self
    }

    /// The name of its list among files on disk, as Java's client makes it: one folder for each cluster of servers.
    pub(crate) fn file_name(&self) -> String {
        let Self { endpoint, port, context_path, cluster, namespace, .. } = self;
        let namespace = namespace.iter().map(|namespace| format!("_{namespace}"));
        format!("custom-{endpoint}_{port}_{context_path}_{cluster}") + &namespace.collect::<String>()
    }

    /// Asks for the servers of this namespace. Nacos: `namespace`.
    #[must_use]
    pub fn namespace(mut self, namespace: &str) -> Self {
        self.namespace = Some(namespace.to_owned()).filter(|namespace| !namespace.trim().is_empty());
        self
    }

    /// Sends one more parameter. Nacos: `endpointQueryParams`.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// How often it is asked; 30 s if not set, at least 1 s.
    #[must_use]
    pub fn refresh_every(mut self, period: Duration) -> Self {
        self.refresh_every = period.max(Duration::from_secs(1));
        self
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the endpoint is no address.
    fn server(&self) -> Result<ServerAddress, Error> {
        let given = self.endpoint.trim();
        let (scheme, rest) = given.split_once("://").map_or(("http", given), |(scheme, rest)| (scheme, rest));
        let names_port = rest.rsplit_once(']').map_or(rest, |(_, behind)| behind).contains(':');
        let port = if names_port { String::new() } else { format!(":{}", self.port) };
        // gRPC is never spoken with it; where its port would be, does not matter, but it must exist.
        format!("{scheme}://{}{port}", rest.trim_end_matches('/')).parse()
    }

    fn call(&self) -> Call<'_> {
        let prefix = if self.context_path.is_empty() { String::new() } else { format!("/{}", self.context_path) };
        let mut call = Call::get(format!("{prefix}/{}", self.cluster));
        if let Some(namespace) = &self.namespace {
            call = call.query("namespace", namespace);
        }
        for (name, value) in &self.query {
            call = call.query(name, value);
        }
        call
    }
}

/// The list that an address server tells.
#[derive(Debug)]
pub(crate) struct Told {
    list: watch::Sender<Arc<[ServerAddress]>>,
}

impl ServerSource for Told {
    fn current(&self) -> Arc<[ServerAddress]> {
        self.list.borrow().clone()
    }

    fn changes(&self) -> watch::Receiver<Arc<[ServerAddress]>> {
        self.list.subscribe()
    }
}

impl Told {
    /// Starts to ask; the list is empty until there is an answer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the endpoint is no address.
    pub(crate) fn start(settings: AddressServer, http: Http, tasks: &Tasks) -> Result<Arc<Self>, Error> {
        let server = settings.server()?;
        let told = Arc::new(Self { list: watch::Sender::new([].into()) });
        let (stop, asking) = (tasks.clone(), Arc::clone(&told));
        tasks.spawn(async move {
            tokio::select! {
                () = asking.ask_forever(&settings, &server, &http) => {}
                () = stop.stopping() => {}
            }
        });
        Ok(told)
    }

    async fn ask_forever(&self, settings: &AddressServer, server: &ServerAddress, http: &Http) {
        for turn in 1.. {
            match ask(settings, server, http).await {
                Ok(list) => self.take(list),
                Err(error) => warn!(address_server = %server, %error, "the list of servers stays as it is"),
            }
            let is_hasty = turn < FIRST_TRIES && self.list.borrow().is_empty();
            tokio::time::sleep(if is_hasty { FIRST_PAUSE } else { settings.refresh_every }).await;
        }
    }

    fn take(&self, mut list: Vec<ServerAddress>) {
        list.sort_unstable();
        let is_new = self.list.send_if_modified(|current| {
            let is_new = **current != *list;
            if is_new {
                *current = list.into();
            }
            is_new
        });
        if is_new {
            let servers: Vec<_> = self.list.borrow().iter().map(ToString::to_string).collect();
            info!(?servers, "the address server names other servers");
        }
    }
}

async fn ask(settings: &AddressServer, server: &ServerAddress, http: &Http) -> Result<Vec<ServerAddress>, Error> {
    let reply = http.send(server, &settings.call(), ANSWER_WITHIN).await?;
    if !reply.status.is_success() {
        let message = crate::http::proxy::message(&reply);
        return Err(Error::Refused { code: reply.status.as_u16().into(), message });
    }
    let text = std::str::from_utf8(&reply.body).map_err(|e| Error::Undecodable(e.to_string()))?;
    read_list(text)
}

/// # Errors
/// [`Error::Undecodable`] if a line is no address, or there is none: a page that reports an error shall not pass for a list.
fn read_list(text: &str) -> Result<Vec<ServerAddress>, Error> {
    let list = parse(text).map_err(|error| Error::Undecodable(error.to_string()))?;
    if list.is_empty() { Err(Error::Undecodable("the list is empty".to_owned())) } else { Ok(list) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::scripted::{Answer, Script};

    #[test]
    fn endpoints_are_read_as_users_write_them() {
        let shown = |endpoint: &str| AddressServer::new(endpoint).server().map(|s| (s.to_string(), s.is_https())).ok();
        assert_eq!(shown("host"), Some(("host:8080".into(), false)));
        assert_eq!(shown("host:81"), Some(("host:81".into(), false)));
        assert_eq!(shown("https://host/"), Some(("host:8080".into(), true)));
        assert_eq!(shown("[::1]"), Some(("[::1]:8080".into(), false)));
        assert_eq!(shown("[::1]:81"), Some(("[::1]:81".into(), false)));
        assert_eq!(shown("no host"), None);
    }

    #[test]
    fn the_environment_may_name_one() {
        let known = |name: &str| match name {
            "ALIBABA_ALIWARE_ENDPOINT_URL" => Some("cloud".to_owned()),
            "ALIBABA_ALIWARE_ENDPOINT_PORT" => Some("80".to_owned()),
            "ALIBABA_ALIWARE_NAMESPACE" => Some("n".to_owned()),
            _ => None,
        };
        let asked = AddressServer::from_variables(known).expect("it does");
        assert_eq!(asked.server().expect("an address").to_string(), "cloud:80");
        assert_eq!(asked.namespace.as_deref(), Some("n"));
        assert!(AddressServer::from_variables(|_| None).is_none());
    }

    #[test]
    fn lists_that_cannot_be_trusted_are_refused() {
        let shown = |text: &str| read_list(text).map(|list| list.len()).ok();
        assert_eq!(shown("10.0.0.1\n10.0.0.2:8849\r\n\n"), Some(2));
        for bad in ["", "\n", "<html>no such page</html>", "10.0.0.1\nsorry, an error"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn the_last_good_list_is_kept_and_its_order_means_nothing() {
        let script = Script::start(|seen, turn| match turn {
            0 => Answer::status(500),
            1 => {
                assert_eq!(seen.target, "/nacos/serverlist?namespace=dev&a=b");
                Answer::text("10.0.0.2\n10.0.0.1")
            }
            2 => Answer::text("10.0.0.1\n10.0.0.2\n"),
            3 => Answer::text(""),
            _ => Answer::text("10.0.0.3"),
        })
        .await;
        let mut settings = AddressServer::new(&script.server.to_string()).namespace("dev").query("a", "b");
        settings.refresh_every = Duration::from_millis(20);
        let told = Told::start(settings, script.http(), &script.tasks).expect("an address");
        let mut changes = told.changes();
        let shown = |list: &[ServerAddress]| list.iter().map(|s| s.host().to_owned()).collect::<Vec<_>>();
        let first = changes.wait_for(|list| !list.is_empty()).await.expect("it lives").clone();
        assert_eq!(shown(&first), ["10.0.0.1", "10.0.0.2"]);
        changes.borrow_and_update();
        changes.changed().await.expect("it lives");
        assert_eq!(shown(&told.current()), ["10.0.0.3"], "neither the other order nor the empty list was told");
        script.stop().await;
    }
}
