//! One request: what it asks for, in parts that are encoded when it is sent.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::Error;
use crate::server::ServerAddress;

/// How this client introduces itself.
pub(crate) const AGENT: &str = concat!("Nacos-Rust-Client:v", env!("CARGO_PKG_VERSION"));

/// All but what is written as it is everywhere.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

type Params<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// A request that has not been sent. `Debug` shows no values: they hold contents and passwords.
pub(crate) struct Call<'a> {
    method: Method,
    path: Cow<'a, str>,
    query: Params<'a>,
    form: Params<'a>,
    headers: Vec<(HeaderName, HeaderValue)>,
    agent: &'a str,
    repeatable: bool,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: impl Into<Cow<'a, str>>) -> Self {
        let repeatable = true;
        Self { method, path: path.into(), query: vec![], form: vec![], headers: vec![], agent: AGENT, repeatable }
    }

    /// Reads. `path` begins with a slash and is whole: the context path is the caller's.
    pub(crate) fn get(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::GET, path)
    }

    /// Creates.
    pub(crate) fn post(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::POST, path)
    }

    /// Changes.
    pub(crate) fn put(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// Removes.
    pub(crate) fn delete(path: impl Into<Cow<'a, str>>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// Adds a parameter to the URL, which ends up in the logs of servers and gateways. Never a secret.
    pub(crate) fn query(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a field to the form in the body.
    pub(crate) fn form(mut self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        self.form.push((name, value.into()));
        self
    }

    /// Adds a parameter where parameters of the method go: into the body if it has one, else into the URL.
    pub(crate) fn param(self, name: &'a str, value: impl Into<Cow<'a, str>>) -> Self {
        if self.has_form() { self.form(name, value) } else { self.query(name, value) }
    }

    /// Adds a header; a value that cannot stand in one is left out.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        self
    }

    /// Introduces itself in another way.
    pub(crate) const fn agent(mut self, agent: &'a str) -> Self {
        self.agent = agent;
        self
    }

    /// Must not be sent a second time if the first may have arrived.
    pub(crate) const fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    pub(crate) const fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// Whether parameters go into a body. Servers read forms of these methods alone.
    pub(crate) fn has_form(&self) -> bool {
        self.method == Method::POST || self.method == Method::PUT
    }

    /// The path, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The same request with what a server wants to see of its sender.
    pub(crate) fn with(&self, more: &'a [(String, String)], is_param: impl Fn(&str) -> bool) -> Self {
        let mut call = Self {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            form: self.form.clone(),
            headers: self.headers.clone(),
            agent: self.agent,
            repeatable: self.repeatable,
        };
        for (name, value) in more {
            call = if is_param(name) { call.param(name, value.as_str()) } else { call.header(name, value) };
        }
        call
    }

    /// As it is sent to `server`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the path or the name of the server cannot stand in a request.
    pub(crate) fn request(&self, server: &ServerAddress) -> Result<Request<Full<Bytes>>, Error> {
        let mut target = self.path.clone().into_owned();
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&encoded(&self.query));
        }
        let mut request = Request::builder()
            .method(&self.method)
            .uri(target)
            .header(HOST, server.to_string())
            .header(USER_AGENT, self.agent)
            .header("Client-Version", AGENT)
            .header(ACCEPT_ENCODING, "gzip")
            .header("RequestId", format!("{:032x}", rand::random::<u128>()));
        let mut body = Bytes::new();
        if !self.form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded;charset=UTF-8");
            body = encoded(&self.form).into();
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).map_err(|e| Error::Invalid(format!("{} at {server}: {e}", self.path)))
    }
}

impl std::fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

fn encoded(params: &Params<'_>) -> String {
    let mut out = String::new();
    for (name, value) in params {
        if !out.is_empty() {
            out.push('&');
        }
        out.extend(utf8_percent_encode(name, ENCODED));
        out.push('=');
        out.extend(utf8_percent_encode(value, ENCODED));
    }
    out
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn server() -> ServerAddress {
        "nacos:80".parse().expect("an address")
    }

    #[tokio::test]
    async fn parameters_go_where_the_method_has_room_for_them() {
        let read = Call::get("/nacos/x").param("a b", "1&2").request(&server()).expect("sendable");
        assert_eq!(read.uri(), "/nacos/x?a%20b=1%262");
        assert_eq!(read.headers()["host"], "nacos:80");
        let written = Call::post("/nacos/x").query("q", "1").param("c", "ü=~").request(&server()).expect("sendable");
        assert_eq!(written.uri(), "/nacos/x?q=1");
        let body = written.into_body().collect().await.expect("in memory").to_bytes();
        assert_eq!(body, "c=%C3%BC%3D~");
    }

    #[test]
    fn nothing_but_method_and_path_is_shown() {
        let call = Call::post("/login").form("password", "hidden").query("who", "me").header("token", "hidden");
        assert_eq!(format!("{call:?}"), "POST /login");
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_left_out() {
        let call = Call::get("/").header("a", "line\nbreak").header("b", "fine");
        let request = call.request(&server()).expect("sendable");
        assert!(!request.headers().contains_key("a"));
        assert_eq!(request.headers()["b"], "fine");
    }
}
