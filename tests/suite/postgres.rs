//! The PostgreSQL transport and the connector `postgres`, against a server that is started for the test and asked by
//! nobody else. `COUNTERFOIL_POSTGRES` names the folder of another version's programs.

#![cfg(unix)]

mod broken;
mod door;
mod export;
mod hostile;
mod life;
mod log;
pub mod server;
mod whole;

use std::path::Path;

use counterfoil::connect::transport::postgres::{Site, fetch};
use counterfoil::connect::transport::{Ask, Doing, Fetched, Origin, Watch};
use counterfoil::connect::{Catalog, Connector, Job, PullError, PullOptions, PullSummary, Settings};
use serde_json::Value;
use server::Server;

/// A site of this server, for the role `watch`, whose password is that of [`server::PASSWORD`].
fn site(server: &Server, more: &str) -> Site {
    toml::from_str(&server.site("watch", more)).unwrap()
}

/// A job of the connector `postgres`.
fn job(site: Site, settings: &str, folder: &Path) -> Job {
    let connector = Catalog::load(None).unwrap().get("postgres").unwrap().clone();
    let settings: toml::Table = toml::from_str(&format!("system = \"pg-crm\"\n{settings}")).unwrap();
    let settings = Settings::from_table(&connector.manifest, &settings).unwrap();
    let options = PullOptions {
        source: "pg".to_owned(),
        taken_at: "2026-06-01T00:00:00Z".to_owned(),
        skip_bad_rows: false,
        worker: None,
    };
    let origin = Origin::Postgres(Box::new(site));
    Job { connector, settings, options, origin, folder: folder.to_owned(), keep: None }
}

/// What a job brings.
fn pulled(job: &Job) -> (Vec<Value>, PullSummary) {
    let mut records = Vec::new();
    let mut sink = |line: &str| {
        records.push(serde_json::from_str(line).unwrap());
        Ok(())
    };
    let summary = job.pull(&mut sink, &mut |_| {}, &|_| false).unwrap();
    (records, summary)
}

/// The records without what says where and when they come from, and without roles that PostgreSQL brings, which differ from
/// version to version; in an order of their own.
fn told(records: &[Value]) -> Vec<String> {
    let mut lines: Vec<String> = records
        .iter()
        .filter(|record| record["type"] != "snapshot" && !record.to_string().contains("role pg_"))
        .map(|record| {
            let mut record = record.as_object().unwrap().clone();
            for key in ["evidence", "source", "observed_at", "version", "native_id"] {
                record.remove(key);
            }
            Value::Object(record).to_string()
        })
        .collect();
    lines.sort();
    lines
}

/// Grants as `account: entitlement`, with how they are held where that is not directly.
fn grants(records: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut grants: Vec<String> = records
        .iter()
        .filter(|record| record["type"] == "grant")
        .map(|grant| {
            let mut line = format!("{}: {}", text(&grant["account"]), text(&grant["entitlement"]));
            if grant["mode"] == "eligible" {
                line += " (eligible)";
            }
            let path = grant["path"].as_array().into_iter().flatten();
            for step in path {
                line += &format!(" < {}", text(&step["entitlement"]));
            }
            line
        })
        .collect();
    grants.sort();
    grants
}

/// Those of one account, without its name.
fn grants_of(records: &[Value], account: &str) -> Vec<String> {
    let prefix = format!("{account}: ");
    grants(records).iter().filter_map(|grant| Some(grant.strip_prefix(&prefix)?.to_owned())).collect()
}

/// A connector of a test's own: `steps` of its manifest, no map that is ever run.
fn own_connector(folder: &Path, steps: &str) -> Connector {
    let own = folder.join("own");
    std::fs::create_dir_all(&own).unwrap();
    let manifest =
        format!("name = \"own\"\ntitle = \"Own\"\nsummary = \"Of a test.\"\nprovides = [\"grant\"]\n{steps}");
    std::fs::write(own.join("manifest.toml"), manifest).unwrap();
    std::fs::write(own.join("map.jq"), "empty").unwrap();
    Catalog::load(Some(folder)).unwrap().get("own").unwrap().clone()
}

/// What the transport alone brings for a connector of a test's own.
fn fetched(site: &Site, steps: &str, watch: &Watch<'_>) -> Result<Fetched, PullError> {
    let folder = tempfile::tempdir().unwrap();
    let connector = own_connector(folder.path(), steps);
    let settings = Settings::from_table(&connector.manifest, &toml::Table::new()).unwrap();
    let options = PullOptions {
        source: "own".to_owned(),
        taken_at: "2026-06-01T00:00:00Z".to_owned(),
        skip_bad_rows: false,
        worker: None,
    };
    let ask = Ask {
        connector: &connector,
        settings: &settings,
        options: &options,
        folder: folder.path(),
        keep: None,
        watch,
    };
    fetch(&ask, site)
}

/// Nobody who breaks off.
fn patient(_: &Doing<'_>) -> bool {
    false
}

/// The rows of a batch.
fn rows(fetched: &Fetched, step: &str) -> Vec<Value> {
    let batch = fetched.batches.iter().find(|batch| batch.shape == step).unwrap();
    batch.read().unwrap().map(|row| row.unwrap().unwrap()).collect()
}
