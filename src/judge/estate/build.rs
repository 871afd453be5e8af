//! From records to rows, and which of two records with the same key stands.
//!
//! The later `observed_at` stands. Of two equals the one whose known fields, as canonical text, sort last: the
//! text is fetched again from where the line was read, and only for such ties, since keeping every line would
//! cost more memory than everything else together.

use std::hash::BuildHasher;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::Estate;
use super::intern::Sym;
use super::keyed::{Contest, Trace};
use super::moved::{Move, Starts, evidence_row, move_all};
use super::rows::*;
use crate::model::record::{Evidence, Record, Selector};
use crate::model::{BadRecord, Instant, Text, canonical_text, norm};

/// From how many grants and requests on it pays to look at both at once.
const MANY: usize = 50_000;

/// Where a line stands, in the reader's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Locator(pub u64);

/// Reads lines again: shows the line at each of these places.
pub type Fetch<'a> = dyn FnMut(&[Locator], &mut dyn FnMut(Locator, &[u8])) -> std::io::Result<()> + 'a;

/// Why a tie between two records of one key could not be settled.
#[derive(Debug)]
pub enum TieError {
    /// The line could not be read again.
    Fetch(std::io::Error),
    /// The line is not what it was when it was first read.
    Changed(BadRecord),
}

impl std::fmt::Display for TieError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fetch(e) => write!(f, "a record that stands twice could not be read again: {e}"),
            Self::Changed(e) => write!(f, "the input changed while it was read: {e}"),
        }
    }
}

impl std::error::Error for TieError {}

/// Collects records into an [`Estate`].
///
/// Parts of the input may be collected side by side: each in a [`part`](Builder::part) of its own, whose names are few
/// and close together, taken in one after the other by [`append`](Builder::append). The order of the parts decides,
/// as the order of the records in them does; how the input was cut does not.
#[derive(Debug, Default)]
pub struct Builder {
    estate: Estate,
    hasher: RandomState,
    traces: Traces,
    cites_uses: bool,
}

/// The lines that rows with keys were made from, in the order of the rows.
#[derive(Debug, Default)]
struct Traces {
    identities: Vec<Trace>,
    systems: Vec<Trace>,
    workflows: Vec<Trace>,
    entitlements: Vec<Trace>,
    policies: Vec<Trace>,
    requests: Vec<Trace>,
    grants: Vec<Trace>,
}

impl Builder {
    /// A builder that keeps where each use was seen: for whoever explains, since no finding needs it.
    #[must_use]
    pub fn citing_uses() -> Self {
        Self { cites_uses: true, ..Self::default() }
    }

    /// A builder for a part of the input.
    #[must_use]
    pub fn part(&self) -> Self {
        let estate = Estate { names: self.estate.names.part(), ..Estate::default() };
        Self { estate, hasher: self.hasher.clone(), traces: Traces::default(), cites_uses: self.cites_uses }
    }

    /// Takes in all that a part holds, behind all that is here. The part is empty then, and may be used again.
    pub fn append(&mut self, part: &mut Self) {
        let Self { estate: to, traces, .. } = self;
        let from = &mut part.estate;
        let names = to.names.absorb(&from.names);
        from.names.clear();
        let evidence = u32::try_from(to.evidence.len()).unwrap_or(u32::MAX);
        let moving = Move { names: &names, pools: Starts::of(&to.pools), evidence };
        macro_rules! rows {
            ($($rows:ident)*) => { $(move_all(&mut to.$rows, &mut from.$rows, &moving);)* };
        }
        rows!(identities systems workflows entitlements policies delegations requests grants usages usages_cited
            certifications exceptions snapshots evidence held_elsewhere);
        macro_rules! pools {
            ($($pool:ident)*) => { $(move_all(&mut to.pools.$pool, &mut from.pools.$pool, &moving);)* };
        }
        pools!(names beneficiaries accounts items approvals changes steps);
        to.identities_elsewhere |= from.identities_elsewhere;
        macro_rules! lines {
            ($($rows:ident)*) => { $(traces.$rows.append(&mut part.traces.$rows);)* };
        }
        lines!(identities systems workflows entitlements policies requests grants);
    }

