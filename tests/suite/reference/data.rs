//! Checks D: requests and data.

use serde_json::Value;

use super::Finding;
use super::estate::{Estate, asks_to, decided_at, in_force, same_right, state};
use super::names::{claims, same};
use super::people;
use super::standing::is_doubtful;
use super::values::{list, text, texts};

/// Adds the findings about requests, aliases and sources.
pub fn checks(estate: &Estate, findings: &mut Vec<Finding>) {
    for &request in &estate.requests {
        if state(request) == "approved" && asks_to(request, "grant") {
            not_fulfilled(estate, request, findings);
            unreconcilable(estate, request, findings);
        }
    }
    ambiguous(estate, findings);
    sources(estate, findings);
}

/// "an approved grant request in force, decided_at + fulfilment_window ≤ now; for each access item on a system that
/// has a grant record and no incomplete or stale source of grants, and each beneficiary: that beneficiary holds no
/// grant the item covers, and no approved revoke request for them, decided at or after it, has an item whose closure
/// holds this one. One finding per item and beneficiary"
fn not_fulfilled(estate: &Estate, request: &Value, findings: &mut Vec<Finding>) {
    let Some(decided) = decided_at(request) else { return };
    if !in_force(request, estate.now) || decided + estate.threshold("fulfilment_window") > estate.now {
        return;
    }
    for (index, item) in list(request, "access").into_iter().enumerate() {
        let right = estate.item_right(item);
        let has_grant = estate
            .grants
            .iter()
            .any(|grant| same(&estate.system(text(grant, "system").unwrap()), &right.system));
        // A snapshot that names no systems speaks of all.
        let doubtful = estate.snapshots.iter().any(|snapshot| {
            let systems = texts(snapshot, "systems");
            texts(snapshot, "provides").contains(&"grant")
                && (systems.is_empty()
                    || systems.into_iter().any(|name| same(&estate.system(name), &right.system)))
                && is_doubtful(estate, snapshot)
        });
        if !has_grant || doubtful {
            continue;
        }
        let mut said: Vec<String> = Vec::new();
        for name in texts(request, "beneficiaries") {
            let person = estate.person(name);
            let holds = estate
                .grants
                .iter()
                .any(|grant| same(&estate.subject(grant), &person) && estate.item_covers(item, grant));
            let taken_back = estate.requests.iter().any(|other| {
                state(other) == "approved"
                    && asks_to(other, "revoke")
                    && estate.is_beneficiary(other, &person)
                    && decided_at(other).is_some_and(|at| at >= decided)
                    && list(other, "access").into_iter().any(|theirs| {
                        let theirs = estate.item_right(theirs);
                        same_right(&theirs, &right) || estate.closure_holds(&theirs, &right)
                    })
            });
            if holds || taken_back || said.contains(&person.shown()) {
                continue;
            }
            said.push(person.shown());
            let mut finding =
                people::request_finding(estate, request, "approval-not-fulfilled", Some(&right));
            finding.item = Some(index);
            finding.beneficiary = Some(person.shown());
            findings.push(finding);
        }
    }
}

/// "an approved grant request with no beneficiary, no access item, or an item whose system is named by no system,
/// entitlement or grant record"
fn unreconcilable(estate: &Estate, request: &Value, findings: &mut Vec<Finding>) {
    let named = |item: &Value| {
        let system = estate.system(text(item, "system").unwrap());
        let named_by =
            |record: &&Value, field: &str| same(&estate.system(text(record, field).unwrap()), &system);
        estate.systems.iter().any(|record| named_by(record, "id"))
            || estate.entitlements.iter().any(|record| named_by(record, "system"))
            || estate.grants.iter().any(|record| named_by(record, "system"))
    };
    let items = list(request, "access");
    if texts(request, "beneficiaries").is_empty() || items.is_empty() || !items.into_iter().all(named) {
        findings.push(people::request_finding(estate, request, "unreconcilable-request", None));
    }
}

/// "one alias (norm) claimed by two or more identities, or one (system, account) linked to two or more; one finding
/// per alias, given in its norm form (`SYSTEM/ACCOUNT` for a link: the system's key, the account as written; compared
/// exactly)"
fn ambiguous(estate: &Estate, findings: &mut Vec<Finding>) {
    let mut aliases: Vec<String> = Vec::new();
    for one in &estate.identities {
        for other in &estate.identities {
            if text(one, "id") == text(other, "id") {
                continue;
            }
            let theirs = claims(other);
            aliases.extend(claims(one).into_iter().filter(|name| theirs.contains(name)));
            for mine in list(one, "accounts") {
                for theirs in list(other, "accounts") {
                    let system = estate.system(text(mine, "system").unwrap());
                    if same(&system, &estate.system(text(theirs, "system").unwrap()))
                        && text(mine, "account") == text(theirs, "account")
                    {
                        aliases.push(format!("{}/{}", system.shown(), text(mine, "account").unwrap()));
                    }
                }
            }
        }
    }
    aliases.sort();
    aliases.dedup();
    for alias in aliases {
        let mut finding = people::operator_finding(estate, "ambiguous-identity");
        finding.alias = Some(alias);
        findings.push(finding);
    }
}

/// "a snapshot is not complete, or taken_at + source_max_age ≤ now"
fn sources(estate: &Estate, findings: &mut Vec<Finding>) {
    let mut named: Vec<&str> = estate
        .snapshots
        .iter()
        .filter(|snapshot| is_doubtful(estate, snapshot))
        .map(|snapshot| text(snapshot, "source").unwrap())
        .collect();
    named.sort_unstable();
    named.dedup();
    for source in named {
        let mut finding = people::operator_finding(estate, "source-incomplete");
        finding.source = Some(source.to_string());
        findings.push(finding);
    }
}
