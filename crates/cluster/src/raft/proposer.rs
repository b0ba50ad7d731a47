//! Takes commands from everybody and proposes them: what waits at the same time becomes one entry of the log.
//!
//! One entry is under way at a time. While its fsync runs, the next commands gather, so that the more writers there are
//! the more of them share a fsync; a single writer never waits for company.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use openraft::Raft;
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::{mpsc, oneshot};

use crate::raft::fatal::Fatal;
use crate::raft::settings::RaftSettings;
use crate::raft::state_machine::StateMachine;
use crate::raft::types::{Commands, TypeConfig};

/// A command that is agreed on, durable and visible to readers of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The index of its entry in the log. Commands that were proposed together share it.
    pub index: u64,
    /// What the machine answered.
    pub answer: Bytes,
}

/// Why a command was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// Too much is waiting already. Nothing happened.
    #[error("too many writes are waiting for the disk, nothing was written")]
    Full,
    /// This node does not lead the group, or nobody does. Nothing happened.
    #[error("this node does not lead, nothing was written")]
    NoLeader,
    /// The journal is shut down. Nothing happened.
    #[error("the journal is shut down, nothing was written")]
    Stopped,
    /// It may have been committed, or may yet be.
    #[error("it is unknown whether this was written: {0}")]
    Unknown(String),
}

type Answer = Result<Committed, ProposeError>;

/// A command that waits.
pub(crate) struct Proposal {
    command: Bytes,
    answer: oneshot::Sender<Answer>,
}

/// The bounded way to the proposer. The bound on the number is the channel's.
#[derive(Clone)]
pub(crate) struct Proposals {
    sender: mpsc::Sender<Proposal>,
    queued_bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl Proposals {
    /// A queue, and its end for [`run`].
    pub(crate) fn new(settings: &RaftSettings) -> (Self, Incoming) {
        let (sender, receiver) = mpsc::channel(settings.queue_len_max);
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let incoming = Incoming {
            receiver,
            queued_bytes: Arc::clone(&queued_bytes),
            len_max: settings.entry_len_max,
            bytes_max: settings.entry_bytes_max,
            next: None,
        };
        (Self { sender, queued_bytes, bytes_max: settings.queue_bytes_max }, incoming)
    }

    /// Queues a command. What it is answered comes out of the receiver.
    pub(crate) fn queue(&self, command: Bytes) -> Result<oneshot::Receiver<Answer>, ProposeError> {
        let len_bytes = command.len();
        let queued = self.queued_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        // A command larger than the whole queue is taken when nothing else waits.
        let sent = if queued > 0 && queued.saturating_add(len_bytes) > self.bytes_max {
            Err(ProposeError::Full)
        } else {
            self.sender.try_send(Proposal { command, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => ProposeError::Full,
                mpsc::error::TrySendError::Closed(_) => ProposeError::Stopped,
            })
        };
        if sent.is_err() {
            self.queued_bytes.fetch_sub(len_bytes, Ordering::Relaxed);
        }
        sent.map(|()| answered)
    }

    /// How many commands wait.
    pub(crate) fn len(&self) -> usize {
        self.sender.max_capacity() - self.sender.capacity()
    }
}

/// The proposer's end of the queue.
pub(crate) struct Incoming {
    receiver: mpsc::Receiver<Proposal>,
    queued_bytes: Arc<AtomicUsize>,
    len_max: usize,
    bytes_max: usize,
    /// One that did not fit the last entry.
    next: Option<Proposal>,
}

impl Incoming {
    /// Everything that waits, as far as it fits one entry; at least one. `None` when the queue is closed and empty.
    async fn merge(&mut self) -> Option<(Commands, Vec<oneshot::Sender<Answer>>)> {
        let (mut commands, mut answers, mut len_bytes) = (Vec::new(), Vec::new(), 0);
        loop {
            let next = match self.next.take() {
                Some(proposal) => proposal,
                None if answers.is_empty() => self.receiver.recv().await?,
                None => match self.receiver.try_recv() {
                    Ok(proposal) => proposal,
                    Err(_) => break,
                },
            };
            let command_bytes = next.command.len();
            if !answers.is_empty() && len_bytes + command_bytes > self.bytes_max {
                self.next = Some(next);
                break;
            }
            self.queued_bytes.fetch_sub(command_bytes, Ordering::Relaxed);
            // Whoever gave up before anything was done was told that the outcome is unknown; "not done" is one.
            if next.answer.is_closed() {
                continue;
            }
            len_bytes += command_bytes;
            commands.push(next.command);
            answers.push(next.answer);
            if answers.len() >= self.len_max {
                break;
            }
        }
        Some((Commands::new(commands), answers))
    }

    /// Takes no more commands; those that wait are still proposed.
    fn close(&mut self) {
        self.receiver.close();
    }
}

/// Proposes until the queue is closed and empty. `stop` closes it.
pub(crate) async fn run(
    mut incoming: Incoming,
    raft: Raft<TypeConfig, StateMachine>,
    fatal: Arc<Fatal>,
    stop: impl Future<Output = ()>,
) {
    let mut stop = std::pin::pin!(stop);
    let mut is_stopping = false;
    loop {
        let merged = tokio::select! {
            biased;
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                incoming.close();
                continue;
            }
            merged = incoming.merge() => merged,
        };
        let Some((commands, answers)) = merged else { return };
        if answers.is_empty() {
            continue;
        }
        let is_shared = answers.len() > 1;
        propose(&raft, &fatal, commands, answers).await;
        if is_shared {
            // Those who were just answered, and whoever is ready beside them, go first: what they propose next still
            // comes along. Otherwise many writers fall into two halves that take turns and pay twice.
            tokio::task::yield_now().await;
        }
    }
}

async fn propose(
    raft: &Raft<TypeConfig, StateMachine>,
    fatal: &Fatal,
    commands: Commands,
    answers: Vec<oneshot::Sender<Answer>>,
) {
    // Who stopped waiting does not need the answer: each `send` may fail.
    match raft.client_write(commands).await {
        Ok(response) => {
            let index = response.log_id.index;
            for (waiting, answer) in answers.into_iter().zip(response.data.0) {
                drop(waiting.send(Ok(Committed { index, answer })));
            }
        }
        Err(error) => {
            let error = match error {
                RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => ProposeError::NoLeader,
                // The entry was written here and then gave way to another leader's: that one may have it.
                RaftError::APIError(other) => ProposeError::Unknown(other.to_string()),
                RaftError::Fatal(other) => {
                    ProposeError::Unknown(fatal.reason().map_or_else(|| other.to_string(), str::to_owned))
                }
            };
            for waiting in answers {
                drop(waiting.send(Err(error.clone())));
            }
        }
    }
}
