//! Looking through findings: what the database says of filters, orders, pages and groups is what going through all of them
//! would say.

use counterfoil::model::event::State;
use counterfoil::model::finding::Severity;
use counterfoil::model::life::{Acceptance, Life};
use counterfoil::store::{Batch, GroupBy, GroupCount, OrderBy, Page, Which};

use super::Home;
use super::toy::{at, life};
use crate::reference::estates::Dice;

fn some(dice: &mut Dice, all: &[&str]) -> Option<String> {
    let n = dice.below(all.len() + 1);
    all.get(n).map(|text| (*text).to_owned())
}

fn any(dice: &mut Dice, id: &str) -> Life {
    let until = |d: &mut Dice| at(100 + d.below(5) as i64);
    let accepted = |d: &mut Dice| Acceptance {
        by: "boss".to_owned(),
        reason: "x".to_owned(),
        until: until(d),
        severity: Severity::Low,
        standing: None,
    };
    Life {
        system: some(dice, &["vpn", "pg", "É%_"]),
        source: some(dice, &["iam"]),
        account: some(dice, &["alice", "ALICE", "bob"]),
        subject: some(dice, &["alice@x", "bob@x"]),
        request: some(dice, &["A-1", "A-2", "A:3"]).map(|id| ("jira".to_owned(), id)),
        owner: some(dice, &["carol", "dave"]),
        severity: Severity::ALL[dice.below(4)],
        state: State::ALL[dice.below(3)],
        check: ["orphan-account", "self-approval"][dice.below(2)].to_owned(),
        first_seen: at(dice.below(6) as i64),
        changed_at: at(dice.below(6) as i64),
        acceptance: if dice.percent(40) { Some(accepted(dice)) } else { None },
        ..life(id, 1)
    }
}

fn question(dice: &mut Dice) -> Which {
    let pick = |dice: &mut Dice| dice.percent(25);
    Which {
        states: if pick(dice) { vec![] } else { vec![State::ALL[dice.below(3)], State::Open] },
        severities: if pick(dice) { vec![Severity::ALL[dice.below(4)]] } else { vec![] },
        checks: if pick(dice) { vec!["self-approval".to_owned()] } else { vec![] },
        system: if pick(dice) { some(dice, &["vpn", "É%_", "none"]) } else { None },
        source: if pick(dice) { Some("iam".to_owned()) } else { None },
        owner: if pick(dice) { Some(some(dice, &["carol"])) } else { None },
        subject: if pick(dice) { Some("bob@x".to_owned()) } else { None },
        account: if pick(dice) { Some("ALICE".to_owned()) } else { None },
        request: if pick(dice) { Some(("jira".to_owned(), "A:3".to_owned())) } else { None },
        seen_before: if pick(dice) { Some(at(dice.below(6) as i64)) } else { None },
        text: if pick(dice) { some(dice, &["aLiCe", "%", "a-", "carol"]) } else { None },
    }
}

fn fits(which: &Which, l: &Life) -> bool {
    let request = l.request.as_ref().map(|(source, id)| format!("{source}\n{id}"));
    let texts = [
        Some(&l.id),
        l.system.as_ref(),
        l.account.as_ref(),
        l.subject.as_ref(),
        l.owner.as_ref(),
        request.as_ref(),
    ];
    let all: Vec<&str> = texts.into_iter().flatten().map(String::as_str).collect();
    let holds = |text: &String| all.join("\n").to_ascii_lowercase().contains(&text.to_ascii_lowercase());
    (which.states.is_empty() || which.states.contains(&l.state))
        && (which.severities.is_empty() || which.severities.contains(&l.severity))
        && (which.checks.is_empty() || which.checks.contains(&l.check))
        && which.system.as_ref().is_none_or(|s| l.system.as_ref() == Some(s))
        && which.source.as_ref().is_none_or(|s| l.source.as_ref() == Some(s))
        && which.owner.as_ref().is_none_or(|s| l.owner == *s)
        && which.subject.as_ref().is_none_or(|s| l.subject.as_ref() == Some(s))
        && which.account.as_ref().is_none_or(|s| l.account.as_ref() == Some(s))
        && which.request.as_ref().is_none_or(|r| l.request.as_ref() == Some(r))
        && which.seen_before.is_none_or(|t| l.first_seen < t)
        && which.text.as_ref().is_none_or(holds)
}

