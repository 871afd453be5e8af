//! How the table looks. Every line fits the terminal; colour is put around text that is already cut and padded.

use std::fmt::Display;
use std::io::{self, Write};

use super::gather::{Answering, Gathered, Group, Row};
use crate::model::Instant;
use crate::model::finding::{Outcome, Severity};
use crate::report::text::{columns, count, fit, grouped, padded, shown, wrapped};
use crate::report::{Counts, Options, Standings, Style, Summary};

/// Blanks between two columns.
const GAP: usize = 2;
/// Below this a column tells nothing any more.
const MIN_CELL: usize = 6;
/// Width of a counter column in the list of people.
const COUNTER: usize = 10;
/// Keeps a count and its word on one line.
const TIE: char = '\u{a0}';
const CHECK: &str = "source-incomplete";

pub(super) fn print<W: Write>(
    out: &mut W,
    options: &Options,
    now: Option<Instant>,
    all: &Gathered,
    summary: &Summary,
) -> io::Result<()> {
    let mut page = Page { out, style: options.style, width: options.style.columns() };
    page.head(now, all, summary)?;
    page.sources(all, summary)?;
    page.groups(all)?;
    page.accepted(all)?;
    page.people(all, options.people)?;
    page.next(all, summary)
}

struct Page<'w, W> {
    out: &'w mut W,
    style: Style,
    width: usize,
}

