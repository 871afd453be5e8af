//! The addresses of AuthZEN: one evaluation, several, and what there is.

use axum::extract::State as Given;
use axum::http::header::{CACHE_CONTROL, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::answer::{Refusal, json};
use super::super::openapi::{About, Routes};
use super::super::routes::Shared;
use super::super::sign_in::Need;
use super::super::site::Site;
use super::super::taken::{NOT_JSON, Raw, is_json};
use super::ask::{self, Semantic};
use super::decide::{Answered, Decision, answer};

const ONE: &str = "/access/v1/evaluation";
const MANY: &str = "/access/v1/evaluations";
const KEYS: &str = "/access/v1/jwks";

/// That requests can be made of denials.
const CAN_ASK: &str = "urn:openid:authzen:capability:access-request";

/// The routes.
pub(in crate::serve) fn routes(routes: Routes) -> Routes {
    let decide = Some(Need::Decide);
    let one = About::gives::<Decision>("evaluate", "Whether a grant may be used now (AuthZEN).");
    let many = About::gives::<Answered>("evaluateMany", "Whether several grants may be used now (AuthZEN).");
    let what = About::gives::<Metadata>("authzenConfiguration", "What of AuthZEN there is, and where.");
    routes
        .post(ONE, decide, one.takes::<OneAsked>(), evaluation)
        .post(MANY, decide, many.takes::<ManyAsked>(), evaluations)
        .get("/.well-known/authzen-configuration", None, what, metadata)
        .get(
            KEYS,
            None,
            About::gives::<Keys>("authzenKeys", "The keys that sign what was denied, as a JWK Set."),
            keys,
        )
}

/// An evaluation that is asked for. What is not known here is passed over.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "says what is read piece by piece, so that each error names its part")]
struct OneAsked {
    subject: EntityAsked,
    action: ActionAsked,
    resource: EntityAsked,
    #[serde(default)]
    context: Map<String, Value>,
}

/// Several evaluations that are asked for; what one of them leaves out is said by those beside the list.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "see OneAsked")]
struct ManyAsked {
    subject: Option<EntityAsked>,
    action: Option<ActionAsked>,
    resource: Option<EntityAsked>,
    #[serde(default)]
    context: Map<String, Value>,
    #[serde(default)]
    #[schemars(length(max = 1000))]
    evaluations: Vec<PartAsked>,
    #[serde(default)]
    options: OptionsAsked,
}

/// An evaluation, or what it has of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "see OneAsked")]
struct PartAsked {
    subject: Option<EntityAsked>,
    action: Option<ActionAsked>,
    resource: Option<EntityAsked>,
    #[serde(default)]
    context: Map<String, Value>,
}

/// Who, or what.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "see OneAsked")]
struct EntityAsked {
    r#type: String,
    id: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// What is to be done.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "see OneAsked")]
struct ActionAsked {
    name: String,
    #[serde(default)]
    properties: Map<String, Value>,
}

/// How several evaluations are carried on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "see OneAsked")]
struct OptionsAsked {
    #[serde(default)]
    evaluations_semantic: Semantic,
}

/// Where what is.
#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    /// Where denied access can be asked for. This and what follows only where [serve.decisions.access_request] is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_request_endpoint: Option<String>,
    /// The keys that sign what was denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<&'static str>,
}

/// Public keys.
#[derive(Debug, Serialize, JsonSchema)]
struct Keys {
    keys: Vec<Map<String, Value>>,
}

async fn evaluation(Given(site): Shared, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Refusal> {
    evaluated(&site, &headers, &body, false)
}

async fn evaluations(Given(site): Shared, headers: HeaderMap, Raw(body): Raw) -> Result<Response, Refusal> {
    evaluated(&site, &headers, &body, true)
}

fn evaluated(site: &Site, headers: &HeaderMap, body: &[u8], many: bool) -> Result<Response, Refusal> {
    let Some(decisions) = &site.decisions else { return Err(off()) };
    if !is_json(headers) {
        return Err(Refusal::bad(NOT_JSON));
    }
    let request = ask::read(body, many).map_err(Refusal::bad)?;
    let ready = decisions.ready().map_err(|why| {
        let why = format!("no decisions can be given now: {why}");
        Refusal { after: Some(5), ..Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why) }
    })?;
    let answered = answer(&ready, &decisions.terms(), request, site.now());
    Ok(json(StatusCode::OK, &answered))
}

fn off() -> Refusal {
    Refusal::missing("no decisions are given here; `enabled = true` in [serve.decisions] gives them")
}

async fn metadata(Given(site): Shared, headers: HeaderMap) -> Result<Response, Refusal> {
    let Some(decisions) = &site.decisions else { return Err(off()) };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let base = match site.url() {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if !host.is_empty() && host.chars().all(plain) => format!("http://{host}"),
        None => return Err(Refusal::bad("the request names no host; set `url` in [serve]")),
    };
    let terms = decisions.terms();
    let offering = terms.offering.as_ref();
    let what = Metadata {
        access_request_endpoint: offering.map(|offering| offering.endpoint().to_owned()),
        jwks_uri: offering.map(|_| format!("{base}{KEYS}")),
        capabilities: offering.map(|_| CAN_ASK).into_iter().collect(),
        access_evaluation_endpoint: format!("{base}{ONE}"),
        access_evaluations_endpoint: format!("{base}{MANY}"),
        policy_decision_point: base,
    };
    Ok(json(StatusCode::OK, &what))
}

async fn keys(Given(site): Shared) -> Result<Response, Refusal> {
    let terms = site.decisions.as_ref().map(|decisions| decisions.terms());
    let offering = terms.as_ref().and_then(|terms| terms.offering.as_ref());
    let none =
        "nothing is signed here; [serve.decisions.access_request] names the key that signs what was denied";
    let mut response = json(StatusCode::OK, offering.ok_or_else(|| Refusal::missing(none))?.keys());
    // Whoever believes them looks again before long, and at once for a key that is new.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
