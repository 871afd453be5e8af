//! From a hit to the finding that is printed: the views of grant, request and people, the words, the fingerprint.

use std::borrow::Cow;

use super::case::{Case, RequestCase, SourceCase, Telling};
use super::checks::{self, Check, Rule};
use super::estate::{GrantRow, Origin, RequestRow, Sym};
use super::judgement::{About, ExceptionKey, Hit, Judgement};
use super::names::Key;
use super::world::{Asked, Held, Use, World};
use crate::model::event::hashed;
use crate::model::finding::*;
use crate::model::norm;
use crate::model::record::Kind;
use crate::model::strict::write_canonical_text;

/// Knows which controls a check speaks to.
pub trait ControlSource {
    /// The controls of a check for a subject of this kind (`None`: no known subject).
    fn controls(&self, check: &str, subject: Option<Kind>) -> Vec<ControlRef<'_>>;
}

/// No controls.
impl ControlSource for () {
    fn controls(&self, _: &str, _: Option<Kind>) -> Vec<ControlRef<'_>> {
        vec![]
    }
}

impl<'w> Judgement<'w> {
    /// The findings, in order.
    pub fn findings<'a>(&'a self, controls: &'a dyn ControlSource) -> impl Iterator<Item = Finding<'a>> + 'a {
        (0..self.hits.len()).filter_map(move |i| self.finding(i, controls))
    }

    /// The verdicts, in the order of the grants.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict<'w>> + '_ {
        self.order.iter().filter_map(|row| self.verdict(*row))
    }

    pub(super) fn verdict(&self, row: u32) -> Option<Verdict<'w>> {
        let world = self.moment.world;
        let (grant, held) = world.grant(row)?;
        let facts = self.facts.get(row as usize)?;
        let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
        Some(Verdict {
            system: text(grant.system),
            account: text(grant.account),
            entitlement: text(grant.entitlement),
            scope: grant.scope.map(text),
            path: path(world, grant),
            subject: Cow::Borrowed(world.person(held.subject)),
            standing: facts.standing,
            verdict: facts.standing.outcome(),
            request: facts
                .controlling
                .and_then(|r| world.request(r))
                .map(|(r, _)| RequestKey { source: text(r.source), id: text(r.id) }),
            recheck_at: facts.recheck_at,
        })
    }

    /// One finding, by its place in the order; `None` past the end.
    #[must_use]
    pub fn finding<'a>(&'a self, place: usize, controls: &'a dyn ControlSource) -> Option<Finding<'a>> {
        let hit = self.hits.get(place)?;
        let check = checks::all().nth(usize::from(hit.check))?;
        let draft = match hit.about {
            About::Grant(row) => self.about_grant(check, row)?,
            About::Request { request, item, beneficiary } => {
                self.about_request(check, request, item, beneficiary)?
            }
            About::Alias(alias) => self.about_alias(check, alias),
            About::Source(source) => self.about_source(check, source),
        };
        Some(self.complete(draft, hit, check, controls))
    }

    /// Puts in what every finding has.
    fn complete<'a>(
        &'a self,
        draft: Draft<'a>,
        hit: &Hit,
        check: &'static Check,
        controls: &'a dyn ControlSource,
    ) -> Finding<'a> {
        let world = self.moment.world;
        let mut accountable = draft.accountable;
        for a in &mut accountable {
            a.primary = a.role == check.primary;
        }
        let id = fingerprint(check.name, &draft.key);
        let exception = if self.exceptions.is_empty() { None } else { self.exception(&id, check, hit) };
        Finding {
            schema: Cow::Borrowed(FINDING_SCHEMA),
            id,
            check: Cow::Borrowed(check.name),
            severity: hit.severity,
            title: Cow::Borrowed(check.title),
            message: draft.telling.message,
            standing: draft.standing,
            controls: controls.controls(check.name, draft.kind),
            subject: draft.subject,
            grant: draft.grant,
            request: draft.request,
            item: draft.item,
            beneficiary: draft.beneficiary,
            alias: draft.alias,
            source: draft.source,
            accountable,
            reasons: draft.telling.reasons,
            remediation: Cow::Borrowed(check.remediation),
            evidence: evidence(world, draft.origins.into_iter().chain(draft.telling.rests_on)),
            exception,
            now: self.moment.now,
        }
    }

    fn about_grant<'a>(&'a self, check: &'static Check, row: u32) -> Option<Draft<'a>> {
        let world = self.moment.world;
        let (grant, held) = world.grant(row)?;
        let facts = self.facts.get(row as usize)?;
        let case = Case::new(&self.moment, grant, held, facts);
        let Rule::Grant { tell, .. } = check.rule else { return None };
        let text = |sym: Sym| world.estate.text(sym);
        let mut key =
            vec![Some(text(grant.system)), Some(text(grant.account)), Some(text(grant.entitlement))];
        key.push(grant.scope.map(text));
        key.extend(grant.path.within(&world.estate.pools.steps).iter().map(|s| Some(text(s.entitlement))));
        let key = key.into_iter().map(|part| part.map(|p| Part::Text(p.into()))).collect();
        let right = held.entitlement;
        let mut accountable = self.people(case.request, Some((held.system, right)));
        if let Some(by) = held.granted_by {
            accountable.push(accountable_as(Role::Implementer, Some(world.person(by))));
        }
        let origins =
            [Some(grant.origin), case.request.map(|(r, _)| r.origin)].into_iter().flatten().collect();
        Some(Draft {
            key,
            telling: tell(&case),
            standing: Some(facts.standing),
            kind: case.kind(),
            subject: Some(Subject {
                id: Cow::Borrowed(world.person(held.subject)),
                kind: case.kind().map(|k| Cow::Borrowed(k.as_str())),
            }),
            grant: Some(grant_view(world, grant, held, &facts.usage)),
            request: case.request.map(|(r, asked)| request_view(world, r, asked)),
            accountable,
            origins,
            ..Draft::default()
        })
    }

    fn about_request<'a>(
        &'a self,
        check: &'static Check,
        row: u32,
        item: Option<u32>,
        beneficiary: Option<Key>,
    ) -> Option<Draft<'a>> {
        let world = self.moment.world;
        let (request, asked) = world.request(row)?;
        let case = RequestCase { moment: &self.moment, request, asked };
        let Rule::Request { tell, .. } = check.rule else { return None };
        let who = beneficiary.map(|b| world.person(b));
        let key = vec![
            Some(Part::Text(case.text(request.source).into())),
            Some(Part::Text(case.id().into())),
            item.map(Part::Number),
            who.map(|w| Part::Text(w.into())),
        ];
        let right = item.and_then(|i| case.items().get(i as usize)).map(|i| (i.system, i.entitlement));
        Some(Draft {
            key,
            telling: tell(&case, item, beneficiary),
            request: Some(request_view(world, request, asked)),
            item,
            beneficiary: who.map(Cow::Borrowed),
            accountable: self.people(Some((request, asked)), right),
            origins: vec![request.origin],
            ..Draft::default()
        })
    }

    fn about_alias<'a>(&'a self, check: &'static Check, alias: Sym) -> Draft<'a> {
        let text = self.moment.world.estate.text(alias);
        let telling = match check.rule {
            Rule::Alias { tell } => tell(&self.moment, alias),
            _ => Telling::default(),
        };
        Draft {
            key: vec![Some(Part::Text(text.into()))],
            telling,
            alias: Some(Cow::Borrowed(text)),
            accountable: vec![self.operator()],
            ..Draft::default()
        }
    }

    fn about_source<'a>(&'a self, check: &'static Check, source: Sym) -> Draft<'a> {
        let text = self.moment.world.estate.text(source);
        let telling = match check.rule {
            Rule::Source { tell, .. } => tell(&SourceCase { moment: &self.moment, source }),
            _ => Telling::default(),
        };
        Draft {
            key: vec![Some(Part::Text(text.into()))],
            telling,
            source: Some(Cow::Borrowed(text)),
            accountable: vec![self.operator()],
            ..Draft::default()
        }
    }

    fn operator(&self) -> Accountable<'_> {
        let world = self.moment.world;
        let [.., operator] = world.defaults;
        accountable_as(Role::Operator, operator.map(|k| world.person(k)))
    }

    /// Approvers, workflow owner and system owner; a role nobody fills is listed as such.
    fn people<'a>(
        &'a self,
        request: Option<(&'a RequestRow, &'a Asked)>,
        right: Option<(Key, Option<Key>)>,
    ) -> Vec<Accountable<'a>> {
        let world = self.moment.world;
        let [workflow_default, system_default, _] = world.defaults;
        let mut approvers: Vec<&str> =
            world.approving(request.map(|(r, _)| r)).map(|a| world.person(a.approver)).collect();
        approvers.sort_unstable();
        approvers.dedup();
        let workflow = request.and_then(|(_, asked)| asked.workflow);
        let workflow_owner =
            workflow.and_then(|w| *world.workflow_owners.get(w as usize)?).or(workflow_default);
        let system_owner = right
            .and_then(|(system, entitlement)| {
                let of_right = entitlement.and_then(|e| world.rights.get(&e)?.owner);
                of_right.or_else(|| world.system_owners.get(&system).copied())
            })
            .or(system_default);
        let mut people: Vec<_> =
            approvers.into_iter().map(|who| accountable_as(Role::Approver, Some(who))).collect();
        if people.is_empty() {
            people.push(accountable_as(Role::Approver, None));
        }
        people.push(accountable_as(Role::WorkflowOwner, workflow_owner.map(|k| world.person(k))));
        people.push(accountable_as(Role::SystemOwner, system_owner.map(|k| world.person(k))));
        people
    }

    /// The valid exception for a finding, unless the one who accepted it is the one who holds the access.
    fn exception<'a>(&'a self, id: &str, check: &Check, hit: &Hit) -> Option<ExceptionView<'a>> {
        let world = self.moment.world;
        let held = match hit.about {
            About::Grant(row) => world.grant(row),
            _ => None,
        };
        let by_grant = || {
            let (grant, _) = held?;
            let [system, account, right] = [grant.system, grant.account, grant.entitlement]
                .map(|s| norm(world.estate.text(s)).into_owned());
            self.exceptions.get(&ExceptionKey::Grant([check.name.to_owned(), system, account, right]))
        };
        let row = *self.exceptions.get(&ExceptionKey::Finding(id.to_owned())).or_else(by_grant)?;
        let e = world.estate.exceptions.get(row)?;
        let by = *world.accepted_by.get(row)?;
        if held.is_some_and(|(_, h)| by.same(h.subject)) || world.estate.text(e.check) != check.name {
            return None;
        }
        Some(ExceptionView {
            accepted_by: Cow::Borrowed(world.person(by)),
            reason: Cow::Borrowed(world.estate.text(e.reason)),
            expires_at: e.expires_at,
        })
    }
}

