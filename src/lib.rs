//! Counterfoil.
pub mod config;
pub mod connect;
pub mod intake;
pub mod judge;
pub mod model;
pub mod report;
