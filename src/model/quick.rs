//! The short way to read a line: what nearly all lines look like, and nothing else.
//!
//! Machines write records: one object in a line, known keys, texts without escapes. Such a line is read here in one pass,
//! several times faster than by a parser that must be ready for everything. Whatever else a line holds (an escape, a
//! nested value nobody knows, a fraction, a fault) makes this reader give up, without saying why; the line is then read the
//! long way, which decides. So this reader may refuse what is right, and must never accept what the long way refuses, or
//! read it differently: a property test holds both against each other.

use super::Text;
use super::strict::Keys;
use super::time::{Duration, Instant};

/// A place in a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// A value that can be read the short way; `None` where that cannot be done.
pub(crate) trait Quick<'a>: Sized {
    /// Reads the value that starts here.
    fn quick(c: &mut Cursor<'a>) -> Option<Self>;
}

impl<'a> Cursor<'a> {
    /// The start of a line.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Whether nothing but white space follows.
    pub(crate) fn is_over(self) -> bool {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or(&[]);
        rest.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
    }

    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// Passes over one character, if it is this one.
    #[inline]
    fn pass(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    /// Passes over `null`, if it stands here.
    #[inline]
    fn is_null(&mut self) -> Option<bool> {
        if self.peek()? != b'n' {
            return Some(false);
        }
        self.word("null").map(|()| true)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    /// A text without escapes.
    #[inline]
    fn text(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut at = start;
        // Eight at a time, as long as there are eight.
        while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let stops = stops(u64::from_le_bytes(*eight));
            if stops != 0 {
                at += (stops.trailing_zeros() / 8) as usize;
                return self.end_text(start, at);
            }
            at += 8;
        }
        while !matches!(bytes.get(at)?, b'"' | b'\\' | 0..0x20) {
            at += 1;
        }
        self.end_text(start, at)
    }

    #[inline]
    fn end_text(&mut self, start: usize, end: usize) -> Option<&'a str> {
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.at = end + 1;
        self.text.get(start..end)
    }

    /// The start of an object: whether it has a first key.
    #[inline]
    pub(crate) fn open(&mut self) -> Option<bool> {
        self.pass(b'{')?;
        let empty = self.peek()? == b'}';
        self.at += usize::from(empty);
        Some(!empty)
    }

    /// A key, up to its value.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let key = self.text()?;
        self.pass(b':')?;
        Some(key)
    }

    /// What follows a value in an object: whether there is another key.
    #[inline]
    pub(crate) fn more(&mut self) -> Option<bool> {
        let more = match self.peek()? {
            b',' => true,
            b'}' => false,
            _ => return None,
        };
        self.at += 1;
        Some(more)
    }

    /// Passes over a field that nobody knows: a text, a whole number, a word.
    pub(crate) fn unknown(&mut self, key: &'a str, seen: &mut Keys<'a>) -> Option<()> {
        seen.claim::<serde_json::Error>(Text(key.into())).ok()?;
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'0'..=b'9' => self.digits().map(drop),
            b'n' => self.word("null"),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            _ => None,
        }
    }

    /// A whole number, by its digits. What follows them is seen to by the caller: a fraction is no end of a value.
    fn digits(&mut self) -> Option<&'a str> {
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        // More digits than any count has are left to the long way.
        let n = rest.iter().take(19).take_while(|b| b.is_ascii_digit()).count();
        let digits = self.text.get(start..start + n)?;
        let whole = n > 0 && (n == 1 || !digits.starts_with('0'));
        whole.then(|| self.at += n)?;
        Some(digits)
    }
}

/// Marks (by their highest bit) the bytes of a word that end a text or cannot stand in one: `"`, `\` and control characters.
/// Only the lowest mark can be relied on: above it a borrow may have made more.
#[inline]
fn stops(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let quote = zero(word ^ (ONES * 0x22));
    let slash = zero(word ^ (ONES * 0x5c));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | slash | control) & HIGH
}

/// A key as a number: its length, and what stands at its start and its end. Two keys of one object that are different have
/// different numbers nearly always; only then are they compared.
#[inline]
pub(crate) const fn tag(key: &[u8]) -> u64 {
    let n = key.len();
    match (key.first_chunk::<4>(), key.last_chunk::<3>()) {
        (Some(&[a, b, c, d]), Some(&[x, y, z])) => u64::from_le_bytes([a, b, c, d, x, y, z, n as u8]),
        (None, Some(&[x, y, z])) => u64::from_le_bytes([x, y, z, 0, 0, 0, 0, n as u8]),
        _ => match key {
            [x, y] => u64::from_le_bytes([*x, *y, 0, 0, 0, 0, 0, 2]),
            [x] => u64::from_le_bytes([*x, 0, 0, 0, 0, 0, 0, 1]),
            _ => 0,
        },
    }
}

impl<'a> Quick<'a> for Text<'a> {
    #[inline]
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        Some(Self(c.text()?.into()))
    }
}

impl<'a> Quick<'a> for Instant {
    #[inline]
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        Self::parse(c.text()?).ok()
    }
}

impl<'a> Quick<'a> for Duration {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        Self::parse(c.text()?).ok()
    }
}

impl<'a> Quick<'a> for bool {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        let value = c.peek()? == b't';
        c.word(if value { "true" } else { "false" }).map(|()| value)
    }
}

impl<'a> Quick<'a> for u32 {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        c.peek()?;
        c.digits()?.parse().ok()
    }
}

impl<'a> Quick<'a> for u64 {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        c.peek()?;
        c.digits()?.parse().ok()
    }
}

impl<'a, T: Quick<'a>> Quick<'a> for Option<T> {
    #[inline]
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        if c.is_null()? { Some(None) } else { T::quick(c).map(Some) }
    }
}

impl<'a, T: Quick<'a>> Quick<'a> for Vec<T> {
    fn quick(c: &mut Cursor<'a>) -> Option<Self> {
        c.pass(b'[')?;
        let mut items = Self::new();
        if c.peek()? == b']' {
            c.at += 1;
            return Some(items);
        }
        loop {
            if items.is_empty() {
                // Most lists have one item; the room for four that a list takes by itself would be for nothing.
                items.reserve_exact(1);
            }
            items.push(T::quick(c)?);
            match c.peek()? {
                b',' => c.at += 1,
                b']' => {
                    c.at += 1;
                    return Some(items);
                }
                _ => return None,
            }
        }
    }
}
