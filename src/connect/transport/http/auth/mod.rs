//! Who one is: what goes into a request so that the product knows who asks.
//!
//! ```text
//! basic, bearer, key ────────────────────────▶ a header that stays as it is
//! client-credentials, private-key-jwt,
//! service-account, github-app ──▶ a token ───▶ `Authorization: Bearer`, until the token ends
//! aws ────────────▶ (keys of a role) ────────▶ a signature over the whole request
//! ```
//!
//! A secret is in a type that shows nothing of it and is wiped when it is let go. Nothing here waits or tries again: that
//! is for whoever asks the product, who learns whether it is worth it.

mod ask;
mod aws;
mod client_credentials;
mod fixed;
mod github_app;
mod jwt;
mod keep;
mod oauth;
mod private_key_jwt;
mod role;
mod service_account;

use std::fmt;
use std::path::Path;

use reqwest::{Request, Url};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::site;
use crate::connect::manifest::http as manifest;
use crate::connect::manifest::http::AuthKind;
use crate::model::{Duration, Instant};
use crate::net::{Connection, Hidden, Web};
use crate::secret::SecretRef;

use ask::Asker;
use keep::Keep;

/// What the address that a request goes to is called in a signature. AWS alone asks for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signing<'a> {
    /// The service, `iam` say.
    pub service: Option<&'a str>,
    /// The region, `us-east-1` say.
    pub region: Option<&'a str>,
}

/// Why a request cannot be made in one's own name. Its text is fit for a message: one line, no secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthError {
    /// Whoever hands out tokens said no, or something is wrong that stays so: there is no point in another try.
    Refused(String),
    /// It may go better in a while.
    Transient {
        /// Why.
        reason: String,
        /// How long one was asked to wait; `None` where nothing was said.
        retry_after: Option<Duration>,
    },
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) | Self::Transient { reason, .. } => f.write_str(reason),
        }
    }
}

impl std::error::Error for AuthError {}

/// What a request was made with: to keep it out of messages, and to say what was not accepted.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    secret: Option<SecretString>,
    number: u64,
}

impl Proof {
    /// What was fetched to make the request, beside the [secrets](Authorizer::secrets) that were known from the start: for
    /// [`Hidden::safe`], where a text from the product is told.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretString> {
        self.secret.as_ref()
    }
}

/// Says in every request who one is.
pub struct Authorizer {
    kind: AuthKind,
    secrets: Vec<SecretString>,
    hidden: Hidden,
    way: Way,
}

/// How.
enum Way {
    /// Not at all.
    Nothing,
    /// The same header always.
    Fixed(fixed::Header),
    /// A token that ends.
    Token(Box<Source>, Keep<SecretString>),
    /// A signature by these keys.
    Keys(aws::Keys),
    /// A signature by the keys of a role.
    Role(Box<(role::Role, Keep<aws::Keys>)>),
}

/// Where a token comes from.
enum Source {
    ClientCredentials(client_credentials::Client),
    PrivateKeyJwt(private_key_jwt::Client),
    ServiceAccount(service_account::Account),
    GithubApp(github_app::App),
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorizer").field(&self.kind).finish()
    }
}

/// What everything that is set up here knows.
struct Setup<'a> {
    manifest: &'a manifest::Auth,
    /// The first base.
    first: &'a Url,
    /// The settings of the source.
    settings: &'a Map<String, Value>,
    /// What relative paths start from.
    folder: &'a Path,
    connection: &'a Connection,
}

impl Setup<'_> {
    /// Fetches the secret that this setting names.
    fn fetch(&self, setting: &str, secret: &SecretRef) -> Result<SecretString, String> {
        secret.fetch(self.folder).map_err(|e| format!("`{setting}`: {e}"))
    }
}

