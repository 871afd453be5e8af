//! The daemon: the only loop. When something is due it pulls, judges and puts what has to be told into the outbox; beside
//! it every sink empties its part of the outbox at its own pace.
//!
//! ```text
//! clock ─▶ board: what is due ─▶ pulls ─▶ engine ─▶ store ─▶ outbox ─▶ one task for each sink ─▶ the world
//!                                                    │
//!                                                    └─▶ metrics, readiness
//! ```
//!
//! Several daemons may share a database. One of them leads ([`Hold`]) and does all of the above; the others deliver, pull what it
//! wants pulled, show pages, and take over when it is gone.
//!
//! [`Core`] is the loop's body without the waiting: the time is an argument, so that days can be played in seconds.

mod ahead;
mod core;
mod lead;
mod office;
mod post;
mod pull;
mod setup;
mod signals;
mod spread;
mod status;
mod watch;

pub use core::{Core, Ticked};
pub use lead::{Hold, Lead, News, Tell};
pub use post::{Destination, Pause, Post, Sent, deliver, deliver_all, resend};
pub use pull::{Puller, kept_beside};
pub use setup::{Setup, SetupError};
pub use status::refresh;
pub use watch::run;
