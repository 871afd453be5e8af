//! The order in which findings and verdicts come out. There may be millions, so each text is ranked once, grants are
//! sorted by numbers, and what fired is then put in its place by going through them in their order.

use std::cmp::{Ordering, Reverse};
use std::ops::Range;

use super::estate::Sym;
use super::judgement::{About, Hit};
use super::names::Key;
use super::weigh::Facts;
use super::world::{Fast, World};
use crate::model::finding::Severity;
use crate::model::record::Risk;

/// The checks that fired on one grant, a bit for each by its place in the list of all; the two highest bits are the risk
/// of what the grant gives.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fired(u64);

impl Fired {
    const RISK: u32 = 62;

    /// Nothing fired yet.
    pub(super) fn none(risk: Risk) -> Self {
        let risk = match risk {
            Risk::Low => 0,
            Risk::Normal => 1,
            Risk::High => 2,
        };
        Self(risk << Self::RISK)
    }

    /// One more.
    pub(super) fn add(&mut self, check: u8) {
        debug_assert!(u32::from(check) < Self::RISK, "there is a bit for each check");
        self.0 |= 1 << (u32::from(check) % Self::RISK);
    }

    /// The bits of the checks, and the place of the risk in [`RISKS`].
    fn parts(self) -> (u64, usize) {
        (self.0 & !(3 << Self::RISK), usize::from((self.0 >> Self::RISK) as u8))
    }
}

/// All risks, as [`Fired`] numbers them.
const RISKS: [Risk; 3] = [Risk::Low, Risk::Normal, Risk::High];

/// The severity of a finding about something of this risk.
pub(super) fn stepped(severity: Severity, risk: Risk) -> Severity {
    match risk {
        Risk::High => severity.raised(),
        Risk::Normal => severity,
        Risk::Low => severity.lowered(),
    }
}

/// The grants in their order.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Rows by system, account, entitlement, scope and path (as texts).
    pub(super) rows: Vec<u32>,
    /// The runs of those that differ only in their path.
    ties: Vec<Range<usize>>,
}

impl Order {
    /// Sorts the grants on this many threads.
    pub(super) fn new(world: &World, threads: usize) -> Self {
        let ranks = ranks(world);
        let rank = |sym: Sym| u64::from(ranks.get(sym.index()).copied().unwrap_or(0));
        let mut keyed: Vec<(u64, u64, u32)> = (0..)
            .zip(&world.estate.grants)
            .map(|(row, g)| {
                let what = rank(g.entitlement) << 32 | g.scope.map_or(0, rank);
                (rank(g.system) << 32 | rank(g.account), what, row)
            })
            .collect();
        drop(ranks);
        sort(&mut keyed, threads);
        let mut ties = vec![];
        let mut at = 0;
        for run in keyed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            if run.len() > 1 {
                ties.push(at..at + run.len());
            }
            at += run.len();
        }
        let mut rows: Vec<u32> = keyed.into_iter().map(|(.., row)| row).collect();
        for tie in &ties {
            rows.get_mut(tie.clone()).unwrap_or_default().sort_unstable_by(|a, b| by_path(world, *a, *b));
        }
        Self { rows, ties }
    }

    /// Shows each row in the order of findings: grants that differ only in their path are told apart by the
    /// controlling request first.
    fn each(&self, world: &World, facts: &[Facts], mut show: impl FnMut(u32)) {
        let request = |row: u32| {
            let controlling = facts.get(row as usize).and_then(|f| f.controlling);
            controlling.and_then(|request| request_key(world, request))
        };
        let mut shown = 0;
        let mut tied = vec![];
        for tie in &self.ties {
            self.rows.get(shown..tie.start).unwrap_or_default().iter().for_each(|row| show(*row));
            tied.clear();
            tied.extend_from_slice(self.rows.get(tie.clone()).unwrap_or_default());
            // They are sorted by path, and a sort that is stable leaves that as it is.
            tied.sort_by(|a, b| request(*a).cmp(&request(*b)));
            tied.iter().for_each(|row| show(*row));
            shown = tie.end;
        }
        self.rows.get(shown..).unwrap_or_default().iter().for_each(|row| show(*row));
    }
}

