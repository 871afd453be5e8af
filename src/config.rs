//! The configuration file.
//!
//! TOML; every table is closed, so that a mistyped name is an error with its line and not a silent default.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::judge::{Accountability, Birthright, Checks, Settings};

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Thresholds, and checks that are off or weigh differently.
    pub checks: Checks,
    /// What everyone of a kind may hold without a request.
    pub birthright: Vec<Birthright>,
    /// Who answers where no record names anybody.
    pub accountability: Accountability,
}

/// Why a configuration cannot be used.
#[derive(Debug)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Says what is wrong with file, line and column.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display();
        let text =
            std::fs::read_to_string(path).map_err(|e| ConfigError(format!("{file}: cannot be read: {e}")))?;
        Self::parse(&file.to_string(), &text)
    }

    /// Reads a text.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|e| {
            let place = e.span().map(|span| {
                let before = text.get(..span.start).unwrap_or(text);
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
                format!(":{line}:{column}")
            });
            ConfigError(format!("{file}{}: {}", place.unwrap_or_default(), e.message()))
        })
    }

    /// What the judge is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            checks: self.checks.clone(),
            birthrights: self.birthright.clone(),
            accountability: self.accountability.clone(),
        }
    }
}
