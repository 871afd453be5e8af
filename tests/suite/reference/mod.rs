//! A slow second reading of `spec/records.md` and `spec/checks.md`, written to disagree with the fast judge.
//!
//! It reads JSON values, loops over everything and keeps no index, so that each piece can be held against the
//! sentence of the specification quoted above it. Nothing here is shared with the product: names, times,
//! durations, duplicates and order are read anew. `estates` makes small dense estates from a seed; `conformance`
//! holds this reading against the published cases; `spread` shows that the estates are not blind.
#![allow(
    clippy::collapsible_if,
    clippy::collapsible_match,
    clippy::needless_range_loop,
    reason = "it follows the sentences of the specification, one by one"
)]

mod authority;
mod compare;
mod conformance;
mod corners;
mod data;
mod estate;
pub mod estates;
mod histories;
mod moments;
mod names;
mod people;
pub mod product;
pub mod properties;
mod quality;
mod show;
mod spread;
mod standing;
mod usage;
pub mod values;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub use self::conformance::cases;
use self::estate::Estate;

/// The key of a grant: the texts its record carries, as written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GrantKey {
    pub system: String,
    pub account: String,
    pub entitlement: String,
    pub scope: Option<String>,
    pub path: Vec<(Option<String>, String)>,
}

/// One finding, reduced to what the specification fixes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    pub check: String,
    pub severity: String,
    pub standing: Option<String>,
    pub grant: Option<GrantKey>,
    /// Source and id.
    pub request: Option<(String, String)>,
    pub alias: Option<String>,
    pub source: Option<String>,
    pub item: Option<usize>,
    pub beneficiary: Option<String>,
    /// Role, person, primary; sorted.
    pub accountable: Vec<(String, Option<String>, bool)>,
    /// `f1:` and the hash of what the finding is about.
    pub id: String,
    /// The request's decided_at and end, and the grant's merged last use.
    pub times: [Option<i64>; 3],
}

impl Finding {
    /// "`id` is `f1:` + lower-case hex SHA-256 of the RFC 8785 JSON of `[check, system, account, entitlement, scope,
    /// path entitlements…]` for a grant, `[check, source, request id, item index or null, beneficiary or null]` for a
    /// request, `[check, alias]`, `[check, source]`"
    fn named(mut self) -> Finding {
        let mut about = vec![json!(self.check)];
        if let Some(grant) = &self.grant {
            about.extend([
                json!(grant.system),
                json!(grant.account),
                json!(grant.entitlement),
                json!(grant.scope),
            ]);
            about.extend(grant.path.iter().map(|(_, entitlement)| json!(entitlement)));
        } else if let Some((source, id)) = &self.request {
            about.extend([json!(source), json!(id), json!(self.item), json!(self.beneficiary)]);
        } else {
            about.push(json!(self.alias.as_ref().or(self.source.as_ref())));
        }
        let digest = Sha256::digest(Value::from(about).to_string());
        self.id = digest.iter().fold("f1:".to_string(), |text, byte| format!("{text}{byte:02x}"));
        self
    }
}

/// What is said of one grant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    pub grant: GrantKey,
    /// The key the subject resolves to; an ambiguous account in its norm form, as people are shown.
    pub subject: String,
    pub standing: String,
    pub verdict: String,
    /// Source and id of the controlling request.
    pub request: Option<(String, String)>,
}

/// Findings and verdicts, each sorted, so that two outcomes compare as sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub findings: Vec<Finding>,
    pub verdicts: Vec<Verdict>,
}

/// "Pure and deterministic: a function of (records, configuration, `now`)."
pub fn judge(records: &[Value], config: &Value, now: &str) -> Outcome {
    let kept = values::without_duplicates(records);
    let estate = Estate::new(&kept, config, values::instant(now));
    let mut out = Outcome::default();
    for &grant in &estate.grants {
        let stand = standing::of(&estate, grant);
        let mut fired: Vec<&str> = Vec::new();
        fired.extend(authority::checks(&estate, grant, &stand));
        if stand.name == "approved" {
            fired.extend(quality::checks(&estate, grant, stand.controlling.unwrap()));
        }
        if let Some(instead) = authority::pending_emergency(&estate, grant, &stand) {
            fired.push(instead);
        }
        fired.extend(usage::checks(&estate, grant, &stand));
        for check in fired {
            if estate.enabled(check) {
                out.findings.push(people::grant_finding(&estate, grant, &stand, check));
            }
        }
        out.verdicts.push(Verdict {
            grant: estate::grant_key(grant),
            subject: estate.subject(grant).shown(),
            standing: stand.name.to_string(),
            verdict: standing::verdict(stand.name).to_string(),
            request: stand.controlling.map(estate::request_key),
        });
    }
    data::checks(&estate, &mut out.findings);
    out.findings.retain(|finding| estate.enabled(&finding.check));
    out.findings = out.findings.into_iter().map(Finding::named).collect();
    out.findings.sort();
    out.verdicts.sort();
    out
}
