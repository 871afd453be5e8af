//! Access that is held through other access: members of a group hold what the group holds, and so on.
//!
//! A map that says `inherit = true` in its manifest makes, beside records, edges:
//!
//! ```text
//! {"type":"includes","system":S,"entitlement":A,"gives":{"system":S2,"entitlement":B,"scope":X}, …}
//! ```
//!
//! *Whoever holds A on S also holds B on S2.* Beside `gives` an edge may carry `scope` (only who holds A with exactly that
//! scope), `granted_at`, `granted_at_basis`, `granted_by`, `expires_at` and `mode`, as a grant does. In `gives`, `system` is
//! S when absent; `scope`, when absent, is the one A is held with, and `""` the whole system. Names are compared as they
//! are written.
//!
//! Once all rows are read and joined, each grant is followed over the edges, and each entitlement (with its scope) that is
//! reached becomes one grant of the same account, by the shortest way; of equally short ones by the one whose names come
//! first. Going in circles adds nothing. Of such a grant
//!
//! - `path` is the way from the account outwards: the entitlement that is held directly, then each one on the way;
//! - `source`, `observed_at`, `evidence` and `native_id` are those of the grant that is held directly, on which it rests, and
//!   so is the last use, where that was said of the account as a whole (`use_attribution` is `account`);
//! - `granted_at` is the latest of all steps, with its `granted_by`, and absent where that of any step is; `expires_at` is
//!   the earliest that is known; `mode` is `eligible` where any step is;
//! - `ticket` is absent: a ticket for a step covers it by the path.
//!
//! An `entitlement` record of this pull that says nothing of `includes` gets the ones its edges say, so that a policy or a
//! ticket that names a group speaks of what comes with it. Edges that hold for one scope only cannot be said so and are left
//! out there.
//!
//! What is held in memory is each direct grant in short and the edges; one entitlement at a time is followed, for all
//! accounts that hold it. Where a limit is met the pull is not complete, and what was found until then is handed on.

mod edge;
mod graph;
mod names;

use super::error::PullError;
use super::limits::{MAX_INHERIT_BYTES, MAX_INHERITED, MAX_PATH_STEPS, MAX_REACH};
use super::record;
use crate::model::MAX_LINE;
use crate::model::strict::write_canonical_text;
use edge::Terms;
use graph::{Edge, Gives, Graph, Node, Reach};
use names::{Name, Names, Right, Rights};
use serde_json::{Map, Value, json};

pub(super) use edge::check;

/// Takes a record that is handed on: the system it is on where it is a grant, and its line.
pub(super) type Out<'o> = dyn FnMut(Option<&str>, &str) -> Result<(), PullError> + 'o;

/// Grants and edges, until all of them are there.
#[derive(Debug)]
pub(super) struct Inherit {
    /// Systems, entitlements and scopes.
    words: Names,
    /// Everything else.
    texts: Names,
    rights: Rights,
    edges: Vec<Edge>,
    direct: Vec<Direct>,
    entitlements: Vec<(Right, Box<str>)>,
    /// Bytes of lines that are held.
    lines: u64,
    limits: Limits,
    full: bool,
}

/// How much is held and followed.
#[derive(Debug, Clone, Copy)]
struct Limits {
    bytes: u64,
    reach: usize,
    inherited: u64,
    steps: usize,
}

/// A grant as a map made it, in short.
#[derive(Debug)]
struct Direct {
    node: Node,
    account: Name,
    source: Name,
    /// What every grant that rests on it copies, as members of a JSON object.
    copied: Name,
    terms: Terms,
    /// The way the map itself gave.
    path: Box<[Right]>,
}

impl Default for Inherit {
    fn default() -> Self {
        Self {
            words: Names::default(),
            texts: Names::default(),
            rights: Rights::default(),
            edges: Vec::new(),
            direct: Vec::new(),
            entitlements: Vec::new(),
            lines: 0,
            limits: Limits {
                bytes: MAX_INHERIT_BYTES,
                reach: MAX_REACH,
                inherited: MAX_INHERITED,
                steps: MAX_PATH_STEPS,
            },
            full: false,
        }
    }
}

