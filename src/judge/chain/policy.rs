//! The policy a decision rests on, and whether it permits what was decided.

use super::approvals::Carried;
use super::{MOST, Scribe, With, link};
use crate::judge::checks::policy_violated;
use crate::judge::estate::PolicyRow;
use crate::judge::world::Policy;
use crate::model::Instant;
use crate::model::chain::{Link, LinkState, Step};

impl<'a> Scribe<'a> {
    /// The link of the policy.
    pub(super) fn policy(&self, c: &Carried<'a, '_>) -> Link<'a> {
        let id = self.text(c.request.id);
        let Some(cited) = c.request.policy.map(|p| self.text(p)) else {
            let mut l = link(Step::Policy, LinkState::Gap, format!("{id} cites no policy"));
            l.evidence = self.evidence([c.request.origin]);
            c.mark(&mut l, "missing-policy-basis");
            return l;
        };
        let row = c.asked.policy.map(|row| row as usize);
        let known =
            row.and_then(|row| Some((self.world.estate.policies.get(row)?, self.world.policies.get(row)?)));
        let Some((row, policy)) = known else {
            let (state, what) = if self.world.estate.policies.is_empty() {
                (LinkState::Unknown, format!("{id} cites {cited}; no policies are known to hold it against"))
            } else {
                (LinkState::Wrong, format!("{id} cites {cited}, which the catalogue does not hold"))
            };
            let mut l = link(Step::Policy, state, what);
            l.evidence = self.evidence([c.request.origin]);
            c.mark(&mut l, "unknown-policy-basis");
            return l;
        };
        let decided = c.asked.decided_at;
        let breaches = policy_violated::breaches(&c.case);
        let (state, what) = match decided.filter(|t| !row.in_force_at(*t)) {
            Some(decided) => {
                (LinkState::Wrong, format!("{id} cites {cited}, which was not in force on {decided}"))
            }
            None if !breaches.is_empty() => {
                (LinkState::Wrong, format!("{id} cites {cited}, which does not permit this"))
            }
            None => (LinkState::Ok, format!("{id} cites {cited}, which permits this")),
        };
        let mut l = link(Step::Policy, state, what);
        for breach in breaches {
            l.fact("breach", breach);
        }
        self.terms(&mut l, row, policy);
        l.evidence = self.evidence([row.origin, c.request.origin]);
        c.mark(&mut l, "unknown-policy-basis");
        c.mark(&mut l, "policy-violated");
        l
    }

    /// What a policy says.
    fn terms(&self, l: &mut Link<'a>, row: &PolicyRow, policy: &Policy) {
        let span = |t: Option<Instant>, word: &str| t.map(|t| format!(" {word} {t}")).unwrap_or_default();
        if row.in_force_from.is_some() || row.in_force_until.is_some() {
            let (from, until) = (span(row.in_force_from, "from"), span(row.in_force_until, "until"));
            l.fact("in force", format!("{from}{until}").trim_start().to_owned());
        }
        if !policy.approvers.is_empty() {
            l.fact("approvers", self.selectors(policy));
        }
        l.fact("approvals needed", row.min_approvers.to_string());
        if !row.applies_to.is_empty() {
            let named = row.applies_to.iter().take(MOST).map(|(system, entitlement)| match entitlement {
                Some(entitlement) => format!("{} on {}", self.text(*entitlement), self.text(*system)),
                None => self.text(*system).to_owned(),
            });
            let mut named: Vec<String> = named.collect();
            if row.applies_to.len() > MOST {
                named.push(format!("{} more", row.applies_to.len() - MOST));
            }
            l.fact("applies to", named.join(", "));
        }
        if !row.identity_kinds.is_empty() {
            let kinds: Vec<&str> = row.identity_kinds.iter().map(|k| k.as_str()).collect();
            l.fact("for", kinds.join(", "));
        }
        l.maybe("longest term", row.max_ttl).maybe("review every", row.review_every);
    }
}
