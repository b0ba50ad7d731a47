//! Variables of an environment as settings: `APP_POOL__MAX_SIZE=8` is the field `max_size` of `pool`.

use std::ffi::OsString;

use crate::config::format::Unfit;
use crate::config::tree::Tree;

/// Between the levels of a name. One underscore is a part of a word: nobody could tell `max_size` from `size` of `max`.
const LEVEL: &str = "__";

/// The variables that begin with `prefix`, without it. Names are read in small letters; how they are spelled in the layers
/// below is found by whoever lays them over these. What is no UTF-8 cannot be a setting, and is passed over.
pub(super) fn tree(
    prefix: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Option<Tree>, Unfit> {
    let ours = variables.into_iter().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let name = name.strip_prefix(prefix)?.to_ascii_lowercase();
        let key = name.split(LEVEL).collect::<Vec<_>>().join(".");
        (!key.split('.').any(str::is_empty)).then_some((key, value))
    });
    // In order, so that of two names for one value always the same counts.
    let mut pairs: Vec<(String, String)> = ours.collect();
    pairs.sort_unstable();
    let mut tree = Tree::empty();
    for (key, value) in &pairs {
        tree.insert_at(key, value.clone())?;
    }
    Ok((!pairs.is_empty()).then_some(tree))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::format::Format;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Tree>, Unfit> {
        tree("APP_", variables.iter().map(|(name, value)| (name.into(), value.into())))
    }

    #[test]
    fn names_are_paths_in_small_letters() {
        let tree = read(&[("APP_POOL__MAX_SIZE", "8"), ("APP_NAME", "x"), ("PATH", "/bin"), ("APP_", "y")]);
        let expected = Format::Json.tree(r#"{"pool":{"max_size":"8"},"name":"x"}"#);
        assert!(tree == expected.map(Some));
        assert!(read(&[("PATH", "/bin"), ("APP_A____B", "1")]).is_ok_and(|tree| tree.is_none()));
    }

    #[test]
    fn a_value_and_a_group_at_once_is_told() {
        let why = read(&[("APP_A", "1"), ("APP_A__B", "2")]).expect_err("both at once");
        assert_eq!(why.key.as_deref(), Some("a.b"));
    }
}
