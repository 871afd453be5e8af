//! The index against a scan over all verdicts that resolves names by the letter of the rules.

use super::*;
use crate::judge::estate::Sym;
use crate::judge::world::Held;
use crate::judge::{Builder, Locator, Settings, World, judge};
use crate::model::finding::Verdict;
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

impl Decide {
    fn account(
        &self,
        system: &str,
        account: &str,
        right: &str,
        scope: Option<&str>,
        at: Instant,
    ) -> Option<Answer<'_>> {
        self.ask(&Question { who: Who::Account(account), system, entitlement: right, scope }, at)
    }
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
    let answer = decide.account("S", " ADA", "Admin", None, time(NOW)).unwrap();
    assert_eq!(answer.outcome, Outcome::Justified, "{answer:?}");
    assert_eq!(answer.request.as_ref().map(|r| &*r.id), Some("R-1"));
    assert_eq!(answer.verdict(&judgement).unwrap().path.len(), 1);
    assert!(answer.stands && answer.until.is_some_and(|until| until <= time("2026-07-01T00:00:00Z")));
    let later = decide.account("s", "ada", "admin", None, time("2026-07-01T00:00:00Z")).unwrap();
    assert!(!later.stands, "the approval has ended by then");
    let before = decide.account("s", "ada", "admin", None, time("2026-05-01T00:00:00Z")).unwrap();
    assert!(!before.stands, "the judgement is not about the past");
    let reader = decide.account("s", "ada", "reader", None, time(NOW)).unwrap();
    assert_eq!(reader.standing, Standing::Unapproved);
    for (system, account, right, scope) in [
        ("s", "ada", "none", None),
        ("s", "bob", "admin", None),
        ("t", "ada", "admin", None),
        ("s", "ada", "admin", Some("x")),
    ] {
        assert_eq!(decide.account(system, account, right, scope, time(NOW)), None);
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
    let ask = |account| decide.account("s", account, "admin", None, time(NOW)).map(|answer| answer.outcome);
    assert_eq!(ask("Root"), Some(Outcome::Justified));
    assert_eq!(ask("root"), Some(Outcome::Unjustified));
    assert_eq!(ask("ROOT"), None, "it may be either");
}

#[test]
fn a_person_is_asked_for_by_any_name_and_holds_what_any_account_holds() {
    let records = [
        json!({"type": "identity", "id": "ada@x", "aliases": ["al"], "accounts": [{"system": "s", "account": "a1"}]}),
        json!({"type": "identity", "id": "ben@x", "aliases": ["Al"]}),
        request("R-1", "ada@x", "admin", None),
        grant("a1", "admin", None),
        grant("ADA@x", "reader", None),
        grant("zoe", "reader", None),
    ];
    let (world, settings) = (world(&records), Settings::default());
    let judgement = judge(&world, &settings, time(NOW), 1, &|_| {});
    let decide = Decide::new(&judgement);
    let ask = |who, entitlement| {
        let answer = decide.ask(&Question { who, system: "s", entitlement, scope: None }, time(NOW));
        answer.map(|answer| (answer.outcome, answer.request.map(|r| r.id.into_owned())))
    };
    let justified = Some((Outcome::Justified, Some("R-1".to_owned())));
    assert_eq!(ask(Who::Person("Ada@X"), "admin"), justified);
    assert_eq!(ask(Who::Account("a1"), "admin"), justified);
    assert_eq!(ask(Who::Person("ada@x"), "reader"), Some((Outcome::Unjustified, None)));
    assert_eq!(
        ask(Who::Person(" ZOE"), "reader"),
        Some((Outcome::Unjustified, None)),
        "whom no catalogue knows"
    );
    for (who, right) in
        [("a1", "admin"), ("al", "admin"), ("ben@x", "admin"), ("zoe", "admin"), ("eve", "reader")]
    {
        assert_eq!(ask(Who::Person(who), right), None, "{who}");
    }
}

#[test]
fn it_may_be_asked_from_any_thread() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
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
        people in proptest::collection::vec(("[pP]|q|r", proptest::collection::vec("[pP]|q|s", 0..2), proptest::option::of("[pP]|q")), 0..3),
        day in 1..20u32,
    ) {
        let mut records = vec![];
        records.extend(people.iter().map(|(id, aliases, account)| {
            let accounts: Vec<Value> = account.iter().map(|a| json!({"system": "a", "account": a})).collect();
            json!({"type": "identity", "id": id, "aliases": aliases, "accounts": accounts})
        }));
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
        let people: Vec<(String, Vec<String>)> = world.estate.identities.iter()
            .map(|i| (text(&i.id), i.aliases.within(names).iter().map(text).collect())).collect();
        let rows = || (0..).zip(&world.held).map(|(row, held)| (held, judgement.verdict(row).unwrap()));

        let mut questions = vec![];
        for (system, who, entitlement, scope) in &asked {
            questions.extend([Who::Account(who), Who::Person(who)].map(|who| {
                Question { who, system, entitlement, scope: scope.as_deref() }
            }));
        }
        let together = decide.ask_all(&questions, at);
        prop_assert_eq!(together.len(), questions.len());
        for (question, together) in questions.iter().zip(together) {
            let wanted = right(question.system, question.entitlement);
            let is_of = |held: &Held, v: &Verdict<'_>| match question.who {
                // Of accounts that differ in spelling alone and are two people's, only the one as it is written.
                Who::Account(account) => {
                    let mut alike = rows().filter(|(h, other)| {
                        h.system == held.system && h.entitlement == held.entitlement
                            && other.scope == v.scope && norm(&other.account) == norm(&v.account)
                    });
                    let one = alike.all(|(h, _)| h.subject == held.subject);
                    norm(&v.account) == norm(account) && (one || v.account == account)
                }
                Who::Person(name) => match means(&people, name) {
                    Some(meant) => {
                        let kind = if world.people.row(held.subject).is_some() { "id" } else { "form" };
                        !held.subject.is_ambiguous() && meant == format!("{kind} {}", v.subject)
                    }
                    None => false,
                },
            };
            let same: Vec<Verdict<'_>> = rows().filter(|(held, v)| {
                wanted.is_some() && right(&v.system, &v.entitlement) == wanted
                    && v.scope.as_deref() == question.scope && is_of(held, v)
            }).map(|(_, v)| v).collect();
            let answer = decide.ask(question, at);
            prop_assert_eq!(&answer, &together);
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
            let verdict = answer.verdict(&judgement).unwrap();
            prop_assert!(same.contains(&verdict));
            prop_assert_eq!(verdict.request, answer.request);
        }
    }
}
