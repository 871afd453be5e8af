//! All grants and requests at one instant: who is judged by which thread, and in which order it comes out.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use super::case::{Case, RequestCase, SourceCase};
use super::checks::{self, Check, Rule};
use super::estate::Sym;
use super::names::Key;
use super::settings::Settings;
use super::weigh::{Facts, Moment, Scratch};
use super::world::World;
use crate::model::Instant;
use crate::model::finding::{Outcome, Severity, Standing};
use crate::model::record::Risk;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    Grant(u32),
    Request { request: u32, item: Option<u32>, beneficiary: Option<Key> },
    Alias(Sym),
    Source(Sym),
}

/// A check that fired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hit {
    pub(crate) severity: Severity,
    /// Place of the check in the list of all.
    pub(crate) check: u8,
    pub(crate) about: About,
}

/// All verdicts and findings of one instant, in order; texts are made when asked for.
#[derive(Debug)]
pub struct Judgement<'w> {
    pub(crate) moment: Moment<'w>,
    pub(crate) facts: Vec<Facts>,
    pub(crate) hits: Vec<Hit>,
    /// Rows of the grants in the order in which they are printed.
    pub(crate) order: Vec<u32>,
    /// Valid exceptions by the finding's id, and by check, system, account and entitlement (normal forms).
    pub(crate) exceptions: HashMap<ExceptionKey, usize>,
}

/// What an exception accepts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExceptionKey {
    Finding(String),
    Grant([String; 4]),
}

/// A check that is switched on, with its severity in this site.
#[derive(Clone, Copy)]
struct Active {
    place: u8,
    check: &'static Check,
    severity: Severity,
}

/// Judges every grant, request, alias and source at `now` with this many threads (at least one). `progress` is
/// told, from any thread, how many more grants are done.
#[must_use]
pub fn judge<'w>(
    world: &'w World,
    settings: &'w Settings,
    now: Instant,
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Judgement<'w> {
    judge_at(Moment::new(world, settings, now), threads, progress)
}

/// Judges everything at a moment.
pub(super) fn judge_at<'w>(
    moment: Moment<'w>,
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> Judgement<'w> {
    let (world, settings, now) = (moment.world, moment.settings, moment.now);
    let active: Vec<Active> = (0..)
        .zip(checks::all())
        .filter_map(|(place, check)| {
            let own = settings.checks.overrides.get(check.name).copied().unwrap_or_default();
            let severity = own.severity.unwrap_or(check.severity);
            own.enabled.unwrap_or(true).then_some(Active { place, check, severity })
        })
        .collect();
    let rows = world.held.len();
    let share = rows.div_ceil(threads.clamp(1, 256)).max(1);
    let (mut facts, mut hits) = (Vec::with_capacity(rows), vec![]);
    std::thread::scope(|scope| {
        let (moment, active) = (&moment, &active);
        let mut parts: Vec<_> = (0..rows)
            .step_by(share)
            .map(|from| {
                scope.spawn(move || judge_grants(moment, active, from..(from + share).min(rows), progress))
            })
            .collect();
        for part in parts.drain(..) {
            // A panic in a thread is a defect; it goes on in this one.
            let (f, h) = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            facts.extend(f);
            hits.extend(h);
        }
    });
    judge_requests(&moment, &active, &mut hits);
    judge_data(&moment, &active, &mut hits);
    let (order, ranks) = ranked(world);
    sort(&mut hits, world, &facts, &ranks);
    let exceptions = exceptions(world, now);
    Judgement { moment, facts, hits, order, exceptions }
}

