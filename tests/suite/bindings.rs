//! What the exams of `connectors/kubernetes`, `snowflake` and `teleport` cannot say with one case: the order of the files
//! changes nothing, and what the API of a cluster answers means the same as the same in a file.

use counterfoil::connect::transport::{Fetched, Writer};
use counterfoil::connect::{Catalog, PullOptions, PullSummary, Settings, pull_fetched, pull_files};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn connectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

fn options() -> PullOptions {
    PullOptions {
        source: "s".into(),
        taken_at: "2026-06-01T00:00:00Z".into(),
        skip_bad_rows: false,
        worker: None,
    }
}

/// A line without what says where it was found.
fn plain(line: &str) -> String {
    let mut record: Value = serde_json::from_str(line).unwrap();
    record.as_object_mut().unwrap().remove("evidence");
    record.to_string()
}

/// Pulls the files of a case in the order given.
fn of_files(connector: &str, case: &str, reversed: bool) -> (Vec<String>, PullSummary) {
    let catalog = Catalog::load(Some(&connectors())).unwrap();
    let connector = catalog.get(connector).unwrap();
    let case = connectors().join(connector.name()).join("fixtures").join(case);
    let said = std::fs::read_to_string(case.join("settings.toml")).unwrap_or_default();
    let said: toml::Table = toml::from_str(&said).unwrap();
    let none = toml::Table::new();
    let table = said.get("settings").and_then(toml::Value::as_table).unwrap_or(&none);
    let settings = Settings::from_table(&connector.manifest, table).unwrap();
    let files = std::fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| !["settings.toml", "expected.jsonl"].iter().any(|name| path.ends_with(name)))
        .collect();
    files.sort();
    if reversed {
        files.reverse();
    }
    let mut lines = Vec::new();
    let mut sink = |line: &str| {
        lines.push(plain(line));
        Ok(())
    };
    let summary = pull_files(connector, &settings, &options(), &files, &mut sink, &mut |_| {}).unwrap();
    (lines, summary)
}

#[test]
fn the_order_of_the_files_changes_nothing() {
    for (connector, case) in [
        ("kubernetes", "cluster"),
        ("kubernetes", "aks"),
        ("kubernetes", "api-lists"),
        ("snowflake", "account"),
        ("snowflake", "settings"),
        ("teleport", "requests"),
        ("teleport", "search-pages"),
    ] {
        let (forward, backward) = (of_files(connector, case, false).0, of_files(connector, case, true).0);
        assert!(forward.len() > 1, "{connector}/{case}");
        let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(sorted(forward), sorted(backward), "{connector}/{case}");
    }
}

/// The items of the lists of a case, as the steps of the connector fetch them.
fn of_steps(case: &str, without: &str) -> (Vec<String>, PullSummary) {
    let catalog = Catalog::load(Some(&connectors())).unwrap();
    let connector = catalog.get("kubernetes").unwrap();
    let folder = connectors().join("kubernetes/fixtures").join(case);
    let mut lists: Vec<(String, Vec<Value>)> = Vec::new();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "json")) {
        let list: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let kind = list["kind"].as_str().unwrap().strip_suffix("List").unwrap().to_owned();
        lists.push((kind, list["items"].as_array().unwrap().clone()));
    }
    let steps = &connector.manifest.http.as_ref().unwrap().steps;
    let batches = steps.iter().filter(|step| step.name != without).map(|step| {
        let mut writer = Writer::new(&step.name).unwrap();
        let rows = lists.iter().filter(|(kind, _)| *kind == step.name).flat_map(|(_, items)| items);
        rows.for_each(|row| writer.row(row).unwrap());
        writer.finish().unwrap()
    });
    let fetched = Fetched { batches: batches.collect(), reasons: Vec::new(), requests: 4 };
    let settings = Settings::from_table(&connector.manifest, &toml::Table::new()).unwrap();
    let mut lines = Vec::new();
    let mut sink = |line: &str| {
        lines.push(plain(line));
        Ok(())
    };
    let summary = pull_fetched(connector, &settings, &options(), fetched, &mut sink, &mut |_| {}).unwrap();
    (lines, summary)
}

#[test]
fn what_the_api_of_a_cluster_answers_means_the_same_as_in_a_file() {
    let (asked, summary) = of_steps("api-lists", "");
    assert!(asked.len() > 10 && summary.reasons.is_empty(), "{:?}", summary.reasons);
    let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(sorted(asked), sorted(of_files("kubernetes", "api-lists", false).0));
    let (_, summary) = of_steps("api-lists", "RoleBinding");
    assert!(summary.reasons.join(" ").contains("export rolebindings"), "{:?}", summary.reasons);
}
