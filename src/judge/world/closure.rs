//! What an entitlement brings with it, transitively, and what brings it.

use hashbrown::HashSet;

use super::{Fast, Key, Sym};

/// An entitlement in a closure, with the scope that stands in for the item's where an include gave one.
pub(crate) type Member = (Key, Option<Sym>);

/// The closures of all entitlements that include others. An entitlement's own membership goes without saying.
#[derive(Debug, Default)]
pub(crate) struct Closures {
    members: Fast<Key, Vec<Member>>,
    containers: Fast<Key, Vec<Member>>,
}

impl Closures {
    pub(super) fn new(includes: &Fast<Key, Vec<Member>>) -> Self {
        let mut closures = Self::default();
        for &root in includes.keys() {
            let mut seen: HashSet<Member> = HashSet::new();
            let mut open: Vec<Member> = vec![(root, None)];
            while let Some((entitlement, scope)) = open.pop() {
                for &(included, own) in includes.get(&entitlement).into_iter().flatten() {
                    let member = (included, own.or(scope));
                    if member != (root, None) && seen.insert(member) {
                        open.push(member);
                    }
                }
            }
            let mut members: Vec<Member> = seen.into_iter().collect();
            members.sort_unstable();
            for &(member, scope) in &members {
                closures.containers.entry(member).or_default().push((root, scope));
            }
            closures.members.insert(root, members);
        }
        for containers in closures.containers.values_mut() {
            containers.sort_unstable();
        }
        closures
    }

    /// What an entitlement brings with it, beyond itself.
    pub(crate) fn members(&self, of: Key) -> &[Member] {
        self.members.get(&of).map_or(&[], Vec::as_slice)
    }

    /// What brings an entitlement with it, beyond itself; the scope is the one it is brought with.
    pub(crate) fn containers(&self, of: Key) -> &[Member] {
        self.containers.get(&of).map_or(&[], Vec::as_slice)
    }

    /// Whether the closure of `whole` holds `part`.
    pub(crate) fn holds(&self, whole: Key, part: Key) -> bool {
        whole == part || self.members(whole).iter().any(|(member, _)| *member == part)
    }
}
