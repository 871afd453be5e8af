//! The life of a finding: what one sight of it, or its absence, makes of what is remembered.
//!
//! | from | to | when | told |
//! |---|---|---|---|
//! | nothing | open | it is found | create |
//! | open | open | severity, request, standing or who answers changed | update |
//! | open | resolved | absent from enough runs that could have shown it; at once where the grant is gone or the check is off | close |
//! | resolved | open | found again: the next episode | update |
//! | open | accepted | a valid exception covers it | update |
//! | accepted | open | the exception ended or was outgrown | update |
//! | any | the same | a source that it rests on is in doubt | nothing |
//!
//! A finding that changes too often is held open and said so once, until it has been quiet for as long as the window.

use crate::model::event::{Activity, Cause, State};
use crate::model::finding::{ExceptionView, Finding};
use crate::model::life::{Acceptance, Life};
use crate::model::{Duration, Instant};

/// How findings live in this site: `[alerts]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// In how many runs in a row a finding must be absent before it is resolved.
    pub resolve_after: u32,
    /// How many changes within the window make a finding flap.
    pub flapping_changes: usize,
    /// The window.
    pub flapping_window: Duration,
    /// How far ahead an exception may end.
    pub max_exception: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            resolve_after: 2,
            flapping_changes: 4,
            flapping_window: Duration::days(1),
            max_exception: Duration::days(365),
        }
    }
}

/// When this happens.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The instant judged at.
    pub at: Instant,
    /// The run.
    pub run: u64,
}

/// A finding as it was judged.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What of it matters, hashed.
    pub material: [u8; 16],
    /// The same of the finding as it was last seen, told or not.
    pub last: Option<[u8; 16]>,
    /// The life it would begin: all that follows from the finding alone.
    pub fresh: Life,
    /// The valid exception that accepts it, if one does.
    pub exception: Option<Acceptance>,
}

/// Why a finding is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// Its grant is gone, says a complete pull.
    Revoked,
    /// Its grant is gone from the records together with a source that is no longer configured.
    Retired,
    /// Its check was switched off.
    CheckOff,
    /// Its grant is there and justified now.
    Approved,
    /// What was wrong is no longer to be seen.
    NotSeen,
}

/// What comes of one step: the life to remember, and what is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The life; `None` leaves everything as it is.
    pub life: Option<Life>,
    /// What is told, if anything.
    pub told: Option<(Activity, Cause)>,
}

impl Step {
    const NOTHING: Self = Self { life: None, told: None };
}

/// The exception of a finding, where it may be relied on.
#[must_use]
pub fn acceptance(
    finding: &Finding<'_>,
    view: Option<&ExceptionView<'_>>,
    now: Instant,
    rules: &Rules,
) -> Option<Acceptance> {
    let e = view?;
    let in_time = e.expires_at > now && e.expires_at <= now.plus(rules.max_exception);
    // By somebody else than the one who holds the access: the judge does not even offer such an exception.
    (in_time && !e.reason.trim().is_empty()).then(|| Acceptance {
        by: e.accepted_by.clone().into_owned(),
        reason: e.reason.clone().into_owned(),
        until: e.expires_at,
        severity: finding.severity,
        standing: finding.standing,
    })
}

