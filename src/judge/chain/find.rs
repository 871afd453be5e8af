//! Finding what somebody asks about: a finding by its id, a request, or a grant by its names, as the judge reads them.

use std::collections::HashSet;

use super::Thing;
use crate::judge::estate::Sym;
use crate::judge::judgement::{About, Judgement};
use crate::judge::names::Key;
use crate::model::norm;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// A finding, by its id (`f1:…`) or the beginning of it.
    Finding(String),
    /// A request, by its id and, where that is given, its source.
    Request {
        /// The configured source.
        source: Option<String>,
        /// The id.
        id: String,
    },
    /// A grant.
    Grant {
        /// The system, by any of its names.
        system: String,
        /// The account.
        account: String,
        /// The entitlement, by any of its names.
        entitlement: String,
        /// The scope as it is written; one without a scope is preferred where none is given.
        scope: Option<String>,
    },
    /// A text that may be any of these: `f1:…`, `ID`, `SOURCE:ID`, `SYSTEM/ACCOUNT/ENTITLEMENT[@SCOPE]`.
    Text(String),
}

impl Question {
    /// The accounts it may be about.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        match self {
            Self::Grant { account, .. } => vec![account.clone()],
            Self::Text(text) => {
                let slashes: Vec<usize> = text.match_indices('/').map(|(at, _)| at).take(SIGNS).collect();
                let ends = slashes.iter().enumerate().flat_map(|(n, &from)| {
                    slashes.iter().skip(n + 1).filter_map(move |to| text.get(from + 1..*to))
                });
                ends.map(str::to_owned).collect()
            }
            Self::Finding(_) | Self::Request { .. } => vec![],
        }
    }

    /// The requests it may be about: their ids, with the source where one is given.
    #[must_use]
    pub fn requests(&self) -> Vec<(Option<String>, String)> {
        match self {
            Self::Request { source, id } => vec![(source.clone(), id.clone())],
            Self::Text(text) if !text.starts_with("f1:") => {
                let text = text.trim();
                let with_source = text.match_indices(':').take(SIGNS).filter_map(|(at, _)| {
                    Some((Some(text.get(..at)?.to_owned()), text.get(at + 1..)?.to_owned()))
                });
                [(None, text.to_owned())].into_iter().chain(with_source).collect()
            }
            Self::Text(_) | Self::Finding(_) | Self::Grant { .. } => vec![],
        }
    }

    /// The beginning of the id of a finding, where it is about one.
    #[must_use]
    pub fn finding(&self) -> Option<&str> {
        match self {
            Self::Finding(id) => Some(id),
            Self::Text(text) => Some(text.trim()).filter(|text| text.starts_with("f1:")),
            _ => None,
        }
    }
}

/// Something that can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(pub(super) Thing);

/// One of several that a question fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is.
    pub target: Target,
    /// In words.
    pub text: String,
}

/// What a question leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Exactly one thing.
    One(Target),
    /// Several, in order: at most as many as were asked for.
    Several {
        /// The first of them.
        candidates: Vec<Candidate>,
        /// How many there are.
        all: usize,
    },
    /// Nothing; these come near.
    Nothing(Vec<String>),
}

/// How many slashes and at signs of a text are tried as the end of a name: names may hold them too.
const SIGNS: usize = 12;

/// A grant that is looked for: any spelling that means the same, or exactly the names as they are written.
struct Want<'q> {
    system: (Option<Key>, Option<Sym>),
    right: (Option<Key>, Option<Sym>),
    account: Sym,
    scope: Option<&'q str>,
}

