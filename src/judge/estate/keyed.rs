//! Which of the rows of one key stands, once all are there; and the ties to be settled by their text.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashSet, HashTable};

use super::build::Locator;
use super::rows::*;

/// The line a row was made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    /// Hash of the line, by which an exact repetition is told without reading it again.
    pub(super) hash: u64,
    pub(super) at: Locator,
}

/// A row that may lose against another of the same key.
pub(super) trait KeyedRow {
    fn origin(&self) -> &Origin;
}

macro_rules! keyed_rows {
    ($($row:ty),*) => { $(impl KeyedRow for $row { fn origin(&self) -> &Origin { &self.origin } })* };
}
keyed_rows!(IdentityRow, SystemRow, WorkflowRow, EntitlementRow, PolicyRow, RequestRow, GrantRow);

/// What the rows of keys that stand more than once come to.
#[derive(Debug, Default)]
pub(super) struct Contest {
    /// Rows that are out.
    lost: HashSet<u32>,
    /// Rows of one key that only their texts can decide between, in the order of the input, with their lines.
    ties: Vec<Vec<(Trace, u32)>>,
    /// Records that lost and were not the same as the one that stands.
    dropped: u64,
}

impl Contest {
    /// Looks at all rows of one type. `traces` are in the order of the rows.
    pub(super) fn new<R: KeyedRow, K: Hash + Eq>(
        rows: &[R],
        traces: &[Trace],
        hasher: &RandomState,
        key_of: impl Fn(&R) -> K,
    ) -> Self {
        // By their keys the rows that came first, and the others of their keys. Half of the hash stands beside a row: most
        // keys are seen to be different without a look at their rows, which lie anywhere.
        let mut first: HashTable<(u32, u32)> = HashTable::with_capacity(rows.len());
        let mut others: HashMap<u32, Vec<u32>> = HashMap::new();
        for (i, row) in (0..).zip(rows) {
            let key = key_of(row);
            let hash = hasher.hash_one(&key);
            let short = (hash >> 32) as u32;
            let same = |&(held, at): &(u32, u32)| {
                held == short && rows.get(at as usize).is_some_and(|held| key_of(held) == key)
            };
            let again =
                |&(_, at): &(u32, u32)| rows.get(at as usize).map_or(0, |r| hasher.hash_one(key_of(r)));
            match first.entry(hash, same, again) {
                Entry::Vacant(free) => drop(free.insert((short, i))),
                Entry::Occupied(held) => others.entry(held.get().1).or_default().push(i),
            }
        }
        let mut contest = Self::default();
        let mut others: Vec<_> = others.into_iter().collect();
        others.sort_unstable();
        for (first, others) in others {
            contest.judge(rows, traces, first, &others);
        }
        contest
    }

    /// The later observation stands; what was seen at the same time ties.
    fn judge<R: KeyedRow>(&mut self, rows: &[R], traces: &[Trace], first: u32, others: &[u32]) {
        let of = |i: u32| Some((*traces.get(i as usize)?, rows.get(i as usize)?.origin().observed_at));
        let Some((trace, mut observed_at)) = of(first) else { return };
        let mut standing = vec![(trace, first)];
        for &i in others {
            let Some((trace, seen)) = of(i) else { continue };
            if standing.first().is_some_and(|(held, _)| held.hash == trace.hash) {
                self.lost.insert(i);
                continue;
            }
            match seen.cmp(&observed_at) {
                Ordering::Less => {
                    self.dropped += 1;
                    self.lost.insert(i);
                }
                Ordering::Greater => {
                    self.dropped += standing.len() as u64;
                    self.lost.extend(standing.drain(..).map(|(_, i)| i));
                    observed_at = seen;
                    standing.push((trace, i));
                }
                Ordering::Equal => standing.push((trace, i)),
            }
        }
        if standing.len() > 1 {
            self.ties.push(standing);
        }
    }

    /// The lines that ties must be settled by.
    pub(super) fn tied(&self) -> impl Iterator<Item = Locator> + '_ {
        self.ties.iter().flatten().map(|(trace, _)| trace.at)
    }

    /// Settles the ties by the texts of the lines and takes out what lost; how many records were dropped.
    pub(super) fn settle<R>(mut self, rows: &mut Vec<R>, texts: &HashMap<Locator, String>) -> u64 {
        for tie in &self.ties {
            let mut entries =
                tie.iter().map(|(trace, i)| (texts.get(&trace.at).map_or("", String::as_str), *i));
            let Some(mut best) = entries.next() else { continue };
            for mut other in entries {
                if other.0 != best.0 {
                    self.dropped += 1;
                }
                if other.0 > best.0 {
                    std::mem::swap(&mut best, &mut other);
                }
                self.lost.insert(other.1);
            }
        }
        if !self.lost.is_empty() {
            let mut i = 0;
            rows.retain(|_| {
                i += 1;
                !self.lost.contains(&(i - 1))
            });
        }
        self.dropped
    }
}
