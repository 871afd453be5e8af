//! The configurations to start from (`config/*.toml`, `config/policies/`) and the README: each is read by the program
//! it speaks of, and none forgets anything.

use counterfoil::config::Config;
use counterfoil::connect::manifest::Way;
use counterfoil::connect::transport::{exec, http};
use counterfoil::connect::{Catalog, PullOptions, Settings, pull_files};
use counterfoil::judge::{Thresholds, checks};
use counterfoil::model::{Record, parse_line};
use std::collections::BTreeSet;

const MINIMAL: &str = include_str!("../../config/minimal.toml");
const FULL: &str = include_str!("../../config/full.toml");
const PACKAGED: &str = include_str!("../../packaging/counterfoil.toml");
const POLICIES: &str = include_str!("../../config/policies/example.jsonl");
const CONTRIBUTING: &str = include_str!("../../CONTRIBUTING.md");
const PLUGINS: &str = include_str!("../../examples/plugins/README.md");
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
fn the_full_configuration_shows_every_table_and_every_way_to_read() {
    let config = read("config/full.toml", FULL);
    let jobs = config.sources().unwrap();
    let exec = config.source.iter().find_map(|s| s.exec.clone()).unwrap();
    assert!(jobs.iter().any(|job| job.way() == Way::Files) && jobs.iter().any(|job| job.way() == Way::Exec));
    let least: exec::Site = toml::from_str("command = []").unwrap();
    let defaults = exec::Site {
        command: exec.command.clone(),
        env: exec.env.clone(),
        folder: exec.folder.clone(),
        ..least
    };
    assert_eq!(exec, defaults, "what is written is the default");
    assert!(exec.env.len() >= 2, "a secret and what is none");
    for way in [Way::Files, Way::Exec, Way::Http, Way::Ldap, Way::Postgres] {
        let word = way.word();
        let shown = FULL.contains(&format!("[source.{word}]")) || FULL.contains(&format!("\n{word} = "));
        assert!(shown, "config/full.toml does not show how to read by `{word}`");
    }
    let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
    let of = |site: serde_json::Value| site["properties"].clone();
    let connection = schemars::schema_for!(counterfoil::net::Connection);
    for (table, keys) in [
        ("", &schema["properties"]),
        ("[[source]]", &schema["$defs"]["Source"]["properties"]),
        ("[source.exec]", &of(serde_json::to_value(schemars::schema_for!(exec::Site)).unwrap())),
        ("[source.http]", &of(serde_json::to_value(schemars::schema_for!(http::Site)).unwrap())),
        ("[source.http.connection]", &of(serde_json::to_value(connection).unwrap())),
    ] {
        for key in keys.as_object().unwrap().keys() {
            assert!(FULL.contains(key.as_str()), "config/full.toml does not speak of `{key}` of {table}");
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

/// What stands in comments is read as well: the source over HTTP as it is, and with each of its other lines.
#[test]
fn what_the_full_configuration_shows_in_comments_can_be_meant() {
    let block =
        FULL.lines().skip_while(|line| *line != "# [[source]]").take_while(|line| line.starts_with('#'));
    let lines: Vec<&str> = block.map(|line| line.strip_prefix("# ").unwrap_or(&line[1..])).collect();
    let site = |lines: &[&str]| {
        let config = Config::parse("config/full.toml", &lines.join("\n")).unwrap_or_else(|e| panic!("{e}"));
        *config.source[0].http.clone().unwrap()
    };
    let as_it_is = site(&lines);
    let (url, auth) = (as_it_is.url.clone(), as_it_is.auth.clone());
    assert_eq!(as_it_is, http::Site { url, auth, ..http::Site::default() }, "what is written is the default");
    let mut kinds = BTreeSet::from([format!("{:?}", as_it_is.auth.kind())]);
    for (number, line) in lines.iter().enumerate() {
        let Some(other) = line.strip_prefix("# ") else { continue };
        let mut with = lines.clone();
        with[number] = other;
        with.retain(|line| !line.starts_with("bearer = ") || !other.contains(" = {"));
        let site = site(&with);
        assert_ne!(site, as_it_is, "`{other}` changes nothing");
        kinds.insert(format!("{:?}", site.auth.kind()));
    }
    let schema = serde_json::to_value(schemars::schema_for!(http::Auth)).unwrap();
    let known = schema["oneOf"].as_array().unwrap().len();
    assert_eq!(kinds.len(), known, "one line for each kind of auth: {kinds:?}");
    let text = schema.to_string();
    for key in
        ["key_id", "certificate_file", "token_url", "session_token", "role_arn", "external_id", "sts_url"]
    {
        assert!(text.contains(key) && lines.iter().any(|line| line.contains(key)), "{key}");
    }
}

/// The blocks of TOML in a page that are configurations.
fn configurations(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks.filter(|block| block.contains("[[source]]"))
}

#[test]
fn every_page_of_a_connector_shows_a_source_of_it_that_can_be_prepared() {
    for connector in Catalog::load(None).unwrap().iter() {
        let name = format!("connectors/{}/README.md", connector.name());
        let mut shown = false;
        for block in configurations(&connector.page) {
            let config = Config::parse(&name, block).unwrap_or_else(|e| panic!("{e}:\n{block}"));
            config.sources().unwrap_or_else(|e| panic!("{name}: {e}:\n{block}"));
            shown |= config.source.iter().any(|source| source.connector == connector.name());
        }
        assert!(shown, "{name}: shows no `[[source]]` with `connector = \"{}\"`", connector.name());
    }
}

#[test]
fn the_page_on_programs_shows_sources_that_can_be_prepared() {
    let all: Vec<Config> = configurations(PLUGINS)
        .map(|block| Config::parse("examples/plugins/README.md", block).unwrap())
        .collect();
    assert!(all.len() > 1);
    all.iter().for_each(|config| assert_eq!(config.sources().unwrap()[0].way(), Way::Exec));
    let schema = serde_json::to_value(schemars::schema_for!(exec::Site)).unwrap();
    for key in schema["properties"].as_object().unwrap().keys() {
        assert!(
            PLUGINS.contains(&format!("`{key}`")),
            "examples/plugins/README.md does not speak of `{key}`"
        );
    }
}

/// The blocks of CONTRIBUTING.md in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opens = format!("\n```{language}\n");
    CONTRIBUTING.split(&opens).skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// The connector that CONTRIBUTING.md adds is put down as it says, and reads what it shows.
#[test]
fn the_connector_that_is_added_in_contributing_works() {
    let desk = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = desk.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    };
    let [manifest, steps, try_it] = blocks("toml")[..] else { panic!("three blocks of TOML") };
    put("connectors/gatehouse/map.jq", blocks("jq")[0]);
    let config = put("try.toml", try_it);
    let pulled = |export: &str| {
        let catalog = Catalog::load(Some(&desk.path().join("connectors"))).unwrap();
        let connector = catalog.get("gatehouse").unwrap();
        let settings = Settings::parse(&connector.manifest, ["system=doors"]).unwrap();
        let (source, taken_at) = ("gatehouse".to_owned(), "2026-06-01T00:00:00Z".to_owned());
        let options = PullOptions { source, taken_at, skip_bad_rows: false, worker: None };
        let mut found = vec![];
        let mut sink = |line: &str| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
            found.push(["type", "system", "account", "entitlement", "granted_at"].map(text).join(" "));
            Ok(())
        };
        let file = put("teams.json", export);
        let summary = pull_files(connector, &settings, &options, &[file], &mut sink, &mut |_| {}).unwrap();
        (found, summary.reasons)
    };
    for live in [false, true] {
        let text = if live { format!("{manifest}\n{steps}") } else { manifest.to_owned() };
        put("connectors/gatehouse/manifest.toml", &text);
        let (found, reasons) = pulled(blocks("json")[0]);
        let expected = [
            "entitlement doors - - -",
            "grant doors omar payments 2026-03-02T09:00:00+01:00",
            "grant doors deploy-bot payments -",
            "snapshot - - - -",
        ];
        assert_eq!((found, reasons.len()), (expected.map(str::to_owned).to_vec(), 0));
        match Config::load(&config).unwrap().sources() {
            Ok(jobs) => assert!(live && jobs[0].way() == Way::Http),
            Err(e) => assert!(!live && e.to_string().contains("reads from `files`, [source.exec]"), "{e}"),
        }
    }
    let (_, reasons) = pulled(&blocks("json")[0].replace("\"members\"", "\"member_count\""));
    assert_eq!(reasons, ["the members of team payments were not told"]);
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
