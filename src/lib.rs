//! Counterfoil.
pub mod connect;
pub mod model;
