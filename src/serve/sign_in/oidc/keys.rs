//! What the provider says of itself: where people sign in, where a code is redeemed, and which keys it signs with.

use std::collections::VecDeque;
use std::time::{Duration as Span, Instant as Tick};

use jsonwebtoken::jwk::Jwk;
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::token::{Expected, Wrong, verify};
use super::{NotIn, Provider};

/// For how long what it says is believed.
const LASTS: Span = Span::from_secs(3600);
/// How many keys it has.
const MAX_KEYS: usize = 100;
/// How often within [`REFRESH_WINDOW`] its keys are asked for again because one is not known: tokens of strangers must not
/// make us ask without end.
const REFRESHES: usize = 5;
const REFRESH_WINDOW: Span = Span::from_secs(60);

/// How a client shows its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Basic,
    Post,
}

/// Where what is.
#[derive(Debug, Clone)]
pub(super) struct Endpoints {
    pub(super) authorization: Url,
    pub(super) token: Url,
    keys: Url,
    pub(super) method: Method,
}

/// What is known of a provider, and since when.
#[derive(Default)]
pub(super) struct Known {
    endpoints: Option<(Tick, Endpoints)>,
    keys: Option<(Tick, Vec<Jwk>)>,
    refreshed: VecDeque<Tick>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

impl Known {
    /// Where what is.
    pub(super) async fn endpoints(&mut self, provider: &Provider, now: Tick) -> Result<&Endpoints, NotIn> {
        let old = |(since, _): &(Tick, Endpoints)| now.saturating_duration_since(*since) >= LASTS;
        if self.endpoints.as_ref().is_none_or(old) {
            self.endpoints = Some((now, discover(provider).await?));
        }
        let known = self.endpoints.as_ref().map(|(_, at)| at);
        known.ok_or_else(|| NotIn::Provider("it says nothing of itself".to_owned()))
    }

    /// The claims of an ID token, once all is right with it.
    pub(super) async fn verified(
        &mut self,
        provider: &Provider,
        token: &str,
        expected: &Expected<'_>,
        now: Tick,
    ) -> Result<Map<String, Value>, NotIn> {
        let fresh =
            self.keys.as_ref().is_some_and(|(since, _)| now.saturating_duration_since(*since) < LASTS);
        if !fresh {
            self.fetch_keys(provider, now).await?;
        }
        let refused = |why: String| NotIn::Refused(format!("the ID token is not to be believed: {why}"));
        match self.read(token, expected) {
            Ok(claims) => return Ok(claims),
            Err(Wrong::Key) if fresh && self.may_refresh(now) => {}
            Err(wrong) => return Err(refused(wrong.to_string())),
        }
        self.fetch_keys(provider, now).await?;
        self.read(token, expected).map_err(|wrong| refused(wrong.to_string()))
    }

    fn read(&self, token: &str, expected: &Expected<'_>) -> Result<Map<String, Value>, Wrong> {
        verify(token, self.keys.as_ref().map_or(&[], |(_, keys)| keys), expected)
    }

    fn may_refresh(&mut self, now: Tick) -> bool {
        self.refreshed.retain(|at| now.saturating_duration_since(*at) < REFRESH_WINDOW);
        let may = self.refreshed.len() < REFRESHES;
        if may {
            self.refreshed.push_back(now);
        }
        may
    }

    async fn fetch_keys(&mut self, provider: &Provider, now: Tick) -> Result<(), NotIn> {
        let address = self.endpoints(provider, now).await?.keys.clone();
        let set: KeySet = get(provider, address, "its keys").await?;
        if set.keys.len() > MAX_KEYS {
            return Err(NotIn::Provider(format!("it has more than {MAX_KEYS} keys")));
        }
        // A key of a kind that is not known here is of no use here, and no reason to refuse the others.
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        self.keys = Some((now, keys));
        Ok(())
    }
}

async fn discover(provider: &Provider) -> Result<Endpoints, NotIn> {
    let (settings, bad) = (&provider.settings, |why: String| NotIn::Provider(why));
    let address = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
    let address = Url::parse(&address).map_err(|e| bad(e.to_string()))?;
    let document: Document = get(provider, address, "its configuration").await?;
    if document.issuer != settings.issuer {
        let said = provider.web.hidden.safe(&document.issuer, None);
        return Err(bad(format!("it calls itself `{said}`, and `issuer` is `{}`", settings.issuer)));
    }
    let url = |name: &str, text: &str| settings.http.address(name, text).map_err(|e| bad(e.to_string()));
    let methods = &document.token_endpoint_auth_methods_supported;
    let has = |name: &str| methods.iter().any(|m| m == name);
    let post = has("client_secret_post") && !has("client_secret_basic");
    Ok(Endpoints {
        authorization: url("authorization_endpoint", &document.authorization_endpoint)?,
        token: url("token_endpoint", &document.token_endpoint)?,
        keys: url("jwks_uri", &document.jwks_uri)?,
        method: if post { Method::Post } else { Method::Basic },
    })
}

async fn get<T: serde::de::DeserializeOwned>(
    provider: &Provider,
    address: Url,
    what: &str,
) -> Result<T, NotIn> {
    let (status, text) = provider.answer(provider.web.client.get(address)).await?;
    if status != 200 {
        return Err(NotIn::Provider(format!("it does not give {what}: status {status}")));
    }
    serde_json::from_slice(&text).map_err(|e| NotIn::Provider(format!("{what} cannot be read: {e}")))
}
