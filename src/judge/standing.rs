//! How a grant stands: the first of the standings that holds, and the request that gives it.

use crate::model::Instant;
use crate::model::finding::Standing;
use crate::model::record::{CertificationDecision, Intent, State};

use super::estate::GrantRow;
use super::names::Key;
use super::weigh::{Moment, Next};
use super::world::{Held, World};

/// What is approved of less than an entitlement, for the last subject and entitlement that it was asked of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exceeded {
    of: (Key, Key),
    request: Option<u32>,
    /// The next instant at which another answer could come out.
    changes_at: Option<Instant>,
}

/// When a grant was revoked, if it was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Revocation {
    pub(super) at: Option<Instant>,
    /// The request that revoked it.
    by: Option<u32>,
    /// Whether it is carried out: a completed request or a certification.
    pub(super) done: bool,
}

/// Several requests, of which one controls: the latest decided, then the greatest id, then the greatest source.
pub(super) struct Control<'w> {
    world: &'w World,
    best: Option<u32>,
}

impl<'w> Control<'w> {
    /// The one of these that controls.
    pub(super) fn of(world: &'w World, requests: impl Iterator<Item = u32>) -> Option<u32> {
        let mut control = Self { world, best: None };
        requests.for_each(|r| control.see(r));
        control.best
    }

    fn see(&mut self, request: u32) {
        let rank = |r: u32| {
            let (row, asked) = self.world.request(r)?;
            Some((asked.decided_at, self.world.estate.text(row.id), self.world.estate.text(row.source)))
        };
        if self.best.is_none_or(|best| rank(best) < rank(request)) {
            self.best = Some(request);
        }
    }
}

