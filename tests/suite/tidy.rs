//! The house keeps its own rules: what `src/lib.rs` says of the modules, and what CONTRIBUTING.md says of files,
//! checks and connectors. Every rule is a function of the repository as texts, so that each is also shown the breach
//! it is there for.

mod map;
mod order;
mod source;
mod tree;

use tree::Plant::{Append, Change, Remove, Replace};
use tree::{Plant, Tree};

/// A rule, what breaks it, and what must not.
struct Rule {
    name: &'static str,
    check: fn(&Tree) -> Vec<String>,
    /// Each with a part of the one complaint that must come of it.
    breaches: &'static [(Plant, &'static str)],
    /// What looks like a breach and is none.
    innocent: &'static [Plant],
}

const RULES: &[Rule] = &[
    Rule {
        name: "a module names only what the map allows",
        check: map::edges,
        breaches: &[
            (Append("src/model/text.rs", "\nuse crate::judge::World;\n"), "`model` names `judge`"),
            (
                Append("src/judge/case.rs", "\nuse crate::{model::Text, report::{Table, Style}};\n"),
                "names `report`",
            ),
            (Append("src/judge/case.rs", "\nuse super::super::intake::read;\n"), "`judge` names `intake`"),
            (
                Append("src/report/text.rs", "\nmod t { use super::super::super::judge::World; }\n"),
                "names `judge`",
            ),
            (
                Append("src/connect/error.rs", "\nmacro_rules! m { () => { $crate::judge::World } }\n"),
                "names `judge`",
            ),
            (
                Append("src/model/text.rs", "\nfn f() -> Vec<crate::cli::Stop> { vec![] }\n"),
                "`model` names `cli`",
            ),
            (Append("src/judge/case.rs", "\nuse crate::nowhere::Thing;\n"), "which is no module of the map"),
            (Append("src/main.rs", "\nuse counterfoil::judge::World;\n"), "`main` names `judge`"),
            (Append("src/attic/mod.rs", "//! Unknown.\n"), "module `attic` is not in the map"),
        ],
        innocent: &[
            Append(
                "src/model/text.rs",
                "\n/// See [`crate::judge`]. // crate::cli\nconst A: &str = \"crate::cli::x\";\n",
            ),
            Append("src/judge/case.rs", "\nuse super::super::model::Text;\nuse crate::judge::World;\n"),
        ],
    },
    Rule {
        name: "the map shows every module, and no other",
        check: map::map_is_whole,
        breaches: &[
            (
                Replace("src/lib.rs", "//! | `intake` |", "//! - `intake` |"),
                "`intake` has no row in the table",
            ),
            (
                Replace("src/lib.rs", "//! src/report/", "//! src/rapport/"),
                "`report` has no line in the picture",
            ),
            (
                Replace("src/lib.rs", "//! | `judge` | `model` |", "//! | `judge` | `modell` |"),
                "`modell`, which is no",
            ),
            (
                Replace("src/lib.rs", "| files, terminal |", "| files, moon |"),
                "`moon`, which is no such thing",
            ),
        ],
        innocent: &[],
    },
    Rule {
        name: "a module touches only what the map allows",
        check: map::world_outside,
        breaches: &[
            (
                Append("src/judge/weigh.rs", "\nfn t() -> std::time::SystemTime { x }\n"),
                "keeps it from clock",
            ),
            (
                Append("src/judge/weigh.rs", "\nfn t() { let _ = jiff::Timestamp::now(); }\n"),
                "keeps it from clock",
            ),
            (Append("src/model/time.rs", "\nuse std::{env, fmt::Debug};\n"), "keeps it from environment"),
            (
                Append("src/model/time.rs", "\nconst A: Option<&str> = option_env!(\"A\");\n"),
                "from environment",
            ),
            (
                Append("src/report/mod.rs", "\nfn f() { std::fs::write(\"a\", \"b\"); }\n"),
                "keeps it from files",
            ),
            (Append("src/report/mod.rs", "\nfn f(p: &Path) -> bool { p.exists() }\n"), "keeps it from files"),
            (Append("src/report/mod.rs", "\nfn f() { println!(\"a\"); }\n"), "keeps it from terminal"),
            (Append("src/report/mod.rs", "\nuse std::io::{self as x, stdout};\n"), "keeps it from terminal"),
            (Append("src/judge/case.rs", "\nuse std::net::IpAddr;\n"), "keeps it from network"),
            (Append("src/intake/mod.rs", "\nfn f() { std::process::exit(1) }\n"), "keeps it from processes"),
            (Append("src/engine/mod.rs", "\nasync fn f() {}\n"), "keeps it from async"),
            (Append("src/lib.rs", "\nuse std::fs;\n"), "`lib` names `fs`"),
        ],
        innocent: &[
            Append(
                "src/judge/case.rs",
                "\nfn f(now: u8) -> u8 { now /* std::fs */ }\nconst V: &str = env!(\"V\");\n",
            ),
            Append("src/judge/case.rs", "\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"),
        ],
    },
    Rule {
        name: "a file opens with what it is for",
        check: order::openings,
        breaches: &[
            (Append("src/judge/new.rs", "use crate::model::Text;\n"), "src/judge/new.rs: does not open"),
            (Append("tests/suite/new.rs", "\n//! Late.\n"), "tests/suite/new.rs: does not open"),
        ],
        innocent: &[],
    },
    Rule {
        name: "a file can be held in the head",
        check: order::lengths,
        breaches: &[(Change(long_file), "src/judge/long.rs: 501 lines, more than 500")],
        innocent: &[Change(long_tests)],
    },
    Rule {
        name: "every file is compiled",
        check: order::all_compiled,
        breaches: &[
            (Append("tests/suite/new.rs", "//! A test that never runs.\n"), "no `mod new;` leads to it"),
            (Append("tests/suite/tidy/new.rs", "//! A test that never runs.\n"), "no `mod new;` leads to it"),
            (Append("src/model/new/mod.rs", "//! Dead.\n"), "no `mod new;` leads to it"),
            (Append("src/sink/new.rs", "//! A sink that nobody can set up.\n"), "no `mod new;` leads to it"),
            (
                Replace("tests/suite/main.rs", "\nmod pages;", "\n// mod pages;"),
                "tests/suite/pages.rs: no `mod pages;`",
            ),
        ],
        innocent: &[],
    },
    Rule {
        name: "every check is registered under its own name",
        check: order::checks_registered,
        breaches: &[
            (
                Replace("src/judge/checks/mod.rs", "\n    unused_grant\n", "\n"),
                "unused_grant.rs: not registered",
            ),
            (
                Replace("src/judge/checks/unused_grant.rs", "name: \"unused", "name: \"used"),
                "its name is not that",
            ),
            (
                Replace("src/judge/checks/unused_grant.rs", "include_str!(\"unused", "include_str!(\"used"),
                "its page is",
            ),
            (
                Replace("src/judge/checks/unused_grant.rs", "//! # unused", "//! # used"),
                "its heading is not that",
            ),
        ],
        innocent: &[],
    },
    Rule {
        name: "every connector folder is whole",
        check: order::connectors_whole,
        breaches: &[
            (Remove("connectors/records/README.md"), "connectors/records/: has no README.md"),
            (
                Remove("connectors/records/fixtures/unknown-type/expected-error.txt"),
                "has an expected-error.txt",
            ),
            (Replace("connectors/records/manifest.toml", "\nmap = \"records\"", "\n"), "has no map.jq"),
            (Remove("connectors/github/live/stub.toml"), "has no stub.toml under live/"),
        ],
        innocent: &[],
    },
    Rule {
        name: "the README names every command",
        check: order::readme_whole,
        breaches: &[(Change(new_command), "does not name the command `new-thing`")],
        innocent: &[],
    },
    Rule {
        name: "no text names a place of one machine",
        check: order::no_places,
        breaches: &[
            (Append("connectors/records/README.md", concat!("\nSee /wo", "rk/notes.\n")), "README.md:"),
            (Append("src/model/text.rs", concat!("\n// (/ho", "me/alice)\n")), "src/model/text.rs:"),
        ],
        innocent: &[Append("src/model/text.rs", concat!("\n// https://jira.example.com/wo", "rk/1\n"))],
    },
    Rule {
        name: "no source promises work",
        check: order::no_promises,
        breaches: &[(
            Append("src/model/text.rs", concat!("\n// TO", "DO: later\n")),
            "open an issue instead",
        )],
        innocent: &[],
    },
    Rule {
        name: "the changelog knows the version",
        check: order::changelog_current,
        breaches: &[(Replace("Cargo.toml", "\nversion = \"0", "\nversion = \"7"), "has no entry `## [7")],
        innocent: &[],
    },
];

