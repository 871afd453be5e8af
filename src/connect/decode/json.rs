//! JSON and JSONL. A row of JSON is an element of an array the shape points at, as it is; a row of JSONL is a line.
//!
//! The rows are streamed: one element is in memory at a time. A file may hold several documents behind each other
//! (pages of an API written to one file). NaN, a second value for a key, and nesting beyond the limit are refused.

use super::archive::Input;
use super::recognise::Recognised;
use super::value::{Build, Notes, Sketch, scalars};
use super::{Row, RowSink};
use crate::connect::error::{Place, PullError};
use crate::connect::limits::{MAX_DOCUMENT_BYTES, MAX_JSON_DEPTH, MAX_ROW_BYTES};
use crate::connect::manifest::Shape;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};

/// A pointer such as `/issues` in steps; `*` stands for every element of an array.
pub(super) fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

/// What a walk over a document does with what it meets.
pub(super) trait Visit {
    /// An element of an array of rows. `false` ends the walk.
    fn row(&mut self, value: Value, fault: Option<String>, at: &str) -> bool;
    /// What to do with what is outside the rows.
    fn outside(&self) -> Outside;
    /// An array of rows was found at this pointer.
    fn found(&mut self, _at: &str) {}
    /// A piece of one row ends.
    fn row_done(&self);
}

/// What a walk keeps of a document outside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Nothing.
    Skip,
    /// Enough to recognise it by: keys, and the first element of each array. Of the rows, the first.
    Sketch,
    /// Everything; of the rows, nothing.
    Build,
}

/// One walk over one document.
pub(super) struct Walk<'w, V> {
    pub visit: &'w mut V,
    /// All pointers to arrays of rows, in steps, with their text.
    pub pointers: &'w [(Vec<String>, String)],
    /// The pointers that still fit here: indices into `pointers`.
    pub alive: Vec<usize>,
    /// Steps gone so far.
    pub depth: usize,
}

/// Text of the error that ends a walk from inside.
pub(super) const STOP: &str = "stopped";

impl<V: Visit> Walk<'_, V> {
    fn narrowed(&self, step: Option<&str>) -> Vec<usize> {
        let fits = |index: &&usize| {
            let wanted = self.pointers.get(**index).and_then(|(steps, _)| steps.get(self.depth));
            match (wanted, step) {
                (Some(wanted), Some(key)) => wanted == key,
                (Some(wanted), None) => wanted == "*",
                (None, _) => false,
            }
        };
        self.alive.iter().filter(fits).copied().collect()
    }

    /// The pointer that ends here, if one does.
    fn ends_here(&self) -> Option<usize> {
        self.alive
            .iter()
            .copied()
            .find(|index| self.pointers.get(*index).is_some_and(|(steps, _)| steps.len() == self.depth))
    }
}

impl<'de, V: Visit> DeserializeSeed<'de> for Walk<'_, V> {
    /// What is outside the rows; null where nothing is wanted.
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        if self.alive.is_empty() {
            return match self.visit.outside() {
                Outside::Skip => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null),
                Outside::Sketch => Sketch { depth: self.depth }.deserialize(deserializer),
                Outside::Build => {
                    let mut notes = Notes::default();
                    let value = Build { notes: &mut notes, depth: self.depth }.deserialize(deserializer)?;
                    notes.fault.map_or(Ok(value), |fault| Err(D::Error::custom(fault)))
                }
            };
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de, V: Visit> Visitor<'de> for Walk<'_, V> {
    type Value = Value;

    scalars!();

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        if let Some(index) = self.ends_here() {
            let at = self.pointers.get(index).map_or("", |(_, text)| text.as_str());
            self.visit.found(at);
            if self.visit.outside() == Outside::Sketch
                && let Some(first) = seq.next_element_seed(Sketch { depth: 0 })?
            {
                self.visit.row(first, None, at);
            }
            if self.visit.outside() != Outside::Skip {
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    self.visit.row_done();
                }
                return Ok(Value::Array(Vec::new()));
            }
            loop {
                let mut notes = Notes::default();
                let Some(value) = seq.next_element_seed(Build { notes: &mut notes, depth: 0 })? else {
                    break;
                };
                if !self.visit.row(value, notes.fault, at) {
                    return Err(A::Error::custom(STOP));
                }
                self.visit.row_done();
            }
            return Ok(Value::Array(Vec::new()));
        }
        let alive = self.narrowed(None);
        let depth = self.depth + 1;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Walk {
            visit: &mut *self.visit,
            pointers: self.pointers,
            alive: alive.clone(),
            depth,
        })? {
            if self.visit.outside() == Outside::Build {
                items.push(item);
            }
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        if self.depth >= MAX_JSON_DEPTH {
            return Err(A::Error::custom(format!("nests deeper than {MAX_JSON_DEPTH} levels")));
        }
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let alive = self.narrowed(Some(&key));
            let value = map.next_value_seed(Walk {
                visit: &mut *self.visit,
                pointers: self.pointers,
                alive,
                depth: self.depth + 1,
            })?;
            if object.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("the key `{key}` appears twice in one object")));
            }
        }
        Ok(Value::Object(object))
    }
}

/// Sends the rows on.
struct Send<'s, 'r> {
    input: &'s Input,
    sink: &'s mut RowSink<'r>,
    number: u64,
    stopped: Option<PullError>,
}

