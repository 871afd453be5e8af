//! Tables: CSV here, and what CSV and workbooks have in common.
//!
//! A row becomes an object that maps each header to the ARRAY of its cells that are not empty, in column order:
//! headers repeat in real exports (one Jira file has 2,261 columns), and nothing may be lost to the last one
//! winning. The text of a cell stays as it is.

use super::archive::Input;
use super::recognise::{Found, Recognised, few};
use super::{Row, RowSink};
use crate::connect::error::{Place, PullError};
use crate::connect::limits::{MAX_COLUMNS, MAX_FIELD_BYTES, MAX_ROW_BYTES};
use crate::connect::manifest::{Format, Shape};
use crate::connect::settings::Settings;
use encoding_rs::Encoding;
use serde_json::{Map, Value};
use std::io::Read;

/// Characters that stand between cells, in the order they are tried.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What to say of the one way in which spreadsheets spoil a CSV that was seen in the wild.
const WRAPPED: &str =
    "the line is wrapped in quotes as a whole, as if a spreadsheet had re-saved it: export it again";

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Columns {
    names: Vec<String>,
}

impl Columns {
    /// Columns from the cells of a header row.
    pub fn new(cells: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut names: Vec<String> = Vec::new();
        for cell in cells {
            if names.len() >= MAX_COLUMNS {
                return Err(format!("more than {MAX_COLUMNS} columns"));
            }
            names.push(cell.trim().to_owned());
        }
        Ok(Self { names })
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The row object of some cells, and whether any of them held something.
    pub fn row(&self, cells: impl IntoIterator<Item = (usize, String)>) -> Result<Option<Value>, String> {
        let mut object: Map<String, Value> = Map::new();
        let mut any = false;
        for (column, cell) in cells {
            let blank = cell.trim().is_empty();
            let Some(name) = self.names.get(column) else {
                if blank {
                    continue;
                }
                return Err(format!(
                    "a cell in column {} but the header has {} columns: is a quote or delimiter out of place?",
                    column + 1,
                    self.names.len()
                ));
            };
            if blank {
                continue;
            }
            any = true;
            if let Value::Array(items) =
                object.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()))
            {
                items.push(Value::String(cell));
            }
        }
        for name in &self.names {
            if !object.contains_key(name) {
                object.insert(name.clone(), Value::Array(Vec::new()));
            }
        }
        Ok(any.then_some(Value::Object(object)))
    }

    /// Does the header fit the shape: one name of each group is there?
    pub fn fit(&self, shape: &Shape) -> bool {
        shape.headers.iter().all(|group| group.iter().any(|wanted| self.has(wanted)))
    }

    fn has(&self, wanted: &str) -> bool {
        let wanted = wanted.trim().to_lowercase();
        self.names.iter().any(|name| name.to_lowercase() == wanted)
    }

    /// What the map sees as `$head`: all header names in order, repeated ones repeated.
    pub fn head(&self) -> Value {
        serde_json::json!({ "columns": self.names })
    }

    /// What the header holds, for a message.
    pub fn describe(&self) -> String {
        format!("its header is {}", few(self.names.iter().map(String::as_str)))
    }
}

fn reader<R: Read>(text: R, delimiter: u8) -> csv::Reader<R> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(text)
}

/// Reads only the header, with one delimiter.
fn header(input: &Input, encoding: &'static Encoding, delimiter: u8) -> Result<Columns, PullError> {
    input.meter.restart();
    input.meter.set_row_limit(MAX_ROW_BYTES);
    input.with_text(encoding, |text| {
        let mut csv = reader(text, delimiter);
        let mut record = csv::StringRecord::new();
        csv.read_record(&mut record).map_err(|error| located(input, &error))?;
        Columns::new(record.iter().map(str::to_owned))
            .map_err(|message| PullError::input(Place::file(input.shown.clone()).at_line(1), message))
    })
}

