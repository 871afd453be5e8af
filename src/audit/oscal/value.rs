//! The small values of OSCAL: ids that follow from what they stand for, tokens, and texts on one line.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::report::text::shown;

/// Whose the names of the properties are.
const NAMESPACE: &str = "urn:counterfoil:oscal";

/// The id of something, in the form of a UUID of version 5: the same parts give the same id, and no part runs into the next.
pub(super) fn uuid(parts: &[&str]) -> String {
    let mut sha = Sha256::new();
    sha.update(NAMESPACE);
    for part in parts {
        sha.update((part.len() as u64).to_be_bytes());
        sha.update(part);
    }
    let digest: [u8; 32] = sha.finalize().into();
    let all = digest.first_chunk::<16>().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    let all = all & !(0xf << 76) | 5 << 76;
    let all = all & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{all:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

/// A text on one line, its hidden characters written out, without blanks around it.
pub(super) fn line(text: &str) -> String {
    let text = shown(text);
    let text = text.trim();
    if text.is_empty() { "(nothing)".to_owned() } else { text.to_owned() }
}

/// A property.
pub(super) fn prop(name: &str, value: &str) -> Value {
    json!({"name": name, "ns": NAMESPACE, "value": line(value)})
}

/// Properties; those without a value are left out.
pub(super) fn props(all: &[(&str, &str)]) -> Value {
    all.iter().filter(|(_, value)| !value.trim().is_empty()).map(|(name, value)| prop(name, value)).collect()
}

/// The id of a control as a token, as the catalogues of OSCAL write them: `AC-2(3)` is `ac-2.3`.
pub(super) fn token(id: &str) -> String {
    let mut out = String::with_capacity(id.len() + 1);
    for c in id.chars() {
        match c {
            '(' => out.push('.'),
            ')' => {}
            c if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') => {
                out.push(c.to_ascii_lowercase())
            }
            _ => out.push('-'),
        }
    }
    if !out.starts_with(|c: char| c.is_ascii_alphabetic()) {
        out.insert(0, '_');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_from_their_parts_and_have_the_form_of_uuids() {
        let id = uuid(&["a", "b"]);
        assert_eq!(id, uuid(&["a", "b"]));
        assert!(id != uuid(&["ab", ""]) && id != uuid(&["a", "c"]));
        let shape: String = id.chars().map(|c| if c == '-' { '-' } else { 'x' }).collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!(id.as_bytes()[14], b'5');
        assert!(b"89ab".contains(&id.as_bytes()[19]));
    }

    #[test]
    fn controls_become_tokens() {
        for (id, expected) in
            [("AC-2(3)", "ac-2.3"), ("A.5.15", "a.5.15"), ("8.2.4", "_8.2.4"), ("ä b", "_--b"), ("", "_")]
        {
            assert_eq!(token(id), expected);
        }
    }
}