impl Visit for Send<'_, '_> {
    fn row(&mut self, value: Value, fault: Option<String>, at: &str) -> bool {
        self.number += 1;
        let row = match fault {
            Some(fault) => Err(PullError::row(self.input.place(self.number), fault)),
            None => Ok(Row { value, number: self.number, line: None }),
        };
        match (self.sink)(row, at) {
            Ok(()) => true,
            Err(error) => {
                self.stopped = Some(error);
                false
            }
        }
    }

    fn outside(&self) -> Outside {
        Outside::Skip
    }

    fn row_done(&self) {
        self.input.meter.next_row();
    }
}

/// The pointers of some shapes, in steps.
pub(super) fn pointers<'p>(rows: impl IntoIterator<Item = &'p String>) -> Vec<(Vec<String>, String)> {
    let mut pointers: Vec<(Vec<String>, String)> = Vec::new();
    for row in rows {
        if row != "document" && !pointers.iter().any(|(_, known)| known == row) {
            pointers.push((steps(row), row.clone()));
        }
    }
    pointers
}

/// Turns an error of the parser into one with its place.
pub(super) fn located(input: &Input, error: &serde_json::Error) -> PullError {
    if let Some((fault, line)) = input.meter.take_fault() {
        return PullError::input(Place::file(input.shown.clone()).at_line(line), fault);
    }
    let place = Place {
        file: input.shown.clone(),
        row: None,
        line: Some(error.line() as u64),
        column: Some(error.column() as u64),
    };
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    let hint = if error.is_eof() { ": the file ends in the middle of a value, is it cut off?" } else { "" };
    PullError::input(place, format!("not JSON: {text}{hint}"))
}

/// Streams the rows of JSON documents.
pub fn rows(
    input: &Input,
    recognised: &Recognised,
    shape: &Shape,
    sink: &mut RowSink<'_>,
) -> Result<(), PullError> {
    if shape.is_document() {
        input.meter.set_row_limit(MAX_DOCUMENT_BYTES);
    } else {
        input.meter.set_row_limit(MAX_ROW_BYTES);
    }
    let pointers = pointers(&shape.rows);
    input.with_text(recognised.encoding, |text| {
        let mut json = serde_json::Deserializer::from_reader(text);
        let mut number = 0;
        let mut documents = 0;
        loop {
            if documents > 0 {
                match json.end() {
                    Ok(()) => return Ok(()),
                    Err(error) if error.is_io() => return Err(located(input, &error)),
                    Err(_) => {}
                }
            }
            documents += 1;
            if shape.is_document() || pointers.is_empty() {
                let mut notes = Notes::default();
                let value = Build { notes: &mut notes, depth: 0 }
                    .deserialize(&mut json)
                    .map_err(|error| located(input, &error))?;
                number += 1;
                let row = match notes.fault {
                    Some(fault) => Err(PullError::row(input.place(number), fault)),
                    None => Ok(Row { value, number, line: None }),
                };
                sink(row, "document")?;
                input.meter.next_row();
                continue;
            }
            let mut send = Send { input, sink: &mut *sink, number, stopped: None };
            let alive = (0..pointers.len()).collect();
            let walk = Walk { visit: &mut send, pointers: &pointers, alive, depth: 0 };
            let walked = walk.deserialize(&mut json);
            number = send.number;
            if let Some(error) = send.stopped {
                return Err(error);
            }
            walked.map_err(|error| located(input, &error))?;
        }
    })
}

/// Streams the lines of JSONL. Empty lines are passed over.
pub fn lines(input: &Input, recognised: &Recognised, sink: &mut RowSink<'_>) -> Result<(), PullError> {
    input.meter.set_row_limit(MAX_ROW_BYTES);
    input.with_text(recognised.encoding, |mut text| {
        let mut buffer = Vec::new();
        let mut line = 0u64;
        let mut number = 0u64;
        loop {
            buffer.clear();
            let read = read_line(&mut text, &mut buffer).map_err(|error| input.error(error.to_string()))?;
            if read == 0 {
                return Ok(());
            }
            line += 1;
            input.meter.next_row();
            let trimmed = buffer.trim_ascii();
            if trimmed.is_empty() {
                continue;
            }
            number += 1;
            let place = || input.place(number).at_line(line);
            let mut notes = Notes::default();
            let mut json = serde_json::Deserializer::from_slice(trimmed);
            let parsed = Build { notes: &mut notes, depth: 0 }
                .deserialize(&mut json)
                .and_then(|value| json.end().map(|()| value));
            let row = match (parsed, notes.fault) {
                (Err(error), _) => {
                    let text = error.to_string();
                    let text = text.split(" at line ").next().unwrap_or(&text).to_owned();
                    let place = Place { column: Some(error.column() as u64), ..place() };
                    Err(PullError::row(place, format!("not JSON: {text}")))
                }
                (Ok(_), Some(fault)) => Err(PullError::row(place(), fault)),
                (Ok(value), None) => Ok(Row { value, number, line: Some(line) }),
            };
            sink(row, "")?;
        }
    })
}

/// Reads up to and with the next line feed. The meter below stops a line that is too long.
fn read_line(text: &mut BufReader<&mut dyn Read>, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    text.read_until(b'\n', buffer)
}
