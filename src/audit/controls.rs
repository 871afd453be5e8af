//! What the findings say of each control of each framework: that it fails, that it passes, or that the evidence is not
//! enough to say so. A control passes only where all that its checks rest on was there to be seen.

use super::pack::{Assessed, Control, Coverage, Framework};
use super::population::Source;
use super::tally::Findings;
use crate::alert::freeze::{Doubt, is_frozen, rests_on};
use crate::controls::Controls;
use crate::judge::{Settings, checks};
use crate::model::RecordType;

/// What the controls are assessed by.
pub(super) struct Basis<'a> {
    pub(super) settings: &'a Settings,
    pub(super) population: &'a [Source],
    pub(super) doubts: &'a [Doubt],
    pub(super) coverage: &'a Coverage,
}

/// Each framework with its controls.
pub(super) fn assess(controls: &Controls, basis: &Basis<'_>, findings: &Findings) -> Vec<Framework> {
    let all = controls.frameworks().map(|f| {
        let of_framework = f.controls.iter().map(|c| {
            let key = (f.framework.clone(), c.id.clone());
            let (open, accepted, ids) = findings.controls.get(&key).cloned().unwrap_or_default();
            let gaps = basis.gaps(&c.checks, &c.identity_kinds);
            let result = match (open, gaps.is_empty()) {
                (1.., _) => Assessed::Fail,
                (0, true) => Assessed::Pass,
                (0, false) => Assessed::NotAssessable,
            };
            Control {
                id: c.id.clone(),
                title: c.title.clone(),
                checks: c.checks.clone(),
                result,
                gaps,
                open,
                accepted,
                ids,
            }
        });
        Framework {
            id: f.framework.clone(),
            title: f.title.clone(),
            version: f.version.clone(),
            source: f.source.clone(),
            controls: of_framework.collect(),
        }
    });
    all.collect()
}

impl Basis<'_> {
    /// What keeps the checks of a control from showing that all is well.
    fn gaps(&self, names: &[String], kinds: &[String]) -> Vec<String> {
        let mut gaps = vec![];
        let mut doubtful: Vec<&str> = vec![];
        let mut unread: Vec<RecordType> = vec![];
        for name in names {
            if checks::by_name(name).is_none() {
                gaps.push(format!("check {name} is not known to this version"));
                continue;
            }
            let own = self.settings.checks.overrides.get(name);
            if own.is_some_and(|own| own.enabled == Some(false)) {
                gaps.push(format!("check {name} is off"));
            }
            for doubt in self.doubts {
                let one = std::slice::from_ref(doubt);
                if is_frozen(name, None, false, one) {
                    doubtful.push(&doubt.source);
                }
            }
            // Without people and requests there is nothing that a grant could be held against.
            let needed = [RecordType::Grant, RecordType::Request, RecordType::Identity];
            let rests = rests_on(name);
            unread.extend(needed.iter().filter(|t| rests.contains(t) && !self.has(**t)));
        }
        doubtful.sort_unstable();
        doubtful.dedup();
        for source in doubtful {
            let of = self.population.iter().find(|s| s.id == source);
            let status = of.map_or("in doubt", |s| s.status.as_str());
            gaps.push(format!("source {source} is {status}"));
        }
        unread.sort_unstable();
        unread.dedup();
        gaps.extend(unread.iter().map(|t| format!("there are no records of the type {}", t.as_str())));
        let held = |kind: &String| self.coverage.by_kind.contains_key(&Some(kind.as_str()));
        if !kinds.is_empty() && !kinds.iter().any(held) {
            gaps.push(format!("nothing is held by {}", kinds.join(" or ")));
        }
        gaps
    }

    fn has(&self, kind: RecordType) -> bool {
        self.population.iter().any(|s| s.records.get(&kind).is_some_and(|n| n.now > 0))
    }
}
