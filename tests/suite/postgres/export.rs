//! `connectors/postgres/export.sql`: the queries of the manifest for psql, and that what it writes gives the same records as
//! the server itself.

use std::fs;
use std::path::{Path, PathBuf};

use counterfoil::connect::manifest::sql::Step;
use counterfoil::connect::transport::Origin;
use counterfoil::connect::{Catalog, Job};

use super::server::{self, Server};
use super::{grants, job, pulled, site, told};

/// The script, as the manifest has it.
fn script() -> String {
    let catalog = Catalog::load(None).unwrap();
    let steps = &catalog.get("postgres").unwrap().manifest.postgres.as_ref().unwrap().steps;
    let mut script = String::from(
        "-- Writes who may do what on a PostgreSQL server as JSON lines, for the connector `postgres`. Run it in each\n\
         -- database:\n\
         --\n\
         --     psql -X -q -f export.sql -v level=schemas -o crm.jsonl crm\n\
         --\n\
         -- The queries are those of the connector's manifest. Nothing is changed.\n\
         \\set ON_ERROR_STOP on\n\
         \\set QUIET on\n\
         \\if :{?level} \\else \\set level schemas \\endif\n\
         \\encoding UTF8\n\
         \\pset format unaligned\n\
         \\pset tuples_only on\n\
         BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\n\
         SET LOCAL search_path = pg_catalog;\n\
         SET LOCAL quote_all_identifiers = off;\n\
         SET LOCAL TimeZone = 'UTC';\n\
         SET LOCAL DateStyle = 'ISO';\n",
    );
    let (whole, each): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(|step| !step.each_database);
    script += "\nSELECT current_database() = d.datname AS whole FROM pg_database d\n\
               WHERE d.datallowconn ORDER BY d.datname COLLATE \"C\" LIMIT 1 \\gset\n\\if :whole\n";
    whole.into_iter().for_each(|step| script += &written(step));
    script += "\n\\endif\n";
    each.into_iter().for_each(|step| script += &written(step));
    script + "COMMIT;\n"
}

/// One step.
fn written(step: &Step) -> String {
    let mut query = step.query.trim().to_owned();
    for (number, setting) in step.parameters.iter().enumerate() {
        query = query.replace(&format!("${}::text", number + 1), &format!(":'{setting}'"));
    }
    let asked = format!(
        "SELECT json_build_object('step', '{}', 'database', current_database(), 'row', row_to_json(q)) FROM (\n{query}\n) q;\n",
        step.name
    );
    match step.since_version {
        None => format!("\n{asked}"),
        Some(version) => {
            format!("\nSELECT :SERVER_VERSION_NUM >= {version} AS made \\gset\n\\if :made\n{asked}\\endif\n")
        }
    }
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("connectors/postgres/export.sql")
}

#[test]
fn the_script_asks_what_the_manifest_asks() {
    let wanted = script();
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(path(), &wanted).unwrap();
    }
    let differs = "connectors/postgres/export.sql is not what the manifest says; UPDATE_EXPECTED=1 writes it";
    assert!(fs::read_to_string(path()).unwrap_or_default() == wanted, "{differs}");
}

#[test]
fn what_psql_writes_gives_what_the_server_gives() {
    if server::skipped() {
        return;
    }
    let server = Server::start();
    server.sql(
        "postgres",
        "CREATE ROLE readers; CREATE ROLE alice LOGIN; CREATE ROLE \"odd \"\"one\" LOGIN; GRANT readers TO alice, \"odd \"\"one\";
         CREATE DATABASE crm; CREATE DATABASE \"Led ger\"; GRANT CREATE ON DATABASE crm TO alice",
    );
    for database in ["crm", "Led ger"] {
        server.sql(
            database,
            "CREATE SCHEMA s; CREATE TABLE s.t (a int, \"b\nc\" text); CREATE TABLE s.u (n int);
             GRANT SELECT ON ALL TABLES IN SCHEMA s TO readers; GRANT UPDATE (a) ON s.t TO \"odd \"\"one\";
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readers",
        );
    }
    for level in ["objects", "schemas", "databases"] {
        let settings = format!("level = \"{level}\"");
        let live = job(site(&server, ""), &settings, server.path());
        let (from_server, _) = pulled(&live);
        let mut files = Vec::new();
        for (number, database) in ["crm", "Led ger", "postgres", "template1"].iter().enumerate() {
            let file = server.path().join(format!("{level}-{number}.jsonl"));
            let (script, level) = (path().display().to_string(), format!("level={level}"));
            let out = file.display().to_string();
            server.psql(database, &["-q", "-f", &script, "-v", &level, "-o", &out]).unwrap();
            files.push(file);
        }
        let job = |files: &[PathBuf]| Job {
            origin: Origin::Files(Ok(files.to_vec())),
            connector: live.connector.clone(),
            settings: live.settings.clone(),
            options: live.options.clone(),
            folder: live.folder.clone(),
            keep: None,
        };
        let (from_files, summary) = pulled(&job(&files));
        assert_eq!(summary.reasons, [""; 0], "{level}");
        let (a, b) = (told(&from_server), told(&from_files));
        let differs = a.iter().zip(&b).find(|(a, b)| a != b);
        assert!(a == b, "{level}: {} and {} records: {differs:?}", a.len(), b.len());
        assert!(grants(&from_files).len() > 20, "{level}");

        let reasons = |files: &[PathBuf]| pulled(&job(files)).1.reasons;
        let missing = reasons(&files[..3]);
        assert_eq!(missing.len(), 1);
        assert!(missing[0].contains("no whole export of the database template1"), "{missing:?}");
        let headless = reasons(&files[..1]);
        assert_eq!(headless.len(), 1);
        assert!(headless[0].contains("in the database Led ger"), "{headless:?}");
        // One that was cut off has no end.
        let cut = fs::read_to_string(&files[0]).unwrap();
        let cut: Vec<&str> = cut.lines().collect();
        fs::write(&files[0], cut[..cut.len() - 1].join("\n")).unwrap();
        let cut = reasons(&files);
        assert!(cut[0].contains("no whole export of the database crm"), "{cut:?}");
    }
}
