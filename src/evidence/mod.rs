//! The evidence log: whatever happened, in an order and with a text that nobody can change later without being found out.
//!
//! ```text
//! events, manifests of runs, actions ─▶ entries ─▶ tree (RFC 6962) ─▶ checkpoint, signed ─▶ every sink that programs read
//!                                                    │                                            │
//!                                                    └─▶ proof of one entry        verify ◀── a checkpoint from there
//! ```
//!
//! An entry is written in the transaction of what it speaks of. Its hash is that of the text that programs are told, so
//! that one line in a SIEM can be held against the tree.
//!
//! # What it proves, and what not
//!
//! - Whoever changes, removes, adds or swaps entries and leaves the rest alone is found by the store itself.
//! - Whoever can write to the store can make the whole log anew, and cut it or set it back. That is found by any checkpoint
//!   that lies elsewhere: in a SIEM, a mailbox, on paper. So they are told to sinks, and `verify` takes them as files.
//! - Whoever has the private key can sign another log. The checkpoints that lie elsewhere do not agree with it.
//! - Texts are forgotten after `[store] keep`. Their hashes stay, and an entry of the log says which they were: a text that is
//!   missing without such an entry was removed. Whoever forges such an entry makes the log longer, in the sight of all who
//!   get checkpoints.
//! - The log tells what happened. Tables that hold how things are now are made from it by the program, and are not proven.

mod action;
mod checkpoint;
mod log;
pub mod note;
mod proof;
mod settings;
pub mod tree;
mod verify;

pub use action::{ACTION_SCHEMA, Action, Deed, PROGRAM};
pub use checkpoint::{Checkpoint, CheckpointError, TreeHead, UNSIGNED, base64, seal};
pub use log::{Entry, InForce, Kept, Kind, Log};
pub use note::{Signer, Verifier};
pub use proof::{Proof, ProofError, Proven};
pub use settings::Evidence;
pub use verify::{KEPT_EVERY, Report, Witness, verify};
