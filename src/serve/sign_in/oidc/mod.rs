//! Signing in with an identity provider: OpenID Connect, the authorization code flow with PKCE.
//!
//! ```text
//! browser ─ /sign-in/start ─▶ 303 to the provider, and a cookie: state, nonce, verifier
//!         ─ /sign-in/callback?code&state ─▶ the cookie's state? ─▶ code + verifier for an ID token ─▶ whose, for whom, until
//!                                           when, which nonce, signed by whom ─▶ groups ─▶ roles ─▶ session
//! ```
//!
//! What was begun is held by the browser alone, so that nobody can fill the memory with sign-ins that never end. The provider
//! is asked for its addresses and keys when first needed, and for its keys again when one is not known.

mod keys;
mod token;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant as Tick;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::Role;
use super::sessions::random;
use crate::model::{Duration, Instant};
use crate::net::{Connection, Web, why};
use crate::secret::SecretRef;
use keys::{Known, Method};
use token::Expected;

/// The cookie of a sign-in under way.
pub const FLOW: &str = "counterfoil_sign_in";
/// How long one may take, in seconds.
pub const FLOW_LASTS: u64 = 600;
/// How long the provider may take over one answer: a person waits.
const PATIENCE: Duration = Duration::seconds(15);
/// How many bytes an answer of the provider has.
const MAX_ANSWER: usize = 256 * 1024;
/// How many characters a name has.
const MAX_NAME: usize = 200;
/// What stands as it is in a form (`application/x-www-form-urlencoded`).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// `[serve.oidc]`: people sign in with an identity provider. Needs `[serve] url`; the address that the provider must know
/// is that with `/sign-in/callback` after it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider, exactly as it names itself: `https://login.corp.example/realms/corp`.
    pub issuer: String,
    /// What the provider calls Counterfoil.
    pub client_id: String,
    /// Where the client's secret is; none for a public client, which PKCE alone protects.
    #[schemars(with = "Option<String>")]
    pub client_secret: Option<SecretRef>,
    /// What is asked for; `openid` is always among it.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim of the ID token that names people in the evidence log.
    #[serde(default = "default_name")]
    pub name_claim: String,
    /// The claim of the ID token that says what somebody is a member of: a text or a list of texts. `a.b` is `b` within `a`.
    #[serde(default = "default_roles")]
    pub roles_claim: String,
    /// What each value of that claim lets somebody do. Whoever has none of them does not get in.
    pub roles: BTreeMap<String, Vec<Role>>,
    /// What the page calls the provider.
    #[serde(default = "default_title")]
    pub title: String,
    /// How the provider is reached.
    #[serde(default)]
    pub http: Connection,
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn default_name() -> String {
    "email".to_owned()
}

fn default_roles() -> String {
    "groups".to_owned()
}

fn default_title() -> String {
    "your organisation's sign-in".to_owned()
}

impl Oidc {
    /// Whether it can be meant.
    ///
    /// # Errors
    /// Says which setting is wrong.
    pub fn check(&self, url: Option<&str>) -> Result<(), String> {
        if url.is_none() {
            return Err("needs `url`: the provider must know where to send people back to".to_owned());
        }
        let issuer = self.http.address("issuer", &self.issuer).map_err(|e| e.to_string())?;
        if issuer.query().is_some() {
            return Err("`issuer`: what follows `?` does not belong to it".to_owned());
        }
        if self.client_id.is_empty() {
            return Err("`client_id` is empty".to_owned());
        }
        if self.roles.is_empty() || self.roles.values().any(Vec::is_empty) {
            return Err(
                "`roles`: each value of the claim gives at least one role, and without any nobody gets in"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Why somebody is not signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotIn {
    /// This try is over: begin again.
    Again(String),
    /// The provider says no, or what it says is not to be believed.
    Refused(String),
    /// Who it is is known, and that one may do nothing here.
    NoRole(String),
    /// The provider cannot be reached, or says what nobody understands.
    Provider(String),
}

/// Who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The name, for the evidence log.
    pub name: String,
    /// What that one may do.
    pub roles: Vec<Role>,
    /// The path to go on with.
    pub then: String,
}

/// What a browser is told to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// Where to go.
    pub to: String,
    /// The value of the cookie.
    pub cookie: String,
}

/// What the provider sends back with the browser.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Callback {
    /// What it gives for an ID token.
    pub code: Option<String>,
    /// What it was sent with.
    pub state: Option<String>,
    /// Why there is no code.
    pub error: Option<String>,
    /// The same in words.
    pub error_description: Option<String>,
    /// Who says so (RFC 9207).
    pub iss: Option<String>,
}

/// An identity provider.
pub struct Provider {
    settings: Oidc,
    redirect: String,
    web: Web,
    secret: Option<SecretString>,
    known: Mutex<Known>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

impl Provider {
    /// A provider; nothing is asked yet. `url` is where people reach Counterfoil, `folder` what relative paths start from.
    ///
    /// # Errors
    /// When a setting is wrong, or the secret cannot be had.
    pub fn new(settings: &Oidc, url: Option<&str>, folder: &Path) -> Result<Self, String> {
        let fail = |why: String| format!("[serve.oidc]: {why}");
        settings.check(url).map_err(fail)?;
        let secret = settings.client_secret.as_ref().map(|s| s.fetch(folder)).transpose();
        let secret = secret.map_err(|e| fail(e.to_string()))?;
        let http = Connection { timeout: settings.http.timeout.min(PATIENCE), ..settings.http.clone() };
        let web = http.open(folder, secret.iter().cloned().collect()).map_err(|e| fail(e.to_string()))?;
        let redirect = format!("{}/sign-in/callback", url.unwrap_or_default().trim_end_matches('/'));
        Ok(Self { settings: settings.clone(), redirect, web, secret, known: Mutex::default() })
    }

