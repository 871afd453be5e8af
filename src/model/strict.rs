//! JSON as this product accepts it: no repeated key, no nesting deeper than [`MAX_DEPTH`], valid UTF-8.
//!
//! [`Strict`] walks over what a record does not name (unknown fields) without keeping it; [`Json`] keeps it all,
//! for the two slow paths: telling a person what is wrong with a line, and writing the canonical text
//! (RFC 8785) that decides between two records of one key.

use std::fmt;

use super::Text;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How deep objects and lists may nest.
pub const MAX_DEPTH: usize = 64;

/// A JSON value with its keys in the order of the text and its numbers as they compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Json>),
    /// An object; no key occurs twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one JSON text.
    ///
    /// # Errors
    /// When it is not JSON, repeats a key or nests too deep; the message says where (column).
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let mut d = serde_json::Deserializer::from_str(text);
        // The depth limit here is ours and lower than serde_json's.
        let value = Keep(0).deserialize(&mut d)?;
        d.end()?;
        Ok(value)
    }

    /// The value of a field, when this is an object that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// What kind of value this is, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(b) => format!("`{b}`"),
            Self::Number(n) => format!("the number {n}"),
            Self::Text(s) => format!("`{}`", shorten(s)),
            Self::List(l) => format!("a list of {}", l.len()),
            Self::Object(_) => "an object".into(),
        }
    }

    /// Writes the canonical text (RFC 8785): keys sorted by UTF-16 units, no spaces, and what is `null` left out.
    pub fn write_canonical(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Self::Number(n) => out.push_str(&canonical_number(n)),
            Self::Text(s) => write_canonical_text(s, out),
            Self::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                let mut known: Vec<_> = fields.iter().filter(|(_, v)| *v != Self::Null).collect();
                known.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
                out.push('{');
                for (i, (key, value)) in known.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_canonical_text(key, out);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }
}

/// A text as RFC 8785 writes it: the short escapes, `\u00xx` for other control characters, all else as it is.
pub fn write_canonical_text(s: &str, out: &mut String) {
    if !s.bytes().any(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
        out.push('"');
        out.push_str(s);
        out.push('"');
        return;
    }
    // serde_json escapes exactly the set that RFC 8785 names, in the same way.
    match serde_json::to_string(s) {
        Ok(text) => out.push_str(&text),
        Err(_) => out.push_str("\"\""),
    }
}

/// A number as RFC 8785 writes it: as an ECMAScript double.
pub fn canonical_number(n: &serde_json::Number) -> String {
    let Some(f) = n.as_f64() else { return n.to_string() };
    if f == 0.0 {
        return "0".into();
    }
    let plain = (1e-6..1e21).contains(&f.abs());
    if plain {
        return f.to_string();
    }
    let text = format!("{f:e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => text,
    }
}

/// At most 60 characters of a text, for a message; control characters are shown, not sent.
#[must_use]
pub fn shorten(s: &str) -> String {
    let mut out = String::new();
    for (i, c) in s.chars().enumerate() {
        if i == 60 {
            out.push('…');
            break;
        }
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Builds a [`Json`]; the number is the depth so far.
struct Keep(usize);

impl<'de> DeserializeSeed<'de> for Keep {
    type Value = Json;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Json, D::Error> {
        d.deserialize_any(self)
    }
}

fn deeper<E: de::Error>(depth: usize) -> Result<usize, E> {
    if depth >= MAX_DEPTH {
        return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(depth + 1)
}

impl<'de> Visitor<'de> for Keep {
    type Value = Json;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, b: bool) -> Result<Json, E> {
        Ok(Json::Bool(b))
    }
    fn visit_i64<E>(self, n: i64) -> Result<Json, E> {
        Ok(Json::Number(n.into()))
    }
    fn visit_u64<E>(self, n: u64) -> Result<Json, E> {
        Ok(Json::Number(n.into()))
    }
    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Json, E> {
        serde_json::Number::from_f64(n).map(Json::Number).ok_or_else(|| E::custom("not a finite number"))
    }
    fn visit_str<E>(self, s: &str) -> Result<Json, E> {
        Ok(Json::Text(s.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let depth = deeper(self.0)?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Keep(depth))? {
            items.push(item);
        }
        Ok(Json::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let depth = deeper(self.0)?;
        let mut fields: Vec<(String, Json)> = Vec::new();
        let mut seen = Keys::default();
        while let Some(key) = map.next_key::<String>()? {
            seen.claim::<A::Error>(Text(key.clone().into()))?;
            let value = map.next_value_seed(Keep(depth))?;
            fields.push((key, value));
        }
        Ok(Json::Object(fields))
    }
}

/// Walks over a value and keeps nothing of it; the number is the depth so far.
pub struct Strict(pub usize);

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = deeper(self.0)?;
        while seq.next_element_seed(Strict(depth))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = deeper(self.0)?;
        let mut seen = Keys::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            seen.claim::<A::Error>(key)?;
            map.next_value_seed(Strict(depth))?;
        }
        Ok(())
    }
}

/// The keys an object has shown so far: one by itself (most records have but their `type` beside what is known of them), a
/// short list, a set once it is long.
#[derive(Default)]
pub struct Keys<'k> {
    first: Option<Text<'k>>,
    few: Vec<Text<'k>>,
    many: std::collections::HashSet<Text<'k>>,
}

