//! Severity and the people who answer for a finding.

use serde_json::Value;

use super::Finding;
use super::estate::{Estate, Right, approving, decided_at, end, grant_key, request_key};
use super::standing::Stand;
use super::usage::use_of;
use super::values::text;

/// The severity and the primary role the tables give to each check.
fn table(check: &str) -> (&'static str, &'static str) {
    const AP: &str = "approver";
    const WO: &str = "workflow_owner";
    const SO: &str = "system_owner";
    const OP: &str = "operator";
    match check {
        "unapproved-grant" => ("high", SO),
        "denied-grant" => ("critical", SO),
        "pending-grant" => ("high", SO),
        "scope-exceeded" => ("high", SO),
        "approval-expired" => ("high", SO),
        "revocation-failed" => ("critical", SO),
        "revocation-overdue" => ("high", SO),
        "access-resurrected" => ("critical", SO),
        "cited-ticket-invalid" => ("high", SO),
        "missing-approver" => ("high", WO),
        "self-approval" => ("high", AP),
        "insufficient-approvals" => ("high", WO),
        "approver-not-authorised" => ("high", WO),
        "approver-inactive" => ("high", WO),
        "delegation-invalid" => ("high", AP),
        "missing-policy-basis" => ("medium", AP),
        "unknown-policy-basis" => ("medium", AP),
        "policy-violated" => ("high", AP),
        "missing-review-date" => ("medium", WO),
        "review-overdue" => ("medium", SO),
        "missing-owner" => ("medium", WO),
        "missing-justification" => ("low", AP),
        "changed-after-approval" => ("high", WO),
        "granted-before-approval" => ("medium", SO),
        "stale-approval" => ("medium", SO),
        "expiry-not-enforced" => ("low", SO),
        "emergency-not-ratified" => ("high", WO),
        "agent-without-expiry" => ("high", WO),
        "used-after-end" => ("critical", SO),
        "unused-grant" => ("medium", SO),
        "usage-unknown" => ("low", SO),
        "departed-identity" => ("critical", SO),
        "orphan-account" => ("high", SO),
        "ownerless-identity" => ("high", SO),
        "approval-not-fulfilled" => ("low", SO),
        "unreconcilable-request" => ("medium", WO),
        "ambiguous-identity" => ("medium", OP),
        "source-incomplete" => ("high", OP),
        other => panic!("no check `{other}`"),
    }
}

/// Every check of the tables, in their order.
pub const CHECKS: [&str; 38] = [
    "unapproved-grant",
    "denied-grant",
    "pending-grant",
    "scope-exceeded",
    "approval-expired",
    "revocation-failed",
    "revocation-overdue",
    "access-resurrected",
    "cited-ticket-invalid",
    "missing-approver",
    "self-approval",
    "insufficient-approvals",
    "approver-not-authorised",
    "approver-inactive",
    "delegation-invalid",
    "missing-policy-basis",
    "unknown-policy-basis",
    "policy-violated",
    "missing-review-date",
    "review-overdue",
    "missing-owner",
    "missing-justification",
    "changed-after-approval",
    "granted-before-approval",
    "stale-approval",
    "expiry-not-enforced",
    "emergency-not-ratified",
    "agent-without-expiry",
    "used-after-end",
    "unused-grant",
    "usage-unknown",
    "departed-identity",
    "orphan-account",
    "ownerless-identity",
    "approval-not-fulfilled",
    "unreconcilable-request",
    "ambiguous-identity",
    "source-incomplete",
];

/// "Severity steps: low, medium, high, critical; `risk: high` on the entitlement raises by one, `risk: low` lowers
/// by one, within the scale." A configured severity stands in for the table's, before the steps.
fn severity(estate: &Estate, check: &str, right: Option<&Right>) -> String {
    const STEPS: [&str; 4] = ["low", "medium", "high", "critical"];
    let base = estate.severity(check).unwrap_or(table(check).0);
    let at = STEPS.iter().position(|step| *step == base).unwrap();
    let risk = right.and_then(|right| estate.entitlement_record(right)).and_then(|one| text(one, "risk"));
    let at = match risk {
        Some("high") => (at + 1).min(3),
        Some("low") => at.saturating_sub(1),
        _ => at,
    };
    STEPS[at].to_string()
}