impl<W: Write> Page<'_, W> {
    fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A line of plain text, indented, cut to the width.
    fn plain(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let text = fit(text, self.width.saturating_sub(indent)).into_owned();
        self.line(format_args!("{:indent$}{text}", ""))
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.style.bold(text);
        self.line(format_args!("\n{text}"))
    }

    fn head(&mut self, now: Option<Instant>, all: &Gathered, summary: &Summary) -> io::Result<()> {
        let at = now.map(|now| format!(" as of {now}")).unwrap_or_default();
        let total = all.open.total();
        let title = self.style.bold(count(total, "finding"));
        self.line(format_args!("{title}{at}"))?;
        if total > 0 {
            let counts = self.counts(&all.open);
            self.line(format_args!("  {counts}"))?;
        }
        if all.accepted > 0 {
            self.plain(2, &format!("{} more accepted by an exception", grouped(all.accepted)))?;
        }
        if let Some(standings) = &summary.standings {
            self.coverage(standings)?;
        }
        if summary.dropped_duplicates > 0 {
            let text = format!(
                "dropped, because another record with its key stands: {}",
                count(summary.dropped_duplicates, "record")
            );
            self.plain(2, &text)?;
        }
        Ok(())
    }

    fn counts(&self, counts: &Counts) -> String {
        let parts: Vec<String> = Severity::ALL
            .into_iter()
            .rev()
            .filter(|s| counts.of(*s) > 0)
            .map(|s| self.style.severity(s, format_args!("{} {}", grouped(counts.of(s)), s.as_str())))
            .collect();
        parts.join("  ")
    }

    fn coverage(&mut self, standings: &Standings) -> io::Result<()> {
        let total = standings.total();
        if total == 0 {
            let text = self.style.warning("no grant was judged: the records hold none");
            return self.line(format_args!("  {text}"));
        }
        let justified = standings.with(Outcome::Justified);
        let share = percent(justified, total);
        let text = format!("coverage {share}: {} of {} justified", grouped(justified), count(total, "grant"));
        let text = if justified == total { self.style.good(text) } else { self.style.bold(text) };
        self.line(format_args!("  {text}"))?;
        let parts: Vec<String> = standings
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(s, n)| format!("{}{TIE}{}", grouped(n), s.as_str()))
            .collect();
        for line in wrapped(&parts.join(", "), self.width - 4, 3) {
            let line = self.style.dim(line.replace(TIE, " "));
            self.line(format_args!("    {line}"))?;
        }
        Ok(())
    }

    fn sources(&mut self, all: &Gathered, summary: &Summary) -> io::Result<()> {
        if all.sources_count == 0 && summary.skipped_records == 0 {
            return Ok(());
        }
        let text = self.style.warning("! The data is not complete");
        self.line(format_args!("\n{text}"))?;
        for (source, message) in &all.sources {
            let source = fit(source, self.width / 3).into_owned();
            let indent = 2 + columns(&source) + GAP;
            for (i, text) in wrapped(message, self.width.saturating_sub(indent), 3).iter().enumerate() {
                let lead = if i == 0 { self.style.bold(&source) } else { " ".repeat(indent - 2 - GAP) };
                self.line(format_args!("  {lead}{:GAP$}{text}", ""))?;
            }
        }
        let more = all.sources_count.saturating_sub(u64::try_from(all.sources.len()).unwrap_or(u64::MAX));
        self.more(2, more)?;
        if summary.skipped_records > 0 {
            let text = format!(
                "left out, because they could not be read: {}",
                count(summary.skipped_records, "record")
            );
            self.plain(2, &text)?;
        }
        Ok(())
    }

    fn more(&mut self, indent: usize, more: u64) -> io::Result<()> {
        if more == 0 {
            return Ok(());
        }
        let text = self.style.dim(format_args!("… and {} more", grouped(more)));
        self.line(format_args!("{:indent$}{text}", ""))
    }

    fn groups(&mut self, all: &Gathered) -> io::Result<()> {
        let mut last = None;
        for ((severity, check), group) in &all.groups {
            let severity = severity.0;
            if last != Some(severity) {
                let text = self.style.severity(severity, severity.as_str().to_uppercase());
                let n = grouped(all.open.of(severity));
                self.line(format_args!("\n{text} ({n})"))?;
                last = Some(severity);
            }
            self.group(check, group)?;
        }
        Ok(())
    }

    fn group(&mut self, check: &str, group: &Group) -> io::Result<()> {
        let n = grouped(group.count);
        let room = self.width.saturating_sub(2 + 3 + n.len() + GAP + columns(check)).max(MIN_CELL);
        let title = self.style.bold(format_args!("{} ({n})", fit(&group.title, room)));
        let name = self.style.dim(check);
        self.line(format_args!("  {title}{:GAP$}{name}", ""))?;
        if check == CHECK {
            return self.plain(4, "listed above");
        }
        self.rows(&group.rows)?;
        self.more(4, group.count.saturating_sub(u64::try_from(group.rows.len()).unwrap_or(u64::MAX)))
    }

    /// One line a finding, who answers first; where that is too wide for the terminal, who answers on a line of
    /// its own above their findings.
    fn rows(&mut self, rows: &[Row]) -> io::Result<()> {
        let widths = column_widths(rows);
        let who = rows.iter().map(|r| columns(&r.who)).max().unwrap_or(0);
        if 4 + who + GAP + total(&widths) <= self.width {
            for row in rows {
                let name = self.who(&padded(&row.who, who));
                let text = cells(row, &widths);
                self.line(format_args!("    {name}{:GAP$}{text}", ""))?;
                self.note(row)?;
            }
            return Ok(());
        }
        for rows in rows.chunk_by(|a, b| a.who == b.who) {
            let mut widths = column_widths(rows);
            shrink(&mut widths, self.width - 6);
            if let Some(first) = rows.first() {
                let name = self.who(&fit(&first.who, self.width - 4));
                self.line(format_args!("    {name}"))?;
            }
            for row in rows {
                self.plain(6, &cells(row, &widths))?;
                self.note(row)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, row: &Row) -> io::Result<()> {
        for line in wrapped(row.note.as_deref().unwrap_or_default(), self.width - 8, 2) {
            let line = self.style.dim(line);
            self.line(format_args!("        {line}"))?;
        }
        Ok(())
    }

    fn who(&self, text: &str) -> String {
        if text.trim_end() == "nobody" { self.style.warning(text) } else { text.to_owned() }
    }

    fn accepted(&mut self, all: &Gathered) -> io::Result<()> {
        if all.accepted == 0 {
            return Ok(());
        }
        self.heading(&format!("Accepted for a time ({})", grouped(all.accepted)))?;
        for (what, until) in &all.accepted_rows {
            let what =
                fit(what, self.width.saturating_sub(2 + GAP + columns(until)).max(MIN_CELL)).into_owned();
            self.plain(2, &format!("{what}{:GAP$}{until}", ""))?;
        }
        self.more(2, all.accepted.saturating_sub(u64::try_from(all.accepted_rows.len()).unwrap_or(u64::MAX)))
    }

    /// Who has how much to answer for, most first.
    fn people(&mut self, all: &Gathered, limit: usize) -> io::Result<()> {
        if all.people.is_empty() {
            return Ok(());
        }
        let mut people: Vec<(&Answering, &Counts)> = all.people.iter().collect();
        let rank =
            |c: &Counts| (c.total(), c.of(Severity::Critical), c.of(Severity::High), c.of(Severity::Medium));
        people.sort_by(|a, b| rank(b.1).cmp(&rank(a.1)).then_with(|| a.0.cmp(b.0)));
        let severities: Vec<Severity> =
            Severity::ALL.into_iter().rev().filter(|s| all.open.of(*s) > 0).collect();
        let names: Vec<(String, &Counts)> = people.iter().take(limit).map(|(a, c)| (name(a), *c)).collect();
        let room = self.width.saturating_sub(2 + severities.len() * COUNTER);
        let widest =
            names.iter().map(|(n, _)| columns(n)).max().unwrap_or(0).min(room).max("Who answers".len());
        let mut heading = self.style.bold(padded("Who answers", 2 + widest));
        for s in &severities {
            heading.push_str(&self.style.dim(format_args!("{:>COUNTER$}", s.as_str())));
        }
        self.line(format_args!("\n{heading}"))?;
        for (name, counts) in &names {
            let mut line = self.who_answers(&padded(&fit(name, widest), widest));
            for s in &severities {
                let n = counts.of(*s);
                let text = format!("{:>COUNTER$}", if n == 0 { "·".to_owned() } else { grouped(n) });
                line.push_str(&if n == 0 { self.style.dim(text) } else { self.style.severity(*s, text) });
            }
            self.line(format_args!("  {line}"))?;
        }
        let more = u64::try_from(people.len().saturating_sub(names.len())).unwrap_or(u64::MAX);
        self.more(2, more)?;
        if all.others > 0 {
            self.plain(
                2,
                &format!("… and people not told apart any more, with {}", count(all.others, "finding")),
            )?;
        }
        Ok(())
    }

    fn who_answers(&self, name: &str) -> String {
        if name.starts_with("nobody (") { self.style.warning(name) } else { name.to_owned() }
    }

    fn next(&mut self, all: &Gathered, summary: &Summary) -> io::Result<()> {
        let mut hints: Vec<(String, String)> = Vec::new();
        if let Some((_, check)) = all.groups.keys().next() {
            hints.push((format!("counterfoil checks {check}"), "what it means, and what clears it".into()));
        }
        if all.open.total().saturating_add(all.accepted) > 0 {
            hints.push(("--format jsonl".into(), "every finding, with its proof".into()));
        }
        hints.extend(summary.hints.iter().map(|(c, t)| (shown(c).into_owned(), shown(t).into_owned())));
        if hints.is_empty() {
            return Ok(());
        }
        self.heading("Next")?;
        let widest = hints.iter().map(|(c, _)| columns(c)).max().unwrap_or(0).min(self.width * 3 / 5);
        for (command, what) in &hints {
            // A command is there to be copied: it is never cut, but moves its explanation to the next line.
            if columns(command) <= widest {
                let room = self.width.saturating_sub(2 + widest + GAP);
                let what = self.style.dim(wrapped(what, room, 1).concat());
                self.line(format_args!("  {}{:GAP$}{what}", padded(command, widest), ""))?;
            } else {
                self.line(format_args!("  {command}"))?;
                let what = self.style.dim(wrapped(what, self.width - 6, 1).concat());
                self.line(format_args!("      {what}"))?;
            }
        }
        Ok(())
    }
}

fn name(who: &Answering) -> String {
    match who {
        Answering::Person(id) => id.clone(),
        Answering::Gap(role) => format!("nobody (no {})", role.as_str().replace('_', " ")),
    }
}

/// A share in per cent with one digit, cut, so that 100 % means all.
fn percent(part: u64, whole: u64) -> String {
    let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn column_widths(rows: &[Row]) -> Vec<usize> {
    let n = rows.iter().map(|r| r.cells.len()).max().unwrap_or(0);
    (0..n)
        .map(|i| rows.iter().filter_map(|r| r.cells.get(i)).map(|c| columns(c)).max().unwrap_or(0))
        .collect()
}

/// The width of a line of such columns; empty columns are left out.
fn total(widths: &[usize]) -> usize {
    let used = widths.iter().filter(|w| **w > 0);
    used.clone().sum::<usize>() + GAP * used.count().saturating_sub(1)
}

/// Takes from the widest column until the line fits.
fn shrink(widths: &mut [usize], room: usize) {
    while total(widths) > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > MIN_CELL => *widest -= 1,
            _ => break,
        }
    }
}

fn cells(row: &Row, widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.cells.iter().zip(widths).filter(|(_, w)| **w > 0) {
        if !line.is_empty() {
            line.push_str("  ");
        }
        line.push_str(&padded(&fit(cell, *width), *width));
    }
    line.truncate(line.trim_end().len());
    line
}
