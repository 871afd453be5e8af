//! What includes what, and all that comes with one entitlement.

use foldhash::quality::RandomState;
use hashbrown::{HashMap, HashSet};
use std::cmp::Ordering;
use std::ops::Range;

use super::edge::Terms;
use super::names::{Name, Names, Right, Rights};

/// An entitlement as it is held: with its scope; without one on the whole system.
pub type Node = (Right, Option<Name>);

/// Whoever holds the one also holds the other.
#[derive(Debug, Clone, Copy)]
pub struct Edge {
    /// What is held.
    pub from: Right,
    /// Only where it is held with exactly this scope.
    pub when: Option<Name>,
    /// What comes with it.
    pub to: Right,
    /// With which scope.
    pub scope: Gives,
    /// Since when, until when, how.
    pub terms: Terms,
}

/// The scope of what comes with something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// The scope of that which it comes with.
    Same,
    /// None: the whole system.
    Whole,
    /// This one.
    Scope(Name),
}

impl Gives {
    /// The scope, where what it comes with has this one.
    fn of(self, held: Option<Name>) -> Option<Name> {
        match self {
            Self::Same => held,
            Self::Whole => None,
            Self::Scope(name) => Some(name),
        }
    }
}

/// All edges, ready to be followed.
#[derive(Debug)]
pub struct Graph {
    /// By what they start from; those of one start in the order of where they lead, each once.
    edges: Vec<Edge>,
    starts: HashMap<Node, Range<usize>, RandomState>,
    rights: Vec<u32>,
    words: Vec<u32>,
}

/// What comes with an entitlement.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// What it is.
    pub node: Node,
    /// Through which of those found before; none where it comes with the start itself.
    pub through: Option<usize>,
    /// How many steps from the start: 1 where it comes with the start itself.
    pub steps: usize,
    /// Since when, until when and how: of all edges on the way.
    pub terms: Terms,
}

/// All that comes with an entitlement, nearest first.
#[derive(Debug, Default)]
pub struct Reach {
    /// What comes with it.
    pub found: Vec<Found>,
    /// More lies behind as many steps as are followed.
    pub deeper: bool,
    /// There is more than is kept.
    pub more: bool,
}

impl Graph {
    /// Of these edges. Of two from the same to the same, the one that gives more is followed.
    pub fn new(mut edges: Vec<Edge>, words: &Names, texts: &Names, rights: &Rights) -> Self {
        let words = words.ranks();
        let rights = rights.ranks(&words);
        let word = |name: Name| words.get(name.number()).copied().unwrap_or_default();
        let right = |right: Right| rights.get(right.number()).copied().unwrap_or_default();
        let key = |edge: &Edge| {
            let scope = match edge.scope {
                Gives::Same => (0, 0),
                Gives::Whole => (1, 0),
                Gives::Scope(name) => (2, word(name)),
            };
            (right(edge.from), edge.when.map(word), right(edge.to), scope)
        };
        edges.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.terms.compare(&b.terms, texts)));
        edges.dedup_by(|a, b| key(a) == key(b));
        let mut starts: HashMap<Node, Range<usize>, RandomState> = HashMap::default();
        for (number, edge) in edges.iter().enumerate() {
            let range = starts.entry((edge.from, edge.when)).or_insert(number..number);
            range.end = number + 1;
        }
        Self { edges, starts, rights, words }
    }

    /// Whether anything can come with this.
    pub fn leads_on(&self, (right, scope): Node) -> bool {
        self.starts.contains_key(&(right, None)) || self.starts.contains_key(&(right, scope))
    }

    /// The order of what is held, by names.
    pub fn compare(&self, a: Node, b: Node) -> Ordering {
        self.rank(a).cmp(&self.rank(b))
    }

    fn rank(&self, (right, scope): Node) -> (Option<u32>, Option<u32>) {
        let scope = scope.and_then(|name| self.words.get(name.number()).copied());
        (self.rights.get(right.number()).copied(), scope)
    }

    /// The edges that start from this entitlement whatever its scope.
    pub fn unconditional(&self, right: Right) -> &[Edge] {
        self.range((right, None))
    }

    fn range(&self, start: Node) -> &[Edge] {
        self.starts.get(&start).and_then(|range| self.edges.get(range.clone())).unwrap_or_default()
    }

    /// Where one gets from here in one step, in the order of names; of two ways the one that gives more first.
    fn steps(&self, here: Node, texts: &Names, steps: &mut Vec<(Node, Terms)>) {
        let (right, scope) = here;
        steps.clear();
        let narrow = if scope.is_some() { self.range(here) } else { &[] };
        let edges = self.range((right, None)).iter().chain(narrow);
        steps.extend(edges.map(|edge| ((edge.to, edge.scope.of(scope)), edge.terms)));
        steps.sort_by(|(a, by), (b, or)| self.compare(*a, *b).then_with(|| by.compare(or, texts)));
    }

    /// All that comes with `start`, each once, by the shortest way and of several the one whose names come first: no more
    /// than `most`, and none further than `furthest` steps.
    pub fn reach(&self, start: Node, texts: &Names, most: usize, furthest: usize) -> Reach {
        let mut reach = Reach::default();
        let mut seen: HashSet<Node, RandomState> = HashSet::default();
        seen.insert(start);
        let mut steps = Vec::new();
        let mut here: Option<(usize, Found)> = None;
        for next in 0.. {
            let (node, so_far) = here.map_or((start, 0), |(_, found)| (found.node, found.steps));
            self.steps(node, texts, &mut steps);
            for (node, terms) in &steps {
                if so_far == furthest {
                    reach.deeper |= !seen.contains(node);
                    continue;
                }
                if !seen.insert(*node) {
                    continue;
                }
                if reach.found.len() == most {
                    reach.more = true;
                    return reach;
                }
                reach.found.push(Found {
                    node: *node,
                    through: here.map(|(number, _)| number),
                    steps: so_far + 1,
                    terms: here.map_or(*terms, |(_, found)| found.terms.then(*terms)),
                });
            }
            match reach.found.get(next) {
                Some(found) => here = Some((next, *found)),
                None => break,
            }
        }
        reach
    }
}