/// The text of a field.
fn text<'o>(object: &'o Map<String, Value>, key: &str) -> Option<&'o str> {
    object.get(key).and_then(Value::as_str)
}

impl Inherit {
    /// Is there no room for more? What comes then is not followed.
    fn is_full(&mut self) -> bool {
        let held = self.edges.len() * size_of::<Edge>() + self.direct.len() * size_of::<Direct>();
        let named = self.words.bytes() + self.texts.bytes() + self.rights.bytes();
        self.full |= held as u64 + named + self.lines >= self.limits.bytes;
        self.full
    }

    fn right(&mut self, system: &str, entitlement: &str) -> Right {
        let (system, entitlement) = (self.words.add(system), self.words.add(entitlement));
        self.rights.add(system, entitlement)
    }

    /// Takes an edge that [`check`] found well formed.
    pub fn edge(&mut self, edge: &Map<String, Value>) {
        let gives = edge.get("gives").and_then(Value::as_object);
        let (Some(system), Some(gives)) = (text(edge, "system"), gives) else { return };
        if self.is_full() {
            return;
        }
        let from = self.right(system, text(edge, "entitlement").unwrap_or_default());
        let to = text(gives, "system").unwrap_or(system);
        let to = self.right(to, text(gives, "entitlement").unwrap_or_default());
        let when = text(edge, "scope").map(|scope| self.words.add(scope));
        let scope = match text(gives, "scope") {
            None => Gives::Same,
            Some("") => Gives::Whole,
            Some(scope) => Gives::Scope(self.words.add(scope)),
        };
        let terms = Terms::read(edge, &mut self.texts);
        self.edges.push(Edge { from, when, to, scope, terms });
    }

    /// Takes a grant that was handed on.
    pub fn grant(&mut self, grant: &Map<String, Value>) {
        let (Some(system), Some(account)) = (text(grant, "system"), text(grant, "account")) else { return };
        if self.is_full() {
            return;
        }
        let right = self.right(system, text(grant, "entitlement").unwrap_or_default());
        let scope = text(grant, "scope").filter(|scope| !scope.is_empty()).map(|scope| self.words.add(scope));
        let account = self.texts.add(account);
        let source = self.texts.add(text(grant, "source").unwrap_or_default());
        let mut copied = String::new();
        let used = text(grant, "use_attribution") == Some("account");
        let used: &[&str] =
            if used { &["last_used_at", "usage_tracked_since", "use_attribution"] } else { &[] };
        for key in ["evidence", "native_id", "observed_at"].iter().chain(used) {
            if let Some(value) = grant.get(*key).filter(|value| !value.is_null()) {
                copied.push_str(&format!(",\"{key}\":{value}"));
            }
        }
        let copied = self.texts.add(&copied);
        let terms = Terms::read(grant, &mut self.texts);
        let steps = grant.get("path").and_then(Value::as_array).into_iter().flatten();
        let path = steps
            .filter_map(Value::as_object)
            .map(|step| {
                let system = text(step, "system").unwrap_or(system);
                self.right(system, text(step, "entitlement").unwrap_or_default())
            })
            .collect();
        self.direct.push(Direct { node: (right, scope), account, source, copied, terms, path });
    }

    /// Takes an entitlement, to be handed on once it is known what it includes. `false` where there is no room for it.
    pub fn entitlement(&mut self, entitlement: &Map<String, Value>, line: &str) -> bool {
        let (Some(system), Some(id)) = (text(entitlement, "system"), text(entitlement, "id")) else {
            return false;
        };
        if entitlement.get("includes").is_some_and(|includes| !includes.is_null()) || self.is_full() {
            return false;
        }
        let right = self.right(system, id);
        self.lines += (line.len() + size_of::<(Right, Box<str>)>()) as u64;
        self.entitlements.push((right, line.into()));
        true
    }

