//! Findings told one after another in one place of memory, because there may be millions of them.

use std::borrow::Cow;
use std::mem::take;
use std::ops::Range;

use super::case::Telling;
use super::checks::{self, Check};
use super::estate::{Origin, Span, Sym};
use super::judgement::{About, Hit, Judgement};
use super::names::Key;
use super::present::{ControlSource, Draft};
use super::world::World;
use crate::model::event::push_hash;
use crate::model::finding::*;
use crate::model::record::Kind;
use crate::model::strict::write_canonical_text;

/// Tells the findings of a judgement; [`Judgement::teller`] and [`Judgement::outliner`] make one.
pub struct Teller<'a> {
    judgement: &'a Judgement<'a>,
    /// `None`: without words and proof.
    controls: Option<&'a dyn ControlSource>,
    finding: Finding<'a>,
    key: KeyText,
    /// Of which check and kind of subject the controls in the finding are.
    held: Option<(u8, Option<Kind>)>,
    /// The controls of the check that was told last, by the kind of subject.
    known: Vec<(Option<Kind>, Vec<ControlRef<'a>>)>,
    ahead: Vec<Ahead>,
}

impl std::fmt::Debug for Teller<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").field("finding", &self.finding).finish_non_exhaustive()
    }
}

/// How many findings are looked at before they are told: what they need stays in the near memory of a processor.
const AHEAD: usize = 32;

/// What is touched for a finding.
#[derive(Debug, Default)]
struct Ahead {
    request: Option<u32>,
    subject: Option<Key>,
    approvals: Span,
    name: Option<Sym>,
    id: Option<Sym>,
    person: Option<Sym>,
    approver: Option<Sym>,
}

