//! What the stub answers: a request is held against the documentation, then it gets what the product has.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::answer::Fill;
use super::auth::{Addresses, Door, Tokens};
use super::fault::{Fault, What, Wrong};
use super::find;
use super::pages::Cursor;
use super::rows::{Files, Values};
use super::spec::{Answers, Auth, Failure, Operation, Spec};
use super::stub::Seen;
use super::wire::{Ending, Reply, Request};

/// An address for changes: what was asked, and what there was then.
pub(super) struct Point {
    pub operation: String,
    pub asked: (Request, Values),
    pub rows: Vec<Value>,
}

/// The state of a stub.
pub struct State {
    spec: Arc<Spec>,
    auth: Auth,
    bases: Vec<String>,
    pub(super) addresses: Addresses,
    pub files: Files,
    pub now: Timestamp,
    pub faults: Vec<Fault>,
    pub expire_before: Option<usize>,
    pub most: Option<usize>,
    pub unknown: bool,
    pub bare: bool,
    pub seen: Seen,
    tokens: Tokens,
    ran_out: bool,
    calls: usize,
    pub(super) cursors: BTreeMap<String, Cursor>,
    pub(super) points: BTreeMap<String, Point>,
    pub(super) jobs: BTreeMap<String, usize>,
    pub(super) made: usize,
}

/// Why there is no answer.
pub(super) enum Refusal {
    /// The request is wrong: a mistake of whoever asks.
    Bad(String),
    /// What it names is not there; the status.
    Missing(u16),
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self::Bad(why)
    }
}

impl State {
    pub fn new(
        spec: Arc<Spec>,
        auth: Auth,
        bases: Vec<String>,
        addresses: Addresses,
        files: Files,
        now: Timestamp,
    ) -> Self {
        Self {
            spec,
            auth,
            bases,
            addresses,
            files,
            now,
            faults: Vec::new(),
            expire_before: None,
            most: None,
            unknown: false,
            bare: false,
            seen: Seen::default(),
            tokens: Tokens::default(),
            ran_out: false,
            calls: 0,
            cursors: BTreeMap::new(),
            points: BTreeMap::new(),
            jobs: BTreeMap::new(),
            made: 0,
        }
    }

    /// Forgets all addresses for changes.
    pub fn forget(&mut self) {
        self.points.clear();
    }

    /// How many tokens it gave out.
    pub fn tokens(&self) -> usize {
        self.tokens.given()
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request) -> Reply {
        self.seen.requests += 1;
        let mut reply = self.decide(request);
        let fill = Fill { message: "", permission: "" };
        reply.headers.extend(fill.headers(&self.spec.headers));
        reply
    }

    fn complain(&mut self, request: &Request, why: &str) {
        let at = format!("{} {} {}", request.base, request.method, request.target);
        let body = String::from_utf8_lossy(&request.body);
        self.seen.complaints.push(format!("{at}: {why} {}", body.chars().take(300).collect::<String>()));
    }

    /// What says that something goes wrong, of the operation or of the product.
    pub(super) fn failure(&self, operation: Option<&Operation>, which: Which, message: &str) -> Reply {
        let of = |answers: &Answers| match which {
            Which::Unauthorised => answers.unauthorised.clone(),
            Which::Denied => answers.denied.clone(),
            Which::Missing(_) => answers.missing.clone(),
            Which::Bad => answers.bad.clone(),
            Which::Throttled(number) => nth(answers.throttled.all(), number),
            Which::Broken(number) => nth(answers.broken.all(), number),
        };
        let own = operation.and_then(|operation| of(&operation.answers));
        let failure = own.or_else(|| of(&self.spec.answers)).unwrap_or_else(|| which.plain());
        let permission = operation.and_then(|operation| operation.permission.as_deref()).unwrap_or_default();
        Fill { message, permission }.failure(&failure, which.status())
    }

