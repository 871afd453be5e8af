//! Each scenario complains where something is wrong: in the connector, or because nothing goes wrong that should.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use counterfoil::connect::Manifest;
use serde_json::json;

use super::super::case::{self, Case};
use super::super::fault::{Fault, What, Wrong};
use super::super::scenarios::ALL;
use super::super::sit::{How, Sitting};
use super::super::spec::Auth;

/// What is planted.
enum Plant {
    /// In the manifest, in place of what stands there.
    Manifest(&'static str, &'static str),
    /// In the map.
    Map(&'static str, &'static str),
    /// In the rows of people: this name for the first.
    Name(&'static str),
    /// In the settings.
    Setting(&'static str, bool),
    /// Whatever the scenario does to the product does not happen.
    Tame,
}

/// A scenario, what is planted, and a part of the complaint that must come of it.
const PLANTS: &[(&str, Plant, &str)] = &[
    (
        "complete",
        Plant::Manifest("order = \"updated\"", "order = \"updated\", extra = \"x\""),
        "tickets: unknown parameter `extra`",
    ),
    ("complete", Plant::Manifest("accept = \"application/json\", ", ""), "the header accept"),
    (
        "complete",
        Plant::Manifest("only = { at = \"/owner\" }", "only = { at = \"/nothing\" }"),
        "`delegates` was never made",
    ),
    ("complete", Plant::Manifest("scope = \"depot.read\"", "scope = \"depot.write\""), "the field `scope`"),
    ("complete", Plant::Manifest("service = \"keys\"", "service = \"depot\""), "signed for"),
    ("complete", Plant::Map("manager: .manager", "manager: null"), "other records"),
    (
        "pages",
        Plant::Manifest(
            "page = { kind = \"offset\", into = \"start\", last = \"/isLast\" }",
            "page = { kind = \"one\" }",
        ),
        "pages of 1: other records",
    ),
    (
        "pages",
        Plant::Manifest("into = \"offset\", total", "into = \"offset\", from = 1, total"),
        "other records",
    ),
    (
        "throttled",
        Plant::Manifest("reset_as = \"epoch-seconds\"", "reset_as = \"seconds\""),
        "said to wait for 7 s",
    ),
    ("throttled", Plant::Tame, "said to wait for 7 s"),
    ("expired", Plant::Tame, "nothing asked for another token"),
    ("dropped", Plant::Tame, "nothing was tried again"),
    ("probe", Plant::Tame, "Unauthorised: `` does not say 401"),
    (
        "probe",
        Plant::Manifest("path = \"/whoami\"", "path = \"/whoami\"\nnothing = [403]"),
        "Denied: `` does not say depot.read",
    ),
    ("broken_off", Plant::Tame, "people: complete, though"),
    ("unauthorised", Plant::Tame, "no error, though"),
    ("denied", Plant::Tame, "usage: complete, though"),
    (
        "denied",
        Plant::Manifest("path = \"/reports/usage.csv\"", "path = \"/reports/usage.csv\"\nnothing = [403]"),
        "usage: complete, though",
    ),
    (
        "denied",
        Plant::Map(
            "if $shape == \"people\"",
            "if $shape == \"log\" and ($head._whole | index(\"edition\") | not) then error(\"no edition\") elif $shape == \"people\"",
        ),
        "edition: `optional`, and yet",
    ),
    ("denied", Plant::Manifest("denied = [\"AccessDenied\"]", ""), "keys: `keys: answered 400"),
    (
        "expired",
        Plant::Manifest("unauthorised = [\"InvalidToken\"]", ""),
        "not complete: edition: answered 400",
    ),
    ("empty", Plant::Manifest("at_least = 1", ""), "policies.json without rows: complete, though"),
    ("wrong_answers", Plant::Tame, "answered with LoginPage: people: complete"),
    (
        "wrong_answers",
        Plant::Map("else error(\"a row of edition that is no object\") end", "else empty end"),
        "answered with Text: edition: complete",
    ),
    ("repeated_cursor", Plant::Tame, "people: complete, though"),
    ("other_host", Plant::Tame, "groups: complete, though"),
    ("redirected", Plant::Tame, "keys: complete, though"),
    ("secrets", Plant::Tame, "complete, though everything failed"),
    ("complete", Plant::Name("canary-token-Hs9Lp4"), "the secret canary-token-Hs9Lp4 stands in"),
    (
        "empty",
        Plant::Map("if .rows == 0 then", "if .rows == 2 then"),
        "not complete, though nothing is missing: the report is empty",
    ),
    ("unknown_fields", Plant::Map("name: .name, manager", "name: \"\\(length)\", manager"), "other records"),
    (
        "missing_fields",
        Plant::Map("name: .name, manager", "name: (.name | ascii_downcase), manager"),
        "people.json without /name: `people, row",
    ),
    (
        "hostile_text",
        Plant::Map(
            "name: .name, manager",
            "name: (.name | select(test(\"^[A-Z]\")) // error(\"odd name\")), manager",
        ),
        "odd name",
    ),
    (
        "incremental",
        Plant::Manifest("removed = \"/gone\"", "removed = \"/lost\""),
        "pages of all, what changed: other records",
    ),
    (
        "incremental",
        Plant::Manifest(
            "updated_since = { since = \"rfc3339\" }, ",
            "updated_since = { ago = { by = \"P0D\" } }, ",
        ),
        "pages of all",
    ),
];

/// The invented product with something planted in it.
fn planted(plant: &Plant) -> Case {
    let mut case = case::product();
    case.planted = true;
    let swap = |text: &str, from: &str, to: &str| {
        assert!(text.contains(from), "nothing to plant in: there is no `{from}`");
        text.replacen(from, to, 1)
    };
    match plant {
        Plant::Manifest(from, to) => {
            let text = std::fs::read_to_string(case::own().join("product/manifest.toml")).unwrap();
            case.connector.manifest = Manifest::parse(&swap(&text, from, to), "manifest.toml").unwrap();
        }
        Plant::Map(from, to) => {
            let map = case.connector.map.as_deref().unwrap();
            case.connector.map = Some(swap(map, from, to));
        }
        Plant::Name(name) => case.files.get_mut("people.json").unwrap()[0]["name"] = json!(name),
        Plant::Setting(name, value) => drop(case.settings.insert((*name).to_owned(), (*value).into())),
        Plant::Tame => case.tame = true,
    }
    case
}

#[test]
fn every_scenario_complains() {
    let queue = Mutex::new(PLANTS.iter());
    let found = Mutex::new(Vec::new());
    let next = || queue.lock().unwrap().next();
    let work = || {
        while let Some((scenario, plant, words)) = next() {
            let run = ALL.iter().find(|(name, _)| name == scenario).unwrap().1;
            let complaints = run(&planted(plant));
            if !complaints.iter().any(|complaint| complaint.contains(words)) {
                let said = complaints.iter().take(5).map(|c| c.chars().take(400).collect::<String>());
                let said = said.collect::<Vec<_>>().join("\n  ");
                found.lock().unwrap().push(format!("{scenario} should say `{words}`, and says:\n  {said}"));
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    let quiet = found.into_inner().unwrap();
    assert!(quiet.is_empty(), "{}", quiet.join("\n\n"));
    let tried: BTreeSet<&str> = PLANTS.iter().map(|(scenario, _, _)| *scenario).collect();
    let all: BTreeSet<&str> = ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(tried, all);
}

#[test]
fn what_is_written_wrong_is_said() {
    let wrong = |change: fn(&mut Case)| {
        let mut case = case::product();
        change(&mut case);
        case::wrong_with(&case).unwrap_err()
    };
    let operation = |case: &mut Case, change: fn(&mut super::super::spec::Operation)| {
        change(Arc::make_mut(&mut case.spec).operations.iter_mut().find(|o| o.name == "people").unwrap());
    };
    let said = wrong(|case| drop(case.files.insert("more.json".to_owned(), json!([]))));
    assert!(said.contains("no operation has rows of more.json"), "{said}");
    let said = wrong(|case| drop(case.files.remove("people.json")));
    assert!(said.contains("there is no file people.json"), "{said}");
    let mut case = case::product();
    operation(&mut case, |o| o.steps = vec!["peoples".to_owned()]);
    let said = case::wrong_with(&case).unwrap_err();
    assert!(said.contains("there is no step `peoples`"), "{said}");
    let mut case = case::product();
    operation(&mut case, |o| o.permission = Some("people.write".to_owned()));
    let said = case::wrong_with(&case).unwrap_err();
    assert!(said.contains("its `permission` is `people.read`"), "{said}");

    let mut case = case::product();
    operation(&mut case, |o| o.page.from = Some(1));
    let said = case::wrong_with(&case).unwrap_err();
    assert!(said.contains("operation `people`: a page with a number does not shrink"), "{said}");

    let never = case::never_made(&[planted(&Plant::Setting("history", false))]);
    assert!(never.iter().any(|why| why.contains("`log`")), "{never:?}");
    let mut case = case::product();
    case.changed = None;
    let never = case::never_made(&[case]);
    assert!(never.iter().any(|why| why.contains("`tickets` asks for what changed")), "{never:?}");
}

/// Bytes that any answer stays below.
const TOO_MUCH: u64 = 300 << 20;

#[test]
fn an_answer_without_end_is_not_taken() {
    let case = case::product();
    let sitting = Sitting::new(&case);
    sitting.faults(vec![Fault::always("people", What::Wrong(Wrong::Endless(TOO_MUCH)))]);
    let sat = sitting.pull(How::default());
    assert_eq!(sat.passes_for_whole(&["an answer of more than"]), Vec::<String>::new());
}

#[test]
fn who_one_is_is_really_looked_at() {
    let case = case::product();
    // A site that says who it is in another way than the product wants.
    let two: Vec<&Auth> = case.spec.auth.iter().collect();
    for (number, wanted) in two.iter().enumerate() {
        let given = two[(number + 1) % two.len()];
        let mut sitting = Sitting::as_who(&case, wanted);
        sitting.pretend(given);
        let sat = sitting.pull(How::default());
        assert!(
            !sat.is_whole() && sat.lines.len() < 2,
            "{:?} for {:?}: {}",
            given.kind,
            wanted.kind,
            sat.said()
        );
    }
}
