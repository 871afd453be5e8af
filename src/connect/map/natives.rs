//! The functions a map has beyond jq's own.
//!
//! | function | gives |
//! |---|---|
//! | `cf_instant($formats; $zone)`, `cf_instant($formats; $zone; $order)` | a text or epoch number as RFC 3339 in UTC; null stays null. `$formats` is `"auto"`, null or an array of patterns; see [`crate::connect::dates`] |
//! | `cf_duration` | a text (`90 days`, `8h`, `P90D`) as an ISO 8601 duration, or null |
//! | `cf_capture($pattern)` | the named groups of the first match as an object, or null |
//! | `cf_html_text` | the text of HTML, tags taken off and entities resolved |
//! | `cf_url_decode` | `%41` resolved; what is not UTF-8 then is an error |
//! | `cf_norm` | the normal form in which names are compared |
//! | `cf_dn` | the normal form in which names of directory entries (RFC 4514) are compared, or null where it is none |
//! | `cf_sha256` | lower-case hex of the SHA-256 of a text |
//! | `cf_json` | a text as JSON, with the limits of the decoders; null where it is none |
//!
//! Each takes its subject as the input; a null input gives null.

use super::convert::{text, to_val};
use super::html;
use crate::connect::dates::{self, Order, Reading};
use crate::connect::decode::value::{Build, Notes};
use crate::connect::limits::{MAX_CACHED_PATTERNS, MAX_PATTERN_BYTES};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::{DataT, Error, RunPtr, ValR};
use jaq_json::{Map as ValMap, Val};
use regex::{Regex, RegexBuilder};
use serde::de::DeserializeSeed as _;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::HashMap;

