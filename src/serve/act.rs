//! What somebody who signed in may change. Each is written as if it had been done at the command line, in the name of whoever
//! did it, and the next run goes by it.

use super::answer::Refusal;
use super::sign_in::Caller;
use super::site::Site;
use crate::alert::accept::{Asked, objection};
use crate::evidence::{Action, Deed};
use crate::model::Instant;
use crate::model::event::State;
use crate::model::finding::Finding;
use crate::model::life::Trouble;
use crate::store::Accepted;
use axum::http::StatusCode;

/// The name of whoever acts.
fn name(caller: &Caller) -> Result<String, Refusal> {
    let nobody = || Refusal::new(StatusCode::FORBIDDEN, "nobody has signed in");
    caller.name.clone().ok_or_else(nobody)
}

/// Accepts a finding for a time.
pub(super) async fn accept(
    site: &Site,
    caller: &Caller,
    id: String,
    until: Instant,
    reason: String,
) -> Result<(), Refusal> {
    let (by, now, most) = (name(caller)?, site.now(), site.facts().max_exception);
    site.shelf
        .with(move |store| {
            let life = store.life(&id)?.filter(|life| life.state != State::Resolved);
            let life = life.ok_or_else(|| Refusal::missing("there is no open finding of that id"))?;
            let finding: Finding<'_> = serde_json::from_str(&life.body).map_err(|e| Refusal::broken(&e))?;
            if let Some(why) = objection(Asked { by: &by, reason: &reason, until }, &finding, now, most) {
                let why = format!("the exception cannot be given: {why}");
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, why));
            }
            tracing::info!(finding = id, who = by, %until, "a finding is accepted");
            let accepted = Accepted { finding: id, check: life.check, by, reason, until, at: now };
            Ok(store.accept(&accepted)?)
        })
        .await?;
    site.wake();
    Ok(())
}

/// Lets the held pull of a source pass. `run` is the one that whoever decides has looked at.
pub(super) async fn approve(site: &Site, caller: &Caller, source: String, run: u64) -> Result<(), Refusal> {
    let (by, at) = (name(caller)?, site.now());
    site.shelf
        .with(move |store| {
            let state = store.sources()?.into_iter().find(|s| s.id == source);
            let mut state = state.ok_or_else(|| Refusal::missing("there is no source of that id"))?;
            let deed = match state.trouble {
                Some(Trouble::Held { run: held, before, now, .. }) if held == run => {
                    state.approved = Some(now);
                    Deed::Approved { run, source: source.clone(), before, now }
                }
                Some(Trouble::Held { run: held, .. }) => {
                    let why =
                        format!("what is held is the pull of run {held}, not of run {run}; look at it first");
                    return Err(Refusal::new(StatusCode::CONFLICT, why));
                }
                _ => return Err(Refusal::new(StatusCode::CONFLICT, "no pull of that source is held")),
            };
            tracing::info!(source = state.id, run, who = by, "a held pull is let pass");
            Ok(store.decide(&state, &Action::new(at, Some(&by), deed))?)
        })
        .await?;
    site.wake();
    Ok(())
}
