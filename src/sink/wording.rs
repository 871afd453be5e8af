//! Words for people: what a message says in a few lines, free of what would disturb how it is shown.

use std::collections::BTreeMap;

use crate::model::event::{Checkpoint, Digest, Event, Group, Heartbeat, State};
use crate::model::finding::{Finding, Severity};
use crate::report::text::is_hidden;

/// A text as a person may be shown it: on one line, without controls and what turns the reading order round, at most
/// `max` characters. The text as it was is in what programs are told.
pub(super) fn plain(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = true;
            continue;
        }
        if is_hidden(c) {
            continue;
        }
        let gap = std::mem::take(&mut gap) && !out.is_empty();
        if length + usize::from(gap) >= max {
            out.push('…');
            break;
        }
        if gap {
            out.push(' ');
        }
        out.push(c);
        length += 1 + usize::from(gap);
    }
    out
}

/// `open`, `accepted` or `resolved`, with why.
pub(super) fn state(event: &Event<'_>) -> String {
    match event.state {
        State::Open => format!("open ({})", event.cause.as_str()),
        State::Accepted => "accepted by an exception".to_owned(),
        State::Resolved => format!("resolved ({})", event.cause.as_str()),
    }
}

/// Who answers first; the office where nobody holds it.
pub(super) fn answers(finding: &Finding<'_>) -> String {
    let primary = finding.accountable.iter().filter(|a| a.primary).map(|a| match &a.identity {
        Some(who) => plain(who, 100),
        None => format!("nobody is {}", a.role.as_str().replace('_', " ")),
    });
    let mut all: Vec<String> = primary.collect();
    all.dedup();
    if all.is_empty() { "nobody is named".to_owned() } else { all.join(", ") }
}

/// The ticket, where the finding cites one, and its address where a browser can open it.
pub(super) fn ticket(finding: &Finding<'_>) -> Option<(String, Option<reqwest::Url>)> {
    let request = finding.request.as_ref()?;
    let url = request.url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
    let url = url.filter(|url| matches!(url.scheme(), "https" | "http") && url.as_str().len() <= 1000);
    Some((plain(&request.id, 100), url))
}

/// What a group of events is about, in one line.
pub(super) fn group_title(events: &[Event<'_>], group: &Group) -> String {
    let title = events.first().map_or_else(String::new, |e| plain(&e.finding.title, 200));
    if group.open == 0 { format!("{title}: all resolved") } else { format!("{title}: {} open", group.open) }
}

/// `2 critical, 40 low`, worst first.
pub(super) fn counts(by_severity: &BTreeMap<Severity, u64>) -> String {
    let parts = by_severity.iter().rev().filter(|(_, n)| **n > 0);
    let parts: Vec<String> = parts.map(|(s, n)| format!("{n} {}", s.as_str())).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// A digest, line by line.
pub(super) fn digest(digest: &Digest) -> Vec<String> {
    let mut lines = vec![
        format!("Open findings: {}", counts(&digest.by_severity)),
        format!("Grants: {} of {} are justified", digest.justified, digest.grants),
    ];
    let desks = digest.by_owner.iter().take(10).map(|desk| {
        let who = desk.identity.as_deref().map_or_else(|| "nobody".to_owned(), |who| plain(who, 100));
        format!("{who}: {}", desk.findings)
    });
    let desks: Vec<String> = desks.collect();
    if !desks.is_empty() {
        lines.push(format!("Who answers: {}", desks.join(", ")));
    }
    lines
}

/// A sign of life, line by line.
pub(super) fn heartbeat(heartbeat: &Heartbeat) -> Vec<String> {
    let last = heartbeat.last_run.map_or_else(|| "none yet".to_owned(), |at| at.to_string());
    let mut lines = vec![
        format!("Counterfoil {} is alive; last run: {last}", plain(&heartbeat.version, 40)),
        format!("Open findings: {}", counts(&heartbeat.open)),
    ];
    for (source, why) in heartbeat.doubtful_sources.iter().take(10) {
        lines.push(format!("Source {}: {}", plain(source, 100), plain(why, 200)));
    }
    if heartbeat.waiting > 0 || heartbeat.dead > 0 {
        lines.push(format!("Messages to here: {} wait, {} were refused", heartbeat.waiting, heartbeat.dead));
    }
    lines
}

/// A checkpoint, line by line.
pub(super) fn checkpoint(checkpoint: &Checkpoint) -> Vec<String> {
    let (size, origin) = (checkpoint.size, plain(&checkpoint.origin, 200));
    vec![format!("Evidence log {origin}: {size} entries, root {}", plain(&checkpoint.root, 60))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_one_line_of_what_can_be_seen() {
        assert_eq!(plain(" a\n\n\tb\u{202e}c\0 ", 10), "a bc");
        assert_eq!(plain("äöü", 3), "äöü");
        assert_eq!(plain("äöüß", 3), "äöü…");
        assert_eq!(plain("ab cd", 3), "ab…", "no blank at the cut");
    }

    #[test]
    fn counts_are_said_worst_first() {
        let by = BTreeMap::from([(Severity::Low, 40), (Severity::Critical, 2), (Severity::High, 0)]);
        assert_eq!(counts(&by), "2 critical, 40 low");
        assert_eq!(counts(&BTreeMap::new()), "none");
    }
}
