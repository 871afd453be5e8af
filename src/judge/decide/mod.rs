//! Looking up one grant at the time of a decision: *is this justified now?*
//!
//! [`Decide`] is an index over a [`Judgement`]: it is asked for a system, an account, an entitlement and a scope as texts, and
//! says how that grant was judged and until when that holds. Asking reads and compares numbers, takes no memory where names
//! are written in ASCII without capitals, and may be done from any number of threads.
//!
//! Names mean what they mean to the judge: an exact id, else the one id that claims the normal form, else the normal form;
//! what two claim is nothing. An account is its normal form within its system. A scope is compared as it is written, and no
//! scope is the whole system: the question is about the grant, not about what it might include.
//!
//! ```
//! use counterfoil::judge::{Builder, Decide, Locator, Settings, World, judge};
//! use counterfoil::model::finding::{Outcome, Standing};
//! use counterfoil::model::{Instant, parse_line};
//!
//! let mut builder = Builder::default();
//! let lines: [&[u8]; 2] = [
//!     br#"{"type":"system","id":"aws-prod","aliases":["production"]}"#,
//!     br#"{"type":"grant","system":"aws-prod","account":"alice","entitlement":"admin"}"#,
//! ];
//! for (number, line) in (0..).zip(lines) {
//!     builder.add(parse_line(line)?, Locator(number), line);
//! }
//! let (settings, now) = (Settings::default(), Instant::parse("2026-06-01T00:00:00Z")?);
//! let world = World::new(builder.finish(&mut |_, _| Ok(()))?, &settings);
//! let judgement = judge(&world, &settings, now, 1, &|_| {});
//!
//! let decide = Decide::new(&judgement);
//! let answer = decide.ask("production", "Alice", "admin", None, now).ok_or("no such grant")?;
//! assert_eq!((answer.standing, answer.outcome), (Standing::Unapproved, Outcome::Unjustified));
//! assert!(answer.stands && answer.request.is_none());
//! assert!(decide.ask("aws-prod", "alice", "reader", None, now).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::borrow::Cow;

use super::estate::Sym;
use super::judgement::Judgement;
use super::names::Key;
use super::world::Fast;
use crate::model::finding::{Outcome, RequestKey, Standing, Verdict};
use crate::model::{Instant, norm};

/// What is known of a grant that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'w> {
    /// How it stands.
    pub standing: Standing,
    /// What follows.
    pub outcome: Outcome,
    /// The request that decides it, where one does.
    pub request: Option<RequestKey<'w>>,
    /// The answer holds from the instant of the judgement until before this one; `None`: until a record changes.
    pub until: Option<Instant>,
    /// Whether it holds at the instant asked for. If not, judge again.
    pub stands: bool,
    row: u32,
}

/// A grant by its numbers: system, entitlement, account, and scope (0: none).
type Place = [u32; 4];

/// What was judged of all grants of one place.
#[derive(Debug, Clone, Copy)]
enum Found {
    /// This row decides, until then.
    Row(u32, Option<Instant>),
    /// Spellings of the account are linked to different identities: each is looked up as it is written.
    Spelled,
}

/// All grants of a judgement, to be asked for one at a time. Takes about 40 bytes for each grant.
#[derive(Debug)]
pub struct Decide<'j, 'w> {
    judgement: &'j Judgement<'w>,
    /// By the normal form of the account.
    found: Fast<Place, Found>,
    /// By the account as it is written, where the normal form is not enough.
    spelled: Fast<Place, Found>,
}

impl<'j, 'w> Decide<'j, 'w> {
    /// Builds the index. Grants whose system or entitlement is ambiguous are not in it.
    #[must_use]
    pub fn new(judgement: &'j Judgement<'w>) -> Self {
        let world = judgement.moment.world;
        let mut rank = vec![0u32; judgement.order.len()];
        for (place, row) in (0..).zip(&judgement.order) {
            if let Some(slot) = rank.get_mut(*row as usize) {
                *slot = place;
            }
        }
        let mut rows: Vec<(Place, u32, u32)> = Vec::with_capacity(world.held.len());
        for (row, (grant, held)) in (0..).zip(world.estate.grants.iter().zip(&world.held)) {
            let Some(right) = held.entitlement else { continue };
            let place = rank.get(row as usize).copied().unwrap_or(u32::MAX);
            rows.push((at(held.system, right, held.account, grant.scope), place, row));
        }
        rows.sort_unstable();
        let mut index = Self { judgement, found: Fast::default(), spelled: Fast::default() };
        index.found.reserve(rows.len());
        for same in rows.chunk_by(|(a, ..), (b, ..)| a == b) {
            index.add(same);
        }
        index.found.shrink_to_fit();
        index
    }