    /// Hands on the entitlements that were held, and all grants that rest on others. Returns why that is not all.
    ///
    /// # Errors
    /// What `out` returned.
    pub fn finish(mut self, out: &mut Out<'_>) -> Result<Vec<String>, PullError> {
        let edges = std::mem::take(&mut self.edges);
        let graph = Graph::new(edges, &self.words, &self.texts, &self.rights);
        let mut reasons = Vec::new();
        if self.full {
            reasons.push(format!(
                "grants and what includes what take more than {} MiB: what comes with the grants behind that is not known; pull in parts",
                self.limits.bytes >> 20
            ));
        }
        let mut long = 0u64;
        for (right, line) in std::mem::take(&mut self.entitlements) {
            let including = self.including(&graph, right, &line);
            long += u64::from(including.as_ref().is_some_and(|line| line.len() > MAX_LINE));
            let including = including.filter(|line| line.len() <= MAX_LINE);
            out(None, including.as_deref().unwrap_or(&line))?;
        }
        if long > 0 {
            reasons.push(format!(
                "{long} entitlements include more than fits in one record: what they include is not in it"
            ));
        }
        let mut direct = std::mem::take(&mut self.direct);
        direct.retain(|grant| graph.leads_on(grant.node));
        direct.sort_by(|a, b| graph.compare(a.node, b.node));
        let mut lines = Lines { of: &self, line: String::new(), written: 0, long: 0 };
        let mut marks = Marks::default();
        for grants in direct.chunk_by(|a, b| a.node == b.node) {
            let Some(Direct { node, .. }) = grants.first() else { continue };
            let reach = graph.reach(*node, &self.texts, self.limits.reach, self.limits.steps);
            marks.note(&reach, *node);
            if !lines.write(&reach, *node, grants, &mut marks, out)? {
                reasons.push(format!(
                    "more than {} grants rest on others: those behind that are not handed on",
                    self.limits.inherited
                ));
                break;
            }
        }
        if lines.long > 0 {
            reasons.push(format!(
                "{} grants that rest on others are longer than a record may be: they are not handed on",
                lines.long
            ));
        }
        reasons.extend(marks.said(&self));
        Ok(reasons)
    }

    /// The line of an entitlement with what it includes, where that is anything.
    fn including(&self, graph: &Graph, right: Right, line: &str) -> Option<String> {
        let (here, _) = self.rights.pair(right)?;
        let edges = graph.unconditional(right).iter();
        let includes: Vec<Value> = edges
            .filter(|edge| edge.to != right)
            .filter_map(|edge| {
                let (system, entitlement) = self.rights.pair(edge.to)?;
                let mut include = Map::new();
                include.insert("entitlement".into(), json!(self.words.text(entitlement)));
                if system != here {
                    include.insert("system".into(), json!(self.words.text(system)));
                }
                match edge.scope {
                    Gives::Same => {}
                    Gives::Whole => drop(include.insert("scope".into(), json!(""))),
                    Gives::Scope(scope) => {
                        drop(include.insert("scope".into(), json!(self.words.text(scope))))
                    }
                }
                Some(Value::Object(include))
            })
            .collect();
        if includes.is_empty() {
            return None;
        }
        let mut entitlement: Map<String, Value> = serde_json::from_str(line).ok()?;
        entitlement.insert("includes".into(), Value::Array(includes));
        Some(record::line(&entitlement))
    }

    /// Names an entitlement for a message.
    fn shown(&self, (right, _): Node) -> String {
        let pair = self.rights.pair(right);
        pair.map_or_else(String::new, |(system, entitlement)| {
            let (system, entitlement) = (self.words.text(system), self.words.text(entitlement));
            let shorten = crate::model::strict::shorten;
            format!("`{}` on `{}`", shorten(entitlement), shorten(system))
        })
    }
}

/// Where more lies than was followed: how often, and the first place.
#[derive(Debug, Default)]
struct Marks {
    deeper: Option<(Node, u64)>,
    more: Option<(Node, u64)>,
}

/// One more at this place.
fn mark(slot: &mut Option<(Node, u64)>, node: Node) {
    slot.get_or_insert((node, 0)).1 += 1;
}

impl Marks {
    fn note(&mut self, reach: &Reach, node: Node) {
        if reach.deeper {
            mark(&mut self.deeper, node);
        }
        if reach.more {
            mark(&mut self.more, node);
        }
    }

