//! A receiver in memory that can be had with every fault a real one shows.

use std::sync::{Arc, Mutex, MutexGuard};

use counterfoil::daemon::Destination;
use counterfoil::engine::Listener;
use counterfoil::model::event::{Event, Message, Notice};
use counterfoil::model::{Duration, Instant};
use counterfoil::sink::{Audience, Filter, Limits, Receipt, Sending, Sink};

/// What is wrong with a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    #[default]
    None,
    /// Answers 5xx, hangs, fails its TLS handshake: nothing arrives.
    Away,
    /// Takes everything, and the connection is reset before it says so.
    Lost,
    /// Answers 429, and asks to be left alone.
    Busy(Duration),
    /// Takes the first half, then answers 429.
    Half(Duration),
    /// Answers for the first message only.
    Short,
    /// Refuses every third message for good.
    Picky,
    /// A token that is no longer valid.
    Locked,
}

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Got {
    pub sink: String,
    pub at: Instant,
    pub id: String,
    pub events: Vec<Event<'static>>,
    /// All that it said.
    pub content: String,
}

/// All that arrived anywhere, in its order.
pub type Arrivals = Arc<Mutex<Vec<Got>>>;

#[derive(Debug)]
struct Inbox {
    id: String,
    audience: Audience,
    batch: usize,
    fault: Arc<Mutex<Fault>>,
    arrivals: Arrivals,
}

/// The receiver's side: what arrived, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Handle {
    pub to: Arc<Destination>,
    fault: Arc<Mutex<Fault>>,
}

impl Handle {
    pub fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }

    pub fn id(&self) -> &str {
        self.to.id()
    }
}

pub fn inbox(
    id: &str,
    audience: Audience,
    filter: Filter,
    batch: usize,
    heartbeat: Option<Duration>,
    arrivals: &Arrivals,
) -> Handle {
    let fault = Arc::new(Mutex::new(Fault::None));
    let sink = Inbox {
        id: id.to_owned(),
        audience,
        batch,
        fault: Arc::clone(&fault),
        arrivals: Arc::clone(arrivals),
    };
    let listener = Listener { id: id.to_owned(), audience, filter };
    let to = Arc::new(Destination { kind: "memory", listener, heartbeat, sink: Box::new(sink) });
    Handle { to, fault }
}

impl Inbox {
    fn take(&self, message: &Message<'_>, now: Instant) {
        let (events, content) = match &message.notice {
            Notice::Events { events, group } => {
                let text = serde_json::to_string(&(events, group)).unwrap();
                (serde_json::from_str(&serde_json::to_string(events).unwrap()).unwrap(), text)
            }
            Notice::Digest(digest) => (vec![], serde_json::to_string(digest).unwrap()),
            Notice::Heartbeat(beat) => (vec![], serde_json::to_string(beat).unwrap()),
            Notice::Checkpoint(head) => (vec![], serde_json::to_string(head).unwrap()),
        };
        let (sink, id) = (self.id.clone(), message.id.clone());
        lock(&self.arrivals).push(Got { sink, at: now, id, events, content });
    }

    fn answer(&self, place: usize, batch: &[Message<'_>], now: Instant) -> Option<Receipt> {
        let message = batch.get(place)?;
        let later = |reason: &str, retry_after| Receipt::Later { reason: reason.to_owned(), retry_after };
        let take = || {
            self.take(message, now);
            Receipt::Taken
        };
        let fault = *lock(&self.fault);
        Some(match fault {
            Fault::None => take(),
            Fault::Away => later("503", None),
            Fault::Lost => {
                self.take(message, now);
                later("connection reset", None)
            }
            Fault::Busy(rest) => later("429", Some(rest)),
            Fault::Half(_) if place * 2 < batch.len() => take(),
            Fault::Half(rest) => later("429", Some(rest)),
            Fault::Short if place > 0 => return None,
            Fault::Short => take(),
            Fault::Picky if message.id.bytes().map(u32::from).sum::<u32>() % 3 == 0 => {
                Receipt::Refused { reason: "400".to_owned() }
            }
            Fault::Picky => take(),
            Fault::Locked => Receipt::Paused { reason: "401".to_owned() },
        })
    }
}

pub fn lock<T>(of: &Arc<Mutex<T>>) -> MutexGuard<'_, T> {
    of.lock().unwrap()
}

impl Sink for Inbox {
    fn audience(&self) -> Audience {
        self.audience
    }

    fn limits(&self) -> Limits {
        Limits { messages: self.batch }
    }

    fn send<'a>(&'a self, batch: &'a [Message<'a>], now: Instant) -> Sending<'a> {
        Box::pin(async move { (0..batch.len()).map_while(|place| self.answer(place, batch, now)).collect() })
    }
}
