//! Counterfoil.
pub mod config;
pub mod intake;
pub mod judge;
pub mod model;
pub mod report;