/// For each text that a grant names, its place among all of them, from 1; by its number.
fn ranks(world: &World) -> Vec<u32> {
    let estate = &world.estate;
    let mut ranks = vec![0u32; estate.names.len()];
    let mut named: Vec<(u64, Sym)> = vec![];
    for g in &estate.grants {
        for sym in [Some(g.system), Some(g.account), Some(g.entitlement), g.scope].into_iter().flatten() {
            if let Some(slot) = ranks.get_mut(sym.index())
                && *slot == 0
            {
                *slot = 1;
                named.push((beginning(estate.text(sym)), sym));
            }
        }
    }
    named.sort_unstable_by(|(begin_a, a), (begin_b, b)| {
        begin_a.cmp(begin_b).then_with(|| estate.text(*a).cmp(estate.text(*b)))
    });
    for (rank, (_, sym)) in (1..).zip(&named) {
        if let Some(slot) = ranks.get_mut(sym.index()) {
            *slot = rank;
        }
    }
    ranks
}

/// The first eight bytes of a text as a number that compares as they do; a shorter text is filled with zeros, so that
/// it may be equal to a longer one, but never above it.
fn beginning(text: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text.bytes()).for_each(|(slot, b)| *slot = b);
    u64::from_be_bytes(bytes)
}

/// Sorts in parts, one a thread; the runs that this leaves are merged.
fn sort<T: Ord + Send>(items: &mut [T], threads: usize) {
    let part = items.len().div_ceil(threads.clamp(1, 256)).max(1 << 12);
    if part >= items.len() {
        return items.sort_unstable();
    }
    std::thread::scope(|scope| {
        for part in items.chunks_mut(part) {
            scope.spawn(|| part.sort_unstable());
        }
    });
    items.sort();
}

/// Compares the paths of two grants by their texts.
fn by_path(world: &World, a: u32, b: u32) -> Ordering {
    let path = |row: u32| {
        let span = world.estate.grants.get(row as usize).map(|g| g.path).unwrap_or_default();
        let steps = span.within(&world.estate.pools.steps).iter();
        steps.map(|s| (s.system.map(|s| world.estate.text(s)), world.estate.text(s.entitlement)))
    };
    path(a).cmp(path(b))
}

/// What requests are sorted by.
fn request_key(world: &World, row: u32) -> Option<(&str, &str)> {
    let (r, _) = world.request(row)?;
    Some((world.estate.text(r.id), world.estate.text(r.source)))
}

/// All checks that fired, in the order of the findings: by severity (critical first), check, system, account,
/// entitlement, scope, request id; then by all else that tells two findings apart.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    runs: Vec<Run>,
}

/// The hits of one check and one severity.
#[derive(Debug)]
struct Run {
    places: Range<usize>,
    severity: Severity,
    check: u8,
    about: Abouts,
}

#[derive(Debug)]
enum Abouts {
    Grants(Vec<u32>),
    Others(Vec<About>),
}

impl Hits {
    /// Puts in order what fired on each grant, by row, and all other hits. `severities` holds the severity of each
    /// check by its place, before the risk of what it is about.
    pub(super) fn new(
        world: &World,
        (order, facts): (&Order, &[Facts]),
        (fired, severities): (&[Fired], &[Severity]),
        others: Vec<Hit>,
    ) -> Self {
        let mut runs = of_grants(world, (order, facts), (fired, severities));
        runs.extend(of_others(world, others));
        runs.sort_by_key(|run| (Reverse(run.severity), run.check));
        let mut start = 0;
        for run in &mut runs {
            let length = match &run.about {
                Abouts::Grants(rows) => rows.len(),
                Abouts::Others(others) => others.len(),
            };
            run.places = start..start + length;
            start += length;
        }
        Self { runs }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.last().map_or(0, |run| run.places.end)
    }

    /// Lets go of hits that are not about a grant and that `keep` refuses.
    pub(super) fn retain_others(&mut self, mut keep: impl FnMut(About) -> bool) {
        let mut start = 0;
        for run in &mut self.runs {
            let length = match &mut run.about {
                Abouts::Grants(rows) => rows.len(),
                Abouts::Others(others) => {
                    others.retain(|about| keep(*about));
                    others.len()
                }
            };
            run.places = start..start + length;
            start += length;
        }
        self.runs.retain(|run| !run.places.is_empty());
    }

    /// One, by its place in the order.
    pub(crate) fn get(&self, place: usize) -> Option<Hit> {
        let run = self.runs.get(self.runs.partition_point(|run| run.places.end <= place))?;
        let within = place.checked_sub(run.places.start)?;
        let about = match &run.about {
            Abouts::Grants(rows) => About::Grant(*rows.get(within)?),
            Abouts::Others(others) => *others.get(within)?,
        };
        Some(Hit { severity: run.severity, check: run.check, about })
    }
}

