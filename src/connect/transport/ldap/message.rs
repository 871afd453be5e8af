//! The messages of LDAP (RFC 4511) that a pull needs: bind, search, start TLS and goodbye, and what is answered.

use super::ber::{self, BOOLEAN, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET};
use crate::connect::manifest::ldap::Scope;

/// Start TLS, RFC 4511 section 4.14.
const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
/// Results in pages, RFC 2696.
const PAGED: &[u8] = b"1.2.840.113556.1.4.319";

/// How we say who we are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who<'a> {
    /// A name and a password; both empty: nobody.
    Simple(&'a str, &'a str),
    /// Whom the TLS certificate names: SASL EXTERNAL.
    External,
}

/// A search.
#[derive(Debug, Clone)]
pub(super) struct Search<'a> {
    /// Where it starts.
    pub(super) base: &'a [u8],
    /// How deep it goes.
    pub(super) scope: Scope,
    /// The filter, encoded.
    pub(super) filter: &'a [u8],
    /// The attributes asked for.
    pub(super) attributes: &'a [String],
    /// The most entries; 0: all.
    pub(super) size: i64,
    /// Entries in a page, and the cookie of the last one.
    pub(super) page: Option<(u32, &'a [u8])>,
}

/// One message: its number, what it does, what it carries.
fn message(id: i64, operation: impl FnOnce(&mut Vec<u8>), controls: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put(&mut out, SEQUENCE, |out| {
        ber::put_number(out, INTEGER, id);
        operation(out);
        controls(out);
    });
    out
}

/// Says who we are.
pub(super) fn bind(id: i64, who: Who<'_>) -> Vec<u8> {
    let operation = |out: &mut Vec<u8>| {
        ber::put(out, 0x60, |out| {
            ber::put_number(out, INTEGER, 3);
            match who {
                Who::Simple(name, password) => {
                    ber::put_octets(out, OCTETS, name.as_bytes());
                    ber::put_octets(out, 0x80, password.as_bytes());
                }
                Who::External => {
                    ber::put_octets(out, OCTETS, b"");
                    ber::put(out, 0xa3, |out| {
                        ber::put_octets(out, OCTETS, b"EXTERNAL");
                        ber::put_octets(out, OCTETS, b"");
                    });
                }
            }
        });
    };
    message(id, operation, |_| {})
}

/// Asks for TLS.
pub(super) fn start_tls(id: i64) -> Vec<u8> {
    message(id, |out| ber::put(out, 0x77, |out| ber::put_octets(out, 0x80, START_TLS)), |_| {})
}

/// Says goodbye.
pub(super) fn unbind(id: i64) -> Vec<u8> {
    message(id, |out| ber::put_octets(out, 0x42, b""), |_| {})
}

/// Asks.
pub(super) fn search(id: i64, search: &Search<'_>) -> Vec<u8> {
    let operation = |out: &mut Vec<u8>| {
        ber::put(out, 0x63, |out| {
            ber::put_octets(out, OCTETS, search.base);
            let scope = match search.scope {
                Scope::Base => 0,
                Scope::One => 1,
                Scope::Subtree => 2,
            };
            ber::put_number(out, ENUMERATED, scope);
            // Aliases are never followed: they could lead out of what was asked for, and round in a circle.
            ber::put_number(out, ENUMERATED, 0);
            ber::put_number(out, INTEGER, search.size);
            ber::put_number(out, INTEGER, 0);
            ber::put_bool(out, BOOLEAN, false);
            out.extend_from_slice(search.filter);
            ber::put(out, SEQUENCE, |out| {
                search.attributes.iter().for_each(|name| ber::put_octets(out, OCTETS, name.as_bytes()));
            });
        });
    };
    let controls = |out: &mut Vec<u8>| {
        let Some((size, cookie)) = search.page else { return };
        let mut value = Vec::new();
        ber::put(&mut value, SEQUENCE, |out| {
            ber::put_number(out, INTEGER, i64::from(size));
            ber::put_octets(out, OCTETS, cookie);
        });
        ber::put(out, 0xa0, |out| {
            // Not critical: a server that knows no pages sends all at once.
            ber::put(out, SEQUENCE, |out| {
                ber::put_octets(out, OCTETS, PAGED);
                ber::put_octets(out, OCTETS, &value);
            });
        });
    };
    message(id, operation, controls)
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// The number of the message that it answers; 0 where the server speaks unasked.
    pub(super) id: i64,
    /// What it is.
    pub(super) what: What,
}

