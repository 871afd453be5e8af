//! XML without a document type. Each element at a row path becomes an object: child element name to the ARRAY of
//! its objects, attributes as `"@name"`, text as `"#text"`.
//!
//! A document type (and with it every entity of one's own) is refused; only the five predefined entities and
//! numeric references are known. The rows are streamed: one element is in memory at a time.

use super::archive::Input;
use super::recognise::{Found, Recognised, few};
use super::{Row, RowSink};
use crate::connect::error::PullError;
use crate::connect::limits::{MAX_HEAD_BYTES, MAX_ROW_BYTES, MAX_XML_ATTRIBUTES, MAX_XML_DEPTH};
use crate::connect::manifest::{Format, Shape};
use encoding_rs::Encoding;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// What a walk tells its caller.
trait Take {
    /// Is an element with this path a row? Then the text of the path pattern.
    fn pattern(&self, path: &[String]) -> Option<String>;
    /// A row is whole.
    fn row(&mut self, value: Value, at: &str) -> Result<bool, PullError>;
    /// An element outside the rows is whole (a child of the root or deeper, outermost first).
    fn outside(&mut self, path: &[String], value: Value) -> Result<(), PullError>;
    /// An element that leads to rows opens.
    fn opened(&mut self, path: &[String], attributes: Map<String, Value>);
    /// Could a row be below this path?
    fn leads(&self, path: &[String]) -> bool;
}

/// One element being built.
struct Open {
    name: String,
    object: Map<String, Value>,
    text: String,
}

impl Open {
    fn close(mut self) -> (String, Value) {
        let text = self.text.trim();
        if !text.is_empty() || self.object.keys().all(|key| key.starts_with('@')) {
            self.object.insert("#text".to_owned(), Value::String(text.to_owned()));
        }
        (self.name, Value::Object(self.object))
    }
}

fn walk(input: &Input, encoding: &'static Encoding, take: &mut dyn Take) -> Result<(), PullError> {
    input.meter.restart();
    input.meter.set_row_limit(MAX_ROW_BYTES);
    input.with_text(encoding, |text| {
        let mut xml = quick_xml::Reader::from_reader(text);
        xml.config_mut().expand_empty_elements = true;
        let mut buffer = Vec::new();
        // Elements that lead to rows, then those being built.
        let mut path: Vec<String> = Vec::new();
        let mut building: Vec<Open> = Vec::new();
        let mut at: Option<String> = None;
        let mut roots = 0;
        loop {
            buffer.clear();
            let event = xml.read_event_into(&mut buffer);
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(bad(input, xml.error_position(), format!("not XML: {error}"))),
            };
            let position = xml.buffer_position();
            let fail = |message: String| bad(input, position, message);
            match event {
                Event::Start(start) => {
                    let name = start.name().as_ref().to_owned();
                    path.push(name.clone());
                    if path.len() > MAX_XML_DEPTH {
                        return Err(fail(format!("nests deeper than {MAX_XML_DEPTH} levels")));
                    }
                    if path.len() == 1 {
                        roots += 1;
                        if roots > 1 {
                            return Err(fail("a second root element".into()));
                        }
                    }
                    let object = attributes(&start).map_err(fail)?;
                    if building.is_empty() {
                        let pattern = take.pattern(&path);
                        if pattern.is_none() && take.leads(&path) {
                            take.opened(&path, object);
                            continue;
                        }
                        at = pattern;
                    }
                    building.push(Open { name, object, text: String::new() });
                }
                Event::End(_) => {
                    if let Some(open) = building.pop() {
                        let (name, value) = open.close();
                        if let Some(parent) = building.last_mut() {
                            let slot = parent.object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                            if let Value::Array(items) = slot {
                                items.push(value);
                            }
                        } else {
                            let more = match &at {
                                Some(pattern) => take.row(value, pattern)?,
                                None => {
                                    take.outside(&path, value)?;
                                    true
                                }
                            };
                            input.meter.next_row();
                            if !more {
                                return Ok(());
                            }
                        }
                    }
                    path.pop();
                }
                Event::Text(text) => {
                    if let Some(open) = building.last_mut() {
                        open.text.push_str(&text.xml10_content());
                    } else if path.is_empty() && !text.trim().is_empty() {
                        return Err(fail("text outside the root element".into()));
                    }
                }
                Event::CData(text) => {
                    if let Some(open) = building.last_mut() {
                        open.text.push_str(&text.xml10_content());
                    }
                }
                Event::GeneralRef(reference) => {
                    let character = reference
                        .resolve_char_ref()
                        .map_err(|error| fail(format!("a character reference that is none: {error}")))?;
                    let character = match character {
                        Some(character) => Some(character),
                        None => predefined(&reference.xml10_content()),
                    };
                    let Some(character) = character.filter(|character| *character != '\0') else {
                        return Err(fail(format!(
                            "the entity `&{};`: only the five of XML itself and numeric ones are known",
                            reference.xml10_content()
                        )));
                    };
                    if let Some(open) = building.last_mut() {
                        open.text.push(character);
                    }
                }
                Event::DocType(_) => {
                    return Err(fail("a document type (<!DOCTYPE …>): refused, an export needs none".into()));
                }
                Event::Eof => {
                    if let Some(open) = path.last() {
                        return Err(fail(format!("the file ends within <{open}>: is it cut off?")));
                    }
                    if roots == 0 {
                        return Err(fail("no root element".into()));
                    }
                    return Ok(());
                }
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            }
        }
    })
}

