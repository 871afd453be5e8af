//! Checks B: quality of the controlling request (standing approved).

use serde_json::Value;

use super::estate::{
    Estate, approving, asks_to, by_id, decided_at, end, in_force, is_gone, kind, same_right, start, state,
};
use super::names::{Key, same};
use super::standing::{base, is_of};
use super::values::{field, flag, list, norm, span, text, texts, time};

/// The checks of group B that fire for this grant and its controlling request.
pub fn checks(estate: &Estate, grant: &Value, request: &Value) -> Vec<&'static str> {
    let mut fired = Vec::new();
    approvers(estate, grant, request, &mut fired);
    policy(estate, grant, request, &mut fired);
    dates(estate, grant, request, &mut fired);
    rest(estate, grant, request, &mut fired);
    fired
}

fn approver(estate: &Estate, approval: &Value) -> Key {
    estate.person(text(approval, "approver").unwrap())
}

/// The owner of the subject, where the subject is a service or an agent.
fn subjects_owner(estate: &Estate, subject: &Key) -> Option<Key> {
    let identity = estate.identity_record(subject)?;
    if kind(identity) == "human" {
        return None;
    }
    text(identity, "owner").map(|owner| estate.person(owner))
}

/// "One is **independent** when it is not the same person as the subject, the requester, or (service, agent) the
/// subject's owner."
fn independent<'a>(estate: &Estate, grant: &Value, request: &'a Value) -> Vec<&'a Value> {
    let subject = estate.subject(grant);
    let mut involved = vec![subject.clone()];
    involved.extend(text(request, "requester").map(|name| estate.person(name)));
    involved.extend(subjects_owner(estate, &subject));
    approving(request)
        .into_iter()
        .filter(|approval| !involved.iter().any(|other| same(&approver(estate, approval), other)))
        .collect()
}

/// "no delegation from that person to the approver covers its decided_at, or that person is the subject": false.
fn delegation_is_valid(estate: &Estate, approval: &Value, principal: &Key, subject: &Key) -> bool {
    let to = approver(estate, approval);
    let covered = estate.delegations.iter().any(|delegation| {
        same(&estate.person(text(delegation, "from").unwrap()), principal)
            && same(&estate.person(text(delegation, "to").unwrap()), &to)
            && time(approval, "decided_at").is_some_and(|at| {
                time(delegation, "starts_at").unwrap() <= at
                    && time(delegation, "ends_at").is_none_or(|ends| at < ends)
            })
    });
    covered && !same(principal, subject)
}

fn on_behalf_of(estate: &Estate, approval: &Value) -> Option<Key> {
    text(approval, "on_behalf_of").map(|name| estate.person(name))
}

fn approvers(estate: &Estate, grant: &Value, request: &Value, fired: &mut Vec<&'static str>) {
    let subject = estate.subject(grant);
    let all = approving(request);
    let independent = independent(estate, grant, request);
    // "no approving approver"
    if all.is_empty() {
        fired.push("missing-approver");
    }
    // "approving approvers, none independent"
    if !all.is_empty() && independent.is_empty() {
        fired.push("self-approval");
    }
    if let Some(policy) = estate.policy_of(request) {
        // "cited policy's min_approvers > distinct independent approving approvers, of which there is at least one"
        let mut distinct: Vec<Key> = Vec::new();
        for approval in &independent {
            let person = approver(estate, approval);
            if !distinct.iter().any(|other| same(other, &person)) {
                distinct.push(person);
            }
        }
        let needed = field(policy, "min_approvers").and_then(Value::as_u64).unwrap_or(1);
        if !distinct.is_empty() && needed > distinct.len() as u64 {
            fired.push("insufficient-approvals");
        }
        // "cited policy names approvers, there is an independent approving approver, and none of them (nor, through
        // a valid delegation, the one on whose behalf they decided) satisfies a selector"
        let selectors = texts(policy, "approvers");
        let satisfied = independent.iter().any(|approval| {
            selectors.iter().any(|selector| {
                satisfies(estate, grant, &approver(estate, approval), selector)
                    || on_behalf_of(estate, approval).is_some_and(|principal| {
                        delegation_is_valid(estate, approval, &principal, &subject)
                            && satisfies(estate, grant, &principal, selector)
                    })
            })
        });
        if !selectors.is_empty() && !independent.is_empty() && !satisfied {
            fired.push("approver-not-authorised");
        }
    }
    // "an approving approver is disabled or departed, and since no later than their approval (its decided_at, else
    // the request's)"
    if all.iter().any(|approval| {
        let decided = time(approval, "decided_at").or(decided_at(request));
        estate.identity_record(&approver(estate, approval)).is_some_and(|identity| {
            is_gone(identity)
                && matches!((time(identity, "status_since"), decided), (Some(since), Some(at)) if since <= at)
        })
    }) {
        fired.push("approver-inactive");
    }
    // "an approving approval has on_behalf_of, and no delegation […] covers its decided_at, or that person is the
    // subject"
    if all.iter().any(|approval| {
        on_behalf_of(estate, approval)
            .is_some_and(|principal| !delegation_is_valid(estate, approval, &principal, &subject))
    }) {
        fired.push("delegation-invalid");
    }
}