/// What the sight of a finding makes of its life.
#[must_use]
pub fn seen(life: Option<&Life>, seen: Seen, now: Now, rules: &Rules) -> Step {
    let Some(old) = life else {
        return begin(seen, now);
    };
    if is_held(old, now) {
        return hold_seen(old, seen, now, rules);
    }
    let mut new = Life { absent: 0, absent_run: 0, quiet_at: None, ..old.clone() };
    take_over(&mut new, &seen.fresh);
    let changed = seen.material != old.material;
    let told = match (old.state, &seen.exception) {
        (State::Resolved, exception) => {
            new.episode = old.episode.saturating_add(1);
            new.acceptance.clone_from(exception);
            new.state = if exception.is_some() { State::Accepted } else { State::Open };
            Some((Activity::Update, Cause::Reopened))
        }
        (State::Open, Some(e)) if !is_spent(old, e) => {
            new.acceptance = Some(e.clone());
            new.state = State::Accepted;
            Some((Activity::Update, Cause::Suppressed))
        }
        (State::Accepted, Some(e)) => match &old.acceptance {
            Some(held) if same(held, e) && outgrown(held, e) => {
                // Kept, so that the same exception does not accept it again.
                new.state = State::Open;
                Some((Activity::Update, Cause::ExceptionOutgrown))
            }
            Some(held) if same(held, e) => changed.then_some((Activity::Update, Cause::Changed)),
            _ => {
                new.acceptance = Some(e.clone());
                changed.then_some((Activity::Update, Cause::Changed))
            }
        },
        (State::Accepted, None) => {
            new.acceptance = None;
            new.state = State::Open;
            Some((Activity::Update, Cause::ExceptionEnded))
        }
        (State::Open, _) => changed.then_some((Activity::Update, Cause::Changed)),
    };
    let Some((activity, cause)) = told else {
        // What does not matter is remembered, and not told.
        new.material = old.material;
        if same_but_for_sight(&old.body, &new.body) {
            new.body.clone_from(&old.body);
        }
        return if new == *old { Step::NOTHING } else { Step { life: Some(new), told: None } };
    };
    new.material = seen.material;
    tell(old, new, activity, cause, now, rules)
}

/// What the absence of a finding makes of its life. Called when a run looked where it would have been.
#[must_use]
pub fn absent(old: &Life, gone: Gone, now: Now, rules: &Rules) -> Step {
    if old.state == State::Resolved {
        return Step::NOTHING;
    }
    let mut new = old.clone();
    if old.absent_run < now.run {
        new.absent = old.absent.saturating_add(1);
        new.absent_run = now.run;
    }
    // A check that was switched off says nothing more, not even that something flaps.
    if is_held(old, now) && gone != Gone::CheckOff {
        return hold(old, new, old.absent == 0, now, rules);
    }
    let (cause, enough) = match gone {
        Gone::CheckOff => (Cause::CheckOff, true),
        Gone::Revoked => (Cause::Revoked, true),
        Gone::Retired => (Cause::SourceChanged, true),
        Gone::Approved => (Cause::Approved, new.absent >= rules.resolve_after),
        Gone::NotSeen => (Cause::SourceChanged, new.absent >= rules.resolve_after),
    };
    if !enough {
        return if new == *old { Step::NOTHING } else { Step { life: Some(new), told: None } };
    }
    new.state = State::Resolved;
    new.acceptance = None;
    new.absent = 0;
    new.absent_run = 0;
    tell(old, new, Activity::Close, cause, now, rules)
}

fn begin(seen: Seen, now: Now) -> Step {
    let mut life = seen.fresh;
    life.material = seen.material;
    life.episode = 1;
    life.seq = 1;
    life.first_seen = now.at;
    life.changed_at = now.at;
    life.changes = vec![now.at];
    life.cause = if seen.exception.is_some() { Cause::Suppressed } else { Cause::Detected };
    life.state = if seen.exception.is_some() { State::Accepted } else { State::Open };
    life.acceptance = seen.exception;
    let cause = life.cause;
    Step { life: Some(life), told: Some((Activity::Create, cause)) }
}

/// Takes what follows from the finding alone.
fn take_over(life: &mut Life, fresh: &Life) {
    life.home = fresh.home;
    life.system.clone_from(&fresh.system);
    life.source.clone_from(&fresh.source);
    life.account.clone_from(&fresh.account);
    life.subject.clone_from(&fresh.subject);
    life.request.clone_from(&fresh.request);
    life.grant = fresh.grant;
    life.severity = fresh.severity;
    life.standing = fresh.standing;
    life.owner.clone_from(&fresh.owner);
    life.group.clone_from(&fresh.group);
    life.body.clone_from(&fresh.body);
}

/// Whether nothing is told because the finding flaps.
fn is_held(old: &Life, now: Now) -> bool {
    old.quiet_at.is_some_and(|quiet| now.at < quiet)
}

