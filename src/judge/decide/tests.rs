//! The index against a scan over all verdicts that resolves names by the letter of the rules.

use super::*;
use crate::judge::{Builder, Locator, Settings, World, judge};
use crate::model::parse_line;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: &str = "2026-06-01T00:00:00Z";

fn time(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn world(records: &[Value]) -> World {
    let mut builder = Builder::default();
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    for (number, line) in (0..).zip(&lines) {
        builder.add(parse_line(line.as_bytes()).unwrap(), Locator(number), line.as_bytes());
    }
    World::new(builder.finish(&mut |_, _| Ok(())).unwrap(), &Settings::default())
}

/// What an id or alias of a list means, by the letter: exact, else claimed by one, else itself.
fn means(catalogue: &[(String, Vec<String>)], name: &str) -> Option<String> {
    if catalogue.iter().any(|(id, _)| id == name) {
        return Some(format!("id {name}"));
    }
    let form = norm(name);
    let mut by: Vec<&String> = catalogue
        .iter()
        .filter(|(id, aliases)| norm(id) == form || aliases.iter().any(|a| norm(a) == form))
        .map(|(id, _)| id)
        .collect();
    by.dedup();
    match by.as_slice() {
        [] => Some(format!("form {form}")),
        [id] => Some(format!("id {id}")),
        _ => None,
    }
}

fn request(id: &str, who: &str, right: &str, end: Option<&str>) -> Value {
    json!({
        "type": "request", "source": "jira", "id": id, "state": "approved", "beneficiaries": [who],
        "access": [{"system": "s", "entitlement": right}], "expires_at": end,
        "approvals": [{"approver": "boss", "decision": "approved", "decided_at": "2026-01-02T00:00:00Z"}],
    })
}

fn grant(account: &str, right: &str, path: Option<&str>) -> Value {
    let path: Vec<Value> = path.into_iter().map(|group| json!({"entitlement": group})).collect();
    json!({"type": "grant", "system": "s", "account": account, "entitlement": right, "path": path,
           "granted_at": "2026-01-03T00:00:00Z"})
}

#[test]
fn any_path_that_is_justified_justifies_and_is_named() {
    let records = [
        request("R-1", "ada", "group", Some("2026-07-01T00:00:00Z")),
        grant("ada", "admin", None),
        grant("ada", "admin", Some("group")),
        grant("ada", "reader", None),
    ];
    let (world, settings) = (world(&records), Settings::default());
    let judgement = judge(&world, &settings, time(NOW), 1, &|_| {});
    let decide = Decide::new(&judgement);
    assert_eq!(decide.len(), 2);
    let answer = decide.ask("S", " ADA", "Admin", None, time(NOW)).unwrap();
    assert_eq!(answer.outcome, Outcome::Justified, "{answer:?}");
    assert_eq!(answer.request.as_ref().map(|r| &*r.id), Some("R-1"));
    assert_eq!(decide.verdict(&answer).unwrap().path.len(), 1);
    assert!(answer.stands && answer.until.is_some_and(|until| until <= time("2026-07-01T00:00:00Z")));
    let later = decide.ask("s", "ada", "admin", None, time("2026-07-01T00:00:00Z")).unwrap();
    assert!(!later.stands, "the approval has ended by then");
    let before = decide.ask("s", "ada", "admin", None, time("2026-05-01T00:00:00Z")).unwrap();
    assert!(!before.stands, "the judgement is not about the past");
    let reader = decide.ask("s", "ada", "reader", None, time(NOW)).unwrap();
    assert_eq!(reader.standing, Standing::Unapproved);
    for (system, account, right, scope) in [
        ("s", "ada", "none", None),
        ("s", "bob", "admin", None),
        ("t", "ada", "admin", None),
        ("s", "ada", "admin", Some("x")),
    ] {
        assert_eq!(decide.ask(system, account, right, scope, time(NOW)), None);
    }
}

#[test]
fn accounts_that_differ_in_spelling_alone_are_told_apart_where_two_people_hold_them() {
    let records = [
        json!({"type": "identity", "id": "ada", "accounts": [{"system": "s", "account": "Root"}]}),
        json!({"type": "identity", "id": "ben", "accounts": [{"system": "s", "account": "root"}]}),
        request("R-1", "ada", "admin", None),
        grant("Root", "admin", None),
        grant("root", "admin", None),
    ];
    let (world, settings) = (world(&records), Settings::default());
    let judgement = judge(&world, &settings, time(NOW), 1, &|_| {});
    let decide = Decide::new(&judgement);
    let ask = |account| decide.ask("s", account, "admin", None, time(NOW)).map(|answer| answer.outcome);
    assert_eq!(ask("Root"), Some(Outcome::Justified));
    assert_eq!(ask("root"), Some(Outcome::Unjustified));
    assert_eq!(ask("ROOT"), None, "it may be either");
}

#[test]
fn it_may_be_asked_from_any_thread() {
    fn shared<T: Sync>(_: &T) {}
    let (world, settings) = (world(&[grant("ada", "admin", None)]), Settings::default());
    let judgement = judge(&world, &settings, time(NOW), 1, &|_| {});
    shared(&Decide::new(&judgement));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_says_what_a_scan_over_all_verdicts_says(
        systems in proptest::collection::vec(("[aA]|b|É", proptest::collection::vec("[aA]|[bB]|c|é", 0..2)), 0..3),
        rights in proptest::collection::vec(("[aA]|b", "[xX]|y", proptest::collection::vec("[xX]|z", 0..2)), 0..3),
        grants in proptest::collection::vec(("[aA]|[bB]|c|[éÉ]", "[pP]|q", "[xX]|y|z", proptest::option::of("1|2"), 0..3u8), 0..8),
        requests in proptest::collection::vec(("p|q", "[xX]|y|z", 0..4u32), 0..4),
        asked in proptest::collection::vec(("[aA]|[bB]|c|[éÉ]", "[pP]|q| p", "[xX]|y|z", proptest::option::of("1|2|3")), 16),
        day in 1..20u32,
    ) {
        let mut records = vec![];
        records.extend(systems.iter().map(|(id, aliases)| json!({"type": "system", "id": id, "aliases": aliases})));
        records.extend(rights.iter().map(|(s, id, aliases)| {
            json!({"type": "entitlement", "system": s, "id": id, "aliases": aliases})
        }));
        records.extend(grants.iter().map(|(s, account, right, scope, path)| {
            let path: Vec<Value> = (0..*path).map(|n| json!({"entitlement": if n == 0 { "x" } else { "y" }})).collect();
            json!({"type": "grant", "system": s, "account": account, "entitlement": right, "scope": scope, "path": path,
                   "granted_at": "2026-01-03T00:00:00Z"})
        }));
        records.extend((0..).zip(&requests).map(|(n, (who, right, days))| {
            let mut record = request(&format!("R-{n}"), who, right, None);
            record["access"][0]["system"] = json!("a");
            record["expires_at"] = json!(format!("2026-06-{:02}T00:00:00Z", 1 + days * 5));
            record
        }));
        let (world, settings) = (world(&records), Settings::default());
        let judgement = judge(&world, &settings, time(NOW), 1, &|_| {});
        let decide = Decide::new(&judgement);
        let at = time(&format!("2026-06-{day:02}T00:00:00Z"));

        // Of records of one id the later stands, with its aliases: the catalogue as the estate has it.
        let text = |sym: &Sym| world.estate.text(*sym).to_owned();
        let names = &world.estate.pools.names;
        let systems: Vec<(String, Vec<String>)> = world.estate.systems.iter()
            .map(|s| (text(&s.id), s.aliases.within(names).iter().map(text).collect())).collect();
        let right = |system: &str, name: &str| {
            let system = means(&systems, system)?;
            let own: Vec<(String, Vec<String>)> = world.estate.entitlements.iter()
                .filter(|e| means(&systems, &text(&e.system)).as_ref() == Some(&system))
                .map(|e| (text(&e.id), e.aliases.within(names).iter().map(text).collect())).collect();
            Some((system, means(&own, name)?))
        };
        for (system, account, entitlement, scope) in &asked {
            let wanted = right(system, entitlement);
            let same: Vec<Verdict<'_>> = judgement.verdicts().filter(|v| {
                wanted.is_some() && right(&v.system, &v.entitlement) == wanted
                    && norm(&v.account) == norm(account) && v.scope.as_deref() == scope.as_deref()
            }).collect();
            let answer = decide.ask(system, account, entitlement, scope.as_deref(), at);
            let best = [Outcome::Justified, Outcome::Unknown, Outcome::Unjustified].into_iter()
                .find(|outcome| same.iter().any(|v| v.verdict == *outcome));
            prop_assert_eq!(answer.as_ref().map(|a| a.outcome), best);
            let Some(answer) = answer else { continue };
            let rechecks = |some: bool| same.iter().filter(move |v| !some || v.verdict == Outcome::Justified)
                .map(|v| v.recheck_at);
            let until = if best == Some(Outcome::Justified) {
                if rechecks(true).any(|at| at.is_none()) { None } else { rechecks(true).flatten().max() }
            } else {
                rechecks(false).flatten().min()
            };
            prop_assert_eq!(answer.until, until);
            prop_assert_eq!(answer.stands, until.is_none_or(|until| at < until));
            let verdict = decide.verdict(&answer).unwrap();
            prop_assert!(same.contains(&verdict));
            prop_assert_eq!(verdict.request, answer.request);
        }
    }
}
