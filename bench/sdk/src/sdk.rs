//! What is asked of an SDK, in the words of neither. Each side takes what its own users would hand over: what an
//! interface makes them copy is part of its cost.

use std::any::Any;
use std::sync::mpsc::SyncSender;

use anyhow::Result;

/// The group of everything.
pub(crate) const GROUP: &str = "DEFAULT_GROUP";

/// The address of everything that is registered.
pub(crate) const IP: &str = "10.1.1.1";

/// Where a callback tells which change it has seen.
pub(crate) type Told = SyncSender<u32>;

/// A connected client; clones share it.
pub(crate) trait Sdk: Clone + Send + Sync + Sized + 'static {
    /// Connects both for services and for configs.
    fn connect(server: &str) -> impl Future<Output = Result<Self>> + Send;

    fn register(&self, service: &str) -> impl Future<Output = Result<()>> + Send;

    fn deregister(&self, service: &str) -> impl Future<Output = Result<()>> + Send;

    /// How many instances there are, by looking at all of them: from memory, except the first time.
    fn instances(&self, service: &str) -> impl Future<Output = Result<usize>> + Send;

    /// The port of an instance, chosen by weight from memory.
    fn select_one(&self, service: &str) -> impl Future<Output = Result<u16>> + Send;

    fn publish(&self, data_id: &str, content: &str) -> impl Future<Output = Result<()>> + Send;

    /// The length of the content, from the server.
    fn get(&self, data_id: &str) -> impl Future<Output = Result<usize>> + Send;

    /// Tells the weight of the service's first instance with each change, until what is returned is dropped.
    fn follow(&self, service: &str, told: Told) -> impl Future<Output = Result<Box<dyn Any + Send>>> + Send;

    /// Tells the number with which the content begins, with each change, until what is returned is dropped.
    fn listen(&self, data_id: &str, told: Told) -> impl Future<Output = Result<Box<dyn Any + Send>>> + Send;
}

/// Tells a change. Nobody may be there to hear it any more.
pub(crate) fn tell(told: &Told, change: Option<u32>) {
    if let Some(change) = change {
        told.try_send(change).ok();
    }
}

/// The number with which a content begins.
pub(crate) fn number(content: &str) -> Option<u32> {
    content.split(' ').next()?.parse().ok()
}
