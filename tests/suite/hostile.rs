//! Hostile inputs for every decoder: cut off, of another encoding, too deep, too long, too wide, bombs. Each ends in an
//! error that names the place, never in a panic, and never in records that look like a whole export.

mod archives;
mod json;
mod random;
mod tables;
mod xml;

use counterfoil::connect::{Catalog, PullOptions, Settings, pull_files};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

/// A connector that knows every format and makes one `system` of each row.
const MANIFEST: &str = r#"
name = "any"
title = "Any"
summary = "Every format, for tests."
provides = ["system"]

[[shape]]
name = "array"
formats = ["json"]
rows = ["/rows", "/pages/*/rows"]

[[shape]]
name = "lines"
formats = ["jsonl"]
row_keys = ["id"]

[[shape]]
name = "xml"
formats = ["xml"]
rows = ["list/row"]

[[shape]]
name = "table"
formats = ["csv", "xlsx"]
headers = [["id", "ident"]]
"#;

const MAP: &str = r##"{ type: "system", id: (.id | if type == "array" then .[0] else . end | if type == "object" then .["#text"] else tostring end) }"##;

/// A folder to work in, with the connector.
pub struct Bench {
    pub folder: TempDir,
    /// The program to run the map in, if not here.
    pub worker: Option<PathBuf>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(MANIFEST, MAP)
    }

    pub fn with(manifest: &str, map: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connector = folder.path().join("connectors/any");
        fs::create_dir_all(&connector).unwrap();
        fs::write(connector.join("manifest.toml"), manifest).unwrap();
        fs::write(connector.join("map.jq"), map).unwrap();
        Self { folder, worker: None }
    }

    /// Pulls one file of this name and content.
    pub fn pull(&self, name: &str, content: &[u8]) -> Result<Vec<String>, String> {
        self.pull_set(name, content, &[], false)
    }

    pub fn pull_set(
        &self,
        name: &str,
        content: &[u8],
        set: &[&str],
        skip_bad_rows: bool,
    ) -> Result<Vec<String>, String> {
        let file = self.folder.path().join(name);
        fs::write(&file, content).unwrap();
        let catalog = Catalog::load(Some(&self.folder.path().join("connectors"))).unwrap();
        let connector = catalog.get("any").unwrap();
        let settings = Settings::parse(&connector.manifest, set.iter().copied())?;
        let options = PullOptions {
            source: "any".into(),
            taken_at: "2026-06-01T00:00:00Z".into(),
            skip_bad_rows,
            worker: self.worker.clone(),
        };
        let mut lines = Vec::new();
        let mut sink = |line: &str| {
            lines.push(line.to_owned());
            Ok(())
        };
        pull_files(connector, &settings, &options, &[file], &mut sink, &mut |_| {})
            .map_err(|error| error.to_string().replace(&format!("{}/", self.folder.path().display()), ""))?;
        Ok(lines)
    }

    /// Pulls what must be an error, and gives its text.
    pub fn refuse(&self, name: &str, content: &[u8]) -> String {
        match self.pull(name, content) {
            Ok(lines) => panic!("{name}: taken, {} lines: {:?}", lines.len(), lines.first()),
            Err(message) => {
                assert!(message.contains(name), "no file in: {message}");
                message
            }
        }
    }
}

/// The ids of the records of a pull; the last line must say whether it was complete.
pub fn ids(lines: &[String]) -> Vec<String> {
    let (last, records) = lines.split_last().expect("an end mark");
    assert!(last.contains("\"type\":\"snapshot\""), "{last}");
    let id = |line: &String| {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        record["id"].as_str().unwrap().to_owned()
    };
    records.iter().map(id).collect()
}

/// Asserts that a message holds a piece.
#[track_caller]
pub fn says(message: &str, piece: &str) {
    assert!(message.contains(piece), "expected `{piece}` in: {message}");
}
