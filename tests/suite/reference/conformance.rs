//! The published conformance cases, through the slow reading.

use std::path::PathBuf;

use serde_json::Value;

use super::values::{flag, list, text};
use super::{Finding, judge};

type Compared = (
    String,
    String,
    Option<String>,
    Option<(String, String, String, Option<String>)>,
    Option<(String, String)>,
    Option<String>,
    Option<String>,
    Option<String>,
    Vec<(String, Option<String>, bool)>,
);

/// What the published cases compare: not the path and not the item.
fn compared(finding: &Finding) -> Compared {
    let finding = finding.clone();
    (
        finding.check,
        finding.severity,
        finding.standing,
        finding.grant.map(|key| (key.system, key.account, key.entitlement, key.scope)),
        finding.request,
        finding.alias,
        finding.source,
        finding.beneficiary,
        finding.accountable,
    )
}

fn wanted(expected: &Value) -> Compared {
    let owned = |record: &Value, name: &str| text(record, name).map(str::to_string);
    let must = |record: &Value, name: &str| owned(record, name).unwrap();
    let mut accountable: Vec<_> = list(expected, "accountable")
        .into_iter()
        .map(|one| (must(one, "role"), owned(one, "identity"), flag(one, "primary")))
        .collect();
    accountable.sort();
    (
        must(expected, "check"),
        must(expected, "severity"),
        owned(expected, "standing"),
        expected.get("grant").map(|grant| {
            (must(grant, "system"), must(grant, "account"), must(grant, "entitlement"), owned(grant, "scope"))
        }),
        expected.get("request").map(|request| (must(request, "source"), must(request, "id"))),
        owned(expected, "alias"),
        owned(expected, "source"),
        owned(expected, "beneficiary"),
        accountable,
    )
}

/// Where the cases are, if they are here at all.
pub fn cases() -> Option<Vec<PathBuf>> {
    let folder = match std::env::var_os("COUNTERFOIL_CONFORMANCE") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance/cases"),
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.map(|entry| entry.unwrap().path()).filter(|p| is_case(p)).collect();
    paths.sort();
    Some(paths)
}

fn is_case(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|end| end == "json")
}

#[test]
fn the_published_cases_hold() {
    let Some(paths) = cases() else { return };
    assert!(!paths.is_empty(), "the folder of cases is empty");
    let mut wrong = String::new();
    for path in paths {
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let records = case["records"].as_array().unwrap();
        let outcome = judge(records, &case["config"], case["now"].as_str().unwrap());
        let mut got: Vec<Compared> = outcome.findings.iter().map(compared).collect();
        let mut want: Vec<Compared> = case["expect"].as_array().unwrap().iter().map(wanted).collect();
        got.sort();
        want.sort();
        if got != want {
            wrong += &format!("{}: {}\n", path.display(), case["why"]);
            want.iter()
                .filter(|one| !got.contains(one))
                .for_each(|one| wrong += &format!("  missing {one:?}\n"));
            got.iter()
                .filter(|one| !want.contains(one))
                .for_each(|one| wrong += &format!("  extra   {one:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
