//! Who and what there is in an estate: identities, systems, entitlements, workflows, policies, delegations.

use serde_json::{Value, json};

use super::{
    ACCOUNTS, ALIASES, GROUPS, KINDS, Maker, PEOPLE, POLICIES, RIGHTS, SHARED, SYSTEM_ALIASES, SYSTEMS,
    WORKFLOWS,
};

impl Maker {
    pub(super) fn catalogue(&mut self) {
        let directory = self.dice.percent(96);
        for who in 0..self.people {
            if directory && self.dice.percent(96) {
                let record = self.identity(PEOPLE[who], who);
                self.add(record);
            }
        }
        if directory && self.dice.percent(4) {
            // A second id that differs in its case alone.
            let record = self.identity(&PEOPLE[0].to_uppercase(), 0);
            self.add(record);
        }
        for which in 0..self.systems {
            if self.dice.percent(85) {
                let record = self.system(SYSTEMS[which], which);
                self.add(record);
            }
            for right in RIGHTS {
                if self.dice.percent(45) {
                    let name = if self.dice.percent(85) { SYSTEMS[which] } else { SYSTEM_ALIASES[which] };
                    let name = self.spelled(name);
                    let record = self.entitlement(&name, right);
                    self.add(record);
                    if self.twins && self.dice.percent(50) {
                        // The same entitlement, under another spelling of its system.
                        let name = self.spelled(SYSTEMS[which]);
                        let record = self.entitlement(&name, right);
                        self.add(record);
                    }
                }
            }
        }
        for id in WORKFLOWS {
            if self.dice.percent(75) {
                let record = json!({"type": "workflow", "id": id, "owner": self.maybe(70, |m| json!(m.some_person()))});
                self.add(record);
            }
        }
        for id in &POLICIES[..self.dice.between(0, 3)] {
            let record = self.policy(id);
            self.add(record);
        }
        if self.dice.percent(5) {
            let record = self.policy("pol-1");
            self.add(record);
        }
        for _ in 0..self.dice.below(4) {
            let (from, to) = (self.some_person(), self.some_person());
            self.delegated.push((from.clone(), to.clone()));
            let record = json!({"type": "delegation", "from": from, "to": to,
                "starts_at": self.meeting(), "ends_at": self.maybe(60, Self::meeting)});
            self.add(record);
        }
    }

    pub(super) fn identity(&mut self, id: &str, who: usize) -> Value {
        let nature = [0, 0, 0, 0, 1, 2][who];
        let kind = if self.dice.percent(85) { KINDS[nature] } else { *self.dice.pick(&KINDS) };
        let mut aliases = Vec::new();
        if self.dice.percent(85) {
            aliases.push(self.spelled(ALIASES[who]));
        }
        if self.dice.percent(7) {
            let name = *self.dice.pick(&SHARED);
            aliases.push(self.spelled(name));
        }
        let mut accounts = Vec::new();
        while self.dice.percent(25) {
            let account = *self.dice.pick(&ACCOUNTS);
            accounts.push(json!({"system": self.some_system(), "account": account}));
        }
        let groups: Vec<String> = (0..self.dice.below(3))
            .map(|_| {
                let group = *self.dice.pick(&GROUPS);
                self.spelled(group)
            })
            .collect();
        let gone = self.dice.percent(20);
        json!({"type": "identity", "id": id,
            "kind": if kind == "human" && self.dice.percent(50) { Value::Null } else { json!(kind) },
            "aliases": aliases, "accounts": accounts,
            "groups": groups,
            "status": if gone { json!(self.dice.pick(&["disabled", "departed"])) } else { self.maybe(20, |_| json!("active")) },
            "status_since": self.maybe(if gone { 75 } else { 10 }, Self::moment),
            "owner": self.maybe(if kind == "human" { 5 } else { 80 }, |m| json!(m.some_person())),
            "manager": self.maybe(60, |m| json!(m.some_person()))})
    }

    pub(super) fn system(&mut self, id: &str, which: usize) -> Value {
        let mut aliases = vec![self.spelled(SYSTEM_ALIASES[which])];
        if self.dice.percent(6) {
            let other = if self.dice.percent(70) {
                *self.dice.pick(&SYSTEM_ALIASES)
            } else {
                *self.dice.pick(&SYSTEMS)
            };
            aliases.push(self.spelled(other));
        }
        json!({"type": "system", "id": id, "aliases": aliases, "owner": self.maybe(65, |m| json!(m.some_person()))})
    }

    pub(super) fn entitlement(&mut self, system: &str, id: &str) -> Value {
        let mut aliases = Vec::new();
        if self.dice.percent(12) {
            let name = *self.dice.pick(&["root", "superuser", "ADMIN"]);
            aliases.push(self.spelled(name));
        }
        let mut includes = Vec::new();
        while self.dice.percent(35) {
            let include = json!({"system": self.maybe(35, |m| json!(m.some_system())),
                "entitlement": self.some_right(), "scope": self.scope()});
            includes.push(self.thin(include));
        }
        json!({"type": "entitlement", "system": system, "id": id, "aliases": aliases, "includes": includes,
            "risk": self.maybe(60, |m| json!(m.dice.pick(&["low", "normal", "high", "high"]))),
            "owner": self.maybe(30, |m| json!(m.some_person()))})
    }

    pub(super) fn policy(&mut self, id: &str) -> Value {
        let mut approvers = Vec::new();
        while self.dice.percent(45) {
            approvers.push(match self.dice.below(6) {
                0 => format!("identity:{}", self.some_person()),
                1 => format!("group:{}", self.dice.pick(&GROUPS).to_uppercase()),
                2 => "manager".to_string(),
                3 => "identity_owner".to_string(),
                4 => "system_owner".to_string(),
                _ => "entitlement_owner".to_string(),
            });
        }
        let mut applies = Vec::new();
        while self.dice.percent(30) {
            let one = json!({"system": self.some_system(), "entitlement": self.maybe(60, |m| json!(m.some_right()))});
            applies.push(self.thin(one));
        }
        let kinds: Vec<&str> = if self.dice.percent(25) { vec![*self.dice.pick(&KINDS)] } else { vec![] };
        json!({"type": "policy", "id": id, "approvers": approvers, "applies_to": applies, "identity_kinds": kinds,
            "title": "Access", "min_approvers": self.maybe(50, |m| json!([0, 1, 2, 2, 3][m.dice.below(5)])),
            "in_force_from": self.maybe(25, Self::past), "in_force_until": self.maybe(20, Self::moment),
            "max_ttl": self.maybe(35, Self::length), "review_every": self.maybe(40, Self::length)})
    }
}