/// The five entities of XML itself.
pub(in crate::connect) fn predefined(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

fn attributes(start: &BytesStart<'_>) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    let mut count = 0;
    for attribute in start.attributes().with_checks(false) {
        count += 1;
        if count > MAX_XML_ATTRIBUTES {
            return Err(format!("more than {MAX_XML_ATTRIBUTES} attributes on one element"));
        }
        let attribute = attribute.map_err(|error| format!("a bad attribute: {error}"))?;
        let name: &str = attribute.key.as_ref();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| format!("attribute `{name}`: {error}"))?;
        if memchr::memchr(0, value.as_bytes()).is_some() {
            return Err(format!("attribute `{name}` holds the NUL character"));
        }
        if object.insert(format!("@{name}"), Value::String(value.into_owned())).is_some() {
            return Err(format!("attribute `{name}` appears twice on one element"));
        }
    }
    Ok(object)
}

fn bad(input: &Input, position: u64, message: String) -> PullError {
    match input.error(message) {
        PullError::Input { place, message } if place.line.is_none() => {
            PullError::input(place, format!("{message} (at byte {position} of the text)"))
        }
        error => error,
    }
}

/// Does a path fit a pattern such as `unload/*`?
fn fits(pattern: &str, path: &[String], whole: bool) -> bool {
    let steps: Vec<&str> = pattern.trim_matches('/').split('/').collect();
    let enough = if whole { steps.len() == path.len() } else { steps.len() > path.len() };
    enough && steps.iter().zip(path).all(|(step, name)| *step == "*" || step == name)
}

/// Looks at everything once: where the first rows are, and what is around them.
struct Look<'s> {
    shapes: Vec<&'s Shape>,
    forced: bool,
    found: Option<String>,
    root: String,
    first_children: Vec<String>,
    head: Map<String, Value>,
    head_bytes: u64,
    over: bool,
}

