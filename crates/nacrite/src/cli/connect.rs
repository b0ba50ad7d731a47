//! Which server, as whom, and how: what every command that speaks with a server understands.
//!
//! A password never stands on the command line, where every user of the machine could read it: it comes from a file or
//! from the environment.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use clap::Args;
use nacrite_client::{Client, Credentials, ServerAddress, TlsSettings, Transport};

use super::failure::{Failure, Kind};

/// The variable with the password. Read by hand: a value that is declared to the command line could show up in its help.
const PASSWORD: &str = "NACRITE_PASSWORD";

/// Where a server is if nobody says so.
const SERVER: &str = "127.0.0.1:8848";

/// Path below which servers answer over HTTP, if nobody says so.
const CONTEXT_PATH: &str = "nacos";

/// Who asks, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Access {
    /// Port of gRPC, if it is not 1000 above the main one
    #[arg(long, value_name = "PORT")]
    grpc_port: Option<u16>,
    /// Path below which the server answers over HTTP
    #[arg(long, value_name = "PATH", default_value = CONTEXT_PATH)]
    context_path: String,
    /// Speak HTTP alone: for servers before 2.0, and where gRPC does not get through
    #[arg(long)]
    http_only: bool,
    /// Id of the namespace [default: public]
    #[arg(long, short = 'n', value_name = "ID", env = "NACRITE_NAMESPACE")]
    namespace: Option<String>,
    /// Name to log in with; the password comes from --password-file or NACRITE_PASSWORD
    #[arg(long, value_name = "NAME", env = "NACRITE_USERNAME")]
    username: Option<String>,
    /// File with the password, in its first line
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// Encrypt gRPC. HTTP is encrypted where the address begins with https://
    #[arg(long)]
    tls: bool,
    /// Trust the authorities in this PEM file, in place of those of the operating system
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Show this certificate, a PEM file, to servers that ask for one
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of that certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Name that must stand in the server's certificate, in place of the one in its address
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Believe every certificate; whoever stands in between can then read and change everything
    #[arg(long)]
    tls_trust_all: bool,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Log what the connection does, on standard error; twice for more
    #[arg(long, short = 'v', action = clap::ArgAction::Count)]
    verbose: u8,
    /// Read once: the file may be a pipe.
    #[arg(skip)]
    password: OnceLock<Password>,
}

/// Which server, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server")]
pub(crate) struct Connection {
    /// Servers, as host:port with commas between; the port is the main one [default: 127.0.0.1:8848]
    #[arg(long, short = 's', value_name = "ADDRESSES", env = "NACRITE_SERVER")]
    server: Option<String>,
    #[command(flatten)]
    pub(crate) access: Access,
}

impl Connection {
    /// The servers.
    ///
    /// # Errors
    /// One of them is no address.
    pub(crate) fn servers(&self) -> Result<Vec<ServerAddress>, Failure> {
        self.access.servers(self.server.as_deref().unwrap_or(SERVER))
    }

    /// A client of these servers. Begins to connect when it is asked for something.
    ///
    /// # Errors
    /// Something that was said cannot be, or a file cannot be used.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        self.access.client(self.servers()?, self.access.transport())
    }
}

impl Access {
    /// Reads a list of servers.
    ///
    /// # Errors
    /// One of them is no address, or there is none.
    pub(crate) fn servers(&self, list: &str) -> Result<Vec<ServerAddress>, Failure> {
        let parts = list.split([',', ';']).map(str::trim).filter(|part| !part.is_empty());
        let servers: Result<Vec<ServerAddress>, _> = parts
            .map(|part| {
                let server: ServerAddress = part.parse()?;
                Ok(match self.grpc_port {
                    Some(port) => server.with_grpc_port(port),
                    None => server,
                })
            })
            .collect();
        let servers = servers.map_err(|error: nacrite_client::Error| Failure::from(error))?;
        if servers.is_empty() { Err(Failure::usage("no server is named")) } else { Ok(servers) }
    }

    /// Over what to speak, as it was said.
    pub(crate) fn transport(&self) -> Transport {
        if self.http_only { Transport::Http } else { Transport::Grpc }
    }

    /// A client of these servers.
    ///
    /// # Errors
    /// Something that was said cannot be, or a file cannot be used.
    pub(crate) fn client(&self, servers: Vec<ServerAddress>, transport: Transport) -> Result<Client, Failure> {
        let mut builder = Client::builder()
            .server_list(servers)
            .transport(transport)
            .context_path(self.context_path.as_str())
            .app_name("nacrite-cli")
            .request_within(self.within());
        if let Some(namespace) = &self.namespace {
            builder = builder.namespace(namespace.as_str());
        }
        if let Some(user) = self.user()? {
            builder = builder.credentials(Credentials::none().user(user.name, user.password));
        }
        if let Some(tls) = self.tls() {
            builder = builder.tls(tls);
        }
        Ok(builder.build()?)
    }

    /// How long to wait for an answer.
    pub(crate) fn within(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How much is logged: 0 for nothing.
    pub(crate) fn verbosity(&self) -> u8 {
        self.verbose
    }

    /// The namespace as it was said; `None` for the public one.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref().map(str::trim).filter(|id| !id.is_empty() && *id != "public")
    }

