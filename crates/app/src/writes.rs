//! Writes that must survive: proposed to the journal, answered once a quorum's disks have them and readers see them.

use nacrite_base::{Fault, ServiceKey};
use nacrite_cluster::raft::{Journal, ProposeError};

use crate::machine::{self, DurableWrite, Refused};

/// The way to the journal.
#[derive(Clone, Debug)]
pub struct Writes(Journal);

impl Writes {
    /// Writes through `journal`.
    #[must_use]
    pub fn new(journal: Journal) -> Self {
        Self(journal)
    }

    /// The journal itself, for who asks how it is.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.0
    }

    /// Writes. When this returns, the write is on disk, and every reader on this node sees it.
    ///
    /// # Errors
    /// What the state machine refused; [`Fault::NotDurable`] if the write may or may not have happened;
    /// [`Fault::NotReady`] or [`Fault::OverLimit`] if it certainly did not.
    pub async fn write(&self, write: DurableWrite) -> Result<(), Fault> {
        self.propose(write).await?.map_err(|refused| refused.into_fault(None))
    }

    /// Writes a service that must not exist yet.
    ///
    /// # Errors
    /// [`Fault::ServiceExists`]; otherwise as [`Self::write`].
    pub async fn create_service(&self, write: DurableWrite, service: &ServiceKey) -> Result<(), Fault> {
        self.propose(write).await?.map_err(|refused| refused.into_fault(Some(service)))
    }

    async fn propose(&self, write: DurableWrite) -> Result<Result<(), Refused>, Fault> {
        let committed = self.0.propose(write.encode()).await.map_err(fault_of)?;
        machine::answer(&committed.answer).map_err(Fault::internal)
    }
}

fn fault_of(error: ProposeError) -> Fault {
    match error {
        ProposeError::Full => Fault::OverLimit { limit: "writes that wait for the disk".to_owned() },
        ProposeError::NoLeader => Fault::NotReady { reason: "this node does not lead yet, nothing was written" },
        ProposeError::Stopped => Fault::NotReady { reason: "the server is stopping, nothing was written" },
        ProposeError::Unknown(reason) => Fault::NotDurable { reason },
    }
}
