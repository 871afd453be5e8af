//! Tables as CSV (RFC 4180): every finding, grant, source, control, exception and change, one a row.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end for a formula; such a cell gets a `'`
//! before it. Nothing else about a name is changed.

use std::borrow::Cow;
use std::io::{self, Write};

use super::lives::Change;
use super::pack::{Pack, Rows, Stood};
use crate::model::Instant;
use crate::model::finding::{Finding, PathStepView, Verdict};
use crate::model::record::Kind;

/// The tables, each with what its columns are called.
const TABLES: [(&str, &[&str]); 6] = [
    (
        "findings.csv",
        &[
            "id",
            "check",
            "severity",
            "state",
            "episode",
            "first_seen",
            "opened",
            "changed",
            "last_cause",
            "note",
            "title",
            "message",
            "standing",
            "subject",
            "subject_kind",
            "system",
            "account",
            "entitlement",
            "scope",
            "path",
            "granted_at",
            "granted_by",
            "expires_at",
            "last_used_at",
            "request_source",
            "request",
            "request_url",
            "request_state",
            "decided_at",
            "alias",
            "source",
            "answers_first",
            "role",
            "accountable",
            "reasons",
            "remediation",
            "controls",
            "evidence",
            "accepted_by",
            "accepted_because",
            "accepted_until",
        ],
    ),
    (
        "grants.csv",
        &[
            "system",
            "account",
            "entitlement",
            "scope",
            "path",
            "subject",
            "subject_kind",
            "standing",
            "verdict",
            "request_source",
            "request",
            "recheck_at",
        ],
    ),
    (
        "changes.csv",
        &[
            "at",
            "run",
            "activity",
            "cause",
            "state",
            "finding",
            "check",
            "severity",
            "subject",
            "system",
            "account",
            "entitlement",
            "scope",
            "request",
        ],
    ),
    (
        "population.csv",
        &[
            "source",
            "read_by",
            "status",
            "why",
            "taken_at",
            "pulled_at",
            "run",
            "tried_in_vain_at",
            "type",
            "records",
            "before",
            "added",
            "removed",
            "changed",
            "sha256",
            "provides",
            "systems",
            "missing",
        ],
    ),
    (
        "controls.csv",
        &[
            "framework",
            "control",
            "title",
            "result",
            "open_findings",
            "accepted_findings",
            "gaps",
            "checks",
            "findings",
        ],
    ),
    ("exceptions.csv", &["check", "accepted_by", "reason", "until", "given", "findings", "ids"]),
];

/// The tables of a pack, written row by row.
pub struct Tables<W: Write> {
    findings: Table<W>,
    grants: Table<W>,
    changes: Table<W>,
    population: Table<W>,
    controls: Table<W>,
    exceptions: Table<W>,
}

struct Table<W: Write> {
    out: csv::Writer<W>,
}

/// One row in the making.
struct Row<'t, W: Write>(&'t mut Table<W>, io::Result<()>);

impl<W: Write> Tables<W> {
    /// Begins every table, in a file of its name.
    ///
    /// # Errors
    /// When one cannot be made or written.
    pub fn begin(make: &mut dyn FnMut(&str) -> io::Result<W>) -> io::Result<Self> {
        let mut begin = |(name, columns): (&str, &[&str])| -> io::Result<Table<W>> {
            let mut out =
                csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(make(name)?);
            out.write_record(columns)?;
            Ok(Table { out })
        };
        let [findings, grants, changes, population, controls, exceptions] = TABLES;
        Ok(Self {
            findings: begin(findings)?,
            grants: begin(grants)?,
            changes: begin(changes)?,
            population: begin(population)?,
            controls: begin(controls)?,
            exceptions: begin(exceptions)?,
        })
    }

