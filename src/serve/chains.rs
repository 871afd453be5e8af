//! The chain behind a grant or a request, for pages and programs: only what belongs to the names in question is loaded from the
//! store and judged, at this instant and with the settings that runs go by.

use axum::http::StatusCode;

use super::answer::Refusal;
use super::site::Site;
use crate::engine::{EngineError, part_of, requests_called};
use crate::judge::{ChainQuestion as Question, Found, World, judge};
use crate::model::chain::Chain;
use crate::store::Store;

/// How many things are named where a question fits several.
const LISTED: usize = 20;

impl From<EngineError> for Refusal {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::Store(e) => e.into(),
            e => Self::broken(&e),
        }
    }
}

/// Tells the chain that a question asks for, in a form of the caller's.
pub(super) async fn tell(
    site: &Site,
    question: Question,
    form: impl FnOnce(&Chain<'_>) -> String + Send + 'static,
) -> Result<String, Refusal> {
    let (facts, now) = (site.facts(), site.now());
    let told = move |store: &mut dyn Store| {
        let mut names = question.accounts();
        names.extend(requests_called(store, &question.requests())?);
        let estate = part_of(store, &facts.settings, now, &names)?;
        let world = World::new(estate, &facts.settings);
        let judgement = judge(&world, &facts.settings, now, 1, &|_| {});
        let target = match judgement.find(&question, LISTED) {
            Found::One(target) => target,
            Found::Several { candidates, .. } => match candidates.first() {
                // Several ways to one right: the first is told, as it is printed first everywhere.
                Some(first) => first.target,
                None => return Err(unknown()),
            },
            Found::Nothing(_) => return Err(unknown()),
        };
        let chain = judgement.chain(&target, &()).ok_or_else(unknown)?;
        Ok(form(&chain))
    };
    site.shelf.with(told).await
}

fn unknown() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "no such grant or request is known now; it may be gone, or is named in another way",
    )
}
