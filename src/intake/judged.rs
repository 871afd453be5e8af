//! What a cluster judged, home after home, as it left it in a folder.
//!
//! ```text
//! RUN/run.json    written last, when all partitions agreed with what was cut
//! RUN/cut.jsonl   what was cut, counted
//! RUN/judged/*    HOME <tab> KIND <tab> PLACE <tab> JSON, of each partition in the order of the bytes; a summary ends it
//! ```
//!
//! A home is in one partition, whole. So partitions can be read one behind the other, in the order of the names of their
//! files, and memory holds one home, however many files there are. That no home is in two of them is checked beforehand.
//! Everything else is checked each time it is read: that each line stands behind the one before it, that all verdicts and
//! findings are of a home that was judged, and that each partition holds what its summary counts.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::input::text_of;
use super::rows::{Judge, Sum, Tally, digits};
use super::torn;
use crate::judge::Home;
use crate::model::finding::{FINDING_SCHEMA, Finding, Verdict};
use crate::model::{MAX_LINE, Record, parse_line};

/// The name and version of this format.
pub const FORMAT: &str = "counterfoil.judged/1";

/// How long a line may be: a finding repeats parts of several records, and its place some of them once more.
const LONGEST: usize = 4 * MAX_LINE;

/// Why what was judged cannot be taken.
#[derive(Debug)]
pub struct JudgedError(String);

impl fmt::Display for JudgedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JudgedError {}

impl JudgedError {
    fn at(path: &Path, what: impl fmt::Display) -> Self {
        Self(format!("{}: {what}", path.display()))
    }

    fn read(path: &Path, e: &io::Error) -> Self {
        Self::at(path, format_args!("cannot be read: {e}"))
    }
}

/// `run.json`: all that was judged, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// [`FORMAT`].
    pub format: String,
    /// Who judged how.
    pub judge: Judge,
    /// Grants that were cut.
    pub grants: u64,
    /// Verdicts on them.
    pub verdicts: u64,
    /// Findings.
    pub findings: u64,
    /// Partitions.
    pub partitions: u64,
    /// Over the ids of all findings.
    pub findings_sum: Sum,
}

/// The summary that ends a partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Where it stands: file and line.
    pub at: String,
    /// As it was written.
    pub text: String,
    /// The end marks of the sources, as lines of records; `None` where the partition does not say.
    pub snapshots: Option<Vec<String>>,
}

/// What is checked of a summary against the lines before it.
#[derive(Deserialize)]
struct Counted {
    #[serde(flatten)]
    tally: Tally,
    verdicts: u64,
    findings: u64,
    findings_sum: Sum,
    #[serde(default)]
    snapshots: Option<Vec<serde_json::Value>>,
}

/// A folder of results.
#[derive(Debug)]
pub struct Judged {
    /// What its `run.json` says.
    pub run: Run,
    /// The lines of `cut.jsonl`, each with its place.
    pub cut: Vec<(String, String)>,
    files: Vec<PathBuf>,
}

