//! From a hit to the finding that is printed: the views of grant, request and people.

use std::borrow::Cow;

use super::case::{Case, RequestCase, SourceCase, Telling};
use super::checks::{Check, Rule};
use super::estate::{GrantRow, Origin, RequestRow, Sym};
use super::judgement::{About, ExceptionKey, Hit, Judgement};
use super::names::Key;
use super::tell::{Room, Teller};
use super::world::{Asked, Held, Use, World};
use crate::model::finding::*;
use crate::model::norm;
use crate::model::record::Kind;

/// Knows which controls a check speaks to.
pub trait ControlSource: Sync {
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
    /// The verdicts, in the order of the grants.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict<'w>> + '_ {
        self.order.iter().filter_map(|row| self.verdict(*row))
    }

    /// One verdict, by its place in the order; `None` past the end.
    #[must_use]
    pub fn verdict_at(&self, place: usize) -> Option<Verdict<'w>> {
        self.verdict(*self.order.get(place)?)
    }

    /// The verdicts with the kind of identity that holds the grant, where it is known.
    pub fn verdicts_by_kind(&self) -> impl Iterator<Item = (Verdict<'w>, Option<Kind>)> + '_ {
        let world = self.moment.world;
        self.order.iter().filter_map(move |row| {
            let (_, held) = world.grant(*row)?;
            Some((self.verdict(*row)?, world.kind(held.subject)))
        })
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

    /// The findings, in order.
    pub fn findings<'a>(&'a self, controls: &'a dyn ControlSource) -> impl Iterator<Item = Finding<'a>> + 'a {
        let mut teller = self.teller(controls);
        (0..self.len()).filter_map(move |place| teller.next(place))
    }

    /// One finding, by its place in the order; `None` past the end.
    #[must_use]
    pub fn finding<'a>(&'a self, place: usize, controls: &'a dyn ControlSource) -> Option<Finding<'a>> {
        self.teller(controls).take(place)
    }

    /// Tells findings with all that there is to say.
    #[must_use]
    pub fn teller<'a>(&'a self, controls: &'a dyn ControlSource) -> Teller<'a> {
        Teller::new(self, Some(controls))
    }

    /// Tells findings without words and proof: what it is about, who answers and whether it is accepted. Message,
    /// reasons, controls and evidence are empty.
    #[must_use]
    pub fn outliner(&self) -> Teller<'_> {
        Teller::new(self, None)
    }

    pub(super) fn about_grant<'a>(
        &'a self,
        check: &Check,
        row: u32,
        room: &mut Room<'a>,
    ) -> Option<Draft<'a>> {
        let world = self.moment.world;
        let (grant, held) = world.grant(row)?;
        let facts = self.facts.get(row as usize)?;
        let case = Case::new(&self.moment, grant, held, facts);
        let Rule::Grant { tell, .. } = check.rule else { return None };
        let text = |sym: Sym| world.estate.text(sym);
        for name in [grant.system, grant.account, grant.entitlement] {
            room.key.text(text(name));
        }
        room.key.text_or_null(grant.scope.map(text));
        for step in grant.path.within(&world.estate.pools.steps) {
            room.key.text(text(step.entitlement));
        }
        self.people(case.request, Some((held.system, held.entitlement)), &mut room.accountable);
        if let Some(by) = held.granted_by {
            room.accountable.push(accountable_as(Role::Implementer, Some(world.person(by))));
        }
        Some(Draft {
            telling: if room.words { tell(&case) } else { Telling::default() },
            standing: Some(facts.standing),
            kind: case.kind(),
            subject: Some(Subject {
                id: Cow::Borrowed(world.person(held.subject)),
                kind: case.kind().map(|k| Cow::Borrowed(k.as_str())),
            }),
            grant: Some(grant_view(world, grant, held, &facts.usage)),
            request: case.request.map(|(r, asked)| request_view(world, r, asked)),
            origins: [Some(grant.origin), case.request.map(|(r, _)| r.origin)],
            ..Draft::default()
        })
    }

    pub(super) fn about_request<'a>(
        &'a self,
        check: &Check,
        (row, item, beneficiary): (u32, Option<u32>, Option<Key>),
        room: &mut Room<'a>,
    ) -> Option<Draft<'a>> {
        let world = self.moment.world;
        let (request, asked) = world.request(row)?;
        let case = RequestCase { moment: &self.moment, request, asked };
        let Rule::Request { tell, .. } = check.rule else { return None };
        let who = beneficiary.map(|b| world.person(b));
        room.key.text(case.text(request.source));
        room.key.text(case.id());
        room.key.number_or_null(item);
        room.key.text_or_null(who);
        let right = item.and_then(|i| case.items().get(i as usize)).map(|i| (i.system, i.entitlement));
        self.people(Some((request, asked)), right, &mut room.accountable);
        Some(Draft {
            telling: if room.words { tell(&case, item, beneficiary) } else { Telling::default() },
            request: Some(request_view(world, request, asked)),
            item,
            beneficiary: who.map(Cow::Borrowed),
            origins: [Some(request.origin), None],
            ..Draft::default()
        })
    }

    pub(super) fn about_alias<'a>(&'a self, check: &Check, alias: Sym, room: &mut Room<'a>) -> Draft<'a> {
        let text = self.moment.world.estate.text(alias);
        let telling = match check.rule {
            Rule::Alias { tell } if room.words => tell(&self.moment, alias),
            _ => Telling::default(),
        };
        room.key.text(text);
        room.accountable.push(self.operator());
        Draft { telling, alias: Some(Cow::Borrowed(text)), ..Draft::default() }
    }

    pub(super) fn about_source<'a>(&'a self, check: &Check, source: Sym, room: &mut Room<'a>) -> Draft<'a> {
        let text = self.moment.world.estate.text(source);
        let telling = match check.rule {
            Rule::Source { tell, .. } if room.words => tell(&SourceCase { moment: &self.moment, source }),
            _ => Telling::default(),
        };
        room.key.text(text);
        room.accountable.push(self.operator());
        Draft { telling, source: Some(Cow::Borrowed(text)), ..Draft::default() }
    }

    fn operator(&self) -> Accountable<'_> {
        let world = self.moment.world;
        let [.., operator] = world.defaults;
        accountable_as(Role::Operator, operator.map(|k| world.person(k)))
    }

    /// Approvers, workflow owner and system owner; a role nobody fills is listed as such.
    pub(super) fn people<'a>(
        &'a self,
        request: Option<(&'a RequestRow, &'a Asked)>,
        right: Option<(Key, Option<Key>)>,
        people: &mut Vec<Accountable<'a>>,
    ) {
        let world = self.moment.world;
        let [workflow_default, system_default, _] = world.defaults;
        let approvers = world.approving(request.map(|(r, _)| r)).map(|a| world.person(a.approver));
        people.extend(approvers.map(|who| accountable_as(Role::Approver, Some(who))));
        if people.len() > 1 {
            people.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
            people.dedup_by(|a, b| a.identity == b.identity);
        }
        let workflow = request.and_then(|(_, asked)| asked.workflow);
        let workflow_owner =
            workflow.and_then(|w| *world.workflow_owners.get(w as usize)?).or(workflow_default);
        let system_owner = right
            .and_then(|(system, entitlement)| {
                let of_right = entitlement.and_then(|e| world.rights.get(&e)?.owner);
                of_right.or_else(|| world.system_owners.get(&system).copied())
            })
            .or(system_default);
        if people.is_empty() {
            people.push(accountable_as(Role::Approver, None));
        }
        people.push(accountable_as(Role::WorkflowOwner, workflow_owner.map(|k| world.person(k))));
        people.push(accountable_as(Role::SystemOwner, system_owner.map(|k| world.person(k))));
    }

    /// The valid exception for a finding, unless the one who accepted it is the one who holds the access.
    pub(super) fn exception<'a>(&'a self, id: &str, check: &Check, hit: &Hit) -> Option<ExceptionView<'a>> {
        let (world, exceptions) = (self.moment.world, &self.exceptions);
        if exceptions.is_empty() {
            return None;
        }
        let held = match hit.about {
            About::Grant(row) => world.grant(row),
            _ => None,
        };
        let by_grant = || {
            let (grant, _) = held?;
            let [system, account, right] =
                [grant.system, grant.account, grant.entitlement].map(|s| norm(world.estate.text(s)));
            let check = Cow::Borrowed(check.name);
            exceptions.get(&ExceptionKey::Grant([check, system, account, right]))
        };
        let row = *exceptions.get(&ExceptionKey::Finding(id)).or_else(by_grant)?;
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
pub(super) struct Draft<'a> {
    pub(super) telling: Telling,
    pub(super) standing: Option<Standing>,
    pub(super) kind: Option<Kind>,
    pub(super) subject: Option<Subject<'a>>,
    pub(super) grant: Option<GrantView<'a>>,
    pub(super) request: Option<RequestView<'a>>,
    pub(super) item: Option<u32>,
    pub(super) beneficiary: Option<Cow<'a, str>>,
    pub(super) alias: Option<Cow<'a, str>>,
    pub(super) source: Option<Cow<'a, str>>,
    pub(super) origins: [Option<Origin>; 2],
}

pub(super) fn accountable_as(role: Role, identity: Option<&str>) -> Accountable<'_> {
    Accountable {
        role,
        identity: identity.map(Cow::Borrowed),
        primary: false,
        duty: Cow::Borrowed(role.duty()),
    }
}

pub(super) fn path<'w>(world: &'w World, grant: &GrantRow) -> Vec<PathStepView<'w>> {
    let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
    let steps = grant.path.within(&world.estate.pools.steps).iter();
    steps.map(|s| PathStepView { system: s.system.map(text), entitlement: text(s.entitlement) }).collect()
}

pub(super) fn grant_view<'w>(world: &'w World, grant: &GrantRow, held: &Held, usage: &Use) -> GrantView<'w> {
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

pub(super) fn request_view<'w>(world: &'w World, request: &RequestRow, asked: &Asked) -> RequestView<'w> {
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
