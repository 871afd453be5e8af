//! Rows by their keys: which of two records with the same key stands, and the ties to be settled by their text.

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash};

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashSet, HashTable};

use super::build::Locator;
use super::rows::*;

/// Finds the row of a key, and knows the line each row was made from.
#[derive(Debug, Default)]
pub(super) struct Keyed {
    rows: HashTable<u32>,
    traces: Vec<Trace>,
    ties: HashMap<u32, Vec<(Trace, u32)>>,
}

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

impl Keyed {
    /// Puts a row in its place. Rows that tie are kept, to be settled by [`Keyed::settle`].
    pub(super) fn place<R: KeyedRow, K: Hash + Eq>(
        &mut self,
        (rows, dropped): (&mut Vec<R>, &mut u64),
        row: R,
        trace: Trace,
        hasher: &RandomState,
        key_of: impl Fn(&R) -> K,
    ) {
        let key = key_of(&row);
        let hash = hasher.hash_one(&key);
        let found = self.rows.find(hash, |&i| rows.get(i as usize).is_some_and(|held| key_of(held) == key));
        if let Some(&i) = found {
            let (Some(held), Some(held_trace)) = (rows.get_mut(i as usize), self.traces.get_mut(i as usize))
            else {
                return;
            };
            if held_trace.hash == trace.hash {
                return;
            }
            match row.origin().observed_at.cmp(&held.origin().observed_at) {
                Ordering::Less => *dropped += 1,
                Ordering::Greater => {
                    *dropped += 1 + self.ties.remove(&i).map_or(0, |t| t.len() as u64);
                    (*held, *held_trace) = (row, trace);
                }
                Ordering::Equal => {
                    let contender = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    rows.push(row);
                    self.traces.push(trace);
                    self.ties.entry(i).or_default().push((trace, contender));
                }
            }
        } else {
            let i = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            rows.push(row);
            self.traces.push(trace);
            let rehash = |&i: &u32| rows.get(i as usize).map_or(0, |held| hasher.hash_one(key_of(held)));
            self.rows.insert_unique(hash, i, rehash);
        }
    }

    /// The lines that ties must be settled by.
    pub(super) fn tied(&self, lines: &mut Vec<Locator>) {
        for (held, contenders) in &self.ties {
            lines.extend(self.traces.get(*held as usize).map(|t| t.at));
            lines.extend(contenders.iter().map(|(trace, _)| trace.at));
        }
    }

    /// Settles the ties and takes the losers out.
    pub(super) fn settle<R>(
        &mut self,
        rows: &mut Vec<R>,
        dropped: &mut u64,
        texts: &HashMap<Locator, String>,
    ) {
        let mut losers = vec![];
        for (held, contenders) in &self.ties {
            let text = |trace: &Trace| texts.get(&trace.at).map_or("", String::as_str);
            let Some(trace) = self.traces.get(*held as usize) else { continue };
            let mut best = (text(trace), *held);
            for (trace, contender) in contenders {
                let mut other = (text(trace), *contender);
                if other.0 != best.0 {
                    *dropped += 1;
                }
                if other.0 > best.0 {
                    std::mem::swap(&mut best, &mut other);
                }
                losers.push(other.1);
            }
        }
        // Contenders that lost to a later observation before their tie was settled were forgotten by `place`, and
        // their rows stay: every row that neither the key leads to nor a tie made a winner goes.
        if self.rows.len() < rows.len() {
            let lost: HashSet<u32> = losers.into_iter().collect();
            let mut kept: HashSet<u32> = self.rows.iter().copied().collect();
            kept.extend(self.ties.values().flatten().map(|(_, i)| *i));
            let mut i = 0;
            rows.retain(|_| {
                let keep = kept.contains(&i) && !lost.contains(&i);
                i += 1;
                keep
            });
        }
        *self = Self::default();
    }
}
