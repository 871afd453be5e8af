//! Sinks: what each writes or sends, against real receivers where one can be started.

mod file;
mod kafka;
mod rsyslog;
mod sample;
mod syslog;
