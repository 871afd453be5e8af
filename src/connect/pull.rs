//! One pull: files in, records out, and the end mark that says whether this was all.

use super::catalog::Connector;
use super::crew::in_order;
use super::decode::{self, archive};
use super::error::PullError;
use super::feed::{self, Feed};
use super::inherit::Inherit;
use super::latest::Latest;
use super::limits::MAX_LISTED_REJECTS;
use super::map::Links;
use super::mapped::{Done, Item, Linked, Work, items};
use super::merge::Held;
use super::outcome::Outcome;
use super::record::{self, Stamp};
use super::runner::{About, Runner, threads};
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
    pull_files_on(threads(), connector, settings, options, files, sink, progress)
}

/// The same with so many threads to map rows; 0 and 1 map them on the thread that reads them. What is handed on does not
/// depend on the number.
///
/// # Errors
/// As [`pull_files`].
pub fn pull_files_on(
    threads: usize,
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    files: &[PathBuf],
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    let call = Call { connector, settings, options, threads };
    call.inputs(files, Vec::new(), sink, progress)
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
    let call = Call { connector, settings, options, threads: threads() };
    call.inputs(&[file.to_owned()], reasons, sink, progress)
}

fn feeds(connector: &Connector, settings: &Settings, files: &[PathBuf]) -> Result<Vec<Feed>, PullError> {
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
    Ok(feeds)
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
    pull_fetched_on(threads(), connector, settings, options, fetched, sink, progress)
}

/// The same with so many threads to map rows, as [`pull_files_on`].
///
/// # Errors
/// As [`pull_files`].
pub fn pull_fetched_on(
    threads: usize,
    connector: &Connector,
    settings: &Settings,
    options: &PullOptions,
    fetched: Fetched,
    sink: &mut dyn FnMut(&str) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PullSummary, PullError> {
    let feeds = fetched.batches.into_iter().map(Feed::Batch).collect();
    let call = Call { connector, settings, options, threads };
    call.feeds(feeds, fetched.reasons, sink, progress)
}

/// What a pull is made of, whatever its rows come from.
#[derive(Clone, Copy)]
struct Call<'c> {
    connector: &'c Connector,
    settings: &'c Settings,
    options: &'c PullOptions,
    threads: usize,
}

impl Call<'_> {
    fn inputs(
        self,
        files: &[PathBuf],
        reasons: Vec<String>,
        sink: &mut dyn FnMut(&str) -> io::Result<()>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PullSummary, PullError> {
        let feeds = feeds(self.connector, self.settings, files)?;
        self.feeds(feeds, reasons, sink, progress)
    }

    fn feeds(
        self,
        feeds: Vec<Feed>,
        reasons: Vec<String>,
        sink: &mut dyn FnMut(&str) -> io::Result<()>,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<PullSummary, PullError> {
        let Self { connector, settings, options, threads } = self;
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
            threads,
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
}

/// The state of a pull.
struct Pull<'p> {
    connector: &'p Connector,
    options: &'p PullOptions,
    stamp: Stamp,
    runner: Runner,
    /// Threads to map rows on.
    threads: usize,
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
        let stamp = self.stamp.clone();
        let work = Work { runner: &runner, stamp: &stamp, joins: true, base: feed.base() };
        let lanes = runner.lanes(self.threads);
        let mut rows = 0;
        let mut take = |done: Done<Linked>| {
            rows += 1;
            if rows % REPORT_EVERY == 1 {
                let (bytes, size) = feed.bytes();
                progress(Progress { file: feed.shown(), bytes, size, rows, records: 0 });
            }
            let linked = match done {
                Done::Bad(error) => Err(error),
                Done::Known => Ok(()),
                Done::Row { number, line, made: (results, failed) } => {
                    let mut take = |result: &Map<String, Value>| match latest.take(result)? {
                        true => Ok(()),
                        false => links.take(result),
                    };
                    let taken = results.iter().try_for_each(&mut take);
                    let taken = taken.and_then(|()| failed.map_or(Ok(()), Err));
                    let place = || feed.place(number, line);
                    // Without room for the rest, no later row can be trusted either.
                    taken.map_err(|message| match links.is_full() || latest.is_full() {
                        true => PullError::input(place(), message),
                        false => PullError::row(place(), message),
                    })
                }
            };
            match linked {
                Err(error @ PullError::Row { .. }) if self.options.skip_bad_rows => {
                    self.bad.insert((number, rows));
                    self.reject(&error);
                    Ok(())
                }
                other => other,
            }
        };
        in_order(lanes, Item::weight, &|items| work.links(items), &mut take, |give| {
            items(feed, settings, &BTreeSet::new(), 0, give)
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
        let mut runner = std::mem::replace(&mut self.runner, Runner::None);
        let all = Value::Object(settings.as_object().clone());
        let about = About::new(&all, feed, self.options);
        runner.open(&about).map_err(PullError::Connector)?;
        let stamp = self.stamp.clone();
        let joins = !self.connector.manifest.joins.is_empty();
        let work = Work { runner: &runner, stamp: &stamp, joins, base: feed.base() };
        let bad = std::mem::take(&mut self.bad);
        let (current, maps, lanes) = (self.current, runner.maps(), runner.lanes(self.threads));
        let mut take = |done: Done<Result<Vec<Outcome>, String>>| {
            self.summary.rows += 1;
            if self.summary.rows % REPORT_EVERY == 1 {
                let (bytes, size) = feed.bytes();
                let (rows, records) = (self.summary.rows, self.summary.records);
                progress(Progress { file: feed.shown(), bytes, size, rows, records });
            }
            let taken = match done {
                Done::Known => Ok(()),
                Done::Bad(error) => Err(error),
                Done::Row { number, line, made } => self.row(made, maps).map_err(|error| match error {
                    Taken::Bad(message) => PullError::row(feed.place(number, line), message),
                    Taken::Lost(error) => error,
                }),
            };
            match taken {
                Err(error @ PullError::Row { .. }) if self.options.skip_bad_rows => {
                    self.reject(&error);
                    Ok(())
                }
                other => other,
            }
        };
        let rows = in_order(lanes, Item::weight, &|items| work.outcomes(items), &mut take, |give| {
            items(feed, settings, &bad, current, give)
        })?;
        self.bad = bad;
        self.runner = runner;
        if feed.suspicious_rows() == Some(rows) {
            self.reason(format!(
                "{} has exactly {rows} rows, the number at which the product cuts an export off",
                feed.base()
            ));
        }
        Ok(())
    }

    /// Takes what one row means.
    fn row(&mut self, made: Result<Vec<Outcome>, String>, maps: bool) -> Result<(), Taken> {
        made.map_err(Taken::Bad)?.into_iter().try_for_each(|outcome| self.take(outcome, maps))
    }

    /// Takes what one result means.
    fn take(&mut self, outcome: Outcome, maps: bool) -> Result<(), Taken> {
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
                } else if !maps && !self.provides.contains(kind) {
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
