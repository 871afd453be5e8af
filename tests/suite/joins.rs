//! Links between rows: what a row of one table says to a row of another reaches it, whatever the order of the files;
//! bad rows count once; a connector that joins nothing knows no links.

use counterfoil::connect::{Catalog, PullOptions, PullSummary, Settings, pull_files};
use std::fs;
use std::path::{Path, PathBuf};

const MANIFEST: &str = r#"
name = "shop"
title = "Shop"
summary = "Orders and who allowed them."
provides = ["request"]
JOINS

[[shape]]
name = "rows"
formats = ["jsonl"]
"#;

const MAP: &str = r#"
if .bad then error("a bad row")
elif .order then
  if $joined == null then {type: "join", table: "seen", key: "orders", value: .order}
  else {type: "request", id: .order, state: "pending", seen: ($joined.seen["orders"] | length),
        by: [$joined.allowed[.order][]?.by], nobody: $joined.allowed["none"]} end
elif .allows then {type: "join", table: "allowed", key: .allows, value: {by: .by}}
else error("a row of neither kind") end
"#;

struct Shop {
    folder: tempfile::TempDir,
}

impl Shop {
    fn new(joins: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("connectors/shop");
        fs::create_dir_all(&shop).unwrap();
        fs::write(shop.join("manifest.toml"), MANIFEST.replace("JOINS", joins)).unwrap();
        fs::write(shop.join("map.jq"), MAP).unwrap();
        fs::write(shop.join("README.md"), "# shop\n").unwrap();
        Self { folder }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn pull(&self, files: &[&Path], skip_bad_rows: bool) -> Result<(Vec<String>, PullSummary), String> {
        let catalog = Catalog::load(Some(&self.folder.path().join("connectors"))).unwrap();
        let connector = catalog.get("shop").unwrap();
        let settings = Settings::from_table(&connector.manifest, &toml::Table::new()).unwrap();
        let options = PullOptions {
            source: "shop".into(),
            taken_at: "2026-06-01T00:00:00Z".into(),
            skip_bad_rows,
            worker: None,
        };
        let files: Vec<PathBuf> = files.iter().map(|path| path.to_path_buf()).collect();
        let mut lines = Vec::new();
        let mut sink = |line: &str| {
            lines.push(line.to_owned());
            Ok(())
        };
        let summary = pull_files(connector, &settings, &options, &files, &mut sink, &mut |_| {})
            .map_err(|error| error.to_string())?;
        Ok((lines, summary))
    }
}

const JOINS: &str = r#"joins = ["allowed", "seen"]"#;
const ORDERS: &str = "{\"order\":\"O1\"}\n{\"order\":\"O2\"}\n";
const ALLOWED: &str = "{\"allows\":\"O1\",\"by\":\"ann\"}\n{\"allows\":\"O1\",\"by\":\"ben\"}\n{\"allows\":\"O9\",\"by\":\"ann\"}\n";

#[test]
fn a_link_reaches_its_row_whatever_the_order_of_the_files() {
    let shop = Shop::new(JOINS);
    let (orders, allowed) = (shop.file("orders.jsonl", ORDERS), shop.file("allowed.jsonl", ALLOWED));
    let (lines, summary) = shop.pull(&[&orders, &allowed], false).unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].contains(r#""id":"O1""#) && lines[0].contains(r#""by":["ann","ben"]"#), "{}", lines[0]);
    assert!(lines[1].contains(r#""id":"O2""#) && lines[1].contains(r#""by":[]"#), "{}", lines[1]);
    assert!(lines.iter().take(2).all(|line| line.contains(r#""seen":2"#)), "{lines:?}");
    assert_eq!((summary.rows, summary.records), (5, 2));
    assert_eq!(shop.pull(&[&allowed, &orders], false).unwrap().0, lines);
}

#[test]
fn a_bad_row_counts_once_and_stops_unless_passed_over() {
    let shop = Shop::new(JOINS);
    let orders = shop.file("orders.jsonl", &format!("{ORDERS}{{\"order\":\"O3\",\"bad\":true}}\n"));
    let error = shop.pull(&[&orders], false).unwrap_err();
    assert!(
        error.contains("orders.jsonl") && error.contains("row 3") && error.contains("a bad row"),
        "{error}"
    );
    let (lines, summary) = shop.pull(&[&orders], true).unwrap();
    assert_eq!((summary.bad_rows, summary.rejects.len(), summary.records), (1, 1, 2));
    assert!(lines[2].contains(r#""complete":false"#), "{}", lines[2]);
}

#[test]
fn a_table_that_is_not_listed_is_refused() {
    let shop = Shop::new(r#"joins = ["seen"]"#);
    let allowed = shop.file("allowed.jsonl", ALLOWED);
    let error = shop.pull(&[&allowed], false).unwrap_err();
    assert!(error.contains("row 1") && error.contains("`allowed`"), "{error}");
}

#[test]
fn without_joins_a_link_is_no_record() {
    let shop = Shop::new("");
    let allowed = shop.file("allowed.jsonl", ALLOWED);
    let error = shop.pull(&[&allowed], false).unwrap_err();
    assert!(error.contains("row 1") && error.contains("join"), "{error}");
}
