//! At home: where each thing is judged when an estate is cut into partitions.
//!
//! A grant, with all that decides about it, belongs to its subject, as the judge resolves it; a finding about a request
//! to the beneficiary it speaks of, else to the first one; what no subject stands for has a home that there is once.
//! A partition sees more than is at home in it (a request for two people comes to both), and tells only what is.

use hashbrown::HashSet;

use super::estate::Sym;
use super::judgement::{About, Judgement};
use super::names::Key;
use super::reach::{home_of_person, home_of_request};
use crate::model::event::start_of_hash;

/// Where a thing is at home. Two subjects may share a home, and then they are judged together; one never has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The one home of what belongs to no subject: sources, and names that several identities claim.
    Nobody,
    /// The start of a hash of the name that stands for a subject.
    Of(u64),
}

impl Home {
    /// The home of a person, by the text of their key.
    pub(super) fn of_person(text: &str) -> Self {
        Self::Of(start_of_hash(&home_of_person(text)))
    }

    /// The home of a request for nobody.
    pub(super) fn of_request(source: &str, id: &str) -> Self {
        Self::Of(start_of_hash(&home_of_request(source, id, None)))
    }
}

/// A grant that came to a partition in which it is not at home: whoever made the partition resolved names otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Astray {
    /// The system.
    pub system: String,
    /// The account.
    pub account: String,
}

impl std::fmt::Display for Astray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the grant of account `{}` on system `{}` is not at home here", self.account, self.system)
    }
}

impl std::error::Error for Astray {}

impl Judgement<'_> {
    /// Lets go of the findings that are at home elsewhere.
    ///
    /// # Errors
    /// When a grant is: then nothing that is said here can be relied on.
    pub fn stay_home(&mut self, homes: &HashSet<Home>) -> Result<(), Astray> {
        let world = self.moment.world;
        // There are many grants and requests for each person, and a hash takes its time.
        let mut known: Vec<Option<bool>> = vec![None; world.people.len()];
        let mut is_home = |who: Key| {
            let at_home = || homes.contains(&Home::of_person(world.person(who)));
            known.get_mut(who.index()).is_some_and(|known| *known.get_or_insert_with(at_home))
        };
        let text = |sym: Sym| world.estate.text(sym);
        for (grant, held) in world.estate.grants.iter().zip(&world.held) {
            if !is_home(held.subject) {
                let [system, account] = [grant.system, grant.account].map(|sym| text(sym).to_owned());
                return Err(Astray { system, account });
            }
        }
        self.hits.retain_others(|about| match about {
            About::Grant(_) => true,
            About::Request { beneficiary: Some(who), .. } => is_home(who),
            About::Request { request, .. } => world.request(request).is_some_and(|(row, _)| {
                match row.beneficiaries.within(&world.beneficiaries).first() {
                    Some(first) => is_home(*first),
                    None => homes.contains(&Home::of_request(text(row.source), text(row.id))),
                }
            }),
            About::Alias(_) | About::Source(_) => homes.contains(&Home::Nobody),
        });
        Ok(())
    }
}
