//! The body as JSON; where the whole of it is too long, its essentials.
//!
//! The essentials stand where they stand in the whole: whoever reads `finding.severity` need not know which of the two
//! it is. `"truncated":true` says so.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

use super::super::document::json;
use super::super::{Format, Part};
use crate::model::Instant;
use crate::model::event::{Activity, Cause, Digest, Event, Heartbeat, State};
use crate::model::finding::{Severity, Standing};

/// How many bytes of each text are kept, tried one after the other until the whole fits.
const CUTS: [usize; 5] = [2048, 512, 128, 32, 0];

/// A link that is longer is left out: half a link leads nowhere.
const MAX_LINK: usize = 1024;

/// The body, in at most `room` bytes.
pub(super) fn body(part: Part<'_>, room: usize) -> String {
    let mut body = part.json(Format::Native);
    for cut in CUTS {
        if body.len() <= room {
            break;
        }
        body = match part {
            Part::Event(event) => json(&Essentials::of(event, cut)),
            Part::Digest(digest) => json(&DigestEssentials::of(digest)),
            Part::Heartbeat(heartbeat) => json(&HeartbeatEssentials::of(heartbeat)),
            // It is a few hundred bytes, and worth nothing without any of them.
            Part::Checkpoint(_) => break,
        };
    }
    body
}

/// The first bytes of a text, and `…` where there were more.
pub(super) fn short(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    Cow::Owned(format!("{}…", text.get(..end).unwrap_or("")))
}

#[derive(Serialize)]
struct Essentials<'a> {
    schema: &'a str,
    truncated: bool,
    id: &'a str,
    activity: Activity,
    cause: Cause,
    state: State,
    episode: u32,
    seq: u32,
    first_seen: Instant,
    time: Instant,
    run: u64,
    initial: bool,
    finding: FindingEssentials<'a>,
}

#[derive(Serialize)]
struct FindingEssentials<'a> {
    id: &'a str,
    check: Cow<'a, str>,
    severity: Severity,
    title: Cow<'a, str>,
    message: Cow<'a, str>,
    standing: Option<Standing>,
    subject: Option<SubjectEssentials<'a>>,
    grant: Option<GrantEssentials<'a>>,
    request: Option<RequestEssentials<'a>>,
}

#[derive(Serialize)]
struct SubjectEssentials<'a> {
    id: Cow<'a, str>,
}

#[derive(Serialize)]
struct GrantEssentials<'a> {
    system: Cow<'a, str>,
    account: Cow<'a, str>,
    entitlement: Cow<'a, str>,
}

#[derive(Serialize)]
struct RequestEssentials<'a> {
    id: Cow<'a, str>,
    url: Option<&'a str>,
}

impl<'a> Essentials<'a> {
    fn of(event: &'a Event<'_>, cut: usize) -> Self {
        let finding = &event.finding;
        // A name says enough in less room than a sentence.
        let name = |text: &'a str| short(text, cut.min(256));
        Self {
            schema: &event.schema,
            truncated: true,
            id: &event.id,
            activity: event.activity,
            cause: event.cause,
            state: event.state,
            episode: event.episode,
            seq: event.seq,
            first_seen: event.first_seen,
            time: event.time,
            run: event.run,
            initial: event.initial,
            finding: FindingEssentials {
                id: &finding.id,
                check: short(&finding.check, 64),
                severity: finding.severity,
                title: name(&finding.title),
                message: short(&finding.message, cut),
                standing: finding.standing,
                subject: finding.subject.as_ref().map(|s| SubjectEssentials { id: name(&s.id) }),
                grant: finding.grant.as_ref().map(|g| GrantEssentials {
                    system: name(&g.system),
                    account: name(&g.account),
                    entitlement: name(&g.entitlement),
                }),
                request: finding.request.as_ref().map(|r| RequestEssentials {
                    id: name(&r.id),
                    url: r.url.as_deref().filter(|url| url.len() <= MAX_LINK.min(cut.saturating_mul(8))),
                }),
            },
        }
    }
}

#[derive(Serialize)]
struct DigestEssentials<'a> {
    schema: &'a str,
    truncated: bool,
    id: &'a str,
    time: Instant,
    run: u64,
    by_severity: &'a BTreeMap<Severity, u64>,
    justified: u64,
    grants: u64,
}

impl<'a> DigestEssentials<'a> {
    fn of(digest: &'a Digest) -> Self {
        Self {
            schema: &digest.schema,
            truncated: true,
            id: &digest.id,
            time: digest.time,
            run: digest.run,
            by_severity: &digest.by_severity,
            justified: digest.justified,
            grants: digest.grants,
        }
    }
}

#[derive(Serialize)]
struct HeartbeatEssentials<'a> {
    schema: &'a str,
    truncated: bool,
    id: &'a str,
    time: Instant,
    version: Cow<'a, str>,
    last_run: Option<Instant>,
    open: &'a BTreeMap<Severity, u64>,
    /// How many; which, there is no room to say.
    doubtful_sources: usize,
    waiting: u64,
    dead: u64,
    next_within_s: u64,
}

impl<'a> HeartbeatEssentials<'a> {
    fn of(heartbeat: &'a Heartbeat) -> Self {
        Self {
            schema: &heartbeat.schema,
            truncated: true,
            id: &heartbeat.id,
            time: heartbeat.time,
            version: short(&heartbeat.version, 64),
            last_run: heartbeat.last_run,
            open: &heartbeat.open,
            doubtful_sources: heartbeat.doubtful_sources.len(),
            waiting: heartbeat.waiting,
            dead: heartbeat.dead,
            next_within_s: heartbeat.next_within_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(short("abc", 3), "abc");
        assert_eq!(short("aé", 2), "a…");
        assert_eq!(short("王", 0), "…");
    }
}
