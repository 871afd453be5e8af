//! The words of `checks.md` over one estate: subject, closure, scope, covers, start, end, in force.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::Value;

use super::GrantKey;
use super::names::{Key, resolve, same};
use super::values::{duration, field, list, norm, span, stands_over, text, texts, time, without_duplicates};

/// The records by type, the configuration and the instant of judging.
pub struct Estate<'a> {
    pub identities: Vec<&'a Value>,
    pub systems: Vec<&'a Value>,
    pub workflows: Vec<&'a Value>,
    pub entitlements: Vec<&'a Value>,
    pub policies: Vec<&'a Value>,
    pub delegations: Vec<&'a Value>,
    pub requests: Vec<&'a Value>,
    pub grants: Vec<&'a Value>,
    pub usages: Vec<&'a Value>,
    pub certifications: Vec<&'a Value>,
    pub snapshots: Vec<&'a Value>,
    pub config: &'a Value,
    pub now: i64,
    /// Answers given before: the same name, asked again, resolves to the same key.
    asked: RefCell<HashMap<String, Key>>,
}

/// "(system, entitlement)", both resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub system: Key,
    pub entitlement: Key,
}

pub fn same_right(one: &Right, other: &Right) -> bool {
    same(&one.system, &other.system) && same(&one.entitlement, &other.entitlement)
}

