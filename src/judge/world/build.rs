//! The parts of a world, one function each: rows of the estate with their names turned into keys.

use super::closure::Member;
use super::grouped::order;
use super::resolved::Right;
use super::resolver::{ByName, Name, Naming, Resolver};
use super::{
    Asked, Certified, Delegations, Estate, Fast, Held, Item, Key, Lent, Policy, Relations, Say, Selector,
    Settings, Sym, Taken, Use,
};
use crate::judge::estate::{ApprovalRow, GrantRow, Interner, ItemRow, RequestRow, SelectorRow};
use crate::model::record::{Decision, Intent, Kind, State};

/// The rows of the entitlements in the order in which they stand: of two that mean the same right (their systems
/// are written differently) the later sight is last, as for records of one key.
pub(super) fn catalogue(text: &Interner, estate: &Estate) -> Vec<u32> {
    let mut rows: Vec<u32> = (0..).take(estate.entitlements.len()).collect();
    let order = |row: &u32| {
        let e = estate.entitlements.get(*row as usize)?;
        Some((e.origin.observed_at, text.get(e.system), text.get(e.id)))
    };
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

/// What the catalogue says of each right, and what each brings with it directly.
pub(super) fn rights(
    r: &mut Resolver,
    estate: &Estate,
    catalogue: &[u32],
) -> (Fast<Key, Right>, Fast<Key, Vec<Member>>) {
    let (mut rights, mut includes): (Fast<Key, Right>, Fast<Key, Vec<Member>>) = Default::default();
    for row in catalogue {
        let Some(e) = estate.entitlements.get(*row as usize) else { continue };
        let system = r.system(e.system);
        let Some(key) = r.right(system, e.id).filter(|key| r.entitlements.row(*key) == Some(*row)) else {
            continue;
        };
        let owner = e.owner.map(|o| r.person(o));
        rights.insert(key, Right { risk: e.risk, owner });
        for i in &e.includes {
            let at = i.system.map_or(system, |s| r.system(s));
            if let Some(included) = r.right(at, i.entitlement) {
                // A scope given as empty is given: it stands for any.
                includes.entry(key).or_default().push((included, i.scope));
            }
        }
    }
    (rights, includes)
}

/// What is known of systems.
pub(super) struct Systems {
    pub(super) owners: Fast<Key, Key>,
    /// With at least one grant.
    pub(super) held: Fast<Key, ()>,
    /// Named by a system, entitlement or grant record.
    pub(super) named: Fast<Key, ()>,
}

impl Systems {
    pub(super) fn new(r: &mut Resolver, estate: &Estate) -> Self {
        let mut systems = Self { owners: Fast::default(), held: Fast::default(), named: Fast::default() };
        for s in &estate.systems {
            let key = r.system(s.id);
            systems.named.insert(key, ());
            if let Some(owner) = s.owner {
                systems.owners.insert(key, r.person(owner));
            }
        }
        let catalogue = estate.entitlements.iter().map(|e| e.system);
        systems.named.extend(catalogue.filter_map(|s| Some((r.system(s).certain()?, ()))));
        // Nearly all of the many grants name a system that another named.
        let mut held: Vec<Sym> = estate.held_elsewhere.clone();
        let mut seen = vec![false; r.text.len()];
        for system in estate.grants.iter().map(|g| g.system) {
            if let Some(seen @ false) = seen.get_mut(system.index()) {
                *seen = true;
                held.push(system);
            }
        }
        systems.held.extend(held.into_iter().filter_map(|s| Some((r.system(s).certain()?, ()))));
        systems.named.extend(systems.held.keys().map(|key| (*key, ())));
        systems
    }
}

/// The entitlement of each step of each path.
pub(super) fn steps(r: &mut Resolver, estate: &Estate) -> Vec<Option<Key>> {
    let pool = &estate.pools.steps;
    let mut steps = vec![None; pool.len()];
    for g in estate.grants.iter().filter(|g| !g.path.within(pool).is_empty()) {
        let own = r.system(g.system);
        for (slot, step) in g.path.within_mut(&mut steps).iter_mut().zip(g.path.within(pool)) {
            let at = step.system.map_or(own, |s| r.system(s));
            *slot = r.right(at, step.entitlement);
        }
    }
    steps
}

/// Each grant's names.
pub(super) fn held(r: &mut Resolver, estate: &Estate, threads: usize) -> Vec<Held> {
    struct Of;
    impl Name<GrantRow> for Of {
        type Out = Held;
        fn of(&self, n: &mut impl Naming, g: &GrantRow) -> Option<Held> {
            let system = n.system(g.system)?;
            let account = n.norm(g.account)?;
            let subject = n.subject(system, g.account, account)?;
            let entitlement = n.right(system, g.entitlement)?;
            Some(Held { subject, system, entitlement, account, granted_by: person(n, g.granted_by)? })
        }
    }
    r.each(&estate.grants, threads, &Of)
}

/// Who a name that may be absent means.
fn person(n: &mut impl Naming, name: Option<Sym>) -> Option<Option<Key>> {
    match name {
        None => Some(None),
        Some(name) => n.person(name).map(Some),
    }
}

/// Who each access is for.
pub(super) fn beneficiaries(r: &mut Resolver, estate: &Estate, threads: usize) -> Vec<Key> {
    struct Of;
    impl Name<Sym> for Of {
        type Out = Key;
        fn of(&self, n: &mut impl Naming, who: &Sym) -> Option<Key> {
            n.person(*who)
        }
    }
    r.each(&estate.pools.beneficiaries, threads, &Of)
}

/// Sorts the grants and their names by subject, then by entitlement, so that one subject's grants stand together.
pub(super) fn sorted(grants: &[GrantRow], held: &[Held], people: usize) -> (Vec<GrantRow>, Vec<Held>) {
    let (starts, mut order) = order(held, people, |h| h.subject);
    let right = |row: &u32| (held.get(*row as usize).and_then(|h| h.entitlement), *row);
    for pair in starts.windows(2) {
        if let [from, to] = pair
            && let Some(group) = order.get_mut(*from as usize..*to as usize)
        {
            group.sort_unstable_by_key(right);
        }
    }
    let pick = |row: &u32| Some((*grants.get(*row as usize)?, *held.get(*row as usize)?));
    order.iter().filter_map(pick).unzip()
}

/// Each access item's names, and its scope as the approval means it.
pub(super) fn items(r: &mut Resolver, estate: &Estate, threads: usize) -> Vec<Item> {
    struct Of;
    impl Name<ItemRow> for Of {
        type Out = Item;
        fn of(&self, n: &mut impl Naming, i: &ItemRow) -> Option<Item> {
            let system = n.system(i.system)?;
            let entitlement = n.right(system, i.entitlement)?;
            let scope = match i.scope {
                None => None,
                Some(scope) => n.approved_scope(scope)?,
            };
            Some(Item { system, entitlement, scope })
        }
    }
    r.each(&estate.pools.items, threads, &Of)
}

/// Who said each approval, and for whom.
pub(super) fn approvals(r: &mut Resolver, estate: &Estate, threads: usize) -> Vec<Say> {
    struct Of;
    impl Name<ApprovalRow> for Of {
        type Out = Say;
        fn of(&self, n: &mut impl Naming, a: &ApprovalRow) -> Option<Say> {
            Some(Say { approver: person(n, a.approver)?, on_behalf_of: person(n, a.on_behalf_of)? })
        }
    }
    r.each(&estate.pools.approvals, threads, &Of)
}

/// Each request's decision, term, requester, policy and workflow.
pub(super) fn asked(r: &mut Resolver, estate: &Estate, threads: usize) -> Vec<Asked> {
    struct Of<'e> {
        approvals: &'e [ApprovalRow],
        policies: ByName,
        workflows: ByName,
    }
    impl Name<RequestRow> for Of<'_> {
        type Out = Asked;
        fn of(&self, n: &mut impl Naming, request: &RequestRow) -> Option<Asked> {
            let approvals = request.approvals.within(self.approvals).iter();
            let approved = approvals.filter(|a| a.decision == Decision::Approved);
            let decided_at = approved.filter_map(|a| a.decided_at).max().or(request.decided_at);
            let start = request.valid_from.or(decided_at);
            Some(Asked {
                requester: person(n, request.requester)?,
                decided_at,
                start,
                end: request.expires_at.or_else(|| Some(start?.plus(request.ttl?))),
                policy: self.policies.find(n, request.policy)?,
                workflow: self.workflows.find(n, request.workflow)?,
            })
        }
    }
    let of = Of {
        policies: ByName::new(r, estate.policies.iter().map(|p| p.id)),
        workflows: ByName::new(r, estate.workflows.iter().map(|w| w.id)),
        approvals: &estate.pools.approvals,
    };
    r.each(&estate.requests, threads, &of)
}

