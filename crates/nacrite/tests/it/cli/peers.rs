//! What a client may meet in place of a good server: scripted ends of single ports.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Listens until it is dropped.
pub(super) struct Peer {
    pub(super) port: u16,
    _tasks: JoinSet<()>,
}

impl Peer {
    /// Answers requests over HTTP/1 with the status and body that `answer` makes of their first line, and closes.
    pub(super) async fn http(answer: impl Fn(&str) -> (u16, &'static str) + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::start(move |stream| {
            let answer = Arc::clone(&answer);
            async move { over_http(stream, &*answer).await }
        })
        .await
    }

    /// A proxy that speaks HTTP/1 alone: whatever comes is a bad request.
    pub(super) async fn of_http1_alone() -> Self {
        Self::start(|mut stream: TcpStream| async move {
            let mut read = [0; 24];
            // Whether the other side is still there is its own affair.
            stream.read_exact(&mut read).await.ok();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
            stream.shutdown().await.ok();
            stream.read_to_end(&mut Vec::new()).await.ok();
        })
        .await
    }

    async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                serving.spawn(serve(stream));
            }
        });
        Self { port, _tasks: tasks }
    }
}

async fn over_http(mut stream: TcpStream, answer: &(impl Fn(&str) -> (u16, &'static str) + ?Sized)) {
    let mut read = Vec::new();
    while !is_whole(&read) {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let text = String::from_utf8_lossy(&read);
    let (status, body) = answer(text.lines().next().unwrap_or_default());
    let length = body.len();
    let reply = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(reply.as_bytes()).await.ok();
    stream.shutdown().await.ok();
}

/// Whether there is something to answer: a whole request, or what can become none.
fn is_whole(read: &[u8]) -> bool {
    if read.first().is_some_and(|byte| !byte.is_ascii_uppercase()) {
        return true;
    }
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
