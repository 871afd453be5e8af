//! What holds of every chain, on estates made from seeds and on the published cases.

use std::collections::{BTreeMap, BTreeSet};

use counterfoil::judge::{ChainQuestion, Found, Judgement};
use counterfoil::model::chain::{Chain, LinkState, Step};
use serde_json::Value;

use super::judged;
use crate::reference::estates::{Dice, estate};

/// The links are whole, in order, and each finding rests on some of them.
fn assert_whole(chain: &Chain<'_>) {
    let text = || serde_json::to_string_pretty(chain).unwrap();
    assert!(chain.links.is_sorted_by_key(|l| l.step), "{}", text());
    let checks: BTreeSet<&str> = chain.findings.iter().map(|f| &*f.check).collect();
    let placed: BTreeSet<&str> = chain.links.iter().flat_map(|l| &l.checks).map(|c| &**c).collect();
    assert_eq!(checks, placed, "{}", text());
    for l in &chain.links {
        assert!(l.checks.is_empty() || l.state != LinkState::Ok, "{}", text());
        assert!(l.state == LinkState::Ok || !l.answers.is_empty(), "{}", text());
        assert!(!l.what.is_empty() && l.checks.is_sorted(), "{}", text());
    }
}

/// The ids of the findings about something, with how many of each there are.
fn counted<'v>(ids: impl Iterator<Item = &'v str>) -> BTreeMap<String, usize> {
    ids.fold(BTreeMap::new(), |mut counts, id| {
        *counts.entry(id.to_owned()).or_default() += 1;
        counts
    })
}

/// All chains of a judgement as texts, each held against what the judgement says.
fn chains(judgement: &Judgement<'_>) -> BTreeSet<String> {
    let findings: Vec<Value> = judgement.findings(&()).map(|f| serde_json::to_value(f).unwrap()).collect();
    let mut told = BTreeSet::new();
    let mut of_grants = vec![];
    for (place, verdict) in judgement.verdicts().enumerate() {
        let chain = judgement.chain_of_verdict(place, &()).unwrap();
        assert_whole(&chain);
        let steps: BTreeSet<Step> = chain.links.iter().map(|l| l.step).collect();
        assert_eq!(steps.len(), Step::ALL.len(), "a step has no link: {chain:?}");
        let grant = chain.grant.as_ref().unwrap();
        assert_eq!(
            (&grant.system, &grant.account, &grant.entitlement, &grant.scope, &grant.path),
            (&verdict.system, &verdict.account, &verdict.entitlement, &verdict.scope, &verdict.path)
        );
        assert_eq!((chain.standing, chain.verdict), (Some(verdict.standing), Some(verdict.verdict)));
        assert_eq!(chain.recheck_at, verdict.recheck_at);
        let controls = chain.request.as_ref().map(|r| (&r.source, &r.id));
        assert_eq!(controls, verdict.request.as_ref().map(|r| (&r.source, &r.id)));
        of_grants.extend(chain.findings.iter().map(|f| f.id.clone()));
        told.insert(serde_json::to_string(&chain).unwrap());
    }
    let about_grants = findings.iter().filter(|f| f["grant"].is_object()).map(|f| f["id"].as_str().unwrap());
    assert_eq!(counted(of_grants.iter().map(String::as_str)), counted(about_grants));

    let mut of_requests = vec![];
    for place in 0.. {
        let Some(chain) = judgement.chain_of_request(place, &()) else { break };
        assert_whole(&chain);
        of_requests.extend(chain.findings.iter().map(|f| f.id.clone()));
        told.insert(serde_json::to_string(&chain).unwrap());
    }
    let about_requests = findings
        .iter()
        .filter(|f| !f["grant"].is_object() && f["request"].is_object())
        .map(|f| f["id"].as_str().unwrap());
    assert_eq!(counted(of_requests.iter().map(String::as_str)), counted(about_requests));
    assert_found(judgement, &findings);
    told
}