    /// What stands before every path over HTTP: nothing, or a path with a leading and without a trailing slash.
    pub(crate) fn path_prefix(&self) -> String {
        match self.context_path.trim_matches('/') {
            "" => String::new(),
            path => format!("/{path}"),
        }
    }

    /// Whether gRPC is to be encrypted.
    pub(crate) fn wants_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// Any word about TLS asks for it: whoever names an authority does not want to speak in the clear.
    fn tls(&self) -> Option<TlsSettings> {
        let Self { tls_ca, tls_cert, tls_key, tls_server_name, .. } = self;
        let is_wanted =
            self.tls || self.tls_trust_all || tls_ca.is_some() || tls_cert.is_some() || tls_server_name.is_some();
        let mut tls = TlsSettings::new();
        if let Some(ca) = tls_ca {
            tls = tls.authorities(ca);
        }
        if let (Some(cert), Some(key)) = (tls_cert, tls_key) {
            tls = tls.identity(cert, key);
        }
        if let Some(name) = tls_server_name {
            tls = tls.server_name(name.as_str());
        }
        if self.tls_trust_all {
            tls = tls.dangerous_trust_all();
        }
        is_wanted.then_some(tls)
    }

    /// Whether somebody is to be logged in.
    pub(crate) fn has_user(&self) -> bool {
        self.name().is_some()
    }

    fn name(&self) -> Option<&str> {
        self.username.as_deref().filter(|name| !name.trim().is_empty())
    }

    /// Who asks; `None` for nobody in particular.
    ///
    /// # Errors
    /// There is a name without a password, or the file cannot be read.
    pub(crate) fn user(&self) -> Result<Option<User<'_>>, Failure> {
        let Some(name) = self.name() else {
            return Ok(None);
        };
        let password = match self.password.get() {
            Some(known) => known,
            None => {
                let read = self.read_password(name)?;
                self.password.get_or_init(|| read)
            }
        };
        Ok(Some(User { name, password: &password.0 }))
    }

    fn read_password(&self, name: &str) -> Result<Password, Failure> {
        match &self.password_file {
            Some(file) => first_line(file).map(Password),
            None => std::env::var(PASSWORD).map(Password).map_err(|_| {
                Failure::usage(format!("the password of {name} is missing: set {PASSWORD}, or name a --password-file"))
            }),
        }
    }
}

/// A text that is not shown.
#[derive(Clone)]
struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// A name and its password. Has no `Debug`, so that nobody shows it by accident.
pub(crate) struct User<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
}

fn first_line(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::file(&format!("the password file {}", file.display()), &error))?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        return Err(Failure::new(Kind::Usage, format!("the first line of {} holds no password", file.display())));
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        connection: Connection,
    }

    fn read(args: &[&str]) -> Connection {
        Line::try_parse_from(std::iter::once(&"test").chain(args)).expect("well formed").connection
    }

    #[test]
    fn servers_are_read_as_users_write_them() {
        let shown = |args: &[&str]| {
            let servers = read(args).servers();
            servers.map(|all| all.iter().map(|s| (s.to_string(), s.grpc_port())).collect::<Vec<_>>()).ok()
        };
        assert_eq!(
            shown(&["-s", "a:1, b;https://c:3"]),
            Some(vec![("a:1".into(), 1001), ("b:8848".into(), 9848), ("c:3".into(), 1003)])
        );
        assert_eq!(shown(&["-s", "a:1", "--grpc-port", "80"]), Some(vec![("a:1".into(), 80)]));
        assert_eq!(shown(&["-s", " ,"]), None);
        assert_eq!(shown(&["-s", "ftp://a"]), None);
    }

    #[test]
    fn any_word_about_tls_asks_for_it() {
        assert!(!read(&[]).access.wants_tls());
        for args in [&["--tls"][..], &["--tls-ca", "x"], &["--tls-server-name", "x"], &["--tls-trust-all"]] {
            assert!(read(args).access.wants_tls(), "{args:?}");
        }
        assert!(Line::try_parse_from(["test", "--tls-cert", "x"]).is_err(), "a certificate without its key");
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "open sesame\nrest\n").expect("written");
        let path = file.path().display().to_string();
        let access = read(&["--username", "u", "--password-file", &path]).access;
        let is_good = |user: User<'_>| user.name == "u" && user.password == "open sesame";
        assert!(access.user().is_ok_and(|user| user.is_some_and(is_good)));
        std::fs::write(file.path(), "\n").expect("written");
        assert!(access.user().is_ok_and(|user| user.is_some_and(is_good)), "it is read once");
        assert!(!format!("{access:?}").contains("sesame"));
        assert!(read(&["--username", "u", "--password-file", &path]).access.user().is_err());
    }

    #[test]
    fn the_prefix_of_paths_has_one_slash_in_front() {
        for (given, prefix) in [("nacos", "/nacos"), ("/a/b/", "/a/b"), ("/", "")] {
            assert_eq!(read(&["--context-path", given]).access.path_prefix(), prefix);
        }
    }
}
