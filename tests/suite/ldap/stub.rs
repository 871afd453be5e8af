//! A directory that answers what a test tells it to, bit by bit: what a slapd never does.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What was asked, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Bind,
    Search { base: String, scope: u8, attributes: Vec<String>, cookie: Option<Vec<u8>> },
    Extended,
    Unbind,
}

/// An answer: messages without their number, or bytes as they are.
#[derive(Debug, Clone)]
pub enum Say {
    /// An operation, and what follows it.
    Message(Vec<u8>, Vec<u8>),
    /// The same with a number of its own.
    Numbered(u8, Vec<u8>),
    /// Bytes.
    Raw(Vec<u8>),
    /// The connection ends.
    HangUp,
    /// Nothing more is said.
    Silence,
}

/// Answers each request of each connection.
pub struct Stub {
    pub port: u16,
}

impl Stub {
    pub fn start(answer: impl Fn(&Asked, usize) -> Vec<Say> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let answer = Arc::clone(&answer);
                thread::spawn(move || serve(connection.unwrap(), &*answer));
            }
        });
        Self { port }
    }

    /// A configuration whose one source reads here.
    pub fn config(&self, ldap: &str, settings: &str) -> String {
        format!(
            "[[source]]\nid = \"stub\"\nconnector = \"ldap\"\n[source.ldap]\nurl = \"ldap://127.0.0.1:{}\"\nbind = \"none\"\nallow_private = true\nallow_plain = true\n{ldap}\n[source.settings]\nbase = [\"DC=corp,DC=example\"]\n{settings}\n",
            self.port
        )
    }
}

fn serve(mut connection: TcpStream, answer: &dyn Fn(&Asked, usize) -> Vec<Say>) {
    let mut count = 0;
    while let Some((id, asked)) = read(&mut connection) {
        count += 1;
        for say in answer(&asked, count) {
            let bytes = match say {
                Say::Message(operation, controls) => message(&id, &operation, &controls),
                Say::Numbered(number, operation) => message(&[number], &operation, &[]),
                Say::Raw(bytes) => bytes,
                Say::HangUp => return,
                Say::Silence => {
                    // Until the other side has had enough.
                    let _ = connection.read(&mut [0; 64]);
                    return;
                }
            };
            if connection.write_all(&bytes).is_err() {
                return;
            }
        }
    }
}

fn message(id: &[u8], operation: &[u8], controls: &[u8]) -> Vec<u8> {
    tlv(0x30, &[&tlv(2, id), operation, controls].concat())
}

/// An element.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

/// An element of several.
pub fn seq(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(tag, &parts.concat())
}

/// An entry.
pub fn entry(dn: &str, attributes: &[(&str, &[&[u8]])]) -> Say {
    let attributes: Vec<Vec<u8>> = attributes
        .iter()
        .map(|(name, values)| {
            let values: Vec<Vec<u8>> = values.iter().map(|value| tlv(4, value)).collect();
            seq(0x30, &[tlv(4, name.as_bytes()), seq(0x31, &values)])
        })
        .collect();
    Say::Message(seq(0x64, &[tlv(4, dn.as_bytes()), seq(0x30, &attributes)]), vec![])
}

/// More is elsewhere.
pub fn reference(url: &str) -> Say {
    Say::Message(tlv(0x73, &tlv(4, url.as_bytes())), vec![])
}

/// A result.
pub fn result(tag: u8, code: u8, said: &str) -> Vec<u8> {
    seq(tag, &[tlv(10, &[code]), tlv(4, b""), tlv(4, said.as_bytes())])
}

/// The end of a search, with the cookie of the next page, if pages are spoken of.
pub fn done(code: u8, said: &str, cookie: Option<&[u8]>) -> Say {
    let control = cookie.map(|cookie| {
        let value = seq(0x30, &[tlv(2, &[0]), tlv(4, cookie)]);
        seq(0xa0, &[seq(0x30, &[tlv(4, b"1.2.840.113556.1.4.319"), tlv(4, &value)])])
    });
    Say::Message(result(0x65, code, said), control.unwrap_or_default())
}

/// Reads one request.
fn read(connection: &mut TcpStream) -> Option<(Vec<u8>, Asked)> {
    let mut bytes = vec![0; 2];
    connection.read_exact(&mut bytes).ok()?;
    let more = if bytes[1] < 0x80 { 0 } else { usize::from(bytes[1] & 0x7f) };
    bytes.resize(2 + more, 0);
    connection.read_exact(&mut bytes[2..]).ok()?;
    let length = if more == 0 {
        usize::from(bytes[1])
    } else {
        bytes[2..].iter().fold(0, |n, b| n * 256 + usize::from(*b))
    };
    let mut content = vec![0; length];
    connection.read_exact(&mut content).ok()?;
    let parts = split(&content);
    let id = parts[0].1.clone();
    let (tag, operation) = &parts[1];
    Some((
        id,
        match tag {
            0x60 => Asked::Bind,
            0x42 => Asked::Unbind,
            0x77 => Asked::Extended,
            0x63 => {
                let fields = split(operation);
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                let cookie = parts.get(2).map(|(_, controls)| {
                    let control = split(&split(controls)[0].1);
                    split(&split(&control[1].1)[0].1)[1].1.clone()
                });
                Asked::Search {
                    base: text(&fields[0].1),
                    scope: fields[1].1[0],
                    attributes: split(&fields[7].1).iter().map(|(_, name)| text(name)).collect(),
                    cookie,
                }
            }
            other => panic!("a request of the kind {other:#x}"),
        },
    ))
}

/// The elements that stand one behind the other.
fn split(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut parts = vec![];
    while let [tag, first, rest @ ..] = bytes {
        let (length, rest) = if *first < 0x80 {
            (usize::from(*first), rest)
        } else {
            let (digits, rest) = rest.split_at(usize::from(first & 0x7f));
            (digits.iter().fold(0, |n, b| n * 256 + usize::from(*b)), rest)
        };
        let (content, rest) = rest.split_at(length);
        parts.push((*tag, content.to_vec()));
        bytes = rest;
    }
    parts
}
