//! One grant at one instant: its standing, what the checks need to know of it, and when that could change.

use crate::model::finding::Standing;
use crate::model::record::{CertificationDecision, Intent, Kind, Mode, State, Status};
use crate::model::{Instant, RecordType};

use super::estate::{GrantRow, IdentityRow, RequestRow};
use super::names::Key;
use super::settings::{Settings, Thresholds};
use super::world::{Asked, Held, Use, World, scope_covers};

/// What was found out about one grant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) standing: Standing,
    /// Row of the controlling request.
    pub(crate) controlling: Option<u32>,
    pub(crate) revoked_at: Option<Instant>,
    /// Whether what revoked it is carried out: a completed request or a certification.
    pub(crate) revocation_done: bool,
    pub(crate) usage: Use,
    pub(crate) review_due: Option<Instant>,
    /// Whether a request with the id the grant cites covers it.
    pub(crate) ticket_covers: bool,
    /// Whether any approved request covered it when it was granted, and whether another than the controlling one did.
    pub(crate) approved_when_granted: bool,
    pub(crate) only_controlling_when_granted: bool,
    pub(crate) recheck_at: Option<Instant>,
}

/// What holds for all grants at one instant.
#[derive(Debug)]
pub(crate) struct Moment<'w> {
    pub(crate) world: &'w World,
    pub(crate) settings: &'w Settings,
    pub(crate) now: Instant,
    /// Whether some source of requests is incomplete or stale.
    requests_doubtful: bool,
    /// The next instant at which a source of requests becomes stale.
    next_stale: Option<Instant>,
}

/// Room that is used again from grant to grant.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    covering: Vec<u32>,
}

/// Remembers the earliest instant after now that it is shown.
struct Next {
    now: Instant,
    at: Option<Instant>,
}

impl Next {
    fn see(&mut self, t: impl Into<Option<Instant>>) {
        if let Some(t) = t.into().filter(|t| *t > self.now) {
            self.at = Some(self.at.map_or(t, |at| at.min(t)));
        }
    }
}

/// Several requests, of which one controls: the latest decided, then the greatest id, then the greatest source.
struct Control<'w> {
    world: &'w World,
    best: Option<u32>,
}

impl Control<'_> {
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

impl World {
    pub(crate) fn request(&self, row: u32) -> Option<(&RequestRow, &Asked)> {
        Some((self.estate.requests.get(row as usize)?, self.asked.get(row as usize)?))
    }

    pub(crate) fn grant(&self, row: u32) -> Option<(&GrantRow, &Held)> {
        Some((self.estate.grants.get(row as usize)?, self.held.get(row as usize)?))
    }

    pub(crate) fn identity(&self, key: Key) -> Option<(&IdentityRow, super::world::Relations)> {
        let row = self.people.row(key)? as usize;
        Some((self.estate.identities.get(row)?, self.relations.get(row).copied()?))
    }

    pub(crate) fn kind(&self, key: Key) -> Option<Kind> {
        self.identity(key).map(|(i, _)| i.kind)
    }
}

impl<'w> Moment<'w> {
    pub(crate) fn new(world: &'w World, settings: &'w Settings, now: Instant) -> Self {
        let max_age = settings.checks.thresholds.source_max_age;
        let mut next = Next { now, at: None };
        let mut requests_doubtful = false;
        for s in world.estate.snapshots.iter().filter(|s| s.provides.contains(&RecordType::Request)) {
            let stale = s.taken_at.plus(max_age);
            requests_doubtful |= !s.complete || stale <= now;
            next.see(stale);
        }
        Self { world, settings, now, requests_doubtful, next_stale: next.at }
    }

