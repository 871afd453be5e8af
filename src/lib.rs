//! Counterfoil.
pub mod model;
pub mod report;