/// Room for a finding that is put together.
pub(super) struct Room<'a> {
    /// Whether it is told in words.
    pub(super) words: bool,
    pub(super) key: KeyText,
    pub(super) accountable: Vec<Accountable<'a>>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(judgement: &'a Judgement<'a>, controls: Option<&'a dyn ControlSource>) -> Self {
        let finding = blank(judgement.moment.now);
        Self {
            judgement,
            controls,
            finding,
            key: KeyText::default(),
            held: None,
            known: vec![],
            ahead: vec![],
        }
    }

    /// One finding, by its place in the order; `None` past the end. It is there until the next is told.
    pub fn tell(&mut self, place: usize) -> Option<&Finding<'a>> {
        let hit = self.judgement.hits.get(place)?;
        let check = checks::all().nth(usize::from(hit.check))?;
        let mut accountable = take(&mut self.finding.accountable);
        accountable.clear();
        let mut room = Room { words: self.controls.is_some(), key: take(&mut self.key), accountable };
        room.key.begin(check.name);
        let judgement = self.judgement;
        let draft = match hit.about {
            About::Grant(row) => judgement.about_grant(check, row, &mut room)?,
            About::Request { request, item, beneficiary } => {
                judgement.about_request(check, (request, item, beneficiary), &mut room)?
            }
            About::Alias(alias) => judgement.about_alias(check, alias, &mut room),
            About::Source(source) => judgement.about_source(check, source, &mut room),
        };
        self.complete(draft, hit, check, room);
        Some(&self.finding)
    }

    /// All findings of these places, one after another.
    pub fn tell_all(&mut self, places: Range<usize>, mut take: impl FnMut(&Finding<'a>)) {
        for from in places.clone().step_by(AHEAD) {
            let some = from..places.end.min(from + AHEAD);
            self.look(some.clone());
            for place in some {
                let Some(finding) = self.tell(place) else { return };
                take(finding);
            }
        }
    }

    /// Touches what the findings of these places are made of. Their order is not that of the memory, so each finding
    /// would wait for two dozen rows and texts one after another; touched in this way, a step at a time, many are
    /// waited for at once.
    fn look(&mut self, places: Range<usize>) {
        let (judgement, world) = (self.judgement, self.judgement.moment.world);
        // Long rows are touched at more than one place.
        let mut touched = 0;
        self.ahead.clear();
        for about in places.map_while(|place| judgement.hits.get(place)).map(|hit| hit.about) {
            let mut ahead = Ahead::default();
            match about {
                About::Grant(row) => {
                    let at = row as usize;
                    let Some((grant, held)) = world.grant(row) else { continue };
                    let Some(facts) = judgement.facts.get(at) else { continue };
                    touched += usize::from(grant.origin.evidence.is_some()) + facts.standing as usize;
                    touched += usize::from(grant.granted_at.is_some()) + grant.mode as usize;
                    touched += usize::from(facts.usage.last.is_some()) + usize::from(facts.ticket_covers);
                    ahead.subject = Some(held.subject);
                    ahead.name = Some(grant.account);
                    ahead.request = facts.controlling;
                }
                About::Request { request, beneficiary, .. } => {
                    (ahead.request, ahead.subject) = (Some(request), beneficiary);
                }
                About::Alias(_) | About::Source(_) => {}
            }
            self.ahead.push(ahead);
        }
        for ahead in &mut self.ahead {
            if let Some((request, asked)) = ahead.request.and_then(|row| world.request(row)) {
                touched += usize::from(asked.end.is_some()) + usize::from(asked.policy.is_some());
                touched += usize::from(request.origin.evidence.is_some()) + request.state as usize;
                touched += usize::from(request.requested_at.is_some());
                (ahead.id, ahead.approvals) = (Some(request.id), request.approvals);
            }
            ahead.person = ahead.subject.and_then(|who| world.people.text(who));
            touched += ahead.name.map_or(0, |name| world.estate.text(name).len());
        }
        for ahead in &mut self.ahead {
            let texts = [ahead.id, ahead.person].into_iter().flatten();
            touched += texts.map(|name| world.estate.text(name).len()).sum::<usize>();
            touched += ahead.subject.and_then(|who| world.kind(who)).map_or(0, |kind| kind as usize);
            let approver = ahead.approvals.within(&world.approvals).first().and_then(|say| say.approver);
            let row = ahead.approvals.within(&world.estate.pools.approvals).first();
            touched += row.map_or(0, |row| row.decision as usize);
            ahead.approver = approver.and_then(|who| world.people.text(who));
        }
        let approvers = self.ahead.iter().filter_map(|ahead| ahead.approver);
        touched += approvers.map(|name| world.estate.text(name).len()).sum::<usize>();
        std::hint::black_box(touched);
    }

    /// One finding, handed over; where the next ones will be asked for too, it looks ahead.
    pub(super) fn next(&mut self, place: usize) -> Option<Finding<'a>> {
        if place.is_multiple_of(AHEAD) {
            self.look(place..place + AHEAD);
        }
        self.take(place)
    }

    /// One finding, handed over.
    pub(super) fn take(&mut self, place: usize) -> Option<Finding<'a>> {
        self.tell(place)?;
        self.held = None;
        Some(std::mem::replace(&mut self.finding, blank(self.judgement.moment.now)))
    }

    /// Puts in what every finding has.
    fn complete(&mut self, draft: Draft<'a>, hit: Hit, check: &'static Check, room: Room<'a>) {
        let Room { words, key, mut accountable } = room;
        for a in &mut accountable {
            a.primary = a.role == check.primary;
        }
        let mut id = take(&mut self.finding.id);
        self.key = key.fingerprint(&mut id);
        let mut evidence = take(&mut self.finding.evidence);
        evidence.clear();
        let Telling { message, reasons, rests_on } = draft.telling;
        if words {
            let origins = draft.origins.into_iter().flatten().chain(rests_on);
            gather(self.judgement.moment.world, origins, &mut evidence);
            self.hold(check, hit.check, draft.kind);
        }
        let exception = self.judgement.exception(&id, check, &hit);
        self.finding = Finding {
            schema: Cow::Borrowed(FINDING_SCHEMA),
            id,
            check: Cow::Borrowed(check.name),
            severity: hit.severity,
            title: Cow::Borrowed(check.title),
            message,
            standing: draft.standing,
            controls: take(&mut self.finding.controls),
            subject: draft.subject,
            grant: draft.grant,
            request: draft.request,
            item: draft.item,
            beneficiary: draft.beneficiary,
            alias: draft.alias,
            source: draft.source,
            accountable,
            reasons,
            remediation: Cow::Borrowed(check.remediation),
            evidence,
            exception,
            now: self.judgement.moment.now,
        };
    }

    /// Sees to it that the finding has the controls of this check and kind of subject; mostly they are those of the
    /// finding before.
    fn hold(&mut self, check: &Check, place: u8, kind: Option<Kind>) {
        if self.held == Some((place, kind)) {
            return;
        }
        if self.held.is_none_or(|(held, _)| held != place) {
            self.known.clear();
        }
        self.held = Some((place, kind));
        let held = &mut self.finding.controls;
        if let Some((_, known)) = self.known.iter().find(|(k, _)| *k == kind) {
            held.clone_from(known);
        } else if let Some(source) = self.controls {
            *held = source.controls(check.name, kind);
            self.known.push((kind, held.clone()));
        }
    }
}

