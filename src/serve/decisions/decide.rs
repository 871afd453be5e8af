//! From a question to its answer.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Terms;
use super::ask::{Asked, Request, Semantic};
use super::held::Ready;
use super::request::{Offer, Place};
use crate::judge::{Question, Who};
use crate::model::Instant;
use crate::model::finding::{Outcome, Standing};

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Decision {
    /// Whether the access may go on.
    pub(super) decision: bool,
    /// Why, and as of when.
    pub(super) context: Context,
}

/// Why, and as of when.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Context {
    /// A word for programs: how the grant stands; `no-such-grant`, `not-fresh`, `changing` or `not-understood`.
    pub(super) reason: &'static str,
    /// For who runs this.
    pub(super) reason_admin: Text,
    /// For who asked for access.
    pub(super) reason_user: Text,
    /// How the grant stands, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standing: Option<&'static str>,
    /// What justifies it, where something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) approval: Option<Approval>,
    /// The instant as of which all was judged.
    #[schemars(with = "String")]
    pub(super) as_of: Instant,
    /// The run that had ended by then.
    pub(super) run: Option<u64>,
    /// How old the oldest of what the answer rests on is.
    pub(super) data_age_seconds: Option<i64>,
    /// What the answer is called. This and what follows only where [serve.decisions.access_request] is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evaluation_id: Option<String>,
    /// When it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) evaluated_at: Option<Instant>,
    /// Where denied access can be asked for, where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_request: Option<Offer>,
    /// After a denial in spite of an approval: `request`, `retry` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_action: Option<&'static str>,
    /// In how many seconds to ask again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after: Option<u64>,
}

/// A reason by language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Text {
    /// In English.
    pub(super) en: String,
}

/// The request that justifies a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Approval {
    /// The source.
    pub(super) source: String,
    /// The request's id there.
    pub(super) id: String,
    /// When it was approved.
    #[schemars(with = "Option<String>")]
    pub(super) decided_at: Option<Instant>,
    /// Until when the answer holds should no record change: whoever enforces must ask again by then.
    #[schemars(with = "Option<String>")]
    pub(super) until: Option<Instant>,
    /// Of a permit, in the words of the access request profile: `decided_at`, and the earlier of `until` and when what the
    /// answer rests on is no longer fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) approved_at: Option<Instant>,
    /// See `approved_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) approved_until: Option<Instant>,
}

/// The answers to several questions, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(super) struct Decisions {
    /// As many as there were questions, unless the semantic ended them earlier.
    pub(super) evaluations: Vec<Decision>,
}

/// One answer or several.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Answered {
    One(Box<Decision>),
    Many(Decisions),
}

/// Answers a request.
pub(super) fn answer(ready: &Ready, terms: &Terms, request: Request, now: Instant) -> Answered {
    let decider = Decider { ready, terms, now };
    match request {
        Request::One(asked) => Answered::One(Box::new(decider.decide(&asked))),
        Request::Many(semantic, each) => {
            let mut evaluations = Vec::with_capacity(each.len());
            for asked in each {
                let decision = match asked {
                    Ok(asked) => decider.decide(&asked),
                    Err(why) => decider.deny("not-understood", why, None),
                };
                let end = match semantic {
                    Semantic::ExecuteAll => false,
                    Semantic::DenyOnFirstDeny => !decision.decision,
                    Semantic::PermitOnFirstPermit => decision.decision,
                };
                evaluations.push(decision);
                if end {
                    break;
                }
            }
            Answered::Many(Decisions { evaluations })
        }
    }
}

struct Decider<'d> {
    ready: &'d Ready,
    terms: &'d Terms,
    now: Instant,
}