    /// What the page calls it.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.settings.title
    }

    /// Whether it is the one of these settings.
    #[must_use]
    pub fn is_of(&self, settings: &Oidc) -> bool {
        self.settings == *settings
    }

    /// Begins a sign-in. `then` is the path to go on with.
    ///
    /// # Errors
    /// When the provider does not say where people sign in, or the system has no random numbers.
    pub async fn begin(&self, then: &str) -> Result<Begun, NotIn> {
        let mut made = vec![];
        for _ in 0..3 {
            made.push(random().map_err(NotIn::Provider)?);
        }
        let [state, nonce, verifier] = made.as_slice() else {
            return Err(NotIn::Provider("the system gives no random numbers".to_owned()));
        };
        let mut known = self.known.lock().await;
        let at = known.endpoints(self, Tick::now()).await?;
        let mut to = at.authorization.clone();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let scopes = self.settings.scopes.iter().map(String::as_str).filter(|s| *s != "openid");
        let scope = std::iter::once("openid").chain(scopes).collect::<Vec<_>>().join(" ");
        to.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &scope)
            .append_pair("state", state)
            .append_pair("nonce", nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let then = utf8_percent_encode(then, FORM).to_string();
        Ok(Begun { to: to.into(), cookie: format!("{state}.{nonce}.{verifier}.{then}") })
    }

    /// Ends a sign-in: who that is. `cookie` is what the browser was told to keep.
    ///
    /// # Errors
    /// See [`NotIn`].
    pub async fn end(&self, back: &Callback, cookie: Option<&str>, now: Instant) -> Result<SignedIn, NotIn> {
        let again = || NotIn::Again("this sign-in took too long, or was begun in another browser".to_owned());
        let mut parts = cookie.ok_or_else(again)?.splitn(4, '.');
        let mut part = || parts.next().filter(|part| !part.is_empty()).ok_or_else(again);
        let (state, nonce, verifier) = (part()?, part()?, part()?);
        let then = parts.next().unwrap_or_default();
        if !back.state.as_deref().is_some_and(|said| is_same(said, state)) {
            return Err(again());
        }
        if back.iss.as_ref().is_some_and(|iss| *iss != self.settings.issuer) {
            return Err(NotIn::Refused("another provider than the configured one answered".to_owned()));
        }
        if let Some(error) = &back.error {
            let more = back.error_description.as_deref().map(|d| format!(": {d}")).unwrap_or_default();
            return Err(NotIn::Refused(
                self.web.hidden.safe(&format!("the provider says {error}{more}"), None),
            ));
        }
        let code = back.code.as_deref().filter(|code| !code.is_empty()).ok_or_else(again)?;
        let token = self.redeem(code, verifier).await?;
        let expected =
            Expected { issuer: &self.settings.issuer, client: &self.settings.client_id, nonce, now };
        let mut known = self.known.lock().await;
        let claims = known.verified(self, &token, &expected, Tick::now()).await?;
        drop(known);
        let name = self.name(&claims)?;
        let roles = self.roles(&claims);
        if roles.is_empty() {
            return Err(NotIn::NoRole(name));
        }
        let then = percent_encoding::percent_decode_str(then).decode_utf8_lossy().into_owned();
        Ok(SignedIn { name, roles, then })
    }

