//! The exam that every sink sits. A [`Peer`] is a double of the sink's receiver, as strict as the receiver's own
//! documentation, and can be told to fail in the ways in which receivers fail.
//!
//! A new sink implements [`Peer`] for its double and says `contract!(ItsPeer)` in its own test file.

use std::fmt::Debug;
use std::path::Path;

use counterfoil::model::Duration;
use counterfoil::model::event::Message;
use counterfoil::sink::{Entry, Receipt, Sink, parts};

use super::samples;

/// How the sink reaches the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Without TLS, or whatever the peer has where there is no TLS.
    Plain,
    /// Over TLS, with a certificate that the settings name.
    Trusted,
    /// Over TLS, with a certificate that nobody vouches for.
    Stranger,
}

/// A way in which a receiver fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Takes the request and never answers.
    Hang,
    /// Reads the request, takes nothing and hangs up.
    ResetAfterBody,
    /// Takes the request, begins to say so and hangs up.
    OkThenReset,
    /// Asks to be left alone for 7 seconds.
    TooManySeconds,
    /// Asks to be left alone until a date, 90 seconds after [`samples::now`].
    TooManyDate,
    /// Finds every request too large.
    TooLarge,
    /// Is broken.
    ServerError,
    /// Finds the part with this key (see [`Peer::keys`]) wrong for good.
    Refused(String),
    /// Does not know who is asking, and repeats what it was shown.
    Unauthorised,
    /// Says that it moved.
    Redirect,
}

impl Fault {
    /// Those that concern every message alike.
    pub const OF_ALL: [Self; 9] = [
        Self::Hang,
        Self::ResetAfterBody,
        Self::OkThenReset,
        Self::TooManySeconds,
        Self::TooManyDate,
        Self::TooLarge,
        Self::ServerError,
        Self::Unauthorised,
        Self::Redirect,
    ];
}

/// A double of a receiver.
pub trait Peer: Sized {
    /// Starts it.
    fn start(wire: Wire) -> Self;

    /// The folder that relative paths in the settings start from.
    fn folder(&self) -> &Path;

    /// The tables of one `[[sink]]` that is told to this peer, with time-outs of three seconds.
    fn settings(&self) -> String;

    /// What must never be shown.
    fn secrets(&self) -> Vec<String>;

    /// Whether the receiver can fail in this way.
    fn supports(fault: &Fault) -> bool;

    /// Whether the receiver is reached over TLS at all.
    fn has_tls() -> bool {
        true
    }

    /// Fails in this way from now on; not at all with `None`.
    fn inject(&self, fault: Option<Fault>);

    /// By what the parts of a message are known among [`Peer::taken`].
    fn keys(message: &Message<'_>) -> Vec<String> {
        parts(message).into_iter().map(|part| part.id().to_owned()).collect()
    }

    /// What it took, in order.
    fn taken(&self) -> Vec<String>;

    /// What it saw that the receiver's documentation forbids.
    fn complaints(&self) -> Vec<String>;
}

/// Sets up the sink of a peer.
pub fn sink<P: Peer>(peer: &P) -> Box<dyn Sink> {
    let text = format!("id = \"exam\"\n{}", peer.settings());
    let entry: Entry = toml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let (_, settings) = entry.kind().unwrap();
    let sink = settings.build(peer.folder()).unwrap_or_else(|e| panic!("{e}\n{text}"));
    discreet(peer, &sink);
    sink
}

