//! The rules that the map in `src/lib.rs` states: which module may name which, and what of the world outside it
//! may touch.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Named, Token, paths, tokens};
use super::tree::Tree;

/// What the map allows a module.
#[derive(Debug, Default)]
pub struct Allowed {
    /// The modules it may name.
    modules: BTreeSet<String>,
    /// Whether it may name every module.
    everything: bool,
    /// What of the world outside it may touch.
    world: BTreeSet<String>,
}

/// The table `| module | may name | may touch |` of `src/lib.rs`.
pub fn allowed(tree: &Tree) -> BTreeMap<String, Allowed> {
    let lines = tree.text("src/lib.rs").lines().filter_map(|line| line.strip_prefix("//! |"));
    let rows = lines.skip_while(|line| !line.starts_with(" module | may name | may touch |")).skip(2);
    rows.filter_map(|row| {
        let mut cells = row.trim_end_matches('|').split('|').map(str::trim);
        let (module, names, world) = (cells.next()?, cells.next()?, cells.next()?);
        let words = |cell: &str| -> BTreeSet<String> {
            let words = cell.split(',').map(|word| word.trim().trim_matches('`').to_owned());
            words.filter(|word| word != "nothing").collect()
        };
        let allowed =
            Allowed { everything: names == "everything", modules: words(names), world: words(world) };
        Some((module.trim_matches('`').to_owned(), allowed))
    })
    .collect()
}

/// The module path of a source file: `src/model/time.rs` is `model`, `time`; `src/lib.rs` is the root.
fn module_of(path: &str) -> Vec<&str> {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<&str> = inner.split('/').collect();
    if parts.last() == Some(&"mod") || parts == ["lib"] {
        parts.pop();
    }
    parts
}

/// The top-level module that a path names, if it names one.
fn names_module<'n>(named: &'n Named, module: &[&str]) -> Option<&'n str> {
    let mut parts = named.parts.iter().map(String::as_str).peekable();
    let mut above = 0;
    match parts.next()? {
        "crate" => return parts.next(),
        "counterfoil" if module == ["main"] => return parts.next(),
        "super" => above += 1,
        "self" => {}
        _ => return None,
    }
    while parts.next_if_eq(&"super").is_some() {
        above += 1;
    }
    (above == module.len() + named.inside).then(|| parts.next())?
}

/// A file names only modules its own may name.
pub fn edges(tree: &Tree) -> Vec<String> {
    let map = allowed(tree);
    let mut complaints = vec![];
    for (path, text) in tree.under("src/", ".rs") {
        let module = module_of(path);
        let Some(own) = module.first() else { continue };
        let Some(allowed) = map.get(*own) else {
            complaints.push(format!("{path}: module `{own}` is not in the map of src/lib.rs"));
            continue;
        };
        for named in paths(&tokens(text)) {
            let Some(other) = names_module(&named, &module) else { continue };
            let known = map.contains_key(other);
            if other != *own && !(known && (allowed.everything || allowed.modules.contains(other))) {
                let why =
                    if known { "which the map does not allow" } else { "which is no module of the map" };
                complaints.push(format!("{path}:{}: `{own}` names `{other}`, {why}", named.line));
            }
        }
    }
    complaints.dedup();
    complaints
}

/// The map has a line for each module, in the picture and in the table, and for nothing else.
pub fn map_is_whole(tree: &Tree) -> Vec<String> {
    let there: BTreeSet<&str> =
        tree.under("src/", ".rs").filter_map(|(path, _)| module_of(path).first().copied()).collect();
    let map = allowed(tree);
    let lines = tree.text("src/lib.rs").lines().filter_map(|line| line.strip_prefix("//! src/"));
    let drawn: BTreeSet<&str> = lines
        .filter_map(|line| {
            Some(line.split_whitespace().next()?.trim_end_matches(".rs").trim_end_matches('/'))
        })
        .collect();
    let mut complaints = vec![];
    for module in &there {
        if !map.contains_key(*module) {
            complaints.push(format!("src/lib.rs: `{module}` has no row in the table"));
        }
        if !drawn.contains(module) {
            complaints.push(format!("src/lib.rs: `{module}` has no line in the picture"));
        }
    }
    for (module, allowed) in &map {
        let named = allowed.modules.iter().filter(|name| *name != "everything");
        for name in named.chain([module]).filter(|name| !there.contains(name.as_str())) {
            complaints.push(format!("src/lib.rs: the table names `{name}`, which is no module"));
        }
        for word in allowed.world.iter().filter(|word| !WORLD.iter().any(|touch| touch.name == *word)) {
            complaints.push(format!(
                "src/lib.rs: the table says `{module}` touches `{word}`, which is no such thing"
            ));
        }
    }
    complaints
}

