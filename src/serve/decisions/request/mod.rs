//! Where access that is denied can be asked for: the AuthZEN Access Request and Approval Profile, Draft 1, as it stood on
//! 3 June 2026 (openid/authzen, commit 7327cb1). A draft: what is here follows it, and may change with any version.
//!
//! ```text
//! denial ─▶ may be asked for? ─▶ the first way that fits ─▶ binding: signed, so that whoever takes requests can trust it ─┐
//! permit ─▶ approved_at, approved_until                                                     context.access_request ◀──────┘
//! approval that is presented ─▶ approval: what to do next
//! ```
//!
//! Counterfoil decides and never gives: a request is taken by a service beside it, and its outcome is believed once a source of
//! requests has it. So an approval that somebody presents never makes a yes; it only makes a better no.

mod approval;
mod binding;
mod settings;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::sign_in::random;
use super::ask::Asked;
use super::decide::{Context, Decision};
use super::held::{Fresh, Ready};
use crate::judge::World;
use crate::model::Instant;
use approval::Next;
use binding::Claims;
pub(super) use binding::KeySet;
pub use settings::AccessRequest;
use settings::Way;

/// How long what names a question may be, in bytes, for a denial to be requestable: all of it stands in the answer again.
const MAX_NAMED: usize = 4096;
/// How long to wait before asking again where more will be known soon, in seconds.
const RETRY_AFTER: u64 = 60;

/// What a question was understood as.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) system: &'a str,
    pub(super) entitlement: &'a str,
    pub(super) scope: Option<&'a str>,
}

/// Where denied access can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Offer {
    /// Where to, if not to the endpoint that the configuration of AuthZEN names.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// What the request is for, to whoever takes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<String>,
    /// Until when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    expires_at: Instant,
    /// That this was denied, signed: a JWS.
    binding_token: String,
    /// What to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<Display>,
    /// A form for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    form_url: Option<String>,
    /// What more a request has to say, as a JSON Schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_schema_url: Option<String>,
    /// Which values there are to choose from.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_catalogs_url: Option<String>,
}

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
struct Display {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// How access to a system has been asked for so far: only what all its requests agree in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asking {
    source: Agreed,
    path: Agreed,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Agreed {
    #[default]
    Nothing,
    One(String),
    Several,
}

impl Agreed {
    fn add(&mut self, text: &str) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(text.to_owned()),
            Self::One(one) if one == text => Self::One(one),
            _ => Self::Several,
        };
    }

    fn one(&self) -> Option<&str> {
        if let Self::One(one) = self { Some(one) } else { None }
    }
}

/// How access was asked for, by the number of the system; and the sources of all requests.
pub(super) fn ways(world: &World) -> (HashMap<u32, Asking>, BTreeSet<String>) {
    let (mut ways, mut sources) = (HashMap::<u32, Asking>::new(), BTreeSet::new());
    for (system, source, path) in world.ways() {
        if !sources.contains(source) {
            sources.insert(source.to_owned());
        }
        let way = ways.entry(system).or_default();
        way.source.add(source);
        if let Some(path) = path {
            way.path.add(path);
        }
    }
    (ways, sources)
}

/// The part as it is configured, with its key.
#[derive(Debug)]
pub(super) struct Offering {
    settings: AccessRequest,
    keys: KeySet,
    /// Where Counterfoil is reached.
    base: String,
}