/// "Selectors in `policy.approvers`: `identity:ID`, `group:NAME`, `manager` (of the beneficiary), `identity_owner`
/// (of a service or agent), `system_owner`, `entitlement_owner`."
fn satisfies(estate: &Estate, grant: &Value, person: &Key, selector: &str) -> bool {
    let subject = estate.subject(grant);
    let right = estate.grant_right(grant);
    let is_named = |name: Option<&str>| name.is_some_and(|name| same(&estate.person(name), person));
    if let Some(id) = selector.strip_prefix("identity:") {
        return is_named(Some(id));
    }
    if let Some(group) = selector.strip_prefix("group:") {
        return estate
            .identity_record(person)
            .is_some_and(|identity| texts(identity, "groups").into_iter().any(|g| norm(g) == norm(group)));
    }
    match selector {
        "manager" => {
            is_named(estate.identity_record(&subject).and_then(|identity| text(identity, "manager")))
        }
        "identity_owner" => subjects_owner(estate, &subject).is_some_and(|owner| same(&owner, person)),
        "system_owner" => {
            is_named(estate.system_record(&right.system).and_then(|system| text(system, "owner")))
        }
        "entitlement_owner" => {
            is_named(estate.entitlement_record(&right).and_then(|entitlement| text(entitlement, "owner")))
        }
        other => panic!("selector `{other}`"),
    }
}

fn policy(estate: &Estate, grant: &Value, request: &Value, fired: &mut Vec<&'static str>) {
    // "no policy cited"
    let Some(_) = text(request, "policy") else {
        fired.push("missing-policy-basis");
        return;
    };
    let cited = estate.policy_of(request);
    // "was not in force at decided_at (half open; with decided_at not known it counts as in force)"
    let was_in_force = |policy: &Value| {
        decided_at(request).is_none_or(|at| {
            time(policy, "in_force_from").is_none_or(|from| from <= at)
                && time(policy, "in_force_until").is_none_or(|until| at < until)
        })
    };
    // "the catalogue holds policies and the cited one is not among them, or was not in force"
    if !estate.policies.is_empty() && !cited.is_some_and(was_in_force) {
        fired.push("unknown-policy-basis");
    }
    // "the cited policy was in force, and: […]"
    let Some(policy) = cited.filter(|policy| was_in_force(policy)) else { return };
    let granted = estate.grant_right(grant);
    // "applies_to does not name the granted (system, entitlement or one whose closure holds it)"
    let applies = list(policy, "applies_to");
    let named = applies.iter().any(|entry| {
        let system = estate.system(text(entry, "system").unwrap());
        match text(entry, "entitlement") {
            None => same(&system, &granted.system),
            Some(name) => {
                let right = estate.right(&system, name);
                same_right(&right, &granted) || estate.closure_holds(&right, &granted)
            }
        }
    });
    let elsewhere = !applies.is_empty() && !named;
    // "identity_kinds excludes the subject": a subject without an identity record has no kind to exclude.
    let kinds = texts(policy, "identity_kinds");
    let excluded = !kinds.is_empty()
        && estate
            .identity_record(&estate.subject(grant))
            .is_some_and(|identity| !kinds.contains(&kind(identity)));
    // "max_ttl is set and there is no end or end − start > max_ttl"
    let too_long = span(policy, "max_ttl").is_some_and(|max| longer_than(request, max));
    if elsewhere || excluded || too_long {
        fired.push("policy-violated");
    }
}

/// "there is no end or end − start > max": an end with no known start has no known length.
fn longer_than(request: &Value, max: i64) -> bool {
    match (end(request), start(request)) {
        (None, _) => true,
        (Some(end), Some(start)) => end - start > max,
        (Some(_), None) => false,
    }
}