impl<'k> Keys<'k> {
    /// Takes a key; an error when it was taken before.
    ///
    /// # Errors
    /// Names the repeated key.
    pub fn claim<E: de::Error>(&mut self, key: Text<'k>) -> Result<(), E> {
        let Some(first) = &self.first else {
            self.first = Some(key);
            return Ok(());
        };
        if *first == key || self.few.contains(&key) || self.many.contains(&key) {
            return Err(E::custom(format_args!("repeats the key `{}`", shorten(&key))));
        }
        if self.few.len() < 16 {
            self.few.push(key);
        } else {
            self.many.insert(key);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Keep(0).deserialize(d)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        let mut out = String::new();
        Json::parse(text).unwrap().write_canonical(&mut out);
        out
    }

    #[test]
    fn canonical_text_sorts_keys_by_utf16_and_leaves_out_what_is_not_known() {
        assert_eq!(
            canonical(r#"{"b":1,"a":{"z":null,"y":[null, 1.50]}, "n":null}"#),
            r#"{"a":{"y":[null,1.5]},"b":1}"#
        );
        // U+FB33 sorts behind U+1F600 by UTF-16 units, before it by code points (RFC 8785, 3.2.3).
        assert_eq!(canonical("{\"\u{fb33}\":1,\"\u{1f600}\":2}"), "{\"\u{1f600}\":2,\"\u{fb33}\":1}");
        assert_eq!(canonical("\"\\u000f\\n\\u20ac\\/\""), "\"\\u000f\\n€/\"");
    }

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        // The samples of RFC 8785, appendix B, that JSON can state.
        for (given, want) in [
            ("0.0", "0"),
            ("-0", "0"),
            ("5e-324", "5e-324"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("9007199254740992", "9007199254740992"),
            ("295147905179352830000", "295147905179352830000"),
            ("9.999999999999997e22", "9.999999999999997e+22"),
            ("1e23", "1e+23"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("333333333.33333329", "333333333.3333333"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
        ] {
            assert_eq!(canonical(given), want, "{given}");
        }
    }

    #[test]
    fn repeated_keys_and_depth_bombs_are_refused() {
        let err = |t: &str| Json::parse(t).unwrap_err().to_string();
        assert!(err(r#"{"a":1,"b":{"c":1,"c":2}}"#).contains("repeats the key `c`"));
        let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(Json::parse(&deep(64)).is_ok());
        assert!(err(&deep(65)).contains("deeper than 64"));
        assert!(Json::parse(&deep(100_000)).is_err());
        let many: String = (0..40).map(|i| format!("\"k{i}\":0,")).collect();
        assert!(err(&format!("{{{many}\"k39\":1}}")).contains("k39"));
        assert!(Json::parse("NaN").is_err() && Json::parse("1 2").is_err() && Json::parse("").is_err());
    }
}