impl Take for Look<'_> {
    fn pattern(&self, path: &[String]) -> Option<String> {
        let fits = |shape: &&&Shape| shape.rows.iter().any(|pattern| fits(pattern, path, true));
        self.shapes.iter().find(fits).map(|shape| shape.name.clone())
    }

    fn row(&mut self, _value: Value, at: &str) -> Result<bool, PullError> {
        self.found.get_or_insert_with(|| at.to_owned());
        Ok(true)
    }

    fn outside(&mut self, path: &[String], value: Value) -> Result<(), PullError> {
        let Some(name) = path.last() else { return Ok(()) };
        if self.first_children.len() < 20 {
            self.first_children.push(path.join("/"));
        }
        self.head_bytes += value.to_string().len() as u64;
        if self.head_bytes > MAX_HEAD_BYTES {
            self.over = true;
            return Ok(());
        }
        if let Value::Array(items) = self.head.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()))
        {
            items.push(value);
        }
        Ok(())
    }

    fn opened(&mut self, path: &[String], attributes: Map<String, Value>) {
        if path.len() == 1 {
            self.root = path.join("/");
            for (name, value) in attributes {
                self.head.insert(name, value);
            }
        }
    }

    fn leads(&self, path: &[String]) -> bool {
        // The root always leads somewhere, so that what it holds can be named.
        path.len() == 1 || self.shapes.iter().any(|shape| shape.rows.iter().any(|p| fits(p, path, false)))
    }
}

/// Recognises an XML file by the paths of its elements.
pub(super) fn recognise(
    input: &Input,
    encoding: &'static Encoding,
    candidates: &[&Shape],
    forced: bool,
) -> Result<Found, PullError> {
    let shapes: Vec<&Shape> =
        candidates.iter().filter(|shape| shape.formats.contains(&Format::Xml)).copied().collect();
    let mut look = Look {
        shapes,
        forced,
        found: None,
        root: String::new(),
        first_children: Vec::new(),
        head: Map::new(),
        head_bytes: 0,
        over: false,
    };
    walk(input, encoding, &mut look)?;
    // A file without rows has a shape if its outer elements are those of exactly one.
    let name = look.found.clone().or_else(|| {
        let root = std::slice::from_ref(&look.root);
        let open: Vec<&&Shape> = look
            .shapes
            .iter()
            .filter(|shape| look.forced || shape.rows.iter().any(|pattern| fits(pattern, root, false)))
            .collect();
        match open.as_slice() {
            [only] => Some(only.name.clone()),
            _ => None,
        }
    });
    let Some(shape) = name else {
        let what = if look.first_children.is_empty() {
            format!("its root is <{}>", look.root)
        } else {
            format!("its elements are {}", few(look.first_children.iter().map(String::as_str)))
        };
        return Ok(Found::None { format: Format::Xml, what });
    };
    if look.over {
        return Err(input.error(format!("more than {} MiB outside the rows", MAX_HEAD_BYTES >> 20)));
    }
    Ok(Found::Shape(Box::new(Recognised {
        format: Format::Xml,
        shape,
        encoding,
        head: Value::Object(look.head),
        delimiter: b',',
        sheet: None,
    })))
}

/// Sends the rows on.
struct Send<'s, 'r> {
    input: &'s Input,
    shape: &'s Shape,
    sink: &'s mut RowSink<'r>,
    number: u64,
}

impl Take for Send<'_, '_> {
    fn pattern(&self, path: &[String]) -> Option<String> {
        self.shape.rows.iter().find(|pattern| fits(pattern, path, true)).map(|_| path.join("/"))
    }

    fn row(&mut self, value: Value, at: &str) -> Result<bool, PullError> {
        self.number += 1;
        let _ = self.input;
        (self.sink)(Ok(Row { value, number: self.number, line: None }), at)?;
        Ok(true)
    }

    fn outside(&mut self, _path: &[String], _value: Value) -> Result<(), PullError> {
        Ok(())
    }

    fn opened(&mut self, _path: &[String], _attributes: Map<String, Value>) {}

    fn leads(&self, path: &[String]) -> bool {
        path.len() == 1 || self.shape.rows.iter().any(|pattern| fits(pattern, path, false))
    }
}

/// Streams the rows of an XML file.
pub(super) fn rows(
    input: &Input,
    recognised: &Recognised,
    shape: &Shape,
    sink: &mut RowSink<'_>,
) -> Result<(), PullError> {
    let mut send = Send { input, shape, sink, number: 0 };
    walk(input, recognised.encoding, &mut send)
}
