//! One line of JSONL → one record, or exactly what is wrong with it.
//!
//! The fast reader borrows from the line and stops at the first fault; only then is the line read again, slowly,
//! to say which field holds what and what was expected.

use std::fmt;

use serde::Deserialize;

use super::quick::{Cursor, Quick};
use super::record::{Record, RecordType};
use super::strict::{Json, shorten};
use super::text::Text;

/// The longest line that is read.
pub const MAX_LINE: usize = 16 * 1024 * 1024;

/// Why a line is not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// The field, as a path from the top of the record; `None` when the line as a whole is at fault.
    pub field: Option<String>,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "field `{field}`: ")?;
        }
        write!(f, "found {}, expected {}", self.found, self.expected)
    }
}

impl std::error::Error for BadRecord {}

impl BadRecord {
    fn line(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: None, found: found.into(), expected: expected.into() }
    }
}

/// Reads one line (without its line end).
///
/// ```
/// use counterfoil::model::{Record, parse_line};
/// let line = br#"{"type":"system","id":"aws-prod","owner":"carol@corp.example"}"#;
/// assert!(matches!(parse_line(line)?, Record::System(s) if &*s.id == "aws-prod"));
///
/// let bad = parse_line(br#"{"type":"system","id":7}"#).unwrap_err();
/// assert_eq!(bad.to_string(), "field `id`: found the number 7, expected a text");
/// # Ok::<(), counterfoil::model::BadRecord>(())
/// ```
///
/// # Errors
/// When the line is longer than [`MAX_LINE`], not UTF-8, not JSON, repeats a key, nests too deep, names no known
/// `type`, misses a required field or holds a bad value.
pub fn parse_line(line: &[u8]) -> Result<Record<'_>, BadRecord> {
    if line.len() > MAX_LINE {
        return Err(BadRecord::line(
            format!("a line of {} bytes", line.len()),
            format!("at most {MAX_LINE} bytes"),
        ));
    }
    let text = std::str::from_utf8(line).map_err(|e| {
        BadRecord::line(format!("a byte at column {} that is not UTF-8", e.valid_up_to() + 1), "UTF-8")
    })?;
    let record = match quick_type(text).or_else(|| slow_type(text)) {
        Some(t) => quick(t, text).or_else(|| read(t, text).ok()),
        None => None,
    };
    match record {
        Some(record) => Ok(record),
        None => Err(diagnose(text)),
    }
}

/// The type, when the line starts with it, as most do.
fn quick_type(text: &str) -> Option<RecordType> {
    let word = text.strip_prefix("{\"type\":\"")?.split_once('"')?.0;
    RecordType::of(word)
}

/// Reads a line as nearly all lines are written; see [`super::quick`].
fn quick(t: RecordType, text: &str) -> Option<Record<'_>> {
    let mut c = Cursor::new(text);
    let record = match t {
        RecordType::Identity => Record::Identity(Quick::quick(&mut c)?),
        RecordType::System => Record::System(Quick::quick(&mut c)?),
        RecordType::Workflow => Record::Workflow(Quick::quick(&mut c)?),
        RecordType::Entitlement => Record::Entitlement(Quick::quick(&mut c)?),
        RecordType::Policy => Record::Policy(Quick::quick(&mut c)?),
        RecordType::Delegation => Record::Delegation(Quick::quick(&mut c)?),
        RecordType::Request => Record::Request(Box::new(Quick::quick(&mut c)?)),
        RecordType::Grant => Record::Grant(Quick::quick(&mut c)?),
        RecordType::Usage => Record::Usage(Quick::quick(&mut c)?),
        RecordType::Certification => Record::Certification(Quick::quick(&mut c)?),
        RecordType::Snapshot => Record::Snapshot(Quick::quick(&mut c)?),
        // There are few, and what they must name is looked at the long way.
        RecordType::Exception => return None,
    };
    c.is_over().then_some(record)
}

