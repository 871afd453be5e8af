//! From what is found to what is told: the life of a finding, what keeps it from changing, who is told, and together
//! with what. Pure decisions: the time is an argument, and nothing here reads or writes anything.
//!
//! ```text
//! finding as judged ─┐                             ┌─▶ the finding's next life, to be remembered
//! finding's life ────┼─▶ freeze ─▶ life::step ─────┤
//! doubts, clock ─────┘                             └─▶ at most one event ─▶ mute ─▶ filter ─▶ group ─▶ outbox
//! ```

pub mod accept;
pub mod filter;
pub mod freeze;
pub mod group;
pub mod guard;
pub mod life;
pub mod mute;
