//! # agent-without-expiry
//!
//! An agent holds access without an end, or for too long.
//!
//! ## What it does
//! Fires on a grant with standing `approved` whose subject is an identity of kind `agent` when its
//! controlling request has no end, or end − start is longer than `agent_max_ttl` (exactly that long is
//! allowed).
//!
//! Start is `valid_from`, else the decision; end is `expires_at`, else start plus `ttl`.
//!
//! ## Why it matters
//! An agent acts by itself, fast, and on input from others. Its task is short; access that outlasts the
//! task is power waiting for a bad instruction.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that gives agents an end by default.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"agent-triage@corp.example","kind":"agent","owner":"carol@corp.example"}
//! {"type":"identity","id":"carol@corp.example","aliases":["carol"]}
//! {"type":"grant","system":"github","account":"agent-triage@corp.example","entitlement":"repo-write","granted_at":"2026-05-25T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-128","state":"approved","beneficiaries":["agent-triage@corp.example"],"access":[{"system":"github","entitlement":"repo-write"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-24T12:00:00Z"}]}
//! ```
//! → high agent-without-expiry on github/agent-triage@corp.example/repo-write
//!
//! ## How to clear it
//! 1. Ask the agent's owner what the task is and until when.
//! 2. File a request with an end within `agent_max_ttl`, and renew it while the task goes on.
//! 3. Set the end on the grant as well.
//!
//! ## Settings
//! `agent_max_ttl` (default `P30D`): the longest term of an approval for an agent. Severity: high;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! agent_max_ttl = "P30D"
//! [checks.agent-without-expiry]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{Case, Telling};
use crate::model::finding::{Role, Severity};
use crate::model::record::Kind;

pub(super) static CHECK: Check = Check {
    name: "agent-without-expiry",
    title: "Agent with open-ended access",
    severity: Severity::High,
    primary: Role::WorkflowOwner,
    remediation: "Workflow owner: have a term within the limit approved, and make it the default for agents.",
    rule: Rule::Grant { fires, tell },
    page: include_str!("agent_without_expiry.rs"),
};

fn fires(case: &Case<'_>) -> bool {
    case.approved().is_some_and(|(_, asked)| {
        let limit = case.thresholds().agent_max_ttl;
        case.kind() == Some(Kind::Agent)
            && (asked.end.is_none() || asked.length().is_some_and(|length| length > limit))
    })
}

fn tell(case: &Case<'_>) -> Telling {
    let limit = case.thresholds().agent_max_ttl;
    let term = case
        .request
        .and_then(|(_, asked)| asked.end.and(asked.length()))
        .map_or("no end".to_owned(), |length| format!("a term of {length}, more than the {limit} allowed"));
    let (subject, right, request) = (case.person(case.subject()), case.right(), case.request_id());
    let message = format!("Agent {subject} holds {right} under {request}, which has {term}.");
    Telling::new(message)
        .because(format!("an agent's approval may run for {limit} at most; this one has {term}"))
        .resting_on(case.identity().map(|(i, _)| i.origin))
}
