//! What commands print: values as a table for people, or as JSON or YAML for programs.
//!
//! Columns have the names that the fields have in JSON. Nothing is sorted here: whoever lists things puts them in order.

mod structured;
mod table;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;

use super::failure::{Failure, Kind};

/// In what form things are printed: a table for people, the others for programs. (Words at the variants would make the
/// help of every command twice as long.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    #[default]
    Table,
    Json,
    Yaml,
}

/// How to print; part of every command that shows something.
#[derive(clap::Args, Debug)]
pub(crate) struct OutputArgs {
    /// Form of what is printed: a table for people, the others for programs
    #[arg(long, short = 'o', value_enum, default_value_t, value_name = "FORM")]
    pub(crate) output: Form,
}

/// Something to print.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    /// A text, if there is one.
    pub(crate) fn text(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    /// Fields in the order in which they are given.
    pub(crate) fn map<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

/// Prints rows: a table with a heading, or a list of objects. An empty table is its heading alone.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn rows(form: Form, columns: &[&str], rows: Vec<Vec<Value>>) -> Result<(), Failure> {
    match form {
        Form::Table => print(&table::text(columns, &rows)),
        Form::Json | Form::Yaml => {
            let name =
                |row: Vec<Value>| Value::Map(columns.iter().map(|column| (*column).to_owned()).zip(row).collect());
            value(form, &Value::List(rows.into_iter().map(name).collect()))
        }
    }
}

/// Rows as lines of a table, without a heading.
pub(crate) fn lines(rows: &[Vec<Value>]) -> Vec<String> {
    table::lines(rows)
}

/// Prints one value by itself.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn value(form: Form, value: &Value) -> Result<(), Failure> {
    match form {
        Form::Table => print(&table::fields(value)),
        Form::Json => print(&format!("{}\n", structured::json(value))),
        Form::Yaml => print(&structured::yaml(value)),
    }
}

/// Prints one of many that follow each other: a line of JSON, or a document of YAML.
///
/// # Errors
/// Standard output is closed.
pub(crate) fn event(form: Form, event: &Value) -> Result<(), Failure> {
    match form {
        Form::Yaml => print(&format!("---\n{}", structured::yaml(event))),
        Form::Table => print(&table::fields(event)),
        Form::Json => print(&format!("{}\n", structured::json_line(event))),
    }
}

/// Prints text as it is.
///
/// # Errors
/// Standard output is closed: nothing is said, as nobody listens.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Kind::Failed, ""),
        _ => Failure::file("standard output", &error),
    })
}

/// A text for a terminal, without what would move its cursor or change its colours.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Colours, where they are wanted: on a terminal, unless `NO_COLOR` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Colours,
    Plain,
}

impl Paint {
    /// For standard output.
    pub(crate) fn for_output() -> Self {
        let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if io::stdout().is_terminal() && !is_unwanted { Self::Colours } else { Self::Plain }
    }

    fn with(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    /// Something new, or something good.
    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// Something gone, or something bad.
    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// Something that changed, or was not tried.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stand_around_the_text_or_not_at_all() {
        assert_eq!(Paint::Plain.red("x"), "x");
        assert_eq!(Paint::Colours.red("x"), "\x1b[31mx\x1b[0m");
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        assert_eq!(harmless("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\u{fffd}");
    }
}
