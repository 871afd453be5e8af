//! What happens in an estate: requests, grants, use, reviews, pulls, and records seen twice.

use serde_json::{Value, json};

use super::super::people::CHECKS;
use super::super::values::{DAY, HOUR, MINUTE};
use super::{Maker, PEOPLE, POLICIES, TICKETS, WORKFLOWS};

impl Maker {
    pub(super) fn activity(&mut self) {
        for _ in 0..self.dice.between(2, 7) {
            let record = self.request();
            self.add(record);
        }
        for _ in 0..self.dice.between(1, 5) {
            let record = self.grant();
            self.add(record);
        }
        for _ in 0..self.dice.below(3) {
            let record = json!({"type": "usage", "system": self.some_system(), "account": self.account(),
                "entitlement": self.maybe(40, |m| json!(m.some_right())),
                "last_used_at": self.maybe(60, Self::past), "tracked_since": self.maybe(50, Self::past),
                "attribution": self.maybe(50, |m| json!(m.dice.pick(&["grant", "account", "credential"]))),
                "success": self.maybe(50, |m| json!(m.dice.pick(&["yes", "attempt", "unknown"])))});
            self.add(record);
        }
        while self.dice.percent(45) {
            let record = json!({"type": "certification", "system": self.some_system(), "account": self.account(),
                "reviewer": self.some_person(), "decided_at": if self.dice.percent(50) { self.meeting() } else { self.past() },
                "decision": self.dice.pick(&["certified", "certified", "revoked"]),
                "entitlement": self.maybe(40, |m| json!(m.some_right())),
                "scope": self.maybe(15, |m| json!(m.dice.pick(&["a", "a/b"]))),
                "next_review_by": self.maybe(50, Self::moment)});
            if self.dice.percent(25) {
                // Another review at the same instant, with its own next date.
                let mut other = record.clone();
                other["next_review_by"] = self.maybe(50, Self::moment);
                self.add(other);
            }
            self.add(record);
        }
        while self.dice.percent(25) {
            let record = self.snapshot();
            self.add(record);
        }
        if self.dice.percent(10) {
            let record = json!({"type": "exception", "check": self.dice.pick(&CHECKS), "accepted_by": PEOPLE[0],
                "reason": "accepted for a time", "expires_at": self.moment(),
                "system": self.some_system(), "account": self.account(), "entitlement": self.some_right()});
            self.add(record);
        }
    }

    fn request(&mut self) -> Value {
        let state =
            ["approved", "approved", "approved", "approved", "approved", "pending", "rejected", "cancelled"]
                [self.dice.below(8)];
        let state = if self.urgent && self.dice.percent(50) { "pending" } else { state };
        let revoke = self.dice.percent(18);
        let mut beneficiaries = Vec::new();
        if self.dice.percent(96) {
            beneficiaries.push(self.main_person());
        }
        if self.dice.percent(20) {
            beneficiaries.push(self.some_person());
        }
        let mut access = Vec::new();
        if self.dice.percent(96) {
            access.push(self.item());
        }
        if self.dice.percent(20) {
            access.push(self.item());
        }
        let approvals: Vec<Value> =
            (0..[0, 1, 1, 1, 2, 2, 3][self.dice.below(7)]).map(|_| self.approval(state)).collect();
        let mut changes = Vec::new();
        while self.dice.percent(20) {
            let field = *self.dice.pick(&["Access", "labels", "ttl", " POLICY ", "scope"]);
            changes.push(json!({"at": self.moment(), "by": self.some_person(), "field": field}));
        }
        json!({"type": "request", "source": self.dice.pick(&["jira", "snow"]), "id": self.dice.pick(&TICKETS),
        "state": state, "intent": if revoke { json!("revoke") } else { self.maybe(10, |_| json!("grant")) },
        "requester": self.maybe(80, |m| json!(m.some_person())),
        "beneficiaries": beneficiaries, "access": access, "approvals": approvals, "changes": changes,
        "requested_at": self.maybe(70, Self::past), "decided_at": self.maybe(50, Self::past),
        "policy": self.maybe(75, |m| {
            let id = if m.dice.percent(60) { POLICIES[0] } else { *m.dice.pick(&POLICIES) };
            if m.dice.percent(90) { json!(id) } else { json!(m.spelled(id)) }
        }),
        "justification": self.maybe(75, |m| json!(m.dice.pick(&["on call", "on call", "  "]))),
        "valid_from": self.maybe(20, Self::moment), "expires_at": self.maybe(25, |m| if m.dice.percent(50) { m.moment() } else { m.meeting() }),
        "ttl": self.maybe(30, Self::length), "review_by": self.maybe(40, Self::moment),
        "emergency": self.maybe(if self.urgent { 80 } else { 15 }, |m| json!(m.dice.percent(85))),
        "completed_at": self.maybe(if revoke { 50 } else { 10 }, Self::past),
        "workflow": self.maybe(75, |m| {
            let id = *m.dice.pick(&WORKFLOWS);
            if m.dice.percent(90) { json!(id) } else { json!(m.spelled(id)) }
        })})
    }