/// Each identity's owner and manager.
pub(super) fn relations(r: &mut Resolver, estate: &Estate) -> Vec<Relations> {
    let rows = estate.identities.iter();
    rows.map(|i| Relations { owner: i.owner.map(|p| r.person(p)), manager: i.manager.map(|p| r.person(p)) })
        .collect()
}

/// Each policy's selectors and targets.
pub(super) fn policies(r: &mut Resolver, estate: &Estate) -> Vec<Policy> {
    let mut policies = Vec::with_capacity(estate.policies.len());
    for p in &estate.policies {
        let selector = |s: &SelectorRow| match *s {
            SelectorRow::Identity(id) => Selector::Identity(r.person(id)),
            SelectorRow::Group(group) => Selector::Group(group),
            SelectorRow::Manager => Selector::Manager,
            SelectorRow::IdentityOwner => Selector::IdentityOwner,
            SelectorRow::SystemOwner => Selector::SystemOwner,
            SelectorRow::EntitlementOwner => Selector::EntitlementOwner,
        };
        let approvers = p.approvers.iter().map(selector).collect();
        let target = |(system, entitlement): &(Sym, Option<Sym>)| {
            let system = r.system(*system);
            (system, entitlement.map(|e| r.right(system, e)))
        };
        policies.push(Policy { approvers, applies_to: p.applies_to.iter().map(target).collect() });
    }
    policies
}

