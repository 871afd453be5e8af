//! The one test binary: every test of the product as a whole.

mod connectors;
mod controls;
mod ocsf;
mod reference;
mod report;
