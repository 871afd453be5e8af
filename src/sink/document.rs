//! What a message holds, one by one, and each as a document of JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Instant;
use crate::model::event::{Checkpoint, Digest, Event, Group, Heartbeat, Message, Notice};
use crate::report::{ocsf, write_line};

/// The form in which programs are told of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `counterfoil.event/1`.
    #[default]
    Native,
    /// An IAM Analysis Finding (2008) of OCSF 1.6.0. Digests, signs of life and checkpoints, which OCSF has no class for,
    /// stay as they are.
    Ocsf,
}

/// One thing that a message tells.
#[derive(Debug, Clone, Copy)]
pub enum Part<'m> {
    /// An event, told alone or in a group.
    Event(&'m Event<'m>),
    /// Where everything stands.
    Digest(&'m Digest),
    /// A sign of life.
    Heartbeat(&'m Heartbeat),
    /// How far the evidence log went.
    Checkpoint(&'m Checkpoint),
}

impl<'m> Part<'m> {
    /// Its id, the same on every retry.
    #[must_use]
    pub fn id(self) -> &'m str {
        match self {
            Self::Event(e) => &e.id,
            Self::Digest(d) => &d.id,
            Self::Heartbeat(h) => &h.id,
            Self::Checkpoint(c) => &c.id,
        }
    }

    /// When it happened.
    #[must_use]
    pub fn time(self) -> Instant {
        match self {
            Self::Event(e) => e.time,
            Self::Digest(d) => d.time,
            Self::Heartbeat(h) => h.time,
            Self::Checkpoint(c) => c.time,
        }
    }

    /// As one line of JSON.
    #[must_use]
    pub fn json(self, format: Format) -> String {
        match (self, format) {
            (Self::Event(e), Format::Ocsf) => {
                ocsf::event_line(e, ocsf::Options::default()).unwrap_or_default()
            }
            (Self::Event(e), Format::Native) => json(e),
            (Self::Digest(d), _) => json(d),
            (Self::Heartbeat(h), _) => json(h),
            (Self::Checkpoint(c), _) => json(c),
        }
    }
}

/// As one line of JSON, in which nothing is left that a terminal would obey. What is written here holds text, numbers
/// and maps with text as keys, which can always be written; were that to change, the empty document that comes of it is
/// refused and ends among the dead letters.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> String {
    let mut line = Vec::new();
    if write_line(value, &mut line).is_err() {
        return String::new();
    }
    line.pop();
    String::from_utf8(line).unwrap_or_default()
}

/// What a message tells, in its order.
#[must_use]
pub fn parts<'m>(message: &'m Message<'m>) -> Vec<Part<'m>> {
    match &message.notice {
        Notice::Events { events, .. } => events.iter().map(Part::Event).collect(),
        Notice::Digest(d) => vec![Part::Digest(d)],
        Notice::Heartbeat(h) => vec![Part::Heartbeat(h)],
        Notice::Checkpoint(c) => vec![Part::Checkpoint(c)],
    }
}

/// The whole message as one document: of an event told alone the event, of a group the envelope
/// `{"schema":"counterfoil.group/1","id":…,"group":{…},"events":[…]}`.
#[must_use]
pub fn whole(message: &Message<'_>, format: Format) -> String {
    let (events, group) = match &message.notice {
        Notice::Events { events, group } => (events, group),
        Notice::Digest(d) => return json(d),
        Notice::Heartbeat(h) => return json(h),
        Notice::Checkpoint(c) => return json(c),
    };
    if let ([event], None) = (events.as_slice(), group) {
        return Part::Event(event).json(format);
    }
    #[derive(Serialize)]
    struct Head<'m> {
        schema: &'static str,
        id: &'m str,
        group: &'m Option<Group>,
    }
    let head = json(&Head { schema: "counterfoil.group/1", id: &message.id, group });
    let events: Vec<String> = events.iter().map(|e| Part::Event(e).json(format)).collect();
    format!("{},\"events\":[{}]}}", head.strip_suffix('}').unwrap_or_default(), events.join(","))
}
