//! The rules of order: files that say what they are for and stay small, nothing written and not switched on, nothing
//! switched on and not written about.

use super::map::around_tests;
use super::source::{Token, tokens};
use super::tree::Tree;

/// Lines a file may have, its tests not counted. There is no exception: a longer file has a part to be named.
const LONGEST: usize = 500;

/// Folders of Rust sources.
const SOURCES: [&str; 4] = ["src/", "tests/", "benches/", "fuzz/"];

/// All Rust files.
fn sources(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    SOURCES.into_iter().flat_map(|folder| tree.under(folder, ".rs"))
}

/// A file opens with what it is for.
pub fn openings(tree: &Tree) -> Vec<String> {
    let silent = sources(tree).filter(|(_, text)| !text.starts_with("//! "));
    silent.map(|(path, _)| format!("{path}: does not open with `//!` and what it is for")).collect()
}

/// A file can be held in the head.
pub fn lengths(tree: &Tree) -> Vec<String> {
    let mut complaints = vec![];
    for (path, text) in sources(tree) {
        let (before, after) = around_tests(text);
        let lines = before.lines().count() + after.lines().count();
        if lines > LONGEST {
            complaints.push(format!("{path}: {lines} lines, more than {LONGEST}"));
        }
    }
    complaints
}

/// The modules a file declares with `mod NAME;`.
fn declared(text: &str) -> Vec<String> {
    let code = tokens(text);
    let tokens: Vec<&Token> = code.iter().map(|(token, _)| token).collect();
    let declared = tokens.windows(3).filter_map(|w| match w {
        [Token::Name(word), Token::Name(name), Token::Sign(';')] if word == "mod" => Some(name.clone()),
        _ => None,
    });
    declared.collect()
}

/// Every file is part of a build: one that no `mod` names is never compiled, and a test in it never runs.
pub fn all_compiled(tree: &Tree) -> Vec<String> {
    let mut complaints = vec![];
    for (root, head) in [("src/", "src/lib.rs"), ("tests/suite/", "tests/suite/main.rs")] {
        for (path, _) in tree.under(root, ".rs") {
            let inner = path.trim_start_matches(root).trim_end_matches(".rs").trim_end_matches("/mod");
            let by_macro = path.starts_with(CHECKS) && path != "src/judge/checks/mod.rs";
            if path == head || path == "src/main.rs" || by_macro {
                continue;
            }
            let (parents, name) = match inner.rsplit_once('/') {
                None => (vec![head.to_owned()], inner),
                Some((parent, name)) => {
                    (vec![format!("{root}{parent}.rs"), format!("{root}{parent}/mod.rs")], name)
                }
            };
            let sink = path.starts_with("src/sink/")
                && listed(tree.text("src/sink/mod.rs"), "sinks").contains(&name);
            if !sink
                && !parents
                    .iter()
                    .any(|parent| declared(tree.text(parent)).iter().any(|module| module == name))
            {
                complaints.push(format!("{path}: no `mod {name};` leads to it, so it is never compiled"));
            }
        }
    }
    complaints
}

/// What stands in the list that a macro of this name makes modules of.
fn listed<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    let list = text.split(&format!("\n{name}! {{")).nth(1).and_then(|rest| rest.split('}').next());
    list.unwrap_or("").split_whitespace().collect()
}

/// Where the checks are.
const CHECKS: &str = "src/judge/checks/";

/// Every check file is registered, under its own name and with its own page.
pub fn checks_registered(tree: &Tree) -> Vec<String> {
    let registry = tree.text("src/judge/checks/mod.rs");
    let registered = listed(registry, "checks");
    let mut complaints = vec![];
    for (path, text) in tree.under(CHECKS, ".rs").filter(|(path, _)| !path.ends_with("/mod.rs")) {
        let name = path.trim_start_matches(CHECKS).trim_end_matches(".rs");
        let kebab = name.replace('_', "-");
        if !registered.contains(&name) {
            complaints.push(format!("{path}: not registered in src/judge/checks/mod.rs"));
        }
        for (what, line) in [
            ("name", format!("    name: \"{kebab}\",\n")),
            ("page", format!("    page: include_str!(\"{name}.rs\"),\n")),
            ("heading", format!("//! # {kebab}\n")),
        ] {
            if !text.contains(&line) {
                complaints
                    .push(format!("{path}: its {what} is not that of its file: expected `{}`", line.trim()));
            }
        }
    }
    complaints
}

