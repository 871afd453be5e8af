//! # usage-unknown
//!
//! Nobody can tell whether this high-risk access is used.
//!
//! ## What it does
//! Fires on a grant of mode `active` whose entitlement has `risk: high` when its use is not known: neither
//! the grant nor a matching `usage` record has a last use or a date since which use is tracked. It looks at
//! every standing, birthright too.
//!
//! The base severity is low, and high risk raises it by one, so it appears as medium.
//!
//! ## Why it matters
//! For the most powerful access, not looking is the finding. Without telemetry neither disuse nor misuse
//! would show.
//!
//! ## Who answers
//! - **System owner** (primary): the entitlement's owner, else the system's, else
//!   `[accountability] system_owner`; answers for monitoring the access.
//! - Also listed: approvers and workflow owner of the controlling request; the implementer where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"entitlement","system":"aws-prod","id":"AdministratorAccess","risk":"high"}
//! {"type":"grant","system":"aws-prod","account":"alice","entitlement":"AdministratorAccess","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-131","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"aws-prod","entitlement":"AdministratorAccess"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}]}
//! ```
//! → medium usage-unknown on aws-prod/alice/AdministratorAccess
//!
//! ## How to clear it
//! 1. Switch on the system's access log or last-used report.
//! 2. Configure a source that turns it into `usage` records, or map it to `last_used_at` and
//!    `usage_tracked_since`.
//! 3. If the system cannot tell, accept the finding with an end and a reason.
//!
//! ## Settings
//! No threshold applies. Severity: low, raised to medium by the risk.
//! ```toml
//! [checks.usage-unknown]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of low
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};
use crate::model::record::Mode;
use crate::model::record::Risk;

pub(super) static CHECK: Check = Check {
    name: "usage-unknown",
    title: "High-risk access without usage data",
    severity: Severity::Low,
    primary: Role::SystemOwner,
    remediation: "System owner: have the use of this system reported.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("usage_unknown.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.grant.mode == Mode::Active
        && case.moment.risk(case.held.entitlement) == Risk::High
        && !case.facts.usage.is_known()
}

fn tell(case: &Case<'_>) -> Telling {
    let (account, right) = (case.account(), case.entitlement());
    let message =
        format!("Nobody can tell whether {account} uses the high-risk {right} on {}.", case.system());
    Telling::new(message).because("no source says when it was last used, or since when use is tracked".into())
}
