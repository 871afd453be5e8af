//! The world as the judge sees it: every name of the estate resolved to a key, and the indexes by which
//! coverage is found without looking at everything.
//!
//! Built once for an estate; nothing here depends on the instant judged at.

mod build;
mod closure;
mod coverage;
mod grouped;
mod people;
mod resolved;
mod resolver;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use super::estate::{Estate, Sym};
use super::names::{Key, Namespace, normal};
use super::settings::Settings;
use crate::model::Instant;
use crate::model::record::Kind;

use closure::Closures;
use coverage::{Coverage, Holdings};
use resolved::Right;
use resolver::Resolver;

pub(crate) use people::Ambiguous;

pub(crate) use coverage::fulfilled;
pub(crate) use resolved::{Asked, Held, Item, Policy, Relations, Say, Selector, Use};

pub(crate) type Fast<K, V> = HashMap<K, V, FxBuildHasher>;

/// By system, account, and the entitlement and scope each names: rows of the certifications.
type Certified = Fast<(Key, Sym, Option<Key>, Option<Sym>), Vec<u32>>;

/// By identity and right: when a revocation of it was last decided.
type Taken = Fast<(Key, Key), Instant>;

/// By the one who lends and the one who decides: from when until when.
type Lent = Fast<(Key, Key), Vec<(Instant, Option<Instant>)>>;

/// From how many grants on it pays to work on two things at once.
const MANY: usize = 50_000;

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
    /// Approved revoke requests, by what their items name.
    pub(crate) taken: Taken,
    /// Rows of the snapshots, by source.
    pub(crate) sources: Fast<Sym, Vec<u32>>,
    pub(crate) delegations: Lent,
    pub(crate) policies: Vec<Policy>,
    pub(crate) workflow_owners: Vec<Option<Key>>,
    pub(crate) birthrights: Vec<(Option<Key>, Vec<Kind>)>,
    /// `[accountability]` workflow owner, system owner, operator.
    pub(crate) defaults: [Option<Key>; 3],
    /// Aliases claimed by two identities and accounts linked to two, sorted by their printed form.
    pub(crate) ambiguous: Vec<Ambiguous>,
    /// In the order of the exceptions.
    pub(crate) accepted_by: Vec<Key>,
    /// For each snapshot the keys of its systems; empty speaks of all.
    pub(crate) snapshot_systems: Vec<Vec<Key>>,
}

impl World {
    /// Resolves every name and builds the indexes.
    #[must_use]
    pub fn new(mut estate: Estate, settings: &Settings) -> Self {
        let text = std::mem::take(&mut estate.names);
        let catalogue = build::catalogue(&text, &estate);
        let r = &mut Resolver::new(text, &estate, &catalogue);

        let (rights, includes) = build::rights(r, &estate, &catalogue);
        let closures = Closures::new(&includes);
        let systems = build::Systems::new(r, &estate);
        let steps = build::steps(r, &estate);
        let held = build::held(r, &estate);
        let beneficiaries: Vec<Key> = estate.pools.beneficiaries.iter().map(|b| r.person(*b)).collect();
        let items = build::items(r, &estate);
        let approvals = build::approvals(r, &estate);
        let asked = build::asked(r, &estate);
        let relations = build::relations(r, &estate);
        let workflow_owners = estate.workflows.iter().map(|w| w.owner.map(|p| r.person(p))).collect();
        let policies = build::policies(r, &estate);
        let usages = build::usages(r, &estate);
        let certifications = build::certifications(r, &estate);
        let sources = build::sources(&estate);
        let delegations = build::delegations(r, &estate);
        let snapshot_systems =
            estate.snapshots.iter().map(|s| s.systems.iter().map(|s| r.system(*s)).collect()).collect();
        let accepted_by = estate.exceptions.iter().map(|e| r.person(e.accepted_by)).collect();
        let ambiguous = people::ambiguous(r, &estate);
        let (birthrights, defaults) = build::configured(r, settings);
        // No name is resolved from here on: what was asked for and what is held are looked at side by side.
        let keys = r.people.len();
        let (e, names) = (&estate, &r.text);
        let (many, unsorted) = (e.grants.len() > MANY, held);
        let for_asked = || {
            (Coverage::new(e, &beneficiaries, &items, keys), build::taken(e, &asked, &beneficiaries, &items))
        };
        let for_held =
            || (Holdings::new(e, names, &unsorted, &steps, keys), build::sorted(&e.grants, &unsorted, keys));
        let ((coverage, taken), (holdings, (grants, held))) = std::thread::scope(|scope| {
            let aside = many.then(|| scope.spawn(for_asked));
            let held = for_held();
            let asked = match aside {
                Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                None => for_asked(),
            };
            (asked, held)
        });
        drop(unsorted);
        estate.grants = grants;

        let mut people = std::mem::take(&mut r.people);
        people.seal();
        estate.names = std::mem::take(&mut r.text);
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
            system_owners: systems.owners,
            closures,
            coverage,
            holdings,
            systems_held: systems.held,
            systems_named: systems.named,
            usages,
            certifications,
            taken,
            sources,
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