/// A finding before what every finding has is put in.
#[derive(Default)]
struct Draft<'a> {
    key: Vec<Option<Part<'a>>>,
    telling: Telling,
    standing: Option<Standing>,
    kind: Option<Kind>,
    subject: Option<Subject<'a>>,
    grant: Option<GrantView<'a>>,
    request: Option<RequestView<'a>>,
    item: Option<u32>,
    beneficiary: Option<Cow<'a, str>>,
    alias: Option<Cow<'a, str>>,
    source: Option<Cow<'a, str>>,
    accountable: Vec<Accountable<'a>>,
    origins: Vec<Origin>,
}

/// A part of what a finding is about.
enum Part<'a> {
    Text(Cow<'a, str>),
    Number(u32),
}

/// `f1:` and the SHA-256 of the RFC 8785 JSON of the check and what it is about.
fn fingerprint(check: &str, key: &[Option<Part<'_>>]) -> String {
    let mut text = String::from("[");
    write_canonical_text(check, &mut text);
    for part in key {
        text.push(',');
        match part {
            None => text.push_str("null"),
            Some(Part::Number(n)) => text.push_str(&n.to_string()),
            Some(Part::Text(t)) => write_canonical_text(t, &mut text),
        }
    }
    text.push(']');
    hashed("f1:", &text)
}

fn accountable_as(role: Role, identity: Option<&str>) -> Accountable<'_> {
    Accountable {
        role,
        identity: identity.map(Cow::Borrowed),
        primary: false,
        duty: Cow::Borrowed(role.duty()),
    }
}

