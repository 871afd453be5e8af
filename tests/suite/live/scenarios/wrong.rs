//! Not everything can be had, or what comes is not what it should be: it is said, and never taken for all.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use counterfoil::connect::manifest::http::{ForEach, Paging as Said, Step};

use super::super::case::Case;
use super::super::fault::{Fault, What, When, Wrong};
use super::super::paging::Paging;
use super::super::sit::{How, Sat, Sitting};
use super::super::spec::{Format, Operation, Shape};
use super::within;

/// The words of an error by which a step is known.
fn names<'s>(steps: &[&'s Step]) -> Vec<&'s str> {
    steps.iter().map(|step| step.name.as_str()).collect()
}

/// How many steps come before this one, each of which has to have rows.
fn depth(case: &Case, step: &Step) -> usize {
    match &step.for_each {
        Some(ForEach::Step(parent)) => 1 + depth(case, case.step(parent)),
        _ => 0,
    }
}

/// What a scenario does to each operation in turn, and what it expects of it.
struct Each<'e> {
    how: How<'e>,
    /// How many rows a page has.
    most: Option<usize>,
    what: &'e dyn Fn(&Operation) -> Option<What>,
    right: &'e dyn Fn(&[&Step], &Sat) -> Vec<String>,
}

impl Each<'_> {
    /// Tries it on each operation. Those that do not stand in each other's way go together: what is said of each of them
    /// is enough; an operation of which nothing is said is tried alone.
    fn sit(&self, case: &Case) -> Vec<String> {
        let mut levels: BTreeMap<usize, Vec<(&Operation, Vec<&Step>)>> = BTreeMap::new();
        for (operation, steps) in case.made() {
            if (self.what)(operation).is_some() {
                let level = steps.iter().map(|step| depth(case, step)).max().unwrap_or(0);
                levels.entry(level).or_default().push((operation, steps));
            }
        }
        let mut wrong = Vec::new();
        for level in levels.into_values() {
            let together = self.pull(case, level.iter().map(|(operation, _)| *operation));
            for (operation, steps) in level {
                let begins =
                    |reason: &String| steps.iter().any(|s| reason.starts_with(&format!("{}: ", s.name)));
                let said = together.reasons.iter().filter(|reason| begins(reason)).cloned().collect();
                let of = Sat { reasons: said, ..Sat::default() };
                if !of.reasons.is_empty()
                    && together.wrong().is_empty()
                    && (self.right)(&steps, &of).is_empty()
                {
                    continue;
                }
                let alone = self.pull(case, [operation].into_iter());
                wrong.extend(within(&operation.name, (self.right)(&steps, &alone)));
            }
        }
        wrong
    }

    fn pull<'o>(&self, case: &Case, operations: impl Iterator<Item = &'o Operation>) -> Sat {
        let sitting = Sitting::new(case);
        sitting.stub.most(self.most);
        let faults = operations.filter_map(|o| Some(Fault::always(&o.name, (self.what)(o)?)));
        sitting.faults(faults.collect());
        sitting.pull(self.how)
    }
}

/// Each last page breaks off, always.
pub fn broken_off(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for (operation, steps) in case.made() {
        let sitting = Sitting::new(case);
        let operation = operation.name.clone();
        sitting.faults(vec![Fault {
            operation: Some(operation.clone()),
            when: When::LastPage,
            what: What::Cut,
        }]);
        let sat = sitting.pull(How { page_size: Some(2), ..How::default() });
        wrong.extend(within(&operation, sat.passes_for_whole(&names(&steps))));
    }
    wrong
}

/// Nobody is let in.
pub fn unauthorised(case: &Case) -> Vec<String> {
    let sitting = Sitting::new(case);
    sitting.faults(vec![Fault::everywhere(When::Always, What::Unauthorised)]);
    let sat = sitting.pull(How::default());
    let status = case.spec.answers.unauthorised.as_ref().and_then(|failure| failure.status).unwrap_or(401);
    let mut wrong = sat.passes_for_whole(&[&status.to_string()]);
    if !sat.said().contains("does not accept who asks") {
        wrong.push(format!("taken for something else: {}", sat.said()));
    }
    if sat.error.is_none() {
        wrong.push("no error, though nothing was had".to_owned());
    }
    wrong
}

