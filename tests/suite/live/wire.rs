//! HTTP/1.1 as far as the stub needs it, by hand: answers have to break off where a scenario says so.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::spot::Spot;

/// A request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// The base it came to.
    pub base: String,
    pub method: String,
    /// Path and query, as they came.
    pub target: String,
    /// The parts of the path, decoded.
    pub path: Vec<String>,
    /// The parameters of the query, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// The fields of the body, where it is a form.
    pub form: Vec<(String, String)>,
    /// The body, where it is JSON.
    pub json: Option<Value>,
}

/// `a=b&c=d`, decoded.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(k, v)| (decode(k), decode(v)))
        .collect()
}

impl Request {
    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The path as it came, without the query.
    pub fn raw_path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// What stands at a spot. `values` are the names of the path.
    pub fn at(&self, spot: &Spot, values: &BTreeMap<String, String>) -> Option<Value> {
        let of = |pairs: &[(String, String)], name: &str| {
            let found: Vec<&String> = pairs.iter().filter(|(n, _)| n == name).map(|(_, v)| v).collect();
            match found.as_slice() {
                [] => None,
                [one] => Some(Value::String((*one).clone())),
                several => Some(several.iter().map(|v| Value::String((*v).clone())).collect()),
            }
        };
        match spot {
            Spot::Path(name) => values.get(name).cloned().map(Value::String),
            Spot::Query(name) => of(&self.query, name),
            Spot::Form(name) => of(&self.form, name),
            Spot::Header(name) => self.headers.get(name).cloned().map(Value::String),
            Spot::Body(pointer) => {
                self.json.as_ref()?.pointer(pointer).filter(|value| !value.is_null()).cloned()
            }
        }
    }

    fn parse(base: &str, head: &str, body: Vec<u8>) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let all = headers.entry(name.to_ascii_lowercase()).or_default();
            // Two of one name are one list, RFC 9110 section 5.3.
            if !all.is_empty() {
                all.push_str(", ");
            }
            all.push_str(value.trim());
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let path = path.trim_start_matches('/').split('/').map(decode).collect();
        let kind = headers.get("content-type").map_or("", String::as_str).to_ascii_lowercase();
        let text = || String::from_utf8_lossy(&body).into_owned();
        let form = kind.starts_with("application/x-www-form-urlencoded");
        let form = if form { pairs(&text()) } else { Vec::new() };
        let json =
            kind.starts_with("application/json") || kind.contains("+json") || kind.contains("-amz-json-");
        let json = json.then(|| serde_json::from_slice(&body).ok()).flatten();
        let query = pairs(query);
        Some(Self { base: base.to_owned(), method, target, path, query, headers, body, form, json })
    }

    /// What a request is told apart from others by: everything but the named parameter.
    pub fn print(&self, without: &[&Spot]) -> String {
        let keep = |pairs: &[(String, String)], name: fn(&Spot) -> Option<&str>| -> Vec<(String, String)> {
            let out: Vec<&str> = without.iter().filter_map(|spot| name(spot)).collect();
            let mut kept: Vec<_> =
                pairs.iter().filter(|(n, _)| !out.contains(&n.as_str())).cloned().collect();
            kept.sort();
            kept
        };
        let query = keep(&self.query, |spot| match spot {
            Spot::Query(name) => Some(name),
            _ => None,
        });
        let form = keep(&self.form, |spot| match spot {
            Spot::Form(name) => Some(name),
            _ => None,
        });
        let mut json = self.json.clone();
        for spot in without {
            if let (Spot::Body(pointer), Some(body)) = (spot, json.as_mut()) {
                let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
                body.pointer_mut(parent).and_then(Value::as_object_mut).map(|object| object.remove(key));
            }
        }
        format!("{} {} {query:?} {form:?} {}", self.method, self.raw_path(), json.unwrap_or_default())
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub ending: Ending,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// The connection breaks in the middle of the body.
    Cut,
    /// The connection breaks before there is an answer.
    Nothing,
    /// The body goes on and on, up to so many bytes.
    Endless(u64),
}

impl Reply {
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A body of a kind.
    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let reply = Self { status, body: body.into(), ..Self::default() };
        reply.header("content-type", content_type)
    }
}

/// The next request of a connection; `None` when it ends or what comes is no request.
pub fn read(stream: &mut BufReader<TcpStream>, base: &str) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    head.truncate(head.len() - 4);
    let head = String::from_utf8(head).ok()?;
    let length = head.split("\r\n").filter_map(|line| line.split_once(':'));
    let length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map(|(_, value)| value.trim().parse::<usize>()).next().unwrap_or(Ok(0)).ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Request::parse(base, &head, body)
}

/// Sends an answer; `false` when the connection is over.
pub fn write(stream: &mut TcpStream, reply: &Reply) -> bool {
    if reply.ending == Ending::Nothing {
        let _ = stream.shutdown(Shutdown::Both);
        return false;
    }
    let mut out = format!("HTTP/1.1 {} Status\r\n", reply.status);
    for (name, value) in &reply.headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    let bodiless = matches!(reply.status, 204 | 304);
    match reply.ending {
        Ending::Endless(_) => out.push_str("transfer-encoding: chunked\r\n"),
        _ if bodiless => {}
        // One byte that never comes, so that an empty body can break off too.
        Ending::Cut => out.push_str(&format!("content-length: {}\r\n", reply.body.len() + 1)),
        _ => out.push_str(&format!("content-length: {}\r\n", reply.body.len())),
    }
    out.push_str("\r\n");
    let mut bytes = out.into_bytes();
    match reply.ending {
        Ending::Cut => {
            bytes.extend(&reply.body[..reply.body.len() / 2]);
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(Shutdown::Both);
            false
        }
        Ending::Endless(most) => {
            let chunk = vec![b' '; 1 << 16];
            let mut sent = 0;
            let mut going = stream.write_all(&bytes).is_ok();
            while going && sent < most {
                let mut part = format!("{:x}\r\n", chunk.len()).into_bytes();
                part.extend(&chunk);
                part.extend(b"\r\n");
                going = stream.write_all(&part).is_ok();
                sent += chunk.len() as u64;
            }
            let _ = stream.write_all(b"0\r\n\r\n");
            false
        }
        _ => {
            if !bodiless {
                bytes.extend(&reply.body);
            }
            stream.write_all(&bytes).is_ok() && stream.flush().is_ok()
        }
    }
}