impl Judged {
    /// Looks at the folder, and reads all but the results themselves.
    ///
    /// # Errors
    /// When it is not whole.
    pub fn open(folder: &Path) -> Result<Self, JudgedError> {
        let path = folder.join("run.json");
        let text = std::fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => JudgedError::at(
                &path,
                "is not there: it is written last, when what was judged agrees with what was cut; let the job end first",
            ),
            _ => JudgedError::read(&path, &e),
        })?;
        // The format first: another one may say other things.
        #[derive(Deserialize)]
        struct Format {
            format: String,
        }
        let bad = |e: serde_json::Error| JudgedError::at(&path, e);
        let format: Format = serde_json::from_slice(&text).map_err(bad)?;
        if format.format != FORMAT {
            let what = format_args!("found format `{}`, expected `{FORMAT}`", format.format);
            return Err(JudgedError::at(&path, what));
        }
        let run = serde_json::from_slice(&text).map_err(bad)?;
        let path = folder.join("cut.jsonl");
        let text = std::fs::read_to_string(&path).map_err(|e| JudgedError::read(&path, &e))?;
        let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let cut = lines.map(|(n, line): (u64, _)| (place(&path, n), line.to_owned())).collect();
        let folder = folder.join("judged");
        let files = files_in(&folder)?;
        if files.is_empty() {
            return Err(JudgedError::at(&folder, "holds no file, expected one for each partition"));
        }
        Ok(Self { run, cut, files })
    }

    /// How many bytes the results have as they lie on disk.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.files.iter().filter_map(|path| std::fs::metadata(path).ok()).map(|m| m.len()).sum()
    }

    /// All homes, from the first.
    #[must_use]
    pub fn homes<'p>(&self, progress: &'p (dyn Fn(u64) + Sync)) -> Homes<'p> {
        let files: Vec<PathBuf> = self.files.iter().rev().cloned().collect();
        Homes { files, progress, file: None, summaries: vec![] }
    }
}

impl Judged {
    /// Reads everything once, and sees to it that no home is in two partitions; `show` is shown each home. The summaries of all
    /// partitions.
    ///
    /// # Errors
    /// When a file cannot be read, or what it holds is not what it should be.
    pub fn check(
        &self,
        progress: &(dyn Fn(u64) + Sync),
        show: &mut dyn FnMut(OfHome),
    ) -> Result<Vec<Summary>, JudgedError> {
        let spool = |e: io::Error| JudgedError(format!("the file of the homes: {e}"));
        let mut all = torn::Homes::new().map_err(spool)?;
        let mut homes = self.homes(progress);
        let mut ended = 0;
        loop {
            let home = homes.next_home()?;
            for summary in homes.summaries.get(ended..).unwrap_or_default() {
                all.end(&summary.at);
                ended += 1;
            }
            let Some(home) = home else { break };
            all.add(home.home).map_err(spool)?;
            show(home);
        }
        if let Some((home, [first, second])) = all.torn().map_err(spool)? {
            return Err(JudgedError(format!(
                "home {home} was judged in two partitions, which end at {first} and at {second}: rows of one home must come \
                 to one partition; judge again"
            )));
        }
        Ok(homes.summaries)
    }
}

/// The files of results, in the order of their names. What others leave beside them is passed over.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, JudgedError> {
    let fail = |e: io::Error| JudgedError::read(folder, &e);
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(['_', '.']) {
            continue;
        }
        let path = entry.path();
        let about = std::fs::metadata(&path).map_err(|e| JudgedError::read(&path, &e))?;
        if !about.is_file() {
            return Err(JudgedError::at(&path, "is no file; expected files of results only"));
        }
        if about.len() > 0 {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn place(path: &Path, line: u64) -> String {
    format!("{}: line {line}", path.display())
}

/// What was judged of one home.
#[derive(Debug)]
pub struct OfHome {
    /// The home.
    pub home: Home,
    /// On its grants.
    pub verdicts: Vec<Verdict<'static>>,
    /// In the order in which they are told.
    pub findings: Vec<Finding<'static>>,
}

/// The homes of all partitions, one after the other.
pub struct Homes<'p> {
    /// Those that are left, the next one last.
    files: Vec<PathBuf>,
    progress: &'p (dyn Fn(u64) + Sync),
    file: Option<Open<'p>>,
    summaries: Vec<Summary>,
}

impl fmt::Debug for Homes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Homes").field("left", &self.files).finish_non_exhaustive()
    }
}

impl Homes<'_> {
    /// The next home; `None` at the end.
    ///
    /// # Errors
    /// When a file cannot be read, or what it holds is not what it should be.
    pub fn next_home(&mut self) -> Result<Option<OfHome>, JudgedError> {
        loop {
            if self.file.is_none() {
                let Some(path) = self.files.pop() else { return Ok(None) };
                self.file = Some(Open::new(path, self.progress)?);
            }
            if let Some(file) = &mut self.file {
                if let Some(home) = file.next_home(&mut self.summaries)? {
                    return Ok(Some(home));
                }
                self.file = None;
            }
        }
    }
}

