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
use super::world::World;
use crate::model::event::start_of_hash;

/// Where a thing is at home. Two subjects may share a home, and then they are judged together; one never has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Home {
    /// The one home of what belongs to no subject: sources, and names that several identities claim.
    Nobody,
    /// The start of a hash of the name that stands for a subject.
    Of(u64),
}

impl std::fmt::Display for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nobody => f.write_str("-"),
            Self::Of(number) => write!(f, "{number:016x}"),
        }
    }
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

/// What is told of a home. In the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Said {
    /// That the home was judged.
    Here,
    /// A verdict, by its place among all.
    Verdict(usize),
    /// A finding, by its place among all.
    Finding(usize),
}

/// The homes of people. There are many grants and requests for each person, and a hash takes its time.
struct Homes<'w> {
    world: &'w World,
    /// By person, as far as they were asked for.
    known: Vec<Option<Home>>,
}

impl<'w> Homes<'w> {
    fn new(world: &'w World) -> Self {
        Self { world, known: vec![None; world.people.len()] }
    }

    fn person(&mut self, who: Key) -> Home {
        let home = || Home::of_person(self.world.person(who));
        self.known.get_mut(who.index()).map_or_else(home, |known| *known.get_or_insert_with(home))
    }

    /// Where a grant is at home, by its row.
    fn grant(&mut self, row: usize) -> Option<Home> {
        self.world.held.get(row).map(|held| self.person(held.subject))
    }

    fn about(&mut self, about: About) -> Option<Home> {
        let text = |sym: Sym| self.world.estate.text(sym);
        match about {
            About::Grant(row) => self.grant(row as usize),
            About::Request { beneficiary: Some(who), .. } => Some(self.person(who)),
            About::Request { request, .. } => {
                let (row, _) = self.world.request(request)?;
                match row.beneficiaries.within(&self.world.beneficiaries).first() {
                    Some(first) => Some(self.person(*first)),
                    None => Some(Home::of_request(text(row.source), text(row.id))),
                }
            }
            About::Alias(_) | About::Source(_) => Some(Home::Nobody),
        }
    }
}

impl Judgement<'_> {
    /// Lets go of the findings that are at home elsewhere.
    ///
    /// # Errors
    /// When a grant is: then nothing that is said here can be relied on.
    pub fn stay_home(&mut self, homes: &HashSet<Home>) -> Result<(), Astray> {
        let world = self.moment.world;
        let mut of = Homes::new(world);
        let mut before = None;
        for (row, grant) in world.estate.grants.iter().enumerate() {
            let home = of.grant(row);
            // Grants of one home mostly stand together.
            if home != before && !home.is_some_and(|home| homes.contains(&home)) {
                let [system, account] =
                    [grant.system, grant.account].map(|sym| world.estate.text(sym).to_owned());
                return Err(Astray { system, account });
            }
            before = home;
        }
        self.hits.retain_others(|about| of.about(about).is_some_and(|home| homes.contains(&home)));
        Ok(())
    }

    /// All that is told, home by home, after [`Self::stay_home`]; of one home in the order in which all is told.
    #[must_use]
    pub fn by_home(&self, homes: &HashSet<Home>) -> Vec<(Home, Said)> {
        let mut of = Homes::new(self.moment.world);
        let mut all: Vec<(Home, Said)> = homes.iter().map(|home| (*home, Said::Here)).collect();
        all.reserve_exact(self.order.len() + self.len());
        let verdicts = self.order.iter().enumerate();
        all.extend(verdicts.filter_map(|(at, row)| Some((of.grant(*row as usize)?, Said::Verdict(at)))));
        let findings = (0..self.len()).filter_map(|at| Some((at, self.hits.get(at)?.about)));
        all.extend(findings.filter_map(|(at, about)| Some((of.about(about)?, Said::Finding(at)))));
        all.sort_unstable();
        all
    }
}
