//! The one test binary: every test of the product as a whole.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that meets what it does not expect should stop there"
)]

mod audit;
mod auth;
mod aws;
mod bindings;
mod canary;
mod cli;
mod config;
mod connectors;
mod controls;
#[cfg(unix)]
mod crash;
mod dates;
mod demo;
mod engine;
mod evidence;
#[cfg(unix)]
mod exec;
mod explain;
mod ha;
mod hostile;
mod inherit;
mod jira_openapi;
mod joins;
mod judged;
#[cfg(unix)]
mod ldap;
mod life;
mod live;
mod lock;
mod log;
#[cfg(unix)]
mod moto;
mod notify;
mod ocsf;
mod pages;
mod partitions;
mod postgres;
mod reference;
mod report;
mod samples;
mod schedule;
mod scim;
mod secrets;
mod serve;
mod servers;
mod servicenow;
mod simulation;
mod sinks;
mod sources;
#[cfg(unix)]
mod spark;
mod store;
mod tidy;
mod worker;
