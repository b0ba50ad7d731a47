//! What to do about a step that failed. Says nothing about causes: these are in the words of whoever found them.

use nacrite_client::ServerAddress;

use super::Step;

/// What is known besides the step itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances<'a> {
    pub(super) server: &'a ServerAddress,
    /// Whether gRPC's port lets itself be reached although the main one does not; `None` if it was not looked at.
    pub(super) is_grpc_open: Option<bool>,
    /// Whether gRPC was to be encrypted.
    pub(super) wants_tls: bool,
    /// Whether somebody was to be logged in.
    pub(super) has_user: bool,
    /// Whether the server refuses logins of the user whatever the password.
    pub(super) is_locked: bool,
}

/// What to do about `step`, which failed for `cause`.
pub(super) fn for_step(step: Step, cause: &str, circumstances: Circumstances<'_>) -> String {
    let Circumstances { server, is_grpc_open, wants_tls, has_user, is_locked } = circumstances;
    let (host, port, grpc_port) = (server.host(), server.port(), server.grpc_port());
    match step {
        Step::Name => format!("Check how {host} is written, and whether this machine's resolver knows it: getent hosts {host}"),
        Step::MainPort if is_grpc_open == Some(true) => format!(
            "Port {grpc_port} of gRPC is open, {port} is not: a firewall or a container's port mapping lets one through \
             alone, or the main port is another one."
        ),
        Step::MainPort => format!(
            "Nobody listens on {host}:{port}, or a firewall is in the way: start the server, or name the port that it \
             listens on. A server that listens on 127.0.0.1 cannot be reached from elsewhere."
        ),
        Step::Http if server.is_https() => {
            "The main port is not encrypted, its certificate is not trusted, or it is not that of a Nacos server: write the \
             address with http://, or name the authority with --tls-ca."
                .to_owned()
        }
        Step::Http if cause.contains("TLS") => {
            format!("The main port is encrypted: write the address as https://{server}.")
        }
        Step::Http => format!(
            "Something listens on {host}:{port}, but answers no question that a Nacos server answers: check the port, and \
             --context-path if the server was moved below another path."
        ),
        Step::Ready => "The server is up, but not ready to work: it is starting, or cannot agree with its group. Wait, \
                        then look into its log."
            .to_owned(),
        Step::GrpcPort => format!(
            "HTTP is open, gRPC's port is closed: open {grpc_port} (the main port {port} and {}) in the firewall and in \
             the container's port mapping. If it is mapped to another port, say --grpc-port; if gRPC cannot get \
             through at all, say --http-only.",
            i32::from(grpc_port) - i32::from(port)
        ),
        Step::Tls if !wants_tls => "The server wants TLS for gRPC: say --tls, and --tls-ca if its authority is none that \
                                    this machine trusts."
            .to_owned(),
        Step::Tls if cause.contains("speaks no TLS") || cause.contains("speak no TLS") => {
            "The server does not encrypt gRPC: leave the --tls flags away, or switch TLS on in the server.".to_owned()
        }
        Step::Tls => "Name the authority that signed the server's certificate with --tls-ca, the name that stands in it \
                      with --tls-server-name, and a certificate of your own with --tls-cert if the server asks for one."
            .to_owned(),
        Step::Http2 => "What stands between does not pass HTTP/2 on, as gRPC needs it: let the proxy pass TCP through \
                        (nginx: stream), or speak HTTP/2 to the server (nginx: grpc_pass). If that cannot be, say \
                        --http-only."
            .to_owned(),
        Step::ServerCheck | Step::Introduction if cause.contains("starting") => {
            "The server is starting and takes no clients yet: wait, then look into its log.".to_owned()
        }
        Step::ServerCheck => format!(
            "Port {grpc_port} speaks HTTP/2, but not as a Nacos server: another program listens there, or the port is \
             that of the cluster's nodes."
        ),
        Step::Introduction => "The server does not let this client in: it may have as many connections as it is allowed, \
                               or count this address among those it refuses. Its log says which."
            .to_owned(),
        Step::Check => "Calls and streams go to different servers: a balancer must keep a client at one.".to_owned(),
        Step::Login if is_locked => {
            "The server takes no login of this user for a while: wait, and find out who tries wrong passwords.".to_owned()
        }
        Step::Login => "Check the name, and the password in --password-file or NACRITE_PASSWORD.".to_owned(),
        Step::Query if !has_user => "The server wants to know who asks: say --username, and --password-file or \
                                     NACRITE_PASSWORD."
            .to_owned(),
        Step::Query => "The way to the server is good; what it says about the question stands above. If it is a lack of \
                        rights, an administrator can grant them."
            .to_owned(),
    }
}
