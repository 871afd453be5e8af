//! Which format a file is in, and which of a connector's shapes it has.
//!
//! The content decides, not the name: names of exports are whatever somebody saved them as. Only between JSON and
//! JSONL, where one line can be both, the ending of the name has a say.

use super::archive::Input;
use super::json::{Outside, Visit, Walk, located, pointers};
use super::{encoding, table, xlsx, xml};
use crate::connect::error::PullError;
use crate::connect::limits::{MAX_DECODED_BYTES, MAX_DOCUMENT_BYTES, MAX_HEAD_BYTES, MAX_ROW_BYTES};
use crate::connect::manifest::{Format, Manifest, Shape};
use crate::connect::settings::Settings;
use encoding_rs::{Encoding, UTF_8};
use serde::de::DeserializeSeed;
use serde_json::Value;
use std::io::{BufRead, Read};

/// What is known of an input before its rows are read.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The format.
    pub format: Format,
    /// Name of the shape.
    pub shape: String,
    /// The encoding of the text; of no meaning for a workbook.
    pub encoding: &'static Encoding,
    /// What the document says outside its rows, or null.
    pub head: Value,
    /// CSV: the character between cells.
    pub delimiter: u8,
    /// XLSX: the sheet.
    pub sheet: Option<String>,
}

/// Recognises an input.
///
/// # Errors
/// The input is empty, in no known format, in an encoding that has to be said, or of no shape of the connector.
pub fn recognise(input: &Input, manifest: &Manifest, settings: &Settings) -> Result<Recognised, PullError> {
    input.meter.restart();
    input.meter.set_row_limit(MAX_ROW_BYTES);
    let forced = match settings.common("shape") {
        Some(name) => Some(manifest.shapes.iter().find(|shape| shape.name == name).ok_or_else(|| {
            let known: Vec<&str> = manifest.shapes.iter().map(|shape| shape.name.as_str()).collect();
            PullError::Setting(format!(
                "setting `shape`: there is no shape `{name}`: there are {}",
                known.join(", ")
            ))
        })?),
        None => None,
    };
    let candidates: Vec<&Shape> = match forced {
        Some(shape) => vec![shape],
        None => manifest.shapes.iter().collect(),
    };
    let found = if input.is_workbook {
        xlsx::recognise(input, &candidates, forced.is_some(), settings)?
    } else {
        text(input, &candidates, forced.is_some(), settings)?
    };
    let (format, what) = match found {
        Found::Shape(recognised) => return Ok(*recognised),
        Found::None { format, what } => (format, what),
    };
    let known: Vec<String> = manifest
        .shapes
        .iter()
        .map(|shape| {
            let formats: Vec<&str> = shape.formats.iter().map(|format| format.name()).collect();
            format!("{} ({})", shape.name, formats.join(", "))
        })
        .collect();
    Err(input.error(format!(
        "{} of no shape that connector `{}` knows: {what}; it knows {}",
        format.name(),
        manifest.name,
        known.join(", ")
    )))
}

/// The outcome of one recogniser.
pub(super) enum Found {
    /// The input has a shape.
    Shape(Box<Recognised>),
    /// It has none; what was seen instead.
    None { format: Format, what: String },
}

/// How many characters of a name are shown.
const SHOWN: usize = 80;

