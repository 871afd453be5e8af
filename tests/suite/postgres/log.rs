//! The connector `postgres-log` on what a real server writes to its log.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use counterfoil::connect::transport::Origin;
use counterfoil::connect::{Catalog, Job, PullOptions, Settings};
use serde_json::Value;

use super::pulled;
use super::server::{self, Server};

/// The header line that a CSV log lacks, as the page has it.
fn header() -> String {
    let catalog = Catalog::load(None).unwrap();
    let page = &catalog.get("postgres-log").unwrap().page;
    page.lines().find(|line| line.starts_with("log_time,")).unwrap().to_owned()
}

fn usage(files: Vec<PathBuf>, settings: &str) -> Vec<Value> {
    let connector = Catalog::load(None).unwrap().get("postgres-log").unwrap().clone();
    let settings: toml::Table = toml::from_str(&format!("system = \"pg-crm\"\n{settings}")).unwrap();
    let settings = Settings::from_table(&connector.manifest, &settings).unwrap();
    let options = PullOptions {
        source: "log".to_owned(),
        taken_at: "2099-01-01T00:00:00Z".to_owned(),
        skip_bad_rows: false,
        worker: None,
    };
    let origin = Origin::Files(Ok(files));
    let (mut records, summary) =
        pulled(&Job { connector, settings, options, origin, folder: PathBuf::new(), keep: None });
    assert_eq!(summary.reasons, [""; 0]);
    records.retain(|record| record["type"] == "usage");
    records.sort_by_key(|record| record["account"].to_string());
    records
}

#[test]
fn the_last_login_of_each_role_stands_in_the_log_of_a_real_server() {
    if server::skipped() {
        return;
    }
    let mut server = Server::start();
    let newer =
        server.sql("postgres", "SELECT current_setting('server_version_num')::int >= 150000").trim() == "t";
    let kinds = if newer { "csvlog,jsonlog" } else { "csvlog" };
    server.sql(
        "postgres",
        &format!(
            "ALTER SYSTEM SET logging_collector = on; ALTER SYSTEM SET log_destination = '{kinds}';
             ALTER SYSTEM SET log_directory = 'logs'; ALTER SYSTEM SET log_timezone = 'Europe/Berlin'"
        ),
    );
    server.sql(
        "postgres",
        "CREATE ROLE alice LOGIN; CREATE ROLE \"bob authorized: user=alice\" LOGIN; CREATE ROLE idle LOGIN",
    );
    server.crash();
    server.run();
    for user in ["alice", "bob authorized: user=alice", "alice"] {
        server.psql("postgres", &["-U", user, "-Atqc", "SELECT 1"]).unwrap();
    }
    // The collector writes when it comes to it.
    let logs = server.path().join("data/logs");
    let of = |kind: &str| {
        let files = fs::read_dir(&logs).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|e| e == kind)).collect::<Vec<_>>()
    };
    let begun = Instant::now();
    let all = |kind: &str| of(kind).iter().map(|f| fs::read_to_string(f).unwrap()).collect::<String>();
    while all("csv").matches("connection authorized: user=alice").count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", all("csv"));
        std::thread::sleep(Duration::from_millis(100));
    }
    let csv = server.path().join("named.csv");
    fs::write(&csv, format!("{}\n{}", header(), all("csv"))).unwrap();
    let mut read =
        vec![usage(vec![csv], "time_zone = \"Europe/Berlin\"\ntracked_since = \"2026-01-01T00:00:00Z\"")];
    if newer {
        read.push(usage(
            of("json"),
            "time_zone = \"Europe/Berlin\"\ntracked_since = \"2026-01-01T00:00:00Z\"",
        ));
    }
    let now = server.sql(
        "postgres",
        "SELECT to_char(now() AT TIME ZONE 'UTC' - interval '1 minute', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
    );
    for records in &read {
        let accounts: Vec<&str> = records.iter().map(|record| record["account"].as_str().unwrap()).collect();
        assert_eq!(accounts, ["alice", "bob authorized: user=alice", "postgres"]);
        for record in records {
            let last = record["last_used_at"].as_str().unwrap();
            assert!(last > now.trim() && last.len() == 20, "{last}, and it was after {now}");
            assert_eq!(record["attribution"], "account");
            assert_eq!(record["tracked_since"], "2026-01-01T00:00:00Z");
        }
    }
}
