//! `ocsf`: each finding as one event of the Open Cybersecurity Schema Framework, version 1.6.0, one a line.
//!
//! The default class is IAM Analysis Finding (2008). A lake that does not know it yet can have Detection Finding
//! (2004) or Compliance Finding (2003) instead. What the schema has no place for stands, whole, in `unmapped`:
//! the standing, the request, everybody who answers, the reasons, the evidence hashes.
//! Source: <https://schema.ocsf.io/1.6.0/>.

mod event;
mod object;

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use super::{Head, Summary, Writer, write_line};
use crate::model::event::Event;
use crate::model::finding::Finding;

/// The version of the schema, as it stands in `metadata.version`.
pub const VERSION: &str = "1.6.0";

/// The event class findings are told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Class {
    /// Compliance Finding, 2003: each finding as a failed check of the controls it breaches.
    Compliance,
    /// Detection Finding, 2004: for consumers of alerts that know no IAM class.
    Detection,
    /// IAM Analysis Finding, 2008, in the schema since 1.6.0.
    #[default]
    IamAnalysis,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 3] = [Self::Compliance, Self::Detection, Self::IamAnalysis];

    /// `class_uid`.
    #[must_use]
    pub fn uid(self) -> u16 {
        match self {
            Self::Compliance => 2003,
            Self::Detection => 2004,
            Self::IamAnalysis => 2008,
        }
    }

    /// `class_name`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compliance => "Compliance Finding",
            Self::Detection => "Detection Finding",
            Self::IamAnalysis => "IAM Analysis Finding",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uid().fmt(f)
    }
}

impl FromStr for Class {
    type Err = String;

    /// Reads a `class_uid`; the error names those there are.
    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|c| c.uid().to_string() == s)
            .ok_or_else(|| format!("found `{s}`, expected an OCSF class: 2008, 2004 or 2003"))
    }
}

/// Which events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// The class.
    pub class: Class,
    /// Whether to declare the `incident` profile and fill it: the first person who answers as `assignee`, the
    /// request among `tickets`, a `priority`. For consumers that open a case for each event.
    pub incident: bool,
}

/// One thing that happened to a finding, as one line of JSON without its end. What finds the finding again is
/// `finding_info.uid`, what tells a second delivery is `metadata.uid`: the event's id.
///
/// # Errors
/// None that an event could cause; only what the serializer may say.
pub fn event_line(event: &Event<'_>, options: Options) -> serde_json::Result<String> {
    let telling = event::Telling::of_event(event);
    let version = env!("CARGO_PKG_VERSION");
    let mut line = Vec::new();
    // The one way to write JSON here, which also writes out what a terminal would obey.
    write_line(&event::Event::of(&event.finding, telling, options, version, None), &mut line)
        .map_err(serde::ser::Error::custom)?;
    line.pop();
    String::from_utf8(line).map_err(serde::ser::Error::custom)
}

/// One event a line.
pub struct Events<W> {
    out: W,
    options: Options,
    version: String,
    category: fn(&str) -> Option<&'static str>,
    buffer: Vec<u8>,
}

impl<W: Write> Events<W> {
    /// A writer to `out`.
    pub fn new(out: W, options: Options) -> Self {
        Self { out, options, version: String::new(), category: |_| None, buffer: Vec::new() }
    }
}

impl<W: Write> Writer for Events<W> {
    fn begin(&mut self, head: &Head<'_>) -> io::Result<()> {
        head.version.clone_into(&mut self.version);
        self.category = head.category;
        Ok(())
    }

    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        self.buffer.clear();
        let category = (self.category)(&finding.check);
        let telling = event::Telling::of_finding(finding);
        let event = event::Event::of(finding, telling, self.options, &self.version, category);
        write_line(&event, &mut self.buffer)?;
        self.out.write_all(&self.buffer)
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}