/// Sends messages, and looks at what is true of every answer.
pub fn send<P: Peer>(peer: &P, sink: &dyn Sink, batch: &[Message<'_>]) -> Vec<Receipt> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receipts = runtime.block_on(sink.send(batch, samples::now()));
    assert_eq!(receipts.len(), batch.len(), "one receipt for each: {receipts:?}");
    discreet(peer, &receipts);
    let taken = peer.taken();
    for (message, receipt) in batch.iter().zip(&receipts) {
        match receipt {
            Receipt::Taken => {
                for key in P::keys(message) {
                    assert!(taken.contains(&key), "said to be taken, and the peer has it not: {key}");
                }
            }
            Receipt::Later { reason, .. } | Receipt::Refused { reason } | Receipt::Paused { reason } => {
                assert!(!reason.is_empty() && reason.chars().count() < 400, "{reason}");
                assert!(!reason.contains(['\n', '\u{202e}', '\u{1b}']), "{reason:?}");
            }
        }
    }
    assert_eq!(peer.complaints(), [""; 0]);
    receipts
}

fn discreet<P: Peer>(peer: &P, shown: &dyn Debug) {
    let shown = format!("{shown:?}");
    for secret in peer.secrets() {
        assert!(!shown.contains(&secret), "a secret shows: {shown}");
    }
}

fn keys<P: Peer>(batch: &[Message<'_>]) -> Vec<String> {
    batch.iter().flat_map(P::keys).collect()
}

/// A batch is taken whole, in order, with one receipt for each message.
pub fn takes_in_order<P: Peer>() {
    let peer = P::start(Wire::Plain);
    let sink = sink(&peer);
    assert!(sink.limits().messages > 0);
    assert_eq!(send(&peer, &*sink, &[]), []);
    let story = samples::story();
    for batch in story.chunks(sink.limits().messages) {
        assert_eq!(send(&peer, &*sink, batch), vec![Receipt::Taken; batch.len()]);
    }
    assert_eq!(peer.taken(), keys::<P>(&story));
}

/// Events in groups, digests, signs of life and checkpoints are taken too.
pub fn takes_every_kind<P: Peer>() {
    let peer = P::start(Wire::Plain);
    let sink = sink(&peer);
    let all = [
        samples::group(12),
        samples::digest(),
        samples::heartbeat(),
        samples::checkpoint(),
        samples::group(0),
    ];
    for message in &all {
        assert_eq!(send(&peer, &*sink, std::slice::from_ref(message)), [Receipt::Taken], "{message:?}");
    }
    assert_eq!(peer.taken(), keys::<P>(&all));
}

/// However the receiver fails: nothing is lost, nothing is given up that could still be taken, and once it has
/// recovered everything arrives under the ids it had.
pub fn survives_every_fault<P: Peer>() {
    for fault in Fault::OF_ALL.into_iter().filter(P::supports) {
        let peer = P::start(Wire::Plain);
        let sink = sink(&peer);
        let batch = samples::several(0..3);
        let before = std::time::Instant::now();
        peer.inject(Some(fault.clone()));
        let receipts = send(&peer, &*sink, &batch);
        assert!(before.elapsed().as_secs() < 30, "{fault:?}: it waits for ever");
        for receipt in &receipts {
            let expected = match (&fault, receipt) {
                (Fault::OkThenReset, Receipt::Taken) => true,
                (Fault::Unauthorised | Fault::Redirect, Receipt::Paused { .. }) => true,
                (Fault::TooLarge, Receipt::Refused { .. }) => true,
                (Fault::Unauthorised | Fault::Redirect | Fault::TooLarge, _) => false,
                (Fault::TooManySeconds, Receipt::Later { retry_after, .. }) => {
                    *retry_after == Some(Duration::seconds(7))
                }
                (Fault::TooManyDate, Receipt::Later { retry_after, .. }) => {
                    *retry_after == Some(Duration::seconds(90))
                }
                (_, Receipt::Later { .. }) => true,
                _ => false,
            };
            assert!(expected, "{fault:?}: {receipt:?}");
        }
        peer.inject(None);
        let again = batch.iter().zip(&receipts).filter(|(_, r)| **r != Receipt::Taken);
        let again: Vec<Message<'_>> = again.map(|(message, _)| message.clone()).collect();
        assert_eq!(send(&peer, &*sink, &again), vec![Receipt::Taken; again.len()], "{fault:?}");
        let mut taken = peer.taken();
        if fault == Fault::OkThenReset || fault == Fault::Hang {
            // It was taken and nobody heard: the second time the same ids come.
            taken.dedup();
            taken.sort();
            taken.dedup();
            let mut expected = keys::<P>(&batch);
            expected.sort();
            assert_eq!(taken, expected, "{fault:?}");
        } else {
            assert_eq!(taken, keys::<P>(&batch), "{fault:?}");
        }
    }
}

/// A message that is refused does not drag its neighbours along.
pub fn refuses_one_alone<P: Peer>() {
    let batch = samples::several(0..5);
    for bad in 0..batch.len() {
        let fault = Fault::Refused(P::keys(&batch[bad]).remove(0));
        if !P::supports(&fault) {
            return;
        }
        let peer = P::start(Wire::Plain);
        let sink = sink(&peer);
        peer.inject(Some(fault));
        let receipts = send(&peer, &*sink, &batch);
        for (at, receipt) in receipts.iter().enumerate() {
            match receipt {
                Receipt::Refused { .. } if at == bad => {}
                Receipt::Taken if at != bad => {}
                other => panic!("{bad} is bad, and of {at} comes {other:?}"),
            }
        }
        let mut expected = keys::<P>(&batch);
        expected.remove(bad);
        let mut taken = peer.taken();
        taken.sort();
        taken.dedup();
        expected.sort();
        assert_eq!(taken, expected);
    }
}

/// Text that means harm arrives whole or is made harmless, and harms nothing beside it.
pub fn withstands_hostile_text<P: Peer>() {
    let peer = P::start(Wire::Plain);
    let sink = sink(&peer);
    let batch = [samples::alone(samples::event(0)), samples::hostile(), samples::alone(samples::event(1))];
    assert_eq!(send(&peer, &*sink, &batch), [Receipt::Taken, Receipt::Taken, Receipt::Taken]);
    assert_eq!(peer.taken(), keys::<P>(&batch));
}

/// Over TLS, only to a peer that somebody vouches for.
pub fn trusts_no_stranger<P: Peer>() {
    if !P::has_tls() {
        return;
    }
    let batch = samples::several(0..2);
    let peer = P::start(Wire::Trusted);
    assert_eq!(send(&peer, &*sink(&peer), &batch), [Receipt::Taken, Receipt::Taken]);
    let peer = P::start(Wire::Stranger);
    let receipts = send(&peer, &*sink(&peer), &batch);
    for receipt in &receipts {
        let Receipt::Later { reason, .. } = receipt else { panic!("{receipt:?}") };
        assert!(reason.contains("certificate"), "it says what is wrong: {reason}");
    }
    assert_eq!(peer.taken(), [""; 0]);
}

/// The exam, as tests.
macro_rules! contract {
    ($peer:ty) => {
        mod contract {
            use super::*;
            use crate::sinks::contract as exam;

            #[test]
            fn takes_in_order() {
                exam::takes_in_order::<$peer>();
            }

            #[test]
            fn takes_every_kind() {
                exam::takes_every_kind::<$peer>();
            }

            #[test]
            fn survives_every_fault() {
                exam::survives_every_fault::<$peer>();
            }

            #[test]
            fn refuses_one_alone() {
                exam::refuses_one_alone::<$peer>();
            }

            #[test]
            fn withstands_hostile_text() {
                exam::withstands_hostile_text::<$peer>();
            }

            #[test]
            fn trusts_no_stranger() {
                exam::trusts_no_stranger::<$peer>();
            }
        }
    };
}
pub(crate) use contract;
