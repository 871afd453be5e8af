//! Looking up one grant at the time of a decision: *is this justified now?*
//!
//! [`Decide`] is an index made of a [`Judgement`]: it is asked for an account or a person, a system, an entitlement and a scope
//! as texts, and says how that grant was judged, by which request, and until when that holds. It keeps all it needs itself, so
//! the judgement and the estate behind it may be let go, and may be asked from any number of threads. Asking takes no memory
//! where names are written in ASCII without capitals, and looks at three places: the answer, the name it belongs to, the
//! request. [`Decide::ask_all`] waits for those of many questions at once.
//!
//! Names mean what they mean to the judge: an exact id, else the one id that claims the normal form, else the normal form;
//! what two claim is nothing. An account is its normal form within its system; a person holds what any of their accounts
//! holds. A scope is compared as it is written, and no scope is the whole system: the question is about the grant, not about
//! what it might include.
//!
//! ```
//! use counterfoil::judge::{Builder, Decide, Locator, Question, Settings, Who, World, judge};
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
//! drop(judgement);
//! let question = Question { who: Who::Account("Alice"), system: "production", entitlement: "admin", scope: None };
//! let answer = decide.ask(&question, now).ok_or("no such grant")?;
//! assert_eq!((answer.standing, answer.outcome), (Standing::Unapproved, Outcome::Unjustified));
//! assert!(answer.stands && answer.request.is_none());
//! assert!(decide.ask(&Question { entitlement: "reader", ..question }, now).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod table;
mod texts;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use super::judgement::Judgement;
use crate::model::finding::{Outcome, RequestKey, Standing, Verdict};
use crate::model::{Instant, norm};

use table::{By, Slot, Table};
use texts::{Names, Texts};

/// Who holds what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who<'q> {
    /// An account of the system.
    Account(&'q str),
    /// A person, service or agent by id or alias, with whichever account of the system.
    Person(&'q str),
}

/// A grant that is asked for, by names as somebody else writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'q> {
    /// Who holds it.
    pub who: Who<'q>,
    /// The system, by id or alias.
    pub system: &'q str,
    /// The entitlement of the system, by id or alias.
    pub entitlement: &'q str,
    /// The part of the system, as it is written; `None`: all of it.
    pub scope: Option<&'q str>,
}

/// What is known of a grant that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<'d> {
    /// How it stands.
    pub standing: Standing,
    /// What follows.
    pub outcome: Outcome,
    /// The request that decides it, where one does.
    pub request: Option<RequestKey<'d>>,
    /// The answer holds from the instant of the judgement until before this one; `None`: until a record changes.
    pub until: Option<Instant>,
    /// Whether it holds at the instant asked for. If not, judge again.
    pub stands: bool,
    row: u32,
}

impl Answer<'_> {
    /// The whole verdict the answer rests on: of several paths to one right, the one that decided. The judgement has to be
    /// the one the index was made of.
    #[must_use]
    pub fn verdict<'w>(&self, judgement: &Judgement<'w>) -> Option<Verdict<'w>> {
        judgement.verdict(self.row)
    }
}

/// All grants of a judgement, to be asked for one at a time. Takes about 110 bytes for each grant, and the names.
#[derive(Debug)]
pub struct Decide {
    table: Table,
    texts: Texts,
    systems: Names,
    /// With the number of a system's key as the domain.
    entitlements: Names,
    people: Names,
    /// Seeded anew in each process: names come from strangers.
    hasher: RandomState,
    /// The instant of the judgement.
    judged_at: Instant,
}

/// How many questions are waited for together.
const TOGETHER: usize = 16;

impl Decide {
    /// Builds the index. Grants whose system or entitlement is ambiguous are not in it.
    #[must_use]
    pub fn new(judgement: &Judgement<'_>) -> Self {
        build::index(judgement)
    }

