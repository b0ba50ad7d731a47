//! Describes a client, and checks what it is told before anything is started.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nacrite_base::NamespaceId;

use super::{Client, Inner, Shared, Transport};
use crate::auth::{Authenticator, Credentials};
use crate::config::{AppLabels, ConfigSettings};
use crate::error::Error;
use crate::http::{Http, Proxy};
use crate::link::ServerSource;
use crate::naming::NamingSettings;
use crate::server::ServerAddress;
use crate::servers::{AddressServer, Fixed, Told};
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::tls::{TlsSettings, TlsSetup};

/// Path below which servers answer over HTTP.
const CONTEXT_PATH: &str = "nacos";

/// Where servers come from.
#[derive(Clone, Debug)]
enum Servers {
    Text(String),
    List(Vec<ServerAddress>),
    AddressServer(AddressServer),
}

/// Describes a client. Only the servers have no default.
///
/// ```no_run
/// # async fn example() -> Result<(), nacrite_client::Error> {
/// use std::time::Duration;
///
/// use nacrite_client::{Client, Credentials, TlsSettings};
///
/// let client = Client::builder()
///     .servers("nacos-1:8848,nacos-2:8848")
///     .namespace("shop")
///     .app_name("orders")
///     .credentials(Credentials::none().user("orders", "open sesame"))
///     .tls(TlsSettings::new().authorities("/etc/registry/ca.pem"))
///     .request_within(Duration::from_secs(2))
///     .build()?;
/// # client.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    servers: Option<Servers>,
    namespace: String,
    context_path: String,
    app_name: Option<String>,
    transport: Transport,
    credentials: Credentials,
    tls: Option<TlsSettings>,
    labels: Option<AppLabels>,
    link: LinkSettings,
    naming: NamingSettings,
    config: ConfigSettings,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            servers: None,
            namespace: String::new(),
            context_path: CONTEXT_PATH.to_owned(),
            app_name: None,
            transport: Transport::default(),
            credentials: Credentials::none(),
            tls: None,
            labels: None,
            link: LinkSettings::default(),
            naming: NamingSettings::default(),
            config: ConfigSettings::default(),
        }
    }
}

impl ClientBuilder {
    /// The servers, as `host:port` with commas or semicolons between; the port is the main one, 8848 if it is not given.
    /// A name may lead to several addresses; all are tried. Nacos: `serverAddr`.
    pub fn servers(mut self, list: impl Into<String>) -> Self {
        self.servers = Some(Servers::Text(list.into()));
        self
    }

    /// The servers one by one, for instance with ports of gRPC that are not 1000 above the main ones.
    pub fn server_list(mut self, list: impl IntoIterator<Item = ServerAddress>) -> Self {
        self.servers = Some(Servers::List(list.into_iter().collect()));
        self
    }

    /// The server that tells where the servers are. Nacos: `endpoint`.
    pub fn address_server(mut self, asked: AddressServer) -> Self {
        self.servers = Some(Servers::AddressServer(asked));
        self
    }

    /// The id of the namespace; `public` if it is not given.
    pub fn namespace(mut self, id: impl Into<String>) -> Self {
        self.namespace = id.into();
        self
    }

    /// The path below which servers answer over HTTP; `nacos` if it is not given. Nacos: `contextPath`.
    pub fn context_path(mut self, path: impl Into<String>) -> Self {
        self.context_path = path.into();
        self
    }

    /// The name of this program, as servers show it beside its connections and subscriptions. Nacos: `project.name`.
    pub fn app_name(mut self, name: impl Into<String>) -> Self {
        self.app_name = Some(name.into());
        self
    }

    /// Over what to speak with the servers; gRPC if it is not given.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Who this client is; nobody in particular if it is not given.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Encrypts gRPC, and says how; HTTP is encrypted where an address begins with `https://`.
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Labels by which servers pick who gets a gray release. Nacos: `nacos.app.conn.labels`.
    pub fn labels(mut self, labels: AppLabels) -> Self {
        self.labels = Some(labels);
        self
    }

    /// How long a call may take, over all attempts and waiting for a connection included; 3 s if it is not given.
    pub fn request_within(mut self, within: Duration) -> Self {
        (self.link.request_within, self.naming.request_within, self.config.within) = (within, within, within);
        self
    }