/// What an answer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// An entry.
    Entry(Entry),
    /// More is elsewhere, at these addresses.
    Reference(Vec<String>),
    /// The search is over.
    Done(Outcome),
    /// Whether we are who we say.
    Bound(Outcome),
    /// What came of an extension.
    Extended(Outcome),
    /// Something in between, of no use here.
    Between,
}

/// An entry as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) dn: Vec<u8>,
    /// Its attributes, with their options, and the values of each.
    pub(super) attributes: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

/// How something ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The result code, RFC 4511 appendix A.
    pub(super) code: i64,
    /// What the server says of it.
    pub(super) said: String,
    /// Where else to ask.
    pub(super) elsewhere: Vec<String>,
    /// The cookie of the next page: empty on the last one, `None` where the server speaks of no pages.
    pub(super) cookie: Option<Vec<u8>>,
}

/// Reads one whole message.
pub(super) fn read(bytes: &[u8]) -> Result<Answer, Malformed> {
    let mut message = Reader::new(bytes).inside(SEQUENCE)?;
    let id = message.number(INTEGER)?;
    let (tag, content) = message.next()?;
    let mut inner = Reader::new(content);
    let what = match tag {
        0x64 => What::Entry(entry(&mut inner)?),
        0x73 => What::Reference(texts(inner)?),
        0x61 => What::Bound(outcome(&mut inner)?),
        0x78 => What::Extended(outcome(&mut inner)?),
        0x79 => What::Between,
        0x65 => {
            let mut done = outcome(&mut inner)?;
            done.cookie = cookie(&mut message)?;
            What::Done(done)
        }
        _ => return Err(Malformed),
    };
    Ok(Answer { id, what })
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry, Malformed> {
    let mut entry = Entry { dn: reader.take(OCTETS)?.to_vec(), attributes: Vec::new() };
    let mut attributes = reader.inside(SEQUENCE)?;
    while !attributes.is_empty() {
        let mut attribute = attributes.inside(SEQUENCE)?;
        let name = attribute.take(OCTETS)?.to_vec();
        let mut set = attribute.inside(SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.take(OCTETS)?.to_vec());
        }
        entry.attributes.push((name, values));
    }
    Ok(entry)
}

fn outcome(reader: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let code = reader.number(ENUMERATED)?;
    let _matched = reader.take(OCTETS)?;
    let said = text(reader.take(OCTETS)?);
    let elsewhere = match reader.optional(0xa3)? {
        Some(inner) => texts(Reader::new(inner))?,
        None => Vec::new(),
    };
    Ok(Outcome { code, said, elsewhere, cookie: None })
}

fn texts(mut reader: Reader<'_>) -> Result<Vec<String>, Malformed> {
    let mut texts = Vec::new();
    while !reader.is_empty() {
        texts.push(text(reader.take(OCTETS)?));
    }
    Ok(texts)
}

