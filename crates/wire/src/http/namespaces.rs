//! Namespaces as they are asked for and shown. All three generations share the model; they differ in how the default one
//! and the kind are written, and in who refuses a bad id (`reference/http.md`, 2.6; recorded: `console-namespaces`,
//! `v2/console-namespace`, `v3/core-namespace`).

use nacrite_base::name::NameKind;
use nacrite_base::{Fault, NameError, NamespaceId};

use super::envelope::write_list;
use super::params::Params;
use super::refusal::{Refusal, shown};
use crate::json;

/// Characters that a title must not hold, and how many it may have.
const TITLE_ILLEGAL: &[char] = &['@', '#', '$', '%', '^', '&', '*'];
const TITLE_LEN_MAX: usize = 256;

/// Characters of an id in v3; the parameter check of the older generations allows fewer.
const ID_LEN_MAX: usize = 128;

/// A namespace that is to be created or changed.
#[derive(Debug, PartialEq, Eq)]
pub struct NamespaceAsk {
    /// Its id; `None` to have one made.
    pub id: Option<String>,
    /// The name people read.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
}

/// Reads a namespace that is to be created in v1; `None` for a title that it cannot have.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_create(params: &Params<'_>) -> Result<Option<NamespaceAsk>, Refusal> {
    let id = params.bound("customNamespaceId")?;
    let title = params.bound("namespaceName")?;
    check_id(id)?;
    check_title(title)?;
    Ok((!title.trim().is_empty()).then(|| ask(params, id, title)))
}

/// Reads a namespace that is to be changed in v1; `None` for a title that it cannot have.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_update(params: &Params<'_>) -> Result<Option<NamespaceAsk>, Refusal> {
    let id = params.bound("namespace")?;
    let title = params.bound("namespaceShowName")?;
    check_id(id)?;
    let is_legal = !title.trim().is_empty() && check_title(title).is_ok();
    Ok(is_legal.then(|| ask(params, id, title)))
}

/// Reads a namespace of v2.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v2_form(params: &Params<'_>) -> Result<NamespaceAsk, Refusal> {
    let (id, title) = fields(params)?;
    check_id(id)?;
    check_title(title)?;
    if title.trim().is_empty() {
        return Err(illegal_title(title));
    }
    Ok(ask(params, id, title))
}

/// Reads a namespace of v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v3_form(params: &Params<'_>) -> Result<NamespaceAsk, Refusal> {
    let (id, title) = fields(params)?;
    let illegal = |message: String| Err(Refusal::NamespaceIllegal { message });
    if !id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return illegal(format!("namespaceId [{}] mismatch the pattern", shown(id)));
    }
    if id.len() > ID_LEN_MAX {
        return illegal(format!("too long namespaceId, over {ID_LEN_MAX}"));
    }
    if title.trim().is_empty() || check_title(title).is_err() {
        return Err(illegal_title(title));
    }
    Ok(ask(params, id, title))
}

fn fields<'p>(params: &'p Params<'_>) -> Result<(&'p str, &'p str), Refusal> {
    let field = |name: &'static str| params.sent(name).ok_or(Refusal::FieldMissing { name });
    Ok((field("namespaceId")?.trim(), field("namespaceName")?))
}

fn ask(params: &Params<'_>, id: &str, title: &str) -> NamespaceAsk {
    NamespaceAsk {
        id: Some(id.trim()).filter(|id| !id.is_empty()).map(str::to_owned),
        title: title.to_owned(),
        description: params.sent("namespaceDesc").map(str::to_owned),
    }
}

/// An id as the parameter check of v1 and v2 allows it; blank is for others to interpret.
///
/// # Errors
/// [`Fault::Name`].
pub fn check_id(id: &str) -> Result<(), Refusal> {
    super::naming::unless_blank(NamespaceId::parse(id))
}

fn check_title(title: &str) -> Result<(), Refusal> {
    let kind = NameKind::NamespaceTitle;
    if title.chars().count() > TITLE_LEN_MAX {
        return Err(Fault::Name(NameError::TooLong { kind, len_max: TITLE_LEN_MAX }).into());
    }
    if title.contains(TITLE_ILLEGAL) {
        return Err(Fault::Name(NameError::IllegalCharacters { kind }).into());
    }
    Ok(())
}

fn illegal_title(title: &str) -> Refusal {
    Refusal::NamespaceIllegal { message: format!("namespaceName [{}] contains illegal char", shown(title)) }
}

/// How a generation writes namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceDialect {
    /// v1 and v2: the default one has no id, one that was created is of kind 2.
    Before3,
    /// v3: the default one is `public`, one that was created is of kind 1.
    Since3,
}

