//! The chain behind one grant or request: from the request to the end, each link with its proof, the gaps marked.
//!
//! Nothing is decided here. How a grant stands was judged; what a link says of an approval, a policy or a revocation comes
//! from the predicates by which the checks decide; and every finding about the grant is put to the link that it rests on.
//!
//! ```text
//! question ─▶ find ─▶ grant: links of a grant ────┐            ┌─ place: each finding to its link
//!                 └─▶ request: links of a request ┴─ approvals ┴─▶ chain
//! ```

mod approvals;
mod find;
mod grant;
mod others;
mod place;
mod policy;
mod provision;
mod request;
mod reviews;
mod why;

use std::borrow::Cow;

pub use find::{Candidate, Found, Question, Target};

use super::case::is_gone;
use super::checks;
use super::estate::{Origin, RequestRow, Sym};
use super::judgement::{About as HitAbout, Judgement};
use super::names::Key;
use super::present::{ControlSource, accountable_as, request_view};
use super::tell::gather;
use super::world::World;
use crate::model::Instant;
use crate::model::chain::{
    About, Answer, CHAIN_SCHEMA, Chain, ChainFinding, Fact, Holder, Link, LinkState, Step, Who,
};
use crate::model::finding::{Accountable, EvidenceView, Role};

/// How many links a step, requests beside the one, items or grants of an item are told before the rest is counted.
const MOST: usize = 20;

/// What is explained, by its place in the judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    Grant(u32),
    Request(u32),
    Alias(Sym),
    Source(Sym),
}

impl<'w> Judgement<'w> {
    /// The chain behind what was found.
    #[must_use]
    pub fn chain<'a>(&'a self, target: &Target, controls: &'a dyn ControlSource) -> Option<Chain<'a>> {
        let scribe = Scribe { judgement: self, world: self.moment.world };
        match target.0 {
            Thing::Grant(row) => scribe.grant(row, controls),
            Thing::Request(row) => scribe.request(row, controls),
            Thing::Alias(name) => Some(scribe.named(About::Alias, name, controls)),
            Thing::Source(name) => Some(scribe.named(About::Source, name, controls)),
        }
    }

    /// The chain behind a grant, by its place in the order of the verdicts; `None` past the end.
    #[must_use]
    pub fn chain_of_verdict<'a>(
        &'a self,
        place: usize,
        controls: &'a dyn ControlSource,
    ) -> Option<Chain<'a>> {
        self.chain(&Target(Thing::Grant(*self.order.get(place)?)), controls)
    }

    /// The chain behind a request, by its place among the requests of the estate; `None` past the end.
    #[must_use]
    pub fn chain_of_request<'a>(
        &'a self,
        place: usize,
        controls: &'a dyn ControlSource,
    ) -> Option<Chain<'a>> {
        self.chain(&Target(Thing::Request(u32::try_from(place).ok()?)), controls)
    }
}

/// Puts words to what was judged.
#[derive(Clone, Copy)]
struct Scribe<'a> {
    judgement: &'a Judgement<'a>,
    world: &'a World,
}

impl<'a> Scribe<'a> {
    fn now(&self) -> Instant {
        self.judgement.moment.now
    }

