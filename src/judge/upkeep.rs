//! What whoever keeps findings needs of a judgement besides what is printed: under whose name each thing was judged,
//! and when it must be judged again.

use std::borrow::Cow;

use super::case::RequestCase;
use super::estate::Sym;
use super::judgement::{About, Judgement, judge_at};
use super::names::Key;
use super::reach::{home_of_person, home_of_request};
use super::settings::Settings;
use super::weigh::{Moment, Next};
use super::world::World;
use crate::model::finding::{Standing, Verdict};
use crate::model::record::{Intent, State};
use crate::model::{Instant, RecordType, norm};

/// Judges a part of an estate. As [`judge`](super::judge), but no verdict waits for a source to become stale: that
/// touches everything at once, and shows in [`doubts`].
#[must_use]
pub fn judge_part<'w>(
    world: &'w World,
    settings: &'w Settings,
    now: Instant,
    threads: usize,
) -> Judgement<'w> {
    let mut moment = Moment::new(world, settings, now);
    moment.next_stale = None;
    judge_at(moment, threads, &|_| {})
}

/// What touches everything at this instant: which absences prove nothing, and who answers where no record names anybody.
/// A text that is the same whenever they are the same; when it changes, everything must be judged again.
#[must_use]
pub fn doubts(world: &World, settings: &Settings, now: Instant) -> String {
    let max_age = settings.checks.thresholds.source_max_age;
    let (mut requests, mut everywhere, mut systems) = (false, false, vec![]);
    for (s, keys) in world.estate.snapshots.iter().zip(&world.snapshot_systems) {
        if s.complete && s.taken_at.plus(max_age) > now {
            continue;
        }
        requests |= s.provides.contains(&RecordType::Request);
        if s.provides.contains(&RecordType::Grant) {
            everywhere |= keys.is_empty();
            systems.extend(s.systems.iter().map(|s| norm(world.estate.text(*s)).into_owned()));
        }
    }
    systems.sort_unstable();
    systems.dedup();
    let people = world.defaults.map(|who| who.map_or("", |key| world.person(key)));
    format!("{requests} {everywhere}\n{}\n{}", people.join("\n"), systems.join("\n"))
}

/// A verdict, with what keeps it true.
#[derive(Debug)]
pub struct Kept<'a> {
    /// The verdict; its `recheck_at` leaves out sources that become stale.
    pub verdict: Verdict<'a>,
    /// The name, in its normal form, that stands for all that is judged together with the grant.
    pub home: Cow<'a, str>,
    /// Whether a later sight of the very same grant could change the answer: it was last seen before its revocation had
    /// to show.
    pub awaits_sight: bool,
}

impl<'w> Judgement<'w> {
    /// The verdicts with what keeps them true.
    pub fn kept(&self) -> impl Iterator<Item = Kept<'w>> + '_ {
        let lag = self.moment.thresholds().revocation_lag;
        self.order.iter().filter_map(move |row| {
            let world = self.moment.world;
            let (grant, held) = world.grant(*row)?;
            let facts = self.facts.get(*row as usize)?;
            let due = facts.revoked_at.filter(|_| facts.revocation_done).map(|at| at.plus(lag));
            let early = due.is_some_and(|due| grant.origin.observed_at.is_some_and(|seen| seen < due));
            Some(Kept {
                verdict: self.verdict(*row)?,
                home: home_of_person(world.person(held.subject)),
                awaits_sight: facts.standing == Standing::Revoked && early,
            })
        })
    }

    /// The home of a finding, by its place in the order; `None` for a finding about a source, which has none.
    #[must_use]
    pub fn home(&self, place: usize) -> Option<Cow<'_, str>> {
        let world = self.moment.world;
        let text = |sym: Sym| world.estate.text(sym);
        match self.hits.get(place)?.about {
            About::Grant(row) => {
                let (_, held) = world.grant(row)?;
                Some(home_of_person(world.person(held.subject)))
            }
            About::Request { beneficiary: Some(who), .. } => Some(home_of_person(world.person(who))),
            About::Request { request, .. } => {
                let (row, _) = world.request(request)?;
                let first = row.beneficiaries.within(&world.estate.pools.beneficiaries).first();
                let home = home_of_request(text(row.source), text(row.id), first.map(|b| text(*b)));
                Some(Cow::Owned(home))
            }
            About::Alias(alias) => {
                let at = world.ambiguous.iter().find(|a| a.alias == alias)?;
                Some(norm(text(at.name)))
            }
            About::Source(_) => None,
        }
    }

    /// For each person that an approved request is for, when something about that request could change with no new
    /// record; people may be told more than once.
    pub fn waits(&self) -> impl Iterator<Item = (Cow<'w, str>, Instant)> + '_ {
        let world = self.moment.world;
        let window = self.moment.thresholds().fulfilment_window;
        world.estate.requests.iter().zip(&world.asked).flat_map(move |(request, asked)| {
            let mut next = Next { now: self.moment.now, at: None };
            if request.state == State::Approved && request.intent == Intent::Grant {
                next.see(asked.start);
                next.see(asked.end);
                next.see(asked.decided_at.map(|t| t.plus(window)));
            }
            let case = RequestCase { moment: &self.moment, request, asked };
            let people: Vec<Key> = if next.at.is_some() { case.beneficiaries().to_vec() } else { vec![] };
            people.into_iter().filter_map(move |who| Some((home_of_person(world.person(who)), next.at?)))
        })
    }
}