/// Use by system, account and entitlement, merged.
pub(super) fn usages(r: &mut Resolver, estate: &Estate) -> Fast<(Key, Sym, Option<Key>), Use> {
    let mut usages: Fast<(Key, Sym, Option<Key>), Use> = Fast::default();
    for u in &estate.usages {
        if let Some(target) = r.target(u.system, u.account, u.entitlement) {
            let seen =
                Use { last: u.last_used_at, tracked_since: u.tracked_since, attribution: u.attribution };
            usages.entry(target).or_default().merge(seen);
        }
    }
    usages
}

/// Certifications by what they name.
pub(super) fn certifications(r: &mut Resolver, estate: &Estate) -> Certified {
    let mut certifications = Certified::default();
    for (row, c) in (0..).zip(&estate.certifications) {
        if let Some((system, account, entitlement)) = r.target(c.system, c.account, c.entitlement) {
            certifications.entry((system, account, entitlement, c.scope)).or_default().push(row);
        }
    }
    certifications
}

/// When a revocation was last decided, by who loses what.
pub(super) fn taken(estate: &Estate, asked: &[Asked], beneficiaries: &[Key], items: &[Item]) -> Taken {
    let mut taken = Taken::default();
    let revokes = |r: &RequestRow| r.intent == Intent::Revoke && r.state == State::Approved;
    for (request, asked) in estate.requests.iter().zip(asked).filter(|(r, _)| revokes(r)) {
        let Some(decided_at) = asked.decided_at else { continue };
        for who in request.beneficiaries.within(beneficiaries).iter().filter_map(|k| k.certain()) {
            for right in request.access.within(items).iter().filter_map(|item| item.entitlement) {
                let latest = taken.entry((who, right)).or_insert(decided_at);
                *latest = decided_at.max(*latest);
            }
        }
    }
    taken
}

/// Snapshots by source.
pub(super) fn sources(estate: &Estate) -> Fast<Sym, Vec<u32>> {
    let mut sources: Fast<Sym, Vec<u32>> = Fast::default();
    for (row, s) in (0..).zip(&estate.snapshots) {
        sources.entry(s.source).or_default().push(row);
    }
    sources
}

/// Delegations by who lends and who decides.
pub(super) fn delegations(r: &mut Resolver, estate: &Estate) -> Delegations {
    let mut delegations = Delegations::default();
    for d in &estate.delegations {
        if let (Some(from), Some(to)) = (r.person(d.from).certain(), r.person(d.to).certain()) {
            delegations.entry((from, to)).or_default().push(Lent {
                from: d.starts_at,
                until: d.ends_at,
                origin: d.origin,
            });
        }
    }
    delegations
}

/// A configured birthright: the right, and the kinds of identity (all when empty).
pub(super) type Birthright = (Option<Key>, Vec<Kind>);

/// The names in the settings: birthrights, and the owners and operator who answer where no record names anybody.
pub(super) fn configured(r: &mut Resolver, settings: &Settings) -> (Vec<Birthright>, [Option<Key>; 3]) {
    let mut birthrights = vec![];
    for b in &settings.birthrights {
        let (system, entitlement) = (r.text.intern(&b.system), r.text.intern(&b.entitlement));
        let system = r.system(system);
        birthrights.push((r.right(system, entitlement), b.identity_kinds.clone()));
    }
    let who = &settings.accountability;
    let defaults = [&who.workflow_owner, &who.system_owner, &who.operator].map(|name| {
        let name = name.as_deref().filter(|name| !name.trim().is_empty())?;
        let name = r.text.intern(name);
        Some(r.person(name))
    });
    (birthrights, defaults)
}
