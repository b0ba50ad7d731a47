//! The rules that operators give while the server runs: how many connections there may be, whose requests are traced, and
//! how often something may be asked.
//!
//! Decides from rules and counts alone; where rules come from (files in Nacos's own format) is the binary's matter.

pub mod limit;
pub mod tps;

/// What happens above a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is counted and logged, and passes.
    Monitor,
    /// It is refused.
    #[default]
    Intercept,
}

impl Mode {
    /// The word for metrics and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Intercept => "intercept",
        }
    }
}