/// Each operation in turn may not be made.
pub fn denied(case: &Case) -> Vec<String> {
    let right = |steps: &[&Step], sat: &Sat| {
        let needed: Vec<&&Step> = steps.iter().filter(|step| !step.optional).collect();
        if !needed.is_empty() {
            // Whatever the product itself names.
            let words = needed.iter().filter_map(|step| step.permission.as_deref());
            let words: Vec<String> = words.map(|permission| format!("(needed: {permission})")).collect();
            return sat.passes_for_whole(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let mut wrong = sat.wrong();
        if !sat.is_whole() {
            wrong.push(format!("`optional`, and yet: {}", sat.said()));
        }
        wrong
    };
    Each { how: How::default(), most: None, what: &|_| Some(What::Denied), right: &right }.sit(case)
}

/// What comes instead of an answer, as far as it cannot be taken for one.
fn wrong_for(operation: &Operation) -> Vec<Wrong> {
    let answer = &operation.answer;
    let mut all = vec![Wrong::LoginPage, Wrong::ContentType];
    match answer.format {
        // Half a table is a table.
        Format::Csv => return all,
        Format::Jsonl => {
            all.push(Wrong::CutOff);
            return all;
        }
        Format::Json => {
            all.extend([Wrong::Empty, Wrong::CutOff, Wrong::Null, Wrong::Text]);
            // An empty list is right where the answer is a list.
            if answer.at.is_some() || operation.rows.shape() == Shape::Lists {
                all.push(Wrong::Array);
            }
        }
        Format::Xml => all.extend([Wrong::Empty, Wrong::CutOff, Wrong::Null]),
    }
    all
}

/// Something else comes than an answer.
pub fn wrong_answers(case: &Case) -> Vec<String> {
    use Wrong::{Array, ContentType, CutOff, Empty, LoginPage, Null, Text};
    let mut wrong = Vec::new();
    for kind in [LoginPage, ContentType, Empty, CutOff, Null, Text, Array] {
        let what = |operation: &Operation| wrong_for(operation).contains(&kind).then_some(What::Wrong(kind));
        let right = |_: &[&Step], sat: &Sat| sat.passes_for_whole(&[]);
        let each = Each { how: How::default(), most: None, what: &what, right: &right };
        wrong.extend(within(&format!("answered with {kind:?}"), each.sit(case)));
    }
    wrong
}

/// The next page is the one before, again and again.
pub fn repeated_cursor(case: &Case) -> Vec<String> {
    // Where only the number of rows says that it is over, the rows that come say it.
    let counts = |step: &Step| match &step.page {
        Said::Offset { short_is_last, total, last, .. } => {
            !short_is_last || total.is_some() || last.is_some()
        }
        Said::Number { short_is_last, total, pages, .. } => {
            !short_is_last || total.is_some() || pages.is_some()
        }
        _ => true,
    };
    let what = |operation: &Operation| {
        let steps = operation.steps();
        let all = steps.iter().all(|name| counts(case.step(name)));
        (operation.page.kind != Paging::One && all).then_some(What::Repeat)
    };
    let right = |steps: &[&Step], sat: &Sat| {
        let mut wrong = sat.passes_for_whole(&names(steps));
        if sat.said().contains("max_requests") {
            wrong.push("it would have gone on for ever".to_owned());
        }
        wrong
    };
    let how = How { page_size: Some(1), max_requests: Some(400), ..How::default() };
    Each { how, most: Some(1), what: &what, right: &right }.sit(case)
}

/// A listener that nobody may come to, its address, and how many came.
fn trap() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stream.is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, came)
}

/// The next page is said to be elsewhere.
pub fn other_host(case: &Case) -> Vec<String> {
    let (address, came) = trap();
    let what = |operation: &Operation| {
        let leads = matches!(operation.page.kind, Paging::Link | Paging::Url) && !operation.page.relative;
        leads.then(|| What::Elsewhere(address.clone()))
    };
    let right = |steps: &[&Step], sat: &Sat| sat.passes_for_whole(&names(steps));
    let how = How { page_size: Some(1), ..How::default() };
    let mut wrong = Each { how, most: None, what: &what, right: &right }.sit(case);
    if came.load(Ordering::SeqCst) > 0 {
        wrong.push("it went to the other host".to_owned());
    }
    wrong
}

/// Each operation in turn leads elsewhere.
pub fn redirected(case: &Case) -> Vec<String> {
    let (address, came) = trap();
    let what = |_: &Operation| Some(What::Redirect(format!("{address}/login")));
    let right = |_: &[&Step], sat: &Sat| sat.passes_for_whole(&["redirect"]);
    let mut wrong = Each { how: How::default(), most: None, what: &what, right: &right }.sit(case);
    if came.load(Ordering::SeqCst) > 0 {
        wrong.push("the redirect was followed".to_owned());
    }
    wrong
}

/// A product that repeats what it was sent, whoever asks and however: no secret turns up. (No other scenario lets one
/// pass either.)
pub fn secrets(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    for auth in &case.spec.auth {
        let sitting = Sitting::as_who(case, auth);
        sitting.faults(vec![Fault::everywhere(When::Always, What::Echo)]);
        for sat in [sitting.pull(How::default()), sitting.probe()] {
            let mut found = sat.wrong();
            if sat.is_whole() {
                found.push("complete, though everything failed".to_owned());
            }
            wrong.extend(within(&format!("{:?}", auth.kind), found));
        }
    }
    wrong
}
