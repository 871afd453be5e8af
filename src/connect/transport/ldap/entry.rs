//! From an entry as it came to a row: `{"dn":…,"attributes":{name in lower case:[values]}}`.
//!
//! - Options are taken off names: the values of `userCertificate;binary` are those of `usercertificate`, those of `cn;lang-de`
//!   follow those of `cn`.
//! - A value of an attribute that the step calls binary is lower-case hex. Any other value that is no text (not UTF-8, or
//!   with a NUL in it) is `{"hex":"…"}`, which no text can be taken for.
//! - `member;range=0-1499` is the beginning of `member`; what is behind it is asked for until the end is there.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::message::Entry;

/// A row in the making.
#[derive(Debug)]
pub(super) struct Row {
    /// The name as it came, to ask for the rest.
    pub(super) name: Vec<u8>,
    /// What has not come yet, by attribute: from which value on it is to be asked for.
    pub(super) rest: BTreeMap<String, u64>,
    dn: String,
    attributes: BTreeMap<String, Vec<Value>>,
    bytes: usize,
}

/// An attribute's name without its options, and what they say.
struct Named {
    name: String,
    /// The first value there, and the last; without a last these are all there are.
    range: Option<(u64, Option<u64>)>,
    /// Whether there are others, `lang-de` say.
    special: bool,
}

impl Row {
    /// Of an entry. `binary` are the names of attributes whose values are bytes, in lower case.
    ///
    /// # Errors
    /// The name of the entry is no text.
    pub(super) fn new(entry: Entry, binary: &[String]) -> Result<Self, ()> {
        let dn = text(&entry.dn).ok_or(())?.to_owned();
        let mut row =
            Self { name: entry.dn, rest: BTreeMap::new(), dn, attributes: BTreeMap::new(), bytes: 0 };
        row.fill(entry.attributes, binary);
        Ok(row)
    }

    /// Adds a part that came later. `false`: it does not go on where the last one ended, or nothing came.
    pub(super) fn add(&mut self, entry: Entry, binary: &[String]) -> bool {
        let before = std::mem::take(&mut self.rest);
        let mut left = before.clone();
        for (name, _) in &entry.attributes {
            let Some(named) = named(name) else { continue };
            if let (Some((first, last)), Some(from)) = (named.range, before.get(&named.name))
                && first == *from
                && last.is_none_or(|last| last >= first)
            {
                left.remove(&named.name);
            }
        }
        self.fill(entry.attributes, binary);
        left.is_empty()
    }

    fn fill(&mut self, attributes: Vec<(Vec<u8>, Vec<Vec<u8>>)>, binary: &[String]) {
        let named = attributes.into_iter().filter_map(|(name, values)| Some((named(&name)?, values)));
        // Values in one of several languages follow those that are in none.
        let (special, plain): (Vec<_>, Vec<_>) = named.partition(|(named, _)| named.special);
        for (named, values) in plain.into_iter().chain(special) {
            if let Some((_, Some(last))) = named.range {
                self.rest.insert(named.name.clone(), last.saturating_add(1));
            }
            self.bytes += values.iter().map(Vec::len).sum::<usize>();
            let bytes = binary.contains(&named.name);
            let values = values.iter().map(|value| match text(value) {
                _ if bytes => Value::String(hex(value)),
                Some(text) => Value::String(text.to_owned()),
                None => json!({ "hex": hex(value) }),
            });
            self.attributes.entry(named.name).or_default().extend(values);
        }
    }

    /// The row.
    pub(super) fn value(self) -> Value {
        let attributes: Map<String, Value> = self
            .attributes
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .map(|(name, values)| (name, Value::Array(values)))
            .collect();
        json!({ "dn": self.dn, "attributes": attributes })
    }

    /// Bytes of its values so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The name for messages.
    pub(super) fn dn(&self) -> &str {
        &self.dn
    }
}

/// Reads the name of an attribute; none where it is no text.
fn named(name: &[u8]) -> Option<Named> {
    let mut parts = text(name)?.split(';');
    let mut named = Named { name: parts.next()?.to_ascii_lowercase(), range: None, special: false };
    for option in parts {
        let option = option.to_ascii_lowercase();
        match option.strip_prefix("range=").and_then(|range| range.split_once('-')) {
            Some((first, last)) => {
                let first = first.parse().ok()?;
                named.range = Some((first, if last == "*" { None } else { Some(last.parse().ok()?) }));
            }
            None => named.special |= option != "binary",
        }
    }
    Some(named)
}

/// The text that bytes are, if they are one that a record can hold.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Bytes as lower-case hex.
fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(attributes: &[(&str, &[&[u8]])]) -> Entry {
        Entry {
            dn: b"cn=ops,dc=corp,dc=example".to_vec(),
            attributes: attributes
                .iter()
                .map(|(name, values)| (name.as_bytes().to_vec(), values.iter().map(|v| v.to_vec()).collect()))
                .collect(),
        }
    }

    #[test]
    fn names_lose_their_case_and_options_and_bytes_become_hex() {
        let came = entry(&[
            ("cn;lang-de", &[b"Betrieb"]),
            ("CN", &[b"ops"]),
            ("userCertificate;binary", &[b"\x30\x00"]),
            ("objectGUID", &[b"A\xff"]),
            ("description", &[b"\xff", b"a\0b", b"plain"]),
            ("empty", &[]),
        ]);
        let binary = ["objectguid".to_owned(), "usercertificate".to_owned()];
        assert_eq!(
            Row::new(came, &binary).unwrap().value(),
            json!({"dn": "cn=ops,dc=corp,dc=example", "attributes": {
                "cn": ["ops", "Betrieb"],
                "usercertificate": ["3000"],
                "objectguid": ["41ff"],
                "description": [{"hex": "ff"}, {"hex": "610062"}, "plain"],
            }})
        );
        assert!(Row::new(Entry { dn: b"cn=\xff".to_vec(), ..Entry::default() }, &[]).is_err());
    }

    #[test]
    fn ranges_are_put_together_to_the_end() {
        let came = entry(&[("member", &[]), ("member;range=0-1", &[b"a", b"b"]), ("cn", &[b"ops"])]);
        let mut row = Row::new(came, &[]).unwrap();
        assert_eq!(row.rest, BTreeMap::from([("member".to_owned(), 2)]));
        assert!(row.add(entry(&[("member;Range=2-3", &[b"c", b"d"])]), &[]));
        assert_eq!(row.rest, BTreeMap::from([("member".to_owned(), 4)]));
        assert!(row.add(entry(&[("member;range=4-*", &[b"e"])]), &[]));
        assert!(row.rest.is_empty());
        assert_eq!(row.value()["attributes"]["member"], json!(["a", "b", "c", "d", "e"]));
    }

    #[test]
    fn a_range_that_does_not_go_on_where_the_last_one_ended_is_noticed() {
        for (later, name) in [
            (entry(&[]), "nothing"),
            (entry(&[("member", &[b"c"])]), "no range"),
            (entry(&[("member;range=3-*", &[b"d"])]), "a gap"),
            (entry(&[("member;range=0-1", &[b"a", b"b"])]), "the same again"),
            (entry(&[("other;range=2-*", &[b"c"])]), "another"),
            (entry(&[("member;range=2-1", &[])]), "backwards"),
        ] {
            let mut row = Row::new(entry(&[("member;range=0-1", &[b"a", b"b"])]), &[]).unwrap();
            assert!(!row.add(later, &[]), "{name}");
        }
    }
}
