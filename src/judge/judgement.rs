//! All grants and requests at one instant, and who is judged by which thread.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use super::case::{Case, RequestCase, SourceCase};
use super::checks::{self, Check, Rule};
use super::estate::{GrantRow, Sym};
use super::names::Key;
use super::order::{Fired, Hits, Order, stepped};
use super::settings::Settings;
use super::weigh::{Facts, Moment, Scratch};
use super::world::{Held, Use, World};
use crate::model::finding::{Outcome, Severity, Standing};
use crate::model::{Instant, norm};

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
    pub(crate) hits: Hits,
    /// Rows of the grants in the order in which they are printed.
    pub(crate) order: Vec<u32>,
    /// Valid exceptions by the finding's id, and by check, system, account and entitlement (normal forms).
    pub(crate) exceptions: HashMap<ExceptionKey<'w>, usize>,
}

/// What an exception accepts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum ExceptionKey<'w> {
    Finding(&'w str),
    Grant([Cow<'w, str>; 4]),
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
    let (facts, fired) = judge_grants(&moment, &active, threads, progress);
    let mut others = judge_requests(&moment, &active, threads);
    judge_data(&moment, &active, &mut others);
    let mut severities: Vec<Severity> = checks::all().map(|check| check.severity).collect();
    for a in &active {
        severities.get_mut(usize::from(a.place)).into_iter().for_each(|severity| *severity = a.severity);
    }
    let order = Order::new(world, threads);
    let hits = Hits::new(world, (&order, &facts), (&fired, &severities), others);
    let exceptions = exceptions(world, now);
    Judgement { moment, facts, hits, order: order.rows, exceptions }
}

/// Stands where a grant is not yet judged.
const UNKNOWN: Facts = Facts {
    standing: Standing::Unknown,
    controlling: None,
    revoked_at: None,
    revocation_done: false,
    usage: Use { last: None, tracked_since: None, attribution: None },
    review_due: None,
    ticket_covers: false,
    approved_when_granted: false,
    only_controlling_when_granted: false,
    recheck_at: None,
};

/// Splits so many rows into parts, one for each thread.
fn share(rows: usize, threads: usize) -> usize {
    rows.div_ceil(threads.clamp(1, 256)).max(1)
}

/// What is known of each grant, and the checks that fired on it, by row.
fn judge_grants(
    moment: &Moment<'_>,
    active: &[Active],
    threads: usize,
    progress: &(dyn Fn(u64) + Sync),
) -> (Vec<Facts>, Vec<Fired>) {
    let world = moment.world;
    let rows = world.held.len();
    let share = share(rows, threads);
    // In their place from the beginning: to put together what the threads made would take the room twice.
    let (mut facts, mut fired) = (vec![UNKNOWN; rows], vec![Fired::default(); rows]);
    let grants = world.estate.grants.chunks(share).zip(world.held.chunks(share));
    std::thread::scope(|scope| {
        let rooms = facts.chunks_mut(share).zip(fired.chunks_mut(share));
        for ((grants, held), (facts, fired)) in grants.zip(rooms) {
            scope.spawn(move || {
                let rows = grants.iter().zip(held).zip(facts.iter_mut().zip(fired));
                judge_some(moment, active, rows, progress);
            });
        }
    });
    (facts, fired)
}

fn judge_some<'g>(
    moment: &Moment<'_>,
    active: &[Active],
    rows: impl ExactSizeIterator<Item = ((&'g GrantRow, &'g Held), (&'g mut Facts, &'g mut Fired))>,
    progress: &(dyn Fn(u64) + Sync),
) {
    const STEP: u64 = 4096;
    let mut scratch = Scratch::default();
    let mut done = 0;
    for ((grant, held), (facts, fired)) in rows {
        *facts = moment.weigh(grant, held, &mut scratch);
        let case = Case::new(moment, grant, held, facts);
        *fired = Fired::none(moment.risk(held.entitlement));
        for a in active {
            if let Rule::Grant { fires, .. } = a.check.rule
                && fires(&case)
            {
                fired.add(a.place);
            }
        }
        done += 1;
        if done == STEP {
            progress(std::mem::take(&mut done));
        }
    }
    progress(done);
}

fn judge_requests(moment: &Moment<'_>, active: &[Active], threads: usize) -> Vec<Hit> {
    let world = moment.world;
    let share = share(world.asked.len(), threads);
    let requests = world.estate.requests.chunks(share).zip(world.asked.chunks(share));
    std::thread::scope(|scope| {
        let parts: Vec<_> = requests
            .zip((0u32..).step_by(share))
            .map(|((requests, asked), first)| {
                scope.spawn(move || {
                    let mut hits = vec![];
                    for (row, (request, asked)) in (first..).zip(requests.iter().zip(asked)) {
                        judge_request(active, &RequestCase { moment, request, asked }, row, &mut hits);
                    }
                    hits
                })
            })
            .collect();
        // A panic in a thread is a defect; it goes on in this one.
        let joined = parts.into_iter().map(|part| part.join());
        joined.flat_map(|hits| hits.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

fn judge_request(active: &[Active], case: &RequestCase<'_>, row: u32, hits: &mut Vec<Hit>) {
    for a in active {
        if let Rule::Request { fires, .. } = a.check.rule {
            fires(case, &mut |item, beneficiary| {
                let right = item.and_then(|i| case.items().get(i as usize)).and_then(|i| i.entitlement);
                let severity = stepped(a.severity, case.moment.risk(right));
                let about = About::Request { request: row, item, beneficiary };
                hits.push(Hit { severity, check: a.place, about });
            });
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

/// Where an exception stands among those that accept the same: the one that lasts longest is first, then the one whose texts
/// sort first; never the order of arrival.
#[must_use]
pub fn exception_order<'e>(
    expires_at: Instant,
    accepted_by: &'e str,
    reason: &'e str,
) -> (Reverse<Instant>, &'e str, &'e str) {
    (Reverse(expires_at), accepted_by, reason)
}

fn exceptions(world: &World, now: Instant) -> HashMap<ExceptionKey<'_>, usize> {
    let form = |sym: Sym| norm(world.estate.text(sym));
    let mut valid: HashMap<ExceptionKey<'_>, usize> = HashMap::new();
    for (row, e) in world.estate.exceptions.iter().enumerate().filter(|(_, e)| e.expires_at > now) {
        let key = match (e.finding, e.system, e.account, e.entitlement) {
            (Some(id), ..) => ExceptionKey::Finding(world.estate.text(id)),
            (None, Some(s), Some(a), Some(r)) => ExceptionKey::Grant([e.check, s, a, r].map(form)),
            _ => continue,
        };
        let order = |row: usize| {
            let e = world.estate.exceptions.get(row)?;
            let [by, reason] = [e.accepted_by, e.reason].map(|sym| world.estate.text(sym));
            Some(exception_order(e.expires_at, by, reason))
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
        self.hits.len() == 0
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