impl Judgement<'_> {
    /// Finds what a question is about; of several at most `most` are told.
    #[must_use]
    pub fn find(&self, question: &Question, most: usize) -> Found {
        let (things, near) = match question {
            Question::Finding(id) => (self.with_finding(id), vec![]),
            Question::Request { source, id } => (self.with_id(source.as_deref(), id), self.near_request(id)),
            Question::Grant { system, account, entitlement, scope } => {
                let wants: Vec<Want<'_>> =
                    self.want([system, account, entitlement], scope.as_deref()).into_iter().collect();
                (self.with_names(&wants), self.near_grant(account))
            }
            Question::Text(text) => return self.find_text(text, most),
        };
        self.found(things, near, most)
    }

    fn find_text(&self, text: &str, most: usize) -> Found {
        let text = text.trim();
        if text.starts_with("f1:") {
            return self.found(self.with_finding(text), vec![], most);
        }
        let mut things = self.with_id(None, text);
        for (at, _) in text.match_indices(':').take(SIGNS) {
            let (source, id) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
            things.extend(self.with_id(Some(source), id));
        }
        let wants = self.readings(text);
        things.extend(self.with_names(&wants));
        let near = || {
            let account = text.split('/').nth(1).unwrap_or(text);
            let mut near = self.near_request(text);
            near.extend(self.near_grant(account));
            near
        };
        let near = if things.is_empty() { near() } else { vec![] };
        self.found(things, near, most)
    }

    fn found(&self, mut things: Vec<Thing>, near: Vec<String>, most: usize) -> Found {
        let mut seen: HashSet<Thing> = HashSet::new();
        things.retain(|thing| seen.insert(*thing));
        match things.as_slice() {
            [] => Found::Nothing(near),
            [one] => Found::One(Target(*one)),
            several => {
                let told = several.iter().take(most);
                let candidates =
                    told.map(|thing| Candidate { target: Target(*thing), text: self.named(*thing) });
                Found::Several { candidates: candidates.collect(), all: several.len() }
            }
        }
    }

    /// What the findings are about whose ids begin in this way, in order.
    fn with_finding(&self, id: &str) -> Vec<Thing> {
        let mut teller = self.outliner();
        let mut things: Vec<Thing> = vec![];
        for place in 0..self.len() {
            if !teller.tell(place).is_some_and(|f| f.id.starts_with(id)) {
                continue;
            }
            let thing = match self.hits.get(place).map(|hit| hit.about) {
                Some(About::Grant(row)) => Thing::Grant(row),
                Some(About::Request { request, .. }) => Thing::Request(request),
                Some(About::Alias(name)) => Thing::Alias(name),
                Some(About::Source(name)) => Thing::Source(name),
                None => continue,
            };
            things.push(thing);
        }
        things
    }

    /// The requests of this id: exactly as written, else in its normal form.
    fn with_id(&self, source: Option<&str>, id: &str) -> Vec<Thing> {
        let estate = &self.moment.world.estate;
        let of_source = |s: Sym| source.is_none_or(|source| estate.text(s) == source);
        let rows = || (0u32..).zip(&estate.requests).filter(|(_, r)| of_source(r.source));
        let mut found: Vec<u32> = match estate.names.find(id) {
            Some(id) => rows().filter(|(_, r)| r.id == id).map(|(row, _)| row).collect(),
            None => vec![],
        };
        if found.is_empty() {
            let form = norm(id);
            found = rows().filter(|(_, r)| *norm(estate.text(r.id)) == *form).map(|(row, _)| row).collect();
        }
        let texts = |row: &u32| {
            estate.requests.get(*row as usize).map(|r| (estate.text(r.source), estate.text(r.id)))
        };
        found.sort_by(|a, b| texts(a).cmp(&texts(b)));
        found.into_iter().map(Thing::Request).collect()
    }

    /// All ways to read a text as system, account, entitlement and scope: each of them may hold the signs between them.
    fn readings<'q>(&self, text: &'q str) -> Vec<Want<'q>> {
        let slashes: Vec<usize> = text.match_indices('/').map(|(at, _)| at).take(SIGNS).collect();
        let mut wants = vec![];
        for (n, first) in slashes.iter().enumerate() {
            for second in slashes.iter().skip(n + 1) {
                let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
                let (system, account) = (part(0, *first), part(first + 1, *second));
                let rest = text.get(second + 1..).unwrap_or_default();
                wants.extend(self.want([system, account, rest], None));
                for (at, _) in rest.match_indices('@').take(SIGNS) {
                    let (right, scope) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..));
                    wants.extend(self.want([system, account, right], scope));
                }
            }
        }
        wants
    }

    /// A grant of these names; nothing where a name is known to nobody.
    fn want<'q>(&self, names: [&str; 3], scope: Option<&'q str>) -> Option<Want<'q>> {
        let world = self.moment.world;
        let texts = &world.estate.names;
        let [system, account, right] = names;
        let key = world.system_names.find(texts, 0, system);
        let right_key = key.and_then(|key| world.entitlement_names.find(texts, key.number(), right));
        Some(Want {
            system: (key, texts.find(system)),
            right: (right_key, texts.find(right)),
            account: texts.find(&norm(account))?,
            scope,
        })
    }

    /// The grants that are looked for, in the order in which they are printed. Where no scope was given, one without a scope
    /// is meant if there is one.
    fn with_names(&self, wants: &[Want<'_>]) -> Vec<Thing> {
        let world = self.moment.world;
        if wants.is_empty() {
            return vec![];
        }
        let mut found = vec![];
        for (row, (grant, held)) in (0u32..).zip(world.estate.grants.iter().zip(&world.held)) {
            let scope = grant.scope.map(|s| world.estate.text(s));
            let meant = |w: &Want<'_>| {
                let keys =
                    w.system.0 == Some(held.system) && w.right.0.is_some() && w.right.0 == held.entitlement;
                let written = w.system.1 == Some(grant.system) && w.right.1 == Some(grant.entitlement);
                held.account == w.account && (keys || written) && (w.scope.is_none() || w.scope == scope)
            };
            if let Some(want) = wants.iter().find(|w| meant(w)) {
                found.push((row, want.scope.is_some() || scope.is_none()));
            }
        }
        if found.iter().any(|(_, exact)| *exact) {
            found.retain(|(_, exact)| *exact);
        }
        self.in_order(found.into_iter().map(|(row, _)| row).collect()).into_iter().map(Thing::Grant).collect()
    }

    /// Rows of grants in the order of their texts.
    fn in_order(&self, mut rows: Vec<u32>) -> Vec<u32> {
        rows.sort_by_cached_key(|row| self.named(Thing::Grant(*row)));
        rows
    }

    /// Requests whose ids come near.
    fn near_request(&self, id: &str) -> Vec<String> {
        let estate = &self.moment.world.estate;
        let form = norm(id);
        if form.len() < 2 {
            return vec![];
        }
        let mut near: Vec<String> = estate
            .requests
            .iter()
            .filter(|r| {
                let own = norm(estate.text(r.id));
                own.contains(&*form) || (own.len() > 2 && form.contains(&*own))
            })
            .map(|r| format!("request {}:{}", estate.text(r.source), estate.text(r.id)))
            .collect();
        near.sort_unstable();
        near.truncate(NEAR);
        near
    }

    /// What an account of this name holds anywhere.
    fn near_grant(&self, account: &str) -> Vec<String> {
        let world = self.moment.world;
        let Some(account) = world.estate.names.find(&norm(account)) else { return vec![] };
        let rows = (0u32..).zip(&world.held).filter(|(_, h)| h.account == account).map(|(row, _)| row);
        // There may be very many; those that are told come from the first.
        let rows = self.in_order(rows.take(10_000).collect());
        rows.into_iter().take(NEAR).map(|row| self.named(Thing::Grant(row))).collect()
    }

    /// What something is called where several are listed: enough to ask for it alone.
    fn named(&self, thing: Thing) -> String {
        let world = self.moment.world;
        let text = |sym: Sym| world.estate.text(sym);
        match thing {
            Thing::Grant(row) => {
                let Some((grant, _)) = world.grant(row) else { return String::new() };
                let scope = grant.scope.map(|s| format!("@{}", text(s))).unwrap_or_default();
                let path = grant.path.within(&world.estate.pools.steps);
                let path: String = path
                    .iter()
                    .map(|s| {
                        let system = s.system.map(|s| format!("{}/", text(s))).unwrap_or_default();
                        format!(" through {system}{}", text(s.entitlement))
                    })
                    .collect();
                let [system, account, right] = [grant.system, grant.account, grant.entitlement].map(text);
                format!("grant {system}/{account}/{right}{scope}{path}")
            }
            Thing::Request(row) => world.request(row).map_or_else(String::new, |(r, _)| {
                format!("request {}:{} ({})", text(r.source), text(r.id), r.state.as_str())
            }),
            Thing::Alias(name) => format!("alias {}", text(name)),
            Thing::Source(name) => format!("source {}", text(name)),
        }
    }
}

/// How many that come near are told.
const NEAR: usize = 8;