    fn decide(&mut self, request: &Request) -> Reply {
        let spec = self.spec.clone();
        let place = spec.bases.get(&request.base);
        let auth = self.auth.clone();
        let door = Door {
            auth: &auth,
            addresses: &self.addresses,
            service: place.and_then(|base| base.service.as_deref()),
            region: place.and_then(|base| base.region.as_deref()),
            regions: spec.bases.values().filter_map(|base| base.region.as_deref()).collect(),
        };
        if let Some(token) = door.token(request, &mut self.tokens) {
            return token.unwrap_or_else(|why| {
                self.complain(request, &why);
                self.failure(None, Which::Unauthorised, &why)
            });
        }
        let proved = door.prove(request, &self.tokens);
        let (operation, values) = match find::find(&spec, &self.bases, request) {
            Ok(found) => found,
            Err((operation, Refusal::Bad(why))) => {
                self.complain(request, &why);
                return self.failure(operation, Which::Bad, &why);
            }
            Err((operation, Refusal::Missing(status))) => {
                return self.failure(operation, Which::Missing(status), "not found");
            }
        };
        self.calls += 1;
        let calls = self.seen.calls.entry(operation.name.clone()).or_default();
        *calls += 1;
        let call = *calls;
        let mut proved = proved;
        if self.expire_before == Some(self.calls) {
            self.tokens.expire();
            self.ran_out = true;
            proved = Err("the token has run out".to_owned());
        }
        if let Err(why) = proved {
            if !self.ran_out {
                self.complain(request, &why);
            }
            return self.failure(Some(operation), Which::Unauthorised, &why);
        }
        let early = self.faults.iter().find(|f| f.is_early() && f.concerns(&operation.name, call, None));
        if let Some(what) = early.map(|fault| fault.what.clone()) {
            return self.early(operation, request, &what);
        }
        let twist = self.faults.iter().find(|f| f.concerns(&operation.name, call, None) && !f.is_early());
        let twist = twist.map(|fault| fault.what.clone());
        let served = match self.serve(operation, request, &values, twist.as_ref()) {
            Ok(served) => served,
            Err(Refusal::Bad(why)) => {
                self.complain(request, &why);
                return self.failure(Some(operation), Which::Bad, &why);
            }
            Err(Refusal::Missing(status)) => {
                return self.failure(Some(operation), Which::Missing(status), "not found");
            }
        };
        let late = |f: &&Fault| f.concerns(&operation.name, call, Some(served.last)) && !f.is_early();
        let late = self.faults.iter().find(late).map(|fault| fault.what.clone());
        let mut reply = served.reply;
        match late {
            Some(What::Cut) => reply.ending = Ending::Cut,
            Some(What::Wrong(wrong)) => return spoil(reply, wrong),
            _ => {
                // Only what arrives counts as given.
                if let Some(cursor) = served.cursor.and_then(|token| self.cursors.get_mut(&token)) {
                    cursor.used = true;
                }
                *self.seen.answered.entry(operation.name.clone()).or_default() += 1;
                *self.seen.rows.entry(operation.name.clone()).or_default() += served.rows;
            }
        }
        reply
    }

    fn early(&mut self, operation: &Operation, request: &Request, what: &What) -> Reply {
        let of = |which| self.failure(Some(operation), which, "refused");
        match what {
            What::Throttled => of(Which::Throttled(self.calls)),
            What::Broken(number) => of(Which::Broken(*number)),
            What::Unauthorised => of(Which::Unauthorised),
            What::Denied => of(Which::Denied),
            What::Redirect(to) => Reply::of(302, "text/html", "<a href>elsewhere</a>").header("location", to),
            What::Echo => {
                let said = format!("{:?} {}", request.headers, String::from_utf8_lossy(&request.body));
                Reply::of(400, "text/plain", said)
            }
            _ => Reply { ending: Ending::Nothing, ..Reply::default() },
        }
    }
}

/// The answers that are none.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Unauthorised,
    Denied,
    Missing(u16),
    Bad,
    Throttled(usize),
    Broken(usize),
}

impl Which {
    /// Its status where the product does not say.
    fn status(self) -> u16 {
        match self {
            Self::Unauthorised => 401,
            Self::Denied => 403,
            Self::Missing(status) => status,
            Self::Bad => 400,
            Self::Throttled(_) => 429,
            Self::Broken(number) => {
                if number % 2 == 0 {
                    503
                } else {
                    500
                }
            }
        }
    }

    /// What it looks like where the product does not say.
    fn plain(self) -> Failure {
        let mut failure = Failure::default();
        if let Self::Throttled(_) = self {
            failure.headers.insert("retry-after".to_owned(), "{wait}".to_owned());
        }
        failure
    }
}

/// One of several, in turn.
fn nth(all: &[Failure], number: usize) -> Option<Failure> {
    all.get(number % all.len().max(1)).cloned()
}

/// An answer that is none, in place of one that is.
fn spoil(reply: Reply, wrong: Wrong) -> Reply {
    let kind = reply.headers.iter().find(|(name, _)| name == "content-type");
    let kind = kind.map_or("application/json", |(_, value)| value.as_str()).to_owned();
    match wrong {
        Wrong::LoginPage => {
            let page =
                "<!doctype html><html><head><title>Sign in</title></head><body><form></form></body></html>";
            Reply::of(200, "text/html; charset=utf-8", page)
        }
        Wrong::Empty => Reply::of(200, &kind, ""),
        Wrong::Null => Reply::of(200, &kind, "null"),
        Wrong::Array => Reply::of(200, &kind, "[]"),
        Wrong::Text => Reply::of(200, &kind, "\"maintenance\""),
        Wrong::CutOff => {
            let half = reply.body.len() * 2 / 3;
            let body = reply.body.get(..half).unwrap_or_default().to_vec();
            Reply { body, ..reply }
        }
        Wrong::ContentType => Reply::of(200, "text/html", reply.body),
        Wrong::Endless(bytes) => Reply { ending: Ending::Endless(bytes), ..reply },
    }
}
