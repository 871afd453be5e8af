//! The program as it runs for years, in minutes: killed at any moment, told to stop, on a disk that is full or cannot be
//! written, with exports that break off or come up empty. What was committed is delivered, once and in order as far as
//! a receiver can tell by the ids; nothing is delivered that was not committed; and in the end everything stands as if
//! nothing had happened.
//!
//! `COUNTERFOIL_KILLS=1000` kills more often than the 200 times that are the rule.

pub mod audit;
mod care;
mod daemon;
mod disk;
pub mod estate;
mod kills;
pub mod receiver;
pub mod site;
mod sources;
