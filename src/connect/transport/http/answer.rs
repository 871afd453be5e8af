//! What an answer says: its rows, and what stands beside them.

use quick_xml::events::Event;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Map, Value};

use super::room::{self, Room};
use super::rows::says_something;
use crate::connect::decode::xml::predefined;
use crate::connect::limits::{MAX_COLUMNS, MAX_XML_DEPTH};
use crate::connect::manifest::http::{Answer, Step};

/// An answer, understood.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// What it says outside its rows: the answer without them. Null where it is nothing but rows.
    pub document: Value,
    /// Its rows.
    pub rows: Vec<Value>,
}

/// Takes out of a text what must not be told.
pub(super) type Safe<'a> = dyn Fn(&str) -> String + 'a;

/// Reads an answer.
///
/// # Errors
/// What it is instead of what was expected. `safe` makes what is repeated of it fit for a message.
pub(super) fn read(step: &Step, headers: &HeaderMap, body: &[u8], safe: &Safe<'_>) -> Result<Page, String> {
    understood(step, headers, body, safe).map_err(|wrong| match wrong {
        Wrong::Said(why) => why,
        Wrong::Not(expected, why) => {
            let start = String::from_utf8_lossy(body.get(..4096).unwrap_or(body));
            let start: String = safe(&start).chars().take(40).collect();
            format!("the answer {expected}: {}; it starts `{start}`", safe(&why))
        }
    })
}

/// What is wrong with an answer.
enum Wrong {
    /// In words.
    Said(String),
    /// It is not what was expected, or more than can be taken, and why.
    Not(&'static str, String),
}

impl From<String> for Wrong {
    fn from(why: String) -> Self {
        Self::Said(why)
    }
}

fn understood(step: &Step, headers: &HeaderMap, body: &[u8], safe: &Safe<'_>) -> Result<Page, Wrong> {
    // RFC 8259 lets a parser pass over a byte order mark.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    check_type(step, headers, body)?;
    let room = Room::new();
    let mut document = match &step.format {
        Answer::Json => room::json(body, &room).map_err(|e| no_json("is no JSON", &e))?,
        Answer::Xml { item, booleans } => xml(body, item.as_deref(), booleans, &room)?,
        Answer::Jsonl => {
            let lines = body.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty());
            let rows = lines.map(|line| room::json(line, &room).map_err(|e| no_json("is no JSON lines", &e)));
            return Ok(Page { document: Value::Null, rows: rows.collect::<Result<_, _>>()? });
        }
        Answer::Csv => return Ok(Page { document: Value::Null, rows: csv(body, &room)? }),
    };
    if matches!(step.format, Answer::Json) {
        check_shape(step, &document)?;
    }
    if step.is_document() {
        return Ok(match document {
            Value::Null => Page::default(),
            document => Page { rows: vec![document.clone()], document },
        });
    }
    failed(step, &document, safe)?;
    let mut rows = Vec::new();
    for pointer in &step.rows {
        if let Some(object) = pointer.strip_suffix("/*") {
            rows.extend(values(document.pointer_mut(object).map(Value::take), object)?);
            continue;
        }
        match document.pointer_mut(pointer).map(Value::take) {
            Some(Value::Array(more)) => rows.extend(more),
            Some(one @ Value::Object(_)) => rows.push(one),
            None | Some(Value::Null) if !step.must => {}
            None | Some(Value::Null) => {
                return Err(Wrong::Said(format!(
                    "there is nothing at `{pointer}` of the answer: expected an array"
                )));
            }
            Some(_) => return Err(Wrong::Said(format!("what is at `{pointer}` of the answer is no array"))),
        }
    }
    Ok(Page { document, rows })
}

/// Rows that are not in an answer are not there only where the answer is one: `null`, a text or a list in the place of an
/// object says nothing of them.
fn check_shape(step: &Step, document: &Value) -> Result<(), String> {
    let inside = !step.is_document() && step.rows.iter().all(|rows| rows.starts_with('/'));
    let kind = match document {
        Value::Object(_) => return Ok(()),
        Value::Null => "`null`",
        _ if !inside => return Ok(()),
        Value::Array(_) => "an array",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
    };
    let expected = if inside { "an object" } else { "a value" };
    Err(format!("the answer is {kind}: expected {expected}"))
}

/// An array that is not there has no rows, but not in an answer that says what went wrong, or that is none.
fn failed(step: &Step, document: &Value, safe: &Safe<'_>) -> Result<(), String> {
    let there = |pointer: &String| match pointer.as_str() {
        "" => !document.is_object(),
        pointer => document.pointer(pointer.trim_end_matches("/*")).is_some(),
    };
    if step.rows.is_empty() || step.rows.iter().any(there) {
        return Ok(());
    }
    let object = match document {
        Value::Object(object) => object,
        // An element without content, where XML has nothing to say.
        Value::Null if matches!(step.format, Answer::Xml { .. }) => return Ok(()),
        _ => return Err("the answer is no object that could hold rows".to_owned()),
    };
    let errors = ["error", "errors", "Error", "Errors", "errorCode", "errorMessages", "fault", "Fault"];
    match errors.iter().find_map(|key| object.get(*key).filter(|said| says_something(said))) {
        Some(said) => Err(format!("the answer is an error: {}", safe(&said.to_string()))),
        None => Ok(()),
    }
}

