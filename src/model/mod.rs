//! The nouns: records as they come in, findings and verdicts as they go out, and the instants, durations and
//! names they are made of. No behaviour beyond their own invariants; names no other module, no I/O, no clock.

pub mod chain;
pub mod event;
pub mod finding;
pub mod life;
pub mod line;
mod object;
pub(crate) mod quick;
pub mod record;
mod safe;
pub mod shape;
pub mod strict;
mod text;
mod time;

pub use line::{BadRecord, MAX_LINE, canonical_text, parse_line};
pub use record::{Record, RecordType};
pub use safe::{Safe, is_hidden, safe_text, write_safe};
pub use text::{Text, norm};
pub use time::{Duration, Instant, InstantText, TimeError};
