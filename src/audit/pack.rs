//! What an evidence pack holds: plain data in a fixed order, with lists that are bounded and say what they leave out.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::lives::{Change, Revocation};
use super::population::Source;
use crate::model::Instant;
use crate::model::event::{Cause, State};
use crate::model::finding::{Finding, Outcome, Severity, Verdict};
use crate::model::record::Kind;

/// Everything that is told of an instant.
#[derive(Debug, Clone, Serialize)]
pub struct Pack {
    /// Of which instant and run.
    pub head: Head,
    /// Each source: whether what was judged is all there was to judge.
    pub population: Vec<Source>,
    /// How the grants stand.
    pub coverage: Coverage,
    /// How they stood after each run of the period, thinned out.
    pub coverage_over_time: Vec<CoverageAt>,
    /// Open findings at the end of each day of the period, thinned out.
    pub open_over_time: Vec<OpenAt>,
    /// The findings of the instant, counted.
    pub findings: Counted,
    /// Each framework with its controls.
    pub frameworks: Vec<Framework>,
    /// Exceptions in force, those that end first come first.
    pub exceptions: Bounded<ExceptionLine>,
    /// What happened to findings in the period, by cause.
    pub changes_by_cause: BTreeMap<&'static str, u64>,
    /// The latest of these changes.
    pub changes: Bounded<Change>,
    /// The latest grants that were found gone, with where that was seen.
    pub revocations: Bounded<Revocation>,
    /// The first findings that are not resolved, worst first.
    pub list: Bounded<Listed>,
}

/// Of which instant a pack tells, and what it was judged with.
#[derive(Debug, Clone, Serialize)]
pub struct Head {
    /// The instant.
    pub as_of: Instant,
    /// Where the period of changes begins.
    pub from: Instant,
    /// Whether it would begin earlier if more were kept.
    pub from_is_first_known: bool,
    /// The last run that had ended by the instant.
    pub run: u64,
    /// Its instant.
    pub run_at: Instant,
    /// How many runs there were in the period.
    pub runs: u64,
    /// The hash of its manifest.
    pub manifest: String,
    /// The hash of the settings it judged with.
    pub configuration: Option<String>,
    /// The name of the terms it judged with; `None` where they were not kept, and today's stand in their place.
    pub terms: Option<String>,
    /// The version of the program that made the run; `None` where that was not kept.
    pub judged_by: Option<String>,
    /// The version of the program that judged again for this pack.
    pub version: &'static str,
    /// What there is to be careful about, each a sentence.
    pub cautions: Vec<String>,
    /// The last checkpoint of the evidence log that was made by then: its origin, how many entries it covers, and their root
    /// in base64.
    pub checkpoint: Option<String>,
}

/// A list that ends somewhere.
#[derive(Debug, Clone, Serialize)]
pub struct Bounded<T> {
    /// The entries.
    pub listed: Vec<T>,
    /// How many more there are.
    pub more: u64,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { listed: vec![], more: 0 }
    }
}

impl<T> Bounded<T> {
    /// How many there are, listed or not.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.more + self.listed.len() as u64
    }
}

/// How many by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each field is the count of the severity of its name")]
pub struct BySeverity {
    pub critical: u64,
    pub high: u64,
    pub medium: u64,
    pub low: u64,
}

impl BySeverity {
    /// The count of a severity.
    #[must_use]
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
        }
    }

    /// The same, to be changed.
    pub(super) fn of_mut(&mut self, severity: Severity) -> &mut u64 {
        match severity {
            Severity::Critical => &mut self.critical,
            Severity::High => &mut self.high,
            Severity::Medium => &mut self.medium,
            Severity::Low => &mut self.low,
        }
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low
    }

    pub(super) fn add(&mut self, other: &Self) {
        for severity in Severity::ALL {
            *self.of_mut(severity) += other.of(severity);
        }
    }
}

/// How many grants are justified, are not, and of how many that is not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// An approval, an open emergency or a birthright carries them.
    pub justified: u64,
    /// Nothing carries them.
    pub unjustified: u64,
    /// The tickets were not seen completely.
    pub unknown: u64,
}

impl Outcomes {
    pub(super) fn add(&mut self, outcome: Outcome, n: u64) {
        *match outcome {
            Outcome::Justified => &mut self.justified,
            Outcome::Unjustified => &mut self.unjustified,
            Outcome::Unknown => &mut self.unknown,
        } += n;
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.justified += other.justified;
        self.unjustified += other.unjustified;
        self.unknown += other.unknown;
    }

    /// All grants.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.justified + self.unjustified + self.unknown
    }
}

/// Something counted by a name.
#[derive(Debug, Clone, Serialize)]
pub struct Named<T> {
    /// The name; `None` where there is none: no system, nobody who holds the office.
    pub name: Option<String>,
    /// How many.
    pub count: T,
}

/// The largest of what was counted by name, and the others as one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Top<T> {
    /// The largest, largest first.
    pub listed: Vec<Named<T>>,
    /// How many other names there are.
    pub others: u64,
    /// These together.
    pub rest: T,
}

