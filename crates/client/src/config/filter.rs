//! What is done to contents on their way out and in: filters in an order, and encryption as the innermost of them.
//!
//! A publish goes through the filters by rising order and is encrypted last; a config that comes in is decrypted first
//! and goes through them by falling order, so that each undoes what it did. Files on disk hold what the server holds.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use nacrite_base::BoxError;

use super::name::ConfigName;
use super::value::Config;
use crate::error::Error;

/// What the data id of an encrypted config begins with; the algorithm follows, then a dash.
const CIPHER_PREFIX: &str = "cipher-";

/// What a filter may change of a publish.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outgoing {
    /// The content.
    pub content: String,
    /// The key of an encrypted content, itself encrypted.
    pub encrypted_data_key: Option<String>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("content_len", &self.content.len()).finish_non_exhaustive()
    }
}

/// Changes contents on their way out and in. Its errors must not hold contents: they are shown and logged.
pub trait ConfigFilter: Send + Sync + 'static {
    /// Its place among the filters: the lowest is nearest to the program, the highest nearest to the server.
    fn order(&self) -> i32 {
        0
    }

    /// Changes what is published.
    fn outgoing<'a>(&'a self, name: &'a ConfigName, config: Outgoing) -> BoxFuture<'a, Result<Outgoing, BoxError>>;

    /// Changes what came from a server or from a file. The digest stays that of what the server has.
    fn incoming<'a>(&'a self, name: &'a ConfigName, config: Config) -> BoxFuture<'a, Result<Config, BoxError>>;
}

/// A content that is encrypted, with the key for it, which is itself encrypted.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The encrypted content, as text.
    pub content: String,
    /// The encrypted key.
    pub data_key: String,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("content_len", &self.content.len()).finish_non_exhaustive()
    }
}

/// Encrypts the contents of configs whose data id begins with `cipher-`, the name of the algorithm, and a dash. Contents
/// of other algorithms pass through unchanged. Its errors must not hold contents: they are shown and logged.
///
/// ```
/// use futures_util::FutureExt;
/// use futures_util::future::BoxFuture;
/// use nacrite_client::config::{BoxError, ConfigCipher, ConfigName, Sealed};
///
/// /// Turns letters by 13, which protects nothing and shows where a key service is called.
/// struct Rot13;
///
/// fn turned(text: &str) -> String {
///     let turn = |c: char, first: u8| char::from((c as u8 - first + 13) % 26 + first);
///     text.chars().map(|c| match c {
///         'a'..='z' => turn(c, b'a'),
///         'A'..='Z' => turn(c, b'A'),
///         other => other,
///     }).collect()
/// }
///
/// impl ConfigCipher for Rot13 {
///     fn algorithm(&self) -> &str {
///         "rot13"
///     }
///
///     fn seal<'a>(&'a self, _: &'a ConfigName, content: String) -> BoxFuture<'a, Result<Sealed, BoxError>> {
///         async move { Ok(Sealed { content: turned(&content), data_key: "13".to_owned() }) }.boxed()
///     }
///
///     fn open<'a>(&'a self, _: &'a ConfigName, sealed: Sealed) -> BoxFuture<'a, Result<String, BoxError>> {
///         async move { Ok(turned(&sealed.content)) }.boxed()
///     }
/// }
///
/// let builder = nacrite_client::Client::builder().servers("nacos:8848");
/// let builder = builder.config_settings(|settings| settings.ciphers.push(std::sync::Arc::new(Rot13)));
/// ```
pub trait ConfigCipher: Send + Sync + 'static {
    /// Name of the algorithm, as it stands in data ids.
    fn algorithm(&self) -> &str;

    /// Makes a key for this content, encrypts the content with it, and encrypts the key.
    fn seal<'a>(&'a self, name: &'a ConfigName, content: String) -> BoxFuture<'a, Result<Sealed, BoxError>>;

    /// Decrypts the key, then the content.
    fn open<'a>(&'a self, name: &'a ConfigName, sealed: Sealed) -> BoxFuture<'a, Result<String, BoxError>>;
}

/// All filters of a client, in their order.
#[derive(Clone, Default)]
pub(crate) struct Filters {
    ordered: Vec<Arc<dyn ConfigFilter>>,
    ciphers: Vec<Arc<dyn ConfigCipher>>,
}

impl Filters {
    pub(crate) fn new(mut filters: Vec<Arc<dyn ConfigFilter>>, ciphers: Vec<Arc<dyn ConfigCipher>>) -> Self {
        // Filters of one order stay in the order in which they were given.
        filters.sort_by_key(|filter| filter.order());
        Self { ordered: filters, ciphers }
    }

    /// What goes to the server.
    pub(crate) async fn outgoing(&self, name: &ConfigName, content: String) -> Result<Outgoing, Error> {
        let mut config = Outgoing { content, encrypted_data_key: None };
        for filter in &self.ordered {
            let filtered = filter.outgoing(name, config).await;
            config = filtered.map_err(|error| Error::Invalid(format!("config {name} was not let out: {error}")))?;
        }
        if let Some(cipher) = self.cipher(name)
            && config.encrypted_data_key.is_none()
        {
            let sealed = cipher.seal(name, config.content).await;
            let sealed =
                sealed.map_err(|error| Error::Invalid(format!("config {name} cannot be encrypted: {error}")))?;
            config = Outgoing { content: sealed.content, encrypted_data_key: Some(sealed.data_key) };
        }
        Ok(config)
    }

