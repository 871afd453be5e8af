//! The chain of one grant.

use std::borrow::Cow;

use super::approvals::Carried;
use super::place::place;
use super::{Scribe, With, link};
use crate::judge::case::{Case, at};
use crate::judge::checks::{self, changed_after_approval};
use crate::judge::judgement::About as HitAbout;
use crate::judge::present::{ControlSource, grant_view};
use crate::judge::standing::Control;
use crate::judge::weigh::Facts;
use crate::model::chain::{About, Chain, Link, LinkState, Step};
use crate::model::finding::{Accountable, Role, Standing};
use crate::model::record::{Intent, State};

impl<'a> Scribe<'a> {
    /// The chain of a grant, by its row.
    pub(super) fn grant(&self, row: u32, controls: &'a dyn ControlSource) -> Option<Chain<'a>> {
        let (grant, held) = self.world.grant(row)?;
        let facts = self.judgement.facts.get(row as usize)?;
        let moment = &self.judgement.moment;
        let case = Case::new(moment, grant, held, facts);
        let mut covering = vec![];
        self.world.covering(grant, held, &mut covering);
        let carrier = self.carrier(&case, &covering);

        let mut chain = self.blank(About::Grant);
        chain.grant = Some(grant_view(self.world, grant, held, &facts.usage));
        if let Some(row) = facts.controlling {
            self.put_request(&mut chain, row);
        }
        chain.subject = Some(self.holder(held.subject));
        chain.standing = Some(facts.standing);
        chain.verdict = Some(facts.standing.outcome());
        chain.why = self.why(&case);
        chain.recheck_at = facts.recheck_at;
        self.judgement.people(case.request, Some((held.system, held.entitlement)), &mut chain.accountable);
        chain.accountable.extend(self.implementer(held.granted_by));
        let about = |about: HitAbout| about == HitAbout::Grant(row);
        (chain.findings, _) = self.findings(controls, about);

        let due = carrier.and_then(|row| moment.review_due(grant, held, row));
        let asked = carrier.and_then(|row| self.world.request(row)).map(|(_, asked)| asked);
        let as_if = Facts { standing: Standing::Approved, controlling: carrier, review_due: due, ..*facts };
        let mut links = self.decided(&case, carrier, &as_if, &chain);
        links.push(self.provisioned(&case, asked.and_then(|a| a.start)));
        links.push(self.used(&case));
        links.extend(self.reviewed(&case, due, asked.and_then(|a| a.end)));
        links.push(self.ends(&case, asked, due));
        links.extend(self.revoked(&case, &covering));
        place(&mut links, &chain.findings);
        answer(&mut links, &chain.accountable);
        chain.links = links;
        self.others(&mut chain, &case, carrier, &covering);
        Some(chain)
    }

    /// The request whose decision the chain tells: the one that controls; where a revocation or nothing controls, the one
    /// that would, of those approved before all others.
    fn carrier(&self, case: &Case<'_>, covering: &[u32]) -> Option<u32> {
        if case.standing() == Standing::Birthright {
            return None;
        }
        let controls = case.facts.controlling.filter(|_| case.standing() != Standing::Revoked);
        let of = |approved: bool| {
            let rows = covering.iter().copied().filter(|row| {
                self.world.request(*row).is_some_and(|(r, _)| {
                    r.intent == Intent::Grant && (r.state == State::Approved || !approved)
                })
            });
            Control::of(self.world, rows)
        };
        controls.or_else(|| of(true)).or_else(|| of(false))
    }

    /// The links up to the decision and what it rests on.
    fn decided(
        &self,
        case: &Case<'_>,
        carrier: Option<u32>,
        as_if: &Facts,
        chain: &Chain<'a>,
    ) -> Vec<Link<'a>> {
        if let Some(rule) = case.moment.birthright(case.held) {
            return self.by_birthright(rule);
        }
        let Some((request, asked)) = carrier.and_then(|row| self.world.request(row)) else {
            return self.by_nothing(case);
        };
        let quality = Case::new(case.moment, case.grant, case.held, as_if);
        let c = Carried::new((request, asked), quality, &chain.findings);
        let mut links = vec![self.requested(&c, case)];
        links.extend(self.approvals(&c));
        links.push(self.policy(&c));
        links
    }

