//! What whoever enforces is to do next, where they showed an approval and the answer is no all the same.
//!
//! An approval is looked up among the requests that the sources have told of, by its id, or as SOURCE:ID. It is never believed
//! beyond that: what it carries besides its id (`state`) is not read.

use super::super::ask::Presented;
use super::super::held::{Fresh, Held};
use crate::model::Instant;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for access anew.
    Request,
    /// Ask for a decision again, a little later.
    Retry,
    /// Nothing: it will not become a yes by itself.
    None,
}

impl Next {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Retry => "retry",
            Self::None => "none",
        }
    }
}

/// What to do next, and the reason in the words of the draft where it has one. `decides` is the request that the grant was
/// judged by.
pub(super) fn after(
    presented: &Presented,
    reason: &'static str,
    decides: Option<(&str, &str)>,
    held: &Held,
    fresh: Option<&Fresh>,
    now: Instant,
) -> (Next, &'static str) {
    match reason {
        "not-fresh" | "changing" | "unknown" => return (Next::Retry, reason),
        "not-understood" => return (Next::None, reason),
        _ => {}
    }
    let Some(id) = presented.id.as_deref() else { return (Next::None, "approval_unverifiable") };
    if presented.approved_until.is_some_and(|until| until <= now) {
        return (Next::Request, "approval_expired");
    }
    if !held.knows(id) {
        // Given after the sources were read, it is not known yet.
        let oldest = fresh.and_then(|fresh| fresh.oldest);
        let since = presented.approved_at.is_none_or(|at| oldest.is_none_or(|oldest| at >= oldest));
        return (if since { Next::Retry } else { Next::None }, "approval_unverifiable");
    }
    let same = decides.is_some_and(|(source, own)| {
        own == id || id.strip_prefix(source).and_then(|rest| rest.strip_prefix(':')) == Some(own)
    });
    match reason {
        "expired" | "revoked" if same => (Next::Request, "approval_expired"),
        // It is approved, and nobody has given it yet, or it is about something else: which of the two is not looked at.
        "no-such-grant" | "pending" => (Next::Retry, reason),
        _ => (Next::Request, "out_of_scope"),
    }
}
