//! Whether a log is what it was: each text against its hash, the hashes against the tree, the tree against every
//! checkpoint, those that others kept above all.
//!
//! What cannot be told from the store alone, because whoever can write to it can write all of it, is told by a
//! checkpoint that lies somewhere else: it does not agree with a log that was cut, set back or made anew.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Deed};
use super::checkpoint::{Checkpoint, base64};
use super::log::{Entry, InForce, Kind, Log};
use super::note::Verifier;
use super::tree::{Frontier, Node, Place, leaf};

/// How many faults are said one by one.
const MAX_FAULTS: usize = 20;
/// How many levels of the tree lie between those of which the hashes are kept.
pub const KEPT_EVERY: u32 = 8;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Entries.
    pub entries: u64,
    /// Of these, events, runs and actions.
    pub kinds: [u64; 3],
    /// Entries whose text was forgotten, as entries of the log say; their hashes are in their places.
    pub forgotten: u64,
    /// Checkpoints of the store that agree.
    pub checkpoints: u64,
    /// Checkpoints from elsewhere that agree.
    pub witnessed: u64,
    /// The size of the largest checkpoint that somebody known signed.
    pub signed: Option<u64>,
    /// The root.
    pub root: Option<Node>,
    /// What is not wrong, and worth knowing.
    pub notes: Vec<String>,
    /// What is wrong, each with its place; at most twenty.
    pub faults: Vec<String>,
    /// How many faults there are beyond those.
    pub more: u64,
}

impl Report {
    fn fault(&mut self, what: String) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(what);
        } else {
            self.more += 1;
        }
    }
}

/// A checkpoint to compare with, and what to call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Where it was: a file, say.
    pub name: String,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// What is said of an entry when something is wrong with it.
fn named(entry: &Entry<'_>) -> String {
    match (entry.kind, entry.event) {
        (Kind::Event, Some((id, run))) => format!("entry {} (event {id} of run {run})", entry.index),
        (Kind::Event, None) => format!("entry {} (the event in row {})", entry.index, entry.row),
        (Kind::Run, _) => format!("entry {} (run {})", entry.index, entry.row),
        (Kind::Action, _) => format!("entry {} (an action)", entry.index),
    }
}

/// Entries that belong together, in words.
fn span(from: u64, to: u64) -> String {
    if from + 1 >= to { format!("entry {from}") } else { format!("entries {from} to {}", to - 1) }
}

/// What is gathered while the entries pass.
#[derive(Default)]
struct Walk {
    report: Report,
    /// The tree of the entries so far; meaningless once `broken`.
    frontier: Frontier,
    /// Whether an entry was missing, so that no tree can be made.
    broken: bool,
    next: u64,
    /// Sizes at which the root is wanted, and the root once it is known.
    roots: BTreeMap<u64, Option<Node>>,
    /// Subtrees of which the hashes should be kept.
    whole: Vec<(Place, Node)>,
    /// Places at which something is wrong already.
    wrong: BTreeSet<u64>,
    last_row: BTreeMap<Kind, i64>,
    /// The texts that were forgotten, by the entry that says so.
    forgotten: BTreeMap<u64, Vec<u64>>,
    /// What entries say was forgotten.
    deeds: BTreeMap<u64, Deed>,
    /// Which keys were announced, and where.
    keys: Vec<(u64, String)>,
    accepted: BTreeSet<InForce>,
    /// Where each run ended.
    runs: Vec<(u64, i64)>,
}

impl Walk {
    fn entry(&mut self, entry: &Entry<'_>) {
        if entry.index != self.next {
            let missing = span(self.next, entry.index);
            self.report.fault(format!("{missing} removed: the log goes on with {}", named(entry)));
            self.broken = true;
        }
        self.next = entry.index + 1;
        self.report.entries += 1;
        if let Some(n) = self.report.kinds.get_mut(entry.kind as usize) {
            *n += 1;
        }
        if entry.kind == Kind::Run {
            self.runs.push((entry.index, entry.row));
        }
        self.order(entry);
        self.text(entry);
        if self.broken {
            return;
        }
        let whole = &mut self.whole;
        self.frontier.push(entry.hash, |place, node| {
            if place.level > 0 && place.level % KEPT_EVERY == 0 {
                whole.push((place, *node));
            }
        });
        if let Some(root) = self.roots.get_mut(&self.frontier.size()) {
            *root = Some(self.frontier.root());
        }
    }

    /// Entries that belong together, in words, and in which runs they were written.
    fn stretch(&self, from: u64, to: u64) -> String {
        let first = self.runs.partition_point(|(index, _)| *index < from);
        let last = self.runs.partition_point(|(index, _)| *index + 1 < to);
        let run = |place: usize| self.runs.get(place).map(|(_, run)| *run);
        let text = span(from, to);
        match (run(first), run(last)) {
            (Some(first), Some(last)) if first == last => format!("{text} (run {first})"),
            (Some(first), Some(last)) => format!("{text} (runs {first} to {last})"),
            (Some(first), None) => format!("{text} (run {first} and later)"),
            (None, _) => text,
        }
    }

