//! Text for a terminal: what cannot be seen is made visible, what does not fit is cut, numbers are grouped.
//!
//! Names come from tickets and directories, so they can hold anything: escape sequences that recolour or erase the
//! screen, overrides that turn the reading order round, characters without width that make two names look the
//! same. The data keeps them; a person sees them written out.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

pub use crate::model::is_hidden;

/// How many characters without width may follow one another before the rest is written out: enough for the
/// accents of any script, too few to paint over the neighbouring lines.
const MAX_MARKS: usize = 4;

/// The text as a person may see it: hidden characters written out as `\n`, `\u{202e}`.
///
/// ```
/// use counterfoil::report::text::shown;
/// assert_eq!(shown("al\u{202e}ice\n"), "al\\u{202e}ice\\n");
/// ```
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if columns_of(c) == 0 { marks + 1 } else { 0 };
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) || marks > MAX_MARKS => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// How many terminal columns a text takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Cuts a text to at most `max` columns, with `…` in the middle: of an address the beginning tells most, of an
/// ARN or a path the end.
///
/// ```
/// use counterfoil::report::text::fit;
/// assert_eq!(fit("arn:aws:iam::aws:policy/AdministratorAccess", 21), "arn:aws:ia…atorAccess");
/// ```
#[must_use]
pub fn fit(text: &str, max: usize) -> Cow<'_, str> {
    if columns(text) <= max {
        return Cow::Borrowed(text);
    }
    let room = max.saturating_sub(1);
    let tail = take_columns(text.chars().rev(), room / 2);
    let head = take_columns(text.chars(), room - columns(&tail));
    Cow::Owned(if max == 0 {
        String::new()
    } else {
        format!("{head}…{}", tail.chars().rev().collect::<String>())
    })
}

fn take_columns(chars: impl Iterator<Item = char>, max: usize) -> String {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += columns_of(*c);
            used <= max
        })
        .collect()
}

/// The text, filled with blanks up to `width` columns.
#[must_use]
pub fn padded(text: &str, width: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(text))));
    out
}

/// Breaks a text into at most `lines` lines of at most `width` columns, at blanks where it can; what does not fit
/// is cut with `…`.
#[must_use]
pub fn wrapped(text: &str, width: usize, lines: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut words = text.split(' ').filter(|w| !w.is_empty()).peekable();
    while let Some(first) = words.next() {
        let mut line = fit(first, width).into_owned();
        while let Some(word) = words.next_if(|w| columns(&line) + 1 + columns(w) <= width) {
            line.push(' ');
            line.push_str(word);
        }
        if out.len() + 1 >= lines && words.peek().is_some() {
            let mut cut = take_columns(line.chars(), width.saturating_sub(1));
            cut.truncate(cut.trim_end().len());
            cut.push('…');
            out.push(cut);
            break;
        }
        out.push(line);
    }
    out
}

/// A number with its thousands grouped: `4,000,000`.
#[must_use]
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count with its noun, in the singular or with an `s`.
#[must_use]
pub fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_hidden_is_written_out() {
        assert_eq!(shown("plain name@x.io"), "plain name@x.io");
        assert_eq!(shown("\u{1b}[31mred\u{9b}2J\u{7f}"), "\\u{1b}[31mred\\u{9b}2J\\u{7f}");
        assert_eq!(shown("a\u{200b}b\u{feff}c\u{e0041}"), "a\\u{200b}b\\u{feff}c\\u{e0041}");
        assert_eq!(shown("Zoë 王 نادية"), "Zoë 王 نادية");
        let zalgo = format!("a{}", "\u{301}".repeat(9));
        assert_eq!(shown(&zalgo).matches("\\u{301}").count(), 5);
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(columns("王ab"), 4);
        assert_eq!(fit("王王王王", 5), "王…王");
        assert_eq!(padded("王", 4), "王  ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(fit("abc", 1), "…");
    }

    #[test]
    fn lines_break_at_blanks_and_the_last_says_that_it_is_cut() {
        assert_eq!(wrapped("one two three", 7, 5), ["one two", "three"]);
        assert_eq!(wrapped("one two three four", 7, 2), ["one two", "three…"]);
        assert_eq!(wrapped("", 7, 2), Vec::<String>::new());
        assert_eq!(grouped(4_000_000), "4,000,000");
        assert_eq!((grouped(999), grouped(1_000)), ("999".into(), "1,000".into()));
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_shown_and_nothing_is_wider_than_asked(s in any::<String>(), max in 0usize..40, lines in 1usize..4) {
            let visible = shown(&s);
            prop_assert!(!visible.chars().any(is_hidden));
            prop_assert!(columns(&fit(&visible, max)) <= max);
            let lines_of = wrapped(&visible, max.max(1), lines);
            prop_assert!(lines_of.len() <= lines && lines_of.iter().all(|l| columns(l) <= max.max(1)));
        }
    }
}