/// How the grants stand.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Coverage {
    /// All of them.
    pub all: Outcomes,
    /// By standing.
    pub by_standing: BTreeMap<&'static str, u64>,
    /// By system.
    pub by_system: Top<Outcomes>,
    /// By the kind of identity that holds them; `None`: no record of the identity is known.
    pub by_kind: BTreeMap<Option<&'static str>, Outcomes>,
}

/// How the grants stood after a run.
#[derive(Debug, Clone, Serialize)]
pub struct CoverageAt {
    /// The run.
    pub run: u64,
    /// Its instant.
    pub at: Instant,
    /// How they stood.
    pub grants: Outcomes,
}

/// What was open at an instant.
#[derive(Debug, Clone, Serialize)]
pub struct OpenAt {
    /// The instant: the end of a day, at last that of the pack.
    pub at: Instant,
    /// Open findings.
    pub open: BySeverity,
    /// Findings that an exception accepted.
    pub accepted: u64,
}

/// How long findings have been open.
pub const AGES: [(&str, u64); 5] = [
    ("less than a day", 1),
    ("less than 7 days", 7),
    ("less than 30 days", 30),
    ("less than 90 days", 90),
    ("90 days and more", u64::MAX),
];

/// The findings of an instant, counted; each count of the open ones has the same sum.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counted {
    /// Open findings.
    pub open: BySeverity,
    /// Findings that an exception accepts.
    pub accepted: BySeverity,
    /// Of the open ones, those that had not been told by then.
    pub untold: u64,
    /// Of the open ones, those that were not to be seen any more and are not taken for resolved yet.
    pub lingering: u64,
    /// Open findings by check.
    pub by_check: Vec<Named<BySeverity>>,
    /// Open findings by system.
    pub by_system: Top<BySeverity>,
    /// Open findings by who answers first.
    pub by_person: Top<BySeverity>,
    /// Open findings by how long they have been open, as [`AGES`]; at last those that were never told.
    pub by_age: [BySeverity; AGES.len() + 1],
}

/// How a finding stood.
#[derive(Debug, Clone, Serialize)]
pub struct Stood {
    /// Open or accepted.
    pub state: State,
    /// Whether it was told; `None`: yes, else why not.
    pub untold: Option<&'static str>,
    /// Why it stands though it is not to be seen any more; `None` where it is.
    pub lingers: Option<&'static str>,
    /// When it was first seen, over all episodes.
    pub first_seen: Option<Instant>,
    /// When it came, or came back.
    pub opened: Option<Instant>,
    /// When it last changed.
    pub changed: Option<Instant>,
    /// How often it has come.
    pub episode: u32,
    /// What was last told of it.
    pub cause: Option<Cause>,
}

/// A finding in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// How it stood.
    pub stood: Stood,
    /// The finding.
    pub finding: Finding<'static>,
}

/// An exception in force.
#[derive(Debug, Clone, Serialize)]
pub struct ExceptionLine {
    /// The check.
    pub check: String,
    /// Who accepted.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when, exclusive.
    pub until: Instant,
    /// When it was given, where a person gave it to Counterfoil.
    pub given: Option<Instant>,
    /// How many findings it accepts.
    pub findings: u64,
    /// Some of them, by id.
    pub ids: Vec<String>,
}

/// A framework with its controls.
#[derive(Debug, Clone, Serialize)]
pub struct Framework {
    /// Its id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// Which edition.
    pub version: String,
    /// Where the text can be read.
    pub source: String,
    /// Its controls, in the order in which the framework lists them.
    pub controls: Vec<Control>,
}

/// What can be said of a control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assessed {
    /// Its checks could see everything, and found nothing that nobody accepted.
    Pass,
    /// There are open findings.
    Fail,
    /// The evidence is not enough to say either.
    NotAssessable,
}

impl Assessed {
    /// The words for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotAssessable => "not assessable",
        }
    }
}

/// A control, and what the findings say of it.
#[derive(Debug, Clone, Serialize)]
pub struct Control {
    /// Its id.
    pub id: String,
    /// What it asks for.
    pub title: String,
    /// The checks that speak to it.
    pub checks: Vec<String>,
    /// What can be said.
    pub result: Assessed,
    /// Why it cannot be assessed, or only in part.
    pub gaps: Vec<String>,
    /// Open findings.
    pub open: u64,
    /// Accepted findings.
    pub accepted: u64,
    /// Some of the open ones, by id.
    pub ids: Vec<String>,
}

/// Takes what may be too much to be held, row by row.
pub trait Rows {
    /// A finding that is not resolved.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finding(&mut self, _finding: &Finding<'_>, _stood: &Stood) -> io::Result<()> {
        Ok(())
    }

    /// A grant, and the kind of who holds it.
    ///
    /// # Errors
    /// When it cannot be written.
    fn grant(&mut self, _verdict: &Verdict<'_>, _kind: Option<Kind>) -> io::Result<()> {
        Ok(())
    }

    /// Something that happened to a finding in the period.
    ///
    /// # Errors
    /// When it cannot be written.
    fn change(&mut self, _change: &Change) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody takes them.
impl Rows for () {}