fn path<'w>(world: &'w World, grant: &GrantRow) -> Vec<PathStepView<'w>> {
    let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
    let steps = grant.path.within(&world.estate.pools.steps).iter();
    steps.map(|s| PathStepView { system: s.system.map(text), entitlement: text(s.entitlement) }).collect()
}

fn grant_view<'w>(world: &'w World, grant: &GrantRow, held: &Held, usage: &Use) -> GrantView<'w> {
    let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
    GrantView {
        system: text(grant.system),
        account: text(grant.account),
        entitlement: text(grant.entitlement),
        scope: grant.scope.map(text),
        path: path(world, grant),
        granted_at: grant.granted_at,
        granted_by: held.granted_by.map(|k| Cow::Borrowed(world.person(k))),
        expires_at: grant.expires_at,
        last_used_at: usage.last,
        use_attribution: usage.attribution.map(|a| Cow::Borrowed(a.as_str())),
    }
}

fn request_view<'w>(world: &'w World, request: &RequestRow, asked: &Asked) -> RequestView<'w> {
    let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
    RequestView {
        source: text(request.source),
        id: text(request.id),
        url: request.url.map(text),
        state: Cow::Borrowed(request.state.as_str()),
        decided_at: asked.decided_at,
        end: asked.end,
    }
}

/// The evidence behind some records, each once, sorted.
fn evidence(world: &World, origins: impl Iterator<Item = Origin>) -> Vec<EvidenceView<'_>> {
    let text = |sym: Option<Sym>| sym.map(|s| Cow::Borrowed(world.estate.text(s)));
    let mut found: Vec<EvidenceView<'_>> = origins
        .filter_map(|o| world.estate.evidence.get(o.evidence?.get() as usize - 1))
        .map(|e| EvidenceView {
            source: text(e.source),
            id: text(e.id),
            sha256: text(e.sha256),
            collected_at: e.collected_at,
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
