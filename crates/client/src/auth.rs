//! Who this client is: a user with a password, a token, an access key; or several of these at once.
//!
//! Secrets leave this module in headers, and the password in the body of a login; never in a URL, a log or an error.

mod access_key;
mod authenticator;
mod login;

use std::fmt;

pub(crate) use authenticator::Authenticator;
#[cfg(any(test, feature = "testkit"))]
pub(crate) use login::token_in;

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// Who this client is. Several kinds may be given; all of them are sent.
///
/// ```
/// use nacrite_client::Credentials;
///
/// let who = Credentials::none().user("orders", "open sesame");
/// assert!(!format!("{who:?}").contains("sesame"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    user: Option<User>,
    token: Option<Secret>,
    access_key: Option<access_key::AccessKey>,
}

/// A user of the server's own.
#[derive(Clone, Debug)]
struct User {
    name: Box<str>,
    password: Secret,
}

impl Credentials {
    /// Nobody in particular: no login, no token, no signature.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Logs in with a name and a password, and again before the token that it gets runs out. A blank name logs in nobody.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        let user = User { name: name.into(), password: Secret(password.into()) };
        self.user = Some(user).filter(|user| !user.name.trim().is_empty());
        self
    }

    /// Shows a token that was got elsewhere. It is not renewed. With a user besides, the user's token counts.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(Secret(token.into()));
        self
    }

    /// Signs requests with an access key, as the managed Nacos of a cloud wants it.
    #[must_use]
    pub fn access_key(mut self, id: &str, secret: &str) -> Self {
        self.access_key = Some(access_key::AccessKey::new(id, Secret(secret.into())));
        self
    }

    /// Signs requests with the access key that the environment names (`spas_accessKey`, `spas_secretKey`), if it names one.
    #[must_use]
    pub fn access_key_from_env(self) -> Self {
        self.access_key_from(|name| std::env::var(name).ok())
    }

    fn access_key_from(self, look_up: impl Fn(&str) -> Option<String>) -> Self {
        let look_up = |name: &str| look_up(name).filter(|value| !value.trim().is_empty());
        match (look_up("spas_accessKey"), look_up("spas_secretKey")) {
            (Some(id), Some(secret)) => self.access_key(id.trim(), secret.trim()),
            _ => self,
        }
    }

    /// Sends this with a temporary access key. Of no effect without [`Self::access_key`] before it.
    #[must_use]
    pub fn security_token(mut self, token: &str) -> Self {
        self.access_key = self.access_key.map(|key| key.with_security_token(Secret(token.into())));
        self
    }

    /// Signs in the way V4, for this region (`signatureRegionId`). Of no effect without [`Self::access_key`] before it.
    #[must_use]
    pub fn signature_region(mut self, region: &str) -> Self {
        self.access_key = self.access_key.map(|key| key.with_region(region));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let who =
            Credentials::none().user("u", "hush1").token("hush2").access_key("id", "hush3").security_token("hush4");
        let shown = format!("{who:?} {who:#?}");
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.contains("\"u\"") && shown.contains("\"id\""), "{shown}");
    }

    #[test]
    fn the_environment_names_a_key_or_none() {
        let none = Credentials::none().access_key_from(|name| (name == "spas_accessKey").then(|| "id".to_owned()));
        assert!(none.access_key.is_none());
        let both = Credentials::none().access_key_from(|name| Some(format!(" {name}\n")));
        assert!(format!("{both:?}").contains("\"spas_accessKey\""), "{both:?}");
    }

    #[test]
    fn a_blank_user_is_nobody() {
        assert!(Credentials::none().user(" ", "x").user.is_none());
    }
}
