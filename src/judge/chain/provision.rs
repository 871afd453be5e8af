//! That access was given, to whom and by whom, and what it is used for.

use super::{Scribe, With, link};
use crate::judge::case::{Case, at, same_name};
use crate::judge::estate::Origin;
use crate::model::Instant;
use crate::model::chain::{Link, LinkState, Step};
use crate::model::record::{Kind, Mode};

impl<'a> Scribe<'a> {
    /// The link of the grant itself.
    pub(super) fn provisioned(&self, case: &Case<'_>, start: Option<Instant>) -> Link<'a> {
        let grant = case.grant;
        let named = super::right(
            self.text(grant.entitlement),
            self.text(grant.system),
            grant.scope.map(|s| self.text(s)),
        );
        let account = self.text(grant.account);
        let (state, what) = match grant.granted_at {
            Some(_) => (LinkState::Ok, format!("{account} was given {named}")),
            None => {
                (LinkState::Unknown, format!("{account} holds {named}; since when and by whom is not known"))
            }
        };
        let what = match case.held.granted_by {
            Some(by) if grant.granted_at.is_some() => format!("{what} by {}", self.person(by)),
            _ => what,
        };
        let mut l = link(Step::Provisioned, state, what);
        l.at = grant.granted_at;
        l.who.push(self.who("holder", case.held.subject, Some(grant.account)));
        l.who.extend(case.held.granted_by.map(|by| self.who("implementer", by, grant.granted_by)));
        if let Some((granted, start)) = grant.granted_at.zip(start) {
            let later = granted.since(start).map(|d| format!("{d} after the approval took effect"));
            let sooner = || start.since(granted).map(|d| format!("{d} before the approval took effect"));
            l.maybe("delay", if granted >= start { later } else { sooner() });
        }
        let steps = grant.path.within(&self.world.estate.pools.steps).iter();
        let through: Vec<&str> = steps.take(super::MOST).map(|s| self.text(s.entitlement)).collect();
        if !through.is_empty() {
            l.fact("through", through.join(" → "));
        }
        if grant.mode == Mode::Eligible {
            l.fact("mode", "eligible: it has to be activated before it can be used");
        }
        if let Some(ticket) = grant.ticket {
            let covers = if case.facts.ticket_covers { "covers it" } else { "does not cover it" };
            l.fact("ticket on the grant", format!("{}, which {covers}", self.text(ticket)));
        }
        l.maybe("seen", grant.origin.observed_at);
        let system_owner = self.world.system_owners.get(&case.held.system).copied();
        let owner = case.held.entitlement.and_then(|e| self.world.rights.get(&e)?.owner).or(system_owner);
        l.fact("owner", owner.map_or("nobody", |key| self.person(key)));
        let mut proof = vec![grant.origin];
        match case.identity() {
            Some((identity, relations)) => {
                proof.push(identity.origin);
                if identity.kind != Kind::Human {
                    let owner = relations.owner.map(|owner| (self.person(owner), self.stood(owner, None)));
                    let owner = owner.map(|(owner, (stood, origin))| {
                        proof.extend(origin);
                        format!("{owner}, {stood}")
                    });
                    l.fact("holder's owner", owner.unwrap_or_else(|| "nobody".to_owned()));
                }
            }
            None => {
                l.fact("holder", "no known identity");
            }
        }
        l.evidence = self.evidence(proof);
        l
    }

    /// The link of its use.
    pub(super) fn used(&self, case: &Case<'_>) -> Link<'a> {
        let (usage, grant) = (case.facts.usage, case.grant);
        let account = self.text(grant.account);
        let (state, what) = match (usage.last, usage.tracked_since) {
            (Some(_), _) => (LinkState::Ok, format!("{account} last used it")),
            (None, Some(since)) => {
                (LinkState::Gap, format!("{account} has not used it since use is tracked, {since}"))
            }
            (None, None) => (LinkState::Unknown, "no source says whether it is used".to_owned()),
        };
        let mut l = link(Step::Used, state, what);
        l.at = usage.last;
        l.maybe("use seen per", usage.attribution.map(|a| a.as_str()));
        l.maybe("tracked since", usage.tracked_since);
        if case.needs_approval() {
            let from = case.moment.unused_from(grant, case.held, &usage);
            l.maybe("counts as unused from", from);
        }
        let own = grant.last_used_at.is_some() || grant.usage_tracked_since.is_some();
        let seen = self.uses(case);
        l.evidence = self.evidence(own.then_some(grant.origin).into_iter().chain(seen));
        l
    }

    /// Where uses of this grant were seen, as far as that was kept.
    fn uses(&self, case: &Case<'_>) -> Vec<Origin> {
        let (world, held) = (self.world, case.held);
        let names = &world.estate.names;
        let account = self.text(held.account);
        let about = world.estate.usages.iter().zip(&world.estate.usages_cited).filter(|(u, _)| {
            if !same_name(self.text(u.account), account) {
                return false;
            }
            let system = world.system_names.find(names, 0, self.text(u.system));
            let right = |e| world.entitlement_names.find(names, held.system.number(), self.text(e));
            system.is_some_and(|system| system.same(held.system))
                && u.entitlement.is_none_or(|e| held.entitlement.is_some() && right(e) == held.entitlement)
        });
        about.map(|(_, cited)| cited.0).collect()
    }

    /// In words that an instant has passed or lies ahead.
    pub(super) fn due(&self, t: Option<Instant>) -> String {
        match t {
            Some(t) if t <= self.now() => format!("was due {t}"),
            t => format!("is due {}", at(t)),
        }
    }
}