    /// Events and runs are numbered in the order in which they were written down.
    fn order(&mut self, entry: &Entry<'_>) {
        if entry.kind == Kind::Action {
            return;
        }
        let last = self.last_row.insert(entry.kind, entry.row);
        if let Some(last) = last.filter(|last| *last >= entry.row) {
            self.wrong.insert(entry.index);
            self.report.fault(format!(
                "{} is not in its place: it stands after row {last}, and has row {}; entries changed places",
                named(entry),
                entry.row
            ));
        }
    }

    fn text(&mut self, entry: &Entry<'_>) {
        match (entry.text, entry.forgotten) {
            (Some(text), _) => {
                let found = leaf(text.as_bytes());
                if found != entry.hash {
                    self.wrong.insert(entry.index);
                    self.report.fault(format!(
                        "{} was changed: its text has the hash {}, expected {}",
                        named(entry),
                        base64(&found),
                        base64(&entry.hash)
                    ));
                } else if entry.kind == Kind::Action {
                    self.action(entry, text);
                }
                if let Some(by) = entry.forgotten {
                    self.wrong.insert(entry.index);
                    self.report.fault(format!(
                        "{} is marked as forgotten by entry {by}, and its text is there",
                        named(entry)
                    ));
                }
            }
            (None, Some(by)) => {
                self.report.forgotten += 1;
                self.forgotten.entry(by).or_default().push(entry.index);
            }
            (None, None) => {
                self.wrong.insert(entry.index);
                self.report.fault(format!(
                    "{} was removed: expected a text with the hash {}, and no entry says that it was forgotten",
                    named(entry),
                    base64(&entry.hash)
                ));
            }
        }
    }

    fn action(&mut self, entry: &Entry<'_>, text: &str) {
        let Ok(action) = serde_json::from_str::<Action>(text) else {
            self.report.fault(format!("{} is none that this program knows", named(entry)));
            return;
        };
        match action.deed {
            Deed::Forgotten { .. } => _ = self.deeds.insert(entry.index, action.deed),
            Deed::KeyAnnounced { key, .. } => self.keys.push((entry.index, key)),
            Deed::Accepted { finding, reason, until, .. } => {
                let by = action.by.unwrap_or_default();
                self.accepted.insert(InForce { finding, by, reason, until });
            }
            Deed::Begun { .. } | Deed::Approved { .. } => {}
        }
    }

    /// What is marked as forgotten is what entries of the log say was forgotten.
    fn forgotten(&mut self) {
        let mut marked = std::mem::take(&mut self.forgotten);
        for (index, deed) in std::mem::take(&mut self.deeds) {
            let marked = marked.remove(&index).unwrap_or_default();
            if Deed::forgotten(&marked).as_ref() != Some(&deed) {
                let Deed::Forgotten { entries, first, last, .. } = deed else { continue };
                self.report.fault(format!(
                    "entry {index} says that {entries} texts from entry {first} to {last} were forgotten, and {} others \
                     are marked so: texts were removed, or marks changed",
                    marked.len()
                ));
            }
        }
        for (by, marked) in marked {
            let (first, last) = (marked.first().copied().unwrap_or(0), marked.last().copied().unwrap_or(0));
            self.report.fault(format!(
                "{} texts from entry {first} to {last} were removed: they are marked as forgotten by entry {by}, which \
                 does not say so",
                marked.len()
            ));
        }
    }
}

