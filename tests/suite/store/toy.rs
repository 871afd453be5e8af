//! Records, lives and events in their simplest form: what a store needs to know of them, and nothing else.

use std::borrow::Cow;

use counterfoil::model::event::{Cause, State};
use counterfoil::model::finding::{Severity, Standing};
use counterfoil::model::life::{Difference, Life};
use counterfoil::model::{Instant, RecordType};
use counterfoil::store::{
    Batch, Body, Close, Hash, Ingested, Keep, KeptVerdict, NewEvent, NewLetter, Prepared, Pull, Store,
    StoreError, TIE_CLAIMS, TIE_NAMES, Token, hash,
};
use serde_json::{Value, json};

pub const LINKS: u8 = 1;
pub const HOLDS: u8 = 2;
pub const ASKS: u8 = 3;

/// So many seconds after some moment.
pub fn at(seconds: i64) -> Instant {
    Instant::from_unix_ms(1_780_000_000_000 + seconds * 1000)
}

/// A record: its type, what tells it apart, what it says, and how it is tied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Toy {
    pub kind: RecordType,
    pub key: String,
    pub says: u64,
    pub ties: Vec<(u8, Token)>,
    pub system: Option<String>,
    pub check: Option<String>,
}

impl Toy {
    pub fn new(kind: RecordType, key: &str, says: u64, ties: &[(u8, Token)]) -> Self {
        Self { kind, key: key.to_owned(), says, ties: ties.to_vec(), system: None, check: None }
    }

    pub fn grant(key: &str, says: u64, holder: Token, system: &str) -> Self {
        Self {
            system: Some(system.to_owned()),
            ..Self::new(RecordType::Grant, key, says, &[(HOLDS, holder)])
        }
    }

    pub fn identity(key: &str, says: u64, claims: &[Token]) -> Self {
        let ties: Vec<(u8, Token)> = claims.iter().map(|token| (TIE_CLAIMS, *token)).collect();
        Self::new(RecordType::Identity, key, says, &ties)
    }

    /// The same, and it names somebody.
    pub fn naming(mut self, who: Token) -> Self {
        self.ties.push((TIE_NAMES, who));
        self
    }

    pub fn body(&self) -> String {
        json!({"kind": self.kind.as_str(), "key": self.key, "says": self.says, "ties": self.ties,
            "system": self.system, "check": self.check})
        .to_string()
    }

    pub fn key_hash(&self) -> Hash {
        hash([self.kind.as_str().as_bytes(), self.key.as_bytes()])
    }

    pub fn prepared(&self) -> Prepared<'static> {
        use RecordType as T;
        Prepared {
            kind: self.kind,
            key: self.key_hash(),
            body: Cow::Owned(self.body()),
            ties: self.ties.clone(),
            catalogue: !matches!(
                self.kind,
                T::Identity | T::Request | T::Grant | T::Usage | T::Certification
            ),
            system: self.system.clone().map(Cow::Owned),
            check: self.check.clone().map(Cow::Owned),
        }
    }
}

/// Hands records over.
pub fn hand_over(records: &[Toy], keep: &mut Keep<'_>) -> Result<(), StoreError> {
    records.iter().try_for_each(|toy| keep(Body::new(&toy.body()), &mut || Ok(toy.prepared())))
}

/// Reads the body of a record again.
pub fn read(body: &str) -> Option<Prepared<'static>> {
    let v: Value = serde_json::from_str(body).ok()?;
    let text = |name: &str| v[name].as_str().map(str::to_owned);
    let toy = Toy {
        kind: RecordType::ALL.into_iter().find(|t| Some(t.as_str()) == v["kind"].as_str())?,
        key: text("key")?,
        says: v["says"].as_u64()?,
        ties: serde_json::from_value(v["ties"].clone()).ok()?,
        system: text("system"),
        check: text("check"),
    };
    Some(toy.prepared())
}

/// Of two lines of one key the one that says more stands.
pub fn settle(first: &str, second: &str) -> bool {
    let says = |body: &str| serde_json::from_str::<Value>(body).unwrap()["says"].as_u64();
    says(second) > says(first)
}

