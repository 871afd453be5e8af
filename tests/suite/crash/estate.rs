//! A small company that changes: grants, tickets, people and policies made from a seed, and moved on from the same seed,
//! so that whoever lives through the same rounds sees the same files.

use counterfoil::model::{Duration, Instant};
use serde_json::{Value, json};

/// splitmix64: small, and the same on every machine.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// The sources, each in a file `NAME.jsonl`.
pub const SOURCES: [&str; 5] = ["tickets", "cloud", "ledger", "people", "policies"];

const SYSTEMS: [&str; 4] = ["aws-prod", "github", "ledger", "vpn"];
const RIGHTS: [&str; 5] = ["admin", "deploy", "read", "write", "billing"];
const STATES: [&str; 6] = ["approved", "approved", "approved", "pending", "rejected", "cancelled"];

#[derive(Clone)]
struct Person {
    departed: Option<Instant>,
    manager: usize,
}

#[derive(Clone)]
struct Grant {
    system: usize,
    right: usize,
    person: usize,
    live: bool,
    used: Option<Instant>,
    at: Instant,
}

#[derive(Clone)]
struct Ticket {
    system: usize,
    right: usize,
    person: usize,
    state: usize,
    approver: usize,
    decided: Instant,
    expires: Instant,
}

/// The company at one instant.
#[derive(Clone)]
pub struct Estate {
    dice: Dice,
    begun: Instant,
    people: Vec<Person>,
    grants: Vec<Grant>,
    tickets: Vec<Ticket>,
    owners: [usize; SYSTEMS.len()],
}

impl Estate {
    /// A company of `grants` grants, at `now`.
    pub fn new(seed: u64, grants: usize, now: Instant) -> Self {
        let mut dice = Dice::new(seed);
        let people = grants.div_ceil(5).max(4);
        let begun = now.minus(Duration::days(20));
        let mut estate = Self {
            people: (0..people).map(|n| Person { departed: None, manager: (n + 1) % people }).collect(),
            grants: vec![],
            tickets: vec![],
            owners: [0, 1, 2, 3],
            begun,
            dice: dice.clone(),
        };
        let mut held = std::collections::BTreeSet::new();
        while estate.grants.len() < grants {
            let key = (dice.below(SYSTEMS.len()), dice.below(RIGHTS.len()), dice.below(people));
            if !held.insert(key) {
                continue;
            }
            let (system, right, person) = key;
            let at = begun.plus(Duration::minutes(dice.below(600) as u64));
            let live = dice.percent(85);
            estate.grants.push(Grant { system, right, person, live, used: None, at });
            if dice.percent(80) {
                let state = dice.below(STATES.len());
                let approver = (person + 1 + dice.below(people - 1)) % people;
                let expires = now.plus(Duration::hours(dice.below(24 * 60) as u64));
                let decided = at.minus(Duration::minutes(30));
                estate.tickets.push(Ticket { system, right, person, state, approver, decided, expires });
            }
        }
        estate
    }

    /// What happens until `now`.
    pub fn step(&mut self, now: Instant) {
        for _ in 0..3 + self.dice.below(6) {
            let (kind, n) = (self.dice.below(100), self.dice.below(1 << 20));
            let (grants, tickets, people) = (self.grants.len(), self.tickets.len(), self.people.len());
            match kind {
                0..35 => {
                    let grant = &mut self.grants[n % grants];
                    grant.live = !grant.live;
                }
                35..60 => self.tickets[n % tickets].state = self.dice.below(STATES.len()),
                60..70 => {
                    let hours = self.dice.below(24 * 30) as u64;
                    self.tickets[n % tickets].expires =
                        now.minus(Duration::days(1)).plus(Duration::hours(hours));
                }
                70..80 => {
                    let person = &mut self.people[n % people];
                    person.departed = if person.departed.is_some() { None } else { Some(now) };
                }
                80..90 => self.grants[n % grants].used = Some(now),
                90..97 => self.people[n % people].manager = self.dice.below(people),
                // All that is found on a system changes hands.
                _ => self.owners[n % SYSTEMS.len()] = self.dice.below(people),
            }
        }
    }