/// One list for each check and severity, filled in the order of the grants.
fn of_grants(
    world: &World,
    (order, facts): (&Order, &[Facts]),
    (fired, severities): (&[Fired], &[Severity]),
) -> Vec<Run> {
    const EACH: usize = Severity::ALL.len();
    // For each check and risk the list that its hits go to.
    let slots: Vec<[usize; RISKS.len()]> = severities
        .iter()
        .enumerate()
        .map(|(place, severity)| RISKS.map(|risk| place * EACH + stepped(*severity, risk) as usize))
        .collect();
    let each = |row: u32, to: &mut dyn FnMut(usize)| {
        let (mut checks, risk) = fired.get(row as usize).copied().unwrap_or_default().parts();
        while checks != 0 {
            let place = checks.trailing_zeros() as usize;
            checks &= checks - 1;
            slots.get(place).and_then(|of| of.get(risk)).into_iter().for_each(|slot| to(*slot));
        }
    };
    let mut counts = vec![0usize; severities.len() * EACH];
    for row in (0..).take(fired.len()) {
        each(row, &mut |slot| counts.get_mut(slot).into_iter().for_each(|count| *count += 1));
    }
    let mut lists: Vec<Vec<u32>> = counts.into_iter().map(Vec::with_capacity).collect();
    order.each(world, facts, |row| {
        each(row, &mut |slot| lists.get_mut(slot).into_iter().for_each(|list| list.push(row)));
    });
    let named = (0..severities.len()).flat_map(|place| Severity::ALL.map(|severity| (place, severity)));
    let runs = named.zip(lists).filter(|(_, rows)| !rows.is_empty()).map(|((place, severity), rows)| Run {
        places: 0..0,
        severity,
        check: u8::try_from(place).unwrap_or(u8::MAX),
        about: Abouts::Grants(rows),
    });
    runs.collect()
}

/// Sorts all that is not about a grant.
fn of_others(world: &World, mut others: Vec<Hit>) -> Vec<Run> {
    let mut requests: Vec<u32> = others
        .iter()
        .filter_map(|hit| if let About::Request { request, .. } = hit.about { Some(request) } else { None })
        .collect();
    requests.sort_unstable();
    requests.dedup();
    requests.sort_by(|a, b| request_key(world, *a).cmp(&request_key(world, *b)));
    let ranks: Fast<u32, u32> = requests.into_iter().zip(0..).collect();
    let rank = |request: u32| ranks.get(&request);
    let who = |key: Option<Key>| key.map(|k| world.person(k));
    others.sort_by(|a, b| {
        (Reverse(a.severity), a.check).cmp(&(Reverse(b.severity), b.check)).then_with(|| {
            match (a.about, b.about) {
                (
                    About::Request { request: x, item: item_x, beneficiary: who_x },
                    About::Request { request: y, item: item_y, beneficiary: who_y },
                ) => {
                    rank(x).cmp(&rank(y)).then(item_x.cmp(&item_y)).then_with(|| who(who_x).cmp(&who(who_y)))
                }
                (About::Alias(x), About::Alias(y)) | (About::Source(x), About::Source(y)) => {
                    world.estate.text(x).cmp(world.estate.text(y))
                }
                _ => Ordering::Equal,
            }
        })
    });
    others
        .chunk_by(|a, b| (a.severity, a.check) == (b.severity, b.check))
        .filter_map(|run| {
            let Hit { severity, check, .. } = *run.first()?;
            let about = Abouts::Others(run.iter().map(|hit| hit.about).collect());
            Some(Run { places: 0..0, severity, check, about })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_sorted_in_parts_is_sorted() {
        let numbers: Vec<u32> = (0u32..50_000).map(|n| n.wrapping_mul(2_654_435_761) >> 12).collect();
        let mut expected = numbers.clone();
        expected.sort_unstable();
        for threads in [0, 1, 2, 3, 400] {
            let mut sorted = numbers.clone();
            sort(&mut sorted, threads);
            assert_eq!(sorted, expected, "{threads}");
        }
    }

    #[test]
    fn a_risk_is_told_apart_from_all_checks() {
        for risk in RISKS {
            let mut fired = Fired::none(risk);
            assert_eq!(fired.parts().0, 0);
            (0..62).for_each(|check| fired.add(check));
            let (checks, place) = fired.parts();
            assert_eq!((checks.count_ones(), RISKS[place]), (62, risk));
        }
    }

    proptest! {
        #[test]
        fn the_beginning_of_a_text_never_contradicts_the_text(a in "[a\u{0}é]{0,10}", b in "[a\u{0}é]{0,10}") {
            prop_assert!(beginning(&a).cmp(&beginning(&b)).is_le() || a > b);
        }
    }
}
