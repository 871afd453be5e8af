//! Everything can be had, though not always at once: the records are the same each time.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration as Wait;

use super::super::answer::WAIT;
use super::super::case::Case;
use super::super::fault::{Fault, What, When};
use super::super::paging::Paging;
use super::super::sit::{How, Sat, Sitting};
use super::super::spec::{Failure, Operation};
use super::{expected, within};

/// A pull where nothing goes wrong, in each of the ways to say who one is.
pub fn complete(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let file = case.folder.join("expected.jsonl");
    for (number, auth) in case.spec.auth.iter().enumerate() {
        let sitting = Sitting::as_who(case, auth);
        let probed = sitting.probe();
        let sat = sitting.pull(How::default());
        if number == 0 {
            if case.updates() && sat.is_whole() && sat.wrong().is_empty() {
                let text: String = sat.lines.iter().map(|line| format!("{line}\n")).collect();
                fs::write(&file, text).unwrap();
            }
            wrong.extend(not_exercised(case, &sat, &probed));
        }
        wrong.extend(within(&format!("{:?}", auth.kind), sat.differs(&expected(case, "expected.jsonl"))));
    }
    wrong
}

/// Steps that nothing asked for, and operations that nobody asked.
fn not_exercised(case: &Case, sat: &Sat, probed: &Sat) -> Vec<String> {
    let mut wrong = Vec::new();
    for step in &case.manifest().steps {
        if case.wanted(step) && !step.probe_only && !sat.steps.contains(&step.name) {
            wrong.push(format!("the step `{}` was never made: give it rows to be made for", step.name));
        }
    }
    let off = |operation: &Operation| operation.steps().iter().all(|name| !case.wanted(case.step(name)));
    for operation in &case.spec.operations {
        let called =
            sat.seen.calls.contains_key(&operation.name) || probed.seen.calls.contains_key(&operation.name);
        if !called && !off(operation) {
            wrong.push(format!("the operation `{}` was never called", operation.name));
        }
    }
    wrong
}

/// Small pages and large ones hold the same rows.
pub fn pages(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut answered: Vec<BTreeMap<String, usize>> = Vec::new();
    for size in [None, Some(2), Some(1)] {
        let sitting = Sitting::new(case);
        sitting.stub.most(size);
        let sat = sitting.pull(How { page_size: size.map(|size| size as u64), ..How::default() });
        let what = size.map_or("pages of all".to_owned(), |size| format!("pages of {size}"));
        wrong.extend(within(&what, sat.differs(&expected(case, "expected.jsonl"))));
        answered.push(sat.seen.answered);
    }
    let count = |at: usize, name: &str| answered.get(at).and_then(|all| all.get(name)).copied().unwrap_or(0);
    for (operation, _) in case.made() {
        let name = operation.name.as_str();
        if operation.page.kind != Paging::One && count(2, name) <= count(0, name) {
            wrong.push(format!(
                "`{name}` never had a second page: give it more rows, and its step a page size"
            ));
        }
    }
    wrong
}

/// The first call of everything is refused, and some fail.
pub fn throttled(case: &Case) -> Vec<String> {
    let sitting = Sitting::new(case);
    sitting.faults(vec![
        Fault::everywhere(When::Call(1), What::Throttled),
        Fault::everywhere(When::Call(2), What::Broken(0)),
        Fault::everywhere(When::Call(3), What::Broken(1)),
        Fault::everywhere(When::Call(5), What::Throttled),
    ]);
    let sat = sitting.pull(How::default());
    let mut wrong = sat.differs(&expected(case, "expected.jsonl"));
    for (operation, steps) in case.made() {
        if !sat.seen.calls.contains_key(&operation.name) {
            continue;
        }
        let mut waits = sat.waits.iter().filter(|(step, _)| steps.iter().any(|known| known.name == *step));
        let Some((least, most)) = announced(case, operation) else {
            if waits.next().is_none() {
                wrong.push(format!("`{}` was refused, and nothing waited", operation.name));
            }
            continue;
        };
        let seen: Vec<u64> = waits.clone().map(|(_, wait)| wait.as_secs()).collect();
        if !waits.any(|(_, wait)| (least..=most).contains(wait)) {
            wrong.push(format!(
                "`{}` said to wait for {WAIT} s, and the waits were {seen:?} s",
                operation.name
            ));
        }
    }
    wrong
}

