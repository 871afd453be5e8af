//! A sink built from its settings as a person writes them, and messages with a text of the test's choosing sent to it.

use std::path::Path;

use counterfoil::model::event::{Activity, Cause, EVENT_SCHEMA, Event, Message, State, event_id, hashed};
use counterfoil::model::finding::{FINDING_SCHEMA, Finding};
use counterfoil::sink::{Entry, Receipt, Sink, SinkError};

use super::samples::{alone, now};

/// What somebody would write into a ticket to confuse whoever reads the log.
pub const HOSTILE: &str = "a\nb\r\n<13>1 - - - - - - forged\t\u{1b}[31m \u{202e}evil\u{2066} |pipe \\back =eq \"q\" ]sd Zoë 王 \u{feff}\u{0}\u{7f}";

/// Sets up the sink of an entry, as it stands under `[[sink]]`.
pub fn build(entry: &str, folder: &Path) -> Result<Box<dyn Sink>, SinkError> {
    let entry: Entry =
        toml::from_str(&format!("id = \"test\"\n{entry}")).map_err(|e| SinkError(e.to_string()))?;
    entry.kind()?.1.build(folder)
}

/// A finding about a grant, with this message and this account.
pub fn finding(number: u32, message: &str, account: &str) -> Finding<'static> {
    let id = hashed("f1:", &number.to_string());
    let finding = serde_json::json!({
        "schema": FINDING_SCHEMA, "id": id, "check": "unapproved_grant", "severity": "high",
        "title": "No approval for a live grant", "message": message, "standing": "unapproved",
        "subject": {"id": "alice@example.com", "kind": "human"},
        "grant": {"system": "prod|db", "account": account, "entitlement": "role=admin", "scope": null, "path": [],
            "granted_at": null, "granted_by": null, "expires_at": null, "last_used_at": null},
        "request": {"source": "jira", "id": "SEC-7", "url": "https://tickets.example.com/SEC-7", "state": "approved",
            "decided_at": null, "end": null},
        "accountable": [{"role": "system_owner", "identity": "owner@example.com", "primary": true, "duty": "d"}],
        "reasons": ["r"], "remediation": "revoke it", "controls": [{"framework": "nist-csf-2.0", "id": "PR.AA-05"}],
        "evidence": [], "now": now(),
    });
    serde_json::from_value(finding).unwrap()
}

/// An event that tells of a new finding.
pub fn event(number: u32, message: &str, account: &str) -> Event<'static> {
    let finding = finding(number, message, account);
    Event {
        schema: EVENT_SCHEMA.into(),
        id: event_id(&finding.id, 1, 1),
        activity: Activity::Create,
        cause: Cause::Detected,
        state: State::Open,
        episode: 1,
        seq: 1,
        first_seen: now(),
        time: now(),
        run: 7,
        initial: false,
        finding,
    }
}

/// Messages with these numbers, harmless ones.
pub fn messages(numbers: std::ops::Range<u32>) -> Vec<Message<'static>> {
    numbers.map(|n| alone(event(n, &format!("message {n}"), "alice"))).collect()
}

/// Sends a batch and waits for the receipts, of which there must be one for each message.
pub fn send(sink: &dyn Sink, batch: &[Message<'_>]) -> Vec<Receipt> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let receipts = runtime.block_on(sink.send(batch, now()));
    assert_eq!(receipts.len(), batch.len());
    receipts
}

/// Sends a batch that must be taken.
pub fn send_all(sink: &dyn Sink, batch: &[Message<'_>]) {
    for receipt in send(sink, batch) {
        assert_eq!(receipt, Receipt::Taken);
    }
}

/// Sends a batch of which every message must be kept for later; the reason.
pub fn kept(sink: &dyn Sink, batch: &[Message<'_>]) -> String {
    let mut receipts = send(sink, batch);
    assert!(receipts.iter().all(|r| matches!(r, Receipt::Later { .. })), "{receipts:?}");
    match receipts.pop() {
        Some(Receipt::Later { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}
