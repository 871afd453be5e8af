//! The chain of one request: who decided it by which policy, and what became of each item for each beneficiary.

use std::borrow::Cow;

use super::approvals::Carried;
use super::grant::answer;
use super::place::place;
use super::{MOST, Scribe, With, bounded, by_time, link};
use crate::judge::case::{Case, RequestCase};
use crate::judge::checks::{self, approval_not_fulfilled};
use crate::judge::estate::{GrantRow, Origin, RequestRow, Span, Sym};
use crate::judge::judgement::About as HitAbout;
use crate::judge::names::Key;
use crate::judge::present::{ControlSource, path};
use crate::judge::weigh::{Facts, Moment};
use crate::judge::world::{Asked, Held, Item, fulfilled};
use crate::model::Instant;
use crate::model::chain::{About, Chain, Given, HeldGrant, Link, LinkState, Step};
use crate::model::finding::Standing;
use crate::model::record::{Intent, Mode, State};

/// An item for a beneficiary, as if it were held exactly as it was asked for.
struct AsIf {
    grant: GrantRow,
    held: Held,
    facts: Facts,
}

impl<'a> Scribe<'a> {
    /// The chain of a request, by its row.
    pub(super) fn request(&self, row: u32, controls: &'a dyn ControlSource) -> Option<Chain<'a>> {
        let (request, asked) = self.world.request(row)?;
        let moment = &self.judgement.moment;
        let case = RequestCase { moment, request, asked };
        let mut chain = self.blank(About::Request);
        self.put_request(&mut chain, row);
        let first = case.items().first().map(|i| (i.system, i.entitlement));
        self.judgement.people(Some((request, asked)), first, &mut chain.accountable);
        let about = |about| matches!(about, HitAbout::Request { request, .. } if request == row);
        (chain.findings, _) = self.findings(controls, about);
        chain.why = self.why_request(request, asked);

        let (pairs, all) = self.pairs(&case);
        let as_ifs: Vec<AsIf> =
            pairs.iter().filter_map(|(number, who)| self.as_if(row, &case, *number, *who)).collect();
        // What the request would carry with most at fault shows best what is wrong with it.
        let cases = as_ifs.iter().map(|a| Case::new(moment, &a.grant, &a.held, &a.facts));
        let carried = cases.map(|case| Carried::new((request, asked), case, &chain.findings));
        let lead = carried.reduce(|best, next| if next.faults() > best.faults() { next } else { best });
        let mut links = match &lead {
            Some(lead) => {
                let mut links = vec![self.requested(lead, &lead.case)];
                links.extend(self.approvals(lead));
                links.push(self.policy(lead));
                links
            }
            None => self.bare(&case),
        };
        let due = lead.as_ref().and_then(|lead| lead.case.facts.review_due).or(request.review_by);
        drop(lead);
        chain.items_left = all.saturating_sub(pairs.len() as u64);
        chain.items = self.given(&case, row, &pairs);
        links.push(self.fulfilment(&case, &chain));
        links.push(self.term(request, asked, due));
        links.push(self.withdrawn(&case, &pairs));
        place(&mut links, &chain.findings);
        answer(&mut links, &chain.accountable);
        chain.links = links;
        Some(chain)
    }

    /// In one sentence what became of the request.
    fn why_request(&self, request: &RequestRow, asked: &Asked) -> String {
        let intent = match request.intent {
            Intent::Grant => "asks for access",
            Intent::Revoke => "asks for access to be taken away",
        };
        let when = asked.decided_at.map(|t| format!(" {t}")).unwrap_or_default();
        let now = self.now();
        let state = match request.state {
            State::Pending => "is not decided".to_owned(),
            State::Approved if asked.end.is_some_and(|end| end <= now) => {
                format!("was approved{when}, and is over")
            }
            State::Approved if !asked.in_force_at(now) => {
                format!("was approved{when}, and is not yet in force")
            }
            State::Approved => format!("was approved{when}, and is in force"),
            state => format!("was {}{when}", state.as_str()),
        };
        format!("it {intent}, and {state}")
    }

    /// The first items and beneficiaries, in the order of the items, then of the names; and how many there are.
    fn pairs(&self, case: &RequestCase<'a>) -> (Vec<(u32, Key)>, u64) {
        let mut people = case.beneficiaries().to_vec();
        people.sort_by_key(|who| (self.person(*who), who.is_ambiguous()));
        people.dedup();
        let items = (0u32..).take(case.items().len());
        let pairs = items.flat_map(|number| people.iter().map(move |who| (number, *who))).take(MOST);
        (pairs.collect(), case.items().len() as u64 * people.len() as u64)
    }

    fn as_if(&self, row: u32, case: &RequestCase<'a>, number: u32, who: Key) -> Option<AsIf> {
        let item = case.items().get(number as usize)?;
        let written = case.request.access.within(&self.world.estate.pools.items).get(number as usize)?;
        let beneficiary = self.world.people.text(who)?;
        let held = Held {
            subject: who,
            system: item.system,
            entitlement: item.entitlement,
            account: beneficiary,
            granted_by: None,
        };
        let grant = GrantRow {
            system: written.system,
            account: beneficiary,
            entitlement: written.entitlement,
            scope: written.scope,
            ..blank(case.request)
        };
        Some(self.hold(row, grant, held))
    }

    /// The links up to the decision of a request that names no access, or nobody who gets it.
    fn bare(&self, case: &RequestCase<'a>) -> Vec<Link<'a>> {
        let r = case.request;
        let id = self.text(r.id);
        let nobody = if case.beneficiaries().is_empty() { " for nobody that is named" } else { "" };
        let mut asked =
            link(Step::Requested, LinkState::Gap, format!("{id} asks for {}{nobody}", self.items(r)));
        asked.at = r.requested_at;
        asked.who.extend(case.asked.requester.map(|key| self.who("requester", key, r.requester)));
        asked.fact("state", r.state.as_str());
        let approvals = self.world.approving(Some(r)).map(|a| {
            let what = format!("{} approved; for whom and what cannot be told", self.person(a.approver));
            let mut l = link(Step::Approved, LinkState::Unknown, what);
            l.at = a.row.decided_at;
            l.who.push(self.who("approver", a.approver, a.row.approver));
            l
        });
        let mut approvals: Vec<Link<'a>> = approvals.collect();
        by_time(&mut approvals);
        let mut approvals = bounded(Step::Approved, approvals, "decisions");
        if approvals.is_empty() {
            approvals.push(self.undecided(format!("{id} is {}, and nobody is named", r.state.as_str())));
        }
        let policy = match r.policy {
            Some(policy) => {
                link(Step::Policy, LinkState::Unknown, format!("{id} cites {}", self.text(policy)))
            }
            None => link(Step::Policy, LinkState::Gap, format!("{id} cites no policy")),
        };
        let mut links = vec![asked];
        links.extend(approvals);
        links.push(policy);
        let proof = self.evidence([r.origin]);
        links.iter_mut().for_each(|l| l.evidence.clone_from(&proof));
        links
    }

    fn hold(&self, row: u32, grant: GrantRow, held: Held) -> AsIf {
        let moment: &Moment<'a> = &self.judgement.moment;
        let facts = Facts {
            standing: Standing::Approved,
            controlling: Some(row),
            revoked_at: None,
            revocation_done: false,
            usage: crate::judge::world::Use::default(),
            review_due: moment.review_due(&grant, &held, row),
            ticket_covers: true,
            approved_when_granted: true,
            only_controlling_when_granted: false,
            recheck_at: None,
        };
        AsIf { grant, held, facts }
    }

    /// Lists what each beneficiary holds of each item.
    fn given(&self, case: &RequestCase<'a>, row: u32, pairs: &[(u32, Key)]) -> Vec<Given<'a>> {
        let world = self.world;
        let mut items = vec![];
        let written = case.request.access.within(&world.estate.pools.items);
        for (number, who) in pairs {
            let at = *number as usize;
            let (Some(item), Some(named)) = (case.items().get(at), written.get(at)) else { continue };
            let held = who.certain().is_some_and(|who| {
                fulfilled(&world.estate.names, &world.closures, &world.holdings, who, item)
            });
            let (grants, grants_left) = self.grants_of(row, *who, item);
            items.push(Given {
                item: *number,
                system: self.text(named.system).into(),
                entitlement: self.text(named.entitlement).into(),
                scope: named.scope.map(|s| self.text(s).into()),
                beneficiary: self.person(*who).into(),
                held,
                grants,
                grants_left,
            });
        }
        items
    }

    /// The grants of somebody that the request covers and that the item brings, in the order in which grants are printed.
    fn grants_of(&self, row: u32, who: Key, item: &Item) -> (Vec<HeldGrant<'a>>, u64) {
        let world = self.world;
        let Some(entitlement) = item.entitlement else { return (vec![], 0) };
        let mut found = vec![];
        // Grants stand in the order of their subjects.
        let from = world.held.partition_point(|h| h.subject.index() < who.index());
        for (at, held) in (from..).zip(world.held.iter().skip(from)).take_while(|(_, h)| h.subject == who) {
            let Some(grant) = world.estate.grants.get(at) else { continue };
            let through = grant.path.within(&world.steps).iter().copied().flatten();
            let brings =
                held.entitlement.into_iter().chain(through).any(|e| world.closures.holds(entitlement, e));
            let mut covering = vec![];
            if brings {
                world.covering(grant, held, &mut covering);
            }
            if covering.contains(&row) {
                let facts = self.judgement.facts.get(at);
                found.extend(facts.map(|facts| (at, grant, facts)));
            }
        }
        let text = |s: Option<Sym>| s.map(|s| self.text(s));
        found.sort_by_cached_key(|(_, g, _)| {
            let steps = g.path.within(&world.estate.pools.steps).iter();
            let path: Vec<_> = steps.map(|s| (text(s.system), self.text(s.entitlement))).collect();
            ([g.system, g.account, g.entitlement].map(|s| self.text(s)), text(g.scope), path)
        });
        let left = found.len().saturating_sub(MOST) as u64;
        let told = found.into_iter().take(MOST).map(|(at, g, facts)| HeldGrant {
            system: self.text(g.system).into(),
            account: self.text(g.account).into(),
            entitlement: self.text(g.entitlement).into(),
            scope: g.scope.map(|s| self.text(s).into()),
            path: path(world, g),
            standing: facts.standing,
            controls: facts.controlling == Some(row),
            checks: self.fired(at),
        });
        (told.collect(), left)
    }

    /// The checks that fired on a grant.
    fn fired(&self, at: usize) -> Vec<Cow<'a, str>> {
        let hits = &self.judgement.hits;
        let own = (0..hits.len()).filter_map(|place| hits.get(place)).filter(|hit| match hit.about {
            HitAbout::Grant(row) => row as usize == at,
            _ => false,
        });
        let checks = own.filter_map(|hit| checks::all().nth(usize::from(hit.check)));
        checks.map(|check| Cow::Borrowed(check.name)).collect()
    }

    /// The link that says whether what was approved was given.
    fn fulfilment(&self, case: &RequestCase<'a>, chain: &Chain<'a>) -> Link<'a> {
        let held = chain.items.iter().filter(|i| i.held).count();
        let all = chain.items.len();
        let approved = case.request.state == State::Approved;
        let some = match held {
            _ if held == all && all == 1 => "it is held".to_owned(),
            _ if held == all => format!("all {all} of it are held"),
            0 => "nothing of it is held".to_owned(),
            _ => format!("{held} of {all} are held"),
        };
        let (state, what) = match case.request.intent {
            _ if all == 0 => (LinkState::Unknown, "it names no access, or nobody who gets it".to_owned()),
            // Whether what was to go is gone in time is judged for each grant.
            Intent::Revoke if approved && held > 0 => {
                (LinkState::Wrong, format!("{some}, though it was to be taken away"))
            }
            Intent::Grant if !approved && held > 0 => {
                (LinkState::Wrong, format!("{some}, though it was not approved"))
            }
            Intent::Grant if approved && held < all => (LinkState::Gap, some),
            _ => (LinkState::Ok, some),
        };
        let mut l = link(Step::Provisioned, state, what);
        l.maybe("completed", case.request.completed_at);
        l.evidence = self.evidence([case.request.origin]);
        l
    }

    /// The link of the term.
    fn term(&self, request: &RequestRow, asked: &Asked, due: Option<Instant>) -> Link<'a> {
        let (state, what) = match asked.end {
            Some(end) if end <= self.now() => (LinkState::Ok, "it ended".to_owned()),
            Some(_) => (LinkState::Ok, "it ends".to_owned()),
            None if request.intent == Intent::Revoke => {
                (LinkState::Ok, "what is taken away needs no end".to_owned())
            }
            None if due.is_some() => {
                (LinkState::Ok, "it has no end; it is to be reviewed instead".to_owned())
            }
            None => (LinkState::Gap, "it has no end".to_owned()),
        };
        let mut l = link(Step::Ends, state, what);
        l.at = asked.end;
        l.maybe("in force from", asked.start).maybe("review by", due);
        l.maybe("term", asked.end.and_then(|_| asked.length()));
        l.evidence = self.evidence([request.origin]);
        l
    }

