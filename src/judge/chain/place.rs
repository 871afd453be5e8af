//! Every finding to the link that it rests on: no check fires whose link says that all is well.

use std::borrow::Cow;

use super::{link, step_of};
use crate::model::chain::{ChainFinding, Link, LinkState, Step};

/// The step that a check looks at.
pub(super) fn step(check: &str) -> Step {
    match check {
        "unapproved-grant"
        | "scope-exceeded"
        | "missing-justification"
        | "changed-after-approval"
        | "unreconcilable-request" => Step::Requested,
        "denied-grant"
        | "pending-grant"
        | "missing-approver"
        | "self-approval"
        | "insufficient-approvals"
        | "approver-not-authorised"
        | "approver-inactive"
        | "delegation-invalid"
        | "emergency-not-ratified" => Step::Approved,
        "missing-policy-basis" | "unknown-policy-basis" | "policy-violated" => Step::Policy,
        "used-after-end" | "unused-grant" | "usage-unknown" => Step::Used,
        "missing-review-date" | "review-overdue" => Step::Reviewed,
        "approval-expired" | "expiry-not-enforced" | "agent-without-expiry" | "departed-identity" => {
            Step::Ends
        }
        "revocation-failed" | "revocation-overdue" | "access-resurrected" => Step::Revoked,
        _ => Step::Provisioned,
    }
}

/// What a check says of its step: that something is missing, that nothing can be told, or that it is wrong.
fn state(check: &str) -> LinkState {
    match check {
        "unapproved-grant"
        | "pending-grant"
        | "missing-approver"
        | "insufficient-approvals"
        | "emergency-not-ratified"
        | "missing-policy-basis"
        | "missing-justification"
        | "missing-review-date"
        | "missing-owner"
        | "unused-grant"
        | "approval-not-fulfilled" => LinkState::Gap,
        "usage-unknown" => LinkState::Unknown,
        _ => LinkState::Wrong,
    }
}

/// Puts the checks that no link has taken yet to a link of their step, and sorts the links.
pub(super) fn place<'a>(links: &mut Vec<Link<'a>>, findings: &[ChainFinding<'a>]) {
    for finding in findings {
        let check: &str = &finding.check;
        if !links.iter().any(|l| l.checks.iter().any(|c| *c == check)) {
            let step = step_of(check);
            // What is missing of something of which there are several is a link of its own.
            let own = step == Step::Approved || (step == Step::Revoked && check == "access-resurrected");
            let taken = links.iter().position(|l| l.step == step).filter(|_| !own);
            let at = taken.unwrap_or_else(|| {
                links.push(link(step, LinkState::Ok, finding.message.trim_end_matches('.').to_owned()));
                links.len() - 1
            });
            if let Some(link) = links.get_mut(at) {
                take(link, check);
            }
        }
    }
    links.sort_by_key(|l| l.step);
}

/// Lets a check rest on a link.
pub(super) fn take(link: &mut Link<'_>, check: &str) {
    if !link.checks.iter().any(|c| *c == check) {
        link.checks.push(Cow::Owned(check.to_owned()));
        link.checks.sort_unstable();
    }
    link.state = link.state.max(state(check));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::checks;

    #[test]
    fn a_check_that_nobody_placed_would_be_seen() {
        let provisioned: Vec<&str> =
            checks::all().map(|c| c.name).filter(|name| step(name) == Step::Provisioned).collect();
        assert_eq!(
            provisioned,
            [
                "ambiguous-identity",
                "approval-not-fulfilled",
                "cited-ticket-invalid",
                "granted-before-approval",
                "missing-owner",
                "orphan-account",
                "ownerless-identity",
                "source-incomplete",
                "stale-approval",
            ]
        );
    }
}