impl Offering {
    /// Fetches the key. `folder` is what a relative `file:` starts from, `url` where Counterfoil is reached.
    ///
    /// # Errors
    /// When the key cannot be had, or something is set that cannot be meant.
    pub(super) fn fetch(settings: &AccessRequest, url: Option<&str>, folder: &Path) -> Result<Self, String> {
        settings.check(url)?;
        let base = url.unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { keys: KeySet::fetch(settings, folder)?, settings: settings.clone(), base })
    }

    /// Where requests are taken.
    pub(super) fn endpoint(&self) -> &str {
        &self.settings.endpoint
    }

    /// The keys by which what is signed here is believed.
    pub(super) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Adds to a decision what the profile says of it. `place` is what the question was understood as, if it was.
    pub(super) fn tell(
        &self,
        decision: &mut Decision,
        asked: &Asked,
        place: Option<&Place<'_>>,
        ready: &Ready,
        now: Instant,
    ) {
        // Without random numbers there is no id, and without an id nothing can be asked for.
        let Ok(id) = random().map(|id| format!("eval_{id}")) else { return };
        let context = &mut decision.context;
        (context.evaluation_id, context.evaluated_at) = (Some(id.clone()), Some(now));
        let fresh = place.map(|place| ready.fresh(place.system));
        if decision.decision {
            if let Some(approval) = &mut context.approval {
                approval.approved_at = approval.decided_at;
                let of_data = fresh.and_then(|fresh| fresh.until);
                approval.approved_until = [approval.until, of_data].into_iter().flatten().min();
            }
            return;
        }
        let sound = fresh.is_some_and(|fresh| is_sound(fresh, now));
        let offer = place
            .filter(|_| sound && can_be_asked_for(context.reason))
            .and_then(|place| self.offer(&id, asked, place, ready, now));
        let Some(presented) = asked.approval.as_deref() else {
            context.access_request = offer;
            return;
        };
        let decides = context.approval.as_ref().map(|a| (a.source.as_str(), a.id.as_str()));
        let (next, reason) = approval::after(presented, context.reason, decides, &ready.held, fresh, now);
        next_is(context, next, reason, offer);
    }

    /// Where what was denied can be asked for, if anywhere.
    fn offer(
        &self,
        id: &str,
        asked: &Asked,
        place: &Place<'_>,
        ready: &Ready,
        now: Instant,
    ) -> Option<Offer> {
        let named = asked.subject.text.len() + asked.action.text.len() + asked.resource.text.len();
        // Of a system that nobody knows nobody can give anything.
        let system = ready.held.decide.system(place.system).filter(|_| named <= MAX_NAMED)?;
        let so_far = ready.held.ways.get(&system);
        let none = Way::default();
        let mut fits = self.settings.way.iter().filter(|way| {
            let names = way.systems.iter().any(|own| ready.held.decide.system(own) == Some(system));
            let source = || so_far.and_then(|way| way.source.one());
            (way.systems.is_empty() || names) && (way.source.is_none() || way.source.as_deref() == source())
        });
        let way = if self.settings.way.is_empty() { &none } else { fits.next()? };
        let filled = |template: &Option<String>| {
            let fill = |url: &String| filled(url, &asked.subject.id, place, id);
            template.as_ref().map(fill)
        };
        let expires_at = now.plus(self.settings.valid_for);
        let endpoint = way.endpoint.as_deref().unwrap_or(&self.settings.endpoint);
        let audience = way.audience.as_deref().or(self.settings.audience.as_deref()).unwrap_or(endpoint);
        let claims = Claims::new(&self.base, audience, id, [now, expires_at], asked)?;
        let path = so_far.and_then(|way| way.path.one());
        let display = Display { title: way.title.clone(), description: way.description.clone() };
        Some(Offer {
            endpoint: way.endpoint.clone(),
            template: way.template.clone().or_else(|| path.map(str::to_owned)),
            expires_at,
            binding_token: self.keys.token(&claims)?,
            display: Some(display).filter(|d| d.title.is_some() || d.description.is_some()),
            form_url: filled(&way.form_url),
            request_schema_url: filled(&way.request_schema_url),
            request_catalogs_url: filled(&way.request_catalogs_url),
        })
    }
}

/// Whether what a denial rests on is fresh: else it may be data that is missing, and not authority.
fn is_sound(fresh: &Fresh, now: Instant) -> bool {
    fresh.fault.is_none() && fresh.until.is_some_and(|until| until > now)
}

/// Whether what was denied for this reason could be approved: what waits for a decision has been asked for, and of what is not
/// known or not understood nobody can say what to ask for.
fn can_be_asked_for(reason: &str) -> bool {
    matches!(reason, "no-such-grant" | "unapproved" | "expired" | "revoked" | "denied" | "exceeded")
}

fn next_is(context: &mut Context, next: Next, reason: &'static str, offer: Option<Offer>) {
    context.reason = reason;
    // Only what can be asked for is to be asked for.
    let next = if next == Next::Request && offer.is_none() { Next::None } else { next };
    context.next_action = Some(next.as_str());
    context.retry_after = (next == Next::Retry).then_some(RETRY_AFTER);
    context.access_request = offer.filter(|_| next == Next::Request);
}

/// An address with the names in their places.
fn filled(url: &str, subject: &str, place: &Place<'_>, evaluation: &str) -> String {
    let mut out = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        let value = match name {
            "system" => place.system,
            "entitlement" => place.entitlement,
            "scope" => place.scope.unwrap_or_default(),
            "subject" => subject,
            "evaluation" => evaluation,
            _ => "",
        };
        out.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_an_address_can_be_nothing_but_a_name() {
        let place = Place { system: "a&b=/../#", entitlement: "{subject}", scope: None };
        let url =
            filled("https://t/new?s={system}&r={entitlement}&z={scope}&w={subject}#x", "mia@x", &place, "e");
        assert_eq!(url, "https://t/new?s=a%26b%3D%2F%2E%2E%2F%23&r=%7Bsubject%7D&z=&w=mia%40x#x");
    }

    #[test]
    fn only_what_all_requests_agree_in_is_said() {
        let mut agreed = Agreed::default();
        assert_eq!(agreed.one(), None);
        agreed.add("a");
        agreed.add("a");
        assert_eq!(agreed.one(), Some("a"));
        agreed.add("b");
        agreed.add("a");
        assert_eq!(agreed.one(), None);
    }
}