    /// In words.
    fn said(&self, inherit: &Inherit) -> Vec<String> {
        let Limits { reach, steps, .. } = inherit.limits;
        let others = |count: u64| match count {
            1 => String::new(),
            _ => format!(" (and through {} others)", count - 1),
        };
        let deeper = self.deeper.map(|(node, count)| {
            let shown = inherit.shown(node);
            format!("access is held through {shown}{} by more than {steps} steps: what lies behind them is not handed on", others(count))
        });
        let more = self.more.map(|(node, count)| {
            let shown = inherit.shown(node);
            format!("more than {reach} entitlements are held through {shown}{}: those furthest from it are not handed on", others(count))
        });
        deeper.into_iter().chain(more).collect()
    }
}

/// Writes grants that rest on others.
struct Lines<'i> {
    of: &'i Inherit,
    line: String,
    /// Handed on.
    written: u64,
    /// Not handed on, because they are too long.
    long: u64,
}

impl Lines<'_> {
    /// Hands on what comes with one entitlement, for all accounts that hold it. `false` when there is no end of it.
    fn write(
        &mut self,
        reach: &Reach,
        node: Node,
        grants: &[Direct],
        marks: &mut Marks,
        out: &mut Out<'_>,
    ) -> Result<bool, PullError> {
        let Limits { inherited, steps, .. } = self.of.limits;
        let (mut way, mut path) = (Vec::new(), String::new());
        for found in &reach.found {
            let Some((system, entitlement)) = self.of.rights.pair(found.node.0) else { continue };
            way.clear();
            let mut back = found.through.and_then(|number| reach.found.get(number));
            while let Some(step) = back {
                way.push(step.node.0);
                back = step.through.and_then(|number| reach.found.get(number));
            }
            way.push(node.0);
            path.clear();
            way.iter().rev().for_each(|step| self.of.step(*step, system, &mut path));
            for grant in grants {
                if grant.path.len() + found.steps > steps {
                    mark(&mut marks.deeper, node);
                    continue;
                }
                if self.written == inherited {
                    return Ok(false);
                }
                self.of.line(grant, (system, entitlement, found.node.1), found.terms, &path, &mut self.line);
                if self.line.len() > MAX_LINE {
                    self.long += 1;
                    continue;
                }
                self.written += 1;
                out(Some(self.of.words.text(system)), &self.line)?;
            }
        }
        Ok(true)
    }
}

impl Inherit {
    /// One step of a path to something on `system`.
    fn step(&self, step: Right, system: Name, path: &mut String) {
        let Some((on, entitlement)) = self.rights.pair(step) else { return };
        path.push_str(if path.is_empty() { "{\"entitlement\":" } else { ",{\"entitlement\":" });
        write_canonical_text(self.words.text(entitlement), path);
        if on != system {
            path.push_str(",\"system\":");
            write_canonical_text(self.words.text(on), path);
        }
        path.push('}');
    }

    /// The line of a grant that rests on another.
    fn line(
        &self,
        direct: &Direct,
        (system, entitlement, scope): (Name, Name, Option<Name>),
        on_the_way: Terms,
        path: &str,
        line: &mut String,
    ) {
        line.clear();
        line.push_str("{\"type\":\"grant\"");
        let mut field = |key: &str, text: &str| {
            line.push_str(",\"");
            line.push_str(key);
            line.push_str("\":");
            write_canonical_text(text, line);
        };
        field("source", self.texts.text(direct.source));
        field("system", self.words.text(system));
        field("account", self.texts.text(direct.account));
        field("entitlement", self.words.text(entitlement));
        if let Some(scope) = scope {
            field("scope", self.words.text(scope));
        }
        let Terms { granted, expires_at, eligible } = direct.terms.then(on_the_way);
        if let Some(granted) = granted {
            field("granted_at", &granted.at.to_string());
            if let Some(basis) = granted.basis {
                field("granted_at_basis", basis.word());
            }
            if let Some(by) = granted.by {
                field("granted_by", self.texts.text(by));
            }
        }
        if let Some(end) = expires_at {
            field("expires_at", &end.to_string());
        }
        if eligible {
            field("mode", "eligible");
        }
        line.push_str(",\"path\":[");
        let mut own = String::new();
        direct.path.iter().for_each(|step| self.step(*step, system, &mut own));
        line.push_str(&own);
        if !own.is_empty() {
            line.push(',');
        }
        line.push_str(path);
        line.push(']');
        line.push_str(self.texts.text(direct.copied));
        line.push('}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            _ => Map::new(),
        }
    }

