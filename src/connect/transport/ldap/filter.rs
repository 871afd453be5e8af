//! Search filters: from text (RFC 4515) to what is sent (RFC 4511, section 4.5.1.7).

use super::ber;

/// How deep `&`, `|` and `!` may nest: more than any filter a person wrote.
const MAX_DEPTH: usize = 32;

/// A filter as it is sent.
///
/// # Errors
/// What is wrong with the text, and where.
pub(super) fn encode(text: &str) -> Result<Vec<u8>, String> {
    let mut parser = Parser { text, at: 0 };
    let mut out = Vec::new();
    parser.filter(&mut out, 0).map_err(|why| {
        format!(
            "`{text}` is no filter: {why} at character {}",
            text.get(..parser.at).unwrap_or(text).chars().count() + 1
        )
    })?;
    match parser.rest() {
        "" => Ok(out),
        _ => Err(format!("`{text}` is no filter: more follows behind its end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        if !self.rest().starts_with(sign) {
            return Err(format!("expected `{sign}`"));
        }
        self.at += sign.len_utf8();
        Ok(())
    }

    fn filter(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("nests deeper than {MAX_DEPTH}"));
        }
        self.sign('(')?;
        let tag = match self.rest().chars().next() {
            Some('&') => Some(0xa0),
            Some('|') => Some(0xa1),
            Some('!') => Some(0xa2),
            _ => None,
        };
        let Some(tag) = tag else {
            self.item(out)?;
            return self.sign(')');
        };
        self.at += 1;
        let mut done = Ok(());
        ber::put(out, tag, |out| {
            done = self.filter(out, depth + 1);
            while done.is_ok() && tag != 0xa2 && self.rest().starts_with('(') {
                done = self.filter(out, depth + 1);
            }
        });
        done?;
        self.sign(')')
    }

    /// One comparison, up to its `)`.
    fn item(&mut self, out: &mut Vec<u8>) -> Result<(), String> {
        let rest = self.rest();
        let end = rest.find(')').ok_or("expected `)`")?;
        let item = rest.get(..end).unwrap_or_default();
        let (left, value) = item.split_once('=').ok_or("expected `=`")?;
        let (tag, left) = match left.as_bytes().last() {
            Some(b'>') => (0xa5, left.get(..left.len() - 1)),
            Some(b'<') => (0xa6, left.get(..left.len() - 1)),
            Some(b'~') => (0xa8, left.get(..left.len() - 1)),
            Some(b':') => (0xa9, left.get(..left.len() - 1)),
            _ => (0xa3, Some(left)),
        };
        let left = left.unwrap_or_default();
        match tag {
            0xa9 => extensible(out, left, value)?,
            _ if !is_attribute(left) => return Err("expected the name of an attribute".to_owned()),
            0xa3 if value == "*" => ber::put_octets(out, 0x87, left.as_bytes()),
            0xa3 if value.contains('*') => substrings(out, left, value)?,
            _ => {
                let value = unescaped(value)?;
                ber::put(out, tag, |out| {
                    ber::put_octets(out, ber::OCTETS, left.as_bytes());
                    ber::put_octets(out, ber::OCTETS, &value);
                });
            }
        }
        self.at += end;
        Ok(())
    }
}

fn is_attribute(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b';' | b'_'))
}

/// `begins*holds*ends`
fn substrings(out: &mut Vec<u8>, attribute: &str, value: &str) -> Result<(), String> {
    let parts: Vec<&str> = value.split('*').collect();
    let mut pieces = Vec::new();
    for (index, part) in parts.iter().enumerate().filter(|(_, part)| !part.is_empty()) {
        let tag = match index {
            0 => 0x80,
            _ if index + 1 == parts.len() => 0x82,
            _ => 0x81,
        };
        pieces.push((tag, unescaped(part)?));
    }
    if pieces.is_empty() {
        return Err("`**` looks for nothing".to_owned());
    }
    ber::put(out, 0xa4, |out| {
        ber::put_octets(out, ber::OCTETS, attribute.as_bytes());
        ber::put(out, ber::SEQUENCE, |out| {
            pieces.iter().for_each(|(tag, piece)| ber::put_octets(out, *tag, piece));
        });
    });
    Ok(())
}

