//! Sinks: one exam that each of them sits against a strict double of its receiver or, where one can be started, the
//! receiver itself; and what is particular to one.

pub mod contract;
pub mod rsyslog;
pub mod samples;
pub mod sending;
pub mod stub;

mod alertmanager;
mod elastic;
mod file;
mod kafka;
mod pagerduty;
mod sentinel;
mod slack;
mod splunk;
mod syslog;
mod webhook;