    pub(crate) fn thresholds(&self) -> &'w Thresholds {
        &self.settings.checks.thresholds
    }

    /// Finds out everything about one grant.
    pub(crate) fn weigh(&self, grant: &GrantRow, held: &Held, scratch: &mut Scratch) -> Facts {
        let Self { world, now, .. } = *self;
        let t = self.thresholds();
        let mut next = Next { now, at: None };
        let covering = &mut scratch.covering;
        covering.clear();
        if let Some(who) = held.subject.certain() {
            let path = grant.path.within(&world.steps).iter().copied().flatten();
            let rights = held.entitlement.into_iter().chain(path);
            world.coverage.covering(&world.estate.names, &world.closures, who, rights, grant.scope, covering);
        }
        let usage = self.usage(grant, held);
        let (revoked_at, revoking, revocation_done) = self.revocation(grant, held, covering);
        let ticket_covers = grant.ticket.is_some_and(|ticket| {
            let ticket = crate::model::norm(world.estate.text(ticket));
            let ids = covering.iter().filter_map(|r| world.request(*r));
            ids.into_iter().any(|(r, _)| crate::model::norm(world.estate.text(r.id)) == ticket)
        });
        covering.retain(|r| world.request(*r).is_some_and(|(r, _)| r.intent == Intent::Grant));

        let (standing, controlling) = self.standing(grant, held, covering, revoked_at, revoking, &mut next);
        let (approved_when_granted, only_controlling_when_granted) =
            self.when_granted(grant, covering, controlling);
        let review_due = controlling
            .filter(|_| standing == Standing::Approved)
            .and_then(|r| self.review_due(grant, held, r));

        // What no standing waits for, but a check does.
        next.see(review_due);
        let request = controlling.and_then(|r| world.request(r));
        match (standing, request) {
            (Standing::Revoked, _) => {
                if revocation_done && grant.origin.observed_at.is_none() {
                    next.see(revoked_at.map(|at| at.plus(t.revocation_lag)));
                }
                if let Some((_, asked)) = request.filter(|(row, _)| row.completed_at.is_none()) {
                    next.see(asked.decided_at.map(|at| at.plus(t.revocation_sla)));
                }
            }
            (Standing::Expired, Some((_, asked))) => next.see(asked.end.map(|end| end.plus(t.expiry_grace))),
            _ => {}
        }
        if standing != Standing::Birthright {
            next.see(self.unused_from(grant, held, &usage));
        }
        if let Some((identity, _)) = world.identity(held.subject)
            && identity.status != Status::Active
        {
            next.see(identity.status_since.map(|at| at.plus(t.leaver_grace)));
        }
        Facts {
            standing,
            controlling,
            revoked_at,
            revocation_done,
            usage,
            review_due,
            ticket_covers,
            approved_when_granted,
            only_controlling_when_granted,
            recheck_at: next.at,
        }
    }

    /// From when on the grant counts as unused, if nothing more is heard of it; `None` when it cannot be told.
    pub(crate) fn unused_from(&self, grant: &GrantRow, held: &Held, usage: &Use) -> Option<Instant> {
        let tracked = usage.tracked_since.or(usage.last)?;
        let latest = [Some(tracked), usage.last, grant.granted_at].into_iter().flatten().max()?;
        (grant.mode == Mode::Active).then(|| latest.plus(self.unused_after(held)))
    }

    /// After how long without use this entitlement counts as unused.
    pub(crate) fn unused_after(&self, held: &Held) -> crate::model::Duration {
        let t = self.thresholds();
        match self.risk(held.entitlement) {
            crate::model::record::Risk::High => t.unused_after_high_risk,
            _ => t.unused_after,
        }
    }

    /// Whether some source of grants on this system is incomplete or stale.
    pub(crate) fn grants_doubtful(&self, system: Key) -> bool {
        let max_age = self.thresholds().source_max_age;
        let snapshots = self.world.estate.snapshots.iter().zip(&self.world.snapshot_systems);
        snapshots.filter(|(s, _)| s.provides.contains(&RecordType::Grant)).any(|(s, systems)| {
            let doubtful = !s.complete || s.taken_at.plus(max_age) <= self.now;
            doubtful && (systems.is_empty() || systems.iter().any(|k| k.same(system)))
        })
    }

    pub(crate) fn risk(&self, entitlement: Option<Key>) -> crate::model::record::Risk {
        entitlement.and_then(|e| self.world.rights.get(&e)).map(|r| r.risk).unwrap_or_default()
    }

    /// Until when an emergency may stand without an approval; not known when neither time is.
    pub(crate) fn ratify_by(&self, grant: &GrantRow, request: &RequestRow) -> Option<Instant> {
        let base = grant.granted_at.or(request.requested_at)?;
        Some(base.plus(self.thresholds().emergency_ratify_within))
    }

    fn usage(&self, grant: &GrantRow, held: &Held) -> Use {
        let mut usage = Use {
            last: grant.last_used_at,
            tracked_since: grant.usage_tracked_since,
            attribution: grant.use_attribution,
        };
        if self.world.usages.is_empty() {
            return usage;
        }
        let of = |e| self.world.usages.get(&(held.system, held.account, e)).copied();
        if held.entitlement.is_some() {
            usage.merge(of(held.entitlement).unwrap_or_default());
        }
        usage.merge(of(None).unwrap_or_default());
        usage
    }

    /// The certifications of this grant.
    pub(crate) fn certifications(
        &self,
        grant: &GrantRow,
        held: &Held,
    ) -> impl Iterator<Item = &'w super::estate::CertificationRow> {
        let world = self.world;
        let rows = world.certifications.get(&(held.system, held.account)).map_or(&[][..], Vec::as_slice);
        let (entitlement, scope) = (held.entitlement, grant.scope);
        rows.iter().filter_map(move |(row, of)| {
            let c = world.estate.certifications.get(*row as usize)?;
            let this = (of.is_none() || *of == entitlement) && (c.scope.is_none() || c.scope == scope);
            this.then_some(c)
        })
    }

    /// When the grant was revoked, by which request, and whether that was carried out.
    fn revocation(
        &self,
        grant: &GrantRow,
        held: &Held,
        covering: &[u32],
    ) -> (Option<Instant>, Option<u32>, bool) {
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
        let Some(at) = certified.max(requested) else { return (None, None, false) };
        let mut control = Control { world, best: None };
        let mut done = certified == Some(at);
        for (_, r, completed) in revokes().filter(|(t, ..)| *t == at) {
            control.see(r);
            done |= completed;
        }
        (Some(at), control.best, done)
    }

    /// The first standing that holds, and the request that gives it. `covering` are grant requests.
    fn standing(
        &self,
        grant: &GrantRow,
        held: &Held,
        covering: &[u32],
        revoked_at: Option<Instant>,
        revoking: Option<u32>,
        next: &mut Next,
    ) -> (Standing, Option<u32>) {
        let Self { world, now, .. } = *self;
        if self.is_birthright(held) {
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
                    let counts =
                        revoked_at.is_none_or(|at| asked.decided_at.is_some_and(|decided| decided > at));
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
        if revoked_at.is_some() && !reapproved {
            return (Standing::Revoked, revoking);
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
        if let Some(r) = self.exceeded(grant, held, next) {
            return (Standing::Exceeded, Some(r));
        }
        next.see(self.next_stale);
        (if self.requests_doubtful { Standing::Unknown } else { Standing::Unapproved }, None)
    }

    fn is_birthright(&self, held: &Held) -> bool {
        let Some(entitlement) = held.entitlement else { return false };
        self.world.birthrights.iter().any(|(e, kinds)| {
            *e == Some(entitlement)
                && (kinds.is_empty() || self.world.kind(held.subject).is_some_and(|k| kinds.contains(&k)))
        })
    }

    /// The approved request in force for less than what is held: the same entitlement with a scope that does not
    /// cover, or an entitlement that the held one brings with it.
    fn exceeded(&self, grant: &GrantRow, held: &Held, next: &mut Next) -> Option<u32> {
        let world = self.world;
        let (who, entitlement) = (held.subject.certain()?, held.entitlement?);
        let mut control = Control { world, best: None };
        let names = &world.estate.names;
        let members = world
            .closures
            .members(entitlement)
            .iter()
            .map(|(member, _)| *member)
            .filter(|m| *m != entitlement);
        let mut last = None;
        for lesser in [entitlement].into_iter().chain(members) {
            if last.replace(lesser) == Some(lesser) {
                continue;
            }
            for r in world.coverage.asked(who, lesser) {
                let Some((row, asked)) = world.request(r) else { continue };
                if row.state != State::Approved || row.intent != Intent::Grant {
                    continue;
                }
                let names_it = row.access.within(&world.items).iter().any(|item| {
                    item.entitlement == Some(lesser)
                        && item.system == held.system
                        && (lesser != entitlement
                            || !scope_covers(
                                item.scope.map(|s| names.get(s)),
                                grant.scope.map(|s| names.get(s)),
                            ))
                });
                if names_it {
                    next.see(asked.start);
                    next.see(asked.end);
                    if asked.in_force_at(self.now) {
                        control.see(r);
                    }
                }
            }
        }
        control.best
    }

    /// Whether an approved request covered the grant when it was made, and whether the controlling one alone did.
    fn when_granted(&self, grant: &GrantRow, covering: &[u32], controlling: Option<u32>) -> (bool, bool) {
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

    /// When the access must be looked at again.
    fn review_due(&self, grant: &GrantRow, held: &Held, request: u32) -> Option<Instant> {
        let world = self.world;
        let (row, asked) = world.request(request)?;
        let every = if world.kind(held.subject) == Some(Kind::Agent) {
            Some(self.thresholds().agent_review_every)
        } else {
            asked.policy.and_then(|p| world.estate.policies.get(p as usize)).and_then(|p| p.review_every)
        };
        let latest = self
            .certifications(grant, held)
            .filter(|c| c.decision == CertificationDecision::Certified)
            .max_by_key(|c| (c.decided_at, c.next_review_by));
        match latest {
            Some(c) => c.next_review_by.or_else(|| Some(c.decided_at.plus(every?))),
            None => row.review_by.or_else(|| Some(asked.decided_at?.plus(every?))),
        }
    }
}
