//! The plan of a cut in slices: made of what was surveyed of all of them, and all that the cutting of each has to know.
//!
//! ```text
//! * rows                                   in their order, as in every partition: header, systems, shared records
//! - row                                    that of nobody
//! ~ <tab> 1 <tab> SLICE <tab> JSON         what was counted in each slice
//! ~ <tab> 2 <tab> KEY <tab> [HOME, …]      where each request belongs whose records disagree on whom it is for
//! ~ <tab> 9 <tab> <tab> JSON               how many of the lines `1` and `2` there are, and their sum
//! ```
//!
//! The lines of a plan are in the order of their bytes, and whatever is cut off shows: of the rows in the header, of the
//! rest in its last line.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::input::{Block, Input};
use super::rows::{Count, For, Header, Judge, Kind, NOBODY, Row, SLICES, digits, home_of_text, slice_of};
use super::scan::{How, Numbers, Pour, each_input};
use super::survey::{Hashing, Requests, Seen};
use super::{IntakeError, OFFSET_BITS, Source, cut::Places, fetch};
use crate::judge::{Builder, Home, Locator, Routes};
use crate::model::{Instant, Record, RecordType, parse_line};

/// What a plan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Slices.
    pub slices: u64,
    /// Lines that were records.
    pub records: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Requests whose records disagree on whom they are for.
    pub disputed: u64,
}

/// The rows that follow from all records together: the systems on which grants are held, and the sources of which not all
/// could be read.
pub(super) fn extra_rows(
    held: &BTreeSet<String>,
    incomplete: &BTreeSet<String>,
    now: Instant,
    numbers: impl Iterator<Item = u64>,
) -> Vec<Vec<u8>> {
    let held = held.iter().map(|system| (Kind::Held, json!({ "system": system })));
    let marks = incomplete.iter().map(|source| (Kind::Shared, mark(source, now)));
    let row = |(number, (kind, json)): (u64, (Kind, serde_json::Value))| {
        let json = json.to_string().into_bytes();
        Row { to: For::Every, kind, number, json: &json }.line()
    };
    numbers.zip(held.chain(marks)).map(row).collect()
}

/// Says of a source that not all of its records could be read.
fn mark(source: &str, now: Instant) -> serde_json::Value {
    let provides: Vec<&str> = RecordType::ALL.iter().map(|kind| kind.as_str()).collect();
    json!({
        "type": "snapshot", "source": source, "taken_at": now, "complete": false, "provides": provides,
        "reason": super::REJECTED,
    })
}

/// The first row, which counts those that every partition needs.
pub(super) fn header_row(judge: Judge, shared: Count) -> Vec<u8> {
    let header = Header { judge, shared: shared.rows, shared_sum: shared.sum };
    let json = serde_json::to_vec(&header).unwrap_or_default();
    Row { to: For::Every, kind: Kind::Header, number: 0, json: &json }.line()
}

/// The last line.
#[derive(Serialize, Deserialize, PartialEq)]
struct End {
    #[serde(flatten)]
    lines: Count,
}

/// A record in a line of this place, where it stands behind so many tabs.
fn fetch_behind(
    tabs: usize,
    inputs: &mut [Input],
    places: &[Locator],
    show: &mut dyn FnMut(Locator, &[u8]),
) -> io::Result<()> {
    fetch(inputs, places, &mut |place, line| {
        show(place, line.splitn(tabs + 1, |b| *b == b'\t').last().unwrap_or_default());
    })
}

fn routes(
    builder: Builder,
    threads: usize,
    tabs: usize,
    inputs: &mut [Input],
) -> Result<Routes, IntakeError> {
    let mut again =
        |places: &[Locator], show: &mut dyn FnMut(Locator, &[u8])| fetch_behind(tabs, inputs, places, show);
    Ok(Routes::new(builder.finish_with(threads, &mut again).map_err(IntakeError::Tie)?))
}

fn locator(block: &Block, input: usize, offset: usize) -> Locator {
    Locator((input as u64) << OFFSET_BITS | (block.offset() + offset as u64))
}

/// The lines of surveys.
#[derive(Default)]
struct Surveyed {
    part: Builder,
    /// Rows by their number.
    shared: Vec<(u64, Box<[u8]>)>,
    held: BTreeSet<String>,
    requests: Vec<(u64, u64)>,
    disputed: Vec<Box<[u8]>>,
    seen: Vec<Seen>,
    bad: Option<(u64, String)>,
}

