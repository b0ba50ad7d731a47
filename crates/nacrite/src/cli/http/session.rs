//! What questions over HTTP have in common: logging in, and reading what is answered.

use std::collections::BTreeMap;

use nacrite_client::ServerAddress;
use nacrite_client::config::{Format, KeyChange, diff};

use super::Question;
use crate::cli::connect::Access;
use crate::cli::failure::{Failure, Kind};
use crate::cli::http;

/// Where servers log users in: those of 3.0, and the older ones.
const LOGINS: [&str; 2] = ["/v3/auth/user/login", "/v1/auth/users/login"];

/// A token, if there is somebody to log in and the server knows of logins.
///
/// # Errors
/// The server was not reached, or refused the login.
pub(crate) async fn log_in(server: &ServerAddress, access: &Access) -> Result<Option<String>, Failure> {
    let Some(user) = access.user()? else {
        return Ok(None);
    };
    for path in LOGINS {
        let question = Question::post(format!("{}{path}", access.path_prefix()))
            .query("username", user.name)
            .form("password", user.password);
        let answer = http::ask(server, &question, access.within()).await?;
        match (answer.status, fields(&answer.body).and_then(|mut fields| fields.remove("accessToken"))) {
            (404 | 501, _) => {}
            (200, Some(token)) => return Ok(Some(token)),
            // The server's words are not repeated: they may repeat the password.
            (status, _) => {
                let text = format!("the login of {:?} was refused: {status}", user.name);
                return Err(Failure::new(Kind::Denied, text));
            }
        }
    }
    Ok(None)
}

/// The scalars of a JSON text by their paths, as `data.pageItems[0].dataId`.
pub(crate) fn fields(json: &str) -> Option<BTreeMap<String, String>> {
    let fields = diff(Format::Json, None, Some(json)).ok()?;
    let added = fields.into_iter().filter_map(|(key, change)| match change {
        KeyChange::Added(value) => Some((key, value)),
        _ => None,
    });
    Some(added.collect())
}