/// A namespace as it is shown.
#[derive(Clone, Debug)]
pub enum NamespaceShown<'a> {
    /// The default one; `asked_as` is the id that the caller gave for it, if it gave one.
    Default {
        /// As the caller named it.
        asked_as: Option<&'a str>,
    },
    /// One that was created.
    Created {
        /// Its id.
        id: &'a str,
        /// The name people read.
        title: &'a str,
        /// What it is for.
        description: Option<&'a str>,
    },
}

impl NamespaceShown<'_> {
    /// Writes the namespace with the number of its configs.
    pub fn write(&self, out: &mut Vec<u8>, configs: usize, dialect: NamespaceDialect) {
        let (id, title, description, kind) = match (self, dialect) {
            (Self::Default { asked_as: Some(id) }, _) => (*id, "public", Some("Default Namespace"), 0),
            (Self::Default { .. }, NamespaceDialect::Before3) => ("", "public", Some("Default Namespace"), 0),
            (Self::Default { .. }, NamespaceDialect::Since3) => ("public", "public", Some("Default Namespace"), 0),
            (Self::Created { id, title, description }, dialect) => {
                (*id, *title, *description, if dialect == NamespaceDialect::Since3 { 1 } else { 2 })
            }
        };
        out.extend_from_slice(b"{\"namespace\":");
        json::write(out, id);
        out.extend_from_slice(b",\"namespaceShowName\":");
        json::write(out, title);
        out.extend_from_slice(b",\"namespaceDesc\":");
        json::write(out, &description);
        // Informational in Nacos, too: nobody counts against it.
        out.extend_from_slice(b",\"quota\":200,\"configCount\":");
        json::write(out, &configs);
        out.extend_from_slice(b",\"type\":");
        json::write(out, &kind);
        out.push(b'}');
    }
}

/// Writes all namespaces, each with the number of its configs.
#[must_use]
pub fn list<'a>(all: impl IntoIterator<Item = (NamespaceShown<'a>, usize)>, dialect: NamespaceDialect) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write_list(&mut out, all, |out, (namespace, configs)| namespace.write(out, configs, dialect));
    out
}

#[cfg(test)]
mod tests {
    use super::super::naming::tests::params;
    use super::*;

    fn told<T>(read: Result<T, Refusal>) -> Result<(), String> {
        read.map(|_| ()).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn v1_answers_a_bad_title_and_refuses_a_bad_id() {
        let create = |id, title| v1_create(&params(&[("customNamespaceId", id), ("namespaceName", title)]));
        assert!(create("a", "A").is_ok_and(|ask| ask.is_some_and(|ask| ask.id.as_deref() == Some("a"))));
        assert!(create("", "A").is_ok_and(|ask| ask.is_some_and(|ask| ask.id.is_none())));
        assert!(create("a", "").is_ok_and(|ask| ask.is_none()));
        assert!(told(create("a.b", "A")).is_err() && told(create("a", "a@b")).is_err());
        let update = v1_update(&params(&[("namespace", "a"), ("namespaceShowName", "a#b")]));
        assert!(update.is_ok_and(|ask| ask.is_none()));
    }

    #[test]
    fn later_generations_refuse_in_their_own_words() {
        let form = |id, title| [("namespaceId", id), ("namespaceName", title)];
        let missing = Err("required parameter 'namespaceId' is missing".to_owned());
        assert_eq!(told(v2_form(&params(&[("namespaceName", "x")]))), missing);
        let empty = Err("namespaceName [] contains illegal char".to_owned());
        assert_eq!(told(v2_form(&params(&form("a", "")))), empty);
        assert_eq!(told(v3_form(&params(&form("a", "")))), empty);
        let pattern = Err("namespaceId [a b] mismatch the pattern".to_owned());
        assert_eq!(told(v3_form(&params(&form("a b", "x")))), pattern);
        let (longest, longer) = ("n".repeat(128), "n".repeat(129));
        assert!(told(v3_form(&params(&form(&longest, "x")))).is_ok());
        let long = Err("too long namespaceId, over 128".to_owned());
        assert_eq!(told(v3_form(&params(&form(&longer, "x")))), long);
        assert!(told(v2_form(&params(&form(&longest, "x")))).is_err());
    }

    #[test]
    fn the_default_one_and_the_kind_are_written_per_generation() {
        let created = NamespaceShown::Created { id: "n", title: "N", description: None };
        let all = || [(NamespaceShown::Default { asked_as: None }, 3), (created.clone(), 0)];
        let before = r#"[{"namespace":"","namespaceShowName":"public","namespaceDesc":"Default Namespace","quota":200,"configCount":3,"type":0},{"namespace":"n","namespaceShowName":"N","namespaceDesc":null,"quota":200,"configCount":0,"type":2}]"#;
        assert_eq!(list(all(), NamespaceDialect::Before3), before.as_bytes());
        let since = String::from_utf8(list(all(), NamespaceDialect::Since3)).expect("JSON");
        assert!(since.starts_with(r#"[{"namespace":"public","#) && since.ends_with(r#""type":1}]"#), "{since}");
    }
}