/// Lists a few names for a message.
pub(super) fn few<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{}`", start(name))).collect();
    let more = names.len().saturating_sub(8);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// The start of a name, which can be as long as a file that is no table.
fn start(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn text(input: &Input, candidates: &[&Shape], forced: bool, settings: &Settings) -> Result<Found, PullError> {
    let mut head = Vec::new();
    input.with_bytes(|reader| {
        reader.take(64 << 10).read_to_end(&mut head).map(drop).map_err(|error| error.to_string())
    })?;
    let encoding = encoding_of(input, &head, candidates, settings)?;
    let first =
        input.with_text(encoding, |mut text| first_character(&mut text).map_err(|e| input.error(e)))?;
    let Some(first) = first else {
        return Err(input.error("empty: no rows and no header"));
    };
    match first {
        b'<' => {
            if starts_as_html(&head) {
                return Err(input.error("an HTML page, not an export: was a login page saved?"));
            }
            xml::recognise(input, encoding, candidates, forced)
        }
        b'{' | b'[' => json(input, encoding, candidates, forced),
        _ => table::recognise(input, encoding, candidates, forced, settings),
    }
}

fn first_character(text: &mut impl BufRead) -> Result<Option<u8>, String> {
    loop {
        let buffer = text.fill_buf().map_err(|error| error.to_string())?;
        if buffer.is_empty() {
            return Ok(None);
        }
        if let Some(byte) = buffer.iter().find(|byte| !byte.is_ascii_whitespace()) {
            return Ok(Some(*byte));
        }
        let read = buffer.len();
        text.consume(read);
    }
}

fn starts_as_html(head: &[u8]) -> bool {
    let text =
        String::from_utf8_lossy(head.get(..head.len().min(200)).unwrap_or_default()).to_ascii_lowercase();
    let text = text.trim_start_matches('\u{feff}').trim_start();
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

/// The encoding: said, marked, declared, valid UTF-8, or the fallback of a shape.
fn encoding_of(
    input: &Input,
    head: &[u8],
    candidates: &[&Shape],
    settings: &Settings,
) -> Result<&'static Encoding, PullError> {
    if let Some(name) = settings.common("encoding") {
        return encoding::by_name(name).ok_or_else(|| {
            PullError::Setting(format!(
                "setting `encoding`: `{name}` is not read: expected utf-8, utf-16le, utf-16be or windows-1252"
            ))
        });
    }
    if let Some(encoding) = encoding::from_mark(head) {
        return Ok(encoding);
    }
    if let Some(name) = encoding::from_xml_declaration(head) {
        return encoding::by_name(&name)
            .ok_or_else(|| input.error(format!("declares the encoding `{name}`, which is not read")));
    }
    let fallback = candidates.iter().find_map(|shape| shape.fallback_encoding.as_deref());
    let Some(fallback) = fallback.and_then(encoding::by_name) else { return Ok(UTF_8) };
    // Text that is valid UTF-8 throughout is UTF-8: windows-1252 prose never is by chance. Rows are of no matter here.
    input.meter.set_row_limit(MAX_DECODED_BYTES);
    let whole = input.with_text(UTF_8, |mut text| {
        std::io::copy(&mut text, &mut std::io::sink()).map_err(|error| input.error(error.to_string()))
    });
    input.meter.restart();
    input.meter.set_row_limit(MAX_ROW_BYTES);
    match whole {
        Ok(_) => Ok(UTF_8),
        Err(PullError::Input { message, .. }) if message.starts_with("not valid") => Ok(fallback),
        Err(error) => Err(error),
    }
}

/// What a walk for recognition saw.
struct Look {
    outside: Outside,
    rows: Vec<(String, Option<Value>)>,
    input_meter: std::rc::Rc<super::meter::Meter>,
}

impl Visit for Look {
    fn row(&mut self, value: Value, _fault: Option<String>, at: &str) -> bool {
        if let Some((_, first)) = self.rows.iter_mut().find(|(known, _)| known == at) {
            first.get_or_insert(value);
        }
        true
    }

    fn outside(&self) -> Outside {
        self.outside
    }

    fn found(&mut self, at: &str) {
        if !self.rows.iter().any(|(known, _)| known == at) {
            self.rows.push((at.to_owned(), None));
        }
    }

    fn row_done(&self) {
        self.input_meter.next_row();
    }
}

/// The first document of a JSON file: what is outside the rows, and where rows were found.
fn look(
    input: &Input,
    encoding: &'static Encoding,
    shapes: &[&Shape],
    outside: Outside,
) -> Result<(Value, Look), PullError> {
    input.meter.restart();
    let whole = shapes.iter().any(|shape| shape.is_document());
    input.meter.set_row_limit(if whole { MAX_DOCUMENT_BYTES } else { MAX_ROW_BYTES });
    let pointers = pointers(shapes.iter().flat_map(|shape| &shape.rows));
    input.with_text(encoding, |text| {
        let mut seen = Look { outside, rows: Vec::new(), input_meter: std::rc::Rc::clone(&input.meter) };
        let mut json = serde_json::Deserializer::from_reader(text);
        let alive = (0..pointers.len()).collect();
        let walk = Walk { visit: &mut seen, pointers: &pointers, alive, depth: 0 };
        let document = walk.deserialize(&mut json).map_err(|error| located(input, &error))?;
        Ok((document, seen))
    })
}

fn json(
    input: &Input,
    encoding: &'static Encoding,
    candidates: &[&Shape],
    forced: bool,
) -> Result<Found, PullError> {
    let by_name =
        [".jsonl", ".ndjson"].iter().any(|ending| input.base.to_ascii_lowercase().ends_with(ending));
    let single = |format: Format| -> Vec<&Shape> {
        candidates.iter().filter(|shape| shape.formats.contains(&format)).copied().collect()
    };
    let (json_shapes, line_shapes) = (single(Format::Json), single(Format::Jsonl));
    let lines = by_name || is_lines(input, encoding)?;
    let found = |format, shape: &Shape, head| {
        Found::Shape(Box::new(Recognised {
            format,
            shape: shape.name.clone(),
            encoding,
            head,
            delimiter: b',',
            sheet: None,
        }))
    };
    // Lines first where they are lines; else documents first, and a lone line last.
    if lines && let Some(shape) = match_lines(input, encoding, &line_shapes, forced)? {
        return Ok(found(Format::Jsonl, shape, Value::Null));
    }
    let (document, seen) = look(input, encoding, &json_shapes, Outside::Sketch)?;
    for shape in &json_shapes {
        if matches_document(shape, &document, &seen.rows, forced) {
            if shape.is_document() || shape.rows.is_empty() {
                return Ok(found(Format::Json, shape, Value::Null));
            }
            let (head, _) = look(input, encoding, &[shape], Outside::Build)?;
            let head = if head.is_object() { head } else { Value::Null };
            if head.to_string().len() as u64 > MAX_HEAD_BYTES {
                return Err(input.error(format!("more than {} MiB outside the rows", MAX_HEAD_BYTES >> 20)));
            }
            return Ok(found(Format::Json, shape, head));
        }
    }
    if !lines && let Some(shape) = match_lines(input, encoding, &line_shapes, forced)? {
        return Ok(found(Format::Jsonl, shape, Value::Null));
    }
    let what = match &document {
        Value::Object(object) => format!("its keys are {}", few(object.keys().map(String::as_str))),
        Value::Array(_) => "it is an array".to_owned(),
        _ => "it is neither an object nor an array".to_owned(),
    };
    Ok(Found::None { format: if lines { Format::Jsonl } else { Format::Json }, what })
}

/// Are the first two lines that are not empty a JSON object each?
fn is_lines(input: &Input, encoding: &'static Encoding) -> Result<bool, PullError> {
    input.meter.restart();
    input.meter.set_row_limit(MAX_ROW_BYTES);
    let result = input.with_text(encoding, |text| {
        let mut objects = 0;
        for line in text.lines() {
            let Ok(line) = line else { return Ok(false) };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            if !line.starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(line).is_err() {
                return Ok(false);
            }
            objects += 1;
            if objects == 2 {
                return Ok(true);
            }
        }
        Ok(false)
    });
    input.meter.take_fault();
    result
}

fn match_lines<'s>(
    input: &Input,
    encoding: &'static Encoding,
    shapes: &[&'s Shape],
    forced: bool,
) -> Result<Option<&'s Shape>, PullError> {
    if shapes.is_empty() {
        return Ok(None);
    }
    let (first, _) = look(input, encoding, &[], Outside::Sketch)?;
    Ok(shapes.iter().find(|shape| forced || row_fits(shape, &first)).copied())
}

fn matches_document(shape: &Shape, document: &Value, rows: &[(String, Option<Value>)], forced: bool) -> bool {
    let has_keys = shape.keys.iter().all(|key| has(document, key));
    if shape.is_document() || shape.rows.is_empty() {
        return forced || (has_keys && shape.row_keys.iter().all(|key| has(document, key)));
    }
    let found: Vec<&(String, Option<Value>)> =
        rows.iter().filter(|(at, _)| shape.rows.contains(at)).collect();
    if found.is_empty() {
        return false;
    }
    // An array without rows has no row to look at; the keys around it decide.
    let first = found.iter().find_map(|(_, first)| first.as_ref());
    forced || (has_keys && first.is_none_or(|first| row_fits(shape, first)))
}

fn row_fits(shape: &Shape, row: &Value) -> bool {
    row.is_object() && shape.row_keys.iter().all(|key| has(row, key))
}

/// Does the value have this key, plain or as a pointer?
fn has(value: &Value, key: &str) -> bool {
    if key.starts_with('/') { value.pointer(key).is_some() } else { value.get(key).is_some() }
}