fn person(estate: &Estate, name: &str) -> String {
    estate.person(name).shown()
}

fn configured(estate: &Estate, role: &str) -> Option<String> {
    let people = estate.config.get("accountability")?;
    text(people, role).map(|name| person(estate, name))
}

/// "Approver, workflow owner and system owner are always listed […]; a role nobody fills has `identity: null`".
fn accountable(
    estate: &Estate,
    check: &str,
    request: Option<&Value>,
    right: Option<&Right>,
    implementer: Option<&str>,
) -> Vec<(String, Option<String>, bool)> {
    let mut roles: Vec<(&str, Option<String>)> = Vec::new();
    // "AP: the controlling request's approving approvers."
    let approvals = request.map(approving).unwrap_or_default();
    for approval in &approvals {
        roles.push(("approver", text(approval, "approver").map(|name| person(estate, name))));
    }
    if approvals.is_empty() {
        roles.push(("approver", None));
    }
    // "WO: owner of the request's workflow, else `[accountability] workflow_owner`."
    let owner = request
        .and_then(|request| estate.workflow_of(request))
        .and_then(|workflow| text(workflow, "owner"))
        .map(|name| person(estate, name));
    roles.push(("workflow_owner", owner.or(configured(estate, "workflow_owner"))));
    // "SO: the entitlement's owner, else the system's, else `[accountability] system_owner`."
    let entitlement = right.and_then(|right| estate.entitlement_record(right));
    let system = right.and_then(|right| estate.system_record(&right.system));
    let owner = entitlement
        .and_then(|one| text(one, "owner"))
        .or(system.and_then(|one| text(one, "owner")))
        .map(|name| person(estate, name));
    roles.push(("system_owner", owner.or(configured(estate, "system_owner"))));
    // "Never primary, listed where known: the implementer (g.granted_by)"
    if let Some(name) = implementer {
        roles.push(("implementer", Some(person(estate, name))));
    }
    let mut listed: Vec<_> =
        roles.into_iter().map(|(role, who)| (role.to_string(), who, role == table(check).1)).collect();
    listed.sort();
    listed.dedup();
    listed
}

pub fn grant_finding(estate: &Estate, grant: &Value, stand: &Stand, check: &str) -> Finding {
    let right = estate.grant_right(grant);
    Finding {
        check: check.to_string(),
        severity: severity(estate, check, Some(&right)),
        standing: Some(stand.name.to_string()),
        grant: Some(grant_key(grant)),
        request: stand.controlling.map(request_key),
        alias: None,
        source: None,
        item: None,
        beneficiary: None,
        accountable: accountable(estate, check, stand.controlling, Some(&right), text(grant, "granted_by")),
        id: String::new(),
        times: [
            stand.controlling.and_then(decided_at),
            stand.controlling.and_then(end),
            use_of(estate, grant).0,
        ],
    }
}

/// A finding about a request; with the right of the item it speaks of, where it speaks of one.
pub fn request_finding(estate: &Estate, request: &Value, check: &str, right: Option<&Right>) -> Finding {
    Finding {
        check: check.to_string(),
        severity: severity(estate, check, right),
        standing: None,
        grant: None,
        request: Some(request_key(request)),
        alias: None,
        source: None,
        item: None,
        beneficiary: None,
        accountable: accountable(estate, check, Some(request), right, None),
        id: String::new(),
        times: [decided_at(request), end(request), None],
    }
}

/// "(operator alone for findings about sources and aliases)"
pub fn operator_finding(estate: &Estate, check: &str) -> Finding {
    Finding {
        check: check.to_string(),
        severity: severity(estate, check, None),
        standing: None,
        grant: None,
        request: None,
        alias: None,
        source: None,
        item: None,
        beneficiary: None,
        accountable: vec![("operator".to_string(), configured(estate, "operator"), true)],
        id: String::new(),
        times: [None; 3],
    }
}
