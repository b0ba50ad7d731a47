//! `${NAME:default}` in the address of an address server.

/// Replaces every `${NAME}` and `${NAME:default}` by what `look_up` knows under that name, else by the default, else by
/// nothing. What is never closed stays as it is.
pub(super) fn expand(text: &str, look_up: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        out.push_str(before);
        let (name, default) = inside.split_once(':').unwrap_or((inside, ""));
        let known = look_up(name.trim()).filter(|value| !value.trim().is_empty());
        out.push_str(known.as_deref().unwrap_or(default).trim());
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_default_where_unknown_or_blank() {
        let known = |name: &str| match name {
            "HOST" => Some("registry".to_owned()),
            "BLANK" => Some(" ".to_owned()),
            _ => None,
        };
        for (text, expected) in [
            ("plain", "plain"),
            ("${HOST}", "registry"),
            ("${HOST:other}.local", "registry.local"),
            ("${NONE:other}", "other"),
            ("${BLANK:other}", "other"),
            ("${NONE}", ""),
            ("a${HOST}b${NONE:c:1}", "aregistrybc:1"),
            ("${HOST", "${HOST"),
        ] {
            assert_eq!(expand(text, known), expected, "{text}");
        }
    }
}
