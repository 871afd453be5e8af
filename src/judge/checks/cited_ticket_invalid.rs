//! # cited-ticket-invalid
//!
//! The grant cites a ticket that does not cover it.
//!
//! ## What it does
//! Fires when a grant names a `ticket` and no request with that id covers the grant. Ids are compared
//! without regard to case and surrounding space.
//!
//! The ticket may not exist, or be about another person, system, entitlement or scope. A covering request
//! of any state satisfies this check; its state is for other checks to judge. The check looks at every
//! standing but `unknown`: while the requests are incomplete, a missing ticket proves nothing.
//!
//! ## Why it matters
//! A ticket number on a grant is taken as proof by everybody who reads it. A wrong one is worse than none:
//! it may be a typing error, or a closed ticket reused as cover.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for granting on a true basis.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z","ticket":"SEC-999"}
//! {"type":"request","source":"jira","id":"SEC-109","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → high cited-ticket-invalid on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Open the cited ticket and compare person, system, entitlement and scope.
//! 2. If the number is wrong, correct the tag or description on the grant.
//! 3. If there is no right number, treat the grant as unapproved: remove it, or file a request.
//!
//! ## Settings
//! No threshold applies. Severity: high; `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.cited-ticket-invalid]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::Standing;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "cited-ticket-invalid",
    title: "The ticket on the grant does not cover it",
    severity: Severity::High,
    primary: Role::SystemOwner,
    remediation: "System owner: correct the ticket on the grant; if there is no right one, remove the grant.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("cited_ticket_invalid.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.grant.ticket.is_some() && !case.facts.ticket_covers && case.standing() != Standing::Unknown
}

fn tell(case: &Case<'_>) -> Telling {
    let ticket = case.grant.ticket.map_or("", |t| case.text(t));
    let message = format!(
        "The grant of {} to {} cites ticket {ticket}, which does not cover it.",
        case.right(),
        case.account()
    );
    Telling::new(message).because(format!("no request with the id {ticket} covers the grant"))
}