fn judge_grants(
    moment: &Moment<'_>,
    active: &[Active],
    rows: std::ops::Range<usize>,
    progress: &(dyn Fn(u64) + Sync),
) -> (Vec<Facts>, Vec<Hit>) {
    const STEP: usize = 4096;
    let (mut facts, mut hits) = (Vec::with_capacity(rows.len()), vec![]);
    let mut scratch = Scratch::default();
    let world = moment.world;
    let grants = world.estate.grants.get(rows.clone()).unwrap_or(&[]);
    let held = world.held.get(rows.clone()).unwrap_or(&[]);
    for (row, (grant, held)) in rows.zip(grants.iter().zip(held)) {
        let f = moment.weigh(grant, held, &mut scratch);
        let case = Case::new(moment, grant, held, &f);
        let risk = moment.risk(held.entitlement);
        for a in active {
            if let Rule::Grant { fires, .. } = a.check.rule
                && fires(&case)
            {
                let about = About::Grant(u32::try_from(row).unwrap_or(u32::MAX));
                hits.push(Hit { severity: stepped(a.severity, risk), check: a.place, about });
            }
        }
        facts.push(f);
        if facts.len() % STEP == 0 {
            progress(STEP as u64);
        }
    }
    progress((facts.len() % STEP) as u64);
    (facts, hits)
}

fn judge_requests(moment: &Moment<'_>, active: &[Active], hits: &mut Vec<Hit>) {
    let world = moment.world;
    for (row, (request, asked)) in (0..).zip(world.estate.requests.iter().zip(&world.asked)) {
        let case = RequestCase { moment, request, asked };
        for a in active {
            if let Rule::Request { fires, .. } = a.check.rule {
                fires(&case, &mut |item, beneficiary| {
                    let right = item.and_then(|i| case.items().get(i as usize)).and_then(|i| i.entitlement);
                    let severity = stepped(a.severity, moment.risk(right));
                    let about = About::Request { request: row, item, beneficiary };
                    hits.push(Hit { severity, check: a.place, about });
                });
            }
        }
    }
}

fn judge_data(moment: &Moment<'_>, active: &[Active], hits: &mut Vec<Hit>) {
    let world = moment.world;
    let mut sources: Vec<Sym> = world.estate.snapshots.iter().map(|s| s.source).collect();
    sources.sort_unstable();
    sources.dedup();
    for a in active {
        let mut hit = |about| hits.push(Hit { severity: a.severity, check: a.place, about });
        match a.check.rule {
            Rule::Alias { .. } => world.ambiguous.iter().for_each(|a| hit(About::Alias(a.alias))),
            Rule::Source { fires, .. } => {
                let bad = sources.iter().filter(|source| fires(&SourceCase { moment, source: **source }));
                bad.for_each(|source| hit(About::Source(*source)));
            }
            Rule::Grant { .. } | Rule::Request { .. } => {}
        }
    }
}

fn stepped(severity: Severity, risk: Risk) -> Severity {
    match risk {
        Risk::High => severity.raised(),
        Risk::Normal => severity,
        Risk::Low => severity.lowered(),
    }
}

