//! The body as ArcSight Common Event Format, version 0: a header between bars, then `key=value`.
//!
//! Keys are those of CEF where it has one (`rt`, `act`, `duser` …); what it has none for stands in the custom texts
//! `cs1` to `cs6` and numbers `cn1` to `cn3`, each with its label.

use std::fmt::{Display, Write as _};

use super::super::Part;
use crate::model::event::{Checkpoint, Digest, Event, Heartbeat};
use crate::model::finding::Severity;
use crate::report::text::is_hidden;

/// How many bytes of each value are kept, tried one after the other until the whole fits. The first is the most that
/// CEF allows in `msg`.
const CUTS: [usize; 4] = [1023, 256, 64, 16];

/// The body, in at most `room` bytes.
pub(super) fn body(part: Part<'_>, room: usize) -> String {
    let mut out = String::new();
    for (tried, cut) in CUTS.into_iter().enumerate() {
        let mut cef = match part {
            Part::Event(event) => of_event(event, cut),
            Part::Digest(digest) => of_digest(digest, cut),
            Part::Heartbeat(heartbeat) => of_heartbeat(heartbeat, cut),
            Part::Checkpoint(checkpoint) => of_checkpoint(checkpoint, cut),
        };
        if tried > 0 || cef.was_cut {
            cef.put("flexString1Label", "truncated");
            cef.put("flexString1", "true");
        }
        out = cef.text;
        if out.len() <= room {
            break;
        }
    }
    out
}

/// A severity on the scale of CEF: 0 to 3 low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}

fn of_event(event: &Event<'_>, cut: usize) -> Cef {
    let finding = &event.finding;
    let mut cef = Cef::new(&finding.check, &finding.title, severity(finding.severity), cut);
    cef.put("rt", event.time.unix_ms());
    cef.put("start", event.first_seen.unix_ms());
    cef.put("act", event.activity.as_str());
    cef.put("outcome", event.state.as_str());
    cef.put("reason", event.cause.as_str());
    cef.put("msg", &finding.message);
    if let Some(grant) = &finding.grant {
        cef.put("destinationServiceName", &grant.system);
        cef.put("duser", &grant.account);
        cef.put("dpriv", &grant.entitlement);
    }
    if let Some(subject) = &finding.subject {
        cef.put("duid", &subject.id);
    }
    if let Some(url) = finding.request.as_ref().and_then(|r| r.url.as_deref()) {
        // Half a link leads nowhere, and one that is no link might run.
        if url.len() <= cut && ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) {
            cef.put("request", url);
        }
    }
    cef.custom("cs1", "eventId", &event.id);
    cef.custom("cs2", "findingId", &finding.id);
    if let Some(request) = &finding.request {
        cef.custom("cs3", "ticket", &request.id);
    }
    if let Some(standing) = finding.standing {
        cef.custom("cs4", "standing", standing.as_str());
    }
    if let Some(who) = finding.accountable.iter().find(|a| a.primary).and_then(|a| a.identity.as_deref()) {
        cef.custom("cs5", "accountable", who);
    }
    if !finding.controls.is_empty() {
        let controls: Vec<String> =
            finding.controls.iter().map(|c| format!("{}:{}", c.framework, c.id)).collect();
        cef.custom("cs6", "controls", controls.join(","));
    }
    cef.custom("cn1", "episode", event.episode);
    cef.custom("cn2", "seq", event.seq);
    cef.custom("cn3", "run", event.run);
    cef
}

fn of_digest(digest: &Digest, cut: usize) -> Cef {
    let findings = digest.by_severity.values().fold(0u64, |sum, n| sum.saturating_add(*n));
    let mut cef = Cef::new("digest", "Where everything stands", 3, cut);
    cef.put("rt", digest.time.unix_ms());
    let counts: Vec<String> = digest.by_severity.iter().map(|(s, n)| format!("{} {n}", s.as_str())).collect();
    cef.put("msg", format!("{findings} open findings: {}", counts.join(", ")));
    cef.custom("cs1", "eventId", &digest.id);
    cef.custom("cn1", "findings", findings);
    cef.custom("cn2", "justified", digest.justified);
    cef.custom("cn3", "grants", digest.grants);
    cef
}