/// A finding that says nothing yet.
fn blank(now: crate::model::Instant) -> Finding<'static> {
    Finding {
        schema: Cow::Borrowed(FINDING_SCHEMA),
        id: String::new(),
        check: Cow::Borrowed(""),
        severity: Severity::Low,
        title: Cow::Borrowed(""),
        message: String::new(),
        standing: None,
        subject: None,
        grant: None,
        request: None,
        item: None,
        beneficiary: None,
        alias: None,
        source: None,
        accountable: vec![],
        reasons: vec![],
        remediation: Cow::Borrowed(""),
        controls: vec![],
        evidence: vec![],
        exception: None,
        now,
    }
}

/// The RFC 8785 JSON of a check and what a finding of it is about.
#[derive(Debug, Default)]
pub(super) struct KeyText(String);

impl KeyText {
    fn begin(&mut self, check: &str) {
        self.0.clear();
        self.0.push('[');
        self.put(check);
    }

    /// One more part.
    pub(super) fn text(&mut self, part: &str) {
        self.0.push(',');
        self.put(part);
    }

    pub(super) fn text_or_null(&mut self, part: Option<&str>) {
        match part {
            Some(part) => self.text(part),
            None => self.0.push_str(",null"),
        }
    }

    pub(super) fn number_or_null(&mut self, part: Option<u32>) {
        self.0.push(',');
        self.0.push_str(&part.map_or("null".to_owned(), |n| n.to_string()));
    }

    fn put(&mut self, text: &str) {
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        } else {
            write_canonical_text(text, &mut self.0);
        }
    }

    /// Puts `f1:` and the SHA-256 of the text in the place of `id`; the text is handed back to be used again.
    fn fingerprint(mut self, id: &mut String) -> Self {
        self.0.push(']');
        id.clear();
        id.push_str("f1:");
        push_hash(&self.0, id);
        self
    }
}

/// The evidence behind some records, each once, sorted.
pub(super) fn gather<'a>(
    world: &'a World,
    origins: impl Iterator<Item = Origin>,
    found: &mut Vec<EvidenceView<'a>>,
) {
    let text = |sym: Option<_>| sym.map(|s| Cow::Borrowed(world.estate.text(s)));
    let rows = origins.filter_map(|o| world.estate.evidence.get(o.evidence?.get() as usize - 1));
    found.extend(rows.map(|e| EvidenceView {
        source: text(e.source),
        id: text(e.id),
        sha256: text(e.sha256),
        collected_at: e.collected_at,
    }));
    found.sort_unstable();
    found.dedup();
}
