//! The exam every connector sits: its fixtures give exactly the records expected, or the error expected; its page
//! documents each of its settings; what is registered is what is there.
//!
//! A case is a folder `connectors/NAME/fixtures/CASE/`: input files, `settings.toml` (optional: `source`, `taken_at`,
//! `skip_bad_rows`, and the table `[settings]`), and either `expected.jsonl` or `expected-error.txt`, of which each line
//! must be part of the error. `UPDATE_EXPECTED=1` writes what came out where nothing or something else was expected.
//! `EXAM=jira` or `EXAM=jira/CASE` sits only that part.
//!
//! The list `connectors/README.md` is made of the manifests, and held against them.

use counterfoil::connect::manifest::{Kind, Way};
use counterfoil::connect::{Catalog, Connector, PullOptions, Settings, pull_files};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn catalog() -> Catalog {
    Catalog::load(Some(&root())).unwrap()
}

/// Pulls the inputs of one case.
fn pull(connector: &Connector, case: &Path) -> Result<Vec<String>, String> {
    let said = fs::read_to_string(case.join("settings.toml")).unwrap_or_default();
    let said: toml::Table = toml::from_str(&said).map_err(|error| format!("settings.toml: {error}"))?;
    for key in said.keys() {
        assert!(
            ["source", "taken_at", "skip_bad_rows", "settings"].contains(&key.as_str()),
            "{}: settings.toml: unknown key `{key}` (settings go under [settings])",
            case.display()
        );
    }
    let text =
        |key: &str, default: &str| said.get(key).and_then(toml::Value::as_str).unwrap_or(default).to_owned();
    let empty = toml::Table::new();
    let table = said.get("settings").and_then(toml::Value::as_table).unwrap_or(&empty);
    let settings = Settings::from_table(&connector.manifest, table)?;
    let options = PullOptions {
        source: text("source", connector.name()),
        taken_at: text("taken_at", "2026-06-01T00:00:00Z"),
        skip_bad_rows: said.get("skip_bad_rows").and_then(toml::Value::as_bool).unwrap_or(false),
        worker: None,
    };
    let mut files: Vec<PathBuf> = fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && name(path) != "settings.toml" && !name(path).starts_with("expected"))
        .collect();
    files.sort();
    let mut lines = Vec::new();
    let mut sink = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    pull_files(connector, &settings, &options, &files, &mut sink, &mut |_| {})
        .map_err(|error| error.to_string())?;
    Ok(lines)
}