    fn text(&self, sym: Sym) -> &'a str {
        self.world.estate.text(sym)
    }

    fn person(&self, key: Key) -> &'a str {
        self.world.person(key)
    }

    /// The proof behind some records.
    fn evidence(&self, origins: impl IntoIterator<Item = Origin>) -> Vec<EvidenceView<'a>> {
        let mut found = vec![];
        gather(self.world, origins.into_iter(), &mut found);
        found
    }

    /// Somebody, and how the record writes the name.
    fn who(&self, role: &'static str, key: Key, written: Option<Sym>) -> Who<'a> {
        let id = self.person(key);
        let written = written.map(|s| self.text(s)).filter(|w| *w != id);
        Who { role: role.into(), id: id.into(), written: written.map(Cow::Borrowed) }
    }

    /// A chain that has no links yet.
    fn blank(&self, about: About) -> Chain<'a> {
        Chain {
            schema: CHAIN_SCHEMA.into(),
            now: self.now(),
            about,
            grant: None,
            request: None,
            name: None,
            subject: None,
            standing: None,
            verdict: None,
            why: String::new(),
            recheck_at: None,
            links: vec![],
            items: vec![],
            items_left: 0,
            others: vec![],
            others_left: 0,
            findings: vec![],
            accountable: vec![],
        }
    }

    /// An alias or a source: what is wrong with it is all there is to say.
    fn named(&self, about: About, name: Sym, controls: &'a dyn ControlSource) -> Chain<'a> {
        let mut chain = self.blank(about);
        chain.name = Some(self.text(name).into());
        let (findings, people) = self.findings(
            controls,
            |about| matches!(about, HitAbout::Alias(s) | HitAbout::Source(s) if s == name),
        );
        chain.why = findings.first().map_or_else(
            || "nothing was found about it".to_owned(),
            |first| first.message.trim_end_matches('.').to_owned(),
        );
        chain.accountable = people;
        chain.findings = findings;
        chain
    }

    /// The findings about something, in order, and who answers for the first.
    fn findings(
        &self,
        controls: &'a dyn ControlSource,
        about: impl Fn(HitAbout) -> bool,
    ) -> (Vec<ChainFinding<'a>>, Vec<Accountable<'a>>) {
        let judgement = self.judgement;
        let places = (0..judgement.len())
            .filter(|place| judgement.hits.get(*place).is_some_and(|hit| about(hit.about)));
        let mut people = vec![];
        let told = places.filter_map(|place| {
            let finding = judgement.finding(place, controls)?;
            let first = finding.accountable.iter().filter(|a| a.primary);
            let answers = first.map(|a| Answer { role: a.role, identity: a.identity.clone() }).collect();
            if people.is_empty() {
                people = finding.accountable;
            }
            Some(ChainFinding {
                id: finding.id,
                check: finding.check,
                severity: finding.severity,
                title: finding.title,
                message: finding.message,
                reasons: finding.reasons,
                remediation: finding.remediation,
                answers,
                controls: finding.controls,
                exception: finding.exception,
            })
        });
        let told = told.collect();
        (told, people)
    }

    /// What is known of who holds something.
    fn holder(&self, subject: Key) -> Holder<'a> {
        let identity = self.world.identity(subject);
        let accounts = identity.map(|(i, _)| i.accounts.within(&self.world.estate.pools.accounts));
        let mut accounts: Vec<String> = accounts
            .unwrap_or_default()
            .iter()
            .map(|(system, account)| format!("{}/{}", self.text(*system), self.text(*account)))
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.truncate(MOST);
        Holder {
            id: self.person(subject).into(),
            kind: identity.map(|(i, _)| i.kind.as_str().into()),
            status: identity.map(|(i, _)| i.status.as_str().into()),
            status_since: identity.and_then(|(i, _)| i.status_since),
            owner: identity.and_then(|(_, r)| r.owner).map(|o| self.person(o).into()),
            accounts,
            evidence: self.evidence(identity.map(|(i, _)| i.origin)),
        }
    }

    /// How somebody stood at an instant, as far as their record says.
    fn stood(&self, who: Key, then: Option<Instant>) -> (String, Option<Origin>) {
        let Some((identity, _)) = self.world.identity(who) else {
            let why = if who.is_ambiguous() { "the name is claimed by more than one" } else { "not known" };
            return (why.to_owned(), None);
        };
        let (status, since) = (identity.status.as_str(), identity.status_since);
        let text = match (is_gone(identity), since, then) {
            (false, ..) => "active".to_owned(),
            (true, None, _) => format!("{status}, since when is not known"),
            (true, Some(since), Some(then)) if then < since => format!("active then, {status} since {since}"),
            (true, Some(since), _) => format!("{status} since {since}"),
        };
        (text, Some(identity.origin))
    }

    /// The items of a request, as it names them.
    fn items(&self, request: &RequestRow) -> String {
        let items = request.access.within(&self.world.estate.pools.items);
        let mut named: Vec<String> = items
            .iter()
            .take(MOST)
            .map(|i| right(self.text(i.entitlement), self.text(i.system), i.scope.map(|s| self.text(s))))
            .collect();
        if items.len() > MOST {
            named.push(format!("{} more", items.len() - MOST));
        }
        if named.is_empty() { "no access that is named".to_owned() } else { named.join(", ") }
    }

    /// Who answers, of these people, in a role.
    fn answering(people: &[Accountable<'a>], role: Role) -> Vec<Answer<'a>> {
        let of_role = people.iter().filter(|a| a.role == role);
        of_role.map(|a| Answer { role, identity: a.identity.clone() }).take(MOST).collect()
    }

    /// Puts a request into a chain, and who answers where nothing is found.
    fn put_request(&self, chain: &mut Chain<'a>, row: u32) {
        chain.request = self.world.request(row).map(|(r, asked)| request_view(self.world, r, asked));
    }

    /// Who carried a grant out, among those who answer.
    fn implementer(&self, by: Option<Key>) -> Option<Accountable<'a>> {
        by.map(|by| accountable_as(Role::Implementer, Some(self.person(by))))
    }
}

