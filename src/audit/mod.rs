//! The evidence pack: what was known and true at an instant, rebuilt from the history that the store keeps, and told in a form
//! that an auditor can file: one page of HTML, tables as CSV, or OSCAL assessment results.
//!
//! ```text
//! instant ─▶ run ─▶ records of then ─▶ judged again, with the terms of then ─┐
//!              ├──▶ manifests ─▶ population, coverage over time ─────────────┼─▶ pack ─▶ HTML, OSCAL
//!              └──▶ events ────▶ life of each finding, what changed ─────────┘     └──▶ CSV (rows as they come), in a
//!                                                                                       folder or as one zip
//! ```
//!
//! Nothing here knows what time it is, and no id is drawn: the same instant gives the same bytes, however often and whenever it
//! is asked for, as long as what it rests on is kept. What may be too much for memory is handed on row by row ([`Rows`]);
//! the pack itself holds counts and bounded lists.

mod controls;
mod csv;
mod gather;
mod html;
mod judged;
mod lives;
mod oscal;
mod pack;
mod population;
mod simulate;
mod tally;
mod weighed;
mod zipped;

pub use csv::Tables;
pub use gather::{Asked, AuditError, gather};
pub use html::html;
pub use lives::{Change, Revocation};
pub use oscal::oscal;
pub use pack::*;
pub use population::{Source, Status};
pub use simulate::{Moved, Question, Simulated, What, simulate};
pub use weighed::{Hashed, MANIFEST, SUMS, Weighed, weighed};
pub use zipped::{Spool, Zipped, zipped};