    /// Its files: the name of the source, and lines of records.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let lines = |records: Vec<Value>| records.iter().map(|r| format!("{r}\n")).collect::<String>();
        let (cloud, ledger) = self.grants.iter().filter(|g| g.live).partition(|g| g.system < 2);
        vec![
            ("tickets", lines(self.tickets())),
            ("cloud", lines(self.held(cloud))),
            ("ledger", lines(self.held(ledger))),
            ("people", lines(self.people())),
            ("policies", lines(self.policies())),
        ]
    }

    fn tickets(&self) -> Vec<Value> {
        let mut records = vec![];
        for (n, t) in self.tickets.iter().enumerate() {
            let decision = match STATES[t.state] {
                "approved" => "approved",
                "rejected" => "rejected",
                _ => "pending",
            };
            records.push(json!({
                "type": "request", "source": "tickets", "id": format!("ACC-{n}"), "state": STATES[t.state],
                "requester": name(t.person), "beneficiaries": [name(t.person)], "policy": "POL-1",
                "access": [{"system": SYSTEMS[t.system], "entitlement": RIGHTS[t.right]}],
                "approvals": [{"approver": name(t.approver), "decision": decision, "decided_at": t.decided.to_string()}],
                "requested_at": t.decided.minus(Duration::hours(2)).to_string(), "workflow": "ACC",
                "decided_at": t.decided.to_string(), "expires_at": t.expires.to_string(), "justification": "work — “daily”",
            }));
        }
        records
    }

    fn held(&self, grants: Vec<&Grant>) -> Vec<Value> {
        let mut records = vec![];
        for g in grants {
            records.push(json!({
                "type": "grant", "system": SYSTEMS[g.system], "account": format!("u{}", g.person),
                "entitlement": RIGHTS[g.right], "granted_at": g.at.to_string(),
                "last_used_at": g.used.map(|t| t.to_string()), "usage_tracked_since": self.begun.to_string(),
            }));
        }
        records
    }

    fn people(&self) -> Vec<Value> {
        let mut records = vec![];
        for (n, p) in self.people.iter().enumerate() {
            let accounts: Vec<Value> =
                SYSTEMS.iter().map(|s| json!({"system": s, "account": format!("u{n}")})).collect();
            records.push(json!({
                "type": "identity", "id": name(n), "name": format!("Person Nº {n}"), "manager": name(p.manager),
                "status": if p.departed.is_some() { "departed" } else { "active" },
                "status_since": p.departed.map(|t| t.to_string()), "accounts": accounts,
            }));
        }
        records
    }

    fn policies(&self) -> Vec<Value> {
        let mut records = vec![
            json!({"type": "policy", "id": "POL-1", "in_force_from": "2020-01-01T00:00:00Z", "review_every": "P90D"}),
            json!({"type": "workflow", "id": "ACC", "owner": name(0)}),
        ];
        for (n, system) in SYSTEMS.iter().enumerate() {
            records.push(json!({"type": "system", "id": system, "owner": name(self.owners[n])}));
            let accepted = self.begun.plus(Duration::days(50)).to_string();
            records.push(json!({
                "type": "exception", "check": "unapproved-grant", "accepted_by": name(n), "reason": "known",
                "expires_at": accepted, "system": system, "account": format!("u{}", n + 7), "entitlement": RIGHTS[n],
            }));
            for right in RIGHTS {
                let risk = if right == "admin" { "high" } else { "normal" };
                records.push(json!({"type": "entitlement", "system": system, "id": right, "risk": risk}));
            }
        }
        records
    }
}

fn name(person: usize) -> String {
    format!("p{person}@corp.example")
}
