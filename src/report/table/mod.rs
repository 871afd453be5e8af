//! `table`: what a person reads at a glance.
//!
//! The counts stand first, so nothing is printed before the end; until then only counters and the first few
//! findings of each check are kept, cut to what a terminal can show. Four million findings take no more room than
//! four hundred. [`gather`] keeps, [`render`] prints.

mod gather;
mod render;

use std::io::{self, Write};

use super::{Head, Options, Summary, Writer};
use crate::model::Instant;
use crate::model::finding::Finding;
use gather::Gathered;

/// The table writer.
pub struct Table<W> {
    out: W,
    options: Options,
    now: Option<Instant>,
    gathered: Gathered,
}

impl<W: Write> Table<W> {
    /// A writer to `out`.
    pub fn new(out: W, options: Options) -> Self {
        let gathered = Gathered::new(options.rows);
        Self { out, options, now: None, gathered }
    }
}

impl<W: Write> Writer for Table<W> {
    fn begin(&mut self, head: &Head<'_>) -> io::Result<()> {
        self.now = Some(head.now);
        Ok(())
    }

    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        self.gathered.add(finding);
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        render::print(&mut self.out, &self.options, self.now, &self.gathered, summary)?;
        self.out.flush()
    }
}