/// A part of the world outside, and how code that touches it looks.
struct Touch {
    name: &'static str,
    /// Names that stand in a path of two parts or more.
    in_paths: &'static [&'static str],
    /// Names that stand anywhere.
    anywhere: &'static [&'static str],
    /// Macros.
    macros: &'static [&'static str],
    /// Methods.
    methods: &'static [&'static str],
}

/// The world outside.
const WORLD: [Touch; 7] = [
    Touch {
        name: "files",
        in_paths: &["fs", "tempfile"],
        anywhere: &["OpenOptions"],
        macros: &[],
        methods: &[
            "exists",
            "try_exists",
            "is_file",
            "is_dir",
            "read_dir",
            "metadata",
            "symlink_metadata",
            "canonicalize",
            "read_link",
        ],
    },
    Touch {
        name: "terminal",
        in_paths: &["stdin", "stdout", "stderr"],
        anywhere: &["IsTerminal"],
        macros: &["print", "println", "eprint", "eprintln", "dbg"],
        methods: &["is_terminal"],
    },
    Touch {
        name: "clock",
        in_paths: &["now", "sleep"],
        anywhere: &["SystemTime"],
        macros: &[],
        methods: &["elapsed"],
    },
    Touch {
        name: "environment",
        in_paths: &["env", "available_parallelism"],
        anywhere: &[],
        macros: &["option_env"],
        methods: &[],
    },
    Touch {
        name: "network",
        in_paths: &["net"],
        anywhere: &["TcpStream", "TcpListener", "UdpSocket", "reqwest", "ureq", "hyper"],
        macros: &[],
        methods: &[],
    },
    Touch { name: "processes", in_paths: &["process"], anywhere: &[], macros: &[], methods: &[] },
    Touch { name: "async", in_paths: &[], anywhere: &["async", "await", "tokio"], macros: &[], methods: &[] },
];

/// The names by which code touches a part of the world, each with its line.
fn touches<'c>(touch: &Touch, code: &'c [(Token, usize)], paths: &'c [Named]) -> Vec<(&'c str, usize)> {
    let in_paths = paths.iter().flat_map(|named| named.parts.iter().map(|part| (part.as_str(), named.line)));
    let mut found: Vec<_> = in_paths.filter(|(part, _)| touch.in_paths.contains(part)).collect();
    for (at, (token, line)) in code.iter().enumerate() {
        let Token::Name(name) = token else { continue };
        let name = name.as_str();
        let before = at.checked_sub(1).and_then(|before| code.get(before)).map(|(token, _)| token);
        let after = code.get(at + 1).map(|(token, _)| token);
        let is_macro = touch.macros.contains(&name) && after == Some(&Token::Sign('!'));
        let is_method = touch.methods.contains(&name)
            && before == Some(&Token::Sign('.'))
            && after == Some(&Token::Sign('('));
        if touch.anywhere.contains(&name) || is_macro || is_method {
            found.push((name, *line));
        }
    }
    found
}

/// A file touches only what of the world outside its module may touch. Tests inside a file may touch anything.
pub fn world_outside(tree: &Tree) -> Vec<String> {
    let map = allowed(tree);
    let mut complaints = vec![];
    for (path, text) in tree.under("src/", ".rs") {
        let module = module_of(path);
        let nothing = Allowed::default();
        let (own, allowed) = match module.first() {
            Some(own) => (*own, map.get(*own).unwrap_or(&nothing)),
            None => ("lib", &nothing),
        };
        let code = tokens(&without_tests(text));
        let paths = paths(&code);
        for touch in WORLD.iter().filter(|touch| !allowed.world.contains(touch.name)) {
            for (name, line) in touches(touch, &code, &paths) {
                let what = touch.name;
                complaints
                    .push(format!("{path}:{line}: `{own}` names `{name}`; the map keeps it from {what}"));
            }
        }
    }
    complaints
}

/// A file with its tests blanked out; every other line keeps its number.
pub fn without_tests(text: &str) -> String {
    let (before, after) = around_tests(text);
    let gap = text.lines().count().saturating_sub(before.lines().count() + after.lines().count());
    format!("{before}{}{after}", "\n".repeat(gap))
}

/// What stands before the tests of a file, and what after them.
pub fn around_tests(text: &str) -> (&str, &str) {
    let Some(start) = text.find("\n#[cfg(test)]\nmod tests {\n") else { return (text, "") };
    let (before, tests) = text.split_at(start + 1);
    let end = tests.find("\n}\n").map_or(tests.len(), |end| end + 3);
    (before, &tests[end..])
}