impl Decider<'_> {
    fn decide(&self, asked: &Asked) -> Decision {
        let understood = self.understood(asked);
        let entitlement = format!("{}{}", self.terms.settings.entitlement_prefix, asked.action.name);
        let place = understood.as_ref().ok().map(|&(_, (system, scope))| Place {
            system,
            entitlement: &entitlement,
            scope,
        });
        let mut decision = match (&understood, &place) {
            (Ok((who, _)), Some(place)) => self.judged(*who, place),
            (Err(why), _) => self.deny("not-understood", why.clone(), None),
            (Ok(_), None) => self.deny("not-understood", "the question has no place".to_owned(), None),
        };
        if let Some(offering) = &self.terms.offering {
            offering.tell(&mut decision, asked, place.as_ref(), self.ready, self.now);
        }
        decision
    }

    /// Who is asked about, and the system and the scope.
    fn understood<'a>(&self, asked: &'a Asked) -> Result<(Who<'a>, (&'a str, Option<&'a str>)), String> {
        let (s, resource) = (&self.terms.settings, &asked.resource);
        let is = |types: &[String], kind: &str| types.iter().any(|t| t == kind);
        let who = match asked.subject.kind.as_str() {
            kind if is(&s.account_types, kind) => Who::Account(&asked.subject.id),
            kind if is(&s.identity_types, kind) => Who::Person(&asked.subject.id),
            kind => return Err(format!("subjects of the type `{kind}` are not known")),
        };
        if !is(&s.resource_types, &resource.kind) {
            return Err(format!("resources of the type `{}` are not known", resource.kind));
        }
        let property = |name: &str| match resource.properties.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`resource.properties.{name}`: expected a text")),
        };
        let place = match &s.system_property {
            None => (resource.id.as_str(), property(&s.scope_property)?),
            Some(name) => {
                let missing = || format!("`resource.properties.{name}` is missing");
                (property(name)?.ok_or_else(missing)?, Some(resource.id.as_str()))
            }
        };
        Ok((who, place))
    }

    fn judged(&self, who: Who<'_>, place: &Place<'_>) -> Decision {
        let (now, Place { system, entitlement, scope }) = (self.now, *place);
        let question = Question { who, system, entitlement, scope };
        let Some(answer) = self.ready.held.decide.ask(&question, now) else {
            let why = "no such grant was seen: there is nothing that could be justified".to_owned();
            return self.deny("no-such-grant", why, Some(system));
        };
        let approval = answer.request.as_ref().map(|request| Approval {
            source: request.source.to_string(),
            id: request.id.to_string(),
            decided_at: self.ready.held.decided_at(&request.source, &request.id),
            until: answer.until,
            approved_at: None,
            approved_until: None,
        });
        let standing = answer.standing;
        let told = |decision: Decision| {
            let (standing, approval) = (Some(standing.as_str()), approval.clone());
            Decision { context: Context { standing, approval, ..decision.context }, ..decision }
        };
        // What a grant is judged by is looked at first: that it is wrong is the better reason.
        let denied = |reason, why| told(self.deny(reason, why, Some(system)));
        match answer.outcome {
            Outcome::Unjustified => denied(standing.as_str(), unjustified(standing).to_owned()),
            Outcome::Unknown => {
                denied(standing.as_str(), "whether it is justified is not known: data is missing".to_owned())
            }
            Outcome::Justified if !answer.stands => {
                denied("changing", "it was justified, and is being judged again".to_owned())
            }
            Outcome::Justified => match self.fault(system) {
                Some(why) => denied("not-fresh", why),
                None => {
                    let why = "the grant is there and is justified now".to_owned();
                    told(self.said(true, standing.as_str(), why, "You may go on.", Some(system)))
                }
            },
        }
    }

    /// Why what an answer about a system rests on is not fresh.
    fn fault(&self, system: &str) -> Option<String> {
        let fresh = self.ready.fresh(system);
        let stale = || {
            let over = fresh.until.is_none_or(|until| until <= self.now);
            over.then(|| "what it rests on is older than `source_max_age` allows".to_owned())
        };
        fresh.fault.clone().or_else(stale)
    }

    fn deny(&self, reason: &'static str, why: String, system: Option<&str>) -> Decision {
        let user = match reason {
            "not-fresh" | "changing" => "Whether you may cannot be said at the moment. Try again later.",
            "not-understood" => "This cannot be decided here. Contact whoever runs the system.",
            _ => "No valid approval carries this access. Ask for it, or contact whoever runs the system.",
        };
        self.said(false, reason, why, user, system)
    }

    fn said(
        &self,
        decision: bool,
        reason: &'static str,
        admin: String,
        user: &str,
        system: Option<&str>,
    ) -> Decision {
        let held = &self.ready.held;
        let oldest = system.and_then(|system| self.ready.fresh(system).oldest);
        let age = oldest.and_then(|at| self.now.since(at)).map(|age| age.ms() / 1000);
        let context = Context {
            reason,
            reason_admin: Text { en: admin },
            reason_user: Text { en: user.to_owned() },
            standing: None,
            approval: None,
            as_of: held.as_of,
            run: held.run,
            data_age_seconds: age,
            evaluation_id: None,
            evaluated_at: None,
            access_request: None,
            next_action: None,
            retry_after: None,
        };
        Decision { decision, context }
    }
}

/// Why a standing does not justify.
fn unjustified(standing: Standing) -> &'static str {
    match standing {
        Standing::Unapproved => "no approved request covers it",
        Standing::Expired => "its approval has ended",
        Standing::Revoked => "it was revoked",
        Standing::Pending => "its request is not decided",
        Standing::Denied => "its request was denied",
        _ => "it is not justified",
    }
}