    /// `edges` as pairs, one member of `g0`, under these limits: what is handed on, and why that is not all.
    fn run(limits: impl Fn(&mut Limits), edges: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut inherit = Inherit::default();
        limits(&mut inherit.limits);
        inherit.grant(&object(json!({"type": "grant", "system": "s", "account": "a", "entitlement": "g0"})));
        for (from, to) in edges {
            let edge =
                json!({"type": "includes", "system": "s", "entitlement": from, "gives": {"entitlement": to}});
            let edge = object(edge);
            assert_eq!(check(&edge), Ok(()));
            inherit.edge(&edge);
        }
        let mut got = Vec::new();
        let reasons = inherit.finish(&mut |_, line| {
            record::validate(line).map_err(PullError::Connector)?;
            let grant: Value = serde_json::from_str(line).map_err(|e| PullError::Connector(e.to_string()))?;
            got.push(grant.get("entitlement").and_then(Value::as_str).unwrap_or_default().to_owned());
            Ok(())
        });
        (got, reasons.unwrap_or_default())
    }

    const FAN: [(&str, &str); 4] = [("g0", "a"), ("g0", "b"), ("g0", "c"), ("c", "d")];

    #[test]
    fn within_the_limits_all_is_handed_on() {
        let exact = |limits: &mut Limits| (limits.reach, limits.inherited, limits.steps) = (4, 4, 2);
        let (got, reasons) = run(exact, &FAN);
        assert_eq!((got.join(" "), reasons), ("a b c d".to_owned(), Vec::new()));
    }

    #[test]
    fn a_limit_that_is_met_is_said_and_what_was_found_is_handed_on() {
        let (got, reasons) = run(|limits| limits.reach = 2, &FAN);
        assert_eq!(got.join(" "), "a b");
        assert!(
            reasons.join(" ").contains("more than 2 entitlements are held through `g0` on `s`:"),
            "{reasons:?}"
        );

        let (got, reasons) = run(|limits| limits.inherited = 3, &FAN);
        assert_eq!(got.join(" "), "a b c");
        assert!(reasons.join(" ").contains("more than 3 grants rest on others"), "{reasons:?}");

        let (got, reasons) = run(|limits| limits.steps = 1, &FAN);
        assert_eq!(got.join(" "), "a b c");
        assert!(reasons.join(" ").contains("through `g0` on `s` by more than 1 steps"), "{reasons:?}");
    }

    #[test]
    fn a_circle_at_the_last_step_is_no_deeper() {
        let (got, reasons) = run(|limits| limits.steps = 1, &[("g0", "a"), ("a", "g0"), ("a", "a")]);
        assert_eq!((got.join(" "), reasons), ("a".to_owned(), Vec::new()));
    }

    #[test]
    fn memory_has_a_bound() {
        let edges: Vec<(String, String)> =
            (0..1_000).map(|n| ("g0".to_owned(), format!("right-{n:04}"))).collect();
        let edges: Vec<(&str, &str)> = edges.iter().map(|(from, to)| (&**from, &**to)).collect();
        let (all, reasons) = run(|_| (), &edges);
        assert_eq!((all.len(), reasons.len()), (1_000, 0));
        let (some, reasons) = run(|limits| limits.bytes = 64 << 10, &edges);
        assert!(some.len() > 100 && some.len() < 600, "{}", some.len());
        assert!(reasons.join(" ").contains("take more than 0 MiB"), "{reasons:?}");
    }

    #[test]
    fn a_line_no_record_may_have_is_said_and_not_handed_on() {
        let long = "x".repeat(MAX_LINE / 2);
        let (got, reasons) = run(|_| (), &[("g0", &long), (&long, "a"), ("g0", "b"), ("a", "c")]);
        assert_eq!(got.len(), 4, "each is within the limit by itself");
        assert!(reasons.is_empty(), "{reasons:?}");
        let other = format!("y{long}");
        let (got, reasons) = run(|_| (), &[("g0", &long), (&long, &other), ("g0", "b")]);
        assert_eq!(got.len(), 2, "{reasons:?}");
        assert!(reasons.join(" ").contains("1 grants that rest on others are longer"), "{reasons:?}");
    }
}