/// A file that is read.
struct Open<'p> {
    path: PathBuf,
    from: BufReader<Box<dyn Read + Send + 'p>>,
    /// The line that is read next, where it was read already, and the one before it in its partition.
    line: Vec<u8>,
    last: Vec<u8>,
    /// The number of the line that was read last.
    number: u64,
    /// Whether `line` waits.
    waits: bool,
    seen: Seen,
}

/// What was seen of a partition.
#[derive(Default)]
struct Seen {
    homes: Tally,
    verdicts: u64,
    findings: u64,
    findings_sum: Sum,
}

/// A line, taken apart.
struct Line<'a> {
    home: Option<Home>,
    kind: u8,
    json: &'a [u8],
}

const JUDGED: u8 = b'1';
const VERDICT: u8 = b'2';
const FINDING: u8 = b'3';
const SUMMARY: u8 = b'9';

impl<'a> Line<'a> {
    fn of(line: &'a [u8]) -> Result<Self, &'static str> {
        let mut parts = line.splitn(4, |b| *b == b'\t');
        let mut part =
            || parts.next().ok_or("expected four parts with tabs between them: home, kind, place and JSON");
        let (home, kind, _, json) = (part()?, part()?, part()?, part()?);
        let home = match home {
            b"~" => None,
            b"-" => Some(Home::Nobody),
            _ => Some(Home::Of(
                digits(home, 16, 16).ok_or("expected as home `-`, 16 hexadecimal digits, or `~`")?,
            )),
        };
        let kind = match (kind, home) {
            ([SUMMARY], None) => SUMMARY,
            ([kind @ (JUDGED | VERDICT | FINDING)], Some(_)) => *kind,
            _ => return Err("expected a kind that there is for this home"),
        };
        Ok(Self { home, kind, json })
    }
}

impl<'p> Open<'p> {
    fn new(path: PathBuf, progress: &'p (dyn Fn(u64) + Sync)) -> Result<Self, JudgedError> {
        let text = text_of(&path, progress).map_err(|e| JudgedError::read(&path, &e))?;
        let from = BufReader::with_capacity(1 << 18, text);
        let (line, last) = (vec![], vec![]);
        Ok(Self { path, from, line, last, number: 0, waits: false, seen: Seen::default() })
    }

    fn fault(&self, what: impl fmt::Display) -> JudgedError {
        JudgedError(format!("{}: {what}", place(&self.path, self.number)))
    }

    /// Reads the next line into `line`, and sees to it that it stands where it should; `false` at the end of the file.
    fn advance(&mut self) -> Result<bool, JudgedError> {
        if std::mem::take(&mut self.waits) {
            return Ok(true);
        }
        std::mem::swap(&mut self.line, &mut self.last);
        self.line.clear();
        let room = (LONGEST + 1) as u64;
        let read = self.from.by_ref().take(room).read_until(b'\n', &mut self.line);
        read.map_err(|e| JudgedError::read(&self.path, &e))?;
        if self.line.is_empty() {
            return Ok(false);
        }
        self.number += 1;
        if self.line.pop_if(|b| *b == b'\n').is_none() && self.line.len() > LONGEST {
            return Err(self.fault(format_args!("has more than {LONGEST} bytes")));
        }
        if self.line <= self.last {
            let what = if self.line == self.last {
                "stands there twice"
            } else {
                "is out of order: the lines of a partition must be sorted by their bytes (LC_ALL=C sort)"
            };
            return Err(self.fault(what));
        }
        Ok(true)
    }