/// Recognises a CSV by its header line.
pub(super) fn recognise(
    input: &Input,
    encoding: &'static Encoding,
    candidates: &[&Shape],
    forced: bool,
    settings: &Settings,
) -> Result<Found, PullError> {
    let delimiters: Vec<u8> = match settings.common("delimiter") {
        Some("\\t" | "tab") => vec![b'\t'],
        Some(text) => match text.as_bytes() {
            [byte] if byte.is_ascii() && *byte != b'"' && !byte.is_ascii_alphanumeric() => vec![*byte],
            _ => {
                return Err(PullError::Setting(format!(
                    "setting `delimiter`: expected one character such as `;`, or `tab`, it is `{text}`"
                )));
            }
        },
        None => DELIMITERS.to_vec(),
    };
    let mut best: Option<(Columns, u8)> = None;
    for delimiter in delimiters {
        let columns = header(input, encoding, delimiter)?;
        if best.as_ref().is_none_or(|(known, _)| columns.len() > known.len()) {
            best = Some((columns, delimiter));
        }
    }
    let Some((columns, delimiter)) = best else { return Err(input.error("no header")) };
    let shape = candidates
        .iter()
        .filter(|shape| shape.formats.contains(&Format::Csv))
        .find(|shape| forced || columns.fit(shape));
    if let Some(shape) = shape {
        return Ok(Found::Shape(Box::new(Recognised {
            format: Format::Csv,
            shape: shape.name.clone(),
            encoding,
            head: columns.head(),
            delimiter,
            sheet: None,
        })));
    }
    let mut what = columns.describe();
    let first = columns.names.first().map(String::as_str).unwrap_or_default();
    if first.matches(',').count() >= 2 && columns.names.iter().skip(1).all(String::is_empty) {
        what = WRAPPED.to_owned();
    }
    Ok(Found::None { format: Format::Csv, what })
}

/// Streams the rows of a CSV.
pub(super) fn rows(input: &Input, recognised: &Recognised, sink: &mut RowSink<'_>) -> Result<(), PullError> {
    input.meter.set_row_limit(MAX_ROW_BYTES);
    input.with_text(recognised.encoding, |text| {
        let mut csv = reader(text, recognised.delimiter);
        let mut record = csv::StringRecord::new();
        csv.read_record(&mut record).map_err(|error| located(input, &error))?;
        let columns =
            Columns::new(record.iter().map(str::to_owned)).map_err(|message| input.error(message))?;
        // Where lines end in CR LF the parser has yet to see the LF when it says where a row starts.
        let within = record.iter().map(|cell| cell.matches('\n').count() as u64).sum::<u64>();
        let behind = (within + 2).saturating_sub(csv.position().line());
        let mut number = 0u64;
        loop {
            input.meter.next_row();
            let more = csv.read_record(&mut record).map_err(|error| located(input, &error))?;
            if !more {
                break;
            }
            number += 1;
            let line = record.position().map(|position| position.line() + behind);
            let place = || Place { line, ..input.place(number) };
            let row = row(&columns, &record).map_err(|message| PullError::row(place(), message));
            let row = match row {
                Ok(None) => continue,
                Ok(Some(value)) => Ok(Row { value, number, line }),
                Err(error) => Err(error),
            };
            sink(row, "")?;
        }
        if input.meter.quotes() % 2 == 1 {
            return Err(PullError::input(
                Place::file(input.shown.clone()),
                "an odd number of quotes: a quoted cell is never closed; is the file cut off?",
            ));
        }
        Ok(())
    })
}

fn row(columns: &Columns, record: &csv::StringRecord) -> Result<Option<Value>, String> {
    if let Some(long) = record.iter().position(|cell| cell.len() > MAX_FIELD_BYTES) {
        return Err(format!("the cell in column {} is longer than {} MiB", long + 1, MAX_FIELD_BYTES >> 20));
    }
    if record.iter().all(|cell| cell.trim().is_empty()) {
        return Ok(None);
    }
    if record.len() < columns.len() {
        if record.iter().filter(|cell| !cell.trim().is_empty()).count() == 1
            && record.iter().any(|cell| cell.matches([',', ';']).count() >= columns.len() / 2)
        {
            return Err(WRAPPED.into());
        }
        return Err(format!(
            "{} cells where the header has {}: is the file cut off, or a delimiter out of place?",
            record.len(),
            columns.len()
        ));
    }
    columns.row(record.iter().map(str::to_owned).enumerate())
}

fn located(input: &Input, error: &csv::Error) -> PullError {
    if let Some((fault, line)) = input.meter.take_fault() {
        return PullError::input(Place::file(input.shown.clone()).at_line(line), fault);
    }
    let place = Place { line: error.position().map(csv::Position::line), ..Place::file(input.shown.clone()) };
    PullError::input(place, format!("not CSV: {error}"))
}
