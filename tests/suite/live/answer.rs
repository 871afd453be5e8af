//! The body of an answer: rows in their envelope, written in the format of the product.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::pages::Row;
use super::rows::put;
use super::rule::text;
use super::spec::{Answer, Failure, Format, Operation};
use super::wire::Reply;

/// What goes into a body.
#[derive(Debug, Clone)]
pub enum Content {
    /// Rows.
    Rows(Vec<Row>),
    /// A document as it stands.
    Document(Value),
    /// Nothing yet: what a job answers that is not done.
    Nothing,
}

/// The answer as JSON, before it is written. `lists` are the names of all lists, where there are several.
///
/// # Errors
/// When `stub.toml` puts something beside an array that has no beside.
pub fn build(operation: &Operation, content: Content, lists: &[String]) -> Result<Value, String> {
    let answer = &operation.answer;
    let mut body = Value::Object(Map::new());
    let at = answer.at.as_deref();
    match content {
        Content::Nothing => {}
        Content::Document(document) => place(&mut body, at, document),
        Content::Rows(rows) if lists.is_empty() => {
            place(&mut body, at, rows.into_iter().map(|(_, row)| row).collect());
        }
        Content::Rows(rows) => {
            for list in lists {
                let of = rows.iter().filter(|(name, _)| name.as_deref() == Some(list));
                let of: Value = of.map(|(_, row)| row.clone()).collect();
                let key = list.replace('~', "~0").replace('/', "~1");
                put(&mut body, &format!("{}/{key}", at.unwrap_or_default()), of);
            }
        }
    }
    for (place, value) in &answer.with {
        if let super::spot::Place::Pointer(pointer) = place {
            say(&mut body, pointer, value.clone())?;
        }
    }
    Ok(body)
}

fn place(body: &mut Value, at: Option<&str>, value: Value) {
    match at {
        Some(pointer) => put(body, pointer, value),
        None => *body = value,
    }
}

/// Puts something beside the rows.
///
/// # Errors
/// When the answer is no object.
pub fn say(body: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    if !body.is_object() {
        return Err(format!("stub.toml: nothing can stand at {pointer} of an answer that is no object"));
    }
    put(body, pointer, value);
    Ok(())
}

/// Writes a body.
///
/// # Errors
/// When the answer cannot be written in its format.
pub fn write(answer: &Answer, body: &Value) -> Result<Reply, String> {
    let (kind, bytes) = match answer.format {
        Format::Json => ("application/json", body.to_string()),
        Format::Jsonl => {
            let rows = body.as_array().ok_or("stub.toml: JSON lines need rows and no envelope")?;
            ("application/x-ndjson", rows.iter().map(|row| format!("{row}\n")).collect())
        }
        Format::Csv => {
            let rows = body.as_array().ok_or("stub.toml: CSV needs rows and no envelope")?;
            ("text/csv", csv(answer, rows))
        }
        Format::Xml => ("text/xml", xml(answer, body)?),
    };
    let kind = answer.content_type.as_deref().unwrap_or(kind);
    let mut reply = Reply::of(answer.status.unwrap_or(200), kind, bytes);
    for (name, value) in &answer.headers {
        reply = reply.header(name, value);
    }
    Ok(reply)
}

fn csv(answer: &Answer, rows: &[Value]) -> String {
    let mut columns = answer.columns.clone();
    for key in rows.iter().filter_map(Value::as_object).flat_map(Map::keys) {
        if !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    let cell = |value: Option<&Value>| {
        let cell = value.filter(|value| !value.is_null());
        let cell = cell.map(|value| text(value).unwrap_or_else(|| value.to_string())).unwrap_or_default();
        format!("\"{}\"", cell.replace('"', "\"\""))
    };
    let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
    let head = line(columns.iter().map(|name| cell(Some(&Value::String(name.clone())))).collect());
    let rows = rows.iter().map(|row| line(columns.iter().map(|name| cell(row.get(name))).collect()));
    head + &rows.collect::<String>()
}

fn xml(answer: &Answer, body: &Value) -> Result<String, String> {
    let root = answer.root.as_deref().ok_or("stub.toml: XML needs `root`")?;
    if !body.is_object() {
        return Err("stub.toml: XML needs `at`: an element for the rows".to_owned());
    }
    let space =
        answer.xmlns.as_ref().map(|space| format!(" xmlns=\"{}\"", escaped(space))).unwrap_or_default();
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}{space}>");
    element_content(answer, body, &mut out);
    out.push_str(&format!("</{root}>"));
    Ok(out)
}

fn element_content(answer: &Answer, value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match (value, &answer.item) {
                    (Value::Null, _) => {}
                    (Value::Array(items), None) => {
                        items.iter().for_each(|item| element(answer, key, item, out))
                    }
                    _ => element(answer, key, value, out),
                }
            }
        }
        Value::Array(items) => {
            let name = answer.item.as_deref().unwrap_or("item");
            items.iter().for_each(|item| element(answer, name, item, out));
        }
        other => out.push_str(&escaped(&text(other).unwrap_or_default())),
    }
}

fn element(answer: &Answer, name: &str, value: &Value, out: &mut String) {
    out.push_str(&format!("<{name}>"));
    element_content(answer, value, out);
    out.push_str(&format!("</{name}>"));
}

/// Text in XML, without the characters that XML 1.0 cannot hold.
fn escaped(text: &str) -> String {
    let known = |c: &char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let text: String = text.chars().filter(known).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What is put into the texts of answers.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    pub message: &'a str,
    pub permission: &'a str,
}

/// How long a refused request has to wait, in seconds.
pub const WAIT: i64 = 7;

impl Fill<'_> {
    fn text(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let over = Timestamp::now() + SignedDuration::from_secs(WAIT);
        // A header in whole minutes can only say the next one.
        let minute = over + SignedDuration::from_secs(59);
        let date = over.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        // Rounded up: a time in the past would say that there is nothing to wait for.
        let whole = over.as_second() + 1;
        text.replace("{message}", self.message)
            .replace("{permission}", self.permission)
            .replace("{wait}", &WAIT.to_string())
            .replace("{wait:epoch}", &whole.to_string())
            .replace("{wait:millis}", &over.as_millisecond().to_string())
            .replace("{wait:date}", &date)
            .replace("{wait:rfc3339}", &over.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .replace("{wait:minute}", &minute.strftime("%Y-%m-%dT%H:%MZ").to_string())
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(object) => {
                object.iter().map(|(key, value)| (key.clone(), self.value(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// Headers, filled in.
    pub fn headers(&self, headers: &std::collections::BTreeMap<String, String>) -> Vec<(String, String)> {
        headers.iter().map(|(name, value)| (name.clone(), self.text(value))).collect()
    }

    /// An answer that is none, filled in.
    pub fn failure(&self, failure: &Failure, status: u16) -> Reply {
        let (kind, body) = match &failure.body {
            Value::Null => ("text/plain", self.message.to_owned()),
            Value::String(text) => ("text/plain", self.text(text)),
            table => ("application/json", self.value(table).to_string()),
        };
        let kind = failure.content_type.as_deref().unwrap_or(kind);
        let mut reply = Reply::of(failure.status.unwrap_or(status), kind, body);
        reply.headers.extend(self.headers(&failure.headers));
        reply
    }
}