impl Authorizer {
    /// Gets ready: fetches the secrets, reads keys, finds out where tokens are had. Nothing is asked yet. `first` is the
    /// first base, `settings` are those of the source, for `{name}` in an address; `folder` is what relative paths start
    /// from.
    ///
    /// # Errors
    /// When the connector does not take this kind, or a secret, a key, a file or an address is not what it should be. No
    /// secret is in the text.
    pub fn new(
        manifest: &manifest::Auth,
        site: &site::Auth,
        first: &Url,
        settings: &Map<String, Value>,
        folder: &Path,
        connection: &Connection,
    ) -> Result<Self, String> {
        let kind = site.kind();
        taken(&manifest.kinds, kind)?;
        let setup = Setup { manifest, first, settings, folder, connection };
        let (way, secrets) =
            way(site, &setup).map_err(|e| format!("[source.http.auth.{}]: {e}", name(kind)))?;
        Ok(Self { kind, hidden: Hidden::new(&secrets), secrets, way })
    }

    /// Every secret that is known from the start, in the forms in which it is sent.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        self.secrets.clone()
    }

    /// Adds to a request what proves who one is; a token is fetched when there is none or it is about to end. Everything
    /// else of the request must be there: a signature covers it. It must go to an address of the connector: whoever gets
    /// it could be somebody in this one's name. `now` is the time that signatures and the ends of tokens go by.
    ///
    /// # Errors
    /// When there is no token to be had; [`AuthError::Refused`] is said again to whoever asks again, without asking for
    /// another token.
    pub async fn sign(
        &self,
        request: &mut Request,
        base: &Signing<'_>,
        web: &Web,
        now: Instant,
    ) -> Result<Proof, AuthError> {
        let asker = Asker { web, hidden: &self.hidden, now };
        match &self.way {
            Way::Nothing => Ok(Proof::default()),
            Way::Fixed(header) => header.put(request).map(|()| Proof::default()),
            Way::Token(source, keep) => {
                let (token, number) = keep.get(now, source.fetch(&asker)).await?;
                fixed::Header::bearer(token.clone()).put(request)?;
                Ok(Proof { secret: Some(token), number })
            }
            Way::Keys(keys) => aws::sign(request, keys, base, now).map(|()| Proof::default()),
            Way::Role(of) => {
                let (role, keep) = of.as_ref();
                let (keys, number) = keep.get(now, role.fetch(&asker, base)).await?;
                aws::sign(request, &keys, base, now)?;
                Ok(Proof { secret: Some(keys.all()), number })
            }
        }
    }

    /// A request made with this proof was answered with 401: throws the token away, unless another has taken its place
    /// since. Whether a request with a new one is worth a try.
    pub async fn renew(&self, proof: &Proof) -> bool {
        match &self.way {
            Way::Nothing | Way::Fixed(_) | Way::Keys(_) => false,
            Way::Token(_, keep) => keep.forget(proof.number).await,
            Way::Role(of) => of.1.forget(proof.number).await,
        }
    }
}

impl Source {
    async fn fetch(&self, asker: &Asker<'_>) -> Result<keep::Issued<SecretString>, AuthError> {
        match self {
            Self::ClientCredentials(client) => client.fetch(asker).await,
            Self::PrivateKeyJwt(client) => client.fetch(asker).await,
            Self::ServiceAccount(account) => account.fetch(asker).await,
            Self::GithubApp(app) => app.fetch(asker).await,
        }
    }
}

