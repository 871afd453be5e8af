//! The chain behind a grant or a request, for pages and programs: only what belongs to the names in question is loaded from the
//! store and judged, at this instant and by the terms of now.

use super::answer::Refusal;
use super::site::Site;
use crate::engine::{EngineError, part_of, requests_called};
use crate::judge::{ChainQuestion, Found, World, judge};
use crate::model::chain::Chain;
use crate::store::Store;

/// How many are named of several that fit, or are near.
const SEVERAL: usize = 20;

/// What came of looking for a chain.
pub(super) enum Looked<T> {
    /// The one that is meant, in the form that was asked for.
    Chain(T),
    /// What fits, of so many.
    Several(Vec<String>, usize),
    /// What is near.
    Nothing(Vec<String>),
}

/// Looks for the chain that a question asks for; `form` makes of it what is wanted.
pub(super) async fn look<T: Send + 'static>(
    site: &Site,
    question: ChainQuestion,
    form: impl FnOnce(&Chain<'_>) -> T + Send + 'static,
) -> Result<Looked<T>, Refusal> {
    let (facts, now) = (site.facts(), site.now());
    let looked = move |store: &mut dyn Store| {
        let broken = |e: EngineError| match e {
            EngineError::Store(e) => e.into(),
            e => Refusal::broken(&e),
        };
        let mut names = question.accounts();
        names.extend(requests_called(store, &question.requests()).map_err(broken)?);
        let estate = part_of(store, &facts.settings, now, &names).map_err(broken)?;
        let world = World::with_threads(estate, &facts.settings, 1);
        let judgement = judge(&world, &facts.settings, now, 1, &|_| {});
        Ok::<_, Refusal>(match judgement.find(&question, SEVERAL) {
            Found::One(target) => match judgement.chain(&target, &facts.controls) {
                Some(chain) => Looked::Chain(form(&chain)),
                None => Looked::Nothing(vec![]),
            },
            Found::Several { candidates, all } => {
                Looked::Several(candidates.into_iter().map(|c| c.text).collect(), all)
            }
            Found::Nothing(near) => Looked::Nothing(near),
        })
    };
    site.shelf.with(looked).await
}