fn of_heartbeat(heartbeat: &Heartbeat, cut: usize) -> Cef {
    // What cannot be seen is worth a look; that all is well is not.
    let severity = if heartbeat.doubtful_sources.is_empty() { 0 } else { 5 };
    let mut cef = Cef::new("heartbeat", "Sign of life", severity, cut);
    cef.put("rt", heartbeat.time.unix_ms());
    if !heartbeat.doubtful_sources.is_empty() {
        let doubts: Vec<String> =
            heartbeat.doubtful_sources.iter().map(|(s, why)| format!("{s}: {why}")).collect();
        cef.put("msg", doubts.join("; "));
    }
    cef.custom("cs1", "eventId", &heartbeat.id);
    cef.custom("cn1", "waiting", heartbeat.waiting);
    cef.custom("cn2", "dead", heartbeat.dead);
    cef.custom("cn3", "nextWithinSeconds", heartbeat.next_within_s);
    cef
}

fn of_checkpoint(checkpoint: &Checkpoint, cut: usize) -> Cef {
    let mut cef = Cef::new("checkpoint", "Checkpoint of the evidence log", 0, cut);
    cef.put("rt", checkpoint.time.unix_ms());
    // Line ends are escaped, so that the note is there as it was signed.
    cef.put("msg", &checkpoint.note);
    cef.custom("cs1", "eventId", &checkpoint.id);
    cef.custom("cs2", "log", &checkpoint.origin);
    cef.custom("cs3", "root", &checkpoint.root);
    cef.custom("cn1", "entries", checkpoint.size);
    cef
}

/// A message in the making.
struct Cef {
    text: String,
    cut: usize,
    was_cut: bool,
    /// Whether there is a value yet.
    any: bool,
}

impl Cef {
    fn new(class: &str, name: &str, severity: u8, cut: usize) -> Self {
        let mut cef = Self { text: String::new(), cut, was_cut: false, any: false };
        cef.text.push_str(concat!("CEF:0|Counterfoil|Counterfoil|", env!("CARGO_PKG_VERSION"), "|"));
        cef.escape(class, '|');
        cef.text.push('|');
        cef.escape(name, '|');
        let _ = write!(cef.text, "|{severity}|");
        cef
    }

    fn put(&mut self, key: &str, value: impl Display) {
        if self.any {
            self.text.push(' ');
        }
        self.any = true;
        self.text.push_str(key);
        self.text.push('=');
        self.escape(&value.to_string(), '=');
    }

    fn custom(&mut self, key: &str, label: &str, value: impl Display) {
        self.put(key, value);
        self.put(&format!("{key}Label"), label);
    }

    /// Appends a text in which the backslash and one more sign are escaped, and what a screen would obey is written
    /// out; a line end in a header is a blank, in a value `\n`.
    fn escape(&mut self, text: &str, sign: char) {
        let end = self.text.len().saturating_add(self.cut);
        for c in text.chars() {
            let before = self.text.len();
            match c {
                '\n' | '\r' if sign == '|' => self.text.push(' '),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\\' => self.text.push_str("\\\\"),
                c if c == sign => self.text.extend(['\\', c]),
                c if is_hidden(c) => {
                    let _ = write!(self.text, "\\\\u{{{:x}}}", u32::from(c));
                }
                c => self.text.push(c),
            }
            if self.text.len() > end {
                self.text.truncate(before);
                self.was_cut = true;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_values_are_escaped_each_in_its_way() {
        let mut cef = Cef::new("a|b\\c", "x=y\nz", 5, 100);
        cef.put("msg", "a=b|c\\d\r\ne\u{202e}f");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            cef.text,
            format!(
                "CEF:0|Counterfoil|Counterfoil|{version}|a\\|b\\\\c|x=y z|5|msg=a\\=b|c\\\\d\\r\\ne\\\\u{{202e}}f"
            )
        );
        assert!(!cef.was_cut);
    }

    #[test]
    fn an_escape_is_never_cut_in_half() {
        let mut cef = Cef::new("a", "b", 5, 4);
        cef.put("msg", "abc=");
        assert!(cef.text.ends_with("msg=abc") && cef.was_cut);
    }
}