/// `ENTITLEMENT on SYSTEM`, with the scope where there is one.
fn right(entitlement: &str, system: &str, scope: Option<&str>) -> String {
    match scope {
        Some(scope) => format!("{entitlement} on {system} (scope {scope})"),
        None => format!("{entitlement} on {system}"),
    }
}

/// A link of a step.
fn link<'a>(step: Step, state: LinkState, what: impl Into<String>) -> Link<'a> {
    Link {
        step,
        state,
        at: None,
        what: what.into(),
        who: vec![],
        answers: vec![],
        facts: vec![],
        checks: vec![],
        evidence: vec![],
    }
}

/// Adds what is known to a link.
trait With<'a> {
    fn fact(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self;
    fn maybe(&mut self, name: &'static str, value: Option<impl ToString>) -> &mut Self;
}

impl<'a> With<'a> for Link<'a> {
    fn fact(&mut self, name: &'static str, value: impl Into<String>) -> &mut Self {
        self.facts.push(Fact { name: name.into(), value: value.into() });
        self
    }

    fn maybe(&mut self, name: &'static str, value: Option<impl ToString>) -> &mut Self {
        if let Some(value) = value {
            self.fact(name, value.to_string());
        }
        self
    }
}

/// Puts links in the order of time, whatever the order of the records. A record that stands twice is there once.
fn by_time(links: &mut Vec<Link<'_>>) {
    links.sort_by(|a, b| {
        let key = |l: &Link<'_>| (l.at.is_none(), l.at);
        (key(a), &a.what, &a.evidence, &a.facts).cmp(&(key(b), &b.what, &b.evidence, &b.facts))
    });
    links.dedup();
}

/// Cuts the links of one step to so many, the rest told as one link that is as bad as the worst of them.
fn bounded<'a>(step: Step, mut links: Vec<Link<'a>>, noun: &str) -> Vec<Link<'a>> {
    if links.len() <= MOST {
        return links;
    }
    let rest = links.split_off(MOST);
    let state = rest.iter().map(|l| l.state).max().unwrap_or(LinkState::Ok);
    let mut more = link(step, state, format!("{} more {noun} not listed", rest.len()));
    for check in rest.into_iter().flat_map(|l| l.checks) {
        if !more.checks.contains(&check) {
            more.checks.push(check);
        }
    }
    links.push(more);
    links
}

/// The step that the findings of a check rest on.
fn step_of(check: &str) -> Step {
    checks::by_name(check).map_or(Step::Provisioned, |check| place::step(check.name))
}