/// The rows of the grants by system, account, entitlement, scope (as texts), and for each row its rank; grants that
/// differ only in their path share one. Texts are ranked first, each once, so that rows compare as numbers.
fn ranked(world: &World) -> (Vec<u32>, Vec<u32>) {
    let estate = &world.estate;
    let mut used: Vec<Sym> = estate
        .grants
        .iter()
        .flat_map(|g| [Some(g.system), Some(g.account), Some(g.entitlement), g.scope])
        .flatten()
        .collect();
    used.sort_unstable();
    used.dedup();
    used.sort_unstable_by(|a, b| estate.text(*a).cmp(estate.text(*b)));
    let mut rank_of = vec![0u32; estate.names.len()];
    for (rank, sym) in (1..).zip(&used) {
        if let Some(slot) = rank_of.get_mut(sym.index()) {
            *slot = rank;
        }
    }
    let rank = |sym: Sym| rank_of.get(sym.index()).copied().unwrap_or(0);
    let mut keyed: Vec<([u32; 4], u32)> = (0..)
        .zip(&estate.grants)
        .map(|(row, g)| {
            ([rank(g.system), rank(g.account), rank(g.entitlement), g.scope.map_or(0, rank)], row)
        })
        .collect();
    keyed.sort_unstable_by(|(a, row_a), (b, row_b)| a.cmp(b).then_with(|| by_path(world, *row_a, *row_b)));
    let mut ranks = vec![0u32; keyed.len()];
    let (mut current, mut last) = (0, None);
    for (key, row) in &keyed {
        if last.replace(*key) != Some(*key) {
            current += 1;
        }
        if let Some(slot) = ranks.get_mut(*row as usize) {
            *slot = current;
        }
    }
    (keyed.into_iter().map(|(_, row)| row).collect(), ranks)
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

/// By severity (critical first), check, system, account, entitlement, scope, request id; then by all else that
/// tells two findings apart.
fn sort(hits: &mut [Hit], world: &World, facts: &[Facts], ranks: &[u32]) {
    let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or(u32::MAX);
    let controlling = |row: u32| facts.get(row as usize).and_then(|f| f.controlling);
    let request = |row: Option<u32>| {
        let (r, _) = world.request(row?)?;
        Some((world.estate.text(r.id), world.estate.text(r.source)))
    };
    hits.sort_unstable_by(|a, b| {
        (Reverse(a.severity), a.check).cmp(&(Reverse(b.severity), b.check)).then_with(|| {
            match (a.about, b.about) {
                (About::Grant(x), About::Grant(y)) => rank(x).cmp(&rank(y)).then_with(|| {
                    if x == y {
                        return Ordering::Equal;
                    }
                    request(controlling(x)).cmp(&request(controlling(y))).then_with(|| by_path(world, x, y))
                }),
                (
                    About::Request { request: x, item: item_x, beneficiary: who_x },
                    About::Request { request: y, item: item_y, beneficiary: who_y },
                ) => {
                    let id = |row| if x == y { None } else { request(Some(row)) };
                    let who = |key: Option<Key>| key.map(|k| world.person(k));
                    id(x).cmp(&id(y)).then(item_x.cmp(&item_y)).then_with(|| who(who_x).cmp(&who(who_y)))
                }
                (About::Alias(x), About::Alias(y)) | (About::Source(x), About::Source(y)) => {
                    world.estate.text(x).cmp(world.estate.text(y))
                }
                _ => Ordering::Equal,
            }
        })
    });
}

fn exceptions(world: &World, now: Instant) -> HashMap<ExceptionKey, usize> {
    let norm = |sym: Sym| crate::model::norm(world.estate.text(sym)).into_owned();
    let mut valid: HashMap<ExceptionKey, usize> = HashMap::new();
    for (row, e) in world.estate.exceptions.iter().enumerate().filter(|(_, e)| e.expires_at > now) {
        let key = match (e.finding, e.system, e.account, e.entitlement) {
            (Some(id), ..) => ExceptionKey::Finding(world.estate.text(id).to_owned()),
            (None, Some(s), Some(a), Some(r)) => ExceptionKey::Grant([e.check, s, a, r].map(norm)),
            _ => continue,
        };
        // Of several the one that lasts longest, then the one whose texts sort first: never the order of arrival.
        let order = |row: usize| {
            let e = world.estate.exceptions.get(row)?;
            Some((Reverse(e.expires_at), world.estate.text(e.accepted_by), world.estate.text(e.reason)))
        };
        valid
            .entry(key)
            .and_modify(|held| {
                if order(row) < order(*held) {
                    *held = row;
                }
            })
            .or_insert(row);
    }
    valid
}

impl Judgement<'_> {
    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hits.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hits.is_empty()
    }

    /// How many grants are justified, unjustified, and not known, in this order.
    #[must_use]
    pub fn outcomes(&self) -> [u64; 3] {
        let mut counts = [0; 3];
        for f in &self.facts {
            let [justified, unjustified, unknown] = &mut counts;
            *match f.standing.outcome() {
                Outcome::Justified => justified,
                Outcome::Unjustified => unjustified,
                Outcome::Unknown => unknown,
            } += 1;
        }
        counts
    }

    /// How many grants have each standing, in the order of [`Standing::ALL`].
    #[must_use]
    pub fn standings(&self) -> Vec<(Standing, u64)> {
        let count = |s| self.facts.iter().filter(|f| f.standing == s).count() as u64;
        Standing::ALL.into_iter().map(|s| (s, count(s))).collect()
    }
}