/// Takes in what a source holds; `admit` may hold it.
pub fn try_pull(
    store: &mut dyn Store,
    run: u64,
    source: &str,
    records: &[Toy],
    fault: bool,
    admit: &mut dyn FnMut(&Difference) -> Result<(), String>,
) -> Result<Ingested, StoreError> {
    let pull = Pull { run, source, reader: &read, settle: &settle, state: &|_, _| None };
    store.ingest(
        &pull,
        &mut |keep| {
            hand_over(records, keep)?;
            if fault { Err(StoreError::Other("the export broke off".to_owned())) } else { Ok(()) }
        },
        admit,
    )
}

/// Takes in what a source holds, in a run of its own; how it differs from before.
pub fn pull(store: &mut dyn Store, source: &str, records: &[Toy]) -> Difference {
    let run = store.open_run(at(0)).unwrap();
    match try_pull(store, run, source, records, false, &mut |_| Ok(())).unwrap() {
        Ingested::Taken { difference, .. } => difference,
        Ingested::Held { .. } => panic!("held"),
    }
}

/// The records as they were after a run, sorted.
pub fn records(store: &dyn Store, run: Option<u64>) -> Vec<(String, String)> {
    let mut all = vec![];
    store
        .records_at(run, None, &mut |_, source, body| all.push((source.to_owned(), body.to_owned())))
        .unwrap();
    all.sort();
    all
}

/// The names to be judged, sorted; then there are none.
pub fn dirty(store: &mut dyn Store) -> Vec<Token> {
    let (tokens, count) = store.dirty(10_000).unwrap();
    assert_eq!(tokens.len() as u64, count);
    store.commit(Batch { done: tokens.clone(), ..Batch::default() }).unwrap();
    assert_eq!(store.dirty(10_000).unwrap(), (vec![], 0));
    tokens
}

/// A finding in its first life.
pub fn life(id: &str, home: Token) -> Life {
    Life {
        id: id.to_owned(),
        home,
        check: "orphan-account".to_owned(),
        system: None,
        source: None,
        account: None,
        subject: None,
        request: None,
        grant: None,
        severity: Severity::High,
        standing: None,
        state: State::Open,
        episode: 1,
        seq: 1,
        first_seen: at(0),
        changed_at: at(0),
        material: [7; 16],
        absent: 0,
        absent_run: 0,
        changes: vec![],
        quiet_at: None,
        told: vec![],
        acceptance: None,
        cause: Cause::Detected,
        owner: None,
        group: None,
        body: format!("{{\"id\":{id:?}}}"),
    }
}

pub fn verdict(grant: u8, home: Token, system: &str, standing: Standing) -> KeptVerdict {
    KeptVerdict {
        grant: [grant; 16],
        home,
        system: system.to_owned(),
        account: format!("account {grant}"),
        entitlement: "admin".to_owned(),
        scope: None,
        path: "[]".to_owned(),
        subject: "someone".to_owned(),
        standing,
        request: None,
        recheck_at: None,
    }
}

/// An event of a finding, for these sinks; those with a group are told together.
pub fn event(id: &str, finding: &str, seconds: i64, letters: &[(&str, Option<&str>)]) -> NewEvent {
    let letter = |(sink, group): &(&str, Option<&str>)| NewLetter {
        sink: (*sink).to_owned(),
        grouped: group.map(str::to_owned),
        muted_until: None,
    };
    NewEvent {
        id: id.to_owned(),
        finding: finding.to_owned(),
        at: at(seconds),
        body: format!("{{\"event\":{id:?}}}"),
        letters: letters.iter().map(letter).collect(),
    }
}

/// Keeps events of a run, and lives.
pub fn tell(store: &mut dyn Store, run: u64, lives: Vec<Life>, events: Vec<NewEvent>) {
    store.commit(Batch { run, lives, events, ..Batch::default() }).unwrap();
}

/// Ends a run.
pub fn close(store: &mut dyn Store, run: u64) {
    let close = Close { run, at: at(60), manifest: "{}", meta: &[], notices: vec![], slots: &[] };
    store.close_run(close).unwrap();
}
