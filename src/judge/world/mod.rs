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
mod routes;

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
pub use routes::Routes;

pub(crate) use coverage::fulfilled;
pub(crate) use resolved::{Asked, Held, Item, Lent, Policy, Relations, Say, Selector, Use};

pub(crate) type Fast<K, V> = HashMap<K, V, FxBuildHasher>;

/// By system, account, and the entitlement and scope each names: rows of the certifications.
type Certified = Fast<(Key, Sym, Option<Key>, Option<Sym>), Vec<u32>>;

/// By identity and right: when a revocation of it was last decided.
type Taken = Fast<(Key, Key), Instant>;

/// By the one who lends and the one who decides.
type Delegations = Fast<(Key, Key), Vec<Lent>>;

/// From how many rows on it pays to work on them with several threads; in tests always.
const MANY: usize = if cfg!(test) { 1 } else { 50_000 };

/// The estate with its names resolved.
#[derive(Debug)]
pub struct World {
    pub(crate) estate: Estate,
    pub(crate) people: Namespace,
    pub(crate) system_names: Namespace,
    /// With the number of a system's key as the domain.
    pub(crate) entitlement_names: Namespace,
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
    pub(crate) delegations: Delegations,
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
    pub fn new(estate: Estate, settings: &Settings) -> Self {
        Self::with_threads(estate, settings, 1)
    }

    /// As [`World::new`], on this many threads where there is much to resolve. The world is the same with any number.
    #[must_use]
    pub fn with_threads(mut estate: Estate, settings: &Settings, threads: usize) -> Self {
        let text = std::mem::take(&mut estate.names);
        let catalogue = build::catalogue(&text, &estate);
        let r = &mut Resolver::new(text, &estate, &catalogue);

        let (rights, includes) = build::rights(r, &estate, &catalogue);
        let closures = Closures::new(&includes);
        let systems = build::Systems::new(r, &estate);
        let steps = build::steps(r, &estate);
        let held = build::held(r, &estate, threads);
        let beneficiaries = build::beneficiaries(r, &estate, threads);
        let items = build::items(r, &estate, threads);
        let approvals = build::approvals(r, &estate, threads);
        let asked = build::asked(r, &estate, threads);
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
        let (aside, unsorted) = (threads > 1 && e.grants.len() > MANY, held);
        let for_asked = || {
            (Coverage::new(e, &beneficiaries, &items, keys), build::taken(e, &asked, &beneficiaries, &items))
        };
        let for_held =
            || (Holdings::new(e, names, &unsorted, &steps, keys), build::sorted(&e.grants, &unsorted, keys));
        let ((coverage, taken), (holdings, (grants, held))) = std::thread::scope(|scope| {
            let aside = aside.then(|| scope.spawn(for_asked));
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
        let [system_names, entitlement_names] = [&mut r.systems, &mut r.entitlements].map(|names| {
            names.settle();
            std::mem::take(names)
        });
        estate.names = std::mem::take(&mut r.text);
        Self {
            estate,
            people,
            system_names,
            entitlement_names,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Builder, Locator};
    use crate::model::parse_line;
    use proptest::prelude::*;

    /// An estate in which every way to resolve a name comes up: ids, aliases, strangers, names that two hold.
    fn estate(picks: &[(u8, u8, u8, u8)]) -> Estate {
        let names = ["a", "A", "al", "b", "shared", "Zoe", " zoe ", "x1", "nobody"];
        let scopes = ["", "*", "p", "p/*", "p/q", "r"];
        let mut lines = vec![
            r#"{"type":"identity","id":"a","aliases":["al","shared"],"accounts":[{"system":"s","account":"x1"}]}"#.to_owned(),
            r#"{"type":"identity","id":"b","aliases":["Shared"],"accounts":[{"system":"S","account":"x1"}]}"#.to_owned(),
            r#"{"type":"system","id":"s","aliases":["t"]}"#.to_owned(),
            r#"{"type":"entitlement","system":"s","id":"e","aliases":["E2"]}"#.to_owned(),
            r#"{"type":"policy","id":"P"}"#.to_owned(),
        ];
        let name = |n: u8| names[usize::from(n) % names.len()];
        for (i, &(n, m, s, e)) in picks.iter().enumerate() {
            let system = ["s", "T", "u"][usize::from(s) % 3];
            let right = ["e", "e2", "f", "F"][usize::from(e) % 4];
            let scope = scopes[usize::from(n ^ e) % scopes.len()];
            lines.push(format!(
                r#"{{"type":"grant","system":"{system}","account":"{}","entitlement":"{right}","scope":"{i}{scope}"}}"#,
                name(n)
            ));
            lines.push(format!(
                r#"{{"type":"request","source":"j","id":"{i}","state":"approved","beneficiaries":["{}"],"requester":"{}","policy":"p",
                   "access":[{{"system":"{system}","entitlement":"{right}","scope":"{scope}"}}],
                   "approvals":[{{"approver":"{}","decision":"approved"}}]}}"#,
                name(m), name(n ^ m), name(s)
            ));
        }
        let mut builder = Builder::default();
        for (i, line) in (0..).zip(&lines) {
            builder.add(parse_line(line.as_bytes()).unwrap(), Locator(i), line.as_bytes());
        }
        builder.finish(&mut |_, _| Ok(())).unwrap()
    }

    proptest! {
        #[test]
        fn the_number_of_threads_makes_no_difference(
            picks in prop::collection::vec(any::<(u8, u8, u8, u8)>(), 0..40),
            threads in 2..6usize,
        ) {
            let said = |threads| {
                let w = World::with_threads(estate(&picks), &Settings::default(), threads);
                format!("{:?}", (&w.held, &w.asked, &w.beneficiaries, &w.items, &w.approvals, &w.coverage, &w.holdings, &w.estate.grants))
            };
            prop_assert_eq!(said(1), said(threads));
        }
    }
}