/// How long the product says to wait, if it says.
fn announced(case: &Case, operation: &Operation) -> Option<(Wait, Wait)> {
    let own = operation.answers.throttled.all();
    let all = if own.is_empty() { case.spec.answers.throttled.all() } else { own };
    let said = |failure: &Failure, what: &str| failure.headers.values().any(|value| value.contains(what));
    let least = Wait::from_secs(u64::try_from(WAIT).unwrap_or(0) - 1);
    if all.iter().any(|failure| said(failure, "{wait:minute}")) {
        return Some((least, least + Wait::from_secs(65)));
    }
    let always = all.iter().all(|failure| said(failure, "{wait"));
    always.then_some((least, least + Wait::from_secs(6)))
}

/// A token runs out in the middle, and another one is had.
pub fn expired(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for auth in case.spec.auth.iter().filter(|a| a.kind.has_tokens() || a.assume.is_some()) {
        let whole = Sitting::as_who(case, auth).pull(How::default());
        let calls: usize = whole.seen.calls.values().sum();
        for before in [2, calls / 2 + 1, calls] {
            let sitting = Sitting::as_who(case, auth);
            sitting.expire_before(before);
            let sat = sitting.pull(How::default());
            let what = format!("{:?}, before call {before} of {calls}", auth.kind);
            wrong.extend(within(&what, sat.differs(&expected(case, "expected.jsonl"))));
            if sitting.stub.tokens() < 2 {
                wrong.push(format!("{what}: nothing asked for another token"));
            }
        }
    }
    wrong
}

/// Each connection drops once: before the answer, and in the middle of it.
pub fn dropped(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for what in [What::Dropped, What::Cut] {
        let sitting = Sitting::new(case);
        let said = format!("{what:?}");
        sitting.faults(vec![Fault::everywhere(When::Call(1), what)]);
        let sat = sitting.pull(How::default());
        wrong.extend(within(&said, sat.differs(&expected(case, "expected.jsonl"))));
        // What nobody got an answer to is asked once more.
        let calls: usize = sat.seen.calls.values().sum();
        let answered: usize = sat.seen.answered.values().sum();
        if calls < answered + sat.seen.calls.len() {
            wrong.push(format!("{said}: nothing was tried again"));
        }
    }
    wrong
}

/// `config check --live` makes one request, and says what is wrong.
pub fn probe(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let http = case.manifest();
    let first = http.steps.iter().find(|step| match &http.probe {
        Some(name) => step.name == *name,
        None => step.for_each.is_none() && case.wanted(step),
    });
    let step = first.unwrap();
    let sitting = Sitting::new(case);
    let sat = sitting.probe();
    wrong.extend(sat.wrong());
    wrong.extend(sat.error.iter().map(|error| format!("error: {error}")));
    let called: Vec<(&String, &usize)> = sat.seen.calls.iter().collect();
    let right = |name: &str| {
        case.spec.operations.iter().any(|o| o.name == name && o.steps().contains(&step.name.as_str()))
    };
    if !matches!(called.as_slice(), [(name, 1)] if right(name)) {
        wrong.push(format!("expected one request of the step `{}`, and there were {called:?}", step.name));
    }
    let permission = step.permission.as_deref().unwrap_or_default();
    let refused = case.spec.answers.unauthorised.as_ref().and_then(|answer| answer.status).unwrap_or(401);
    let refused = refused.to_string();
    for (what, words) in [(What::Unauthorised, refused.as_str()), (What::Denied, permission)] {
        let sitting = Sitting::new(case);
        sitting.faults(vec![Fault::everywhere(When::Always, what.clone())]);
        let sat = sitting.probe();
        let said = sat.error.clone().unwrap_or_default();
        if sat.error.is_none() || !said.contains(words) {
            wrong.push(format!("{what:?}: `{said}` does not say {words}"));
        }
        wrong.extend(sat.wrong());
    }
    wrong
}