impl Moment<'_> {
    /// When the grant was revoked, by which request, and whether that was carried out.
    pub(super) fn revocation(&self, grant: &GrantRow, held: &Held, covering: &[u32]) -> Revocation {
        let world = self.world;
        let revokes = || {
            covering.iter().filter_map(|&r| {
                let (row, asked) = world.request(r)?;
                let revokes = row.intent == Intent::Revoke && row.state == State::Approved;
                Some((
                    row.completed_at.or(asked.decided_at).filter(|_| revokes)?,
                    r,
                    row.completed_at.is_some(),
                ))
            })
        };
        let certified = self
            .certifications(grant, held)
            .filter(|c| c.decision == CertificationDecision::Revoked)
            .map(|c| c.decided_at)
            .max();
        let requested = revokes().map(|(at, ..)| at).max();
        let Some(at) = certified.max(requested) else { return Revocation::default() };
        let mut control = Control { world, best: None };
        let mut done = certified == Some(at);
        for (_, r, completed) in revokes().filter(|(t, ..)| *t == at) {
            control.see(r);
            done |= completed;
        }
        Revocation { at: Some(at), by: control.best, done }
    }

    /// The first standing that holds, and the request that gives it. `covering` are grant requests.
    pub(super) fn standing(
        &self,
        grant: &GrantRow,
        held: &Held,
        covering: &[u32],
        revocation: Revocation,
        kept: &mut Option<Exceeded>,
        next: &mut Next,
    ) -> (Standing, Option<u32>) {
        let (world, now) = (self.world, self.now);
        if self.birthright(held).is_some() {
            return (Standing::Birthright, None);
        }
        let mut reapproved = false;
        let control = || Control { world, best: None };
        let (mut in_force, mut ended, mut waiting, mut emergency, mut denied) =
            (control(), control(), control(), control(), control());
        for &r in covering {
            let Some((row, asked)) = world.request(r) else { continue };
            match row.state {
                State::Approved => {
                    let counts = asked.is_decided_after(revocation.at);
                    reapproved |= counts;
                    next.see(asked.start);
                    next.see(asked.end);
                    if counts && asked.in_force_at(now) {
                        in_force.see(r);
                    }
                    if counts && asked.end.is_some_and(|end| end <= now) {
                        ended.see(r);
                    }
                    if asked.start.is_some_and(|start| start > now) {
                        waiting.see(r);
                    }
                }
                State::Pending => {
                    waiting.see(r);
                    if row.emergency {
                        let ratify_by = self.ratify_by(grant, row);
                        next.see(ratify_by);
                        if ratify_by.is_some_and(|by| now < by) {
                            emergency.see(r);
                        }
                    }
                }
                State::Rejected | State::Cancelled => denied.see(r),
            }
        }
        if revocation.at.is_some() && !reapproved {
            return (Standing::Revoked, revocation.by);
        }
        let found = [
            (Standing::Approved, in_force),
            (Standing::Emergency, emergency),
            (Standing::Expired, ended),
            (Standing::Pending, waiting),
            (Standing::Denied, denied),
        ];
        for (standing, control) in found {
            if control.best.is_some() {
                return (standing, control.best);
            }
        }
        if let Some(r) = self.exceeded(held, kept, next) {
            return (Standing::Exceeded, Some(r));
        }
        next.see(self.next_stale);
        (if self.requests_doubtful { Standing::Unknown } else { Standing::Unapproved }, None)
    }

    /// The place of the configured birthright by which the holder may hold this.
    pub(super) fn birthright(&self, held: &Held) -> Option<usize> {
        let entitlement = held.entitlement?;
        self.world.birthrights.iter().position(|(e, kinds)| {
            *e == Some(entitlement)
                && (kinds.is_empty() || self.world.kind(held.subject).is_some_and(|k| kinds.contains(&k)))
        })
    }

    /// The approved request in force for less than what is held: the same entitlement with a scope that does not
    /// cover, or an entitlement that the held one brings with it.
    ///
    /// Asked last of all, when no approved request in force covers the grant; so the scope of one that names the same
    /// entitlement need not be looked at, and the answer is the same for all that a subject holds of an entitlement.
    /// It is kept: an account may hold an entitlement in a hundred thousand scopes.
    fn exceeded(&self, held: &Held, kept: &mut Option<Exceeded>, next: &mut Next) -> Option<u32> {
        let world = self.world;
        let (who, entitlement) = (held.subject.certain()?, held.entitlement?);
        let of = (who, entitlement);
        if let Some(kept) = kept.filter(|kept| kept.of == of) {
            next.see(kept.changes_at);
            return kept.request;
        }
        let mut control = Control { world, best: None };
        let mut own = Next { now: self.now, at: None };
        let members = world.closures.members(entitlement).iter().map(|(member, _)| *member);
        let mut last = None;
        for lesser in [entitlement].into_iter().chain(members.filter(|m| *m != entitlement)) {
            if last.replace(lesser) == Some(lesser) {
                continue;
            }
            for r in world.coverage.asked(who, lesser) {
                let Some((row, asked)) = world.request(r) else { continue };
                let mut items = row.access.within(&world.items).iter();
                if row.state == State::Approved
                    && row.intent == Intent::Grant
                    && items.any(|item| item.entitlement == Some(lesser) && item.system == held.system)
                {
                    own.see(asked.start);
                    own.see(asked.end);
                    if asked.in_force_at(self.now) {
                        control.see(r);
                    }
                }
            }
        }
        *kept = Some(Exceeded { of, request: control.best, changes_at: own.at });
        next.see(own.at);
        control.best
    }

    /// Whether an approved request covered the grant when it was made, and whether the controlling one alone did.
    pub(super) fn when_granted(
        &self,
        grant: &GrantRow,
        covering: &[u32],
        controlling: Option<u32>,
    ) -> (bool, bool) {
        let Some(granted_at) = grant.granted_at else { return (false, false) };
        let mut then = covering.iter().copied().filter(|r| {
            self.world
                .request(*r)
                .is_some_and(|(row, asked)| row.state == State::Approved && asked.in_force_at(granted_at))
        });
        match (then.next(), then.next()) {
            (None, _) => (false, false),
            (first, None) => (true, first == controlling),
            _ => (true, false),
        }
    }
}
