//! Text for a page of HTML: nothing that a name holds becomes markup, and what cannot be seen is made visible.

use super::text::shown;

/// Appends a text as it may stand in an element or between the quotes of an attribute; hidden characters are written out.
///
/// ```
/// let mut out = String::new();
/// counterfoil::report::html::escape("<b>\u{202e}\"&'", &mut out);
/// assert_eq!(out, "&lt;b&gt;\\u{202e}&quot;&amp;&#39;");
/// ```
pub fn escape(text: &str, out: &mut String) {
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}
