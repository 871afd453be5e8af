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
