//! The world as the judge sees it: every name of the estate resolved to a key, and the indexes by which
//! coverage is found without looking at everything.
//!
//! Built once for an estate; nothing here depends on the instant judged at.

mod closure;
mod coverage;
mod people;
mod resolved;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::estate::{Estate, GrantRow, SelectorRow, Sym};
use super::names::{Key, Namespace, normal};
use super::settings::Settings;
use crate::model::Instant;
use crate::model::record::{Decision, Kind};

use closure::Closures;
use coverage::{Coverage, Holdings};
use resolved::Right;

pub(crate) use coverage::{fulfilled, scope_covers};
pub(crate) use resolved::{Asked, Held, Item, Policy, Relations, Say, Selector, Use};

pub(crate) type Fast<K, V> = HashMap<K, V, FxBuildHasher>;

/// By system and account: rows of the certifications, with the entitlement each names.
type Certified = Fast<(Key, Sym), Vec<(u32, Option<Key>)>>;

/// By the one who lends and the one who decides: from when until when.
type Lent = Fast<(Key, Key), Vec<(Instant, Option<Instant>)>>;

/// The estate with its names resolved.
#[derive(Debug)]
pub struct World {
    pub(crate) estate: Estate,
    pub(crate) people: Namespace,
    /// In the order of the identities.
    pub(crate) relations: Vec<Relations>,
    /// In the order of the grants, which are sorted by subject.
    pub(crate) held: Vec<Held>,
    /// In the order of the pool of path steps: the entitlement of each.
    pub(crate) steps: Vec<Option<Key>>,
    /// In the order of the requests.
    pub(crate) asked: Vec<Asked>,
    /// In the order of the pool of beneficiaries.
    pub(crate) beneficiaries: Vec<Key>,
    /// In the order of the pool of access items.
    pub(crate) items: Vec<Item>,
    /// In the order of the pool of approvals.
    pub(crate) approvals: Vec<Say>,
    /// By entitlement key: what the catalogue says of it.
    pub(crate) rights: Fast<Key, Right>,
    /// By system key: its owner.
    pub(crate) system_owners: Fast<Key, Key>,
    pub(crate) closures: Closures,
    pub(crate) coverage: Coverage,
    pub(crate) holdings: Holdings,
    /// Systems with at least one grant.
    pub(crate) systems_held: Fast<Key, ()>,
    /// Systems that a system, entitlement or grant record names.
    pub(crate) systems_named: Fast<Key, ()>,
    pub(crate) usages: Fast<(Key, Sym, Option<Key>), Use>,
    pub(crate) certifications: Certified,
    pub(crate) delegations: Lent,
    pub(crate) policies: Vec<Policy>,
    pub(crate) workflow_owners: Vec<Option<Key>>,
    pub(crate) birthrights: Vec<(Option<Key>, Vec<Kind>)>,
    /// `[accountability]` workflow owner, system owner, operator.
    pub(crate) defaults: [Option<Key>; 3],
    /// Aliases claimed by two identities and accounts linked to two, in their printed form, sorted, each with the ids.
    pub(crate) ambiguous: Vec<(Sym, Vec<Sym>)>,
    /// In the order of the exceptions.
    pub(crate) accepted_by: Vec<Key>,
    /// For each snapshot the keys of its systems; empty speaks of all.
    pub(crate) snapshot_systems: Vec<Vec<Key>>,
}

/// A name's entitlement key, unless the system or the name is ambiguous.
fn entitlement_key(
    names: &mut super::estate::Interner,
    entitlements: &mut Namespace,
    system: Key,
    name: Sym,
) -> Option<Key> {
    let system = system.certain()?;
    entitlements.resolve(names, system.number(), name).certain()
}

/// An approved scope as a text of its own.
fn approved_scope(names: &mut super::estate::Interner, scope: Option<Sym>) -> Option<Sym> {
    let text = names.get(scope?);
    let short = coverage::approved_scope(text)?;
    if short.len() == text.len() {
        return scope;
    }
    let short = short.to_owned();
    Some(names.intern(&short))
}