    /// The link of what took it away from beneficiaries again.
    fn withdrawn(&self, case: &RequestCase<'a>, pairs: &[(u32, Key)]) -> Link<'a> {
        if case.request.intent == Intent::Revoke {
            return link(Step::Revoked, LinkState::Ok, "it is itself a revocation");
        }
        let mut taken = vec![];
        for (number, who) in pairs {
            let Some(item) = case.items().get(*number as usize) else { continue };
            if approval_not_fulfilled::revoked(case, *who, item) {
                taken.push(self.person(*who));
            }
        }
        taken.sort_unstable();
        taken.dedup();
        if taken.is_empty() {
            return link(Step::Revoked, LinkState::Ok, "no later request takes it away");
        }
        link(Step::Revoked, LinkState::Ok, format!("a later request took it away from {}", taken.join(", ")))
    }
}

/// A grant of nothing by nobody.
fn blank(request: &RequestRow) -> GrantRow {
    GrantRow {
        system: request.source,
        account: request.id,
        entitlement: request.id,
        scope: None,
        path: Span::default(),
        granted_by: None,
        ticket: None,
        granted_at: None,
        expires_at: None,
        last_used_at: None,
        usage_tracked_since: None,
        use_attribution: None,
        mode: Mode::default(),
        origin: Origin::default(),
    }
}
