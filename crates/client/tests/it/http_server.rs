//! A server of plain HTTP that answers as a test wants it to: for logins and lists of servers.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Runs until it is dropped.
pub(crate) struct HttpServer {
    /// Where it listens.
    pub(crate) port: u16,
    asked: watch::Sender<usize>,
    _tasks: JoinSet<()>,
}

impl HttpServer {
    /// `answer` gets the first line of each request, its body, and how many came before it; it returns the body of a 200.
    pub(crate) async fn start(answer: impl Fn(&str, &str, usize) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (asked, mut tasks) = (watch::Sender::new(0), JoinSet::new());
        let count = asked.clone();
        tasks.spawn(async move {
            // One connection after the other, each for one request.
            while let Ok((stream, _)) = listener.accept().await {
                let said = serve(stream, |line, body| answer(line, body, *count.borrow())).await;
                count.send_modify(|count| *count += usize::from(said));
            }
        });
        Self { port, asked, _tasks: tasks }
    }

    /// How many requests came.
    pub(crate) fn asked(&self) -> usize {
        *self.asked.borrow()
    }

    /// Waits until so many requests were answered.
    pub(crate) async fn until_asked(&self, times: usize) {
        self.asked.subscribe().wait_for(|asked| *asked >= times).await.expect("it counts as long as it is there");
    }
}

/// Whether there was a request.
async fn serve(mut stream: TcpStream, answer: impl FnOnce(&str, &str) -> String) -> bool {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let said = answer(head.lines().next().unwrap_or_default(), body);
                let length = said.len();
                let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{said}");
                // A client that has gone away is not what is tested.
                stream.write_all(reply.as_bytes()).await.ok();
                stream.shutdown().await.ok();
                return true;
            }
        }
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return false;
        }
    }
}