/// The type, wherever in the line it stands.
fn slow_type(text: &str) -> Option<RecordType> {
    #[derive(Deserialize)]
    struct Typed {
        r#type: RecordType,
    }
    serde_json::from_str::<Typed>(text).ok().map(|t| t.r#type)
}

fn read(t: RecordType, text: &str) -> Result<Record<'_>, serde_json::Error> {
    Ok(match t {
        RecordType::Identity => Record::Identity(serde_json::from_str(text)?),
        RecordType::System => Record::System(serde_json::from_str(text)?),
        RecordType::Workflow => Record::Workflow(serde_json::from_str(text)?),
        RecordType::Entitlement => Record::Entitlement(serde_json::from_str(text)?),
        RecordType::Policy => Record::Policy(serde_json::from_str(text)?),
        RecordType::Delegation => Record::Delegation(serde_json::from_str(text)?),
        RecordType::Request => Record::Request(Box::new(serde_json::from_str(text)?)),
        RecordType::Grant => Record::Grant(serde_json::from_str(text)?),
        RecordType::Usage => Record::Usage(serde_json::from_str(text)?),
        RecordType::Certification => Record::Certification(serde_json::from_str(text)?),
        RecordType::Exception => {
            let e: super::record::Exception<'_> = serde_json::from_str(text)?;
            if e.finding.is_none() && (e.system.is_none() || e.account.is_none() || e.entitlement.is_none()) {
                return Err(serde::de::Error::custom(EXCEPTION_TARGET));
            }
            Record::Exception(e)
        }
        RecordType::Snapshot => Record::Snapshot(serde_json::from_str(text)?),
    })
}

const EXCEPTION_TARGET: &str = "the finding's id, or the grant's `system`, `account` and `entitlement`";

/// Reads a refused line again, to say what is wrong with it.
fn diagnose(text: &str) -> BadRecord {
    let value = match Json::parse(text) {
        Ok(v @ Json::Object(_)) => v,
        Ok(other) => return BadRecord::line(other.describe(), "a JSON object with a `type`"),
        Err(_) if text.trim().is_empty() => {
            return BadRecord::line("an empty line", "a JSON object with a `type`");
        }
        Err(e) => {
            // serde_json counts lines within the text it was given, and that is one line.
            let message = e.to_string().replace(" at line 1 column ", " at column ");
            return BadRecord::line(
                message,
                "one JSON object in the line, no key twice, at most 64 levels deep",
            );
        }
    };
    let known = || RecordType::ALL.map(RecordType::as_str).join("`, `");
    let field = |field: &str, found: String, expected: String| BadRecord {
        field: Some(field.into()),
        found,
        expected,
    };
    let t = match value.get("type") {
        Some(Json::Text(word)) => match RecordType::ALL.into_iter().find(|t| t.as_str() == *word) {
            Some(t) => t,
            None => return field("type", format!("`{}`", shorten(word)), format!("one of `{}`", known())),
        },
        Some(other) => return field("type", other.describe(), format!("one of `{}`", known())),
        None => return field("type", "nothing".into(), format!("one of `{}`", known())),
    };
    if let Some(m) = t.shape().check(&value, "") {
        return field(&m.field, m.found, m.expected);
    }
    if t == RecordType::Exception {
        return field("finding", "nothing".into(), EXCEPTION_TARGET.into());
    }
    match read(t, text) {
        Ok(_) => BadRecord::line("a line that reads differently twice", "a record"),
        Err(e) => BadRecord::line(e.to_string(), format!("a {} record", t.as_str())),
    }
}

/// The canonical text (RFC 8785) of a record's known fields: what decides between two records of one key and
/// one time of observation.
///
/// # Errors
/// As [`parse_line`].
pub fn canonical_text(line: &[u8]) -> Result<String, BadRecord> {
    parse_line(line)?;
    let text = std::str::from_utf8(line).map_err(|_| BadRecord::line("bytes", "UTF-8"))?;
    let value = Json::parse(text).map_err(|e| BadRecord::line(e.to_string(), "JSON"))?;
    let t = quick_type(text).or_else(|| slow_type(text));
    let mut out = String::new();
    match t {
        Some(t) => t.shape().known(value).write_canonical(&mut out),
        None => value.write_canonical(&mut out),
    }
    Ok(out)
}