impl<'a> Estate<'a> {
    pub fn new(records: &'a [Value], config: &'a Value, now: i64) -> Estate<'a> {
        let of =
            |kind: &str| records.iter().filter(|r| text(r, "type") == Some(kind)).collect::<Vec<&Value>>();
        let mut estate = Estate {
            identities: of("identity"),
            systems: of("system"),
            workflows: of("workflow"),
            entitlements: of("entitlement"),
            policies: of("policy"),
            delegations: of("delegation"),
            requests: of("request"),
            grants: of("grant"),
            usages: of("usage"),
            certifications: of("certification"),
            snapshots: of("snapshot"),
            config,
            now,
            asked: RefCell::default(),
        };
        estate.one_record_per_entitlement();
        estate
    }

    /// Whether some entitlement is catalogued twice, under two spellings of its system: the specification does not
    /// say which of the two gives its owner, risk and includes.
    pub fn of_twins(records: &[Value]) -> bool {
        let kept = without_duplicates(records);
        let catalogued = kept.iter().filter(|record| text(record, "type") == Some("entitlement")).count();
        Estate::new(&kept, &Value::Null, 0).entitlements.len() < catalogued
    }

    /// "(entitlement.system, id)" is read with the system resolved: two records that name one system in two
    /// spellings speak of one entitlement, and the duplicates rule says which of them stands.
    fn one_record_per_entitlement(&mut self) {
        let mut kept: Vec<&'a Value> = Vec::new();
        for &record in &self.entitlements {
            let twin = kept.iter().position(|other| {
                text(other, "id") == text(record, "id")
                    && same(
                        &self.system(text(other, "system").unwrap()),
                        &self.system(text(record, "system").unwrap()),
                    )
            });
            match twin {
                Some(at) if stands_over(record, kept[at]) => kept[at] = record,
                Some(_) => {}
                None => kept.push(record),
            }
        }
        self.entitlements = kept;
        self.asked.take();
    }

    // --- names ---

    pub fn person(&self, name: &str) -> Key {
        self.once("person", name, || resolve(name, &self.identities))
    }

    pub fn system(&self, name: &str) -> Key {
        self.once("system", name, || resolve(name, &self.systems))
    }

    fn once(&self, namespace: &str, name: &str, answer: impl FnOnce() -> Key) -> Key {
        let question = format!("{namespace}: {name}");
        if let Some(key) = self.asked.borrow().get(&question) {
            return key.clone();
        }
        let key = answer();
        self.asked.borrow_mut().insert(question, key.clone());
        key
    }

    /// "the entitlements of one system"
    pub fn right(&self, system: &Key, entitlement: &str) -> Right {
        let key = self.once(&format!("entitlement of {system:?}"), entitlement, || {
            let of_system = |record: &&Value| same(&self.system(text(record, "system").unwrap()), system);
            let catalogue: Vec<&Value> = self.entitlements.iter().copied().filter(of_system).collect();
            resolve(entitlement, &catalogue)
        });
        Right { system: system.clone(), entitlement: key }
    }

    pub fn identity_record(&self, key: &Key) -> Option<&'a Value> {
        by_id(&self.identities, key)
    }

    pub fn system_record(&self, key: &Key) -> Option<&'a Value> {
        by_id(&self.systems, key)
    }

    pub fn entitlement_record(&self, right: &Right) -> Option<&'a Value> {
        let Key::Id(id) = &right.entitlement else { return None };
        self.entitlements.iter().copied().find(|record| {
            text(record, "id") == Some(id)
                && same(&self.system(text(record, "system").unwrap()), &right.system)
        })
    }

    /// Policies and workflows are found as other names are: by exact id, else by the one id with that norm.
    pub fn policy_of(&self, request: &Value) -> Option<&'a Value> {
        by_id(&self.policies, &resolve(text(request, "policy")?, &self.policies))
    }

    pub fn workflow_of(&self, request: &Value) -> Option<&'a Value> {
        by_id(&self.workflows, &resolve(text(request, "workflow")?, &self.workflows))
    }

    /// "**subject** of a grant: the identity whose `accounts` holds (system, account), exactly or by `norm`; else
    /// what `account` resolves to among the identities."
    pub fn subject(&self, grant: &Value) -> Key {
        let system = self.system(text(grant, "system").unwrap());
        let account = text(grant, "account").unwrap();
        let linked = |agrees: &dyn Fn(&str) -> bool| {
            let mut ids: Vec<&str> = Vec::new();
            for identity in &self.identities {
                for link in list(identity, "accounts") {
                    let id = text(identity, "id").unwrap();
                    if same(&self.system(text(link, "system").unwrap()), &system)
                        && agrees(text(link, "account").unwrap())
                        && !ids.contains(&id)
                    {
                        ids.push(id);
                    }
                }
            }
            ids
        };
        let mut holders = linked(&|written| written == account);
        if holders.is_empty() {
            holders = linked(&|written| norm(written) == norm(account));
        }
        match holders.as_slice() {
            [] => self.person(account),
            [id] => Key::Id(id.to_string()),
            _ => Key::Ambiguous(norm(account)),
        }
    }

    pub fn grant_right(&self, grant: &Value) -> Right {
        self.right(&self.system(text(grant, "system").unwrap()), text(grant, "entitlement").unwrap())
    }

    pub fn item_right(&self, item: &Value) -> Right {
        self.right(&self.system(text(item, "system").unwrap()), text(item, "entitlement").unwrap())
    }

    // --- what covers what ---

    /// "**closure(e)**: (system, entitlement) e and everything it includes, transitively (cycles are harmless);
    /// an include's own scope, where given, stands in for the item's."
    pub fn closure(&self, right: &Right, scope: Option<&str>) -> Vec<(Right, Option<String>)> {
        let mut held = vec![(right.clone(), scope.map(str::to_string))];
        let mut next = 0;
        while next < held.len() {
            let (here, scope) = held[next].clone();
            next += 1;
            let Some(record) = self.entitlement_record(&here) else { continue };
            for include in list(record, "includes") {
                let system = match text(include, "system") {
                    Some(name) => self.system(name),
                    None => here.system.clone(),
                };
                let right = self.right(&system, text(include, "entitlement").unwrap());
                let scope = text(include, "scope").map(str::to_string).or(scope.clone());
                if !held.contains(&(right.clone(), scope.clone())) {
                    held.push((right, scope));
                }
            }
        }
        held
    }

    pub fn closure_holds(&self, right: &Right, wanted: &Right) -> bool {
        self.closure(right, None).iter().any(|(held, _)| same_right(held, wanted))
    }

    /// "the closure of the item holds g's (system, entitlement) *or* that of any step of g's path […], with a
    /// scope that covers g's."
    pub fn item_covers(&self, item: &Value, grant: &Value) -> bool {
        let own = self.grant_right(grant);
        let mut wanted = vec![own.clone()];
        for step in list(grant, "path") {
            let system = match text(step, "system") {
                Some(name) => self.system(name),
                None => own.system.clone(),
            };
            wanted.push(self.right(&system, text(step, "entitlement").unwrap()));
        }
        self.closure(&self.item_right(item), text(item, "scope")).iter().any(|(held, scope)| {
            wanted.iter().any(|right| same_right(held, right))
                && scope_covers(scope.as_deref(), text(grant, "scope"))
        })
    }

    pub fn is_beneficiary(&self, request: &Value, person: &Key) -> bool {
        texts(request, "beneficiaries").into_iter().any(|name| same(&self.person(name), person))
    }

    /// "**covers(r, g)**: subject(g) is among r's beneficiaries and, for some access item of r, […]"
    pub fn covers(&self, request: &Value, grant: &Value) -> bool {
        self.is_beneficiary(request, &self.subject(grant))
            && list(request, "access").into_iter().any(|item| self.item_covers(item, grant))
    }

    // --- configuration ---

    /// "Configuration defaults (`[checks]`)"
    pub fn threshold(&self, name: &str) -> i64 {
        let set = self.config.get("checks").and_then(|checks| text(checks, name));
        duration(set.unwrap_or(match name {
            "expiry_grace" => "PT15M",
            "grant_tolerance" => "PT5M",
            "revocation_lag" => "PT1H",
            "revocation_sla" => "P1D",
            "provisioning_window" => "P30D",
            "fulfilment_window" => "P7D",
            "unused_after" => "P90D",
            "unused_after_high_risk" => "P30D",
            "leaver_grace" => "PT8H",
            "emergency_ratify_within" => "P1D",
            "agent_max_ttl" => "P30D",
            "agent_review_every" => "P30D",
            "source_max_age" => "P1D",
            other => panic!("no threshold `{other}`"),
        }))
    }

    fn check_config(&self, check: &str) -> Option<&Value> {
        self.config.get("checks").and_then(|checks| field(checks, check))
    }

    /// "Each check can be disabled"
    pub fn enabled(&self, check: &str) -> bool {
        self.check_config(check)
            .and_then(|set| field(set, "enabled"))
            .and_then(Value::as_bool)
            .unwrap_or(true)
    }

    /// "or given another severity"
    pub fn severity(&self, check: &str) -> Option<&str> {
        self.check_config(check).and_then(|set| text(set, "severity"))
    }
}

