//! Text of a record, borrowed from its line where no escape stands in the way, and the normal form of names.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A text field. Dereferences to `str`; borrows from the input unless the JSON held an escape.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, s: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(s)))
            }
            fn visit_str<E: de::Error>(self, s: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(s.to_owned())))
            }
        }
        d.deserialize_str(V)
    }
}

/// The normal form in which names are compared: Unicode NFC, trimmed, full lower case.
///
/// ```
/// use counterfoil::model::norm;
/// assert_eq!(norm("  Ali\u{301}ce@X.io "), "alíce@x.io");
/// ```
#[must_use]
pub fn norm(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        let trimmed = name.trim();
        return if trimmed.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(trimmed.to_ascii_lowercase())
        } else {
            Cow::Borrowed(trimmed)
        };
    }
    let composed: Cow<'_, str> =
        if is_nfc(name) { Cow::Borrowed(name) } else { Cow::Owned(name.nfc().collect()) };
    Cow::Owned(composed.trim().to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_composed_trimmed_and_lowered() {
        assert_eq!(norm("bob"), "bob");
        assert_eq!(norm("\u{a0}BOB\t"), "bob");
        assert_eq!(norm("STRASSE ΑΣ"), "strasse ας", "full lower case knows the final sigma");
        assert_eq!(norm("e\u{301}"), norm("É"));
    }

    proptest! {
        #[test]
        fn the_short_way_for_ascii_is_the_long_way(s in "[ -~\t]*") {
            let long: String = s.nfc().collect::<String>().trim().to_lowercase();
            prop_assert_eq!(norm(&s), long);
        }
    }
}