/// Goes through a whole log. `known` are the public keys of the log; `witnesses` checkpoints that lay elsewhere.
///
/// # Errors
/// When the log cannot be read.
pub fn verify<L: Log>(log: &L, known: &[Verifier], witnesses: &[Witness]) -> Result<Report, L::Error> {
    let frontier = log.frontier()?;
    let kept = log.checkpoints()?;
    let mut walk = Walk::default();
    let sizes = kept.iter().map(|k| k.size).chain(witnesses.iter().map(|w| w.checkpoint.head.size));
    for size in sizes.chain([0, frontier.size()]) {
        walk.roots.insert(size, (size == 0).then(super::tree::empty_root));
    }
    log.entries(&mut |entry| walk.entry(&entry))?;
    walk.forgotten();
    subtrees(log, &mut walk)?;
    let end = walk.next;
    if frontier.size() > end {
        let cut = span(end, frontier.size());
        walk.report.fault(format!("{cut} removed from the end: the log had {} entries", frontier.size()));
    } else if frontier.size() < end {
        let added = span(frontier.size(), end);
        walk.report.fault(format!("{added} added behind the program's back: its tree ends before"));
    }
    // All checkpoints by size: where one agrees and the next does not, what lies between is not what it was.
    let mut all: Vec<(u64, String, Option<&Checkpoint>, bool)> = vec![];
    let mut parsed = vec![];
    for k in &kept {
        let name = format!("the store's checkpoint of {} entries ({})", k.size, k.at);
        match Checkpoint::parse(&k.note) {
            Ok(checkpoint) if checkpoint.head.size == k.size => parsed.push((name, checkpoint)),
            Ok(_) => walk.report.fault(format!("{name} was changed: it is one of another size")),
            Err(e) => walk.report.fault(format!("{name} was changed: {e}")),
        }
    }
    all.extend(parsed.iter().map(|(name, c)| (c.head.size, name.clone(), Some(c), false)));
    let outside = |w: &Witness| format!("the checkpoint of {} entries in {}", w.checkpoint.head.size, w.name);
    all.extend(witnesses.iter().map(|w| (w.checkpoint.head.size, outside(w), Some(&w.checkpoint), true)));
    if frontier.size() > 0 {
        all.push((frontier.size(), "the program's own tree".to_owned(), None, false));
    }
    all.sort_by_key(|(size, _, checkpoint, outside)| (*size, checkpoint.is_none(), *outside));
    // What a store says of itself proves nothing against a checkpoint from elsewhere.
    let (mut agreed, mut agreed_outside, mut signer) = (0, 0, None);
    let mut differed = false;
    for (size, name, checkpoint, outside) in &all {
        if let Some(checkpoint) = checkpoint {
            sealed(&mut walk, (name.as_str(), *outside), checkpoint, known, &mut signer);
        }
        let Some(root) = walk.roots.get(size).copied().flatten() else {
            if *size > end && checkpoint.is_some() {
                let cut = span(end, *size);
                walk.report.fault(format!(
                    "{cut} removed from the end: {name} covers them, and the log has {end} entries"
                ));
            }
            continue;
        };
        let expected = checkpoint.map_or_else(|| frontier.root(), |c| c.head.root);
        if root == expected {
            agreed = agreed.max(*size);
            agreed_outside = if *outside { *size } else { agreed_outside };
            match (checkpoint.is_some(), outside) {
                (true, true) => walk.report.witnessed += 1,
                (true, false) => walk.report.checkpoints += 1,
                (false, _) => {}
            }
        } else if !differed || *outside {
            differed = true;
            walk.report.fault(format!(
                "something in {} is not what it was: the root is {}, {name} says {}",
                walk.stretch(if *outside { agreed_outside } else { agreed }, *size),
                base64(&root),
                base64(&expected)
            ));
        }
    }
    for stray in log.strays(MAX_FAULTS)? {
        walk.report.fault(format!("{stray} is not in the log: it was added behind the program's back"));
    }
    for e in log.exceptions()?.into_iter().filter(|e| !walk.accepted.contains(e)) {
        walk.report.fault(format!(
            "the exception for {} by {} until {} is not in the log: it was added or changed behind the program's back",
            e.finding, e.by, e.until
        ));
    }
    walk.report.root = (!walk.broken).then(|| walk.frontier.root());
    Ok(walk.report)
}

/// Whether a checkpoint is signed by whom it should be: by a known key; by another than before only if the log
/// announced it.
fn sealed<'v>(
    walk: &mut Walk,
    (name, outside): (&str, bool),
    checkpoint: &Checkpoint,
    known: &'v [Verifier],
    signer: &mut Option<(&'v Verifier, u64)>,
) {
    // Without a key there is nothing to hold a signature against; whoever asks is told.
    if known.is_empty() {
        return;
    }
    if checkpoint.note.is_none() && !outside && signer.is_none() {
        return;
    }
    match checkpoint.verify(known) {
        Err(e) => walk.report.fault(format!("{name} is not to be believed: {e}")),
        Ok(by) => {
            let size = checkpoint.head.size;
            walk.report.signed = walk.report.signed.max(Some(size));
            if let Some((before, until)) = signer.filter(|(before, _)| *before != by) {
                let key = by.to_string();
                match walk.keys.iter().filter(|(at, k)| *at < size && *k == key).map(|(at, _)| *at).min() {
                    None => walk.report.fault(format!(
                        "{name} is signed by {by}, and no entry before it announces that key"
                    )),
                    Some(at) if at >= until => walk.report.notes.push(format!(
                        "the key {by} took over without a checkpoint of {before} that covers entry {at}, which announces it"
                    )),
                    Some(_) => {}
                }
            }
            *signer = Some((by, size));
        }
    }
}

/// The subtrees that are kept are those of the entries: where one is not, a hash within it was changed.
fn subtrees<L: Log>(log: &L, walk: &mut Walk) -> Result<(), L::Error> {
    for (place, node) in std::mem::take(&mut walk.whole) {
        let (from, to) = (place.index << place.level, (place.index + 1) << place.level);
        // It is said already, and nearer.
        if walk.wrong.range(from..to).next().is_some() {
            continue;
        }
        let kept = log.kept(place)?;
        if kept != Some(node) {
            walk.wrong.insert(from);
            let kept = kept.map_or("nothing".to_owned(), |node| base64(&node));
            let stretch = walk.stretch(from, to);
            walk.report.fault(format!(
                "a hash in {stretch} was changed: together they are {}, and {kept} is kept",
                base64(&node)
            ));
        }
    }
    Ok(())
}