/// "An absent, empty or `*` approved scope covers any scope. Otherwise a covers h when h equals a, or h starts with
/// a + `/` (a trailing `/*` on a is the same as none). A held grant without a scope is the whole system: only an
/// approval without a scope covers it."
pub fn scope_covers(approved: Option<&str>, held: Option<&str>) -> bool {
    match approved {
        None | Some("" | "*") => true,
        Some(written) => {
            let approved = written.strip_suffix("/*").unwrap_or(written);
            held.is_some_and(|held| held == approved || held.starts_with(&format!("{approved}/")))
        }
    }
}

/// "**decided_at(r)**: the latest decided_at among its approved approvals; else r.decided_at; else not known."
pub fn decided_at(request: &Value) -> Option<i64> {
    list(request, "approvals")
        .into_iter()
        .filter(|approval| text(approval, "decision") == Some("approved"))
        .filter_map(|approval| time(approval, "decided_at"))
        .max()
        .or(time(request, "decided_at"))
}

/// "**start(r)**: valid_from, else decided_at."
pub fn start(request: &Value) -> Option<i64> {
    time(request, "valid_from").or(decided_at(request))
}

/// "**end(r)**: expires_at, else (valid_from else decided_at) + ttl, else none."
pub fn end(request: &Value) -> Option<i64> {
    time(request, "expires_at").or_else(|| Some(start(request)? + span(request, "ttl")?))
}

/// "Intervals are half open: in force at t when start ≤ t (or not known) and t < end (or none)."
pub fn in_force(request: &Value, at: i64) -> bool {
    start(request).is_none_or(|start| start <= at) && end(request).is_none_or(|end| at < end)
}

/// "intent `grant`|`revoke` (default `grant`)"
pub fn asks_to(request: &Value, intent: &str) -> bool {
    text(request, "intent").unwrap_or("grant") == intent
}

pub fn state(request: &Value) -> &str {
    text(request, "state").unwrap()
}

/// "**approving approvers** of r: approvals with decision `approved` and an approver."
pub fn approving(request: &Value) -> Vec<&Value> {
    list(request, "approvals")
        .into_iter()
        .filter(|approval| {
            text(approval, "decision") == Some("approved") && text(approval, "approver").is_some()
        })
        .collect()
}

pub fn kind(identity: &Value) -> &str {
    text(identity, "kind").unwrap_or("human")
}

pub fn is_gone(identity: &Value) -> bool {
    matches!(text(identity, "status"), Some("disabled" | "departed"))
}

pub fn by_id<'a>(records: &[&'a Value], key: &Key) -> Option<&'a Value> {
    let Key::Id(id) = key else { return None };
    records.iter().copied().find(|record| text(record, "id") == Some(id))
}

pub fn grant_key(grant: &Value) -> GrantKey {
    let owned = |name: &str| text(grant, name).unwrap().to_string();
    GrantKey {
        system: owned("system"),
        account: owned("account"),
        entitlement: owned("entitlement"),
        scope: text(grant, "scope").map(str::to_string),
        path: list(grant, "path")
            .into_iter()
            .map(|step| {
                (text(step, "system").map(str::to_string), text(step, "entitlement").unwrap().to_string())
            })
            .collect(),
    }
}

pub fn request_key(request: &Value) -> (String, String) {
    (text(request, "source").unwrap().to_string(), text(request, "id").unwrap().to_string())
}