/// `attribute:dn:rule:=value`, each part of the left but one may be left out.
fn extensible(out: &mut Vec<u8>, left: &str, value: &str) -> Result<(), String> {
    let mut parts = left.split(':');
    let attribute = parts.next().unwrap_or_default();
    let mut parts: Vec<&str> = parts.collect();
    let dn = parts.first().is_some_and(|part| part.eq_ignore_ascii_case("dn"));
    if dn {
        parts.remove(0);
    }
    let rule = match parts.as_slice() {
        [] => None,
        [rule] => Some(*rule),
        _ => return Err("expected `attribute:dn:rule:=value`".to_owned()),
    };
    if [Some(attribute).filter(|a| !a.is_empty()), rule].into_iter().flatten().any(|name| !is_attribute(name))
        || (attribute.is_empty() && rule.is_none())
    {
        return Err("expected an attribute or a rule before `:=`".to_owned());
    }
    let value = unescaped(value)?;
    ber::put(out, 0xa9, |out| {
        if let Some(rule) = rule {
            ber::put_octets(out, 0x81, rule.as_bytes());
        }
        if !attribute.is_empty() {
            ber::put_octets(out, 0x82, attribute.as_bytes());
        }
        ber::put_octets(out, 0x83, &value);
        if dn {
            ber::put_bool(out, 0x84, true);
        }
    });
    Ok(())
}

/// A value with its `\2a` resolved.
fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
                    return Err("expected two hexadecimal digits after `\\`".to_owned());
                };
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            b'*' | b'(' => return Err(format!("expected `{}` as `\\{byte:02x}`", char::from(byte))),
            _ => bytes.push(byte),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_sent_as_the_standard_says() {
        for (text, expected) in [
            ("(cn=*)", b"\x87\x02cn".to_vec()),
            ("(cn=a)", b"\xa3\x07\x04\x02cn\x04\x01a".to_vec()),
            ("(cn=)", b"\xa3\x06\x04\x02cn\x04\x00".to_vec()),
            ("(cn=\\2a\\c3\\A9)", b"\xa3\x09\x04\x02cn\x04\x03*\xc3\xa9".to_vec()),
            ("(a>=1)", b"\xa5\x06\x04\x01a\x04\x011".to_vec()),
            ("(a<=1)", b"\xa6\x06\x04\x01a\x04\x011".to_vec()),
            ("(a~=1)", b"\xa8\x06\x04\x01a\x04\x011".to_vec()),
            ("(a=b*c*d)", b"\xa4\x0e\x04\x01a\x30\x09\x80\x01b\x81\x01c\x82\x01d".to_vec()),
            ("(a=*c*)", b"\xa4\x08\x04\x01a\x30\x03\x81\x01c".to_vec()),
            ("(!(a=*))", b"\xa2\x03\x87\x01a".to_vec()),
            ("(&(a=*)(b=*))", b"\xa0\x06\x87\x01a\x87\x01b".to_vec()),
            ("(|(a=*)(!(b=*)))", b"\xa1\x08\x87\x01a\xa2\x03\x87\x01b".to_vec()),
            ("(uac:1.2:=2)", b"\xa9\x0d\x81\x031.2\x82\x03uac\x83\x012".to_vec()),
            ("(ou:dn:=x)", b"\xa9\x0a\x82\x02ou\x83\x01x\x84\x01\xff".to_vec()),
        ] {
            assert_eq!(encode(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_filter_says_where() {
        for (text, why) in [
            ("", "expected `(` at character 1"),
            ("cn=a", "expected `(` at character 1"),
            ("(cn=a", "expected `)` at character 2"),
            ("(cn)", "expected `=` at character 2"),
            ("(=a)", "expected the name of an attribute"),
            ("(cn=a)(b=c)", "more follows"),
            ("(&)", "expected `(` at character 3"),
            ("(!(a=*)(b=*))", "expected `)` at character 8"),
            ("(cn=\\2)", "two hexadecimal digits"),
            ("(cn=a(b)", "`\\28`"),
            ("(cn>=a*)", "`\\2a`"),
            ("(cn=**)", "looks for nothing"),
            ("(:=a)", "before `:=`"),
        ] {
            let error = encode(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let deep = format!("{}(a=*){}", "(!".repeat(10_000), ")".repeat(10_000));
        assert!(encode(&deep).unwrap_err().contains("nests deeper"));
    }
}
