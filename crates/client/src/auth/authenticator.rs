//! Puts together the headers of a request from everything that is known about who sends it.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Credentials;
use super::login::Login;
use crate::clock;
use crate::error::Error;
use crate::http::Http;
use crate::link::{HeaderSource, Resource, ServerSource};

/// One for all links of a client, so that there is one token and one login at a time.
pub(crate) struct Authenticator {
    credentials: Credentials,
    pub(super) login: Option<Login>,
}

impl Authenticator {
    /// Logins go over `http` to `servers`, below `context_path`.
    pub(crate) fn new(
        mut credentials: Credentials,
        http: &Http,
        servers: &Arc<dyn ServerSource>,
        context_path: &str,
    ) -> Self {
        let user = credentials.user.take();
        let login = user.map(|user| Login::new(user, http.clone(), Arc::clone(servers), context_path));
        Self { credentials, login }
    }

    async fn identity(&self, resource: Resource<'_>) -> Result<Vec<(String, String)>, Error> {
        let mut headers = Vec::new();
        let token = match &self.login {
            Some(login) => login.token().await?,
            None => self.credentials.token.clone(),
        };
        if let Some(token) = token {
            headers.push(("accessToken".to_owned(), token.expose().to_owned()));
        }
        if let Some(key) = &self.credentials.access_key {
            headers.extend(key.headers(resource, clock::wall_ms()));
        }
        Ok(headers)
    }
}

impl HeaderSource for Authenticator {
    fn headers<'a>(&'a self, resource: Resource<'a>) -> BoxFuture<'a, Result<Vec<(String, String)>, Error>> {
        self.identity(resource).boxed()
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        async {
            match &self.login {
                Some(login) => login.refused().await,
                // A token from elsewhere and a key stay what they are.
                None => false,
            }
        }
        .boxed()
    }
}
