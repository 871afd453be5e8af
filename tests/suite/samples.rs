//! The configurations to start from (`config/*.toml`, `config/policies/`) and the README: each is read by the program
//! it speaks of, and none forgets anything.

use counterfoil::config::Config;
use counterfoil::connect::{Catalog, Settings};
use counterfoil::judge::{Thresholds, checks};
use counterfoil::model::{Record, parse_line};
use std::collections::BTreeSet;

const MINIMAL: &str = include_str!("../../config/minimal.toml");
const FULL: &str = include_str!("../../config/full.toml");
const PACKAGED: &str = include_str!("../../packaging/counterfoil.toml");
const POLICIES: &str = include_str!("../../config/policies/example.jsonl");
const README: &str = include_str!("../../README.md");

/// Parses a configuration and holds each source's settings against its connector.
fn read(name: &str, text: &str) -> Config {
    let config = Config::parse(name, text).unwrap();
    let catalog = Catalog::load(None).unwrap();
    for source in &config.source {
        let connector = catalog.get(&source.connector).unwrap();
        Settings::from_table(&connector.manifest, &source.settings)
            .unwrap_or_else(|e| panic!("{name}: source `{}`: {e}", source.id));
    }
    config
}

#[test]
fn the_minimal_configuration_changes_nothing() {
    let config = read("config/minimal.toml", MINIMAL);
    assert!(!config.source.is_empty());
    assert_eq!(config.checks, counterfoil::judge::Checks::default());
}

#[test]
fn the_full_configuration_names_every_threshold_and_check_with_its_default() {
    let config = read("config/full.toml", FULL);
    assert_eq!(config.checks.thresholds, Thresholds::default());
    for (name, default) in Thresholds::defaults() {
        let line = format!("\n{name} = \"{default}\"");
        assert!(FULL.contains(&line), "config/full.toml does not say `{}`", line.trim());
    }
    for check in checks::all() {
        let said = config.checks.overrides.get(check.name);
        let said = said.unwrap_or_else(|| panic!("config/full.toml does not name `{}`", check.name));
        assert_eq!((said.enabled, said.severity), (Some(true), Some(check.severity)), "{}", check.name);
    }
}

#[test]
fn the_full_configuration_shows_every_connector_and_every_table() {
    let config = read("config/full.toml", FULL);
    let shown: BTreeSet<&str> = config.source.iter().map(|s| s.connector.as_str()).collect();
    for connector in Catalog::load(None).unwrap().iter() {
        assert!(
            shown.contains(connector.name()),
            "config/full.toml has no source for `{}`",
            connector.name()
        );
    }
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    for (table, keys) in [("", &schema["properties"]), ("Source", &schema["$defs"]["Source"]["properties"])] {
        for key in keys.as_object().unwrap().keys() {
            assert!(FULL.contains(key.as_str()), "config/full.toml does not speak of `{key}` {table}");
        }
    }
    for kind in counterfoil::sink::Entry::KINDS {
        assert!(
            config.sink.iter().any(|s| s.kind().unwrap().0 == *kind),
            "config/full.toml shows no sink of the kind `{kind}`"
        );
    }
    assert!(!config.birthright.is_empty());
    let by_default = &config.accountability;
    assert!(
        [&by_default.workflow_owner, &by_default.system_owner, &by_default.operator]
            .iter()
            .all(|o| o.is_some())
    );
}

#[test]
fn the_configuration_of_the_package_can_be_read() {
    let config = read("packaging/counterfoil.toml", PACKAGED);
    assert!(config.serve.is_some(), "the README asks it whether it is ready");
    assert!(config.sink.iter().all(|sink| sink.kind().is_ok()) && !config.sink.is_empty());
}

#[test]
fn the_example_policies_are_records() {
    let records: Vec<Record<'_>> =
        POLICIES.lines().map(|line| parse_line(line.as_bytes()).unwrap()).collect();
    assert!(records.iter().any(|r| matches!(r, Record::Policy(_))));
    assert!(records.iter().any(|r| matches!(r, Record::System(_))));
}

#[test]
fn the_readme_names_every_check_with_its_severity_and_who_answers() {
    for check in checks::all() {
        let row = README.lines().find(|line| line.starts_with(&format!("| `{}` |", check.name)));
        let row = row.unwrap_or_else(|| panic!("the README has no row for `{}`", check.name));
        let role = check.primary.as_str().replace('_', " ");
        let end = format!("| {} | {role} |", check.severity.as_str());
        assert!(row.ends_with(&end), "`{row}` does not end in `{end}`");
    }
}

#[test]
fn the_configuration_in_the_readme_is_one() {
    let block = README.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(read("README.md", block).source.len(), 4);
}
