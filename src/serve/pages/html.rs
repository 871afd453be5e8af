//! Writing a page. Markup is what stands in our own source; all else is text, and text never becomes markup.
//!
//! [`put!`] keeps the two apart by their types: a literal is markup, and what stands in parentheses is shown, escaped, by
//! [`Show`]. There is no way to hand a text that was put together to [`Html::raw`].

use std::borrow::Cow;
use std::fmt::{Display, Write};

use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::Severity;
use crate::report::html::{is_address, push_text};
use crate::report::text::grouped;

/// Markup that is complete in itself.
#[derive(Debug, Default, Clone)]
pub(super) struct Html(String);

/// What can stand in a page, between tags or in a quoted attribute.
pub(super) trait Show {
    fn show(&self, page: &mut Html);
}

/// Adds to a page: literals are markup, what stands in parentheses is shown.
macro_rules! put {
    ($page:expr; $($part:tt)*) => {{ $( put!(@ $page, $part); )* }};
    (@ $page:expr, $markup:literal) => { $page.raw($markup) };
    (@ $page:expr, ($shown:expr)) => { $crate::serve::pages::html::Show::show(&$shown, $page) };
}
pub(super) use put;

impl Html {
    pub(super) fn raw(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Adds markup that another module made of escaped text.
    pub(super) fn fragment(&mut self, make: impl FnOnce(&mut String)) {
        make(&mut self.0);
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// The one place where a text becomes part of a page: nothing in it is markup, and what cannot be seen, or would turn
    /// the order of its neighbours round, is written out.
    fn text(&mut self, text: &str) {
        push_text(text, &mut self.0);
    }

    /// Adds something of ours that holds no sign with a meaning, such as a number.
    fn plain(&mut self, value: impl Display) {
        let _ = write!(self.0, "{value}");
    }
}

impl Show for Html {
    fn show(&self, page: &mut Html) {
        page.0.push_str(&self.0);
    }
}

impl Show for str {
    fn show(&self, page: &mut Html) {
        page.text(self);
    }
}

impl Show for String {
    fn show(&self, page: &mut Html) {
        page.text(self);
    }
}

impl Show for Cow<'_, str> {
    fn show(&self, page: &mut Html) {
        page.text(self);
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, page: &mut Html) {
        (*self).show(page);
    }
}

/// What is absent leaves nothing.
impl<T: Show> Show for Option<T> {
    fn show(&self, page: &mut Html) {
        if let Some(it) = self {
            it.show(page);
        }
    }
}

/// A number for people, with its thousands apart.
impl Show for u64 {
    fn show(&self, page: &mut Html) {
        page.text(&grouped(*self));
    }
}

impl Show for u32 {
    fn show(&self, page: &mut Html) {
        u64::from(*self).show(page);
    }
}

impl Show for usize {
    fn show(&self, page: &mut Html) {
        (*self as u64).show(page);
    }
}

/// A number as it stands in an attribute.
pub(super) struct Plain(pub(super) i64);

impl Show for Plain {
    fn show(&self, page: &mut Html) {
        page.plain(self.0);
    }
}

/// How bad, by word and by shape.
impl Show for Severity {
    fn show(&self, page: &mut Html) {
        put!(page; "<span class=\"sev " (self.as_str()) "\">" (self.as_str()) "</span>");
    }
}

impl Show for State {
    fn show(&self, page: &mut Html) {
        put!(page; "<span class=\"state " (self.as_str()) "\">" (self.as_str()) "</span>");
    }
}

/// An instant to the minute, in UTC.
impl Show for Instant {
    fn show(&self, page: &mut Html) {
        let text = self.to_string();
        let short: String = text.chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect();
        put!(page; "<time datetime=\"" (text) "\">" (short) " UTC</time>");
    }
}

/// The day of an instant.
pub(super) struct Day(pub(super) Instant);

impl Day {
    /// As text alone, where no tag may stand.
    pub(super) fn text(&self) -> String {
        self.0.to_string().chars().take(10).collect()
    }
}

impl Show for Day {
    fn show(&self, page: &mut Html) {
        put!(page; "<time datetime=\"" (self.0.to_string()) "\">" (self.text()) "</time>");
    }
}

/// How far apart two instants are, in the largest unit that fits: `12 d`.
pub(super) fn span(from: Instant, to: Instant) -> String {
    let seconds = (to.unix_ms() - from.unix_ms()).unsigned_abs() / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", grouped(seconds / 86_400)),
    }
}

/// An instant, told by how long ago it was.
pub(super) struct Ago(pub(super) Instant, pub(super) Instant);

impl Show for Ago {
    fn show(&self, page: &mut Html) {
        let Self(at, now) = self;
        let text = at.to_string();
        put!(page; "<time datetime=\"" (text) "\" title=\"" (text) "\">" (span(*at, *now)) "</time>");
    }
}

/// A name that others gave: it keeps its own reading direction to itself, and breaks behind a sign rather than in a word.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Show for Name<'_> {
    fn show(&self, page: &mut Html) {
        page.raw("<bdi>");
        for part in self.0.split_inclusive(['@', '/']) {
            page.text(part);
            if part.ends_with(['@', '/']) {
                page.raw("<wbr>");
            }
        }
        page.raw("</bdi>");
    }
}

/// A link to where a person can read on; a text alone where the address is of no kind that a browser should follow.
pub(super) struct Elsewhere<'a>(pub(super) Option<&'a str>, pub(super) &'a str);

impl Show for Elsewhere<'_> {
    fn show(&self, page: &mut Html) {
        match self.0.filter(|url| is_address(url)) {
            Some(url) => {
                put!(page; "<a class=\"out\" rel=\"noopener noreferrer\" href=\"" (url) "\">" (Name(self.1)) "</a>");
            }
            None => Name(self.1).show(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(it: impl Show) -> String {
        let mut page = Html::default();
        it.show(&mut page);
        page.into_text()
    }

    #[test]
    fn what_is_no_address_is_no_link() {
        for bad in ["javascript:alert(1)", "//x", "data:text/html,x", " https://x", "", "ftp://x"] {
            assert_eq!(page(Elsewhere(Some(bad), "T-1")), "<bdi>T-1</bdi>", "{bad}");
        }
        assert!(
            page(Elsewhere(Some("https://x/'\"><"), "T")).contains("href=\"https://x/&#39;&quot;&gt;&lt;\"")
        );
    }

    #[test]
    fn times_are_told_in_the_largest_unit() {
        let at = |ms| Instant::from_unix_ms(ms);
        for (ms, text) in [
            (59_000, "59 s"),
            (61_000, "1 min"),
            (7_300_000, "2 h"),
            (90_000_000, "25 h"),
            (172_800_000, "2 d"),
        ] {
            assert_eq!(span(at(0), at(ms)), text);
            assert_eq!(span(at(ms), at(0)), text);
        }
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in any::<String>()) {
            let mut page = Html::default();
            let p = &mut page;
            put!(p; "<a title=\"" (&text) "\">" (Name(&text)) "</a>");
            let page = page.into_text();
            let breaks = text.matches(['@', '/']).count();
            prop_assert_eq!(page.matches(['<', '>']).count(), 8 + 2 * breaks);
            prop_assert_eq!(page.matches('"').count(), 2);
            prop_assert!(!page.chars().any(crate::report::text::is_hidden));
        }
    }
}
