//! What is loaded from the store to explain one thing gives the chain that everything would give.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use counterfoil::alert::{guard, life};
use counterfoil::engine::{Engine, Order, Pulled, Rules, SourceSpec, part_of, requests_called};
use counterfoil::judge::{ChainQuestion, Found, World, judge};
use counterfoil::model::{Instant, RecordType};
use counterfoil::store::Sqlite;
use serde_json::{Value, json};

use super::judged;
use crate::reference::estates::estate;
use crate::reference::product::settings;

/// An engine that has taken in records from one source, and the records as the source gave them.
fn remembered(seed: u64) -> Option<(Engine, Vec<Value>, Value, String)> {
    let (mut records, config, now) = estate(seed);
    records.retain(|r| r["type"] != "snapshot");
    let all: Vec<&str> = RecordType::ALL.iter().map(|t| t.as_str()).collect();
    records.push(
        json!({"type": "snapshot", "source": "all", "taken_at": now, "complete": true, "provides": all}),
    );
    let rules = Rules {
        settings: settings(&config)?,
        controls: Box::new(()),
        frameworks: json!([]),
        life: life::Rules::default(),
        guard: guard::Limits { records: u64::MAX, percent: 100 },
        mutes: vec![],
        listeners: vec![],
        teams: vec![],
        threads: 1,
    };
    let mut engine = Engine::new(Box::new(Sqlite::in_memory().unwrap()), rules);
    let lines: String = records.iter().map(|r| format!("{r}\n")).collect();
    let order = Order {
        now: Instant::parse(&now).unwrap(),
        sources: &[SourceSpec { id: "all".to_owned(), provides: vec![], by: None }],
        due: &["all".to_owned()],
        judge: true,
        stop: &|| false,
    };
    let mut pull = |_: &str| Pulled::Records {
        taken_at: now.clone(),
        lines: Box::new(Cursor::new(lines.clone().into_bytes())),
    };
    engine.run(&order, &mut pull).ok()?;
    Some((engine, records, config, now))
}

#[test]
fn the_chain_from_a_part_is_the_chain_from_everything() {
    let (mut grants, mut requests) = (0, 0);
    for seed in 0..80 {
        let Some((mut engine, records, config, now)) = remembered(seed) else { continue };
        let at = Instant::parse(&now).unwrap();
        let settings = settings(&config).unwrap();
        // By the names by which somebody would ask.
        let mut whole: BTreeMap<(bool, String), Vec<String>> = BTreeMap::new();
        judged(&records, &config, &now, &mut |judgement, _| {
            for place in 0.. {
                let Some(chain) = judgement.chain_of_verdict(place, &()) else { break };
                let account = chain.grant.as_ref().unwrap().account.to_string();
                let text = serde_json::to_string(&chain).unwrap();
                whole.entry((true, account)).or_default().push(text);
            }
            for place in 0.. {
                let Some(chain) = judgement.chain_of_request(place, &()) else { break };
                let id = chain.request.as_ref().unwrap().id.to_string();
                let text = serde_json::to_string(&chain).unwrap();
                whole.entry((false, id)).or_default().push(text);
            }
        });
        let requests_of = records.iter().filter(|r| r["type"] == "request");
        let sources: BTreeSet<String> =
            requests_of.filter_map(|r| r["source"].as_str()).map(str::to_owned).collect();
        for ((is_grant, name), expected) in whole {
            let names = if is_grant {
                vec![name.clone()]
            } else {
                let names = requests_called(engine.store(), &[(None, name.clone())]).unwrap();
                // The same with the source, as a link names it; and in other capitals, which no key is of.
                let mut by_source = vec![];
                for source in &sources {
                    let mut one = |id: &str| {
                        requests_called(engine.store(), &[(Some(source.clone()), id.to_owned())]).unwrap()
                    };
                    let found = one(&name);
                    assert_eq!(one(&name.to_uppercase()), one(&name.to_lowercase()), "seed {seed}, {name}");
                    by_source.extend(found);
                }
                by_source.sort_unstable();
                by_source.dedup();
                assert_eq!(by_source, names, "seed {seed}, {name}");
                names
            };
            let part = part_of(engine.store(), &settings, at, &names).unwrap();
            let world = World::new(part, &settings);
            let judgement = judge(&world, &settings, at, 1, &|_| {});
            let mut told = vec![];
            for place in 0.. {
                let chain = if is_grant {
                    judgement.chain_of_verdict(place, &())
                } else {
                    judgement.chain_of_request(place, &())
                };
                let Some(chain) = chain else { break };
                let own = match is_grant {
                    true => chain.grant.as_ref().map(|g| g.account.to_string()),
                    false => chain.request.as_ref().map(|r| r.id.to_string()),
                };
                if own.as_deref() == Some(&name) {
                    told.push(serde_json::to_string(&chain).unwrap());
                }
            }
            let sorted = |mut texts: Vec<String>| {
                texts.sort_unstable();
                texts
            };
            let (expected, told) = (sorted(expected), sorted(told));
            assert_eq!(expected.join("\n"), told.join("\n"), "seed {seed}, {name}");
            *(if is_grant { &mut grants } else { &mut requests }) += told.len();
        }
    }
    assert!(grants > 150 && requests > 150, "{grants} {requests}");
}

#[test]
fn nothing_is_said_of_what_nobody_knows() {
    let (mut engine, _, config, now) = remembered(1).unwrap();
    let settings = settings(&config).unwrap();
    let at = Instant::parse(&now).unwrap();
    assert_eq!(requests_called(engine.store(), &[(None, "NO-1".to_owned())]).unwrap(), Vec::<String>::new());
    let world =
        World::new(part_of(engine.store(), &settings, at, &["nobody".to_owned()]).unwrap(), &settings);
    let judgement = judge(&world, &settings, at, 1, &|_| {});
    let question = ChainQuestion::Text("nowhere/nobody/nothing".to_owned());
    assert_eq!(judgement.find(&question, 9), Found::Nothing(vec![]));
}