/// A command more than a README that names the others has.
fn new_command(tree: &mut Tree) {
    let readme: String = order::commands(tree).iter().map(|command| format!("`{command}`\n")).collect();
    tree.put("README.md", readme);
    *tree = tree.planted(&Replace(
        "src/cli/mod.rs",
        "enum Command {",
        "enum Command { #[command(x)] NewThing(x::Y),",
    ));
}

/// A file of 501 lines.
fn long_file(tree: &mut Tree) {
    tree.put("src/judge/long.rs", format!("//! Long.\n{}", "const A: u8 = 1;\n".repeat(500)));
}

/// A short file with long tests.
fn long_tests(tree: &mut Tree) {
    let tests = "    const A: u8 = 1;\n".repeat(900);
    tree.put("src/judge/short.rs", format!("//! Short.\n\n#[cfg(test)]\nmod tests {{\n{tests}}}\n"));
}

#[test]
fn every_rule_holds() {
    let tree = Tree::of_repository();
    let broken = RULES.iter().flat_map(|rule| (rule.check)(&tree).into_iter().map(move |c| (rule.name, c)));
    let complaints: Vec<String> = broken.map(|(name, complaint)| format!("{name}: {complaint}")).collect();
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

#[test]
fn every_rule_sees_what_breaks_it_and_nothing_else() {
    let tree = Tree::of_repository();
    for rule in RULES {
        let before = (rule.check)(&tree);
        let new = |plant: &Plant| -> Vec<String> {
            let after = (rule.check)(&tree.planted(plant));
            after.into_iter().filter(|complaint| !before.contains(complaint)).collect()
        };
        assert!(!rule.breaches.is_empty(), "{}: never shown to fail", rule.name);
        for (plant, part) in rule.breaches {
            let complaints = new(plant);
            assert!(
                matches!(complaints.as_slice(), [one] if one.contains(part)),
                "{}: expected one complaint with `{part}`, found {complaints:#?}",
                rule.name
            );
        }
        for (number, plant) in rule.innocent.iter().enumerate() {
            assert_eq!(new(plant), [""; 0], "{}: innocent {number}", rule.name);
        }
    }
}

#[test]
fn the_commands_are_found() {
    let commands = order::commands(&Tree::of_repository());
    for command in ["demo", "reconcile", "pull", "checks", "connectors", "config"] {
        assert!(commands.iter().any(|found| found == command), "{command} is not among {commands:?}");
    }
    assert!(!commands.iter().any(|found| found == "map-worker"), "it is hidden: {commands:?}");
}

#[test]
fn the_judge_may_touch_nothing() {
    // The table could be loosened with the code; this rule is not up for trade.
    let table = Tree::of_repository();
    for pure in ["model", "judge", "report", "schedule"] {
        let row = format!("//! | `{pure}` |");
        let line = table.text("src/lib.rs").lines().find(|line| line.starts_with(&row)).unwrap();
        assert!(line.ends_with("| nothing |"), "{line}");
    }
}