    /// What the program sees.
    pub(crate) async fn incoming(&self, name: &ConfigName, mut config: Config) -> Result<Config, Error> {
        if let Some(cipher) = self.cipher(name)
            && let Some(data_key) = config.encrypted_data_key.as_deref()
        {
            let sealed = Sealed { content: config.content.to_string(), data_key: data_key.to_owned() };
            let opened = cipher.open(name, sealed).await;
            let opened =
                opened.map_err(|error| Error::Undecodable(format!("config {name} cannot be decrypted: {error}")));
            config.content = opened?.into();
        }
        for filter in self.ordered.iter().rev() {
            let filtered = filter.incoming(name, config).await;
            config = filtered.map_err(|error| Error::Undecodable(format!("config {name} was not let in: {error}")))?;
        }
        Ok(config)
    }

    fn cipher(&self, name: &ConfigName) -> Option<&Arc<dyn ConfigCipher>> {
        let rest = name.data_id().strip_prefix(CIPHER_PREFIX)?;
        let names = |cipher: &&Arc<dyn ConfigCipher>| {
            rest.strip_prefix(cipher.algorithm()).is_some_and(|rest| rest.starts_with('-'))
        };
        self.ciphers.iter().find(names)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use futures_util::FutureExt;
    use nacrite_base::ConfigType;

    use super::*;
    use crate::config::value::Origin;

    /// Turns the content round, with a key that says so.
    pub(crate) struct Backwards;

    impl ConfigCipher for Backwards {
        fn algorithm(&self) -> &str {
            "backwards"
        }

        fn seal<'a>(&'a self, _: &'a ConfigName, content: String) -> BoxFuture<'a, Result<Sealed, BoxError>> {
            let sealed = Sealed { content: content.chars().rev().collect(), data_key: "key".to_owned() };
            async move { Ok(sealed) }.boxed()
        }

        fn open<'a>(&'a self, _: &'a ConfigName, sealed: Sealed) -> BoxFuture<'a, Result<String, BoxError>> {
            async move {
                if sealed.data_key == "key" {
                    Ok(sealed.content.chars().rev().collect())
                } else {
                    Err("the key does not fit".into())
                }
            }
            .boxed()
        }
    }

    struct Marks(i32, &'static str);

    impl ConfigFilter for Marks {
        fn order(&self) -> i32 {
            self.0
        }

        fn outgoing<'a>(
            &'a self,
            _: &'a ConfigName,
            mut config: Outgoing,
        ) -> BoxFuture<'a, Result<Outgoing, BoxError>> {
            config.content.push_str(self.1);
            async move { Ok(config) }.boxed()
        }

        fn incoming<'a>(&'a self, _: &'a ConfigName, mut config: Config) -> BoxFuture<'a, Result<Config, BoxError>> {
            async move {
                let content = config.content.strip_suffix(self.1).ok_or("not marked")?;
                config.content = content.into();
                Ok(config)
            }
            .boxed()
        }
    }

    fn filters() -> Filters {
        Filters::new(vec![Arc::new(Marks(2, "b")), Arc::new(Marks(1, "a"))], vec![Arc::new(Backwards)])
    }

    fn stored(outgoing: Outgoing) -> Config {
        let mut config = Config::from_content(&outgoing.content, ConfigType::Text, Origin::Server);
        config.encrypted_data_key = outgoing.encrypted_data_key.map(Into::into);
        config
    }

    #[tokio::test]
    async fn what_went_out_comes_in_as_it_was() {
        let (filters, name) = (filters(), ConfigName::from("cipher-backwards-x"));
        let out = filters.outgoing(&name, "text".to_owned()).await.expect("all let it out");
        assert_eq!((out.content.as_str(), out.encrypted_data_key.as_deref()), ("batxet", Some("key")));
        let config = filters.incoming(&name, stored(out)).await.expect("all let it in");
        assert_eq!(&*config.content, "text");
    }

    #[tokio::test]
    async fn only_data_ids_of_the_algorithm_are_encrypted() {
        for plain in ["x", "cipher-other-x", "cipher-backwards", "cipher-backwardsx-y"] {
            let out = filters().outgoing(&plain.into(), "text".to_owned()).await.expect("all let it out");
            assert_eq!((out.content.as_str(), out.encrypted_data_key), ("textab", None), "{plain}");
        }
    }

    #[tokio::test]
    async fn a_content_that_cannot_be_decrypted_is_an_error_and_not_shown() {
        let mut config = Config::from_content("secret", ConfigType::Text, Origin::Server);
        config.encrypted_data_key = Some("other".into());
        let error = filters().incoming(&"cipher-backwards-x".into(), config).await.expect_err("another key");
        assert!(matches!(&error, Error::Undecodable(why) if why.contains("does not fit") && !why.contains("secret")));
    }
}
