//! One pull: files in, records out, and the end mark that says whether this was all.

use super::catalog::Connector;
use super::decode::{self, Row, archive};
use super::error::PullError;
use super::feed::{self, Feed};
use super::inherit::Inherit;
use super::latest::Latest;
use super::limits::{MAX_LISTED_REJECTS, MAX_RECORDS_PER_ROW};
use super::map::{Links, is_link, sha256};
use super::merge::Held;
use super::outcome::{Outcome, RowStamp};
use super::record::{self, Stamp};
use super::runner::{About, Runner};
use super::settings::Settings;
pub use super::told::{Progress, PullOptions, PullSummary};
use super::transport::Fetched;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Rows between two reports of progress.
const REPORT_EVERY: u64 = 256;

/// Reads files through a connector and hands on each record as one line without its line end.
///
/// Records come in the order of the files and of their rows. The last record is the end mark (`snapshot`).
///
/// # Errors
/// The first thing that is wrong, with its place. Records before it were handed on, without an end mark.
pub fn pull_files(
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    files: &[PathBuf],
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    pull_inputs(connector, settings, options, files, Vec::new(), sink, progress)
}

/// The same of what a program printed into a file. `reasons` are why that is not all.
///
/// # Errors
/// As [`pull_files`].
pub fn pull_printed(
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    file: &Path,
    reasons: Vec<String>,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    pull_inputs(connector, settings, options, &[file.to_owned()], reasons, sink, progress)
}

fn pull_inputs(
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    files: &[PathBuf],
    reasons: Vec<String>,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    let manifest = &connector.manifest;
    if manifest.shapes.is_empty() {
        return Err(PullError::Setting(format!(
            "connector `{}` reads no files: it asks the product itself; `counterfoil connectors {}` says how",
            manifest.name, manifest.name
        )));
    }
    let mut feeds = Vec::new();
    for file in files {
        for input in archive::open(file)? {
            let recognised = decode::recognise(&input, manifest, settings)?;
            let shape = manifest.shapes.iter().find(|shape| shape.name == recognised.shape);
            let shape = shape.ok_or_else(|| input.error("no shape"))?.clone();
            feeds.push(Feed::File(Box::new(feed::File { input, recognised, shape })));
        }
    }
    pull_feeds(connector, settings, options, feeds, reasons, sink, progress)
}

/// The same of what transports set aside. `reasons` are why that is not all.
///
/// # Errors
/// As [`pull_files`].
pub fn pull_fetched(
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    fetched: Fetched,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    let feeds = fetched.batches.into_iter().map(Feed::Batch).collect();
    pull_feeds(connector, settings, options, feeds, fetched.reasons, sink, progress)
}

fn pull_feeds(
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    feeds: Vec<Feed>,
    reasons: Vec<String>,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    if !super::dates::is_rfc3339(&options.taken_at) {
        return Err(PullError::Setting(format!(
            "`taken-at` is `{}`: expected an RFC 3339 time with an offset",
            options.taken_at
        )));
    }
    let runner = Runner::new(connector, options).map_err(PullError::Connector)?;
    let mut pull = Pull {
        connector,
        options,
        stamp: Stamp { source: options.source.clone(), taken_at: options.taken_at.clone() },
        runner,
        held: Held::new(&connector.manifest.merge),
        inherit: connector.manifest.inherit.then(Inherit::default),
        bad: BTreeSet::new(),
        current: 0,
        systems: BTreeSet::new(),
        provides: connector.provides(settings),
        brought_end: false,
        provisos: Vec::new(),
        seen: BTreeSet::new(),
        summary: PullSummary::default(),
        sink,
    };
    reasons.into_iter().for_each(|reason| pull.reason(reason));
    if !connector.manifest.joins.is_empty() {
        let mut links = (Links::new(&connector.manifest.joins), Latest::default());
        for (number, feed) in feeds.iter().enumerate() {
            pull.link(number, feed, settings, &mut links, progress)?;
        }
        let (mut links, latest) = links;
        latest.add_to(&mut links).map_err(PullError::Connector)?;
        pull.runner.join(&links.joined()).map_err(PullError::Connector)?;
    }
    for (number, feed) in feeds.iter().enumerate() {
        pull.current = number;
        pull.input(feed, settings, progress)?;
    }
    pull.finish(progress)
}

/// The state of a pull.
struct Pull<'p> {
    connector: &'p Connector,
    options: &'p PullOptions,
    stamp: Stamp,
    runner: Runner,
    held: Held,
    /// What is held through others, where the connector says so.
    inherit: Option<Inherit>,
    /// Rows that were bad in the first run, by number of the input and place in it: bad once is counted once.
    bad: BTreeSet<(usize, u64)>,
    /// Number of the input being read.
    current: usize,
    systems: BTreeSet<String>,
    provides: BTreeSet<String>,
    /// The input carried an end mark of its own.
    brought_end: bool,
    /// Reasons that hold unless something else is seen in this pull, each with the key of that.
    provisos: Vec<(String, String)>,
    /// What was seen, by its key.
    seen: BTreeSet<String>,
    summary: PullSummary,
    sink: &'p mut dyn FnMut(&str) -> io::Result<()>,
}

