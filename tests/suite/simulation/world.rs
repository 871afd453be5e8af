//! A small company made from a seed, and what happens in it: people come and go, ask, are granted and lose access.

use counterfoil::model::{Duration, Instant};
use serde_json::{Value, json};

use crate::reference::estates::Dice;

pub const SYSTEMS: [&str; 2] = ["aws", "git"];
const RIGHTS: [&str; 3] = ["admin", "write", "read"];
const BOSS: &str = "boss@corp.example";

/// Somebody, and since when they are gone.
struct Person {
    name: String,
    gone: Option<Instant>,
}

struct Ticket {
    number: usize,
    person: usize,
    system: usize,
    right: usize,
    decided: Option<Instant>,
    ends: Option<Instant>,
}

struct Grant {
    account: String,
    system: usize,
    right: usize,
    since: Instant,
    used: Option<Instant>,
}

pub struct World {
    people: Vec<Person>,
    tickets: Vec<Ticket>,
    grants: Vec<Grant>,
    asked: usize,
    /// Whether anybody who is known answers for the systems.
    owned: bool,
}

impl World {
    pub fn new(dice: &mut Dice, now: Instant) -> World {
        let mut world =
            World { people: vec![], tickets: vec![], grants: vec![], asked: 0, owned: dice.percent(50) };
        for _ in 0..12 {
            world.join();
        }
        for _ in 0..30 {
            world.stir(dice, now.minus(Duration::days(2)));
        }
        world
    }

    fn join(&mut self) {
        self.people.push(Person { name: format!("p{}", self.people.len()), gone: None });
    }

    fn ask(&mut self, dice: &mut Dice, now: Instant) -> usize {
        let person = dice.below(self.people.len());
        let (system, right) = (dice.below(SYSTEMS.len()), dice.below(RIGHTS.len()));
        let decided = dice.percent(70).then_some(now);
        let ends = dice.percent(40).then(|| now.plus(Duration::hours(1 + dice.below(90) as u64)));
        self.asked += 1;
        self.tickets.push(Ticket { number: self.asked, person, system, right, decided, ends });
        self.tickets.len() - 1
    }

    fn give(&mut self, account: String, system: usize, right: usize, since: Instant) {
        let held = |g: &Grant| g.account == account && g.system == system && g.right == right;
        if !self.grants.iter().any(held) {
            self.grants.push(Grant { account, system, right, since, used: None });
        }
    }

    /// One thing happens.
    pub fn stir(&mut self, dice: &mut Dice, now: Instant) {
        match dice.below(14) {
            0 => self.join(),
            1 if dice.percent(50) => {
                let who = dice.below(self.people.len());
                self.people[who].gone = Some(now);
            }
            2 => {
                let who = dice.below(self.people.len());
                self.people[who].gone = None;
            }
            3..=5 => {
                let at = self.ask(dice, now);
                if dice.percent(80) {
                    let (person, system, right) =
                        (self.tickets[at].person, self.tickets[at].system, self.tickets[at].right);
                    self.give(
                        self.people[person].name.clone(),
                        system,
                        right,
                        now.plus(Duration::minutes(5)),
                    );
                }
            }
            6 | 7 => {
                // Without asking; sometimes nobody knows whose account it is.
                let stranger = dice.percent(25);
                let who = dice.below(self.people.len());
                let account =
                    if stranger { format!("svc{}", dice.below(5)) } else { self.people[who].name.clone() };
                self.give(account, dice.below(SYSTEMS.len()), dice.below(RIGHTS.len()), now);
            }
            8 | 9 if !self.grants.is_empty() => {
                self.grants.remove(dice.below(self.grants.len()));
            }
            10 if !self.tickets.is_empty() => {
                let at = dice.below(self.tickets.len());
                let decided = self.tickets[at].decided;
                self.tickets[at].decided =
                    if decided.is_some() && dice.percent(30) { None } else { Some(now) };
            }
            11 if self.tickets.len() > 8 => {
                self.tickets.remove(dice.below(self.tickets.len()));
            }
            _ if !self.grants.is_empty() => {
                let at = dice.below(self.grants.len());
                self.grants[at].used = Some(now);
            }
            _ => {}
        }
    }

    /// What a source holds.
    pub fn records(&self, source: &str) -> Vec<Value> {
        match source {
            "hr" => self.people(),
            "tickets" => self.tickets.iter().map(|t| self.ticket(t)).collect(),
            system => self.held(system),
        }
    }

    fn people(&self) -> Vec<Value> {
        let boss = json!({"type": "identity", "source": "hr", "id": BOSS});
        let person = |p: &Person| {
            let mut record = json!({"type": "identity", "source": "hr", "id": format!("{}@corp.example", p.name), "aliases": [p.name]});
            if let Some(gone) = p.gone {
                record["status"] = json!("departed");
                record["status_since"] = json!(gone.to_string());
            }
            record
        };
        [boss].into_iter().chain(self.people.iter().map(person)).collect()
    }

    fn ticket(&self, t: &Ticket) -> Value {
        let person = format!("{}@corp.example", self.people[t.person].name);
        let mut record = json!({"type": "request", "source": "tickets", "id": format!("SEC-{}", t.number),
            "state": if t.decided.is_some() { "approved" } else { "pending" }, "requester": person,
            "beneficiaries": [person], "access": [{"system": SYSTEMS[t.system], "entitlement": RIGHTS[t.right]}]});
        if let Some(decided) = t.decided {
            let decided = decided.to_string();
            record["approvals"] = json!([{"approver": BOSS, "decision": "approved", "decided_at": decided}]);
        }
        if let Some(ends) = t.ends {
            record["expires_at"] = json!(ends.to_string());
        }
        record
    }

    fn held(&self, system: &str) -> Vec<Value> {
        let owner = if self.owned { BOSS } else { "nobody@corp.example" };
        let mut records = vec![json!({"type": "system", "source": system, "id": system, "owner": owner})];
        for (right, risk) in RIGHTS.iter().zip(["high", "normal", "low"]) {
            records.push(
                json!({"type": "entitlement", "source": system, "system": system, "id": right, "risk": risk}),
            );
        }
        for g in self.grants.iter().filter(|g| SYSTEMS[g.system] == system) {
            let mut record = json!({"type": "grant", "source": system, "system": system, "account": g.account,
                "entitlement": RIGHTS[g.right], "granted_at": g.since.to_string()});
            if let Some(used) = g.used {
                record["last_used_at"] = json!(used.to_string());
            }
            records.push(record);
        }
        records
    }
}