/// The `source` a line names, however bad the rest of it is.
#[must_use]
pub fn source_of(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Sourced<'a> {
        #[serde(borrow)]
        source: Option<Text<'a>>,
    }
    let text = std::str::from_utf8(line).ok()?;
    serde_json::from_str::<Sourced<'_>>(text).ok()?.source.map(|s| s.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(line: &str) -> String {
        parse_line(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(
            bad(r#"{"type":"grant","system":"s","account":"a"}"#),
            "field `entitlement`: found nothing, expected a text (the field is required)"
        );
        assert_eq!(
            bad(
                r#"{"type":"request","source":"j","id":"1","state":"approved","access":[{"system":"s","entitlement":"e"},{"system":5,"entitlement":"e"}]}"#
            ),
            "field `access[1].system`: found the number 5, expected a text"
        );
        assert!(
            bad(r#"{"type":"request","source":"j","id":"1","state":"aproved"}"#)
                .contains("field `state`: found `aproved`, expected one of `pending`, `approved`")
        );
        assert!(bad(r#"{"type":"grant","system":"s","account":"a","entitlement":"e","granted_at":"2026-05-01T10:00:00"}"#).contains("`granted_at`"));
        assert!(bad(r#"{"type":"grants"}"#).contains("field `type`: found `grants`"));
        assert!(bad(r#"{"id":"x"}"#).contains("field `type`: found nothing"));
        assert!(
            bad(r#"{"type":"policy","id":"p","approvers":["managers"]}"#)
                .contains("`approvers[0]`: found `managers`")
        );
        assert!(
            bad(r#"{"type":"policy","id":"p","min_approvers":-1}"#)
                .contains("`min_approvers`: found the number -1")
        );
        assert!(bad(r#"{"type":"exception","check":"c","accepted_by":"a","reason":"r","expires_at":"2026-06-01T00:00:00Z","system":"s"}"#).contains("the finding's id, or"));
        assert!(bad("[1]").contains("found a list of 1"));
        assert!(bad("").contains("an empty line"));
        assert!(bad(r#"{"type":"system","id":"a","x":NaN}"#).contains("at column"));
    }

    #[test]
    fn repeated_keys_are_refused_wherever_they_stand() {
        for line in [
            r#"{"type":"system","id":"a","id":"b"}"#,
            r#"{"type":"system","type":"system","id":"a"}"#,
            r#"{"type":"system","id":"a","x":1,"x":2}"#,
            r#"{"type":"system","id":"a","x":{"y":[{"z":1,"z":2}]}}"#,
            r#"{"type":"identity","id":"a","accounts":[{"system":"s","account":"a","account":"b"}]}"#,
        ] {
            assert!(bad(line).contains("repeats the key"), "{line}: {}", bad(line));
        }
    }

    #[test]
    fn depth_is_counted_from_the_top_of_the_line() {
        let deep =
            |n: usize| format!(r#"{{"type":"system","id":"a","x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
        assert!(parse_line(deep(63).as_bytes()).is_ok());
        assert!(bad(&deep(64)).contains("deeper than 64"));
        let bomb = "[".repeat(1_000_000);
        assert!(!bad(&bomb).is_empty());
    }

    #[test]
    fn null_and_absent_are_the_same_and_unknown_fields_do_no_harm() {
        let a = parse_line(
            br#"{"id":"x","aliases":null,"status":null,"owner":null,"type":"identity","later":{"a":[1]}}"#,
        )
        .unwrap();
        let b = parse_line(br#"{"type":"identity","id":"x"}"#).unwrap();
        assert_eq!(a, b);
        assert_eq!(
            canonical_text(br#"{"type":"identity","id":"x","owner":null,"later":1,"kind":"human"}"#).unwrap(),
            r#"{"id":"x","kind":"human"}"#
        );
    }

    #[test]
    fn every_type_has_a_shape_and_reads_its_smallest_line() {
        for t in RecordType::ALL {
            let Shape::Object(fields) = t.shape() else { panic!() };
            let mut line = format!(r#"{{"type":"{}""#, t.as_str());
            for f in fields.iter().filter(|f| f.required) {
                let value = match f.shape {
                    Shape::Text => "\"x\"".to_owned(),
                    Shape::Instant => "\"2026-06-01T00:00:00Z\"".to_owned(),
                    Shape::Bool => "true".to_owned(),
                    Shape::OneOf(w) => format!("\"{}\"", w[0]),
                    _ => panic!("{}", f.name),
                };
                line += &format!(r#","{}":{value}"#, f.name);
            }
            if t == RecordType::Exception {
                line += r#","finding":"f1:0""#;
            }
            parse_line((line + "}").as_bytes()).unwrap();
        }
    }

    use crate::model::shape::Shape;
    use proptest::prelude::*;

    /// Values that fit a shape, as JSON.
    fn fitting(shape: &'static Shape) -> BoxedStrategy<String> {
        match shape {
            Shape::Text => prop_oneof![Just("\"\"".to_owned()), "\"[a-zé@/ .0-9-]{1,20}\""].boxed(),
            Shape::Instant => prop_oneof![
                Just("\"2026-06-01T00:00:00Z\"".to_owned()),
                Just("\"2024-02-29T23:59:59.1234+05:30\"".to_owned()),
            ]
            .boxed(),
            Shape::Duration => {
                prop_oneof![Just("\"P90D\"".to_owned()), Just("\"PT0.5S\"".to_owned())].boxed()
            }
            Shape::Bool => any::<bool>().prop_map(|b| b.to_string()).boxed(),
            // More digits than that are left to the long way.
            Shape::Count(max) => (0..=(*max).min(1_000_000_000)).prop_map(|n| n.to_string()).boxed(),
            Shape::OneOf(words) => prop::sample::select(*words).prop_map(|w| format!("\"{w}\"")).boxed(),
            Shape::Parsed(..) => {
                prop_oneof![Just("\"manager\"".to_owned()), Just("\"group:G 1\"".to_owned())].boxed()
            }
            Shape::List(of) => prop::collection::vec(fitting(of), 0..3)
                .prop_map(|items| format!("[{}]", items.join(",")))
                .boxed(),
            Shape::Object(fields) => object(fields).boxed(),
        }
    }

    /// An object with some of these fields, in any order.
    fn object(fields: &'static [crate::model::shape::Field]) -> impl Strategy<Value = String> {
        let one = |f: &'static crate::model::shape::Field| {
            let value = if f.required {
                fitting(&f.shape).prop_map(Some).boxed()
            } else {
                prop_oneof![Just(None), Just(Some("null".to_owned())), fitting(&f.shape).prop_map(Some)]
                    .boxed()
            };
            value.prop_map(move |v| v.map(|v| format!("\"{}\":{v}", f.name)))
        };
        let all: Vec<_> = fields.iter().map(one).collect();
        all.prop_flat_map(|fields| Just(fields.into_iter().flatten().collect::<Vec<_>>()).prop_shuffle())
            .prop_map(|fields| format!("{{{}}}", fields.join(",")))
    }

    /// A record, and a field or two that nobody knows.
    fn record() -> impl Strategy<Value = (RecordType, String)> {
        let plain = ["", r#","x":1"#, r#","x":"y","z":true"#, r#","x":null"#];
        prop::sample::select(RecordType::ALL.to_vec())
            .prop_flat_map(move |t| {
                (Just(t), fitting(Box::leak(Box::new(t.shape()))), prop::sample::select(plain.to_vec()))
            })
            .prop_map(|(t, object, more)| {
                let rest = object.strip_prefix('{').unwrap().strip_suffix('}').unwrap();
                let comma = if rest.is_empty() { "" } else { "," };
                (t, format!("{{\"type\":\"{}\"{comma}{rest}{more}}}", t.as_str()))
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_short_way_takes_what_machines_write_and_reads_it_as_the_long_way((t, line) in record()) {
            let long = read(t, &line);
            if t == RecordType::Exception {
                prop_assert!(quick(t, &line).is_none());
            } else {
                prop_assert_eq!(quick(t, &line), Some(long.unwrap()));
            }
        }

        #[test]
        fn the_short_way_takes_nothing_that_the_long_way_refuses(
            (t, line) in record(),
            at in any::<prop::sample::Index>(),
            cut in 0..3usize,
            put in prop_oneof![
                Just(String::new()),
                prop::sample::select(vec![
                    "\"", "\\", "\\u0041", "{", "}", "[", "]", ",", ":", " ", "\t", "\r", "\n", "0", "00", "1.5", "1e3", "-", "null",
                    "nul", "true", "\u{0}", "\u{1f}", "\u{7f}", "é", "\"x\":1,", ",\"id\":null", ",\"type\":\"grant\"", "\"\":0,",
                ]).prop_map(str::to_owned),
                any::<char>().prop_map(String::from),
            ],
        ) {
            let places: Vec<usize> = line.char_indices().map(|(i, _)| i).chain([line.len()]).collect();
            let i = at.index(places.len());
            let end = places[(i + cut).min(places.len() - 1)];
            let spoilt = format!("{}{put}{}", &line[..places[i]], &line[end..]);
            if let Some(record) = quick(t, &spoilt) {
                prop_assert_eq!(Ok(record), read(t, &spoilt).map_err(|e| e.to_string()), "{}", spoilt);
            }
        }
    }
}
