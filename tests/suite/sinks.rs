//! Sinks: one exam that each of them sits against a strict double of its receiver, and what is particular to one.

pub mod contract;
pub mod samples;
pub mod stub;

mod alertmanager;
mod elastic;
mod pagerduty;
mod sentinel;
mod slack;
mod splunk;
mod webhook;