/// What a finding is put in order by, as a text that sorts as it does; what is absent is the least.
fn key(order: OrderBy, l: &Life) -> Option<String> {
    match order {
        OrderBy::Severity => Some((l.severity as u8).to_string()),
        OrderBy::FirstSeen => Some(l.first_seen.to_string()),
        OrderBy::ChangedAt => Some(l.changed_at.to_string()),
        OrderBy::Check => Some(l.check.clone()),
        OrderBy::System => l.system.clone(),
        OrderBy::Owner => l.owner.clone(),
        OrderBy::Until => l.acceptance.as_ref().map(|a| a.until.to_string()),
    }
}

fn groups(of: &[Life], by: GroupBy) -> Vec<GroupCount> {
    let mut all: Vec<GroupCount> = vec![];
    for l in of {
        let name = match by {
            GroupBy::Request => l.request.as_ref().map(|(source, id)| format!("{source}\n{id}")),
            GroupBy::Owner => l.owner.clone(),
            GroupBy::System => l.system.clone(),
            GroupBy::Check => Some(l.check.clone()),
            GroupBy::Subject => l.subject.clone(),
        };
        let urgent = [Severity::Critical, Severity::High].map(|s| u64::from(l.severity == s));
        match all.iter_mut().find(|g| g.name == name) {
            Some(g) => {
                g.count += 1;
                g.urgent = [g.urgent[0] + urgent[0], g.urgent[1] + urgent[1]];
                g.worst = g.worst.max(l.severity);
                g.oldest = g.oldest.min(l.first_seen);
            }
            None => all.push(GroupCount { name, count: 1, urgent, worst: l.severity, oldest: l.first_seen }),
        }
    }
    all.sort_by(|a, b| (b.worst, b.count).cmp(&(a.worst, a.count)).then_with(|| a.name.cmp(&b.name)));
    all
}

pub fn what_is_looked_for_is_what_going_through_all_would_find(home: &dyn Home) {
    let (mut store, mut dice) = (home.open(), Dice::new(77));
    let mut all: Vec<Life> = vec![];
    for n in 0..120 {
        // Some are kept a second time, and then stand where they stood.
        let id = format!("f1:{}", if n % 7 == 6 { dice.below(n) } else { n });
        let life = any(&mut dice, &id);
        match all.iter_mut().find(|l| l.id == id) {
            // The check stands in the id of a finding, and never changes.
            Some(l) => *l = Life { check: l.check.clone(), ..life },
            None => all.push(life),
        }
        let life = all.iter().find(|l| l.id == id).unwrap().clone();
        store.commit(Batch { lives: vec![life], ..Batch::default() }).unwrap();
    }
    let mut found_some = 0;
    for _ in 0..600 {
        let which = question(&mut dice);
        let (order, _) = OrderBy::ALL[dice.below(OrderBy::ALL.len())];
        let descending = dice.percent(50);
        let page = Page { order, descending, offset: dice.below(12) as u64, limit: dice.below(9) as u32 };
        let mut fit: Vec<Life> = all.iter().filter(|l| fits(&which, l)).cloned().collect();
        let by = GroupBy::ALL[dice.below(GroupBy::ALL.len())].0;
        let mut counted = groups(&fit, by);
        counted.truncate(3);
        assert_eq!(store.group(&which, by, 3).unwrap(), counted, "{which:?}");
        let (least, greatest) = (|a: &Life, b: &Life| key(order, a).cmp(&key(order, b)), descending);
        fit.sort_by(|a, b| if greatest { least(b, a) } else { least(a, b) });
        let total = fit.len() as u64;
        let shown: Vec<Life> = fit.into_iter().skip(page.offset as usize).take(page.limit as usize).collect();
        let found = store.find(&which, &page).unwrap();
        assert_eq!(found.total, total, "{which:?}");
        assert_eq!(found.lives, shown, "{which:?} {page:?}");
        found_some += u32::from(!shown.is_empty());
    }
    assert!(found_some > 150, "{found_some}");
}