    /// Writes what did not come row by row, and hands back what was written to, each by its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self, pack: &Pack) -> io::Result<Vec<(&'static str, W)>> {
        self.write_population(pack)?;
        self.write_controls(pack)?;
        for e in &pack.exceptions.listed {
            let row = self.exceptions.row().text(&e.check).text(&e.by).text(&e.reason).time(Some(e.until));
            row.time(e.given).number(e.findings).text(&e.ids.join(" ")).end()?;
        }
        let all = [self.findings, self.grants, self.changes, self.population, self.controls, self.exceptions];
        let named = TABLES.into_iter().zip(all);
        named
            .map(|((name, _), table)| Ok((name, table.out.into_inner().map_err(|e| e.into_error())?)))
            .collect()
    }

    fn write_population(&mut self, pack: &Pack) -> io::Result<()> {
        for s in &pack.population {
            // A source that gave nothing has a row too.
            let none = (String::new(), crate::model::life::Counts::default());
            let mut types: Vec<_> = s.records.iter().map(|(t, n)| (t.as_str().to_owned(), *n)).collect();
            if types.is_empty() {
                types.push(none);
            }
            let provides: Vec<&str> = s.provides.iter().map(|t| t.as_str()).collect();
            for (kind, n) in types {
                let row = self.population.row().text(&s.id).some(s.by.as_deref()).text(s.status.as_str());
                let row = row.some(s.why.as_deref()).time(s.taken_at).time(s.pulled_at);
                let row = row.some(s.run.map(|r| r.to_string()).as_deref()).time(s.tried_at).text(&kind);
                let row =
                    row.number(n.now).number(n.before).number(n.added).number(n.removed).number(n.changed);
                let row = row.some(s.sha256.as_deref()).text(&provides.join(" ")).text(&s.systems.join("; "));
                row.some(s.missing.as_deref()).end()?;
            }
        }
        Ok(())
    }

    fn write_controls(&mut self, pack: &Pack) -> io::Result<()> {
        for f in &pack.frameworks {
            for c in &f.controls {
                let row = self.controls.row().text(&f.id).text(&c.id).text(&c.title).text(c.result.as_str());
                let row = row.number(c.open).number(c.accepted).text(&c.gaps.join("; "));
                row.text(&c.checks.join(" ")).text(&c.ids.join(" ")).end()?;
            }
        }
        Ok(())
    }
}

impl<W: Write> Rows for Tables<W> {
    fn finding(&mut self, f: &Finding<'_>, stood: &Stood) -> io::Result<()> {
        let (grant, request) = (f.grant.as_ref(), f.request.as_ref());
        let first = f.accountable.iter().find(|a| a.primary);
        let people = f
            .accountable
            .iter()
            .map(|a| format!("{}: {}", a.role.as_str(), a.identity.as_deref().unwrap_or("nobody")));
        let controls = f.controls.iter().map(|c| format!("{} {}", c.framework, c.id));
        let evidence = f.evidence.iter().map(|e| {
            let part = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
            let at = e.collected_at.map_or_else(String::new, |t| format!(" {t}"));
            format!("{}/{} sha256:{}{at}", part(&e.source), part(&e.id), part(&e.sha256))
        });
        let note = stood.untold.or(stood.lingers);
        let row = self.findings.row().text(&f.id).text(&f.check).text(f.severity.as_str());
        let row = row.text(stood.state.as_str()).number(stood.episode.into()).time(stood.first_seen);
        let row = row.time(stood.opened).time(stood.changed).some(stood.cause.map(|c| c.as_str())).some(note);
        let row = row.text(&f.title).text(&f.message).some(f.standing.map(|s| s.as_str()));
        let row = row.some(f.subject.as_ref().map(|s| &*s.id));
        let row = row.some(f.subject.as_ref().and_then(|s| s.kind.as_deref()));
        let row = row.some(grant.map(|g| &*g.system)).some(grant.map(|g| &*g.account));
        let row = row.some(grant.map(|g| &*g.entitlement)).some(grant.and_then(|g| g.scope.as_deref()));
        let row = row.some(grant.map(|g| path(&g.path)).as_deref()).time(grant.and_then(|g| g.granted_at));
        let row = row.some(grant.and_then(|g| g.granted_by.as_deref()));
        let row = row.time(grant.and_then(|g| g.expires_at)).time(grant.and_then(|g| g.last_used_at));
        let row = row.some(request.map(|r| &*r.source)).some(request.map(|r| &*r.id));
        let row = row.some(request.and_then(|r| r.url.as_deref())).some(request.map(|r| &*r.state));
        let row = row.time(request.and_then(|r| r.decided_at)).some(f.alias.as_deref());
        let row = row.some(f.source.as_deref()).some(first.and_then(|a| a.identity.as_deref()));
        let row = row.some(first.map(|a| a.role.as_str())).text(&joined(people)).text(&f.reasons.join("; "));
        let row = row.text(&f.remediation).text(&joined(controls)).text(&joined(evidence));
        let e = f.exception.as_ref();
        let row = row.some(e.map(|e| &*e.accepted_by)).some(e.map(|e| &*e.reason));
        row.time(e.map(|e| e.expires_at)).end()
    }