/// Text that only messages show, so that what is no UTF-8 in it may be lost.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The cookie of the next page among the controls behind an operation.
fn cookie(message: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    let Some(controls) = message.optional(0xa0)? else { return Ok(None) };
    let mut controls = Reader::new(controls);
    let mut found = None;
    while !controls.is_empty() {
        let mut control = controls.inside(SEQUENCE)?;
        let kind = control.take(OCTETS)?;
        control.optional(BOOLEAN)?;
        let value = control.optional(OCTETS)?;
        if let (PAGED, Some(value)) = (kind, value) {
            let mut page = Reader::new(value).inside(SEQUENCE)?;
            page.number(INTEGER)?;
            found = Some(page.take(OCTETS)?.to_vec());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(tag: u8, fill: impl FnOnce(&mut Vec<u8>), controls: &[u8]) -> Vec<u8> {
        message(7, |out| ber::put(out, tag, fill), |out| out.extend_from_slice(controls))
    }

    fn ended(out: &mut Vec<u8>, code: i64) {
        ber::put_number(out, ENUMERATED, code);
        ber::put_octets(out, OCTETS, b"dc=corp");
        ber::put_octets(out, OCTETS, b"why");
    }

    #[test]
    fn a_search_is_sent_as_the_standard_says() {
        let attributes = ["cn".to_owned()];
        let asked = Search {
            base: b"dc=x",
            scope: Scope::Subtree,
            filter: b"\x87\x01a",
            attributes: &attributes,
            size: 0,
            page: Some((500, b"C")),
        };
        let expected = b"\x30\x4a\x02\x01\x02\
            \x63\x1e\x04\x04dc=x\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x01a\x30\x04\x04\x02cn\
            \xa0\x25\x30\x23\x04\x161.2.840.113556.1.4.319\x04\x09\x30\x07\x02\x02\x01\xf4\x04\x01C";
        assert_eq!(search(2, &asked), expected);
    }

    #[test]
    fn answers_are_understood() {
        let bytes = answer(
            0x64,
            |out| {
                ber::put_octets(out, OCTETS, b"uid=alice");
                ber::put(out, SEQUENCE, |out| {
                    ber::put(out, SEQUENCE, |out| {
                        ber::put_octets(out, OCTETS, b"member;range=0-1");
                        ber::put(out, SET, |out| {
                            ber::put_octets(out, OCTETS, b"a");
                            ber::put_octets(out, OCTETS, b"\xff");
                        });
                    });
                });
            },
            &[],
        );
        let entry = Entry {
            dn: b"uid=alice".to_vec(),
            attributes: vec![(b"member;range=0-1".to_vec(), vec![b"a".to_vec(), b"\xff".to_vec()])],
        };
        assert_eq!(read(&bytes), Ok(Answer { id: 7, what: What::Entry(entry) }));

        let bytes = answer(0x73, |out| ber::put_octets(out, OCTETS, b"ldap://other/"), &[]);
        let there = What::Reference(vec!["ldap://other/".to_owned()]);
        assert_eq!(read(&bytes), Ok(Answer { id: 7, what: there }));

        let page = b"\xa0\x24\x30\x22\x04\x161.2.840.113556.1.4.319\x04\x08\x30\x06\x02\x01\x00\x04\x01c";
        let bytes = answer(0x65, |out| ended(out, 4), page);
        let done =
            Outcome { code: 4, said: "why".to_owned(), elsewhere: vec![], cookie: Some(b"c".to_vec()) };
        assert_eq!(read(&bytes), Ok(Answer { id: 7, what: What::Done(done) }));

        let bytes = answer(0x65, |out| ended(out, 0), &[]);
        let Ok(Answer { what: What::Done(done), .. }) = read(&bytes) else { panic!("{bytes:?}") };
        assert_eq!(done.cookie, None, "a server that knows no pages");
    }

    #[test]
    fn an_answer_cut_or_changed_anywhere_is_refused_or_another_answer() {
        let page = b"\xa0\x24\x30\x22\x04\x161.2.840.113556.1.4.319\x04\x08\x30\x06\x02\x01\x00\x04\x01c";
        let whole = answer(0x65, |out| ended(out, 0), page);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for byte in [0, 1, 0x30, 0x7f, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                let _ = read(&changed);
            }
        }
    }
}
