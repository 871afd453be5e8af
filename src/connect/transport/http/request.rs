//! One request, put together from its step and what its values stand for.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Url};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::value::{Context, plain};
use crate::connect::manifest::http::{Http, Method as Asked, Step, Text};

/// What may stand in a path as it is: RFC 3986 unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the parameter of a page goes: where the other parameters of the request are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Query,
    Body,
    Form,
}

/// A request, complete but for the page and for who asks.
#[derive(Debug, Clone)]
pub(super) struct Made {
    method: Method,
    url: Url,
    query: Vec<(String, String)>,
    body: Map<String, Value>,
    form: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    place: Place,
}

impl Made {
    /// Of a step. `base` is where it goes.
    ///
    /// # Errors
    /// A value that the path needs and that is not there, or one that cannot stand where it should.
    pub fn new(http: &Http, step: &Step, base: &Url, context: &Context<'_>) -> Result<Self, String> {
        let method = match step.method {
            Asked::Get => Method::GET,
            Asked::Post => Method::POST,
            Asked::List => Method::from_bytes(b"LIST").map_err(|e| e.to_string())?,
        };
        let path = path(step, context)?;
        let mut url = base.clone();
        let whole = format!("{}{path}", base.path().trim_end_matches('/'));
        url.set_path(&whole);
        if url.path() != whole {
            return Err(format!("the path `{whole}` would be read as another one"));
        }
        let mut made = Self {
            method,
            url,
            query: pairs(&step.query, context)?,
            body: Map::new(),
            form: pairs(&step.form, context)?,
            headers: Vec::new(),
            place: match (step.body.is_empty(), step.form.is_empty()) {
                (false, _) => Place::Body,
                (true, false) => Place::Form,
                (true, true) => Place::Query,
            },
        };
        for (name, text) in &step.body {
            if let Some(value) = context.needed(name, text)? {
                made.body.insert(name.clone(), value);
            }
        }
        for (name, text) in http.headers.iter().chain(&step.headers) {
            let Some(value) = context.value(text)?.as_ref().and_then(plain) else { continue };
            let header =
                HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("header `{name}`: {e}"))?;
            let value = HeaderValue::from_str(&value).map_err(|e| format!("header `{name}`: {e}"))?;
            made.headers.retain(|(known, _)| *known != header);
            made.headers.push((header, value));
        }
        Ok(made)
    }

    /// The same with a parameter more, or another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        match self.place {
            Place::Body => {
                // What was a number stays one.
                let number = value
                    .parse::<u64>()
                    .ok()
                    .filter(|_| matches!(self.body.get(name), Some(Value::Number(_))));
                let value = number.map_or_else(|| Value::from(value), Value::from);
                self.body.insert(name.to_owned(), value);
            }
            Place::Query => put(&mut self.query, name, value),
            Place::Form => put(&mut self.form, name, value),
        }
        self
    }

    /// The same with a number, as a number where that can be told.
    #[must_use]
    pub fn with_number(mut self, name: &str, value: u64) -> Self {
        match self.place {
            Place::Body => drop(self.body.insert(name.to_owned(), Value::from(value))),
            Place::Query => put(&mut self.query, name, &value.to_string()),
            Place::Form => put(&mut self.form, name, &value.to_string()),
        }
        self
    }

    /// A plain GET of an address that an answer gave, with the same headers.
    #[must_use]
    pub fn at(&self, url: Url) -> Self {
        Self {
            url,
            method: Method::GET,
            query: Vec::new(),
            form: Vec::new(),
            body: Map::new(),
            headers: self.headers.clone(),
            place: Place::Query,
        }
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Where it goes, parameters included.
    #[must_use]
    pub fn url(&self) -> Url {
        let mut url = self.url.clone();
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// What it is known by: two requests with the same are the same.
    #[must_use]
    pub fn known_by(&self) -> String {
        format!("{} {} {} {:?}", self.method, self.url(), Value::Object(self.body.clone()), self.form)
    }

    /// As a client sends it.
    ///
    /// # Errors
    /// When it cannot be put together.
    pub fn request(&self, client: &Client) -> Result<Request, String> {
        let mut builder = client.request(self.method.clone(), self.url());
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        match self.place {
            Place::Query => {}
            Place::Body => {
                let body = Value::Object(self.body.clone()).to_string();
                let typed = self.headers.iter().any(|(name, _)| *name == reqwest::header::CONTENT_TYPE);
                if !typed {
                    builder = builder.header(reqwest::header::CONTENT_TYPE, "application/json");
                }
                builder = builder.body(body);
            }
            Place::Form => {
                let mut form = Url::parse("https://form.invalid/").map_err(|e| e.to_string())?;
                form.query_pairs_mut().extend_pairs(&self.form);
                builder = builder
                    .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")
                    .body(form.query().unwrap_or_default().to_owned());
            }
        }
        builder.build().map_err(|e| crate::net::why(&e))
    }
}

fn put(pairs: &mut Vec<(String, String)>, name: &str, value: &str) {
    pairs.retain(|(known, _)| known != name);
    pairs.push((name.to_owned(), value.to_owned()));
}

fn pairs(texts: &BTreeMap<String, Text>, context: &Context<'_>) -> Result<Vec<(String, String)>, String> {
    let mut out = Vec::new();
    for (name, text) in texts {
        match context.needed(name, text)? {
            None => {}
            Some(Value::Array(items)) => {
                out.extend(items.iter().filter_map(plain).map(|item| (name.clone(), item)));
            }
            Some(value) => {
                let value =
                    plain(&value).ok_or_else(|| format!("`{name}`: expected a text, found {value}"))?;
                out.push((name.clone(), value));
            }
        }
    }
    Ok(out)
}

/// The path with its values put in, each percent-encoded.
fn path(step: &Step, context: &Context<'_>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = step.path.as_str();
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or("`path`: `{` without `}`")?;
        let (name, whole) = name.strip_prefix('+').map_or((name, false), |name| (name, true));
        let text =
            step.values.get(name).ok_or_else(|| format!("`path`: `{{{name}}}` is not among `values`"))?;
        let value = context.value(text)?;
        let value =
            value.as_ref().and_then(plain).ok_or_else(|| format!("there is no `{name}` to ask for"))?;
        out.push_str(before);
        // What keeps its slashes is encoded part by part.
        for (number, part) in value.split(|c| whole && c == '/').enumerate() {
            if matches!(part, "." | "..") || whole && part.is_empty() {
                return Err(format!("`{name}` is `{value}`, which is no name that can be asked for"));
            }
            if number > 0 {
                out.push('/');
            }
            out.extend(utf8_percent_encode(part, SEGMENT));
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}