    /// The next home of this file; `None` at its end.
    fn next_home(&mut self, summaries: &mut Vec<Summary>) -> Result<Option<OfHome>, JudgedError> {
        let mut of: Option<OfHome> = None;
        loop {
            if !self.advance()? {
                // Behind a summary nothing is left to be counted.
                if of.is_some() || !self.last.is_empty() {
                    let what =
                        "ends without the summary of a partition: it was not written whole; judge again";
                    return Err(JudgedError::at(&self.path, what));
                }
                return Ok(None);
            }
            let line = Line::of(&self.line).map_err(|e| self.fault(e))?;
            match (line.home, &mut of) {
                (None, None) => {
                    let summary = self.summary(line.json)?;
                    summaries.push(summary);
                    self.line.clear();
                    self.last.clear();
                    self.seen = Seen::default();
                }
                (Some(home), None) if line.kind == JUDGED => {
                    if line.json != b"{}" {
                        return Err(self.fault("expected {}"));
                    }
                    self.seen.homes.count_home(home);
                    of = Some(OfHome { home, verdicts: vec![], findings: vec![] });
                }
                (Some(_), None) => {
                    return Err(self.fault("is of a home that was not judged here: it has no line of kind 1"));
                }
                (home, Some(held)) if home != Some(held.home) => {
                    self.waits = true;
                    return Ok(of);
                }
                (_, Some(_)) if line.kind == JUDGED => {
                    return Err(self.fault("is a second line of kind 1 for its home"));
                }
                (_, Some(held)) if line.kind == VERDICT => {
                    let verdict = serde_json::from_slice(line.json);
                    held.verdicts.push(verdict.map_err(|e| self.fault(format_args!("the verdict: {e}")))?);
                    if held.home == Home::Nobody {
                        return Err(self.fault("is a verdict on what belongs to nobody"));
                    }
                    self.seen.verdicts += 1;
                }
                (_, Some(held)) => {
                    let finding: Result<Finding<'static>, _> = serde_json::from_slice(line.json);
                    let finding = finding.map_err(|e| self.fault(format_args!("the finding: {e}")))?;
                    if finding.schema != FINDING_SCHEMA {
                        let what = format!("found schema `{}`, expected `{FINDING_SCHEMA}`", finding.schema);
                        return Err(self.fault(what));
                    }
                    self.seen.findings += 1;
                    self.seen.findings_sum.add(finding.id.as_bytes());
                    held.findings.push(finding);
                }
            }
        }
    }

    /// Holds a summary against what was read.
    fn summary(&self, json: &[u8]) -> Result<Summary, JudgedError> {
        let bad = |e: &dyn fmt::Display| self.fault(format_args!("the summary: {e}"));
        let text = std::str::from_utf8(json).map_err(|e| bad(&e))?.to_owned();
        let counted: Counted = serde_json::from_str(&text).map_err(|e| bad(&e))?;
        let seen = &self.seen;
        let counts: [(&str, &dyn fmt::Display, &dyn fmt::Display); 5] = [
            ("homes", &seen.homes.homes, &counted.tally.homes),
            ("the sum of the homes", &seen.homes.homes_sum, &counted.tally.homes_sum),
            ("verdicts", &seen.verdicts, &counted.verdicts),
            ("findings", &seen.findings, &counted.findings),
            ("the sum of the findings", &seen.findings_sum, &counted.findings_sum),
        ];
        for (what, found, expected) in counts {
            let (found, expected) = (found.to_string(), expected.to_string());
            if found != expected {
                return Err(self.fault(format_args!(
                    "{what}: found {found}, and the summary says {expected}; lines were lost, doubled or changed: judge again"
                )));
            }
        }
        let snapshots = counted.snapshots.map(|all| all.iter().map(ToString::to_string).collect());
        for line in snapshots.iter().flatten() {
            let line: &String = line;
            match parse_line(line.as_bytes()) {
                Ok(Record::Snapshot(_)) => {}
                Ok(_) => return Err(bad(&"found another record in `snapshots`, expected snapshots")),
                Err(e) => return Err(bad(&format_args!("in `snapshots`: {e}"))),
            }
        }
        Ok(Summary { at: place(&self.path, self.number), text, snapshots })
    }
}