    /// Gives the code for an ID token.
    async fn redeem(&self, code: &str, verifier: &str) -> Result<String, NotIn> {
        let (address, method) = {
            let mut known = self.known.lock().await;
            let at = known.endpoints(self, Tick::now()).await?;
            (at.token.clone(), at.method)
        };
        let (client, mut form) = (&self.settings.client_id, String::new());
        let mut put = |name: &str, value: &str| {
            let sep = if form.is_empty() { "" } else { "&" };
            form.push_str(&format!("{sep}{name}={}", utf8_percent_encode(value, FORM)));
        };
        put("grant_type", "authorization_code");
        put("code", code);
        put("redirect_uri", &self.redirect);
        put("code_verifier", verifier);
        let mut basic = None;
        match (&self.secret, method) {
            (Some(secret), Method::Basic) => {
                let of = |text: &str| utf8_percent_encode(text, FORM).to_string();
                let pair = format!("{}:{}", of(client), of(secret.expose_secret()));
                basic = Some(SecretString::from(format!("Basic {}", STANDARD.encode(pair))));
            }
            (secret, _) => {
                put("client_id", client);
                if let Some(secret) = secret {
                    put("client_secret", secret.expose_secret());
                }
            }
        }
        let mut request = self.web.client.post(address);
        if let Some(basic) = &basic {
            request = request.header(AUTHORIZATION, basic.expose_secret());
        }
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let (status, text) = self.answer(request).await?;
        #[derive(Default, Deserialize)]
        struct Given {
            id_token: Option<String>,
            error: Option<String>,
        }
        let given: Given = serde_json::from_slice(&text).unwrap_or_default();
        match (status, given) {
            (200, Given { id_token: Some(token), .. }) => Ok(token),
            (200, _) => Err(NotIn::Provider("its answer has no ID token; is `openid` allowed?".to_owned())),
            (_, Given { error: Some(error), .. }) if error == "invalid_grant" => {
                Err(NotIn::Again("the provider no longer knows this sign-in".to_owned()))
            }
            (_, Given { error, .. }) => {
                let error = error
                    .map(|e| self.web.hidden.safe(&format!(": {e}"), basic.as_ref()))
                    .unwrap_or_default();
                Err(NotIn::Provider(format!("it gives no ID token: status {status}{error}")))
            }
        }
    }

    /// The answer to a request: its status and what it says, which has an end.
    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<(u16, Vec<u8>), NotIn> {
        let fail = |e: reqwest::Error| NotIn::Provider(format!("it cannot be reached: {}", why(&e)));
        let mut answer = request.header(ACCEPT, "application/json").send().await.map_err(fail)?;
        let (status, mut text) = (answer.status().as_u16(), vec![]);
        while let Some(chunk) = answer.chunk().await.map_err(fail)? {
            if text.len() + chunk.len() > MAX_ANSWER {
                return Err(NotIn::Provider(format!("an answer has more than {MAX_ANSWER} bytes")));
            }
            text.extend_from_slice(&chunk);
        }
        Ok((status, text))
    }

    fn name(&self, claims: &Map<String, Value>) -> Result<String, NotIn> {
        let claim = &self.settings.name_claim;
        let refused = |why: &str| Err(NotIn::Refused(format!("the claim `{claim}` {why}")));
        let Some(name) = at(claims, claim).and_then(Value::as_str).map(str::trim) else {
            return refused("that names people is not in the ID token");
        };
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return refused("that names people is no name");
        }
        if claim == "email" && claims.get("email_verified") == Some(&Value::Bool(false)) {
            return refused("is an address that the provider has not verified");
        }
        Ok(name.to_owned())
    }

    fn roles(&self, claims: &Map<String, Value>) -> Vec<Role> {
        let of = |value: &Value| value.as_str().and_then(|v| self.settings.roles.get(v)).cloned();
        let mut roles: Vec<Role> = match at(claims, &self.settings.roles_claim) {
            Some(Value::Array(values)) => values.iter().filter_map(of).flatten().collect(),
            Some(value) => of(value).unwrap_or_default(),
            None => vec![],
        };
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}

/// A claim: as it is called, else along its dots.
fn at<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        at(claims.get(outer)?.as_object()?, inner)
    })
}

/// Compares without telling by the time it takes how much was right.
fn is_same(a: &str, b: &str) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.as_bytes(), b.as_bytes()).is_ok()
}
