//! A chain as text: one block a link, broken to the width of the terminal.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Ansi};

use super::{answering, heading, holder, named, role, stands, verdict};
use crate::model::chain::{Chain, Link, LinkState};
use crate::model::finding::{EvidenceView, Outcome};
use crate::report::style::Style;
use crate::report::text::{count, padded, shown, wrapped};

/// Columns of the mark and the step before what is said.
const MARGIN: usize = 16;

/// The fact that is an address.
const ADDRESS: &str = "address";

/// Digits of a hash that are shown; JSON and the page have all.
const DIGITS: usize = 12;

/// Writes a chain for a terminal.
///
/// # Errors
/// When the output cannot be written.
pub fn write_text(chain: &Chain<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page { out, style, width: style.columns() };
    page.head(chain)?;
    for link in &chain.links {
        page.link(link)?;
    }
    page.items(chain)?;
    page.others(chain)?;
    page.findings(chain)?;
    page.people(chain)?;
    page.out.flush()
}

struct Page<'o> {
    out: &'o mut dyn Write,
    style: Style,
    width: usize,
}

impl Page<'_> {
    /// A text broken to the width, each line from this column on and painted.
    fn block(&mut self, column: usize, text: &str, paint: impl Fn(Style, &str) -> String) -> io::Result<()> {
        let room = self.width.saturating_sub(column).max(20);
        for line in wrapped(&shown(text), room, usize::MAX) {
            writeln!(self.out, "{:column$}{}", "", paint(self.style, &line))?;
        }
        Ok(())
    }

    fn plain(&mut self, column: usize, text: impl Display) -> io::Result<()> {
        self.block(column, &text.to_string(), |_, line| line.to_owned())
    }

    fn dim(&mut self, column: usize, text: impl Display) -> io::Result<()> {
        self.block(column, &text.to_string(), |style, line| style.dim(line))
    }

    fn section(&mut self, title: &str) -> io::Result<()> {
        writeln!(self.out, "\n{}", self.style.bold(title))
    }

    fn head(&mut self, chain: &Chain<'_>) -> io::Result<()> {
        self.block(0, &heading(chain), |style, line| style.bold(line))?;
        if let Some(holder) = holder(chain) {
            self.plain(2, format_args!("by {holder}"))?;
        }
        if let Some(verdict) = verdict(chain) {
            let outcome = chain.verdict;
            self.block(2, &verdict, |style, line| match outcome {
                Some(Outcome::Justified) => style.good(line),
                _ => style.warning(line),
            })?;
        }
        let because = if chain.standing.is_some() { "because " } else { "in short: " };
        self.plain(2, format_args!("{because}{}", chain.why))?;
        if !chain.links.is_empty() {
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn link(&mut self, link: &Link<'_>) -> io::Result<()> {
        let mark = self.state(link.state, mark(link.state));
        let step = self.style.bold(padded(link.step.as_str(), MARGIN - 4));
        let when = link.at.map(|t| format!("{t}  ")).unwrap_or_default();
        let said = format!("{when}{}", link.what);
        let room = self.width.saturating_sub(MARGIN).max(20);
        let lines = wrapped(&shown(&said), room, usize::MAX);
        for (n, line) in lines.iter().enumerate() {
            if n == 0 {
                writeln!(self.out, "{mark} {step}  {line}")?;
            } else {
                writeln!(self.out, "{:MARGIN$}{line}", "")?;
            }
        }
        if link.state != LinkState::Ok {
            let checks = if link.checks.is_empty() { "" } else { ": " };
            let said = format!("{}{checks}{}", link.state.as_str(), link.checks.join(", "));
            let (state, answers) = (link.state, answering(&link.answers));
            let answers = if answers.is_empty() { answers } else { format!("; {answers} answers") };
            let text = format!("{said}{answers}");
            self.block(MARGIN, &text, |style, line| paint(style, state, line))?;
        }
        let mut facts: Vec<String> = link
            .facts
            .iter()
            .filter(|f| f.name != ADDRESS)
            .map(|f| format!("{}: {}", f.name, f.value))
            .collect();
        // The holder's account is in the sentence.
        let written = link.who.iter().filter(|w| w.role != "holder");
        let written = written.filter_map(|w| Some((w, w.written.as_ref()?)));
        facts.extend(written.map(|(w, text)| format!("{} as written: {text}", w.role.replace('_', " "))));
        if !facts.is_empty() {
            self.dim(MARGIN, facts.join(" · "))?;
        }
        // An address is there to be followed: it is never cut.
        for address in link.facts.iter().filter(|f| f.name == ADDRESS) {
            let line = self.style.dim(shown(&address.value));
            writeln!(self.out, "{:MARGIN$}{line}", "")?;
        }
        for proof in &link.evidence {
            self.dim(MARGIN, format_args!("proof: {}", evidence(proof)))?;
        }
        Ok(())
    }

    fn items(&mut self, chain: &Chain<'_>) -> io::Result<()> {
        if chain.items.is_empty() {
            return Ok(());
        }
        self.section("What became of it")?;
        for item in &chain.items {
            let mark = if item.held { LinkState::Ok } else { LinkState::Gap };
            let word = if item.held { "holds" } else { "does not hold" };
            let scope = item.scope.as_ref().map(|s| format!(" (scope {s})")).unwrap_or_default();
            let text = format!(
                "{} {} {word} {} on {}{scope}",
                self::mark(mark),
                item.beneficiary,
                item.entitlement,
                item.system
            );
            self.block(2, &text, |style, line| paint(style, mark, line))?;
            for grant in &item.grants {
                self.plain(6, format_args!("{}: {}", named(grant), stands(grant)))?;
            }
            self.more(6, item.grants_left)?;
        }
        self.more(2, chain.items_left)
    }

    fn others(&mut self, chain: &Chain<'_>) -> io::Result<()> {
        if chain.others.is_empty() {
            return Ok(());
        }
        self.section("Other requests")?;
        for other in &chain.others {
            let when = other.decided_at.map(|t| format!(", decided {t}")).unwrap_or_default();
            self.plain(2, format_args!("{} ({}{when}) {}", other.id, other.state, other.why))?;
        }
        self.more(2, chain.others_left)
    }

    fn findings(&mut self, chain: &Chain<'_>) -> io::Result<()> {
        self.section(&format!("Findings ({})", chain.findings.len()))?;
        if chain.findings.is_empty() {
            return self.plain(2, "none");
        }
        for f in &chain.findings {
            let severity = f.severity;
            let title = format!("{} {} · {}", severity.as_str().to_uppercase(), f.title, f.check);
            self.block(2, &title, |style, line| style.severity(severity, line))?;
            self.plain(4, &f.message)?;
            self.plain(4, format_args!("clears it: {}", f.remediation))?;
            self.plain(4, format_args!("answers: {}", answering(&f.answers)))?;
            if let Some(e) = &f.exception {
                let text = format!("accepted by {} until {}: {}", e.accepted_by, e.expires_at, e.reason);
                self.plain(4, text)?;
            }
            self.dim(4, &f.id)?;
        }
        Ok(())
    }

    fn people(&mut self, chain: &Chain<'_>) -> io::Result<()> {
        if chain.accountable.is_empty() {
            return Ok(());
        }
        self.section("Who answers")?;
        for a in &chain.accountable {
            let who = a.identity.as_deref().unwrap_or("nobody");
            let text = format!("{}: {who}, {}", role(a.role), a.duty);
            let nobody = a.identity.is_none();
            self.block(2, &text, |style, line| if nobody { style.warning(line) } else { line.to_owned() })?;
        }
        Ok(())
    }

    fn more(&mut self, column: usize, n: u64) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.dim(column, format_args!("… and {} more", count(n, "line"))) }
    }

    fn state(&self, state: LinkState, text: &str) -> String {
        paint(self.style, state, text)
    }
}

/// The mark before a link: a shape, since not everybody sees the colour.
fn mark(state: LinkState) -> &'static str {
    match state {
        LinkState::Ok => "✓",
        LinkState::Unknown => "?",
        LinkState::Gap => "○",
        LinkState::Wrong => "✗",
    }
}

fn paint(style: Style, state: LinkState, text: &str) -> String {
    let colour = match state {
        LinkState::Ok => AnsiColor::Green,
        LinkState::Unknown => AnsiColor::Cyan,
        LinkState::Gap => AnsiColor::Yellow,
        LinkState::Wrong => AnsiColor::Red,
    };
    style.paint(Ansi::new().fg_color(Some(colour.into())), text)
}

fn evidence(e: &EvidenceView<'_>) -> String {
    let mut parts: Vec<String> = [&e.source, &e.id].into_iter().flatten().map(ToString::to_string).collect();
    if let Some(hash) = &e.sha256 {
        parts.push(format!("sha256 {}", hash.chars().take(DIGITS).collect::<String>()));
    }
    parts.extend(e.collected_at.map(|t| format!("collected {t}")));
    parts.join(" ")
}
