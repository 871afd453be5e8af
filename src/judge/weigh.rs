//! One grant at one instant: its standing, what the checks need to know of it, and when that could change.

use crate::model::finding::Standing;
use crate::model::record::{CertificationDecision, Intent, Kind, Mode, Status};
use crate::model::{Instant, RecordType};

use super::estate::{GrantRow, IdentityRow, RequestRow};
use super::names::Key;
use super::settings::{Settings, Thresholds};
use super::standing::Exceeded;
use super::world::{Asked, Held, Use, World};

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
    pub(super) requests_doubtful: bool,
    /// The next instant at which a source of requests becomes stale.
    pub(super) next_stale: Option<Instant>,
    /// Whether some source of grants that speaks of all systems is incomplete or stale.
    all_grants_doubtful: bool,
    /// The systems that such a source speaks of.
    doubtful_systems: super::world::Fast<Key, ()>,
}

/// Room that is used again from grant to grant.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    covering: Vec<u32>,
    exceeded: Option<Exceeded>,
}

/// Remembers the earliest instant after now that it is shown.
pub(super) struct Next {
    pub(super) now: Instant,
    pub(super) at: Option<Instant>,
}

impl Next {
    pub(super) fn see(&mut self, t: impl Into<Option<Instant>>) {
        if let Some(t) = t.into().filter(|t| *t > self.now) {
            self.at = Some(self.at.map_or(t, |at| at.min(t)));
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

    /// Adds the requests, of any state and intent, that cover a grant.
    pub(super) fn covering(&self, grant: &GrantRow, held: &Held, found: &mut Vec<u32>) {
        if let Some(who) = held.subject.certain() {
            let path = grant.path.within(&self.steps).iter().copied().flatten();
            let rights = held.entitlement.into_iter().chain(path);
            self.coverage.covering(&self.estate.names, &self.closures, who, rights, grant.scope, found);
        }
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
        let mut all_grants_doubtful = false;
        let mut doubtful_systems = super::world::Fast::default();
        for (s, systems) in world.estate.snapshots.iter().zip(&world.snapshot_systems) {
            let stale = s.taken_at.plus(max_age);
            let doubtful = !s.complete || stale <= now;
            if s.provides.contains(&RecordType::Request) {
                requests_doubtful |= doubtful;
                next.see(stale);
            }
            if s.provides.contains(&RecordType::Grant) && doubtful {
                all_grants_doubtful |= systems.is_empty();
                doubtful_systems.extend(systems.iter().filter_map(|key| Some((key.certain()?, ()))));
            }
        }
        let next_stale = next.at;
        Self { world, settings, now, requests_doubtful, next_stale, all_grants_doubtful, doubtful_systems }
    }

    pub(crate) fn thresholds(&self) -> &'w Thresholds {
        &self.settings.checks.thresholds
    }

    /// Finds out everything about one grant.
    pub(crate) fn weigh(&self, grant: &GrantRow, held: &Held, scratch: &mut Scratch) -> Facts {
        let (world, now) = (self.world, self.now);
        let t = self.thresholds();
        let mut next = Next { now, at: None };
        let covering = &mut scratch.covering;
        covering.clear();
        world.covering(grant, held, covering);
        let usage = self.usage(grant, held);
        let revocation = self.revocation(grant, held, covering);
        let revoked_at = revocation.at;
        let ticket_covers = grant.ticket.is_some_and(|ticket| {
            let ticket = crate::model::norm(world.estate.text(ticket));
            let ids = covering.iter().filter_map(|r| world.request(*r));
            ids.into_iter().any(|(r, _)| crate::model::norm(world.estate.text(r.id)) == ticket)
        });
        covering.retain(|r| world.request(*r).is_some_and(|(r, _)| r.intent == Intent::Grant));

        let (standing, controlling) =
            self.standing(grant, held, covering, revocation, &mut scratch.exceeded, &mut next);
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
                if revocation.done && grant.origin.observed_at.is_none() {
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
            revocation_done: revocation.done,
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
        self.all_grants_doubtful || self.doubtful_systems.contains_key(&system)
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
        let (world, empty) = (self.world, self.world.certifications.is_empty());
        let (e, s) = (held.entitlement, grant.scope);
        // One may name the entitlement, the scope, both or neither.
        let names = [
            (true, None, None),
            (e.is_some(), e, None),
            (s.is_some(), None, s),
            (e.is_some() && s.is_some(), e, s),
        ];
        let (system, account) = (held.system, held.account);
        names
            .into_iter()
            .filter(move |(asked, ..)| *asked && !empty)
            .filter_map(move |(_, e, s)| world.certifications.get(&(system, account, e, s)))
            .flatten()
            .filter_map(|row| world.estate.certifications.get(*row as usize))
    }

    /// When the access must be looked at again.
    pub(super) fn review_due(&self, grant: &GrantRow, held: &Held, request: u32) -> Option<Instant> {
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
