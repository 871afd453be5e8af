//! # approval-not-fulfilled
//!
//! Access was approved and never given.
//!
//! ## What it does
//! Fires on an approved grant request in force whose decision plus `fulfilment_window` is at or before now:
//! for each access item and each beneficiary, when that beneficiary holds no grant that the item covers,
//! and no approved revoke request for them, decided at or after it, has an item whose closure holds this
//! one. One finding per item and beneficiary.
//!
//! Items on a system without any grant record, or with an incomplete or stale source of grants, are passed
//! over.
//!
//! ## Why it matters
//! Either somebody waits for access they need, or it was given under another name and is now unaccounted
//! for. An open approval can also be drawn on later, when the need is gone.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for carrying out what was approved.
//! - Also listed: the approvers of the request and the workflow owner.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"identity","id":"bob@corp.example","aliases":["bob"]}
//! {"type":"grant","system":"pg-prod","account":"bob","entitlement":"read","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-135","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"carol@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → low approval-not-fulfilled on request jira/SEC-135
//!
//! ## How to clear it
//! 1. Ask the beneficiary whether the access is still needed.
//! 2. If it is, grant it. If it was given under another name, correct the alias or the account link.
//! 3. If it is not, cancel the request, or have a revoke request approved.
//!
//! ## Settings
//! `fulfilment_window` (default `P7D`): the time allowed from the decision to the grant. Severity: low.
//! ```toml
//! [checks]
//! fulfilment_window = "P7D"
//! [checks.approval-not-fulfilled]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of low
//! ```

use super::{Accuse, Check, Rule, is_approved_grant};
use crate::judge::case::at;
use crate::judge::case::{RequestCase, Telling};
use crate::judge::names::Key;
use crate::judge::world::{Item, fulfilled};
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "approval-not-fulfilled",
    title: "Approved access was never given",
    severity: Severity::Low,
    primary: Role::SystemOwner,
    remediation: "System owner: give the access if it is still needed, or have the request cancelled.",
    rule: Rule::Request { fires, tell },
    page: include_str!("approval_not_fulfilled.rs"),
};

fn fires(case: &RequestCase<'_>, found: &mut Accuse<'_>) {
    let (moment, world) = (case.moment, case.moment.world);
    let due = case.asked.decided_at.map(|t| t.plus(moment.thresholds().fulfilment_window));
    if !is_approved_grant(case)
        || !case.asked.in_force_at(moment.now)
        || due.is_none_or(|due| due > moment.now)
    {
        return;
    }
    for (number, item) in (0..).zip(case.items()) {
        let seen = world.systems_held.contains_key(&item.system) && !moment.grants_doubtful(item.system);
        if !seen {
            continue;
        }
        let mut people = case.beneficiaries().to_vec();
        people.sort_unstable();
        people.dedup();
        for who in people {
            let held = who.certain().is_some_and(|who| {
                fulfilled(&world.estate.names, &world.closures, &world.holdings, who, item)
                    || revoked(case, who, item)
            });
            if !held {
                found(Some(number), Some(who));
            }
        }
    }
}

/// Whether an approved request, decided no earlier, took this from them again.
pub(in crate::judge) fn revoked(case: &RequestCase<'_>, who: Key, item: &Item) -> bool {
    let world = case.moment.world;
    let Some(entitlement) = item.entitlement else { return false };
    let containers = world.closures.containers(entitlement).iter().map(|(container, _)| *container);
    let taken = |whole| world.taken.get(&(who, whole)).copied();
    [entitlement]
        .into_iter()
        .chain(containers)
        .any(|whole| taken(whole) >= case.asked.decided_at && taken(whole).is_some())
}

fn tell(case: &RequestCase<'_>, item: Option<u32>, beneficiary: Option<Key>) -> Telling {
    let item =
        item.and_then(|i| case.request.access.within(&case.moment.world.estate.pools.items).get(i as usize));
    let right = item.map_or("not known".to_owned(), |i| {
        format!("{} on {}", case.text(i.entitlement), case.text(i.system))
    });
    let who = beneficiary.map_or("not known", |b| case.moment.world.person(b));
    let decided = at(case.asked.decided_at);
    let message =
        format!("Request {} approved {right} for {who} on {decided}, and it was not given.", case.id());
    let window = case.moment.thresholds().fulfilment_window;
    Telling::new(message)
        .because(format!("decided {decided}, and {who} holds nothing it covers after {window}"))
}