/// The values of an object, each with its key.
fn values(object: Option<Value>, pointer: &str) -> Result<Vec<Value>, String> {
    let object = match object {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(format!("what is at `{pointer}` of the answer is no object")),
    };
    let with_key = |(key, value)| {
        let mut row = match value {
            Value::Object(row) => row,
            Value::Null => Map::new(),
            other => Map::from_iter([("value".to_owned(), other)]),
        };
        let key: String = key;
        row.insert("_key".to_owned(), Value::from(key.trim_end_matches('/')));
        Value::Object(row)
    };
    Ok(object.into_iter().map(with_key).collect())
}

/// A web page is no answer, whatever its status says: somebody has to sign in, or a proxy speaks.
fn check_type(step: &Step, headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let start = body.trim_ascii_start().get(..15).unwrap_or_default().to_ascii_lowercase();
    let page = start.starts_with(b"<!doctype html") || start.starts_with(b"<html");
    if kind.to_ascii_lowercase().contains("html") || page {
        return Err("a web page came, not an answer: is a sign-in or a proxy in between?".to_owned());
    }
    if matches!(step.format, Answer::Json | Answer::Csv) && body.trim_ascii().is_empty() {
        return Err("the answer is empty".to_owned());
    }
    Ok(())
}

/// What came is not what was expected.
fn not(expected: &'static str, error: &dyn std::fmt::Display) -> Wrong {
    Wrong::Not(expected, error.to_string())
}

/// What came is no JSON, or JSON that is refused for what it says.
fn no_json(expected: &'static str, error: &serde_json::Error) -> Wrong {
    not(if error.is_data() { "cannot be taken" } else { expected }, error)
}

/// Lines of CSV as objects of texts.
fn csv(body: &[u8], room: &Room) -> Result<Vec<Value>, Wrong> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(body);
    let headers = reader.headers().map_err(|e| not("is no CSV", &e))?.clone();
    if headers.len() > MAX_COLUMNS {
        let columns = headers.len();
        return Err(Wrong::Said(format!("the answer has {columns} columns: at most {MAX_COLUMNS} are read")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| not("is no CSV", &e))?;
        let cells = headers.iter().zip(&record).map(|(name, cell)| (name.to_owned(), Value::from(cell)));
        let row = Value::Object(cells.collect());
        room.hold(&row).map_err(|e| not("cannot be taken", &e))?;
        rows.push(row);
    }
    Ok(rows)
}

/// An element being read.
struct Open {
    name: String,
    text: String,
    children: Vec<(String, Value)>,
}

impl Open {
    /// What it is as JSON: see [`Answer::Xml`].
    fn close(self, item: Option<&str>, booleans: &[String]) -> (String, Value) {
        let text = self.text.trim();
        let value = if !self.children.is_empty() {
            if item.is_some_and(|item| self.children.iter().all(|(name, _)| name == item)) {
                Value::Array(self.children.into_iter().map(|(_, value)| value).collect())
            } else {
                let mut object = Map::new();
                for (name, value) in self.children {
                    match object.get_mut(&name) {
                        None => drop(object.insert(name, value)),
                        Some(Value::Array(items)) => items.push(value),
                        Some(one) => *one = Value::Array(vec![one.take(), value]),
                    }
                }
                Value::Object(object)
            }
        } else if text.is_empty() {
            Value::Null
        } else if booleans.contains(&self.name) && matches!(text, "true" | "false") {
            Value::Bool(text == "true")
        } else {
            Value::from(text)
        };
        (self.name, value)
    }
}

/// XML as JSON.
fn xml(body: &[u8], item: Option<&str>, booleans: &[String], room: &Room) -> Result<Value, Wrong> {
    let mut reader = quick_xml::Reader::from_reader(body);
    reader.config_mut().expand_empty_elements = true;
    let mut buffer = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).map_err(|e| not("is no XML", &e))? {
            Event::Start(start) => {
                if open.len() >= MAX_XML_DEPTH {
                    return Err(Wrong::Said(format!("the answer nests deeper than {MAX_XML_DEPTH} levels")));
                }
                let name = start.name().local_name().as_ref().to_owned();
                room.element(&name).map_err(|e| not("cannot be taken", &e))?;
                open.push(Open { name, text: String::new(), children: Vec::new() });
            }
            Event::End(_) => {
                let Some(closed) = open.pop() else { continue };
                let (name, value) = closed.close(item, booleans);
                match open.last_mut() {
                    Some(parent) => parent.children.push((name, value)),
                    None => return Ok(value),
                }
            }
            Event::Text(text) => {
                if let Some(open) = open.last_mut() {
                    open.text.push_str(&text.xml10_content());
                }
            }
            Event::CData(data) => {
                if let Some(open) = open.last_mut() {
                    open.text.push_str(&data.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let text = reference.resolve_char_ref().map_err(|e| not("is no XML", &e))?;
                let text = text.or_else(|| predefined(&reference.xml10_content()));
                let text =
                    text.ok_or_else(|| "the answer holds an entity that XML does not define".to_owned())?;
                if let Some(open) = open.last_mut() {
                    open.text.push(text);
                }
            }
            Event::DocType(_) => {
                return Err(Wrong::Said("the answer declares a document type, which is refused".to_owned()));
            }
            Event::Eof => return Err(not("is no XML", &"it ends too early")),
            _ => {}
        }
    }
}