    /// Keeps what servers told in files below this directory, and lets operators override it there, as Java's client
    /// does. Its directory is `~/nacos`. Nothing is read or written if it is not given.
    pub fn cache_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        self.config.directory = Some(directory.join("config"));
        self.naming.cache_dir = Some(directory);
        self
    }

    /// Adjusts time-outs and limits of connections.
    pub fn link_settings(mut self, change: impl FnOnce(&mut LinkSettings)) -> Self {
        change(&mut self.link);
        self
    }

    /// Adjusts how services and instances are handled.
    pub fn naming_settings(mut self, change: impl FnOnce(&mut NamingSettings)) -> Self {
        change(&mut self.naming);
        self
    }

    /// Adjusts how configs are handled.
    pub fn config_settings(mut self, change: impl FnOnce(&mut ConfigSettings)) -> Self {
        change(&mut self.config);
        self
    }

    /// Makes the client, on the runtime in which this is called. Returns at once: connections are made when a part is
    /// asked for, in the background.
    ///
    /// # Errors
    /// [`Error::Invalid`] outside a Tokio runtime, without servers, or for an address, namespace or setting that cannot be;
    /// [`Error::File`] for files of TLS that cannot be used.
    pub fn build(mut self) -> Result<Client, Error> {
        let tasks = Tasks::new()?;
        let namespace = Some(self.namespace.trim()).filter(|namespace| !namespace.is_empty());
        let namespace = NamespaceId::parse_or_public(namespace);
        let namespace = namespace.map_err(|error| Error::Invalid(error.to_string()))?;
        if let Some(labels) = self.labels {
            self.config.labels = labels;
        }
        self.link.message_len_max = self.link.message_len_max.min(LinkSettings::default().message_len_max);
        let tls = Arc::new(TlsSetup::new(self.tls)?);
        let http = Http::new(Arc::clone(&tls), tasks.clone());
        let (servers, configured): (Arc<dyn ServerSource>, _) = match self.servers {
            None => return Err(Error::Invalid("no server is named".to_owned())),
            Some(Servers::Text(list)) => {
                let fixed = Fixed::parse(&list)?;
                let configured = fixed.current().to_vec();
                (Arc::new(fixed), configured)
            }
            Some(Servers::List(list)) if list.is_empty() => {
                return Err(Error::Invalid("no server is named".to_owned()));
            }
            Some(Servers::List(list)) => (Arc::new(Fixed::new(list.clone())), list),
            Some(Servers::AddressServer(asked)) => {
                self.config.server_name.get_or_insert_with(|| asked.file_name());
                (Told::start(asked, http.clone(), &tasks)?, Vec::new())
            }
        };
        let refresh = (Arc::clone(&tls), tasks.clone());
        tasks.spawn(async move {
            let (tls, tasks) = refresh;
            tokio::select! {
                () = tasks.stopping() => {}
                () = tls.keep_fresh() => {}
            }
        });
        let credentials = Arc::new(Authenticator::new(self.credentials, &http, &servers, &self.context_path));
        let proxy =
            Proxy::new(http, Arc::clone(&servers), Arc::<Authenticator>::clone(&credentials), &self.context_path);
        let shared = Shared {
            namespace,
            app_name: self.app_name,
            transport: self.transport,
            servers,
            configured,
            credentials,
            proxy,
            tls,
            link: self.link,
            meter: Arc::default(),
            tasks,
        };
        let inner = Arc::new(Inner {
            shared,
            naming_settings: self.naming,
            config_settings: self.config,
            naming: OnceLock::new(),
            configs: OnceLock::new(),
        });
        #[cfg(feature = "metrics")]
        inner.shared.tasks.spawn(tell_state(Arc::downgrade(&inner), inner.shared.tasks.clone()));
        Ok(Client(inner))
    }
}

/// How often the recorder hears of what follows from the state of a client.
#[cfg(feature = "metrics")]
const STATE_EVERY: Duration = Duration::from_secs(5);

/// Tells the recorder about the state of a client, for as long as the client is there.
#[cfg(feature = "metrics")]
async fn tell_state(client: std::sync::Weak<Inner>, tasks: Tasks) {
    loop {
        tokio::select! {
            () = tasks.stopping() => return,
            () = tokio::time::sleep(STATE_EVERY) => {}
        }
        let Some(client) = client.upgrade() else { return };
        crate::metrics::state(&client.metrics());
    }
}
