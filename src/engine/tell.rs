//! Who is told of an event, and how it is put into the outbox.

use crate::alert::filter::{Audience, Filter};
use crate::alert::life::Step;
use crate::alert::mute::{Mute, muted_until};
use crate::model::event::{Cause, EVENT_SCHEMA, Event, State, event_id};
use crate::model::finding::Finding;
use crate::model::life::Life;
use crate::model::{Instant, norm, safe_text};
use crate::store::{NewEvent, NewLetter};

use super::Run;

/// A sink, as far as it matters who is told what.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The sink's id.
    pub id: String,
    /// Who reads it.
    pub audience: Audience,
    /// What it is told of.
    pub filter: Filter,
}

/// `[[team]]`: people who answer together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// What filters call it: `team:ID`.
    pub id: String,
    /// The people, by the id under which findings name them.
    pub members: Vec<String>,
}

/// Who listens, under which conditions.
pub(super) struct Hearing<'h> {
    pub(super) listeners: &'h [Listener],
    pub(super) teams: &'h [Team],
    pub(super) mutes: &'h [Mute],
    /// Whether this is the first run: people get a digest at its end.
    pub(super) first: bool,
    pub(super) now: Instant,
}

impl Hearing<'_> {
    fn is_member(&self, who: &str, team: &str) -> bool {
        self.teams.iter().any(|t| norm(&t.id) == team && t.members.iter().any(|m| norm(m) == who))
    }

    /// The letters an event becomes. `told` are the sinks that were told of the finding before, in this episode.
    pub(super) fn letters(&self, event: &Event<'_>, group: Option<&str>, told: &[String]) -> Vec<NewLetter> {
        let member = |who: &str, team: &str| self.is_member(who, team);
        let routed = || {
            let mut with_owners = self.listeners.iter().filter(|l| !l.filter.owners.is_empty());
            with_owners.any(|l| l.filter.passes(&event.finding, &member))
        };
        let mut letters = vec![];
        for l in self.listeners {
            let wants = || l.filter.passes(&event.finding, &member) && !(l.filter.unrouted && routed());
            if !told.contains(&l.id) && !wants() {
                continue;
            }
            let people = l.audience == Audience::People;
            // What was there when Counterfoil first looked is summed up; what is accepted from the start is no news.
            if people && (self.first || (event.seq == 1 && event.state == State::Accepted)) {
                continue;
            }
            letters.push(NewLetter {
                sink: l.id.clone(),
                grouped: group.filter(|_| people).map(str::to_owned),
                muted_until: if people { muted_until(self.mutes, event, self.now) } else { None },
            });
        }
        letters
    }
}

impl Run<'_> {
    pub(super) fn hearing(&self) -> Hearing<'_> {
        Hearing {
            listeners: &self.rules.listeners,
            teams: &self.rules.teams,
            mutes: &self.rules.mutes,
            first: self.first,
            now: self.now,
        }
    }

    /// The event of a step, ready for the outbox; `finding` is the finding as it is now, or as it last was.
    pub(super) fn event(
        &mut self,
        step: &Step,
        life: &mut Life,
        mut finding: Finding<'_>,
    ) -> Option<NewEvent> {
        let (activity, cause) = step.told?;
        finding.now = self.now;
        if life.state != State::Accepted {
            finding.exception = None;
        }
        self.manifest.count(activity);
        if cause == Cause::Detected {
            *self.manifest.created.entry(life.severity).or_default() += 1;
        }
        let event = Event {
            schema: EVENT_SCHEMA.into(),
            id: event_id(&life.id, life.episode, life.seq),
            activity,
            cause,
            state: life.state,
            episode: life.episode,
            seq: life.seq,
            first_seen: life.first_seen,
            time: self.now,
            run: self.id,
            initial: self.first,
            finding,
        };
        let letters = self.hearing().letters(&event, life.group.as_deref(), &life.told);
        life.told = match life.state {
            State::Resolved => vec![],
            State::Open | State::Accepted => letters.iter().map(|l| l.sink.clone()).collect(),
        };
        Some(NewEvent {
            // Just as programs are told it, since the evidence log holds the hash of this text.
            body: safe_text(&event, life.body.len() + 512),
            id: event.id,
            finding: life.id.clone(),
            at: self.now,
            letters,
        })
    }
}
