//! What the exam of `connectors/servicenow` cannot say with one case: the order of the files changes nothing, and each
//! shape that ServiceNow may cut at its export limit is watched for that.

use counterfoil::connect::{Catalog, PullOptions, Settings, pull_files};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors")
}

/// Pulls the inputs of a case in the order given; the records without the end mark.
fn pull(case: &str, reversed: bool) -> Vec<String> {
    let catalog = Catalog::load(Some(&folder())).unwrap();
    let connector = catalog.get("servicenow").unwrap();
    let case = folder().join("servicenow/fixtures").join(case);
    let said: toml::Table =
        toml::from_str(&std::fs::read_to_string(case.join("settings.toml")).unwrap()).unwrap();
    let settings = Settings::from_table(&connector.manifest, said["settings"].as_table().unwrap()).unwrap();
    let mut files: Vec<PathBuf> = std::fs::read_dir(&case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending != "toml" && ending != "jsonl"))
        .collect();
    files.sort();
    if reversed {
        files.reverse();
    }
    let options = PullOptions {
        source: "servicenow".into(),
        taken_at: "2026-06-01T00:00:00Z".into(),
        skip_bad_rows: false,
        worker: None,
    };
    let mut lines = Vec::new();
    let mut sink = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    pull_files(connector, &settings, &options, &files, &mut sink, &mut |_| {}).unwrap();
    let end = lines.pop().unwrap();
    assert!(end.contains(r#""type":"snapshot""#), "{end}");
    lines
}

#[test]
fn the_order_of_the_files_changes_nothing() {
    for case in ["table-api-raw", "table-api-all", "csv-joined"] {
        let (forward, backward) = (pull(case, false), pull(case, true));
        assert!(forward.len() > 5, "{case}");
        assert_ne!(forward, backward, "{case}: the files were not read in another order");
        let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(sorted(forward), sorted(backward), "{case}");
    }
}

#[test]
fn each_list_is_watched_for_the_export_limit() {
    let catalog = Catalog::load(Some(&folder())).unwrap();
    for shape in &catalog.get("servicenow").unwrap().manifest.shapes {
        let limit = (!shape.is_document()).then_some(10_000);
        assert_eq!(shape.suspicious_rows, limit, "{}", shape.name);
    }
}

#[test]
fn exactly_as_many_rows_as_the_limit_is_incomplete() {
    // The real limit would take minutes; the connector with a limit of three says the same.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("servicenow");
    std::fs::create_dir(&copy).unwrap();
    for file in ["manifest.toml", "map.jq", "README.md"] {
        let text = std::fs::read_to_string(self::folder().join("servicenow").join(file)).unwrap();
        std::fs::write(copy.join(file), text.replace("suspicious_rows = 10000", "suspicious_rows = 3"))
            .unwrap();
    }
    let catalog = Catalog::load(Some(folder.path())).unwrap();
    let connector = catalog.get("servicenow").unwrap();
    let settings = Settings::from_table(&connector.manifest, &toml::Table::new()).unwrap();
    let options = PullOptions {
        source: "servicenow".into(),
        taken_at: "2026-06-01T00:00:00Z".into(),
        skip_bad_rows: false,
        worker: None,
    };
    for (rows, complete) in [(2, true), (3, false), (4, true)] {
        let file = folder.path().join("sc_req_item.csv");
        let text: String = (0..rows).map(|row| format!("RITM{row},Approved\n")).collect();
        std::fs::write(&file, format!("number,approval\n{text}")).unwrap();
        let mut last = String::new();
        let mut sink = |line: &str| {
            line.clone_into(&mut last);
            Ok(())
        };
        pull_files(connector, &settings, &options, &[file], &mut sink, &mut |_| {}).unwrap();
        assert!(last.contains(&format!(r#""complete":{complete}"#)), "{rows} rows: {last}");
        assert_eq!(last.contains("exactly 3 rows"), !complete, "{rows} rows: {last}");
    }
}
