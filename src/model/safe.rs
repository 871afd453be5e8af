//! JSON as programs are told it: what a terminal would obey or hide stands in it as an escape. The value is the same, the
//! screen is safe, and the text is the same wherever it is written.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::Formatter;

/// Whether a character is invisible, or changes how its neighbours are shown: controls, and what Unicode calls
/// default ignorable (directional overrides and isolates, zero-width characters, variation selectors, tags).
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Compact JSON that escapes what a terminal would obey.
pub struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.bytes().all(|b| b < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            writer.write_all(plain.as_bytes())?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.get(hidden.len_utf8()..).unwrap_or("");
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Appends a value.
///
/// # Errors
/// When the value cannot be JSON, which no type of this crate can be.
pub fn write_safe<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(buffer, Safe)).map_err(io::Error::from)
}

/// A value as a text with room for so many bytes from the start; empty when it cannot be JSON.
#[must_use]
pub fn safe_text<T: Serialize + ?Sized>(value: &T, room: usize) -> String {
    let mut text = Vec::with_capacity(room);
    let written = write_safe(value, &mut text);
    written.ok().and_then(|()| String::from_utf8(text).ok()).unwrap_or_default()
}