    /// Adds the rows of one place, in the order in which they are printed.
    fn add(&mut self, same: &[(Place, u32, u32)]) {
        let world = self.judgement.moment.world;
        let Some((place, _, first)) = same.first() else { return };
        let subject = |row: u32| world.grant(row).map(|(_, held)| held.subject);
        if same.iter().all(|(.., row)| subject(*row) == subject(*first)) {
            let decided = self.decided(same.iter().map(|(.., row)| *row));
            self.found.extend(decided.map(|found| (*place, found)));
            return;
        }
        self.found.insert(*place, Found::Spelled);
        let [system, right, _, scope] = *place;
        let mut by_name: Vec<(Sym, u32, u32)> = same
            .iter()
            .filter_map(|(_, place, row)| Some((world.grant(*row)?.0.account, *place, *row)))
            .collect();
        by_name.sort_unstable();
        for same in by_name.chunk_by(|(a, ..), (b, ..)| a == b) {
            let decided = self.decided(same.iter().map(|(.., row)| *row));
            let account = same.first().map_or(0, |(account, ..)| account.number());
            self.spelled.extend(decided.map(|found| ([system, right, account, scope], found)));
        }
    }

    /// Of several ways to one right: one that justifies it (the one that does so for longest), else one that is not known,
    /// else one that is unjustified; of two alike, the one printed first. That it is justified holds while that one does;
    /// that it is not, only while none of them changes.
    fn decided(&self, rows: impl Iterator<Item = u32> + Clone) -> Option<Found> {
        let facts = |row: u32| self.judgement.facts.get(row as usize);
        let order = |outcome| match outcome {
            Outcome::Justified => 0,
            Outcome::Unknown => 1,
            Outcome::Unjustified => 2,
        };
        let better = |row: &u32| {
            let facts = facts(*row)?;
            // Never comes last: for ever is longer than any time.
            let until = facts.recheck_at.map_or((0, None), |at| (1, Some(std::cmp::Reverse(at))));
            Some((order(facts.standing.outcome()), until))
        };
        let chosen = rows.clone().filter(|row| facts(*row).is_some()).min_by_key(better)?;
        let facts_of_chosen = facts(chosen)?;
        let until = match facts_of_chosen.standing.outcome() {
            Outcome::Justified => facts_of_chosen.recheck_at,
            _ => rows.filter_map(|row| facts(row)?.recheck_at).min(),
        };
        Some(Found::Row(chosen, until))
    }

    /// What is known of a grant at an instant; `None`: no such grant is known. How old the records may be is for the caller
    /// to say.
    #[must_use]
    pub fn ask(
        &self,
        system: &str,
        account: &str,
        entitlement: &str,
        scope: Option<&str>,
        at_instant: Instant,
    ) -> Option<Answer<'w>> {
        let moment = &self.judgement.moment;
        let (world, names) = (moment.world, &moment.world.estate.names);
        let system = world.system_names.find(names, 0, system)?;
        let right = world.entitlement_names.find(names, system.number(), entitlement)?;
        let form = names.find(&norm(account))?;
        let scope = match scope {
            Some(scope) => Some(names.find(scope)?),
            None => None,
        };
        let found = match *self.found.get(&at(system, right, form, scope))? {
            Found::Spelled => *self.spelled.get(&at(system, right, names.find(account)?, scope))?,
            found @ Found::Row(..) => found,
        };
        let Found::Row(row, until) = found else { return None };
        let facts = self.judgement.facts.get(row as usize)?;
        let text = |sym: Sym| Cow::Borrowed(world.estate.text(sym));
        let request = facts.controlling.and_then(|request| world.request(request));
        Some(Answer {
            standing: facts.standing,
            outcome: facts.standing.outcome(),
            request: request.map(|(r, _)| RequestKey { source: text(r.source), id: text(r.id) }),
            until,
            stands: moment.now <= at_instant && until.is_none_or(|until| at_instant < until),
            row,
        })
    }

    /// The whole verdict an answer rests on: of several paths to one right, the one that decided.
    #[must_use]
    pub fn verdict(&self, answer: &Answer<'w>) -> Option<Verdict<'w>> {
        self.judgement.verdict(answer.row)
    }

    /// How many grants can be asked for; several paths to one right are one.
    #[must_use]
    pub fn len(&self) -> usize {
        let rows =
            |found: &Fast<Place, Found>| found.values().filter(|f| matches!(f, Found::Row(..))).count();
        rows(&self.found) + self.spelled.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

fn at(system: Key, right: Key, account: Sym, scope: Option<Sym>) -> Place {
    [system.number(), right.number(), account.number(), scope.map_or(0, Sym::number)]
}

#[cfg(test)]
mod tests;
