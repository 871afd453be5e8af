//! # insufficient-approvals
//!
//! Fewer independent people approved than the policy asks for.
//!
//! ## What it does
//! Fires on a grant with standing `approved` when the policy that its controlling request cites has
//! `min_approvers` greater than the number of distinct independent approving approvers, and there is at
//! least one of them. With none, `missing-approver` or `self-approval` speaks.
//!
//! The same person under two names, or approving twice, counts once. `min_approvers` defaults to 1.
//!
//! ## Why it matters
//! The policy asks for two pairs of eyes because one is not enough for this access. A request that passed
//! with one passed under a weaker rule than the one it cites.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that enforces the policy's number of approvers.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"policy","id":"POL-7","title":"Production databases","min_approvers":2}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-02T09:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-112","state":"approved","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"approvals":[{"approver":"bob@corp.example","decision":"approved","decided_at":"2026-05-01T12:00:00Z"}],"policy":"POL-7"}
//! ```
//! → high insufficient-approvals on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Have a further independent approver decide: on the same request if the tool allows it, else in a new
//!    one.
//! 2. If that person refuses, remove the grant.
//! 3. Set the number of approvers in the workflow to that of the policy.
//!
//! ## Settings
//! No threshold applies. The number is `min_approvers` of the policy record. Severity: high; `risk: high`
//! raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks.insufficient-approvals]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```