/// The sight of a finding that flaps: remembered, and not told.
fn hold_seen(old: &Life, seen: Seen, now: Now, rules: &Rules) -> Step {
    let acceptance = match (seen.exception, &old.acceptance) {
        (Some(e), Some(held)) if same(held, &e) => Some(held.clone()),
        (exception, _) => exception,
    };
    let changed = seen.last.is_some_and(|last| last != seen.material);
    let moved = changed || old.absent > 0 || acceptance != old.acceptance;
    let new = Life { absent: 0, absent_run: 0, acceptance, body: seen.fresh.body, ..old.clone() };
    hold(old, new, moved, now, rules)
}

/// Goes on holding a finding that flaps; another change puts off the end of it, another look does not.
fn hold(old: &Life, new: Life, moved: bool, now: Now, rules: &Rules) -> Step {
    let quiet_at = if moved { Some(now.at.plus(rules.flapping_window)) } else { old.quiet_at };
    let held = Life { quiet_at, ..new };
    if held == *old { Step::NOTHING } else { Step { life: Some(held), told: None } }
}

/// Numbers what is told, and notices when that is too much.
fn tell(old: &Life, mut new: Life, activity: Activity, cause: Cause, now: Now, rules: &Rules) -> Step {
    let since = now.at.minus(rules.flapping_window);
    let mut recent: Vec<Instant> =
        old.changes.iter().copied().filter(|t| *t > since && *t <= now.at).collect();
    recent.push(now.at);
    new.seq = old.seq.saturating_add(1);
    new.changed_at = now.at;
    new.quiet_at = None;
    if recent.len() >= rules.flapping_changes.max(2) && cause != Cause::CheckOff {
        new.changes = recent;
        new.quiet_at = Some(now.at.plus(rules.flapping_window));
        // Held open, whatever this change was; that it is not there is remembered.
        if new.state == State::Resolved {
            new.state = State::Open;
            new.absent = 1;
            new.absent_run = now.run;
        }
        new.cause = Cause::Flapping;
        return Step { life: Some(new), told: Some((Activity::Update, Cause::Flapping)) };
    }
    new.changes = recent;
    new.cause = cause;
    Step { life: Some(new), told: Some((activity, cause)) }
}

/// Whether two findings as JSON differ at most in when the records behind them were collected last. Every pull collects
/// anew what did not change; a record that did change has another hash beside the time.
fn same_but_for_sight(a: &str, b: &str) -> bool {
    const FIELD: &str = "\"collected_at\":\"";
    let (mut a, mut b) = (a.split(FIELD), b.split(FIELD));
    if a.next() != b.next() {
        return false;
    }
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if rest(a) == rest(b) => {}
            _ => return false,
        }
    }
}

/// What follows the time that a text starts with.
fn rest(text: &str) -> &str {
    text.split_once('"').map_or("", |(_, rest)| rest)
}

fn same(a: &Acceptance, b: &Acceptance) -> bool {
    (&a.by, &a.reason, a.until) == (&b.by, &b.reason, b.until)
}

/// Whether the exception is the one that this open finding has outgrown.
fn is_spent(old: &Life, e: &Acceptance) -> bool {
    old.acceptance.as_ref().is_some_and(|held| same(held, e) && outgrown(held, e))
}

/// Whether a finding is more than what was accepted: `now` is the same exception, offered for the finding as it is.
fn outgrown(held: &Acceptance, now: &Acceptance) -> bool {
    now.severity > held.severity || now.standing != held.standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_collection_may_differ() {
        let body = |sha: &str, at: &str| {
            format!(r#"{{"evidence":[{{"sha256":"{sha}","collected_at":"{at}"}},{{"id":"x"}}]}}"#)
        };
        assert!(same_but_for_sight(&body("a", "1"), &body("a", "2")));
        assert!(!same_but_for_sight(&body("a", "1"), &body("b", "1")));
        assert!(!same_but_for_sight(&body("a", "1"), &format!("{} ", body("a", "1"))));
        assert!(!same_but_for_sight("{}", &body("a", "1")) && same_but_for_sight("{}", "{}"));
    }
}