    fn grant(&mut self, v: &Verdict<'_>, kind: Option<Kind>) -> io::Result<()> {
        let row = self.grants.row().text(&v.system).text(&v.account).text(&v.entitlement);
        let row = row.some(v.scope.as_deref()).text(&path(&v.path)).text(&v.subject);
        let row = row.some(kind.map(Kind::as_str)).text(v.standing.as_str());
        let row = row.text(v.verdict.as_str()).some(v.request.as_ref().map(|r| &*r.source));
        row.some(v.request.as_ref().map(|r| &*r.id)).time(v.recheck_at).end()
    }

    fn change(&mut self, c: &Change) -> io::Result<()> {
        let row = self.changes.row().time(Some(c.at)).number(c.run).text(c.activity.as_str());
        let row = row.text(c.cause.as_str()).text(c.state.as_str()).text(&c.finding).text(&c.check);
        let row = row.text(c.severity.as_str()).some(c.subject.as_deref()).some(c.system.as_deref());
        let row = row.some(c.account.as_deref()).some(c.entitlement.as_deref()).some(c.scope.as_deref());
        row.some(c.request.as_deref()).end()
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

fn path(steps: &[PathStepView<'_>]) -> String {
    let step = |s: &PathStepView<'_>| match &s.system {
        Some(system) => format!("{system}/{}", s.entitlement),
        None => s.entitlement.clone().into_owned(),
    };
    steps.iter().map(step).collect::<Vec<_>>().join(" > ")
}

impl<W: Write> Table<W> {
    fn row(&mut self) -> Row<'_, W> {
        Row(self, Ok(()))
    }
}

impl<W: Write> Row<'_, W> {
    fn text(mut self, text: &str) -> Self {
        if self.1.is_ok() {
            self.1 = self.0.out.write_field(safe(text).as_bytes()).map_err(Into::into);
        }
        self
    }

    fn some(self, text: Option<&str>) -> Self {
        self.text(text.unwrap_or_default())
    }

    fn number(self, n: u64) -> Self {
        self.text(&n.to_string())
    }

    fn time(self, t: Option<Instant>) -> Self {
        match t {
            Some(t) => self.text(t.text().as_str()),
            None => self.text(""),
        }
    }

    fn end(self) -> io::Result<()> {
        self.1?;
        Ok(self.0.out.write_record(None::<&[u8]>)?)
    }
}

/// A text that no spreadsheet takes for a formula.
fn safe(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{text}"))
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_cell_begins_a_formula_and_every_text_comes_back(text in "[=+@\t\r\n',\"a-]{0,6}") {
            let mut table = Table { out: csv::Writer::from_writer(vec![]) };
            table.row().text(&text).text("end").end().unwrap();
            let bytes = table.out.into_inner().unwrap();
            let mut read = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let row = read.records().next().unwrap().unwrap();
            let cell = row.get(0).unwrap();
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']));
            let quoted = format!("'{text}");
            prop_assert!(cell == text || cell == quoted);
            prop_assert_eq!(row.get(1), Some("end"));
        }
    }
}
