//! Counterfoil.
pub mod model;
