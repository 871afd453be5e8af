//! The life of a finding, row by row of its table: as pure decisions, and through a whole engine with pulls, a store and
//! an outbox; with it all that keeps a finding still, and who is told what.

pub mod bench;
mod doubts;
mod engine;
mod people;
mod post;
mod table;
mod twice;

pub use bench::{ALICE, BOSS, Bench, How, grant, pulled, rules, ticket, unguarded};
