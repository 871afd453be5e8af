//! Which requests cover a grant, and which grants an approved item covers, by binary search.

use std::cmp::Ordering;

use super::closure::Closures;
use super::grouped::Grouped;
use super::{Estate, Held, Item, Key, Sym};
use crate::judge::estate::Interner;

/// A scope as an approval means it: `None` where it covers everything, else without a trailing `/*`.
pub(crate) fn approved_scope(text: &str) -> Option<&str> {
    match text {
        "" | "*" => None,
        _ => Some(text.strip_suffix("/*").unwrap_or(text)),
    }
}

/// Whether an approved scope (without a trailing `/*`; `None` covers everything) covers a held one.
pub(super) fn scope_covers(approved: Option<&str>, held: Option<&str>) -> bool {
    match (approved, held) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(a), Some(h)) => h.strip_prefix(a).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
    }
}

/// One access item of one request for one beneficiary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    entitlement: Key,
    /// 0 for none, else the number of the text.
    scope: u32,
    request: u32,
}

/// All that was asked for, by beneficiary, entitlement and scope.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    entries: Grouped<Entry>,
}

impl Coverage {
    /// `people` is the number of keys of people.
    pub(super) fn new(estate: &Estate, beneficiaries: &[Key], items: &[Item], people: usize) -> Self {
        let mut entries: Vec<(Key, Entry)> = Vec::with_capacity(items.len());
        for (request, r) in (0..).zip(&estate.requests) {
            for who in r.beneficiaries.within(beneficiaries).iter().filter_map(|k| k.certain()) {
                for item in r.access.within(items) {
                    if let Some(entitlement) = item.entitlement {
                        let scope = item.scope.map_or(0, Sym::number);
                        entries.push((who, Entry { entitlement, scope, request }));
                    }
                }
            }
        }
        Self { entries: Grouped::new(&entries, people, <[_]>::sort_unstable) }
    }