    /// The link of the request.
    pub(super) fn requested(&self, c: &Carried<'a, '_>, case: &Case<'_>) -> Link<'a> {
        let r = c.request;
        let who = c.asked.requester.map_or("somebody not named", |key| self.person(key));
        let what = format!("{who} asked for {} in {}", self.items(r), self.text(r.id));
        let mut l = link(Step::Requested, LinkState::Ok, what);
        l.at = r.requested_at;
        l.who.extend(c.asked.requester.map(|key| self.who("requester", key, r.requester)));
        l.fact("state", r.state.as_str());
        l.maybe("address", r.url.map(|url| self.text(url)));
        if case.standing() == Standing::Exceeded {
            l.state = LinkState::Wrong;
            l.fact("covers", "not what is held, only a part of it");
        }
        if r.emergency {
            l.fact("emergency", "to be approved afterwards");
        }
        l.fact("justification", if r.justified { "given" } else { "none" });
        let mut late: Vec<_> = changed_after_approval::late(&c.case).collect();
        late.sort_by_key(|change| (change.at, self.text(change.field)));
        let decided = at(c.asked.decided_at);
        for change in late.into_iter().take(super::MOST) {
            let by = change.by.map(|by| format!(" by {}", self.text(by))).unwrap_or_default();
            let field = self.text(change.field);
            l.fact("changed", format!("{field} on {}{by}, after the decision on {decided}", change.at));
        }
        for check in ["scope-exceeded", "missing-justification", "changed-after-approval"] {
            c.mark(&mut l, check);
        }
        l.evidence = self.evidence([r.origin]);
        l
    }

    /// The links where a configured rule stands in the place of a request.
    fn by_birthright(&self, rule: usize) -> Vec<Link<'a>> {
        let policy = self.judgement.moment.settings.birthrights.get(rule).and_then(|b| b.policy.as_deref());
        let mut basis = match policy {
            Some(policy) => {
                link(Step::Policy, LinkState::Ok, format!("the configuration names {policy} as its basis"))
            }
            None => link(Step::Policy, LinkState::Gap, "the configured birthright names no policy"),
        };
        basis.maybe("policy", policy);
        vec![
            link(Step::Requested, LinkState::Ok, "nobody has to ask for it: it is a configured birthright"),
            link(Step::Approved, LinkState::Ok, "the configured birthright stands for the decision"),
            basis,
        ]
    }

    /// The links where no request covers the grant.
    fn by_nothing(&self, case: &Case<'_>) -> Vec<Link<'a>> {
        let unknown = case.standing() == Standing::Unknown;
        let state = if unknown { LinkState::Unknown } else { LinkState::Gap };
        let mut asked = if unknown {
            link(Step::Requested, state, "no request that covers it was seen, and not all requests were seen")
        } else {
            link(Step::Requested, state, "no request covers it")
        };
        if let Some(ticket) = case.grant.ticket {
            let ticket = Cow::Borrowed(self.text(ticket));
            asked.fact("ticket on the grant", format!("{ticket}, which does not cover it"));
        }
        asked.evidence = self.evidence([case.grant.origin]);
        let mut decided = self.undecided("no decision is known");
        let mut basis = link(Step::Policy, state, "no decision, so no policy that it could rest on");
        (decided.state, basis.state) = (state, state);
        vec![asked, decided, basis]
    }
}

/// Says who answers for each link that is not in order: the role that the first check on it names, else the one of its step.
pub(super) fn answer<'a>(links: &mut [Link<'a>], people: &[Accountable<'a>]) {
    for l in links.iter_mut().filter(|l| l.state != LinkState::Ok) {
        let by_check = l.checks.first().and_then(|name| checks::by_name(name)).map(|check| check.primary);
        let role = by_check.unwrap_or(match l.step {
            Step::Approved => Role::WorkflowOwner,
            Step::Policy => Role::Approver,
            _ => Role::SystemOwner,
        });
        l.answers = Scribe::answering(people, role);
    }
}
