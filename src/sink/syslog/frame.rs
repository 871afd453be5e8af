//! One message of RFC 5424: header, structured data, body.

use super::super::{Part, SinkError};
use super::{Body, Settings, cef, json};
use crate::model::event::{Event, State};
use crate::model::finding::Severity;
use crate::report::text::is_hidden;

/// What is the same in every message.
#[derive(Debug)]
pub(super) struct Envelope {
    facility: u8,
    hostname: String,
    app_name: String,
    enterprise: u32,
    format: Body,
    max_bytes: usize,
}

impl Envelope {
    pub(super) fn of(settings: &Settings) -> Result<Self, SinkError> {
        let wrong = |what: String| Err(SinkError(what));
        if settings.facility > 23 {
            return wrong(format!("facility: {}; expected 0 to 23", settings.facility));
        }
        if settings.max_bytes < 2048 {
            return wrong(format!("max_bytes: {}; expected at least 2048", settings.max_bytes));
        }
        let word = |name: &str, value: &str, most: usize| {
            if (1..=most).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic()) {
                Ok(value.to_owned())
            } else {
                Err(SinkError(format!(
                    "{name}: `{value}`; expected 1 to {most} printable ASCII characters without a blank"
                )))
            }
        };
        let hostname = match &settings.hostname {
            Some(name) => word("hostname", name, 255)?,
            None => this_host().and_then(|name| word("hostname", &name, 255).ok()).unwrap_or("-".to_owned()),
        };
        Ok(Self {
            facility: settings.facility,
            hostname,
            app_name: word("app_name", &settings.app_name, 48)?,
            enterprise: settings.enterprise,
            format: settings.format,
            max_bytes: settings.max_bytes,
        })
    }

    /// The message that tells this, at most as long as allowed.
    pub(super) fn frame(&self, part: Part<'_>) -> Vec<u8> {
        let head = self.head(part);
        let room = self.max_bytes.saturating_sub(head.len());
        let body = match self.format {
            Body::Json => json::body(part, room).into_bytes(),
            Body::Cef => cef::body(part, room).into_bytes(),
        };
        let mut frame = head.into_bytes();
        frame.extend_from_slice(&body);
        frame
    }

    /// Everything before the body, and a blank.
    fn head(&self, part: Part<'_>) -> String {
        let (severity, time, kind, id) = match part {
            Part::Event(e) => (severity(e), e.time, e.activity.as_str(), &e.id),
            Part::Digest(d) => (Level::Informational, d.time, "digest", &d.id),
            Part::Heartbeat(h) => (Level::Informational, h.time, "heartbeat", &h.id),
            Part::Checkpoint(c) => (Level::Informational, c.time, "checkpoint", &c.id),
        };
        let mut data = vec![("id", id.clone())];
        if let Part::Event(e) = part {
            data.push(("finding", e.finding.id.clone()));
            data.push(("seq", e.seq.to_string()));
            data.push(("check", e.finding.check.to_string()));
            data.push(("severity", e.finding.severity.as_str().to_owned()));
            data.push(("state", e.state.as_str().to_owned()));
        }
        let data: String =
            data.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
        format!(
            "<{}>1 {} {} {} - {kind} [counterfoil@{}{data}] ",
            u16::from(self.facility) * 8 + severity as u16,
            time,
            self.hostname,
            self.app_name,
            self.enterprise,
        )
    }
}

/// The severities of RFC 5424 that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Notice = 5,
    Informational = 6,
}

/// How loud an event is: a finding that is resolved is no alarm, however bad it was.
fn severity(event: &Event<'_>) -> Level {
    match (event.state, event.finding.severity) {
        (State::Resolved, _) => Level::Informational,
        (State::Accepted, _) => Level::Notice,
        (State::Open, Severity::Critical) => Level::Critical,
        (State::Open, Severity::High) => Level::Error,
        (State::Open, Severity::Medium) => Level::Warning,
        (State::Open, Severity::Low) => Level::Notice,
    }
}

/// The value of a parameter of structured data, at most 128 characters of it, and none that a screen would obey.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars().filter(|c| !is_hidden(*c)).take(128) {
        if matches!(c, '"' | '\\' | ']') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The name of this machine, where the system says it in a file.
/// The name of this machine.
pub(crate) fn this_host() -> Option<String> {
    let said = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = said.iter().find_map(|path| std::fs::read_to_string(path).ok())?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structured_data_is_escaped_and_short() {
        assert_eq!(escaped("a\"b\\c]d\ne"), "a\\\"b\\\\c\\]de");
        assert_eq!(escaped(&"x".repeat(500)).len(), 128);
    }
}
