//! A whole pull with the connectors that are built in: file to records. Every line that comes out is a record.
#![no_main]

use std::sync::LazyLock;

use counterfoil::connect::{Catalog, Connector, PullOptions, Settings, pull_files};
use counterfoil::model::parse_line;
use libfuzzer_sys::fuzz_target;

/// Settings under which much is read.
const SAID: [(&str, &[&str]); 5] = [
    ("jira", &["time_zone=Europe/Berlin", "date_order=dmy"]),
    ("servicenow", &["time_zone=UTC"]),
    ("aws-iam", &["system=aws-prod"]),
    ("directory", &["time_zone=UTC"]),
    ("records", &[]),
];

static CONNECTORS: LazyLock<Vec<(Connector, Settings)>> = LazyLock::new(|| {
    let catalog = Catalog::load(None).expect("the connectors built in");
    let prepared = SAID.iter().map(|(name, pairs)| {
        let connector = catalog.get(name).expect("a connector").clone();
        let settings = Settings::parse(&connector.manifest, pairs.iter().copied());
        (connector, settings.expect("its settings"))
    });
    prepared.collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((which, input)) = input.split_first() else { return };
    let (connector, settings) = &CONNECTORS[usize::from(*which) % CONNECTORS.len()];
    let options = PullOptions {
        source: "fuzz".to_owned(),
        taken_at: "2026-06-01T00:00:00Z".to_owned(),
        skip_bad_rows: which & 0x80 != 0,
        worker: None,
    };
    counterfoil_fuzz::as_file(input, |path| {
        let mut lines = vec![];
        let pulled = pull_files(
            connector,
            settings,
            &options,
            &[path.to_owned()],
            &mut |line| {
                lines.push(line.to_owned());
                Ok(())
            },
            &mut |_| {},
        );
        match pulled {
            Ok(_) => lines.iter().for_each(|line| {
                parse_line(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"));
            }),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
});