/// Sits one case; what is wrong with it.
fn sit(connector: &Connector, case: &Path) -> Option<String> {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let (records, error) = (case.join("expected.jsonl"), case.join("expected-error.txt"));
    let shown = format!("{}/fixtures/{}", connector.name(), name(case));
    match pull(connector, case) {
        Ok(lines) => {
            let got: String = lines.iter().map(|line| format!("{line}\n")).collect();
            if fs::read_to_string(&records).is_ok_and(|expected| expected == got) && !error.exists() {
                return None;
            }
            if update {
                fs::write(&records, got).unwrap();
                let _ = fs::remove_file(&error);
                return None;
            }
            let expected = fs::read_to_string(&records).unwrap_or_default();
            let differs =
                lines.iter().zip(expected.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
            let (got, wanted) = differs.map_or(("(fewer lines)", ""), |(got, wanted)| (got.as_str(), wanted));
            Some(format!("{shown}: other records than expected\n      got {got}\n expected {wanted}"))
        }
        Err(message) => {
            let message = message.replace(&format!("{}/", case.display()), "");
            let expected = fs::read_to_string(&error).unwrap_or_default();
            let said = expected.lines().map(str::trim).filter(|line| !line.is_empty());
            let missing: Vec<&str> = said.clone().filter(|line| !message.contains(line)).collect();
            if said.count() > 0 && missing.is_empty() && !records.exists() {
                return None;
            }
            // An error never replaces records by itself: somebody has to mean it.
            if update && !records.exists() {
                fs::write(&error, format!("{message}\n")).unwrap();
                return None;
            }
            Some(format!("{shown}: error: {message}\n expected {expected}"))
        }
    }
}

#[test]
fn fixtures() {
    let catalog = catalog();
    let only = std::env::var("EXAM").unwrap_or_default();
    let mut wrong = Vec::new();
    let mut sat = 0;
    for folder in folders(&root()) {
        for case in folders(&folder.join("fixtures")) {
            if !format!("{}/{}", name(&folder), name(&case)).starts_with(&only) {
                continue;
            }
            sat += 1;
            wrong.extend(sit(catalog.get(&name(&folder)).unwrap(), &case));
        }
    }
    assert!(wrong.is_empty(), "{} of {sat} cases failed:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(sat > 0, "no case was sat");
}

#[test]
fn registered_is_present() {
    let present: BTreeSet<String> = folders(&root()).iter().map(|path| name(path)).collect();
    let built_in: BTreeSet<String> =
        Catalog::load(None).unwrap().iter().map(|connector| connector.name().to_owned()).collect();
    assert_eq!(present, built_in);
}

#[test]
fn every_connector_has_cases() {
    let catalog = catalog();
    for folder in folders(&root()) {
        let cases = folders(&folder.join("fixtures"));
        if catalog.get(&name(&folder)).unwrap().manifest.shapes.is_empty() {
            assert!(cases.is_empty(), "{} reads no files, so no case of it is sat", name(&folder));
            continue;
        }
        let good = cases.iter().any(|case| case.join("expected.jsonl").exists());
        let bad = cases.iter().any(|case| case.join("expected-error.txt").exists());
        assert!(good && bad, "{} needs a case with records and one with an error", name(&folder));
    }
}

#[test]
fn pages_document_every_setting() {
    for connector in catalog().iter() {
        let rows: BTreeSet<&str> = connector
            .page
            .lines()
            .filter_map(|line| line.trim().strip_prefix("| `")?.split('`').next())
            .collect();
        for spec in &connector.manifest.settings {
            assert!(
                rows.contains(spec.name.as_str()),
                "connectors/{}/README.md: no table row for the setting `{}`",
                connector.name(),
                spec.name
            );
        }
        assert!(connector.page.starts_with(&format!("# {}\n", connector.name())), "{}", connector.name());
    }
}

/// What the list opens with.
const LIST: &str = "# Connectors

What Counterfoil reads, made from the manifests in the folders here. `counterfoil connectors` prints the same, and
`counterfoil connectors NAME` the page of one: what has to be granted, every setting, what cannot be known from it.

Read by *files*: exports that somebody or something puts down, in the formats named. By *exec*: a program of yours that prints what
would stand in one ([its contract](../examples/plugins/README.md)). By *http*, *ldap* or *postgres*: Counterfoil asks the
product itself. [CONTRIBUTING.md](../CONTRIBUTING.md) says how to add a connector, without code.
";

/// The list of connectors, made of their manifests.
fn listed() -> String {
    let catalog = catalog();
    let mut text = LIST.to_owned();
    for kind in Kind::ALL {
        let of_kind: Vec<&Connector> = catalog.iter().filter(|c| c.manifest.kind == kind).collect();
        let telling = matches!(kind, Kind::Access | Kind::Any);
        let mut heading = kind.word().to_owned();
        heading[..1].make_ascii_uppercase();
        text += &format!("\n## {heading}: {}\n\n| connector | product | yields | read by |", kind.about());
        text += if telling { " last use | time of the grant | held through others |\n" } else { "\n" };
        text += if telling { "|---|---|---|---|---|---|---|\n" } else { "|---|---|---|---|\n" };
        for c in of_kind {
            text += &format!(
                "| [{0}]({0}/README.md) | {1} | {2} | {3} |",
                c.name(),
                c.manifest.title,
                yields(c),
                read_by(c)
            );
            let knows = &c.manifest.knows;
            if telling {
                for fact in [&knows.last_use, &knows.granted_at, &knows.inheritance] {
                    text += &format!(" {} |", fact.as_deref().unwrap_or("not known"));
                }
            }
            text.push('\n');
        }
    }
    text
}

fn yields(connector: &Connector) -> String {
    let provides = &connector.manifest.provides;
    let any = provides.is_empty() || provides.iter().any(|kind| kind.starts_with('$'));
    if any { "any record type".to_owned() } else { provides.join(", ") }
}

fn read_by(connector: &Connector) -> String {
    let mut formats: Vec<&str> = vec![];
    for format in connector.manifest.shapes.iter().flat_map(|shape| &shape.formats) {
        if !formats.contains(&format.name()) {
            formats.push(format.name());
        }
    }
    let ways = connector.manifest.ways();
    let words = ways.iter().map(|way| match way {
        Way::Files => format!("files ({})", formats.join(", ")),
        way => way.word().to_owned(),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn list() {
    let (file, made) = (root().join("README.md"), listed());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&file, &made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == made,
        "connectors/README.md is not what the manifests say; \
         `UPDATE_EXPECTED=1 cargo test --test suite -- connectors::list` makes it anew"
    );
    for cell in made.lines().filter(|line| line.starts_with("| [")) {
        assert!([6, 9].contains(&cell.split('|').count()), "a `|` in a manifest breaks the table: {cell}");
    }
}