/// "review_due: the latest certification with decision `certified` gives next_review_by, else its decided_at +
/// policy.review_every (agent_review_every for an agent); without one, r.review_by, else decided_at + the same."
fn review_due(estate: &Estate, grant: &Value, request: &Value) -> Option<i64> {
    let is_agent = estate.identity_record(&estate.subject(grant)).is_some_and(|one| kind(one) == "agent");
    let every = if is_agent {
        Some(estate.threshold("agent_review_every"))
    } else {
        estate.policy_of(request).and_then(|policy| span(policy, "review_every"))
    };
    let latest = estate
        .certifications
        .iter()
        .filter(|one| text(one, "decision") == Some("certified") && is_of(estate, one, grant))
        .max_by_key(|one| (time(one, "decided_at"), time(one, "next_review_by")));
    match latest {
        Some(one) => time(one, "next_review_by").or_else(|| Some(time(one, "decided_at")? + every?)),
        None => time(request, "review_by").or_else(|| Some(decided_at(request)? + every?)),
    }
}

fn dates(estate: &Estate, grant: &Value, request: &Value, fired: &mut Vec<&'static str>) {
    let due = review_due(estate, grant, request);
    // "no end and no review_due"
    if end(request).is_none() && due.is_none() {
        fired.push("missing-review-date");
    }
    // "review_due ≤ now"
    if due.is_some_and(|due| due <= estate.now) {
        fired.push("review-overdue");
    }
    let granted = time(grant, "granted_at");
    let in_force_when_granted = |other: &&&Value| {
        asks_to(other, "grant")
            && state(other) == "approved"
            && granted.is_some_and(|at| in_force(other, at))
            && estate.covers(other, grant)
    };
    // "granted_at + grant_tolerance < decided_at, not an emergency, and no covering approved request was in force
    // at granted_at"
    if let (Some(granted), Some(decided)) = (granted, decided_at(request))
        && granted + estate.threshold("grant_tolerance") < decided
        && !flag(request, "emergency")
        && estate.requests.iter().filter(in_force_when_granted).count() == 0
    {
        fired.push("granted-before-approval");
    }
    // "granted_at > start + provisioning_window, and the request is the only one that covers g and was in force at
    // granted_at"
    if let (Some(granted), Some(start)) = (granted, start(request))
        && granted > start + estate.threshold("provisioning_window")
        && in_force(request, granted)
        && estate.requests.iter().filter(in_force_when_granted).count() == 1
    {
        fired.push("stale-approval");
    }
    // "end is known and g.expires_at is not, or is later than end + expiry_grace"
    if let Some(end) = end(request)
        && time(grant, "expires_at").is_none_or(|at| at > end + estate.threshold("expiry_grace"))
    {
        fired.push("expiry-not-enforced");
    }
    // "emergency, and no approving approval was decided before base + emergency_ratify_within"
    if flag(request, "emergency")
        && let Some(base) = base(grant, request)
        && !approving(request).into_iter().any(|approval| {
            time(approval, "decided_at")
                .is_some_and(|at| at < base + estate.threshold("emergency_ratify_within"))
        })
    {
        fired.push("emergency-not-ratified");
    }
}

fn rest(estate: &Estate, grant: &Value, request: &Value, fired: &mut Vec<&'static str>) {
    let right = estate.grant_right(grant);
    // "neither the entitlement nor the system has an owner"
    let entitlement_owner = estate.entitlement_record(&right).and_then(|one| text(one, "owner"));
    let system_owner = by_id(&estate.systems, &right.system).and_then(|one| text(one, "owner"));
    if entitlement_owner.is_none() && system_owner.is_none() {
        fired.push("missing-owner");
    }
    // "justification empty"
    if text(request, "justification").is_none_or(|written| written.trim().is_empty()) {
        fired.push("missing-justification");
    }
    // "a change to beneficiaries, access, system, entitlement, scope, expires_at, ttl or policy later than
    // decided_at"
    let weighty =
        ["beneficiaries", "access", "system", "entitlement", "scope", "expires_at", "ttl", "policy"];
    if list(request, "changes").into_iter().any(|change| {
        text(change, "field").is_some_and(|name| weighty.contains(&norm(name).as_str()))
            && matches!((time(change, "at"), decided_at(request)), (Some(at), Some(decided)) if at > decided)
    }) {
        fired.push("changed-after-approval");
    }
    // "subject is an agent, and no end or end − start > agent_max_ttl"
    if estate.identity_record(&estate.subject(grant)).is_some_and(|one| kind(one) == "agent")
        && longer_than(request, estate.threshold("agent_max_ttl"))
    {
        fired.push("agent-without-expiry");
    }
}
