//! What a message says as lines of JSON: an event, a digest or a heartbeat each, as they are.

use serde::Serialize;

use crate::model::event::{Digest, Event, Heartbeat, Message, Notice};
use crate::report::write_line;

/// One thing of a message that is told alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Event(&'a Event<'a>),
    Digest(&'a Digest),
    Heartbeat(&'a Heartbeat),
}

/// What of a message is told alone, in its order. A group is told as its events: who reads lines groups them itself.
pub(super) fn items<'a>(message: &'a Message<'_>) -> impl Iterator<Item = Item<'a>> {
    let (events, other): (&'a [Event<'a>], _) = match &message.notice {
        Notice::Events { events, .. } => (events, None),
        Notice::Digest(digest) => (&[], Some(Item::Digest(digest))),
        Notice::Heartbeat(heartbeat) => (&[], Some(Item::Heartbeat(heartbeat))),
    };
    events.iter().map(Item::Event).chain(other)
}

impl Item<'_> {
    /// Appends the item as one line of JSON, with the line end.
    ///
    /// # Errors
    /// When it cannot be JSON, which none of them can be.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) -> std::io::Result<()> {
        fn line<T: Serialize>(value: &T, buffer: &mut Vec<u8>) -> std::io::Result<()> {
            write_line(value, buffer)
        }
        match self {
            Self::Event(event) => line(event, buffer),
            Self::Digest(digest) => line(digest, buffer),
            Self::Heartbeat(heartbeat) => line(heartbeat, buffer),
        }
    }
}
