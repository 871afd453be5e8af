//! # emergency-not-ratified
//!
//! Emergency access was not approved afterwards within the time allowed.
//!
//! ## What it does
//! Fires when the controlling request has `emergency` set and no approving approval was decided before base
//! plus `emergency_ratify_within`, where base is the grant's `granted_at`, else the request's
//! `requested_at`:
//! - with standing `approved`: the approval came too late (an approval exactly at the limit is late);
//! - with standing `pending`: the limit has been reached and nobody has decided. It then fires in place of
//!   `pending-grant`.
//!
//! Before the limit a pending emergency request gives the standing `emergency`, which is justified.
//!
//! ## Why it matters
//! If nobody looks at break-glass access afterwards, it becomes the path without approval.
//!
//! ## Who answers
//! - **Workflow owner** (primary): the owner of the request's workflow, else
//!   `[accountability] workflow_owner`; answers for a path that brings emergency access before an approver.
//! - Also listed: approvers of the request, system owner; the implementer (`granted_by`) where known.
//!
//! ## Example
//! ```json
//! {"type":"identity","id":"alice@corp.example","aliases":["alice"]}
//! {"type":"grant","system":"pg-prod","account":"alice","entitlement":"admin","granted_at":"2026-05-30T20:00:00Z"}
//! {"type":"request","source":"jira","id":"SEC-127","state":"pending","beneficiaries":["alice@corp.example"],"access":[{"system":"pg-prod","entitlement":"admin"}],"requested_at":"2026-05-30T19:55:00Z","emergency":true}
//! ```
//! → high emergency-not-ratified on pg-prod/alice/admin
//!
//! ## How to clear it
//! 1. Remove the access if the emergency is over.
//! 2. Have an authorised approver decide now what was done, and record it on the request.
//! 3. A late approval stays late: remove the grant, or accept the finding with an end and a reason.
//!
//! ## Settings
//! `emergency_ratify_within` (default `P1D`): the time allowed for the approval afterwards. Severity: high;
//! `risk: high` raises it a step, `risk: low` lowers it.
//! ```toml
//! [checks]
//! emergency_ratify_within = "P1D"
//! [checks.emergency-not-ratified]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```