    /// What is known of a grant at an instant; `None`: no such grant is known. How old the records may be is for the caller
    /// to say.
    #[must_use]
    pub fn ask(&self, question: &Question<'_>, at: Instant) -> Option<Answer<'_>> {
        self.answer(&self.understood(question)?, at)
    }

    /// As [`Decide::ask`], for many questions: what has to come from memory for one is waited for together with the next.
    #[must_use]
    pub fn ask_all(&self, questions: &[Question<'_>], at: Instant) -> Vec<Option<Answer<'_>>> {
        let mut answers = Vec::with_capacity(questions.len());
        for some in questions.chunks(TOGETHER) {
            let mut understood = [const { None }; TOGETHER];
            for (slot, question) in understood.iter_mut().zip(some) {
                *slot = self.understood(question);
            }
            // Each step is taken for all of them before the next. Nothing is decided here: one that is not found near is
            // found below.
            let mut near = [None; TOGETHER];
            for (slot, asked) in near.iter_mut().zip(&understood) {
                *slot = asked.as_ref().and_then(|asked| self.table.near(asked.hash, asked.by()));
            }
            let touch =
                |sum: u8, slot: &Slot| sum ^ self.texts.touch(slot.who) ^ self.texts.touch(slot.request);
            std::hint::black_box(near.into_iter().flatten().fold(0, touch));
            let asked = understood.iter().take(some.len());
            answers.extend(asked.map(|asked| self.answer(asked.as_ref()?, at)));
        }
        answers
    }

    /// The number of a system, by id or alias, as [`Speaker`](super::Speaker) has it; `None`: no such system is known.
    #[must_use]
    pub fn system(&self, name: &str) -> Option<u32> {
        Some(self.systems.find(&self.texts, &self.hasher, 0, name)?.number())
    }

    /// The names of a question looked up, except that of the account.
    fn understood<'q>(&self, question: &Question<'q>) -> Option<Understood<'q>> {
        let Question { who, system, entitlement, scope } = *question;
        let (texts, hasher) = (&self.texts, &self.hasher);
        let system = self.systems.find(texts, hasher, 0, system)?;
        let right = self.entitlements.find(texts, hasher, system.number(), entitlement)?.number();
        let (holder, hash) = match who {
            Who::Account(name) => {
                let form = norm(name);
                let hash = hash(hasher, By::Form, right, form.as_bytes(), scope);
                (Holder::Account { name, form }, hash)
            }
            Who::Person(name) => {
                let person = self.people.find(texts, hasher, 0, name)?.number();
                (Holder::Person(person), hash(hasher, By::Person, right, &person.to_ne_bytes(), scope))
            }
        };
        Some(Understood { right, holder, scope, hash })
    }

    fn answer(&self, asked: &Understood<'_>, at: Instant) -> Option<Answer<'_>> {
        let slot = self.find(asked, asked.hash, asked.by())?;
        let (slot, standing) = match (slot.mark.standing(), &asked.holder) {
            (Some(standing), _) => (slot, standing),
            (None, Holder::Account { name, .. }) => {
                let hash = hash(&self.hasher, By::Spelling, asked.right, name.as_bytes(), asked.scope);
                let slot = self.find(asked, hash, By::Spelling)?;
                (slot, slot.mark.standing()?)
            }
            (None, Holder::Person(_)) => return None,
        };
        let pair = || self.texts.pair(slot.request);
        let request = if slot.request == 0 { None } else { pair() };
        let until = slot.until;
        Some(Answer {
            standing,
            outcome: standing.outcome(),
            request: request
                .map(|[source, id]| RequestKey { source: Cow::Borrowed(source), id: Cow::Borrowed(id) }),
            until,
            stands: self.judged_at <= at && until.is_none_or(|until| at < until),
            row: slot.row,
        })
    }

    fn find(&self, asked: &Understood<'_>, hash: u64, by: By) -> Option<&Slot> {
        self.table.find(hash, by, |slot| {
            let holder = match &asked.holder {
                Holder::Person(person) => slot.who == *person,
                Holder::Account { name, .. } if by == By::Spelling => self.texts.is(slot.who, name),
                Holder::Account { form, .. } => self.texts.is(slot.who, form),
            };
            let scope = match asked.scope {
                None => slot.scope == 0,
                Some(scope) => slot.scope != 0 && self.texts.is(slot.scope, scope),
            };
            slot.right == asked.right && holder && scope
        })
    }

    /// How many grants can be asked for by their accounts; several paths to one right are one.
    #[must_use]
    pub fn len(&self) -> usize {
        let answers = |slot: &&Slot| slot.mark.standing().is_some() && !slot.mark.is(By::Person);
        self.table.slots().filter(answers).count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.slots().next().is_none()
    }
}

/// A question whose names are looked up.
struct Understood<'q> {
    right: u32,
    holder: Holder<'q>,
    scope: Option<&'q str>,
    hash: u64,
}

enum Holder<'q> {
    Account { name: &'q str, form: Cow<'q, str> },
    Person(u32),
}

impl Understood<'_> {
    fn by(&self) -> By {
        match self.holder {
            Holder::Account { .. } => By::Form,
            Holder::Person(_) => By::Person,
        }
    }
}

/// The hash of a whole question.
fn hash(hasher: &RandomState, by: By, right: u32, who: &[u8], scope: Option<&str>) -> u64 {
    let mut hash = hasher.build_hasher();
    hash.write_u64((u64::from(right) << 8) | by as u64);
    hash.write(who);
    if let Some(scope) = scope {
        // What no name holds, so that no name runs into its scope.
        hash.write_u8(0xff);
        hash.write(scope.as_bytes());
    }
    hash.finish()
}

#[cfg(test)]
mod tests;
