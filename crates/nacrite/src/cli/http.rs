//! One plain question over HTTP, for what the client library has no call for: whether a server lives, and whom its pushes
//! have reached.
//!
//! In the words of HTTP/1.0: the server answers in one piece and closes. No TLS, no proxy, no second attempt.

pub(crate) mod session;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use nacrite_client::{ConnectFailure, Layer, ServerAddress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::failure::Failure;

/// Bytes of an answer. Lists of the first generation bring contents along; more than this is no list.
const ANSWER_LEN_MAX: u64 = 64 << 20;

/// What is asked.
pub(crate) struct Question {
    method: &'static str,
    path: String,
    query: String,
    headers: Vec<(&'static str, String)>,
    form: String,
}

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), query: String::new(), headers: Vec::new(), form: String::new() }
    }

    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self { method: "POST", ..Self::get(path) }
    }

    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self { method: "DELETE", ..Self::get(path) }
    }

    /// Adds a parameter to the address.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        add(&mut self.query, name, value);
        self
    }

    /// Adds a parameter to the body.
    pub(crate) fn form(mut self, name: &str, value: &str) -> Self {
        add(&mut self.form, name, value);
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        // A line break would end the header; no value that is good has one.
        self.headers.push((name, value.chars().filter(|c| !c.is_control()).collect()));
        self
    }

    fn written(&self, server: &ServerAddress) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        let mut text = format!("{} {}{mark}{} HTTP/1.0\r\nHost: {server}\r\n", self.method, self.path, self.query);
        for (name, value) in &self.headers {
            // Writing to a String does not fail.
            write!(text, "{name}: {value}\r\n").ok();
        }
        if self.method == "POST" {
            let len = self.form.len();
            write!(text, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len}\r\n").ok();
        }
        text + "Connection: close\r\n\r\n" + &self.form
    }
}

fn add(pairs: &mut String, name: &str, value: &str) {
    if !pairs.is_empty() {
        pairs.push('&');
    }
    pairs.push_str(name);
    pairs.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            pairs.push(char::from(byte));
        } else {
            write!(pairs, "%{byte:02X}").ok();
        }
    }
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// What the server says, in one short line.
    pub(crate) fn words(&self) -> String {
        let words: Vec<&str> = self.body.split_whitespace().collect();
        let words: String = words.join(" ").chars().take(200).collect();
        if words.is_empty() { self.status.to_string() } else { format!("{}: {words}", self.status) }
    }
}

/// How far it came, and what happened there.
pub(crate) type Trouble = (Layer, String);

/// The addresses of a name.
///
/// # Errors
/// It has none, or they were not found in time.
pub(crate) async fn resolve(host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, Trouble> {
    let trouble = |cause: String| (Layer::Resolve, cause);
    let found = timeout(within, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| trouble(in_vain(within)))?.map_err(|error| trouble(error.to_string()))?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() { Err(trouble("it has no address".to_owned())) } else { Ok(found) }
}

/// Connects to the first of the addresses that lets itself be reached.
///
/// # Errors
/// None does.
pub(crate) async fn connect(addresses: &[SocketAddr], within: Duration) -> Result<TcpStream, Trouble> {
    match timeout(within, TcpStream::connect(addresses)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err((Layer::Tcp, error.to_string())),
        Err(_) => Err((Layer::Tcp, in_vain(within))),
    }
}

/// Asks on a connection, and reads the answer to its end.
///
/// # Errors
/// There is none, it is no HTTP, or none that is understood here.
pub(crate) async fn exchange(
    mut stream: TcpStream,
    server: &ServerAddress,
    question: &Question,
    within: Duration,
) -> Result<Answer, Trouble> {
    let mut read = Vec::new();
    let exchanged = timeout(within, async {
        stream.write_all(question.written(server).as_bytes()).await?;
        (&mut stream).take(ANSWER_LEN_MAX).read_to_end(&mut read).await
    });
    match exchanged.await {
        Ok(Ok(_)) => {}
        // What was read before the end may still be the whole answer, or say what is wrong.
        Ok(Err(error)) if read.is_empty() => return Err((Layer::Handshake, format!("it hung up: {error}"))),
        Err(_) if read.is_empty() => return Err((Layer::Handshake, in_vain(within))),
        Ok(Err(_)) | Err(_) => {}
    }
    understood(&read).map_err(|(layer, cause)| (layer, cause.to_owned()))
}

fn understood(read: &[u8]) -> Result<Answer, (Layer, &'static str)> {
    match read {
        [] => return Err((Layer::Handshake, "it hung up without a word")),
        // An alert of TLS.
        [0x15, 3, ..] => return Err((Layer::Tls, "it answers with an alert of TLS: it wants https")),
        _ => {}
    }
    let text = String::from_utf8_lossy(read);
    let status = text.strip_prefix("HTTP/").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or((Layer::Handshake, "what it answers is no HTTP/1"))?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or((Layer::Handshake, "its answer ends too soon"))?;
    let head = head.to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        return Err((Layer::Handshake, "it answers in a newer way than it was asked"));
    }
    let len = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    // Counted in bytes as they came: a broken character must not make it longer.
    let body_len = read.len().saturating_sub(read.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0) + 4);
    if len.is_some_and(|len| body_len < len) {
        return Err((Layer::Handshake, "its answer ends too soon"));
    }
    Ok(Answer { status, body: body.to_owned() })
}

/// Connects and asks.
///
/// # Errors
/// How far it came, in words, as a failure of the command.
pub(crate) async fn ask(server: &ServerAddress, question: &Question, within: Duration) -> Result<Answer, Failure> {
    let asked = async {
        let addresses = resolve(server.host(), server.port(), within).await?;
        exchange(connect(&addresses, within).await?, server, question, within).await
    };
    asked.await.map_err(|(layer, cause)| {
        // It is the main port that failed, so that is the one to be named.
        let server = server.clone().with_grpc_port(server.port());
        Failure::from(&ConnectFailure { server, layer, cause })
    })
}

fn in_vain(within: Duration) -> String {
    format!("nothing within {} ms", within.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_servers_read_it() {
        let server: ServerAddress = "h:80".parse().expect("an address");
        let question = Question::post("/login").query("user", "a b").form("password", "p&=ä").header("x", "1\r\n2");
        let expected = "POST /login?user=a%20b HTTP/1.0\r\nHost: h:80\r\nx: 12\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 22\r\n\
                        Connection: close\r\n\r\npassword=p%26%3D%C3%A4";
        assert_eq!(question.written(&server), expected);
    }

    #[test]
    fn answers_are_told_from_what_is_none() {
        let status =
            |read: &[u8]| understood(read).map(|answer| (answer.status, answer.body)).map_err(|(layer, _)| layer);
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\nok"), Ok((200, "ok".into())));
        assert_eq!(status(b"HTTP/1.0 503 \r\nContent-Length: 2\r\n\r\nno"), Ok((503, "no".into())));
        assert_eq!(status(&[0x15, 3, 1, 0, 2, 2, 40]), Err(Layer::Tls));
        for bad in [&b""[..], b"SSH-2.0", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(status(bad), Err(Layer::Handshake), "{bad:?}");
        }
    }
}
