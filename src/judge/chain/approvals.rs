//! Who decided: one link for each approval, with what stands for it and against it.

use super::place::take;
use super::{Scribe, With, bounded, link};
use crate::judge::case::{Approving, Bond, Case, at};
use crate::judge::checks::{self, Rule, approver_inactive, insufficient_approvals};
use crate::judge::estate::{ApprovalRow, RequestRow, Sym};
use crate::judge::world::{Asked, Policy, Say, Selector};
use crate::model::chain::{ChainFinding, Link, LinkState, Step};
use crate::model::record::{Decision, State};

/// The request that carries something, or would, looked at as if it did.
pub(super) struct Carried<'a, 'c> {
    pub(super) request: &'a RequestRow,
    pub(super) asked: &'a Asked,
    /// As if the standing were `approved` by this request: what the checks of its quality look at.
    pub(super) case: Case<'c>,
    /// Those checks that fire on it then.
    fires: Vec<&'static str>,
    /// What was found.
    found: &'c [ChainFinding<'a>],
}

impl<'a, 'c> Carried<'a, 'c> {
    /// `case` is one as if the request had given the standing `approved`.
    pub(super) fn new(
        (request, asked): (&'a RequestRow, &'a Asked),
        case: Case<'c>,
        found: &'c [ChainFinding<'a>],
    ) -> Self {
        let fires = if request.state == State::Approved { quality(&case) } else { vec![] };
        Self { request, asked, case, fires, found }
    }

    /// How many of the checks of its quality fire.
    pub(super) fn faults(&self) -> usize {
        self.fires.len()
    }

    /// Whether a check would fire if this request carried what is held.
    pub(super) fn is_faulty(&self, check: &str) -> bool {
        self.fires.contains(&check)
    }

    /// Lets a link say what a check says, where it fires.
    pub(super) fn mark(&self, link: &mut Link<'a>, check: &str) {
        if self.found.iter().any(|f| f.check == check) {
            take(link, check);
        } else if self.is_faulty(check) {
            let kept = std::mem::take(&mut link.checks);
            take(link, check);
            link.checks = kept;
        }
    }
}