    /// The requests for this beneficiary and exactly this entitlement. One that names it twice is there twice.
    pub(crate) fn asked(&self, who: Key, entitlement: Key) -> impl Iterator<Item = u32> + '_ {
        range(self.entries.of(who), |e| e.entitlement.cmp(&entitlement)).iter().map(|e| e.request)
    }

    /// All that was asked for a beneficiary: each entitlement with the request.
    pub(crate) fn all(&self, who: Key) -> impl Iterator<Item = (Key, u32)> + '_ {
        self.entries.of(who).iter().map(|e| (e.entitlement, e.request))
    }

    /// Adds the requests (any state, any intent) that cover what `who` holds: `held` is the entitlement itself and
    /// those of the path it is inherited through. The result is sorted and holds no request twice.
    pub(crate) fn covering(
        &self,
        names: &Interner,
        closures: &Closures,
        who: Key,
        held: impl Iterator<Item = Key>,
        scope: Option<Sym>,
        found: &mut Vec<u32>,
    ) {
        let own = self.entries.of(who);
        if own.is_empty() {
            return;
        }
        let held_scope = scope.map(|s| names.get(s));
        let mut take = |entitlement: Key, override_scope: Option<Sym>| {
            let asked = range(own, |e| e.entitlement.cmp(&entitlement));
            if asked.is_empty() {
                return;
            }
            if let Some(given) = override_scope {
                if scope_covers(approved_scope(names.get(given)), held_scope) {
                    found.extend(asked.iter().map(|e| e.request));
                }
                return;
            }
            // Every approved scope that covers the held one is none at all, the held one, or a part of it that
            // ends before a `/`.
            let mut with =
                |number: u32| found.extend(range(asked, |e| e.scope.cmp(&number)).iter().map(|e| e.request));
            with(0);
            if let (Some(text), Some(whole)) = (held_scope, scope) {
                let parts = text.match_indices('/').filter_map(|(i, _)| text.get(..i));
                parts.filter_map(|part| names.find(part)).for_each(|sym| with(sym.number()));
                with(whole.number());
            }
        };
        for entitlement in held {
            take(entitlement, None);
            // Whichever is shorter to walk: all that brings the entitlement with it, or all that was asked for.
            let containers = closures.containers(entitlement);
            if containers.len() <= own.len() {
                containers.iter().for_each(|&(container, scope)| take(container, scope));
            } else {
                let mut last = None;
                for asked in own.iter().map(|e| e.entitlement) {
                    if last.replace(asked) != Some(asked) {
                        let from = containers.partition_point(|(c, _)| *c < asked);
                        let same =
                            containers.get(from..).unwrap_or(&[]).iter().take_while(|(c, _)| *c == asked);
                        same.for_each(|&(container, scope)| take(container, scope));
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
    }
}

/// One entitlement that a subject holds, itself or as a step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holding {
    entitlement: Key,
    scope: Option<Sym>,
}

/// All that is held, by subject, entitlement and scope (as text, so that what lies below a scope stands together).
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    holdings: Grouped<Holding>,
}

impl Holdings {
    /// `people` is the number of keys of people.
    pub(super) fn new(
        estate: &Estate,
        names: &Interner,
        held: &[Held],
        steps: &[Option<Key>],
        people: usize,
    ) -> Self {
        let mut holdings: Vec<(Key, Holding)> = Vec::with_capacity(held.len());
        for (g, h) in estate.grants.iter().zip(held) {
            let Some(who) = h.subject.certain() else { continue };
            let path = g.path.within(steps).iter().copied().flatten();
            let rights = h.entitlement.into_iter().chain(path);
            holdings.extend(rights.map(|entitlement| (who, Holding { entitlement, scope: g.scope })));
        }
        let within = |group: &mut [Holding]| {
            group.sort_unstable_by(|a, b| {
                a.entitlement.cmp(&b.entitlement).then_with(|| {
                    if a.scope == b.scope {
                        Ordering::Equal
                    } else {
                        a.scope.map(|s| names.get(s)).cmp(&b.scope.map(|s| names.get(s)))
                    }
                })
            });
        };
        Self { holdings: Grouped::new(&holdings, people, within) }
    }

    /// Whether `who` holds this entitlement with a scope that an approved one covers.
    pub(crate) fn any(&self, names: &Interner, who: Key, entitlement: Key, approved: Option<&str>) -> bool {
        let held = range(self.holdings.of(who), |h| h.entitlement.cmp(&entitlement));
        let Some(approved) = approved else { return !held.is_empty() };
        let text = |h: &Holding| h.scope.map(|s| names.get(s));
        // Text below the scope starts with it and a `/`; it stands together, but not always next to the scope.
        let below = format!("{approved}/");
        held.binary_search_by(|h| text(h).cmp(&Some(approved))).is_ok()
            || held
                .get(held.partition_point(|h| text(h) < Some(below.as_str())))
                .is_some_and(|h| text(h).is_some_and(|t| t.starts_with(&below)))
    }
}

/// The run of a sorted list that compares equal.
fn range<T>(sorted: &[T], order: impl Fn(&T) -> Ordering) -> &[T] {
    let from = sorted.partition_point(|t| order(t) == Ordering::Less);
    let rest = sorted.get(from..).unwrap_or(&[]);
    rest.get(..rest.partition_point(|t| order(t) == Ordering::Equal)).unwrap_or(&[])
}

/// Whether `who` holds something an access item covers.
pub(crate) fn fulfilled(
    names: &Interner,
    closures: &Closures,
    holdings: &Holdings,
    who: Key,
    item: &Item,
) -> bool {
    let Some(entitlement) = item.entitlement else { return false };
    let own = item.scope.map(|s| names.get(s));
    holdings.any(names, who, entitlement, own)
        || closures.members(entitlement).iter().any(|&(member, scope)| {
            let scope = match scope {
                None => own,
                Some(s) => approved_scope(names.get(s)),
            };
            holdings.any(names, who, member, scope)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_itself_and_what_lies_below_it() {
        for (approved, held, covers) in [
            (None, None, true),
            (None, Some("a"), true),
            (Some("a"), None, false),
            (Some("a"), Some("a"), true),
            (Some("a"), Some("a/b"), true),
            (Some("a"), Some("ab"), false),
            (Some("a/b"), Some("a"), false),
        ] {
            assert_eq!(scope_covers(approved, held), covers, "{approved:?} {held:?}");
        }
    }
}
