//! Small dense estates made from a seed: few names in many spellings, instants at, one millisecond before and one
//! millisecond after every threshold, so that matches, ambiguities and boundaries happen often.

mod catalogue;
mod happenings;

use serde_json::{Map, Value, json};
use unicode_normalization::UnicodeNormalization;

use super::people::CHECKS;
use super::values::{DAY, HOUR, MINUTE, instant, written};

/// splitmix64: small, and the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `n` − 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Puts the items in a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            let other = self.below(at + 1);
            items.swap(at, other);
        }
    }
}

const PEOPLE: [&str; 6] = ["alice@corp.example", "bob@corp.example", "José", "mel", "bot-7", "agent-1"];
/// The alias each of `PEOPLE` bears by nature, and two that several may claim.
const ALIASES: [&str; 6] = ["alice", "Bob", "ΣΊΣΥΦΟΣ", "Mel K", "robot", "agent"];
const SHARED: [&str; 4] = ["alex", "OPS é", "mel", "h\u{331}an İ"];
const ACCOUNTS: [&str; 4] = ["u1", "U1", "root", "zoë"];
const SYSTEMS: [&str; 3] = ["pg-prod", "vpn", "AWS é"];
const SYSTEM_ALIASES: [&str; 3] = ["Production Postgres", "net", "cloud"];
const RIGHTS: [&str; 4] = ["admin", "read", "Write", "bündle"];
const SCOPES: [&str; 9] = ["a", "a/b", "a/b/c", "ab", "a/*", "*", "", "b", "A"];
const POLICIES: [&str; 3] = ["POL-1", "POL-2", "POL-3"];
const WORKFLOWS: [&str; 2] = ["SEC", "OPS"];
const GROUPS: [&str; 2] = ["db-owners", "On Call"];
const KINDS: [&str; 3] = ["human", "service", "agent"];
const TICKETS: [&str; 4] = ["SEC-1", "SEC-2", "SEC-10", "sec-3"];
const THRESHOLDS: [&str; 13] = [
    "expiry_grace",
    "grant_tolerance",
    "revocation_lag",
    "revocation_sla",
    "provisioning_window",
    "fulfilment_window",
    "unused_after",
    "unused_after_high_risk",
    "leaver_grace",
    "emergency_ratify_within",
    "agent_max_ttl",
    "agent_review_every",
    "source_max_age",
];

/// One estate in the making.
struct Maker {
    dice: Dice,
    now: i64,
    /// Instants that come back again and again, so that two of them meet.
    anchors: Vec<i64>,
    /// Lengths of time that some threshold has in this estate.
    spans: Vec<i64>,
    /// The person, system and right that most records of this estate are about.
    person: usize,
    system: usize,
    right: usize,
    people: usize,
    systems: usize,
    /// Whether this estate is one of break-glass tickets that still wait.
    urgent: bool,
    /// Whether some entitlements stand in the catalogue twice, under two spellings of their system.
    twins: bool,
    /// Who decides for whom by some delegation.
    delegated: Vec<(String, String)>,
    records: Vec<Value>,
}

/// The records, the configuration and `now` of one estate.
pub fn estate(seed: u64) -> (Vec<Value>, Value, String) {
    make(seed, false)
}

/// The same, with entitlements catalogued twice under two spellings of their system: the specification does not say
/// whose owner and risk then count, only that the order of the lines does not.
pub fn estate_with_twins(seed: u64) -> (Vec<Value>, Value, String) {
    make(seed, true)
}

fn make(seed: u64, twins: bool) -> (Vec<Value>, Value, String) {
    let mut dice = Dice::new(seed);
    let now = instant(["2026-06-01T00:00:00Z", "2026-03-29T01:30:15.250Z"][dice.below(2)]);
    let mut spans = vec![0, 5 * MINUTE, 15 * MINUTE, HOUR, 8 * HOUR, DAY, 7 * DAY, 30 * DAY, 90 * DAY];
    let people = dice.between(2, 5) + 1;
    let systems = dice.between(1, 3);
    let mut maker = Maker {
        now,
        anchors: Vec::new(),
        person: dice.below(people),
        system: dice.below(systems),
        right: dice.below(RIGHTS.len()),
        people,
        systems,
        urgent: dice.percent(12),
        twins,
        delegated: Vec::new(),
        records: Vec::new(),
        spans: Vec::new(),
        dice,
    };
    let config = maker.config(&mut spans);
    // Three lengths are hot in each estate; the rest are left to other seeds.
    maker.spans = (0..3).map(|_| *maker.dice.pick(&spans)).collect();
    maker.anchors = [0, 0, 10, 40, 100, 200].map(|days| now - days * DAY).to_vec();
    maker.anchors.extend([10, 10, 35].map(|days| now + days * DAY));
    maker.catalogue();
    maker.activity();
    maker.repeats();
    let Maker { mut dice, mut records, .. } = maker;
    dice.shuffle(&mut records);
    (records, config, written(now))
}

impl Maker {
    // --- words ---

    /// The same name in another spelling: case, spaces, composed or not.
    fn spelled(&mut self, name: &str) -> String {
        match self.dice.below(10) {
            0 => name.to_uppercase(),
            1 => name.to_lowercase(),
            2 => format!(" {name}\u{a0}"),
            3 => name.nfd().collect(),
            4 => name.nfc().collect::<String>().to_uppercase().nfd().collect(),
            _ => name.to_string(),
        }
    }

    fn some_person(&mut self) -> String {
        let who = if self.dice.percent(30) { self.person } else { self.dice.below(self.people) };
        self.name_of(who)
    }

