//! # source-incomplete
//!
//! A source broke off or is out of date, so absence proves nothing.
//!
//! ## What it does
//! Fires for each source whose snapshot is not `complete`, or whose `taken_at` plus `source_max_age` is at
//! or before now. Without any snapshot record every source counts as complete and fresh.
//!
//! While a source that provides requests is in this state, grants that nothing explains have the standing
//! `unknown` instead of `unapproved`; for a source of grants, `approval-not-fulfilled` passes over its
//! systems.
//!
//! ## Why it matters
//! Half an export looks like a clean one: what is missing raises no alarm. Saying that the picture is not
//! whole is the condition for trusting it when it is.
//!
//! ## Who answers
//! - **Operator** (primary, and alone): `[accountability] operator`; answers for sources that are complete
//!   and fresh.
//!
//! ## Example
//! ```json
//! {"type":"snapshot","source":"jira","taken_at":"2026-05-31T23:00:00Z","complete":false,"provides":["request"],"reason":"page 7: HTTP 503"}
//! ```
//! → high source-incomplete on source jira
//!
//! ## How to clear it
//! 1. Read the `reason` of the snapshot.
//! 2. Pull the source again, in smaller parts if it has a limit on rows.
//! 3. If rows were skipped as bad, look at the reject file and correct them.
//! 4. If the source is simply read more rarely, raise `source_max_age`.
//!
//! ## Settings
//! `source_max_age` (default `P1D`): the age at which a snapshot counts as stale. Severity: high.
//! ```toml
//! [checks]
//! source_max_age = "P1D"
//! [checks.source-incomplete]
//! enabled = true       # false switches the check off
//! severity = "medium"  # instead of high
//! ```

use super::{Check, Rule};
use crate::judge::case::{SourceCase, Telling};
use crate::judge::estate::SnapshotRow;
use crate::model::finding::{Role, Severity};

pub(super) static CHECK: Check = Check {
    name: "source-incomplete",
    title: "Source incomplete or out of date",
    severity: Severity::High,
    primary: Role::Operator,
    remediation: "Operator: pull the source again, completely, and correct what stopped it.",
    rule: Rule::Source { fires, tell },
    page: include_str!("source_incomplete.rs"),
};

fn fires(case: &SourceCase<'_>) -> bool {
    case.snapshots().any(|s| !s.complete || is_stale(case, s))
}

fn is_stale(case: &SourceCase<'_>, s: &SnapshotRow) -> bool {
    s.taken_at.plus(case.moment.thresholds().source_max_age) <= case.moment.now
}

fn tell(case: &SourceCase<'_>) -> Telling {
    let mut reasons: Vec<String> = vec![];
    for s in case.snapshots() {
        if !s.complete {
            let why = s.reason.map(|r| format!(": {}", case.text(r))).unwrap_or_default();
            reasons.push(format!("is not complete{why}"));
        } else if is_stale(case, s) {
            reasons.push(format!("was last read {}", s.taken_at));
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    let message = format!(
        "Source {} {}; what it does not show proves nothing.",
        case.text(case.source),
        reasons.join("; it ")
    );
    let telling = reasons.into_iter().fold(Telling::new(message), Telling::because);
    case.snapshots().fold(telling, |telling, s| telling.resting_on(Some(s.origin)))
}