    /// Takes one record. `at` leads back to its line; `hash` is a hash of the line, by which an exact repetition
    /// is told without reading it again.
    pub fn add(&mut self, record: Record<'_>, at: Locator, line: &[u8]) {
        let trace = Trace { hash: self.hasher.hash_one(line), at };
        match record {
            Record::Identity(r) => {
                let row = IdentityRow {
                    id: self.sym(&r.id),
                    kind: r.kind,
                    status: r.status,
                    status_since: r.status_since,
                    owner: self.name(r.owner.as_ref()),
                    manager: self.name(r.manager.as_ref()),
                    aliases: self.list(&r.aliases),
                    accounts: {
                        let links: Vec<_> =
                            r.accounts.iter().map(|a| (self.sym(&a.system), self.sym(&a.account))).collect();
                        Span::of(&mut self.estate.pools.accounts, links)
                    },
                    groups: {
                        let groups: Vec<_> = r.groups.iter().map(|g| self.sym(&norm(g))).collect();
                        Span::of(&mut self.estate.pools.names, groups)
                    },
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.identities.push(row);
                self.traces.identities.push(trace);
            }
            Record::System(r) => {
                let row = SystemRow {
                    id: self.sym(&r.id),
                    aliases: self.list(&r.aliases),
                    owner: self.name(r.owner.as_ref()),
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.systems.push(row);
                self.traces.systems.push(trace);
            }
            Record::Workflow(r) => {
                let row = WorkflowRow {
                    id: self.sym(&r.id),
                    owner: self.name(r.owner.as_ref()),
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.workflows.push(row);
                self.traces.workflows.push(trace);
            }
            Record::Entitlement(r) => {
                let row = EntitlementRow {
                    system: self.sym(&r.system),
                    id: self.sym(&r.id),
                    aliases: self.list(&r.aliases),
                    risk: r.risk,
                    owner: self.name(r.owner.as_ref()),
                    includes: r
                        .includes
                        .iter()
                        .map(|i| IncludeRow {
                            system: self.name(i.system.as_ref()),
                            entitlement: self.sym(&i.entitlement),
                            scope: i.scope.as_ref().map(|s| self.sym(s)),
                        })
                        .collect(),
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.entitlements.push(row);
                self.traces.entitlements.push(trace);
            }
            Record::Policy(r) => {
                let row = PolicyRow {
                    id: self.sym(&r.id),
                    in_force_from: r.in_force_from,
                    in_force_until: r.in_force_until,
                    max_ttl: r.max_ttl,
                    review_every: r.review_every,
                    approvers: r.approvers.iter().map(|s| self.selector(s)).collect(),
                    min_approvers: r.min_approvers.unwrap_or(1),
                    applies_to: r
                        .applies_to
                        .iter()
                        .map(|t| (self.sym(&t.system), t.entitlement.as_ref().map(|e| self.sym(e))))
                        .collect(),
                    identity_kinds: r.identity_kinds.iter().copied().collect(),
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.policies.push(row);
                self.traces.policies.push(trace);
            }
            Record::Delegation(r) => {
                let row = DelegationRow {
                    from: self.sym(&r.from),
                    to: self.sym(&r.to),
                    starts_at: r.starts_at,
                    ends_at: r.ends_at,
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.delegations.push(row);
            }
            Record::Request(r) => self.request(&r, trace),
            Record::Grant(r) => self.grant(&r, trace),
            Record::Usage(r) => {
                let row = UsageRow {
                    system: self.sym(&r.system),
                    account: self.sym(&r.account),
                    entitlement: self.name(r.entitlement.as_ref()),
                    last_used_at: r.last_used_at,
                    tracked_since: r.tracked_since,
                    attribution: r.attribution,
                };
                self.estate.usages.push(row);
                if self.cites_uses {
                    let origin = self.origin(r.observed_at, r.evidence.as_ref());
                    self.estate.usages_cited.push(Cited(origin));
                }
            }
            Record::Certification(r) => {
                let row = CertificationRow {
                    system: self.sym(&r.system),
                    account: self.sym(&r.account),
                    reviewer: self.sym(&r.reviewer),
                    decided_at: r.decided_at,
                    decision: r.decision,
                    entitlement: self.name(r.entitlement.as_ref()),
                    scope: r.scope.as_ref().map(|s| self.sym(s)),
                    next_review_by: r.next_review_by,
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.certifications.push(row);
            }
            Record::Exception(r) => {
                let row = ExceptionRow {
                    check: self.sym(&r.check),
                    accepted_by: self.sym(&r.accepted_by),
                    reason: self.sym(&r.reason),
                    expires_at: r.expires_at,
                    finding: self.name(r.finding.as_ref()),
                    system: self.name(r.system.as_ref()),
                    account: self.name(r.account.as_ref()),
                    entitlement: self.name(r.entitlement.as_ref()),
                };
                self.estate.exceptions.push(row);
            }
            Record::Snapshot(r) => {
                let row = SnapshotRow {
                    source: self.sym(&r.source),
                    taken_at: r.taken_at,
                    complete: r.complete,
                    provides: r.provides.iter().copied().collect(),
                    systems: r.systems.iter().map(|s| self.sym(s)).collect(),
                    reason: self.name(r.reason.as_ref()),
                    origin: self.origin(r.observed_at, r.evidence.as_ref()),
                };
                self.estate.snapshots.push(row);
            }
        }
    }

    /// There are identities besides those in this part of an estate.
    pub fn identities_elsewhere(&mut self) {
        self.estate.identities_elsewhere = true;
    }

    /// Says that grants are held on a system, though this part of the estate may show none of them.
    pub fn holds_elsewhere(&mut self, system: &str) {
        let system = self.sym(system);
        self.estate.held_elsewhere.push(system);
    }

    fn request(&mut self, r: &crate::model::record::Request<'_>, trace: Trace) {
        // Straight into the pools: most lists have one item, and a list of their own would cost more than they do.
        let pools = &self.estate.pools;
        let [items, approvals, changes, beneficiaries] =
            [pools.items.len(), pools.approvals.len(), pools.changes.len(), pools.beneficiaries.len()];
        for a in &r.access {
            let item = ItemRow {
                system: self.sym(&a.system),
                entitlement: self.sym(&a.entitlement),
                scope: a.scope.as_ref().map(|s| self.sym(s)),
            };
            self.estate.pools.items.push(item);
        }
        for a in &r.approvals {
            let approval = ApprovalRow {
                approver: self.name(a.approver.as_ref()),
                on_behalf_of: self.name(a.on_behalf_of.as_ref()),
                decided_at: a.decided_at,
                decision: a.decision,
            };
            self.estate.pools.approvals.push(approval);
        }
        for c in &r.changes {
            let change = ChangeRow { at: c.at, by: self.name(c.by.as_ref()), field: self.sym(&c.field) };
            self.estate.pools.changes.push(change);
        }
        for b in &r.beneficiaries {
            let name = self.name(Some(b));
            self.estate.pools.beneficiaries.extend(name);
        }
        let pools = &self.estate.pools;
        let (access, approvals) =
            (Span::since(items, &pools.items), Span::since(approvals, &pools.approvals));
        let changes = Span::since(changes, &pools.changes);
        let beneficiaries = Span::since(beneficiaries, &pools.beneficiaries);
        let row = RequestRow {
            source: self.sym(&r.source),
            id: self.sym(&r.id),
            url: self.name(r.url.as_ref()),
            requester: self.name(r.requester.as_ref()),
            policy: self.name(r.policy.as_ref()),
            workflow: self.name(r.workflow.as_ref()),
            beneficiaries,
            access,
            approvals,
            changes,
            requested_at: r.requested_at,
            decided_at: r.decided_at,
            valid_from: r.valid_from,
            expires_at: r.expires_at,
            ttl: r.ttl,
            review_by: r.review_by,
            completed_at: r.completed_at,
            state: r.state,
            intent: r.intent,
            emergency: r.emergency,
            justified: r.justification.as_ref().is_some_and(|j| !j.trim().is_empty()),
            origin: self.origin(r.observed_at, r.evidence.as_ref()),
        };
        self.estate.requests.push(row);
        self.traces.requests.push(trace);
    }

    fn grant(&mut self, r: &crate::model::record::Grant<'_>, trace: Trace) {
        let from = self.estate.pools.steps.len();
        for s in &r.path {
            let step =
                StepRow { system: self.name(s.system.as_ref()), entitlement: self.sym(&s.entitlement) };
            self.estate.pools.steps.push(step);
        }
        let row = GrantRow {
            system: self.sym(&r.system),
            account: self.sym(&r.account),
            entitlement: self.sym(&r.entitlement),
            scope: r.scope.as_ref().map(|s| self.sym(s)),
            path: Span::since(from, &self.estate.pools.steps),
            granted_by: self.name(r.granted_by.as_ref()),
            ticket: self.name(r.ticket.as_ref()),
            granted_at: r.granted_at,
            expires_at: r.expires_at,
            last_used_at: r.last_used_at,
            usage_tracked_since: r.usage_tracked_since,
            use_attribution: r.use_attribution,
            mode: r.mode,
            origin: self.origin(r.observed_at, r.evidence.as_ref()),
        };
        self.estate.grants.push(row);
        self.traces.grants.push(trace);
    }

    fn selector(&mut self, s: &Selector<'_>) -> SelectorRow {
        match s {
            Selector::Identity(id) => SelectorRow::Identity(self.sym(id)),
            Selector::Group(name) => SelectorRow::Group(self.sym(&norm(name))),
            Selector::Manager => SelectorRow::Manager,
            Selector::IdentityOwner => SelectorRow::IdentityOwner,
            Selector::SystemOwner => SelectorRow::SystemOwner,
            Selector::EntitlementOwner => SelectorRow::EntitlementOwner,
        }
    }

    fn sym(&mut self, text: &str) -> Sym {
        self.estate.names.intern(text)
    }

    /// An optional name; a blank one is as good as none (exports write what they do not know as `""`).
    fn name(&mut self, text: Option<&Text<'_>>) -> Option<Sym> {
        text.filter(|t| !t.trim().is_empty()).map(|t| self.sym(t))
    }

    fn list(&mut self, texts: &[Text<'_>]) -> Span {
        let syms: Vec<_> = texts.iter().filter_map(|t| self.name(Some(t))).collect();
        Span::of(&mut self.estate.pools.names, syms)
    }

    fn origin(&mut self, observed_at: Option<Instant>, evidence: Option<&Evidence<'_>>) -> Origin {
        let evidence = evidence.and_then(|e| {
            let row = EvidenceRow {
                source: self.name(e.source.as_ref()),
                id: self.name(e.id.as_ref()),
                sha256: self.name(e.sha256.as_ref()),
                collected_at: e.collected_at,
            };
            self.estate.evidence.push(row);
            evidence_row(self.estate.evidence.len())
        });
        Origin { observed_at, evidence }
    }

    /// Settles ties and hands the estate over. `fetch` reads lines again: it is given their places in ascending order,
    /// once, and shows each line with its place.
    ///
    /// # Errors
    /// When a line that must be compared cannot be read again or has changed.
    pub fn finish(self, fetch: &mut Fetch<'_>) -> Result<Estate, TieError> {
        self.finish_with(1, fetch)
    }

    /// As [`Builder::finish`], on this many threads where there are many records.
    ///
    /// # Errors
    /// As [`Builder::finish`].
    pub fn finish_with(self, threads: usize, fetch: &mut Fetch<'_>) -> Result<Estate, TieError> {
        let Self { mut estate, hasher, traces, .. } = self;
        let (e, hasher, steps) = (&estate, &hasher, &estate.pools.steps);
        let (grants, requests, few) = std::thread::scope(|scope| {
            // The two that there are millions of, side by side where there are many.
            let grants = || {
                Contest::new(&e.grants, &traces.grants, hasher, |r| {
                    (r.account, r.system, r.entitlement, r.scope, r.path.within(steps))
                })
            };
            let requests = || Contest::new(&e.requests, &traces.requests, hasher, |r| (r.source, r.id));
            let aside =
                (threads > 1 && e.grants.len().min(e.requests.len()) > MANY).then(|| scope.spawn(grants));
            let few = (
                Contest::new(&e.identities, &traces.identities, hasher, |r| r.id),
                Contest::new(&e.systems, &traces.systems, hasher, |r| r.id),
                Contest::new(&e.workflows, &traces.workflows, hasher, |r| r.id),
                Contest::new(&e.entitlements, &traces.entitlements, hasher, |r| (r.system, r.id)),
                Contest::new(&e.policies, &traces.policies, hasher, |r| r.id),
            );
            let requests = requests();
            let grants = match aside {
                Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                None => grants(),
            };
            (grants, requests, few)
        });
        drop(traces);
        let (identities, systems, workflows, entitlements, policies) = few;
        let mut lines: Vec<Locator> =
            [&identities, &systems, &workflows, &entitlements, &policies, &requests, &grants]
                .into_iter()
                .flat_map(Contest::tied)
                .collect();
        let mut texts: HashMap<Locator, String> = HashMap::new();
        if !lines.is_empty() {
            lines.sort_unstable();
            lines.dedup();
            let mut changed = None;
            let mut show = |at: Locator, line: &[u8]| match canonical_text(line) {
                Ok(text) => {
                    texts.insert(at, text);
                }
                Err(e) => changed = Some(e),
            };
            fetch(&lines, &mut show).map_err(TieError::Fetch)?;
            if let Some(e) = changed {
                return Err(TieError::Changed(e));
            }
        }
        estate.dropped += identities.settle(&mut estate.identities, &texts)
            + systems.settle(&mut estate.systems, &texts)
            + workflows.settle(&mut estate.workflows, &texts)
            + entitlements.settle(&mut estate.entitlements, &texts)
            + policies.settle(&mut estate.policies, &texts)
            + requests.settle(&mut estate.requests, &texts)
            + grants.settle(&mut estate.grants, &texts);
        estate.names.shrink();
        Ok(estate)
    }
}