type Definition<D> = (&'static str, Box<[jaq_core::Bind]>, RunPtr<D>);

/// All of them.
pub fn all<D: for<'a> DataT<V<'a> = Val>>() -> impl Iterator<Item = Fun<D>> {
    let definitions: [Definition<D>; 11] = [
        ("cf_instant", v(2), |mut cv| {
            let zone = cv.0.pop_var();
            let formats = cv.0.pop_var();
            bome(instant(&cv.1, &formats, &zone, &Val::Null))
        }),
        ("cf_instant", v(3), |mut cv| {
            let order = cv.0.pop_var();
            let zone = cv.0.pop_var();
            let formats = cv.0.pop_var();
            bome(instant(&cv.1, &formats, &zone, &order))
        }),
        ("cf_duration", v(0), |cv| {
            bome(on_text(&cv.1, |text| Ok(dates::duration::iso(text).map_or(Val::Null, Val::utf8_str))))
        }),
        ("cf_capture", v(1), |mut cv| {
            let pattern = cv.0.pop_var();
            bome(on_text(&cv.1, |subject| capture(subject, &pattern)))
        }),
        ("cf_html_text", v(0), |cv| bome(on_text(&cv.1, |text| Ok(Val::utf8_str(html::text(text)))))),
        ("cf_url_decode", v(0), |cv| bome(on_text(&cv.1, url_decode))),
        ("cf_norm", v(0), |cv| {
            bome(on_text(&cv.1, |text| Ok(Val::utf8_str(crate::model::norm(text).into_owned()))))
        }),
        ("cf_dn", v(0), |cv| bome(on_text(&cv.1, |text| Ok(dn(text).map_or(Val::Null, Val::utf8_str))))),
        ("cf_sha256", v(0), |cv| bome(on_text(&cv.1, |text| Ok(Val::utf8_str(sha256(text.as_bytes())))))),
        ("cf_json", v(0), |cv| bome(on_text(&cv.1, |text| Ok(json(text).unwrap_or_default())))),
        // jq's own name, on our reader: jaq's has no limit on depth.
        ("fromjson", v(0), |cv| bome(on_text(&cv.1, |text| json(text).map_err(|_| "not JSON".to_owned())))),
    ];
    definitions.into_iter().map(run::<D>)
}

/// Applies a function to a text; null stays null.
fn on_text(value: &Val, apply: impl FnOnce(&str) -> Result<Val, String>) -> ValR<Val> {
    if matches!(value, Val::Null) {
        return Ok(Val::Null);
    }
    text(value).and_then(apply).map_err(Error::str)
}

/// Lower-case hex of the SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    // Once for each row of a pull: no text of its own for each byte.
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default();
    Sha256::digest(bytes).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn instant(value: &Val, formats: &Val, zone: &Val, order: &Val) -> ValR<Val> {
    let read = || -> Result<Val, String> {
        let zone = match zone {
            Val::Null => None,
            other => Some(text(other).map_err(|_| "cf_instant: the zone must be a text or null")?),
        };
        let order = match order {
            Val::Null => None,
            other => Some(
                text(other).ok().and_then(Order::by_name).ok_or("`date_order`: expected dmy, mdy or ymd")?,
            ),
        };
        let patterns = match formats {
            Val::Null => None,
            Val::Arr(items) if items.is_empty() => None,
            Val::Arr(items) => Some(items.iter().map(text).collect::<Result<Vec<_>, _>>()?),
            other if text(other) == Ok("auto") => None,
            other => Some(vec![text(other).map_err(|_| "cf_instant: formats must be \"auto\" or patterns")?]),
        };
        match value {
            Val::Null => Ok(Val::Null),
            Val::Num(number) => {
                let number: f64 = number.to_string().parse().map_err(|_| "no epoch time".to_owned())?;
                dates::epoch(number).map(Val::utf8_str)
            }
            other => {
                let text =
                    text(other).map_err(|_| format!("a time must be a text or a number, not {other}"))?;
                dates::instant(text, &Reading { patterns, zone, order }).map(Val::utf8_str)
            }
        }
    };
    read().map_err(Error::str)
}

/// Compiles a pattern of a setting or a map. Matching is linear in the text, whatever the pattern.
///
/// # Errors
/// What is wrong with the pattern.
pub fn pattern(text: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES);
    builder.build().map_err(|error| {
        let message = error.to_string();
        let last = message.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{text}` is no regular expression: {last}")
    })
}

thread_local! {
    /// Patterns compiled so far: a map uses the same few on every row.
    static PATTERNS: RefCell<HashMap<String, Regex>> = RefCell::new(HashMap::new());
}

fn cached(text: &str) -> Result<Regex, String> {
    PATTERNS.with_borrow_mut(|known| {
        if let Some(found) = known.get(text) {
            return Ok(found.clone());
        }
        let compiled = pattern(text)?;
        if known.len() >= MAX_CACHED_PATTERNS {
            known.clear();
        }
        known.insert(text.to_owned(), compiled.clone());
        Ok(compiled)
    })
}

fn capture(subject: &str, pattern: &Val) -> Result<Val, String> {
    if matches!(pattern, Val::Null) {
        return Ok(Val::Null);
    }
    let compiled = cached(text(pattern).map_err(|_| "cf_capture: the pattern must be a text")?)?;
    let Some(found) = compiled.captures(subject) else { return Ok(Val::Null) };
    let mut groups = ValMap::default();
    for name in compiled.capture_names().flatten() {
        let value = found.name(name).map_or(Val::Null, |group| Val::utf8_str(group.as_str().to_owned()));
        groups.insert(Val::utf8_str(name.to_owned()), value);
    }
    Ok(Val::obj(groups))
}

fn url_decode(text: &str) -> Result<Val, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%'
            && let Some(digits) = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())
            && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
            && let Ok(byte) = u8::from_str_radix(digits, 16)
        {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
            continue;
        }
        bytes.push(*first);
        rest = tail;
    }
    let decoded = String::from_utf8(bytes).map_err(|_| format!("`{text}` is not UTF-8 once decoded"))?;
    Ok(Val::utf8_str(decoded))
}

fn json(text: &str) -> Result<Val, String> {
    let mut notes = Notes::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let build = Build { notes: &mut notes, depth: 0 };
    let value = build.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match (value, notes.fault) {
        (Ok(value), None) => Ok(to_val(&value)),
        (Err(error), _) => Err(error.to_string()),
        (_, Some(fault)) => Err(fault),
    }
}

/// The normal form of a DN: types and values in lower case, escapes and blanks written one way, the parts of an RDN in order.
fn dn(text: &str) -> Option<String> {
    let (mut rdns, mut rdn) = (Vec::new(), Vec::new());
    let mut rest = text.trim();
    loop {
        let (kind, behind) = rest.split_once('=')?;
        let kind = kind.trim().to_ascii_lowercase();
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if kind.is_empty() || !kind.bytes().all(known) {
            return None;
        }
        let (value, behind) = dn_value(behind)?;
        rdn.push(format!("{}={value}", kind.strip_prefix("oid.").unwrap_or(&kind)));
        let mut signs = behind.chars();
        let next = signs.next();
        if next != Some('+') {
            rdn.sort();
            rdns.push(rdn.join("+"));
            rdn.clear();
        }
        if next.is_none() {
            return Some(rdns.join(","));
        }
        rest = signs.as_str();
    }
}

/// A value of a DN in its normal form, and what follows it.
fn dn_value(text: &str) -> Option<(String, &str)> {
    let mut bytes = Vec::new();
    let mut quoted = false;
    let mut signs = text.char_indices();
    let mut end = text.len();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => quoted = !quoted,
            '\\' => {
                let behind = text.get(at + 1..)?;
                match behind.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    Some(byte) if behind.as_bytes().first()?.is_ascii_hexdigit() => {
                        bytes.push(byte);
                        signs.nth(1);
                    }
                    _ => {
                        let (_, escaped) = signs.next()?;
                        bytes.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
            }
            ',' | ';' | '+' if !quoted => {
                end = at;
                break;
            }
            _ => bytes.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let value = String::from_utf8(bytes).ok().filter(|_| !quoted)?;
    let value = crate::model::norm(&value).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut written = String::with_capacity(value.len());
    for sign in value.chars() {
        if matches!(sign, ',' | ';' | '+' | '"' | '\\' | '=' | '<' | '>') {
            written.push('\\');
        }
        written.push(sign);
    }
    Some((written, text.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_that_are_the_same_have_one_form() {
        for (one, other) in [
            ("uid=alice,ou=People,dc=corp,dc=example", "UID=Alice, OU=people ,DC=corp, DC=example"),
            ("cn=a  b,dc=x", "CN= A b ,DC=X"),
            ("cn=Lov\\C3\\A9n,dc=x", "cn=lov\u{e9}n,dc=x"),
            ("cn=Lov\u{65}\u{301}n,dc=x", "cn=lov\u{e9}n,dc=x"),
            ("cn=Doe\\, Jane,dc=x", "CN=\"doe, jane\",DC=x"),
            ("cn=Doe\\2C Jane,dc=x", "cn=doe\\, jane,dc=x"),
            ("cn=a+uid=b,dc=x", "UID=B+CN=A;dc=x"),
            ("oid.2.5.4.3=a", "2.5.4.3=A"),
            ("cn=a\\20,dc=x", "cn=a,dc=x"),
        ] {
            assert_eq!(dn(one).unwrap(), dn(other).unwrap(), "{one}");
        }
        assert_eq!(dn("cn=Doe\\, Jane,dc=x").unwrap(), "cn=doe\\, jane,dc=x");
        for (one, other) in [
            ("cn=a,dc=x", "cn=a\\,dc=x"),
            ("cn=a+uid=b,dc=x", "cn=a,uid=b,dc=x"),
            ("cn=a\\+uid=b,dc=x", "cn=a+uid=b,dc=x"),
        ] {
            assert_ne!(dn(one), dn(other), "{one}");
        }
        for text in [
            "",
            "alice",
            "CORP\\alice",
            "=a",
            "cn=a,b",
            "cn=\"a",
            "cn=a\\",
            "cn=a\\ff,dc=x",
            "a b=c",
            "cn=a,",
        ] {
            assert_eq!(dn(text), None, "{text}");
        }
    }
}
