//! A check of a MySQL server: log in, ask one query, look at its first row.
//!
//! Not a driver (`docs/adr/0006-mysql-check-by-hand.md`): no pool, no TLS, no prepared statements, no types. What it
//! cannot do it says in the result of the check. The password leaves this file only scrambled.

use nacrite_base::cluster::MysqlCheck;
use nacrite_env::dial::Stream;
use nacrite_naming::probe::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::check::{Found, step};

mod login;
mod packet;

use packet::{Reader, error_text, is_end};

/// Bytes of one packet that are read. Greetings and first rows are far shorter; a longer one fails the check.
const PACKET_LEN_MAX: usize = 64 * 1024;

/// Columns of an answer. MySQL has no more in a table; a longer list fails the check.
const COLUMNS_MAX: u64 = 4096;

/// The query that asks whether a server only follows another one: its answer is looked into, as Nacos does.
const READ_ONLY_QUERY: &str = "show global variables where variable_name='read_only'";

/// Ends the connection.
const COM_QUIT: u8 = 1;
/// Asks a query.
const COM_QUERY: u8 = 3;

/// What went wrong while talking.
#[derive(Debug)]
enum Trouble {
    Io(std::io::Error),
    Found(Found),
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// The server said no.
fn refused(text: impl Into<String>) -> Trouble {
    Trouble::Found(Found::new(Verdict::Down, text))
}

/// The server said something else than a MySQL server.
fn strange(what: &str) -> Trouble {
    Trouble::Found(Found::new(Verdict::Failed, format!("not the protocol of MySQL: {what}")))
}

/// Logs in and asks.
pub(super) async fn ask(stream: Box<dyn Stream>, address: &str, ask: &MysqlCheck) -> Result<String, Found> {
    let mut talk = Talk { stream, sequence: 0 };
    within(&format!("no login at {address}"), login::login(&mut talk, ask)).await?;
    let command = ask.command.as_deref().filter(|command| !command.trim().is_empty());
    let row = match command {
        None => Ok(None),
        Some(command) => within(&format!("no answer of {address} to the query"), query(&mut talk, command)).await,
    };
    // A server notes a connection that just breaks as a fault. Whether it hears this is its own business.
    talk.sequence = 0;
    within("no end", talk.send(&[COM_QUIT])).await.ok();
    match (command, row?) {
        (None, _) => Ok("logged in".to_owned()),
        (Some(READ_ONLY_QUERY), Some(value)) if value == b"ON" => {
            Err(Found::new(Verdict::Failed, "the server is read-only"))
        }
        (Some(_), _) => Ok("logged in, query answered".to_owned()),
    }
}

async fn within<T>(what: &str, talk: impl Future<Output = Result<T, Trouble>>) -> Result<T, Found> {
    let flat = async {
        match talk.await {
            Ok(done) => Ok(Ok(done)),
            Err(Trouble::Found(found)) => Ok(Err(found)),
            Err(Trouble::Io(error)) => Err(error),
        }
    };
    step(what, flat).await?
}

/// Asks a query. Returns the second column of the first row, if there is one.
async fn query(talk: &mut Talk, command: &str) -> Result<Option<Vec<u8>>, Trouble> {
    talk.sequence = 0;
    talk.send(&[&[COM_QUERY], command.as_bytes()].concat()).await?;
    let first = talk.receive().await?;
    let columns = match first.first() {
        Some(0) => return Ok(None),
        Some(0xff) => return Err(refused(error_text(&first))),
        // It asks for a file of ours.
        Some(0xfb) | None => return Err(strange("the answer to the query")),
        Some(_) => Reader(&first).length().ok_or_else(|| strange("the number of columns"))?,
    };
    if columns > COLUMNS_MAX {
        return Err(strange("the number of columns"));
    }
    // One packet for each column, one that ends them, then the rows.
    for _ in 0..=columns {
        talk.receive().await?;
    }
    let row = talk.receive().await?;
    if row.first() == Some(&0xff) {
        return Err(refused(error_text(&row)));
    }
    if is_end(&row) {
        return Ok(None);
    }
    let mut reader = Reader(&row);
    reader.text().ok_or_else(|| strange("a row"))?;
    Ok(reader.text().flatten().map(<[u8]>::to_vec))
}

/// A connection, in packets.
struct Talk {
    stream: Box<dyn Stream>,
    /// Counts the packets of one exchange.
    sequence: u8,
}

impl Talk {
    async fn send(&mut self, payload: &[u8]) -> Result<(), Trouble> {
        let len = u32::try_from(payload.len()).map_err(|_| strange("a packet that is too long"))?.to_le_bytes();
        let mut packet = vec![len[0], len[1], len[2], self.sequence];
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).await?;
        Ok(self.stream.flush().await?)
    }

    async fn receive(&mut self) -> Result<Vec<u8>, Trouble> {
        let mut header = [0; 4];
        self.stream.read_exact(&mut header).await?;
        let [a, b, c, sequence] = header;
        let len = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        if len > PACKET_LEN_MAX {
            return Err(strange("a packet that is too long"));
        }
        self.sequence = sequence.wrapping_add(1);
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).await?;
        Ok(payload)
    }
}

#[cfg(test)]
mod tests;
