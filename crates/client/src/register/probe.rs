//! Asks a server at its own address whether its handlers answer, as a caller would.
//!
//! A port that is bound accepts connections before anybody reads them, so that connecting says little; an answer says that
//! the server's loop runs and that a request reaches a handler. Any answer counts, also one that says no: what the program
//! needs to be ready it says by `ready_when`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long one try may take. 1 s: handlers that need longer are not ready.
const TRY_WITHIN: Duration = Duration::from_secs(1);

/// The pause after the first try; doubled after each, up to [`PAUSE_MAX`]. 10 ms: most servers answer at the first try.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// The longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How to ask a server whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Probe {
    /// A request over HTTP/1.1 to this path; any status is an answer.
    Http {
        /// Path, with `/` in front.
        path: String,
    },
    /// A call of gRPC's health service over HTTP/2 without TLS; any status is an answer, also that there is no such service.
    Grpc,
    /// A connection, without a word: for what speaks TLS, or no protocol known here.
    Connect,
    /// Nothing is asked: that the server's future runs is enough.
    Nothing,
}

impl Probe {
    /// A request to `/`.
    #[must_use]
    pub fn http() -> Self {
        Self::Http { path: "/".to_owned() }
    }

    /// Asks until there is an answer. `told` hears why there is none yet.
    pub(super) async fn answered(&self, at: SocketAddr, told: impl Fn(String)) {
        let at = reachable(at);
        let mut pause = PAUSE_MIN;
        loop {
            let why = match tokio::time::timeout(TRY_WITHIN, self.once(at)).await {
                Ok(Ok(())) => return,
                Ok(Err(why)) => why,
                Err(_) => format!("no answer within {} ms", TRY_WITHIN.as_millis()),
            };
            told(format!("its own address {at} does not answer: {why}"));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn once(&self, at: SocketAddr) -> Result<(), String> {
        if *self == Self::Nothing {
            return Ok(());
        }
        let socket = TcpStream::connect(at).await.map_err(|error| error.to_string())?;
        match self {
            Self::Http { path } => http1(socket, at, path).await,
            Self::Grpc => grpc(socket, at).await,
            Self::Connect | Self::Nothing => Ok(()),
        }
    }
}

/// An address at which one's own server can be reached, given the one it is bound to.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

async fn http1(mut socket: TcpStream, at: SocketAddr, path: &str) -> Result<(), String> {
    const BEGINS: &[u8] = b"HTTP/1.";
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {at}\r\nuser-agent: nacrite-probe\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut begin = [0; BEGINS.len()];
    socket.read_exact(&mut begin).await.map_err(|error| error.to_string())?;
    if begin != BEGINS {
        return Err("it does not speak HTTP/1; is it TLS? Then set `secure`".to_owned());
    }
    Ok(())
}

async fn grpc(socket: TcpStream, at: SocketAddr) -> Result<(), String> {
    let said = |error: h2::Error| error.to_string();
    let (send, connection) = h2::client::handshake(socket).await.map_err(said)?;
    let asked = async {
        let mut send = send.ready().await.map_err(said)?;
        let request = http::Request::post(format!("http://{at}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .map_err(|error| error.to_string())?;
        let (response, mut body) = send.send_request(request, false).map_err(said)?;
        // An empty message: five bytes of its frame.
        body.send_data(Bytes::from_static(&[0; 5]), true).map_err(said)?;
        response.await.map_err(said).map(drop)
    };
    tokio::select! {
        answer = asked => answer,
        // The connection is driven here; it ends before the answer only if the server ends it.
        ended = connection => Err(ended.err().map_or("it hangs up".to_owned(), |error| error.to_string())),
    }
}
