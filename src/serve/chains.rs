//! The chain behind a grant, a request or a finding, for pages and programs: only what belongs to the names in question is loaded from the
//! store and judged, at this instant and by the terms of now.

use super::answer::Refusal;
use super::site::Site;
use crate::engine::{EngineError, part_of, requests_called};
use crate::judge::{ChainQuestion, Found, World, judge};
use crate::model::chain::Chain;
use crate::model::event::State;
use crate::model::finding::Finding;
use crate::model::life::Life;
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

/// Adds the names and the requests under which what a finding is about is kept.
fn about(life: Life, names: &mut Vec<String>, requests: &mut Vec<(Option<String>, String)>) {
    let alias =
        serde_json::from_str::<Finding<'_>>(&life.body).ok().and_then(|f| f.alias.map(|a| a.into_owned()));
    // Two may claim a name of one system: then the alias is SYSTEM/ACCOUNT.
    let of_system =
        alias.as_deref().and_then(|alias| alias.split_once('/')).map(|(_, account)| account.to_owned());
    if let (None, Some((source, id))) = (&life.grant, life.request) {
        requests.push((Some(source), id));
    }
    names.extend([life.account, alias, of_system].into_iter().flatten());
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
            e @ EngineError::NoRecords => Refusal::missing(e.to_string()),
            e => Refusal::broken(&e),
        };
        let (mut names, mut requests) = (question.accounts(), question.requests());
        if let Some(id) = question.finding() {
            let none = || Refusal::missing("there is no finding of that id");
            let life = store.life(id)?.ok_or_else(none)?;
            if life.state == State::Resolved {
                let why = "the finding is resolved, and nothing stands behind it now; ask for the chain of its grant or request";
                return Err(Refusal::missing(why));
            }
            about(life, &mut names, &mut requests);
        }
        names.extend(requests_called(store, &requests).map_err(broken)?);
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
