//! The product answers, and what it says is unusual: less than expected, more than expected, or meant to do harm.

use std::path::Path;

use serde_json::Value;

use super::super::case::Case;
use super::super::mutate::{self, Field, Harm};
use super::super::rows::Files;
use super::super::sit::{How, Sat, Sitting, start};
use super::{expected, within};

/// Nothing is there. Then, in turn, what is always there is not: somebody asks elsewhere, or may not see it.
pub fn empty(case: &Case) -> Vec<String> {
    let files = mutate::empty(&case.spec, &case.files);
    let sat = Sitting::new(case).with(files).pull(How::default());
    let mut wrong = sat.wrong();
    if !sat.is_whole() {
        wrong.push(format!("not complete, though nothing is missing: {}", sat.said()));
    }
    let always = |file: &&String| mutate::always(&case.spec, file) > 0;
    if !mutate::has_documents(&case.spec, &case.files) && !case.files.keys().any(|file| always(&file)) {
        let of_rows = |line: &&String| {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            matches!(record["type"].as_str(), Some("grant" | "request" | "usage" | "certification"))
        };
        wrong.extend(sat.lines.iter().find(of_rows).map(|line| format!("of nothing came {line}")));
    }
    for file in case.files.keys().filter(always) {
        let made = case.made().into_iter().filter(|(operation, _)| operation.rows.file() == file);
        let steps: Vec<&str> = made.flat_map(|(_, steps)| steps).map(|step| step.name.as_str()).collect();
        let none = mutate::none_of(&case.spec, &case.files, file);
        let sat = Sitting::new(case).with(none).pull(How::default());
        wrong.extend(within(&format!("{file} without rows"), sat.passes_for_whole(&steps)));
    }
    wrong
}

/// The product learned new words.
pub fn unknown_fields(case: &Case) -> Vec<String> {
    let sitting = Sitting::new(case).with(mutate::unknown(&case.spec, &case.files));
    sitting.stub.unknown(true);
    let sat = sitting.pull(How::default());
    let mut wrong = sat.wrong();
    if !sat.is_whole() {
        wrong.push(format!("not complete: {}", sat.said()));
    }
    let known = Sat { lines: expected(case, "expected.jsonl"), ..Sat::default() };
    let (got, wanted) = (sat.blank(), known.blank());
    if got != wanted {
        let pair = got.iter().zip(&wanted).find(|(a, b)| a != b);
        let (got, wanted) =
            pair.map_or((String::new(), String::new()), |(a, b)| (a.to_string(), b.to_string()));
        wrong.push(format!(
            "other records:\n      got {}\n expected {}",
            start(&got, 1000),
            start(&wanted, 1000)
        ));
    }
    wrong
}

/// Each field that need not be there is not, and then is null: one of each row at a time. Where that is no good, each
/// alone, and from all rows, shows which it is.
pub fn missing_fields(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    let text = format!("{:?} {}", case.connector.manifest, said(case.connector.map.as_deref().unwrap_or("")));
    let (named, others): (Vec<Field>, Vec<Field>) =
        mutate::optional(&case.spec, &case.files).into_iter().partition(|field| names(&text, &field.name()));
    let sitting = Sitting::new(case);
    let pull = |files: Files| {
        sitting.stub.day(files, case.days[0]);
        sitting.pull(How::default())
    };
    let alone = |field: &Field, null: bool| {
        let sat = pull(mutate::without(&case.spec, &case.files, field, null));
        let what = format!("{} without {}{}", field.file, field.at, if null { " (null)" } else { "" });
        within(&what, bad_for(field, &sat))
    };
    let is_bad = |sat: &Sat| sat.error.is_some() || !sat.faults.is_empty();
    for mut round in mutate::rounds(&case.spec, &case.files, &named) {
        loop {
            let together = pull(mutate::after(&case.spec, &case.files, &round));
            if !is_bad(&together) {
                break;
            }
            // An error that says which one it is is right; the others are tried without that one.
            if let Some(at) = round.iter().position(|loss| bad_for(&loss.field, &together).is_empty()) {
                round.remove(at);
                continue;
            }
            let found: Vec<String> = round.iter().flat_map(|loss| alone(&loss.field, loss.null)).collect();
            if found.is_empty() {
                // It takes one row without a field beside others that have it.
                let lost = round.iter().map(|loss| format!("{}{}", loss.field.file, loss.field.at));
                let lost = lost.collect::<Vec<_>>().join(", ");
                wrong.extend(within(&lost, bad_for(&round[0].field, &together)));
            }
            wrong.extend(found);
            break;
        }
    }
    // What neither the map nor the manifest names can go together.
    for null in [false, true] {
        let files = others
            .iter()
            .fold(case.files.clone(), |files, field| mutate::without(&case.spec, &files, field, null));
        if is_bad(&pull(files)) {
            wrong.extend(others.iter().flat_map(|field| alone(field, null)));
        }
    }
    wrong
}

/// A map without its comments.
fn said(map: &str) -> String {
    map.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// Does the text name it, as a word of its own?
fn names(text: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name).any(|(at, found)| {
        !word(text[..at].chars().next_back()) && !word(text[at + found.len()..].chars().next())
    })
}

/// Records, or an error that names row and field. What a missing field keeps from being asked is no matter of the
/// documentation.
fn bad_for(field: &Field, sat: &Sat) -> Vec<String> {
    let mut wrong = sat.faults.clone();
    if let Some(error) = &sat.error
        && !(error.contains("row") && error.contains(&field.name()))
    {
        wrong.push(format!("`{error}` does not name row and field"));
    }
    wrong
}

/// Whoever may write a text writes the worst there is.
pub fn hostile_text(case: &Case) -> Vec<String> {
    let mut wrong = Vec::new();
    if mutate::free_texts(&case.spec, &case.files) == 0 {
        return vec!["no text of the rows is free: `ids` lists too much".to_owned()];
    }
    for harm in [Harm::All, Harm::Long, Harm::Nul] {
        let files = mutate::harmful(&case.spec, &case.files, harm);
        let sat = Sitting::new(case).with(files).pull(How::default());
        let mut found = sat.faults.clone();
        // A NUL character cannot be stored: it may be refused, in words.
        if harm != Harm::Nul && !sat.is_whole() {
            found
                .push(format!("{} (if that is no free text, `ids` should list it)", start(&sat.said(), 600)));
        }
        wrong.extend(within(&format!("{harm:?}"), found));
    }
    if Path::new("counterfoil-was-here").exists() {
        wrong.push("something of a text was executed".to_owned());
    }
    wrong
}
