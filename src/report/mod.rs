//! How findings are told: a table for a person, JSON lines, short ones and a JSON array for a program, OCSF events
//! for a security data lake.
//!
//! The judge hands findings over one by one, in their final order, and there may be millions of them: every
//! writer works in memory that does not grow with their number. A writer judges nothing, reads no clock and no
//! environment; what depends on the terminal is an [`Options`] value the caller fills in.

pub mod chain;
mod compact;
pub mod html;
mod json;
mod line;
pub mod ocsf;
mod order;
mod style;
mod table;
pub mod text;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use crate::model::Instant;
use crate::model::finding::{Finding, Outcome, Severity, Standing};

pub use compact::{Compact, write_compact};
pub use json::{JsonArray, JsonLines, write_line};
pub use line::Lines;
pub use order::{order_of_finding, order_of_verdict};
pub use style::Style;
pub use table::Table;

/// The form in which findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// For a person: grouped, counted, cut to what fits.
    Table,
    /// One finding a line (`counterfoil.finding/1`).
    Jsonl,
    /// One JSON array of the same findings.
    Json,
    /// One short line of JSON a finding, for programs that take in millions.
    Compact,
    /// One OCSF event a line.
    Ocsf,
}

impl Format {
    /// All formats, in the order in which they are named to a person.
    pub const ALL: [Self; 5] = [Self::Table, Self::Jsonl, Self::Json, Self::Compact, Self::Ocsf];

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Compact => "compact",
            Self::Ocsf => "ocsf",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Format {
    type Err = String;

    /// Reads the word on the command line; the error names the words there are.
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|f| f.as_str() == s)
            .ok_or_else(|| format!("found `{s}`, expected table, jsonl, json, compact or ocsf"))
    }
}

/// What is known before the first finding.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// The instant judged at.
    pub now: Instant,
    /// The version of the product, as it appears in OCSF events.
    pub version: &'a str,
    /// The family a check belongs to, in words (`authority`, `life cycle` …); `None` where it has none.
    pub category: fn(&str) -> Option<&'static str>,
}

impl Head<'_> {
    /// A head with the version of this crate and no families.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { now, version: env!("CARGO_PKG_VERSION"), category: |_| None }
    }
}

/// What is known after the last finding. The findings themselves are counted by the writers.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// How many grants have each standing; `None` when they were not counted.
    pub standings: Option<Standings>,
    /// Records that could not be read and were skipped.
    pub skipped_records: u64,
    /// Differing records with the key of another that were dropped.
    pub dropped_duplicates: u64,
    /// What to try next, as (command, what it shows); printed below the writer's own suggestions.
    pub hints: Vec<(String, String)>,
}

/// How many grants have each standing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standings([u64; Standing::ALL.len()]);

impl Standings {
    /// Counts `n` more grants with this standing.
    pub fn add(&mut self, standing: Standing, n: u64) {
        for (slot, s) in self.0.iter_mut().zip(Standing::ALL) {
            if s == standing {
                *slot = slot.saturating_add(n);
            }
        }
    }

    /// Each standing with its count, in the order in which standings are tried.
    pub fn iter(&self) -> impl Iterator<Item = (Standing, u64)> + '_ {
        Standing::ALL.into_iter().zip(self.0)
    }

    /// All grants.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |a, n| a.saturating_add(*n))
    }

    /// The grants whose standing has this outcome.
    #[must_use]
    pub fn with(&self, outcome: Outcome) -> u64 {
        self.iter().filter(|(s, _)| s.outcome() == outcome).fold(0, |a, (_, n)| a.saturating_add(n))
    }
}

/// Counts by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    low: u64,
    medium: u64,
    high: u64,
    critical: u64,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, severity: Severity) {
        let slot = match severity {
            Severity::Low => &mut self.low,
            Severity::Medium => &mut self.medium,
            Severity::High => &mut self.high,
            Severity::Critical => &mut self.critical,
        };
        *slot = slot.saturating_add(1);
    }

    /// How many of this severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        Severity::ALL.into_iter().fold(0, |a, s| a.saturating_add(self.of(s)))
    }
}

/// How the formats look; the command line fills it in from its options and the terminal.
#[derive(Debug, Clone)]
pub struct Options {
    /// Colour and width of the table.
    pub style: Style,
    /// How many findings of one check the table lists before it says how many more there are.
    pub rows: usize,
    /// How many people the table lists as answering.
    pub people: usize,
    /// The OCSF class and profile.
    pub ocsf: ocsf::Options,
}

impl Default for Options {
    /// Plain text, 100 columns, 8 findings for each check, 10 people.
    fn default() -> Self {
        Self { style: Style::default(), rows: 8, people: 10, ocsf: ocsf::Options::default() }
    }
}

/// Takes findings in their final order and prints them. Each call writes what it can at once; nothing is held
/// back but what [`Table`] needs to put its counts first.
pub trait Writer {
    /// Starts the output.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn begin(&mut self, head: &Head<'_>) -> io::Result<()>;

    /// Prints one finding.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()>;

    /// Ends the output and flushes it.
    ///
    /// # Errors
    /// When the output cannot be written.
    fn end(&mut self, summary: &Summary) -> io::Result<()>;
}

/// The JSON Schema of a finding, as `jsonl` and `json` print it.
#[must_use]
pub fn finding_schema() -> serde_json::Value {
    schemars::schema_for!(Finding<'_>).to_value()
}

/// The writer of a format. `out` gets one write for each finding; it need not be buffered, but gains by it.
#[must_use]
pub fn writer<'w, W: Write + 'w>(format: Format, options: Options, out: W) -> Box<dyn Writer + 'w> {
    match format {
        Format::Table => Box::new(Table::new(out, options)),
        Format::Jsonl => Box::new(JsonLines::new(out)),
        Format::Json => Box::new(JsonArray::new(out)),
        Format::Compact => Box::new(Compact::new(out)),
        Format::Ocsf => Box::new(ocsf::Events::new(out, options.ocsf)),
    }
}
