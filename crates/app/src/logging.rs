//! Changing what is logged while the server runs. How it is done belongs to whoever set the logging up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use nacrite_base::Fault;
use parking_lot::Mutex;

type Set = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// Levels that are understood.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The way to what is logged.
#[derive(Clone)]
pub struct LogControl(Arc<Inner>);

struct Inner {
    set: Box<Set>,
    levels: Mutex<Levels>,
}

/// What is logged: as it was set at the start, and what was changed since.
#[derive(Clone, Default)]
struct Levels {
    all: String,
    parts: BTreeMap<String, String>,
}

impl Levels {
    fn text(&self) -> String {
        let parts = self.parts.iter().map(|(part, level)| format!(",{part}={level}"));
        self.all.clone() + &parts.collect::<String>()
    }
}

impl LogControl {
    /// Logs `levels` now, and calls `set` to log others: a level (`debug`), or levels by part
    /// (`info,nacrite_grpc=debug`).
    pub fn new(levels: &str, set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        let levels = Levels { all: levels.to_owned(), ..Levels::default() };
        Self(Arc::new(Inner { set: Box::new(set), levels: Mutex::new(levels) }))
    }

    /// Logs what it logs: for servers inside tests.
    #[must_use]
    pub fn fixed() -> Self {
        Self::new("info", |_| Err("what is logged cannot be changed here".to_owned()))
    }

    /// Logs a part of the server at this level from now on. A part is a module (`nacrite_grpc`), or `root` for
    /// everything.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if it is not understood; then nothing changed.
    pub fn set(&self, part: &str, level: &str) -> Result<(), Fault> {
        let invalid = |message| Fault::ParamInvalid { message };
        let level = level.to_ascii_lowercase();
        if !LEVELS.contains(&level.as_str()) {
            return Err(invalid(format!("a level is one of {}", LEVELS.join(", "))));
        }
        let is_module = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte));
        if part.is_empty() || !is_module {
            let message = "a part is a module such as nacrite_grpc, or root for everything";
            return Err(invalid(message.to_owned()));
        }
        let mut levels = self.0.levels.lock();
        let mut next = levels.clone();
        match part {
            "root" => next = Levels { all: level, ..Levels::default() },
            part => drop(next.parts.insert(part.to_owned(), level)),
        }
        (self.0.set)(&next.text()).map_err(invalid)?;
        *levels = next;
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogControl")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_root_starts_anew() {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let (tell, first) = (Arc::clone(&told), "warn,nacrite_app=info");
        let log = LogControl::new(first, move |levels| {
            tell.lock().push(levels.to_owned());
            Ok(())
        });
        for (part, level) in
            [("nacrite_grpc", "DEBUG"), ("nacrite_http", "trace"), ("nacrite_grpc", "info"), ("root", "error")]
        {
            assert!(log.set(part, level).is_ok());
        }
        assert_eq!(
            *told.lock(),
            [
                "warn,nacrite_app=info,nacrite_grpc=debug",
                "warn,nacrite_app=info,nacrite_grpc=debug,nacrite_http=trace",
                "warn,nacrite_app=info,nacrite_grpc=info,nacrite_http=trace",
                "error",
            ]
        );
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        let log = LogControl::new("info", |levels| panic!("told {levels}"));
        for (part, level) in [("root", "loud"), ("", "info"), ("core-auth", "info"), ("a=b,c", "info")] {
            assert!(matches!(log.set(part, level), Err(Fault::ParamInvalid { .. })), "{part} {level}");
        }
    }
}
