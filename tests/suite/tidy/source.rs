//! Just enough of Rust's grammar to see what a file names: comments and texts left out, paths put together, also
//! from nested `use` lists and from inside macros.

/// A piece of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword.
    Name(String),
    /// `::`
    Sep,
    /// Any other sign.
    Sign(char),
    /// A number, character or text.
    Literal,
}

/// The code of a file: tokens, each with its line.
pub fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut found = vec![];
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (token, len) = match first {
            '/' if rest.starts_with("//") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, block_comment(rest)),
            ':' if rest.starts_with("::") => (Some(Token::Sep), 2),
            '"' => (Some(Token::Literal), quoted(rest, '"')),
            '\'' => quote(rest),
            _ if first.is_whitespace() => (None, first.len_utf8()),
            _ if is_name(first) => word(rest),
            _ => (Some(Token::Sign(first)), first.len_utf8()),
        };
        found.extend(token.map(|token| (token, line)));
        line += rest[..len].matches('\n').count();
        rest = &rest[len..];
    }
    found
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// The length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a text in quotes, escapes considered.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or a lifetime.
fn quote(text: &str) -> (Option<Token>, usize) {
    let mut chars = text.chars().skip(1);
    let (first, second) = (chars.next(), chars.next());
    if first == Some('\\') || second == Some('\'') {
        return (Some(Token::Literal), quoted(text, '\''));
    }
    let name: usize = text.chars().skip(1).take_while(|c| is_name(*c)).map(char::len_utf8).sum();
    (None, 1 + name)
}

/// A name, a number, or a text with a prefix (`b"…"`, `r#"…"#`).
fn word(text: &str) -> (Option<Token>, usize) {
    let len: usize = text.chars().take_while(|c| is_name(*c)).map(char::len_utf8).sum();
    let (name, rest) = text.split_at(len);
    if matches!(name, "r" | "br" | "cr") {
        let hashes = rest.chars().take_while(|c| *c == '#').count();
        if rest[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[hashes + 1..];
            let close = body.find(&end).map_or(body.len(), |at| at + end.len());
            return (Some(Token::Literal), len + hashes + 1 + close);
        }
        if name == "r" && hashes == 1 {
            let (token, raw) = word(&rest[1..]);
            return (token, len + 1 + raw);
        }
    }
    if matches!(name, "b" | "c") && rest.starts_with('"') {
        return (Some(Token::Literal), len + quoted(rest, '"'));
    }
    if name == "b" && rest.starts_with('\'') {
        return (Some(Token::Literal), len + quoted(rest, '\''));
    }
    let number = name.starts_with(|c: char| c.is_ascii_digit());
    (Some(if number { Token::Literal } else { Token::Name(name.to_owned()) }), len)
}

/// A path as the code names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its parts. `super` stands as often as it is said.
    pub parts: Vec<String>,
    /// The line.
    pub line: usize,
    /// How many `mod … { }` of the file it stands in.
    pub inside: usize,
}

/// Every path of two parts or more; those of a `use` list each in full.
pub fn paths(tokens: &[(Token, usize)]) -> Vec<Named> {
    let mut found = vec![];
    let (mut at, mut depth) = (0, 0_usize);
    let mut modules: Vec<usize> = vec![];
    while let Some((token, _)) = tokens.get(at) {
        match token {
            Token::Name(name)
                if name == "mod" && matches!(tokens.get(at + 2), Some((Token::Sign('{'), _))) =>
            {
                modules.push(depth);
                at += 2;
                continue;
            }
            Token::Name(_) => {
                let mut whole = vec![];
                at = path(tokens, at, &[], &mut whole);
                whole.iter_mut().for_each(|named| named.inside = modules.len());
                found.extend(whole.into_iter().filter(|named| named.parts.len() > 1));
                continue;
            }
            Token::Sign('{') => depth += 1,
            Token::Sign('}') => {
                depth = depth.saturating_sub(1);
                if modules.last() == Some(&depth) {
                    modules.pop();
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one path (or the lists at its end) after what stands before it; gives the place behind it.
fn path(tokens: &[(Token, usize)], mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    let mut parts = before.to_vec();
    let line = tokens.get(at).map_or(0, |(_, line)| *line);
    while let Some((Token::Name(name), _)) = tokens.get(at) {
        if name != "self" || parts.is_empty() {
            parts.push(name.clone());
        }
        at += 1;
        if tokens.get(at).map(|(token, _)| token) != Some(&Token::Sep) {
            break;
        }
        match tokens.get(at + 1) {
            Some((Token::Name(_), _)) => at += 1,
            Some((Token::Sign('{'), _)) => return list(tokens, at + 2, &parts, found),
            Some((Token::Sign('*'), _)) => {
                at += 2;
                break;
            }
            _ => break,
        }
    }
    found.push(Named { parts, line, inside: 0 });
    at
}

/// Reads the rest of a `{…}` list.
fn list(tokens: &[(Token, usize)], mut at: usize, before: &[String], found: &mut Vec<Named>) -> usize {
    while let Some((token, line)) = tokens.get(at) {
        match token {
            Token::Sign('}') => return at + 1,
            Token::Name(name) if name == "as" => at += 2,
            Token::Name(_) => at = path(tokens, at, before, found),
            Token::Sign('{') => at = list(tokens, at + 1, before, found),
            Token::Sign('*') => {
                found.push(Named { parts: before.to_vec(), line: *line, inside: 0 });
                at += 1;
            }
            _ => at += 1,
        }
    }
    at
}

#[test]
fn comments_and_texts_are_no_code() {
    let text = r##"//! crate::a
/* crate::b /* crate::c */ crate::d */
/// crate::e
let x = "crate::f \" crate::g"; let y = r#"crate::h"#; let z = ':'; let w: &'a b'\''; b"crate::i";
use crate::j; // crate::k"##;
    let found = paths(&tokens(text));
    assert_eq!(found, [Named { parts: vec!["crate".into(), "j".into()], line: 5, inside: 0 }]);
}

#[test]
fn lists_macros_and_inner_modules_are_read() {
    let text = "use crate::{a::{self, B as C, d::*}, e};\nm!($crate::f::G);\n\
        mod t { use super::super::h; }\nfn f() -> Vec<crate::i::J> { ::std::fs::read }";
    let found: Vec<_> =
        paths(&tokens(text)).into_iter().map(|n| (n.parts.join("::"), n.line, n.inside)).collect();
    let want = [
        ("crate::a", 1, 0),
        ("crate::a::B", 1, 0),
        ("crate::a::d", 1, 0),
        ("crate::e", 1, 0),
        ("crate::f::G", 2, 0),
        ("super::super::h", 3, 1),
        ("crate::i::J", 4, 0),
        ("std::fs::read", 4, 0),
    ];
    assert_eq!(found, want.map(|(path, line, inside)| (path.to_owned(), line, inside)));
}
