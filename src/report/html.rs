//! Text for a page: nothing in it is markup, and what cannot be seen is written out, as on a terminal.

use super::text::shown;

/// Adds a text so that it can stand between tags and in quoted attributes.
///
/// ```
/// use counterfoil::report::html::push_text;
/// let mut page = String::new();
/// push_text("<b a='1'>&\u{202e}\"", &mut page);
/// assert_eq!(page, "&lt;b a=&#39;1&#39;&gt;&amp;\\u{202e}&quot;");
/// ```
pub fn push_text(text: &str, page: &mut String) {
    for c in shown(text).chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '"' => page.push_str("&quot;"),
            '\'' => page.push_str("&#39;"),
            c => page.push(c),
        }
    }
}

/// The text, so that it can stand between tags and in quoted attributes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut page = String::with_capacity(text.len());
    push_text(text, &mut page);
    page
}

/// Whether a text is the address of a page that a reader may be led to: no script, no file, nothing of the kind.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let text = text.as_bytes();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    begins(b"https://") || begins(b"http://")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_pages_are_addresses() {
        for (text, is) in [
            ("https://jira.example.com/browse/A-1", true),
            ("HTTP://a", true),
            ("javascript:alert(1)", false),
            (" https://a", false),
            ("//a", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in any::<String>()) {
            let page = escaped(&text);
            prop_assert!(!page.contains(['<', '>', '"', '\'']));
            prop_assert!(!page.chars().any(super::super::text::is_hidden));
        }
    }
}