    fn main_person(&mut self) -> String {
        let who = if self.dice.percent(88) { self.person } else { self.dice.below(self.people) };
        self.name_of(who)
    }

    fn name_of(&mut self, who: usize) -> String {
        let name = match self.dice.below(40) {
            0 => *self.dice.pick(&SHARED),
            1 => "nobody",
            2..=11 => ALIASES[who],
            _ => PEOPLE[who],
        };
        self.spelled(name)
    }

    fn account(&mut self) -> String {
        if self.dice.percent(15) {
            let name = *self.dice.pick(&ACCOUNTS);
            self.spelled(name)
        } else {
            self.main_person()
        }
    }

    fn some_system(&mut self) -> String {
        let which = if self.dice.percent(85) { self.system } else { self.dice.below(self.systems) };
        let name = match self.dice.below(50) {
            0 => "nowhere",
            1..=6 => SYSTEM_ALIASES[which],
            _ => SYSTEMS[which],
        };
        self.spelled(name)
    }

    fn some_right(&mut self) -> String {
        let name = if self.dice.percent(85) { RIGHTS[self.right] } else { *self.dice.pick(&RIGHTS) };
        self.spelled(name)
    }

    fn scope(&mut self) -> Value {
        if self.dice.percent(76) { Value::Null } else { json!(self.dice.pick(&SCOPES)) }
    }

    /// An instant at, just before or just after something that matters, in one of several spellings.
    fn moment(&mut self) -> Value {
        let from = if self.dice.percent(50) { self.now } else { *self.dice.pick(&self.anchors) };
        let span = *self.dice.pick(&self.spans);
        let at = match self.dice.below(8) {
            0 => from,
            1 => from + span,
            2..=5 => from - span,
            _ => *self.dice.pick(&self.anchors),
        };
        let at = at + [0, 0, 1, -1][self.dice.below(4)];
        json!(self.spelled_instant(at))
    }

    fn spelled_instant(&mut self, at: i64) -> String {
        match self.dice.below(8) {
            0 => written(at).replace('Z', "+00:00"),
            1 => written(at + 2 * HOUR).replace('Z', "+02:00"),
            // Finer than a millisecond, which does not count.
            3 if self.dice.percent(20) => {
                let text = written(at);
                let fraction = if text.contains('.') { "000999Z" } else { ".000999Z" };
                text.replace('Z', fraction)
            }
            2 => written(at - 5 * HOUR - 30 * MINUTE).replace('Z', "-05:30"),
            _ => written(at),
        }
    }

    /// One of the instants that come back, or a millisecond beside it.
    fn meeting(&mut self) -> Value {
        let at = *self.dice.pick(&self.anchors) + [0, 0, 0, 1, -1][self.dice.below(5)];
        json!(self.spelled_instant(at))
    }

    /// An instant before or at now; now and then one that is still to come.
    fn past(&mut self) -> Value {
        if self.dice.percent(4) {
            return self.moment();
        }
        for _ in 0..8 {
            let at = self.moment();
            if instant(at.as_str().unwrap()) <= self.now {
                return at;
            }
        }
        json!(written(self.now))
    }

    fn length(&mut self) -> Value {
        let span = *self.dice.pick(&self.spans);
        let text = match self.dice.below(6) {
            0 => "PT0S".to_string(),
            1 => "P2W".to_string(),
            2 => "P1DT12H".to_string(),
            _ => format!("PT{}S", span / 1000),
        };
        json!(text)
    }

    /// The value in `chance` of a hundred cases; else left out or written as null.
    fn maybe(&mut self, chance: usize, value: impl FnOnce(&mut Self) -> Value) -> Value {
        if self.dice.percent(chance) { value(self) } else { Value::Null }
    }

    /// Drops most nulls, keeps some: both mean "not known".
    fn thin(&mut self, mut record: Value) -> Value {
        let fields: &mut Map<String, Value> = record.as_object_mut().unwrap();
        let empty: Vec<String> =
            fields.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone()).collect();
        for name in empty {
            if self.dice.percent(85) {
                fields.remove(&name);
            }
        }
        record
    }

    fn add(&mut self, record: Value) {
        let record = self.thin(record);
        self.records.push(record);
    }

    // --- configuration ---

    fn config(&mut self, spans: &mut Vec<i64>) -> Value {
        let mut checks = Map::new();
        for name in THRESHOLDS {
            if self.dice.percent(15) {
                let (text, span) = *self.dice.pick(&[
                    ("PT0S", 0),
                    ("PT2H", 2 * HOUR),
                    ("P10D", 10 * DAY),
                    ("P60D", 60 * DAY),
                ]);
                checks.insert(name.to_string(), json!(text));
                spans.push(span);
            }
        }
        for name in CHECKS {
            if self.dice.percent(2) {
                checks.insert(name.to_string(), json!({"enabled": false}));
            } else if self.dice.percent(3) {
                let severity = *self.dice.pick(&["low", "medium", "high", "critical"]);
                checks.insert(name.to_string(), json!({"severity": severity}));
            }
        }
        let mut birthright = Vec::new();
        while self.dice.percent(18) {
            let mut rule = json!({"system": self.some_system(), "entitlement": self.some_right()});
            if self.dice.percent(70) {
                rule["identity_kinds"] = json!([self.dice.pick(&KINDS)]);
            }
            birthright.push(rule);
        }
        let mut accountability = Map::new();
        for role in ["workflow_owner", "system_owner", "operator"] {
            if self.dice.percent(30) {
                accountability.insert(role.to_string(), json!(self.some_person()));
            }
        }
        json!({"checks": checks, "birthright": birthright, "accountability": accountability})
    }
}
