//! Every setting, as text for people: what `nacrite settings` prints and `docs/operating/configuration.md` holds.

use std::fmt::Write;

use super::Settings;
use super::table::SETTINGS;

/// The page, in Markdown.
#[must_use]
pub(crate) fn text() -> String {
    let mut defaults = Settings::default();
    let mut out = String::from(HEAD);
    for setting in SETTINGS {
        let default = match setting.show(&mut defaults) {
            nothing if nothing.is_empty() => "none".to_owned(),
            value => format!("`{value}`"),
        };
        // Writing to a String does not fail.
        write!(
            out,
            "\n## `{}`\n\n{}\n\n- Default: {default}\n- Expects: {}\n- Environment: `{}`\n",
            setting.name,
            setting.help,
            setting.expects(),
            setting.env_name(),
        )
        .ok();
        if !setting.nacos.is_empty() {
            writeln!(out, "- Nacos: `{}`", setting.nacos.join("`, `")).ok();
        }
    }
    out
}

const HEAD: &str = "\
# Settings

Printed by `nacrite settings`. A flag wins over the environment, the environment over the file, the file over the
default. `--set name=value` sets any of them; the most used have a flag of their own (`nacrite server --help`).

A file is given with `--config`: `.toml` with these names (`[push]`, then `settle_ms = 50`), or the
`application.properties` of a Nacos, whose names are understood where they mean the same. A name that nobody knows is
refused, with the nearest one that is known.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_documentation_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operating/configuration.md");
        let kept = std::fs::read_to_string(path).expect("the page is there");
        assert!(kept == text(), "write it anew: cargo run -p nacrite -- settings > docs/operating/configuration.md");
    }
}
