//! Counterfoil.
pub mod cli;
pub mod config;
pub mod connect;
pub mod controls;
pub mod intake;
pub mod judge;
pub mod model;
pub mod report;
