//! The connector `ldap` and the transport under it: against a real slapd, and, where that cannot do what a directory may
//! do, against a stub that says what it is told to.

mod ad;
mod breaks;
mod life;
mod live;
mod reach;
mod rights;
mod slapd;
mod stub;

use std::collections::BTreeSet;
use std::path::Path;

use counterfoil::config::Config;
use counterfoil::connect::transport::Doing;
use counterfoil::connect::{Job, PullSummary};
use serde_json::Value;

/// The time all pulls here are of, so that records can be compared.
const TAKEN: &str = "2026-06-01T00:00:00Z";

/// The one source of a configuration, ready to be pulled. Relative paths start from `folder`.
fn job(folder: &Path, text: &str) -> Job {
    let mut config = Config::parse("counterfoil.toml", text).unwrap();
    config.folder = folder.to_owned();
    let mut job = config.sources().unwrap().remove(0);
    job.options.taken_at = TAKEN.to_owned();
    job
}

/// What came of a pull.
#[derive(Debug)]
struct Pulled {
    records: Vec<Value>,
    summary: PullSummary,
}

impl Pulled {
    fn of(job: &Job) -> Result<Self, String> {
        Self::watched(job, &|_| false)
    }

    fn watched(job: &Job, watch: &dyn Fn(&Doing<'_>) -> bool) -> Result<Self, String> {
        let mut records = vec![];
        let mut sink = |line: &str| {
            records.push(serde_json::from_str(line)?);
            Ok(())
        };
        let summary = job.pull(&mut sink, &mut |_| {}, watch).map_err(|e| e.to_string())?;
        Ok(Self { records, summary })
    }

    /// The records of a type without what is about the pull and not about the directory, in order.
    fn bare(&self, kind: &str) -> BTreeSet<String> {
        bare(self.records.iter(), kind)
    }

    /// The grants, as `account entitlement`.
    fn grants(&self) -> BTreeSet<String> {
        let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
        let grants = self.records.iter().filter(|r| r["type"] == "grant");
        grants.map(|r| format!("{} {}", text(r, "account"), text(r, "entitlement"))).collect()
    }

    fn reasons(&self) -> String {
        self.summary.reasons.join("; ")
    }

    /// The record of this type whose `key` is that.
    fn one(&self, kind: &str, key: &str, value: &str) -> &Value {
        let mut found = self.records.iter().filter(|r| r["type"] == kind && r[key] == value);
        let one = found.next().unwrap_or_else(|| panic!("no {kind} whose {key} is {value}"));
        assert!(found.next().is_none(), "several {kind} whose {key} is {value}");
        one
    }
}

fn bare<'r>(records: impl Iterator<Item = &'r Value>, kind: &str) -> BTreeSet<String> {
    let of_kind = records.filter(|r| r["type"] == kind);
    of_kind
        .map(|record| {
            let mut record = record.clone();
            let fields = record.as_object_mut().unwrap();
            for about in ["evidence", "observed_at", "source", "taken_at"] {
                fields.remove(about);
            }
            record.to_string()
        })
        .collect()
}
