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
