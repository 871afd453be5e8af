//! The little of ASN.1's Basic Encoding Rules that LDAP allows (RFC 4511, section 5.1): tags of one byte, definite lengths.
//!
//! What is read is never trusted: an element ends where its length says or it is no element, nothing is copied before it
//! is known to be there, and nothing here calls itself, so that no nesting is too deep.

use std::fmt;

/// BOOLEAN.
pub(super) const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub(super) const INTEGER: u8 = 0x02;
/// OCTET STRING.
pub(super) const OCTETS: u8 = 0x04;
/// ENUMERATED.
pub(super) const ENUMERATED: u8 = 0x0a;
/// SEQUENCE, SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;
/// SET OF.
pub(super) const SET: u8 = 0x31;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what came is no message of LDAP")
    }
}

/// Reads elements one behind the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// Of these bytes.
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes)
    }

    /// Whether there is nothing more.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag of the next element.
    pub(super) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element: its tag and content.
    pub(super) fn next(&mut self) -> Result<(u8, &'b [u8]), Malformed> {
        let tag = self.peek().ok_or(Malformed)?;
        let (head, length) = length(self.0)?.ok_or(Malformed)?;
        let end = head.checked_add(length).ok_or(Malformed)?;
        let content = self.0.get(head..end).ok_or(Malformed)?;
        self.0 = self.0.get(end..).ok_or(Malformed)?;
        Ok((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn take(&mut self, tag: u8) -> Result<&'b [u8], Malformed> {
        match self.next()? {
            (found, content) if found == tag => Ok(content),
            _ => Err(Malformed),
        }
    }

    /// The content of the next element, if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'b [u8]>, Malformed> {
        if self.peek() == Some(tag) { self.take(tag).map(Some) } else { Ok(None) }
    }

    /// What is in the next element, which must have this tag.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, Malformed> {
        self.take(tag).map(Self)
    }

    /// The next element as a number.
    pub(super) fn number(&mut self, tag: u8) -> Result<i64, Malformed> {
        let content = self.take(tag)?;
        let first = *content.first().ok_or(Malformed)?;
        if content.len() > 8 {
            return Err(Malformed);
        }
        let sign = if first & 0x80 == 0 { 0 } else { -1 };
        Ok(content.iter().fold(sign, |number, byte| (number << 8) | i64::from(*byte)))
    }
}

/// How many bytes the tag and the length of the first element take, and how many its content has; `None` where they have not
/// all come yet.
pub(super) fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(Malformed);
    }
    if *first < 0x80 {
        return Ok(Some((2, usize::from(*first))));
    }
    let more = usize::from(first & 0x7f);
    // 0 would be a length without a definite end.
    if more == 0 || more > 8 {
        return Err(Malformed);
    }
    let Some(digits) = bytes.get(2..2 + more) else { return Ok(None) };
    let length = digits.iter().try_fold(0_usize, |length, byte| {
        length.checked_mul(256).and_then(|length| length.checked_add(usize::from(*byte)))
    });
    Ok(Some((2 + more, length.ok_or(Malformed)?)))
}

/// Writes an element whose content `fill` writes.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, fill: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = out.len();
    fill(out);
    let length = out.len() - at;
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => drop(out.splice(at..at, [short])),
        _ => {
            let digits: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
            let many = 0x80 | u8::try_from(digits.len()).unwrap_or(8);
            out.splice(at..at, std::iter::once(many).chain(digits));
        }
    }
}

/// Writes bytes.
pub(super) fn put_octets(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put(out, tag, |out| out.extend_from_slice(bytes));
}

/// Writes a number.
pub(super) fn put_number(out: &mut Vec<u8>, tag: u8, number: i64) {
    let bytes = number.to_be_bytes();
    // The shortest form: a leading byte that only repeats the sign of the next is left out.
    let spare = bytes
        .windows(2)
        .take_while(|pair| {
            matches!(pair, [0, next] if next & 0x80 == 0) || matches!(pair, [0xff, next] if next & 0x80 != 0)
        })
        .count();
    put_octets(out, tag, bytes.get(spare..).unwrap_or(&bytes));
}

/// Writes true or false.
pub(super) fn put_bool(out: &mut Vec<u8>, tag: u8, value: bool) {
    put_octets(out, tag, &[if value { 0xff } else { 0 }]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_their_shortest_form() {
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (-1, &[2, 1, 255]),
            (-128, &[2, 1, 128]),
            (-129, &[2, 2, 255, 127]),
            (i64::from(i32::MAX), &[2, 4, 127, 255, 255, 255]),
            (i64::MIN, &[2, 8, 128, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            let mut out = vec![];
            put_number(&mut out, INTEGER, number);
            assert_eq!(out, bytes, "{number}");
            assert_eq!(Reader::new(&out).number(INTEGER), Ok(number));
        }
    }

    #[test]
    fn lengths_of_every_size_come_back() {
        for size in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 1 << 20] {
            let mut out = vec![];
            put_octets(&mut out, OCTETS, &vec![7; size]);
            let (head, length) = length(&out).unwrap().unwrap();
            assert_eq!((head + length, length), (out.len(), size));
            let mut reader = Reader::new(&out);
            assert_eq!(reader.take(OCTETS).unwrap().len(), size);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn what_lies_about_its_length_or_has_no_end_is_refused() {
        for bytes in [
            &[0x30, 0x80, 0, 0][..],                                  // no definite length
            &[0x30, 0x85],                                            // its length is cut off
            &[0x04, 5, 1, 2],                                         // shorter than it says
            &[0x1f, 0x81, 1, 0],                                      // a tag of several bytes
            &[0x04, 0x88, 255, 255, 255, 255, 255, 255, 255, 255, 0], // longer than memory
            &[0x04, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],              // a length of nine bytes
        ] {
            assert_eq!(Reader::new(bytes).next(), Err(Malformed), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[2, 0]).number(INTEGER), Err(Malformed));
        assert_eq!(Reader::new(&[2, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]).number(INTEGER), Err(Malformed));
        assert_eq!(length(&[0x30]), Ok(None));
        assert_eq!(length(&[0x30, 0x82, 1]), Ok(None));
    }
}