/// Every connector folder holds what one must hold.
pub fn connectors_whole(tree: &Tree) -> Vec<String> {
    let mut complaints = vec![];
    for name in tree.folders("connectors/") {
        let folder = format!("connectors/{name}/");
        let manifest = tree.text(&format!("{folder}manifest.toml"));
        let mut wanted = vec!["manifest.toml", "README.md"];
        if !manifest.contains("\nmap = \"records\"") {
            wanted.push("map.jq");
        }
        let missing = wanted.into_iter().filter(|file| !tree.has(&format!("{folder}{file}")));
        complaints.extend(missing.map(|file| format!("{folder}: has no {file}")));
        let cases = tree.folders(&format!("{folder}fixtures/"));
        let holds =
            |file: &str| cases.iter().any(|case| tree.has(&format!("{folder}fixtures/{case}/{file}")));
        // What is read from files has cases; what is only asked for has the exam of those, or tests against a real server.
        let reads_files = manifest.contains("\n[[shape]]");
        let asks = manifest.contains("\n[http]");
        if asks && !tree.under(&format!("{folder}live/"), "stub.toml").any(|_| true) {
            complaints.push(format!("{folder}: asks over HTTP, and has no stub.toml under live/"));
        }
        for file in ["expected.jsonl", "expected-error.txt"] {
            if reads_files && !holds(file) {
                complaints.push(format!("{folder}: no case under fixtures/ has an {file}"));
            }
        }
    }
    complaints
}

/// The commands that a person is shown, from the variants of `enum Command` in `src/cli/mod.rs`.
pub fn commands(tree: &Tree) -> Vec<String> {
    let code = tokens(tree.text("src/cli/mod.rs"));
    let start = code.windows(2).position(
        |w| matches!((&w[0].0, &w[1].0), (Token::Name(a), Token::Name(b)) if a == "enum" && b == "Command"),
    );
    let mut found = vec![];
    let mut depth = 0;
    let mut hidden = false;
    for (token, _) in code.iter().skip(start.map_or(code.len(), |at| at + 2)) {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign('}' | ')' | ']') if depth == 1 => break,
            Token::Sign('}' | ')' | ']') => depth -= 1,
            Token::Name(name) if depth > 1 => hidden |= name == "hide",
            Token::Name(name) if !std::mem::take(&mut hidden) => found.push(kebab(name)),
            _ => {}
        }
    }
    found
}

/// `ConfigCheck` as `config-check`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// The README names every command.
pub fn readme_whole(tree: &Tree) -> Vec<String> {
    if !tree.has("README.md") {
        return vec![];
    }
    let readme = tree.text("README.md");
    let named = |command: &String| {
        [format!("counterfoil {command}"), format!("`{command}"), format!("-- {command}")]
            .iter()
            .any(|way| readme.contains(way))
    };
    let commands = commands(tree).into_iter().filter(|command| !named(command));
    commands.map(|command| format!("README.md: does not name the command `{command}`")).collect()
}

/// What no text here may hold: places of one machine, which mean nothing on another. Put together so that this file
/// holds none of them.
const PLACES: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// No text names a place of the machine it was written on.
pub fn no_places(tree: &Tree) -> Vec<String> {
    let mut complaints = vec![];
    for (path, text) in tree.files() {
        for (number, line) in (1..).zip(text.lines()) {
            let outside = |at: usize| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-}".contains(c))
            };
            for place in PLACES.iter().filter(|place| line.match_indices(**place).any(|(at, _)| outside(at)))
            {
                complaints.push(format!("{path}:{number}: names `{place}`, a place of one machine"));
            }
        }
    }
    complaints
}

/// Words that promise work instead of doing it, put together so that this file holds none of them.
const PROMISES: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// No source promises work: what is to be done is an issue, with somebody who knows of it.
pub fn no_promises(tree: &Tree) -> Vec<String> {
    let mut complaints = vec![];
    for (path, text) in sources(tree) {
        for (number, line) in (1..).zip(text.lines()) {
            let words = line.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| PROMISES.contains(word)) {
                complaints.push(format!("{path}:{number}: says {word}; open an issue instead"));
            }
        }
    }
    complaints
}

/// The changelog has an entry for the version of the package.
pub fn changelog_current(tree: &Tree) -> Vec<String> {
    let package = tree.text("Cargo.toml").lines().find_map(|line| line.strip_prefix("version = "));
    let version = package.unwrap_or("").trim_matches('"');
    let entry = format!("\n## [{version}]");
    let there = tree.text("CHANGELOG.md").contains(&entry);
    if there { vec![] } else { vec![format!("CHANGELOG.md: has no entry `{}`", entry.trim())] }
}