impl Surveyed {
    fn of(block: &Block, input: usize, part: Builder) -> Self {
        let mut made = Self { part, ..Self::default() };
        for (number, offset, line) in block.each() {
            if let Err(what) = made.line(line, locator(block, input, offset)) {
                made.bad = Some((number, what));
                break;
            }
        }
        made
    }

    fn line(&mut self, line: &[u8], at: Locator) -> Result<(), String> {
        let mut parts = line.splitn(2, |b| *b == b'\t');
        let (word, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let two = || {
            let tab = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
            (rest.get(..tab).unwrap_or_default(), rest.get(tab + 1..).unwrap_or_default())
        };
        let bad = |e: serde_json::Error| e.to_string();
        match word {
            b"shared" => {
                let (number, json) = two();
                let number =
                    digits(number, 12, 10).ok_or("expected a number of 12 digits behind `shared`")?;
                let record = parse_line(json).map_err(|e| e.to_string())?;
                if Kind::of(&record) != Kind::Shared {
                    return Err("expected a record that every partition needs behind `shared`".to_owned());
                }
                let row = Row { to: For::Every, kind: Kind::Shared, number, json }.line();
                self.shared.push((number, row.into_boxed_slice()));
                if matches!(record, Record::Identity(_) | Record::System(_)) {
                    self.part.add(record, at, json);
                }
            }
            b"held" => drop(self.held.insert(serde_json::from_slice(rest).map_err(bad)?)),
            b"request" => {
                let (key, people) = two();
                let hashes = digits(key, 16, 16).zip(digits(people, 16, 16));
                self.requests
                    .push(hashes.ok_or("expected two parts of 16 hexadecimal digits behind `request`")?);
            }
            b"request-of" => match parse_line(rest).map_err(|e| e.to_string())? {
                Record::Request(_) => self.disputed.push(rest.into()),
                _ => return Err("expected a request behind `request-of`".to_owned()),
            },
            b"seen" => self.seen.push(serde_json::from_slice(rest).map_err(bad)?),
            _ => {
                return Err(
                    "expected a line of a survey: `shared`, `held`, `request`, `request-of` or `seen`, and more behind a tab"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

/// Makes the plan of what was surveyed: the lines of all slices, in any order.
///
/// # Errors
/// When a file cannot be read, or what was surveyed is not whole; the inner error is one of writing.
pub fn plan(
    sources: &[Source],
    judge: &Judge,
    (threads, progress): (usize, &(dyn Fn(u64) + Sync)),
    out: &mut (dyn Write + Send),
) -> Result<io::Result<Planned>, IntakeError> {
    let mut builder = Builder::default();
    let empty = builder.part();
    let (mut all, mut requests) = (Surveyed::default(), Requests::default());
    let make = |block: &Block, (input, _)| Surveyed::of(block, input, empty.part());
    let how = How { again: true, threads, progress };
    let (inputs, _) = each_input(sources, Numbers::ALL, &how, &make, &mut |mut made: Surveyed, file| {
        if let Some((line, what)) = made.bad {
            return Err(IntakeError::Line { file: file.to_owned(), line, what });
        }
        builder.append(&mut made.part);
        all.shared.append(&mut made.shared);
        all.held.append(&mut made.held);
        all.disputed.append(&mut made.disputed);
        all.seen.append(&mut made.seen);
        made.requests.into_iter().for_each(|(key, people)| requests.add(key, people));
        Ok(())
    })?;
    let Surveyed { mut shared, held, disputed, seen, .. } = all;
    shared.sort_unstable_by_key(|(number, _)| *number);
    let slices = whole(judge, &shared, seen).map_err(IntakeError::Plan)?;
    let mut inputs: Vec<Input> = inputs.into_iter().map(|(input, _)| input).collect();
    let routes = routes(builder, threads, 2, &mut inputs)?;
    let mut wider: BTreeMap<u64, BTreeSet<Home>> = BTreeMap::new();
    for json in disputed {
        if let Ok(record) = parse_line(&json)
            && let Record::Request(r) = &record
        {
            wider
                .entry(Hashing::Common.of(r).0)
                .or_default()
                .extend(routes.homes(&record).unwrap_or_default());
        }
    }
    if let Some(key) = requests.disputed.iter().filter(|key| !wider.contains_key(key)).min() {
        return Err(IntakeError::Plan(format!(
            "request {key:016x} is for different people in different records, and no line `request-of` has them"
        )));
    }

    let incomplete = slices.values().flat_map(|seen| &seen.incomplete).cloned().collect();
    let unused = (1..).filter(|number| shared.binary_search_by_key(number, |(number, _)| *number).is_err());
    let mut rows = extra_rows(&held, &incomplete, judge.now, unused);
    rows.extend(shared.into_iter().map(|(_, row)| row.into_vec()));
    // Of one kind they are in the order of their numbers, which have one width.
    rows.sort_unstable();
    let mut count = Count::default();
    rows.iter().for_each(|row| count.add(row));
    let mut pour = Pour::new(out);
    let done = (|| {
        let mut line = |line: &[u8]| pour.put(line).and_then(|()| pour.put(b"\n"));
        line(&header_row(judge.clone(), count))?;
        rows.iter().try_for_each(|row| line(row))?;
        line(NOBODY)?;
        let mut end = End { lines: Count::default() };
        let mut rest = |rest: String| {
            end.lines.add(rest.as_bytes());
            line(rest.as_bytes())
        };
        for seen in slices.values() {
            let counted = Seen { incomplete: BTreeSet::new(), ..seen.clone() };
            let json = serde_json::to_string(&counted).unwrap_or_default();
            rest(format!("~\t1\t{:012}\t{json}", seen.slice))?;
        }
        for (key, homes) in &wider {
            let homes: Vec<String> = homes.iter().map(Home::to_string).collect();
            rest(format!("~\t2\t{key:016x}\t{}", json!(homes)))?;
        }
        line(format!("~\t9\t\t{}", serde_json::to_string(&end).unwrap_or_default()).as_bytes())?;
        Ok(Planned {
            slices: slices.len() as u64,
            records: slices.values().map(|seen| seen.records).sum(),
            rejected: slices.values().map(|seen| seen.rejected).sum(),
            disputed: wider.len() as u64,
        })
    })();
    pour.end(done)
}

/// Sees to it that each slice was surveyed once and to its end; what is wrong where one was not.
fn whole(judge: &Judge, shared: &[(u64, Box<[u8]>)], seen: Vec<Seen>) -> Result<BTreeMap<u16, Seen>, String> {
    let mut slices: BTreeMap<u16, Seen> = BTreeMap::new();
    for one in seen {
        let slice = one.slice;
        if slice >= SLICES {
            return Err(format!("found slice {slice}, expected one below {SLICES}"));
        }
        if one.program != judge.program {
            let (theirs, ours) = (one.program, &judge.program);
            return Err(format!("slice {slice} was surveyed by program `{theirs}`, and this is `{ours}`"));
        }
        if slices.insert(slice, one).is_some() {
            return Err(format!("slice {slice} was surveyed twice"));
        }
    }
    if slices.is_empty() {
        return Err("expected the survey of at least one slice; a line `seen` ends it".to_owned());
    }
    let mut counts: BTreeMap<u64, Count> = BTreeMap::new();
    shared.iter().for_each(|(number, row)| counts.entry(slice_of(*number)).or_default().add(row));
    for seen in slices.values() {
        let found = counts.remove(&u64::from(seen.slice)).unwrap_or_default();
        if found != seen.shared {
            return Err(format!(
                "slice {}: has {} lines `shared` with the sum {}; expected {} with the sum {}",
                seen.slice, found.rows, found.sum, seen.shared.rows, seen.shared.sum
            ));
        }
    }
    match counts.keys().next() {
        Some(slice) => Err(format!("slice {slice} has no line `seen`: its survey was cut short")),
        None => Ok(slices),
    }
}

/// A plan that was read.
pub struct Plan {
    judge: Judge,
    pub(super) places: Places,
    slices: BTreeMap<u16, Seen>,
    file: String,
}

/// What a block of a plan comes to.
#[derive(Default)]
struct Part {
    part: Builder,
    header: Option<Header>,
    held: HashSet<String>,
    rows: Count,
    slices: Vec<Seen>,
    disputed: Vec<(u64, BTreeSet<Home>)>,
    rest: Count,
    end: Option<End>,
    bad: Option<(u64, String)>,
}

impl Part {
    fn of(block: &Block, input: usize, part: Builder) -> Self {
        let mut made = Self { part, ..Self::default() };
        for (number, offset, line) in block.each() {
            if let Err(what) = made.line(number, line, locator(block, input, offset)) {
                made.bad = Some((number, what));
                break;
            }
        }
        made
    }

    fn line(&mut self, number: u64, line: &[u8], at: Locator) -> Result<(), String> {
        #[derive(Deserialize)]
        struct HeldOn {
            system: String,
        }
        let bad = |e: serde_json::Error| e.to_string();
        if let Some(rest) = line.strip_prefix(b"~\t") {
            let parts: Vec<&[u8]> = rest.splitn(3, |b| *b == b'\t').collect();
            match parts.as_slice() {
                [b"1", _, json] => self.slices.push(serde_json::from_slice(json).map_err(bad)?),
                [b"2", key, json] => {
                    let homes: Vec<&str> = serde_json::from_slice(json).map_err(bad)?;
                    let homes: Option<BTreeSet<Home>> =
                        homes.into_iter().map(|home| home_of_text(home.as_bytes())).collect();
                    let all = digits(key, 16, 16).zip(homes);
                    self.disputed.push(all.ok_or("expected a key and homes of 16 hexadecimal digits")?);
                }
                [b"9", b"", json] => {
                    self.end = Some(serde_json::from_slice(json).map_err(bad)?);
                    return Ok(());
                }
                _ => return Err("expected the line of a slice or a request".to_owned()),
            }
            self.rest.add(line);
            return Ok(());
        }
        let row = Row::of(line).map_err(|e| format!("expected {e}"))?;
        if (number == 1) != (row.kind == Kind::Header) {
            return Err("expected the header in the first line, and there alone".to_owned());
        }
        match row.kind {
            Kind::Header => {
                self.header = Some(Header::of(row.json)?);
                return Ok(());
            }
            Kind::Held => {
                let on: HeldOn = serde_json::from_slice(row.json).map_err(bad)?;
                self.held.insert(on.system);
            }
            Kind::Shared => {
                let record = parse_line(row.json).map_err(|e| e.to_string())?;
                if matches!(record, Record::Identity(_) | Record::System(_)) {
                    self.part.add(record, at, row.json);
                }
            }
            Kind::Nobody if line == NOBODY => return Ok(()),
            _ => return Err("a row of a home does not belong into a plan".to_owned()),
        }
        self.rows.add(line);
        Ok(())
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read, or is no whole plan.
    pub fn read(source: &Source, threads: usize) -> Result<Self, IntakeError> {
        let mut builder = Builder::default();
        let empty = builder.part();
        let (mut all, mut disputed) = (Part::default(), HashMap::new());
        let make = |block: &Block, (input, _)| Part::of(block, input, empty.part());
        let how = How { again: true, threads, progress: &|_| {} };
        let sources = std::slice::from_ref(source);
        let (inputs, _) = each_input(sources, Numbers::ALL, &how, &make, &mut |mut made: Part, file| {
            if let Some((line, what)) = made.bad {
                return Err(IntakeError::Line { file: file.to_owned(), line, what });
            }
            builder.append(&mut made.part);
            all.header = all.header.take().or(made.header);
            all.held.extend(made.held);
            all.rows.merge(made.rows);
            all.slices.append(&mut made.slices);
            disputed.extend(made.disputed);
            all.rest.merge(made.rest);
            all.end = all.end.take().or(made.end);
            Ok(())
        })?;
        let file = source.to_string();
        let fault = |what: &str| IntakeError::Plan(format!("{file}: {what}"));
        let Some(header) = all.header else { return Err(fault("is empty: it has no header")) };
        if all.rows != (Count { rows: header.shared, sum: header.shared_sum }) {
            return Err(fault(&format!(
                "has {} of the rows that every partition needs, with the sum {}; expected {} with the sum {}",
                all.rows.rows, all.rows.sum, header.shared, header.shared_sum
            )));
        }
        let Some(End { lines }) = all.end else {
            return Err(fault("was cut short, or is no plan: it has no last line"));
        };
        if all.rest != lines {
            return Err(fault(&format!(
                "has {} lines of slices and requests, with the sum {}; expected {} with the sum {}",
                all.rest.rows, all.rest.sum, lines.rows, lines.sum
            )));
        }
        let mut inputs: Vec<Input> = inputs.into_iter().map(|(input, _)| input).collect();
        let routes = routes(builder, threads, 3, &mut inputs)?;
        let places = Places { routes, hashing: Hashing::Common, disputed, held: Some(all.held) };
        let slices = all.slices.into_iter().map(|seen| (seen.slice, seen)).collect();
        Ok(Self { judge: header.judge, places, slices, file })
    }

    /// Who will judge.
    #[must_use]
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// How many slices there are.
    pub(super) fn slices(&self) -> u64 {
        self.slices.len() as u64
    }

    /// What was counted in a slice.
    pub(super) fn seen(&self, slice: u16) -> Result<&Seen, IntakeError> {
        self.slices.get(&slice).ok_or_else(|| {
            IntakeError::Plan(format!("{}: slice {slice} is not among its {}", self.file, self.slices.len()))
        })
    }
}