/// Finds a row by an exact id, else by the normal form when only one row has it.
struct ByName {
    exact: Fast<Sym, u32>,
    norm: Fast<Sym, Option<u32>>,
}

impl ByName {
    fn new(names: &mut super::estate::Interner, ids: impl Iterator<Item = Sym>) -> Self {
        let mut by = Self { exact: Fast::default(), norm: Fast::default() };
        for (row, id) in (0..).zip(ids) {
            by.exact.insert(id, row);
            by.norm.entry(normal(names, id)).and_modify(|held| *held = None).or_insert(Some(row));
        }
        by
    }

    fn find(&self, names: &mut super::estate::Interner, id: Option<Sym>) -> Option<u32> {
        let id = id?;
        self.exact.get(&id).copied().or_else(|| self.norm.get(&normal(names, id)).copied().flatten())
    }
}

impl World {
    /// Resolves every name and builds the indexes.
    #[must_use]
    pub fn new(mut estate: Estate, settings: &Settings) -> Self {
        let mut names = std::mem::take(&mut estate.names);
        let n = &mut names;

        let mut systems = Namespace::default();
        for (row, s) in (0..).zip(&estate.systems) {
            let key = systems.define(0, s.id, row);
            systems.claim(n, 0, key, s.id);
            for alias in s.aliases.within(&estate.pools.names) {
                systems.claim(n, 0, key, *alias);
            }
        }

        let (mut people, links) = people::resolve(n, &estate, &mut systems);

        let mut entitlements = Namespace::default();
        let mut catalogue: Vec<u32> = (0..).take(estate.entitlements.len()).collect();
        // Of two rows that mean the same right the later sight stands, as for records of one key.
        let standing = |row: &u32| {
            estate
                .entitlements
                .get(*row as usize)
                .map(|e| (e.origin.observed_at, n.get(e.system), n.get(e.id)))
        };
        catalogue.sort_by(|a, b| standing(a).cmp(&standing(b)));
        let mut named: Fast<Key, ()> = Fast::default();
        for row in &catalogue {
            let Some(e) = estate.entitlements.get(*row as usize) else { continue };
            let Some(system) = systems.resolve(n, 0, e.system).certain() else { continue };
            named.insert(system, ());
            let key = entitlements.define(system.number(), e.id, *row);
            entitlements.claim(n, system.number(), key, e.id);
            for alias in e.aliases.within(&estate.pools.names) {
                entitlements.claim(n, system.number(), key, *alias);
            }
        }
        let mut rights = Fast::default();
        let mut includes: Fast<Key, Vec<(Key, Option<Sym>)>> = Fast::default();
        for row in &catalogue {
            let Some(e) = estate.entitlements.get(*row as usize) else { continue };
            let Some(system) = systems.resolve(n, 0, e.system).certain() else { continue };
            let key = entitlements.resolve(n, system.number(), e.id);
            if entitlements.row(key) != Some(*row) {
                continue;
            }
            let owner = e.owner.map(|o| people.resolve(n, 0, o));
            rights.insert(key, Right { risk: e.risk, owner });
            for i in &e.includes {
                let at = i.system.map_or(system, |s| systems.resolve(n, 0, s));
                if let Some(included) = entitlement_key(n, &mut entitlements, at, i.entitlement) {
                    // A scope given as empty is given: it stands for any.
                    includes.entry(key).or_default().push((included, i.scope));
                }
            }
        }
        let closures = Closures::new(&includes);

        let system_owners: Fast<Key, Key> = estate
            .systems
            .iter()
            .filter_map(|s| Some((systems.resolve(n, 0, s.id), people.resolve(n, 0, s.owner?))))
            .collect();
        for s in &estate.systems {
            named.insert(systems.resolve(n, 0, s.id), ());
        }

        // Grants: resolve, then sort by subject, so that one subject's grants stand together.
        let mut systems_held = Fast::default();
        let steps_of = |n: &mut super::estate::Interner,
                        systems: &mut Namespace,
                        entitlements: &mut Namespace,
                        grants: &[GrantRow]| {
            let mut steps = vec![None; estate.pools.steps.len()];
            for g in grants {
                let own = systems.resolve(n, 0, g.system);
                for (slot, step) in
                    g.path.within_mut(&mut steps).iter_mut().zip(g.path.within(&estate.pools.steps))
                {
                    let at = step.system.map_or(own, |s| systems.resolve(n, 0, s));
                    *slot = entitlement_key(n, entitlements, at, step.entitlement);
                }
            }
            steps
        };
        let steps = steps_of(n, &mut systems, &mut entitlements, &estate.grants);
        let mut order: Vec<(Held, u32)> = Vec::with_capacity(estate.grants.len());
        for (row, g) in (0..).zip(&estate.grants) {
            let system = systems.resolve(n, 0, g.system);
            if let Some(system) = system.certain() {
                systems_held.insert(system, ());
                named.insert(system, ());
            }
            let account = normal(n, g.account);
            let subject = match links.holder(system, g.account, account) {
                Some(Some(holder)) => holder,
                Some(None) => people.contested(0, account),
                None => people.resolve(n, 0, g.account),
            };
            let entitlement = entitlement_key(n, &mut entitlements, system, g.entitlement);
            let granted_by = g.granted_by.map(|p| people.resolve(n, 0, p));
            order.push((Held { subject, system, entitlement, account, granted_by }, row));
        }
        order.sort_unstable_by_key(|(h, row)| (h.subject, h.entitlement, *row));
        let grants = order.iter().filter_map(|(_, row)| estate.grants.get(*row as usize).copied()).collect();
        estate.grants = grants;
        let held: Vec<Held> = order.into_iter().map(|(h, _)| h).collect();

        let policy_rows = ByName::new(n, estate.policies.iter().map(|p| p.id));
        let workflow_rows = ByName::new(n, estate.workflows.iter().map(|w| w.id));
        let beneficiaries: Vec<Key> =
            estate.pools.beneficiaries.iter().map(|b| people.resolve(n, 0, *b)).collect();
        let items: Vec<Item> = estate
            .pools
            .items
            .iter()
            .map(|i| {
                let system = systems.resolve(n, 0, i.system);
                let entitlement = entitlement_key(n, &mut entitlements, system, i.entitlement);
                Item { system, entitlement, scope: approved_scope(n, i.scope) }
            })
            .collect();
        let approvals: Vec<Say> = estate
            .pools
            .approvals
            .iter()
            .map(|a| Say {
                approver: a.approver.map(|p| people.resolve(n, 0, p)),
                on_behalf_of: a.on_behalf_of.map(|p| people.resolve(n, 0, p)),
            })
            .collect();
        let asked: Vec<Asked> = estate
            .requests
            .iter()
            .map(|r| {
                let approved = r
                    .approvals
                    .within(&estate.pools.approvals)
                    .iter()
                    .filter(|a| a.decision == Decision::Approved);
                let decided_at = approved.filter_map(|a| a.decided_at).max().or(r.decided_at);
                let start = r.valid_from.or(decided_at);
                let end = r.expires_at.or_else(|| Some(start?.plus(r.ttl?)));
                Asked {
                    requester: r.requester.map(|p| people.resolve(n, 0, p)),
                    decided_at,
                    start,
                    end,
                    policy: policy_rows.find(n, r.policy),
                    workflow: workflow_rows.find(n, r.workflow),
                }
            })
            .collect();

        let relations = estate
            .identities
            .iter()
            .map(|i| Relations {
                owner: i.owner.map(|p| people.resolve(n, 0, p)),
                manager: i.manager.map(|p| people.resolve(n, 0, p)),
            })
            .collect();
        let workflow_owners =
            estate.workflows.iter().map(|w| w.owner.map(|p| people.resolve(n, 0, p))).collect();
        let policies = estate
            .policies
            .iter()
            .map(|p| Policy {
                approvers: p
                    .approvers
                    .iter()
                    .map(|s| match *s {
                        SelectorRow::Identity(id) => Selector::Identity(people.resolve(n, 0, id)),
                        SelectorRow::Group(g) => Selector::Group(g),
                        SelectorRow::Manager => Selector::Manager,
                        SelectorRow::IdentityOwner => Selector::IdentityOwner,
                        SelectorRow::SystemOwner => Selector::SystemOwner,
                        SelectorRow::EntitlementOwner => Selector::EntitlementOwner,
                    })
                    .collect(),
                applies_to: p
                    .applies_to
                    .iter()
                    .map(|(s, e)| {
                        let system = systems.resolve(n, 0, *s);
                        (system, e.map(|e| entitlement_key(n, &mut entitlements, system, e)))
                    })
                    .collect(),
            })
            .collect();

        let mut usages: Fast<(Key, Sym, Option<Key>), Use> = Fast::default();
        for u in &estate.usages {
            let Some(system) = systems.resolve(n, 0, u.system).certain() else { continue };
            let entitlement = match u.entitlement {
                None => None,
                Some(e) => match entitlement_key(n, &mut entitlements, system, e) {
                    None => continue,
                    known => known,
                },
            };
            let account = normal(n, u.account);
            let seen =
                Use { last: u.last_used_at, tracked_since: u.tracked_since, attribution: u.attribution };
            usages.entry((system, account, entitlement)).or_default().merge(seen);
        }
        let mut certifications: Certified = Fast::default();
        for (row, c) in (0..).zip(&estate.certifications) {
            let Some(system) = systems.resolve(n, 0, c.system).certain() else { continue };
            let entitlement = match c.entitlement {
                None => None,
                Some(e) => match entitlement_key(n, &mut entitlements, system, e) {
                    None => continue,
                    known => known,
                },
            };
            let account = normal(n, c.account);
            certifications.entry((system, account)).or_default().push((row, entitlement));
        }
        let mut delegations: Lent = Fast::default();
        for d in &estate.delegations {
            let (from, to) = (people.resolve(n, 0, d.from), people.resolve(n, 0, d.to));
            if let (Some(from), Some(to)) = (from.certain(), to.certain()) {
                delegations.entry((from, to)).or_default().push((d.starts_at, d.ends_at));
            }
        }
        let snapshot_systems = estate
            .snapshots
            .iter()
            .map(|s| s.systems.iter().map(|s| systems.resolve(n, 0, *s)).collect())
            .collect();

        let birthrights = settings
            .birthrights
            .iter()
            .map(|b| {
                let (system, entitlement) = (n.intern(&b.system), n.intern(&b.entitlement));
                let system = systems.resolve(n, 0, system);
                (entitlement_key(n, &mut entitlements, system, entitlement), b.identity_kinds.clone())
            })
            .collect();
        let who = &settings.accountability;
        let defaults = [&who.workflow_owner, &who.system_owner, &who.operator].map(|name| {
            let name = name.as_deref().filter(|n| !n.trim().is_empty())?;
            let name = n.intern(name);
            Some(people.resolve(n, 0, name))
        });

        let ambiguous = people::ambiguous(n, &estate, &people, &mut systems, &links);
        let accepted_by = estate.exceptions.iter().map(|e| people.resolve(n, 0, e.accepted_by)).collect();
        let coverage = Coverage::new(&estate, &beneficiaries, &items);
        let holdings = Holdings::new(&estate, n, &held, &steps);

        people.seal();
        estate.names = names;
        Self {
            estate,
            people,
            relations,
            held,
            steps,
            asked,
            beneficiaries,
            items,
            approvals,
            rights,
            system_owners,
            closures,
            coverage,
            holdings,
            systems_held,
            systems_named: named,
            usages,
            certifications,
            delegations,
            policies,
            workflow_owners,
            birthrights,
            defaults,
            ambiguous,
            accepted_by,
            snapshot_systems,
        }
    }
}