/// Sets up one kind; what it is, and its secrets.
fn way(site: &site::Auth, setup: &Setup<'_>) -> Result<(Way, Vec<SecretString>), String> {
    let fixed = |(header, secrets)| (Way::Fixed(header), secrets);
    let token = |source, secrets| (Way::Token(Box::new(source), Keep::default()), secrets);
    Ok(match site {
        site::Auth::None => (Way::Nothing, vec![]),
        site::Auth::Basic { user, password } => {
            fixed(fixed::basic(user, setup.fetch("password", password)?)?)
        }
        site::Auth::Bearer { token } => fixed(fixed::bearer(setup.fetch("token", token)?)?),
        site::Auth::Key { key } => fixed(fixed::key(setup.manifest, setup.fetch("key", key)?)?),
        site::Auth::ClientCredentials { client_id, client_secret, scope, token_url } => {
            let secret = setup.fetch("client_secret", client_secret)?;
            let (scope, token_url) = (scope.as_deref(), token_url.as_deref());
            let client = client_credentials::Client::new(setup, client_id, secret, scope, token_url)?;
            let secrets = client.secrets();
            token(Source::ClientCredentials(client), secrets)
        }
        site::Auth::PrivateKeyJwt { client_id, key, key_id, certificate_file, scope, token_url } => {
            let key = setup.fetch("key", key)?;
            let about = private_key_jwt::About {
                client_id,
                key_id: key_id.as_deref(),
                certificate_file: certificate_file.as_deref(),
                scope: scope.as_deref(),
                token_url: token_url.as_deref(),
            };
            token(Source::PrivateKeyJwt(private_key_jwt::Client::new(setup, &key, &about)?), vec![key])
        }
        site::Auth::ServiceAccount { key, scope, token_url } => {
            let file = setup.fetch("key", key)?;
            let (scope, token_url) = (scope.as_deref(), token_url.as_deref());
            let (account, key) = service_account::Account::new(setup, &file, scope, token_url)?;
            token(Source::ServiceAccount(account), vec![file, key])
        }
        site::Auth::GithubApp { app_id, installation_id, key } => {
            let key = setup.fetch("key", key)?;
            let app = github_app::App::new(setup.first, app_id, installation_id, &key)?;
            token(Source::GithubApp(app), vec![key])
        }
        site::Auth::Aws {
            access_key_id,
            secret_access_key,
            session_token,
            role_arn,
            external_id,
            sts_url,
        } => {
            let session = session_token.as_ref().map(|secret| setup.fetch("session_token", secret));
            let keys = aws::Keys {
                id: setup.fetch("access_key_id", access_key_id)?,
                secret: setup.fetch("secret_access_key", secret_access_key)?,
                session: session.transpose()?,
            };
            let secrets = keys.each();
            match role_arn {
                Some(arn) => {
                    let (external_id, sts_url) = (external_id.as_deref(), sts_url.as_deref());
                    let role = role::Role::new(setup.connection, keys, arn, external_id, sts_url)?;
                    (Way::Role(Box::new((role, Keep::default()))), secrets)
                }
                None if external_id.is_some() || sts_url.is_some() => {
                    return Err(
                        "`external_id` and `sts_url` go with `role_arn`, which is not given".to_owned()
                    );
                }
                None => (Way::Keys(keys), secrets),
            }
        }
    })
}

/// Says so when the connector does not take this kind.
fn taken(kinds: &[AuthKind], kind: AuthKind) -> Result<(), String> {
    if kinds.contains(&kind) {
        return Ok(());
    }
    let expected: Vec<String> = kinds
        .iter()
        .map(|kind| match kind {
            AuthKind::None => "no [source.http.auth] at all".to_owned(),
            kind => format!("[source.http.auth.{}]", name(*kind)),
        })
        .collect();
    let expected = expected.join(" or ");
    Err(match kind {
        AuthKind::None => {
            format!("[source.http.auth] does not say who one is; this connector expects {expected}")
        }
        kind => {
            format!(
                "[source.http.auth.{}] is nothing that this connector takes; it expects {expected}",
                name(kind)
            )
        }
    })
}

/// What a kind is called in the configuration.
fn name(kind: AuthKind) -> &'static str {
    match kind {
        AuthKind::None => "none",
        AuthKind::Basic => "basic",
        AuthKind::Bearer => "bearer",
        AuthKind::Key => "key",
        AuthKind::ClientCredentials => "client-credentials",
        AuthKind::PrivateKeyJwt => "private-key-jwt",
        AuthKind::ServiceAccount => "service-account",
        AuthKind::Aws => "aws",
        AuthKind::GithubApp => "github-app",
    }
}