/// Each finding leads to a chain in which it stands, and each grant is found by its names.
fn assert_found(judgement: &Judgement<'_>, findings: &[Value]) {
    for finding in findings.iter().take(6) {
        let id = finding["id"].as_str().unwrap();
        let targets = match judgement.find(&ChainQuestion::Text(id.to_owned()), 9) {
            Found::One(target) => vec![target],
            Found::Several { candidates, .. } => candidates.into_iter().map(|c| c.target).collect(),
            Found::Nothing(_) => panic!("{id} is not found"),
        };
        for target in targets {
            let chain = judgement.chain(&target, &()).unwrap();
            assert!(chain.findings.iter().any(|f| f.id == id), "{id}");
        }
    }
    for verdict in judgement.verdicts().take(6) {
        let scope = verdict.scope.as_ref().map(|s| format!("@{s}")).unwrap_or_default();
        let text = format!("{}/{}/{}{scope}", verdict.system, verdict.account, verdict.entitlement);
        for question in [
            ChainQuestion::Text(text.clone()),
            ChainQuestion::Grant {
                system: verdict.system.to_string(),
                account: verdict.account.to_string(),
                entitlement: verdict.entitlement.to_string(),
                scope: verdict.scope.as_ref().map(ToString::to_string),
            },
        ] {
            let targets = match judgement.find(&question, 99) {
                Found::One(target) => vec![target],
                Found::Several { candidates, .. } => candidates.into_iter().map(|c| c.target).collect(),
                Found::Nothing(_) => panic!("{text} is not found"),
            };
            let meant = targets.iter().any(|target| {
                let chain = judgement.chain(target, &()).unwrap();
                let grant = chain.grant.as_ref();
                grant.is_some_and(|g| {
                    (&g.system, &g.account, &g.scope, &g.path)
                        == (&verdict.system, &verdict.account, &verdict.scope, &verdict.path)
                })
            });
            assert!(meant, "{question:?}");
        }
    }
}

#[test]
fn a_chain_says_what_the_judge_says_and_in_any_order_of_the_lines() {
    for seed in 0..400 {
        let (mut records, config, now) = estate(seed);
        let mut first = BTreeSet::new();
        judged(&records, &config, &now, &mut |judgement, _| first = chains(judgement));
        let mut dice = Dice::new(seed ^ 0xc4a1);
        let twice: Vec<Value> = records.iter().filter(|_| dice.percent(20)).cloned().collect();
        records.extend(twice);
        dice.shuffle(&mut records);
        judged(&records, &config, &now, &mut |judgement, _| {
            assert_eq!(first, chains(judgement), "seed {seed}");
        });
    }
}

#[test]
fn the_published_cases_have_whole_chains() {
    for path in crate::reference::cases().into_iter().flatten() {
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let records = case["records"].as_array().unwrap();
        judged(records, &case["config"], case["now"].as_str().unwrap(), &mut |judgement, _| {
            chains(judgement);
        });
    }
}

/// The estates must have what the chains are there to tell.
#[test]
fn every_step_comes_in_every_state_it_can_have_and_every_check_of_a_grant_rests_somewhere() {
    let mut states: BTreeMap<Step, BTreeSet<&'static str>> = BTreeMap::new();
    let mut checks: BTreeSet<String> = BTreeSet::new();
    for seed in 0..400 {
        let (records, config, now) = estate(seed);
        judged(&records, &config, &now, &mut |judgement, _| {
            for place in 0.. {
                let Some(chain) = judgement.chain_of_verdict(place, &()) else { break };
                for l in &chain.links {
                    states.entry(l.step).or_default().insert(l.state.as_str());
                    checks.extend(l.checks.iter().map(ToString::to_string));
                }
            }
        });
    }
    assert!(states.values().all(|s| s.contains("ok") && s.len() >= 3), "{states:?}");
    assert_eq!(checks.len(), 34, "{checks:?}");
}
