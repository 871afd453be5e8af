//! What came of each message of a batch, however the receiver wants them: one by one, or many documents in one request.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use super::Receipt;
use super::document::{Part, parts};
use crate::model::Instant;
use crate::model::event::Message;

/// A future that sends one thing.
pub(super) type Step<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Sends message by message. After one that found the receiver away or shut, the others are not tried: they would
/// overtake it, and each would wait for the same time-out.
pub(super) async fn one_by_one<'m, F>(batch: &'m [Message<'m>], send: F) -> Vec<Receipt>
where
    F: Fn(&'m Message<'m>) -> Step<'m, Receipt>,
{
    let mut receipts = Vec::with_capacity(batch.len());
    for message in batch {
        let receipt = send(message).await;
        let halt = untried(&receipt);
        receipts.push(receipt);
        if let Some(halt) = halt {
            receipts.resize(batch.len(), halt);
            break;
        }
    }
    receipts
}

/// What is said of the messages behind one that ends a batch; `None` when this one does not.
fn untried(receipt: &Receipt) -> Option<Receipt> {
    let after = |reason: &str| format!("not tried, after: {reason}");
    match receipt {
        Receipt::Taken | Receipt::Refused { .. } => None,
        Receipt::Later { reason, retry_after } => {
            Some(Receipt::Later { reason: after(reason), retry_after: *retry_after })
        }
        Receipt::Paused { reason } => Some(Receipt::Paused { reason: after(reason) }),
    }
}

/// A part of a message, as the receiver wants it.
#[derive(Debug)]
pub(super) struct Document {
    /// The number of its message in the batch.
    message: usize,
    /// The text. An empty one could not be written, and is refused.
    pub(super) text: String,
}

/// Every part of every message, in their order.
pub(super) fn documents(batch: &[Message<'_>], write: impl Fn(Part<'_>) -> String) -> Vec<Document> {
    let mut documents = Vec::with_capacity(batch.len());
    for (message, content) in batch.iter().enumerate() {
        for part in parts(content) {
            documents.push(Document { message, text: write(part) });
        }
    }
    documents
}

/// What came of one request with several documents.
pub(super) enum Outcome {
    /// The same of all of them. When that is *later* or *paused*, nothing more is tried.
    All(Receipt),
    /// Of each its own, in their order.
    Each(Vec<Receipt>),
    /// Too large, or one of them is bad and nobody says which: send them in halves. This comes of one that is alone.
    Halve(Receipt),
    /// This one (from 0) is bad; send the others without it.
    Without(usize, Receipt),
}

/// Sends several documents in one request.
pub(super) trait Carrier: Sync {
    /// The most that one request may hold, in bytes.
    fn cap(&self) -> usize;

    /// The bytes a document takes in a request.
    fn size(&self, document: &Document) -> usize {
        document.text.len() + 1
    }

    /// Sends them in one request.
    fn carry<'a>(&'a self, pack: &'a [&'a Document], now: Instant) -> Step<'a, Outcome>;
}

/// Sends documents in as few requests as the receiver allows, and says what came of each of `messages` messages: of one
/// with several parts the worst that came of any, since it is sent again as a whole.
pub(super) async fn deliver(
    carrier: &dyn Carrier,
    messages: usize,
    documents: &[Document],
    now: Instant,
) -> Vec<Receipt> {
    let mut receipts = vec![Receipt::Taken; messages];
    let mut settle = |document: &Document, receipt: Receipt| {
        if let Some(slot) = receipts.get_mut(document.message)
            && rank(&receipt) > rank(slot)
        {
            *slot = receipt;
        }
    };
    let mut packs = VecDeque::from(packed(carrier, documents, &mut settle));
    while let Some(mut pack) = packs.pop_front() {
        match carrier.carry(&pack, now).await {
            Outcome::All(receipt) => {
                if let Some(halt) = untried(&receipt) {
                    packs.drain(..).flatten().for_each(|document| settle(document, halt.clone()));
                }
                pack.iter().for_each(|document| settle(document, receipt.clone()));
            }
            Outcome::Each(each) => {
                // A receiver that does not answer for each has answered for none of the others.
                let silent = std::iter::repeat_with(|| Receipt::Later {
                    reason: "the receiver did not say what came of it".to_owned(),
                    retry_after: None,
                });
                pack.iter().zip(each.into_iter().chain(silent)).for_each(|(document, r)| settle(document, r));
            }
            Outcome::Without(at, receipt) if at < pack.len() => {
                settle(pack.remove(at), receipt);
                if !pack.is_empty() {
                    packs.push_front(pack);
                }
            }
            Outcome::Halve(receipt) | Outcome::Without(_, receipt) => match pack.len() {
                0 | 1 => pack.iter().for_each(|document| settle(document, receipt.clone())),
                length => {
                    packs.push_front(pack.split_off(length / 2));
                    packs.push_front(pack);
                }
            },
        }
    }
    receipts
}

/// Groups documents, in their order, into packs that fit one request. What would not fit alone is refused.
fn packed<'d>(
    carrier: &dyn Carrier,
    documents: &'d [Document],
    settle: &mut impl FnMut(&Document, Receipt),
) -> Vec<Vec<&'d Document>> {
    let (mut packs, mut pack, mut held) = (Vec::new(), Vec::new(), 0);
    for document in documents {
        let size = carrier.size(document);
        let reason = if document.text.is_empty() {
            Some("it cannot be written as JSON".to_owned())
        } else {
            (size > carrier.cap())
                .then(|| format!("{size} bytes; one request holds at most {}", carrier.cap()))
        };
        if let Some(reason) = reason {
            settle(document, Receipt::Refused { reason });
            continue;
        }
        if held + size > carrier.cap() {
            packs.push(std::mem::take(&mut pack));
            held = 0;
        }
        held += size;
        pack.push(document);
    }
    packs.push(pack);
    packs.retain(|pack| !pack.is_empty());
    packs
}

fn rank(receipt: &Receipt) -> u8 {
    match receipt {
        Receipt::Taken => 0,
        Receipt::Refused { .. } => 1,
        Receipt::Later { .. } => 2,
        Receipt::Paused { .. } => 3,
    }
}