    fn item(&mut self) -> Value {
        let item =
            json!({"system": self.some_system(), "entitlement": self.some_right(), "scope": self.scope()});
        self.thin(item)
    }

    fn approval(&mut self, state: &str) -> Value {
        let decision = match (state, self.dice.below(10)) {
            ("approved", 0..=8) => "approved",
            ("rejected", 0..=8) => "rejected",
            (_, 9) => "approved",
            _ => "pending",
        };
        let mut approval = json!({"approver": self.maybe(95, |m| json!(m.some_person())), "decision": decision,
            "decided_at": self.maybe(85, |m| match m.dice.below(10) {
                0..=2 => m.meeting(),
                3..=5 if m.urgent => m.lately(),
                _ => m.past(),
            }),
            "on_behalf_of": self.maybe(10, |m| json!(m.some_person()))});
        if !self.delegated.is_empty() && self.dice.percent(25) {
            let (from, to) = self.dice.pick(&self.delegated).clone();
            approval["approver"] = json!(to);
            approval["on_behalf_of"] = json!(from);
        }
        self.thin(approval)
    }

    fn grant(&mut self) -> Value {
        let mut path = Vec::new();
        while self.dice.percent(18) {
            let step = json!({"system": self.maybe(30, |m| json!(m.some_system())), "entitlement": self.some_right()});
            path.push(self.thin(step));
        }
        let lately = self.urgent && self.dice.percent(50);
        json!({"type": "grant", "system": self.some_system(), "account": self.account(),
            "entitlement": self.some_right(), "scope": self.scope(),
            "path": if path.is_empty() { Value::Null } else { json!(path) },
            "granted_at": self.maybe(75, |m| if lately { m.lately() } else { m.past() }), "granted_by": self.maybe(25, |m| json!(m.some_person())),
            "expires_at": self.maybe(30, |m| if m.dice.percent(60) { m.moment() } else { m.a_grace_later() }), "observed_at": self.maybe(25, Self::past),
            "ticket": self.maybe(15, |m| { let id = *m.dice.pick(&TICKETS); json!(m.spelled(id)) }),
            "mode": self.maybe(25, |m| json!(m.dice.pick(&["active", "eligible"]))),
            "last_used_at": self.maybe(30, Self::past), "usage_tracked_since": self.maybe(20, Self::past)})
    }

    /// An instant just about as long ago as the time an emergency has to be ratified.
    fn lately(&mut self) -> Value {
        let at = self.now - *self.dice.pick(&[0, 1, HOUR, DAY - 1, DAY, DAY + 1]);
        json!(self.spelled_instant(at))
    }

    /// A grace after an instant that comes back.
    fn a_grace_later(&mut self) -> Value {
        let grace = [0, 15 * MINUTE][self.dice.below(2)] + [0, 1, -1][self.dice.below(3)];
        let at = *self.dice.pick(&self.anchors) + grace;
        json!(self.spelled_instant(at))
    }

    fn snapshot(&mut self) -> Value {
        let provides = *self.dice.pick(&[
            ["request", "workflow"],
            ["grant", "usage"],
            ["request", "grant"],
            ["identity", "policy"],
        ]);
        let mut systems = Vec::new();
        while self.dice.percent(40) {
            systems.push(self.some_system());
        }
        json!({"type": "snapshot", "source": self.dice.pick(&["jira", "snow", "iam"]), "taken_at": self.past(),
            "complete": self.dice.percent(75), "provides": self.maybe(95, |_| json!(provides)),
            "systems": if systems.is_empty() { Value::Null } else { json!(systems) },
            "count": self.maybe(50, |m| json!(m.dice.below(9))), "reason": self.maybe(30, |_| json!("page 7: 503"))})
    }

    /// Some records again: the same line, or another sight of the same thing.
    pub(super) fn repeats(&mut self) {
        for at in 0..self.records.len() {
            if self.dice.percent(4) {
                self.records.push(self.records[at].clone());
            }
            if self.dice.percent(7) {
                let first = self.records[at].clone();
                let Some(mut other) = self.another_sight(&first) else { continue };
                other["observed_at"] = match self.dice.below(3) {
                    0 => self.past(),
                    1 => first.get("observed_at").cloned().unwrap_or_default(),
                    _ => Value::Null,
                };
                self.add(other);
            }
        }
    }

    /// A record with the same key as `first`, and otherwise anew.
    fn another_sight(&mut self, first: &Value) -> Option<Value> {
        let who = self.dice.below(PEOPLE.len());
        let (mut other, keys): (Value, &[&str]) = match first["type"].as_str().unwrap() {
            "identity" => (self.identity("", who), &["id"]),
            "system" => (self.system("", 0), &["id"]),
            "policy" => (self.policy(""), &["id"]),
            "entitlement" => (self.entitlement("", ""), &["system", "id"]),
            "request" => (self.request(), &["source", "id"]),
            "grant" => (self.grant(), &["system", "account", "entitlement", "scope", "path"]),
            _ => return None,
        };
        for key in keys {
            other[*key] = first.get(*key).cloned().unwrap_or_default();
        }
        Some(other)
    }
}
