//! A check over HTTP: one GET, of whose answer only the status counts.
//!
//! Not a client: no redirects, no body, one request per connection. The request is written by hand because nothing else
//! of a client is needed.

use nacrite_base::cluster::HttpCheck;
use nacrite_env::dial::Stream;
use nacrite_naming::probe::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::check::{Found, step};

/// What Nacos's checks call themselves; servers tell checks from users by it.
const AGENT: &str = "VIPServer";

/// Bytes in which the line with the status must end. A longer one is no answer.
const STATUS_LINE_MAX: usize = 1024;

/// Statuses that say "not now" rather than "no"; they count, the others are certain.
const BUSY: [u16; 2] = [503, 302];

/// Asks, and compares the status with the expected one.
pub(super) async fn ask(mut stream: Box<dyn Stream>, address: &str, ask: &HttpCheck) -> Result<String, Found> {
    let request = request(address, ask);
    let exchange = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        read_status(&mut stream).await
    };
    let Some(status) = step(&format!("no answer of {address}"), exchange).await? else {
        return Err(Found::new(Verdict::Failed, format!("{address} does not speak HTTP")));
    };
    let expected = ask.expected_status;
    if status == expected {
        return Ok(format!("HTTP {status}"));
    }
    let verdict = if BUSY.contains(&status) { Verdict::Slow } else { Verdict::Down };
    Err(Found::new(verdict, format!("HTTP {status}, expected {expected}")))
}

fn request(address: &str, ask: &HttpCheck) -> String {
    let mut request = String::with_capacity(256);
    request.push_str("GET ");
    push_path(&mut request, &ask.path);
    request.push_str(" HTTP/1.1\r\n");
    let given: Vec<(&str, &str)> = ask.header_pairs().filter(|(name, value)| is_header(name, value)).collect();
    let own = [("Host", address), ("User-Agent", AGENT), ("Accept", "*/*"), ("Connection", "close")];
    let is_given = |name: &str| given.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
    let own = own.into_iter().filter(|(name, value)| !is_given(name) && is_header(name, value));
    for (name, value) in own.chain(given.iter().copied()) {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    request
}

/// Writes a path so that it stays one word, whatever an operator wrote.
fn push_path(request: &mut String, path: &str) {
    if !path.starts_with('/') {
        request.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            request.push(char::from(byte));
        } else {
            request.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Whether a header can be written without ending the line that it stands on.
fn is_header(name: &str, value: &str) -> bool {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`~".contains(&b));
    is_name && !value.chars().any(char::is_control)
}

/// The status of the answer; `None` if it is not one of HTTP.
async fn read_status(stream: &mut Box<dyn Stream>) -> std::io::Result<Option<u16>> {
    let mut line = [0; STATUS_LINE_MAX];
    let mut len = 0;
    while len < line.len() && !line[..len].contains(&b'\n') {
        match stream.read(&mut line[len..]).await? {
            0 if len == 0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            0 => break,
            more => len += more,
        }
    }
    let line = line[..len].split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let speaks_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = words.next().and_then(|word| word.parse().ok());
    Ok(status.filter(|_| speaks_http))
}

#[cfg(test)]
mod tests {
    use super::super::check::check;
    use super::super::check::tests::same;
    use super::*;
    use nacrite_base::Checker;
    use nacrite_env::dial::{Behaviour, FakeNetwork};
    use std::sync::Arc;

    fn serves(answer: &'static str) -> Behaviour {
        Behaviour::Serves(Arc::new(move |mut far| {
            Box::pin(async move {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    match far.read_u8().await {
                        Ok(byte) => seen.push(byte),
                        Err(_) => return,
                    }
                }
                far.write_all(answer.as_bytes()).await.ok();
            })
        }))
    }

    async fn found(answer: &'static str, expected_status: u16) -> Found {
        let network = FakeNetwork::default();
        network.set("a", 80, serves(answer));
        let ask = HttpCheck { expected_status, ..HttpCheck::default() };
        check(&network, "a", 80, &Checker::Http(ask)).await.expect("checked")
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_expected_status_is_well() {
        same(&found("HTTP/1.1 200 OK\r\n\r\n", 200).await, Verdict::Passed, "HTTP 200");
        same(&found("HTTP/1.0 204\n", 204).await, Verdict::Passed, "HTTP 204");
        same(&found("HTTP/1.1 200 OK\r\n\r\n", 204).await, Verdict::Down, "HTTP 200, expected 204");
        same(&found("HTTP/1.1 404 Not Found\r\n\r\n", 200).await, Verdict::Down, "HTTP 404, expected 200");
        same(&found("HTTP/1.1 503 Busy\r\n\r\n", 200).await, Verdict::Slow, "HTTP 503, expected 200");
        same(&found("HTTP/1.1 302 Found\r\n\r\n", 200).await, Verdict::Slow, "HTTP 302, expected 200");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_answer_has_a_reason() {
        same(&found("SSH-2.0-x\r\n", 200).await, Verdict::Failed, "a:80 does not speak HTTP");
        same(&found("HTTP/1.1 hello\r\n", 200).await, Verdict::Failed, "a:80 does not speak HTTP");
        assert_eq!(found("", 200).await.verdict, Verdict::Failed);
        let network = FakeNetwork::default();
        let idle = Behaviour::Serves(Arc::new(|far| {
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(far);
            })
        }));
        network.set("a", 80, idle);
        let found = check(&network, "a", 80, &Checker::Http(HttpCheck::default())).await.expect("checked");
        same(&found, Verdict::Slow, "no answer of a:80 within 500 ms");
    }

    #[test]
    fn the_request_cannot_be_split() {
        let ask = HttpCheck {
            path: "a b\r\nX: y".into(),
            headers: "ok:1|Host:other|bad name:2|evil:a\r\nb".into(),
            expected_status: 200,
        };
        let lines = [
            "GET /a%20b%0D%0AX:%20y HTTP/1.1",
            "User-Agent: VIPServer",
            "Accept: */*",
            "Connection: close",
            "ok: 1",
            "Host: other",
            "",
            "",
        ];
        assert_eq!(request("10.0.0.1:80", &ask), lines.join("\r\n"));
    }
}
