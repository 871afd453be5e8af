//! # approver-inactive
//!
//! An approver was already disabled or gone when the approval was given.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when an approving approver of its controlling request is
//! `disabled` or `departed`, and has been since no later than the approval: `status_since` is at or before
//! the approval's `decided_at`, else the request's.
//!
//! Somebody who left after deciding is no concern here: the decision stands.
//!
//! ## Why it matters
//! A person who had left cannot have decided. Either the account was used by somebody else, or the tool
//! approves in the name of whoever sits in a field; both break the chain.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path in which only active people decide.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"identity","id":"bob@corp.example","aliases":["bob"],"status":"departed","status_since":"2026-04-30T00:00:00Z"}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-114","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → high approver-inactive on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Find out who acted under the approver's name; if nobody can say, treat it as a security incident.
//! 2. Have an active, authorised person decide the access in a new request, or remove the grant.
//! 3. Remove leavers from the workflow's approver lists, and close their accounts in the ticket system.
//!
//! ## Settings
//! No threshold applies; `leaver_grace` is for the leaver's own access (`departed-identity`), not for
//! decisions. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.approver-inactive]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::Approving;
use crate::judge::case::is_gone;
use crate::judge::case::{Case, Telling};
use crate::judge::estate::IdentityRow;
use crate::judge::world::World;
use crate::model::Instant;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "approver-inactive",
    title: "Approved by somebody who had left",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: find out who acted under that name, and have an active approver decide anew.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("approver_inactive.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some() && inactive(case).next().is_some()
}

/// The approvers who had left when they approved, and since when.
fn inactive<'m>(case: &Case<'m>) -> impl Iterator<Item = (Approving<'m>, &'m IdentityRow, Instant)> {
    let case = *case;
    case.approving().filter_map(move |a| {
        let (identity, since) = gone(case.world(), &a, case.decided_at())?;
        Some((a, identity, since))
    })
}

/// The approver, and since when they had left when they approved; nothing where they had not.
pub(in crate::judge) fn gone<'w>(
    world: &'w World,
    a: &Approving<'_>,
    decided_at: Option<Instant>,
) -> Option<(&'w IdentityRow, Instant)> {
    let (identity, _) = world.identity(a.approver).filter(|(i, _)| is_gone(i))?;
    let (since, approved) = (identity.status_since?, a.row.decided_at.or(decided_at)?);
    (since <= approved).then_some((identity, since))
}

fn tell(case: &Case<'_>) -> Telling {
    let mut telling = Telling::default();
    for (a, identity, since) in inactive(case) {
        let (who, status) = (case.person(a.approver), identity.status.as_str());
        if telling.message.is_empty() {
            telling.message =
                format!("{} was approved by {who}, who was {status} since {since}.", case.ticket_for());
        }
        telling =
            telling.because(format!("{who} was {status} since {since}")).resting_on(Some(identity.origin));
    }
    telling
}