/// The checks of a request's quality that fire on a case.
fn quality(case: &Case<'_>) -> Vec<&'static str> {
    let looks_at_request = |name: &str| {
        matches!(super::step_of(name), Step::Requested | Step::Approved | Step::Policy | Step::Reviewed)
            || name == "agent-without-expiry"
    };
    let fires = checks::all().filter(|check| match check.rule {
        Rule::Grant { fires, .. } => looks_at_request(check.name) && fires(case),
        _ => false,
    });
    fires.map(|check| check.name).collect()
}

impl<'a> Scribe<'a> {
    /// The links of the decision.
    pub(super) fn approvals(&self, c: &Carried<'a, '_>) -> Vec<Link<'a>> {
        let span = c.request.approvals;
        let (rows, says) =
            (span.within(&self.world.estate.pools.approvals), span.within(&self.world.approvals));
        let mut sorted: Vec<(&'a ApprovalRow, &'a Say)> = rows.iter().zip(says).collect();
        sorted.sort_by_key(|(row, _)| {
            let name = |s: Option<Sym>| s.map(|s| self.text(s));
            (row.decided_at.is_none(), row.decided_at, name(row.approver), name(row.on_behalf_of))
        });
        let links = sorted.into_iter().map(|(row, say)| match (row.decision, say.approver) {
            (Decision::Approved, Some(approver)) => {
                self.approval(c, Approving { row, approver, on_behalf_of: say.on_behalf_of })
            }
            _ => self.other_decision(c, row, say),
        });
        let mut links = bounded(Step::Approved, links.collect(), "decisions");
        self.whole(c, &mut links);
        links
    }

    /// What is to be said of the decision as a whole.
    fn whole(&self, c: &Carried<'a, '_>, links: &mut Vec<Link<'a>>) {
        let id = self.text(c.request.id);
        let mut add = |state, what: String, checks: &[&str]| {
            let mut l = link(Step::Approved, state, what);
            l.evidence = self.evidence([c.request.origin]);
            checks.iter().for_each(|check| c.mark(&mut l, check));
            links.push(l);
        };
        match c.request.state {
            State::Approved => {
                if self.world.approving(Some(c.request)).next().is_none() {
                    let what = format!("{id} counts as approved, and no approver is on record");
                    add(LinkState::Gap, what, &["missing-approver"]);
                }
                if c.is_faulty("insufficient-approvals") {
                    let needed = c.case.policy().map_or(0, |(p, _)| p.min_approvers);
                    let found = insufficient_approvals::found(&c.case);
                    let what = format!("{found} approved independently, and the policy asks for {needed}");
                    add(LinkState::Gap, what, &["insufficient-approvals"]);
                }
                if c.asked.start.is_some_and(|start| start > self.now()) {
                    let what = format!("{id} is in force only from {} on", at(c.asked.start));
                    add(LinkState::Gap, what, &["pending-grant"]);
                }
            }
            State::Pending => {
                add(LinkState::Gap, format!("{id} is not decided"), &["pending-grant"]);
            }
            State::Rejected | State::Cancelled => {
                let when = c.asked.decided_at.map(|t| format!(" on {t}")).unwrap_or_default();
                let what = format!("{id} was {}{when}", c.request.state.as_str());
                add(LinkState::Wrong, what, &["denied-grant"]);
            }
        }
    }

    /// One approval that counts.
    fn approval(&self, c: &Carried<'a, '_>, a: Approving<'a>) -> Link<'a> {
        let who = self.person(a.approver);
        let bearing = c.case.bearing();
        let behalf = a.on_behalf_of.map(|of| format!(" on behalf of {}", self.person(of)));
        let what = format!("{who} approved{}", behalf.unwrap_or_default());
        let mut l = link(Step::Approved, LinkState::Ok, what);
        l.at = a.row.decided_at;
        l.who.push(self.who("approver", a.approver, a.row.approver));
        if let Some(of) = a.on_behalf_of {
            l.who.push(self.who("on_behalf_of", of, a.row.on_behalf_of));
        }
        let mut proof = vec![c.request.origin];

        let (stood, identity) = self.stood(a.approver, a.row.decided_at.or(c.asked.decided_at));
        proof.extend(identity);
        l.fact("status then", stood);
        if approver_inactive::gone(self.world, &a, c.asked.decided_at).is_some() {
            c.mark(&mut l, "approver-inactive");
        }

        let bond = bearing.tie(a.approver);
        l.fact(
            "independent",
            match bond {
                None => "yes",
                Some(Bond::Holds) => "no: is the one who holds the access",
                Some(Bond::Asked) => "no: is the one who asked for it",
                Some(Bond::Owns) => "no: owns the identity that holds it",
            },
        );
        if bond.is_some() {
            c.mark(&mut l, "self-approval");
        }

        let mut lent = None;
        if let Some(of) = a.on_behalf_of {
            lent = Some(of).filter(|of| bearing.delegation_is_valid(&a, *of));
            // Of several the one that lasts longest, then the latest: never the order of the records.
            let delegation = self.world.lent(&a, of).max_by_key(|d| (d.until.is_none(), d.until, d.from));
            l.fact("delegation", self.delegation(&a, delegation, of.same(bearing.subject)));
            proof.extend(self.world.lent(&a, of).map(|d| d.origin));
            if lent.is_none() {
                c.mark(&mut l, "delegation-invalid");
            }
        }

        if let Some((row, policy)) = c.case.policy().filter(|(p, _)| !p.approvers.is_empty()) {
            let people = [Some(a.approver), lent];
            let satisfied: Vec<String> = policy
                .approvers
                .iter()
                .filter(|s| people.into_iter().flatten().any(|who| bearing.satisfies(who, **s)))
                .map(|s| self.selector(*s))
                .collect();
            if satisfied.is_empty() {
                let named = self.selectors(policy);
                l.fact("authority", format!("none: policy {} names {named}", self.text(row.id)));
                if bond.is_none() {
                    c.mark(&mut l, "approver-not-authorised");
                }
            } else {
                l.fact("authority", format!("policy {} names {}", self.text(row.id), satisfied.join(", ")));
            }
        }
        l.evidence = self.evidence(proof);
        l
    }

    /// In words what lent an approver their authority.
    fn delegation(
        &self,
        a: &Approving<'_>,
        lent: Option<&crate::judge::world::Lent>,
        benefits: bool,
    ) -> String {
        let of = a.on_behalf_of.map_or("", |of| self.person(of));
        match lent {
            _ if benefits => format!("not valid: {of} is the one who benefits"),
            Some(lent) => {
                let until = lent.until.map_or("without an end".to_owned(), |t| format!("until {t}"));
                format!("{of} had lent it from {}, {until}", lent.from)
            }
            None => format!("none from {of} covers {}", at(a.row.decided_at)),
        }
    }

    /// A decision that is not an approval by somebody.
    fn other_decision(&self, c: &Carried<'a, '_>, row: &'a ApprovalRow, say: &'a Say) -> Link<'a> {
        let who = say.approver.map_or("nobody who is named", |key| self.person(key));
        let (state, what) = match row.decision {
            Decision::Approved => (LinkState::Unknown, "approved, and by whom is not on record".to_owned()),
            Decision::Rejected => (LinkState::Wrong, format!("{who} rejected it")),
            Decision::Pending => (LinkState::Gap, format!("{who} has not decided")),
        };
        // What others approved all the same stands: a request counts by its state.
        let state = if c.request.state == State::Approved { state.min(LinkState::Unknown) } else { state };
        let mut l = link(Step::Approved, state, what);
        l.at = row.decided_at;
        l.who.extend(say.approver.map(|key| self.who("approver", key, row.approver)));
        l.evidence = self.evidence([c.request.origin]);
        l
    }

    /// A selector as the policy writes it.
    pub(super) fn selector(&self, selector: Selector) -> String {
        match selector {
            Selector::Identity(key) => format!("identity:{}", self.person(key)),
            Selector::Group(group) => format!("group:{}", self.text(group)),
            Selector::Manager => "manager".to_owned(),
            Selector::IdentityOwner => "identity_owner".to_owned(),
            Selector::SystemOwner => "system_owner".to_owned(),
            Selector::EntitlementOwner => "entitlement_owner".to_owned(),
        }
    }

    /// All selectors of a policy, at most twenty.
    pub(super) fn selectors(&self, policy: &Policy) -> String {
        let some = policy.approvers.iter().take(super::MOST).map(|s| self.selector(*s));
        let mut named: Vec<String> = some.collect();
        if policy.approvers.len() > named.len() {
            named.push(format!("{} more", policy.approvers.len() - named.len()));
        }
        named.join(", ")
    }

    /// The links of a decision where there is no request.
    pub(super) fn undecided(&self, what: impl Into<String>) -> Link<'a> {
        link(Step::Approved, LinkState::Gap, what)
    }
}
