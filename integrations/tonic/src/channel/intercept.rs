//! What programs add to calls: interceptors, which see each call once, and credentials, which see each attempt.

use std::fmt;

use futures_util::future::BoxFuture;
use http::Extensions;
use nacrite_balance::Endpoint;
use tonic::Status;
use tonic::metadata::MetadataMap;

/// A call before it is sent, as interceptors see it.
#[derive(Debug)]
pub struct CallHead<'a> {
    pub(super) method: &'a str,
    pub(super) metadata: &'a mut MetadataMap,
    pub(super) extensions: &'a mut Extensions,
}

impl CallHead<'_> {
    /// Full method: `/package.Service/Method`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method
    }

    /// What is sent in front of the messages.
    pub fn metadata(&mut self) -> &mut MetadataMap {
        self.metadata
    }

    /// What the program attached to the request, such as [`WaitForReady`](crate::WaitForReady).
    pub fn extensions(&mut self) -> &mut Extensions {
        self.extensions
    }
}

/// Sees every call before anything is done for it: once, however often it is tried. The first that was given to the channel
/// comes first; one that refuses a call keeps it from those behind it.
///
/// What needs to see answers as well is a layer of `tower` around the channel.
pub trait Interceptor: Send + Sync {
    /// Looks at a call and may add to it.
    ///
    /// # Errors
    /// The call fails with this status and is not sent.
    fn intercept(&self, call: &mut CallHead<'_>) -> Result<(), Status>;
}

impl<F> Interceptor for F
where
    F: Fn(&mut CallHead<'_>) -> Result<(), Status> + Send + Sync,
{
    fn intercept(&self, call: &mut CallHead<'_>) -> Result<(), Status> {
        self(call)
    }
}

/// An attempt of a call, as credentials see it.
#[derive(Clone, Copy, Debug)]
pub struct AttemptContext<'a> {
    /// Full method: `/package.Service/Method`.
    pub method: &'a str,
    /// The name by which the service is called.
    pub authority: &'a str,
    /// To whom the call goes.
    pub endpoint: &'a Endpoint,
}

/// Adds to every attempt what proves who calls: a token that is renewed, a signature of the method.
pub trait CallCredentials: Send + Sync {
    /// What to add to the metadata. May take its time; the deadline of the call goes on.
    ///
    /// # Errors
    /// The attempt fails with this status.
    fn metadata<'a>(&'a self, attempt: AttemptContext<'a>) -> BoxFuture<'a, Result<MetadataMap, Status>>;
}

/// Whether credentials may be sent in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CredentialsOver {
    /// They are not: calls to endpoints without TLS fail.
    #[default]
    TlsAlone,
    /// They are: somebody else encrypts, or nobody listens.
    Anything,
}

/// Credentials, and where they may go.
pub(super) struct Secrets {
    pub(super) credentials: Box<dyn CallCredentials>,
    pub(super) over: CredentialsOver,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