impl Pull<'_> {
    /// The first run over one input: only what its rows say to others is kept.
    fn link(
        &mut self,
        number: usize,
        feed: &Feed,
        settings: &Settings,
        (links, latest): &mut (Links, Latest),
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), PullError> {
        // Out of `self` while its rows are read; an error ends the pull.
        let mut runner = std::mem::replace(&mut self.runner, Runner::None);
        let all = Value::Object(settings.as_object().clone());
        let about = About::new(&all, feed, self.options);
        runner.open(&about).map_err(PullError::Connector)?;
        let mut rows = 0;
        feed.rows(settings, &mut |row, at| {
            rows += 1;
            if rows % REPORT_EVERY == 1 {
                let (bytes, size) = feed.bytes();
                progress(Progress { file: feed.shown(), bytes, size, rows, records: 0 });
            }
            let linked = row.and_then(|row| {
                let place = || feed.place(&row);
                let mut take = |value: Value| match value.as_object() {
                    Some(result) if !latest.take(result)? => links.take(result),
                    _ => Ok(()),
                };
                let run = runner.run(&row, at, &mut take);
                // Without room for the rest, no later row can be trusted either.
                run.map_err(|message| match links.is_full() || latest.is_full() {
                    true => PullError::input(place(), message),
                    false => PullError::row(place(), message),
                })
            });
            match linked {
                Err(error @ PullError::Row { .. }) if self.options.skip_bad_rows => {
                    self.bad.insert((number, rows));
                    self.reject(&error);
                    Ok(())
                }
                other => other,
            }
        })?;
        self.runner = runner;
        Ok(())
    }

    fn reject(&mut self, error: &PullError) {
        self.summary.bad_rows += 1;
        if self.summary.rejects.len() < MAX_LISTED_REJECTS {
            self.summary.rejects.push(error.to_string());
        }
    }

    fn input(
        &mut self,
        feed: &Feed,
        settings: &Settings,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), PullError> {
        let all = Value::Object(settings.as_object().clone());
        let about = About::new(&all, feed, self.options);
        self.runner.open(&about).map_err(PullError::Connector)?;
        let mut number = 0;
        let rows = feed.rows(settings, &mut |row, at| {
            number += 1;
            self.summary.rows += 1;
            if self.summary.rows % REPORT_EVERY == 1 {
                let (bytes, size) = feed.bytes();
                let (rows, records) = (self.summary.rows, self.summary.records);
                progress(Progress { file: feed.shown(), bytes, size, rows, records });
            }
            if self.bad.contains(&(self.current, number)) {
                return Ok(());
            }
            match row.and_then(|row| self.row(feed, &row, at)) {
                Err(error @ PullError::Row { .. }) if self.options.skip_bad_rows => {
                    self.reject(&error);
                    Ok(())
                }
                other => other,
            }
        })?;
        if feed.suspicious_rows() == Some(rows) {
            self.reason(format!(
                "{} has exactly {rows} rows, the number at which the product cuts an export off",
                feed.base()
            ));
        }
        Ok(())
    }

    /// Maps one row. Nothing of a bad row is handed on.
    fn row(&mut self, feed: &Feed, row: &Row, at: &str) -> Result<(), PullError> {
        let bad = |message: String| PullError::row(feed.place(row), message);
        let mut results: Vec<Map<String, Value>> = Vec::new();
        let mut count = 0u64;
        let joins = !self.connector.manifest.joins.is_empty();
        let mut take = |value: Value| {
            count += 1;
            if count > MAX_RECORDS_PER_ROW {
                return Err(format!("the map made more than {MAX_RECORDS_PER_ROW} records of one row"));
            }
            match value {
                Value::Object(record) if joins && is_link(&record) => Ok(()),
                Value::Object(record) => {
                    results.push(record);
                    Ok(())
                }
                Value::Null => Ok(()),
                _ => Err("the map made something that is no object".to_owned()),
            }
        };
        self.runner.run(row, at, &mut take).map_err(bad)?;
        if results.is_empty() {
            return Ok(());
        }
        let digest = sha256(record::canonical(&row.value).as_bytes());
        let fallback = format!("{}#{}", feed.base(), row.number);
        let stamp =
            RowStamp { stamp: &self.stamp, digest: &digest, fallback: &fallback, maps: self.runner.maps() };
        let mut found = Vec::with_capacity(results.len());
        for result in results {
            Outcome::read(result, &stamp, &mut found).map_err(bad)?;
        }
        // Parts and edges first: one that is wrong must not leave half of its row handed on.
        let (parts, others): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|outcome| matches!(outcome, Outcome::Part(_) | Outcome::Edge(_)));
        for outcome in parts.into_iter().chain(others) {
            self.take(outcome).map_err(|error| match error {
                Taken::Bad(message) => bad(message),
                Taken::Lost(error) => error,
            })?;
        }
        Ok(())
    }

    /// Takes what one result means.
    fn take(&mut self, outcome: Outcome) -> Result<(), Taken> {
        match outcome {
            Outcome::Reason(reason) => self.reason(reason),
            // One too many to remember holds as it stands: the pull is then incomplete, never falsely whole.
            Outcome::Proviso(reason, _) if self.provisos.len() >= MAX_PROVISOS => self.reason(reason),
            Outcome::Proviso(reason, key) => self.provisos.push((reason, key)),
            Outcome::Seen(key) => {
                if self.seen.len() < MAX_PROVISOS {
                    self.seen.insert(key);
                }
            }
            Outcome::Covers(system) => drop(self.systems.insert(system)),
            Outcome::Provides(kind) => drop(self.provides.insert(kind)),
            Outcome::Part(part) => self.held.part(part).map_err(Taken::Bad)?,
            Outcome::Edge(edge) => match &mut self.inherit {
                Some(inherit) => inherit.edge(&edge),
                None => {
                    return Err(Taken::Bad(
                        "the map made an `includes`, and the manifest does not say `inherit = true`"
                            .to_owned(),
                    ));
                }
            },
            Outcome::Record(record, line) => {
                let kind = record.get("type").and_then(Value::as_str).unwrap_or_default();
                if kind == "snapshot" {
                    self.brought_end = true;
                } else if !self.runner.maps() && !self.provides.contains(kind) {
                    self.provides.insert(kind.to_owned());
                }
                if kind == "grant"
                    && let Some(system) = record.get("system").and_then(Value::as_str)
                    && !self.systems.contains(system)
                {
                    self.systems.insert(system.to_owned());
                }
                if self.held.holds(kind) {
                    self.held.record(record).map_err(Taken::Bad)?;
                } else {
                    self.whole(&record, &line).map_err(Taken::Lost)?;
                }
            }
        }
        Ok(())
    }

    /// Hands on a record that nothing is joined to any more, and keeps what is needed of it for what is held through it.
    fn whole(&mut self, record: &Map<String, Value>, line: &str) -> Result<(), PullError> {
        if let Some(inherit) = &mut self.inherit {
            match record.get("type").and_then(Value::as_str) {
                Some("grant") => inherit.grant(record),
                Some("entitlement") if inherit.entitlement(record, line) => return Ok(()),
                _ => {}
            }
        }
        self.emit(line)
    }

    fn emit(&mut self, line: &str) -> Result<(), PullError> {
        self.summary.records += 1;
        (self.sink)(line).map_err(PullError::Output)
    }

    fn reason(&mut self, reason: String) {
        if !self.summary.reasons.contains(&reason) && self.summary.reasons.len() < MAX_REASONS {
            self.summary.reasons.push(reason);
        }
    }

    fn finish(mut self, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PullSummary, PullError> {
        let (records, orphans) = std::mem::take(&mut self.held).joined();
        self.summary.orphans = orphans;
        for record in records {
            let line = record::line(&record);
            record::validate(&line).map_err(|message| {
                let kind = record.get("type").and_then(Value::as_str).unwrap_or_default();
                PullError::Connector(format!("a {kind} record is wrong once its parts are joined: {message}"))
            })?;
            self.whole(&record, &line)?;
        }
        if let Some(inherit) = self.inherit.take() {
            let reasons = inherit.finish(&mut |system, line| {
                if let Some(system) = system
                    && !self.systems.contains(system)
                {
                    self.systems.insert(system.to_owned());
                }
                if self.summary.records.is_multiple_of(REPORT_EVERY) {
                    let PullSummary { rows, records, .. } = self.summary;
                    progress(Progress {
                        file: "what is held through others",
                        bytes: 0,
                        size: 0,
                        rows,
                        records,
                    });
                }
                self.emit(line)
            })?;
            reasons.into_iter().for_each(|reason| self.reason(reason));
        }
        for (reason, key) in std::mem::take(&mut self.provisos) {
            if !self.seen.contains(&key) {
                self.reason(reason);
            }
        }
        if self.summary.bad_rows > 0 {
            self.reason(format!("{} bad rows were passed over", self.summary.bad_rows));
        }
        if self.brought_end && self.summary.reasons.is_empty() {
            // Records that another pull wrote bring their own end mark.
            return Ok(self.summary);
        }
        let snapshot = self.stamp.snapshot(
            &self.provides.iter().cloned().collect::<Vec<_>>(),
            &self.systems.iter().cloned().collect::<Vec<_>>(),
            self.summary.records,
            &self.summary.reasons,
        );
        let line = record::line(&snapshot);
        (self.sink)(&line).map_err(PullError::Output)?;
        Ok(self.summary)
    }
}

/// Reasons for being incomplete that are kept.
const MAX_REASONS: usize = 20;

/// Reasons with an `unless`, and keys of `seen`, that are kept: one or two for each page of an export.
const MAX_PROVISOS: usize = 100_000;

/// Why something could not be taken.
enum Taken {
    /// Its row is bad.
    Bad(String),
    /// The pull is over.
    Lost(PullError),
}
