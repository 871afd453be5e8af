//! Seven days of a daemon in seconds: one seed makes a company that changes, sources that fail, receivers that are away,
//! a clock that is set and a program that is restarted; what must always hold is looked at after each step.

pub mod inbox;
