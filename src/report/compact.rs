//! `compact`: one short line of JSON a finding, for programs that take in millions and look up the rest by the id.
//!
//! Fields are named as in a finding, but lie flat; one that says nothing is left out:
//!
//! | field | of the finding |
//! |---|---|
//! | `id`, `check`, `severity`, `standing` | the same |
//! | `subject` | `subject.id` |
//! | `system`, `account`, `entitlement`, `scope` | of the `grant` |
//! | `request_source`, `request` | `source` and `id` of the `request` |
//! | `item`, `beneficiary`, `alias`, `source` | the same |
//! | `answers` | the identities of those in `accountable` who are `primary`; left out where nobody holds the office |
//! | `exception` | `true` where a valid one accepts the finding |

use std::io::{self, Write};

use super::line::{list, number, string, word};
use super::{Head, Summary, Writer};
use crate::model::finding::Finding;

/// Appends a finding as one short line, with the line end.
pub fn write_compact(finding: &Finding<'_>, out: &mut Vec<u8>) {
    let f = finding;
    out.extend_from_slice(b"{\"id\":");
    string(&f.id, out);
    out.extend_from_slice(b",\"check\":");
    string(&f.check, out);
    out.extend_from_slice(b",\"severity\":");
    word(f.severity.as_str(), out);
    if let Some(standing) = f.standing {
        out.extend_from_slice(b",\"standing\":");
        word(standing.as_str(), out);
    }
    field(out, b",\"subject\":", f.subject.as_ref().map(|s| &*s.id));
    if let Some(grant) = &f.grant {
        field(out, b",\"system\":", Some(&grant.system));
        field(out, b",\"account\":", Some(&grant.account));
        field(out, b",\"entitlement\":", Some(&grant.entitlement));
        field(out, b",\"scope\":", grant.scope.as_deref());
    }
    if let Some(request) = &f.request {
        field(out, b",\"request_source\":", Some(&request.source));
        field(out, b",\"request\":", Some(&request.id));
    }
    if let Some(item) = f.item {
        out.extend_from_slice(b",\"item\":");
        number(item, out);
    }
    field(out, b",\"beneficiary\":", f.beneficiary.as_deref());
    field(out, b",\"alias\":", f.alias.as_deref());
    field(out, b",\"source\":", f.source.as_deref());
    let answering = || f.accountable.iter().filter(|a| a.primary).filter_map(|a| a.identity.as_deref());
    if answering().next().is_some() {
        out.extend_from_slice(b",\"answers\":");
        list(answering(), out, string);
    }
    if f.exception.is_some() {
        out.extend_from_slice(b",\"exception\":true");
    }
    out.extend_from_slice(b"}\n");
}

/// A field, where it says something.
fn field(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(name);
        string(value, out);
    }
}

/// One short line a finding.
pub struct Compact<W> {
    out: W,
    buffer: Vec<u8>,
}

impl<W: Write> Compact<W> {
    /// A writer to `out`.
    pub fn new(out: W) -> Self {
        Self { out, buffer: Vec::new() }
    }
}

impl<W: Write> Writer for Compact<W> {
    fn begin(&mut self, _head: &Head<'_>) -> io::Result<()> {
        Ok(())
    }

    fn finding(&mut self, finding: &Finding<'_>) -> io::Result<()> {
        self.buffer.clear();
        write_compact(finding, &mut self.buffer);
        self.out.write_all(&self.buffer)
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.out.flush()
    }
}
