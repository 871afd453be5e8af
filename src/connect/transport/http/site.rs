//! `[source.http]`: where a product is, who one is there, and how hard it may be asked.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::connect::manifest::http::AuthKind;
use crate::model::Duration;
use crate::net::Connection;
use crate::secret::SecretRef;

/// `[source.http]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// The address of the product, `https://example.atlassian.net` say. Where a connector knows the address it may be left
    /// out; where it asks several, this one stands for all that `urls` does not name.
    pub url: Option<String>,
    /// Addresses by the name that the connector's page gives them.
    pub urls: BTreeMap<String, String>,
    /// Who one is: one table of the kinds that the connector's page lists.
    pub auth: Auth,
    /// How the product is reached.
    pub connection: Connection,
    /// How many rows are asked for at a time, where the product has to be spared.
    pub page_size: Option<u64>,
    /// How many requests are made at a time, at most as many as the connector says.
    pub concurrency: Option<usize>,
    /// How many requests one pull may make; what is beyond is not read, and the pull not complete.
    pub max_requests: u64,
    /// How long one pull may take (ISO 8601), waiting included.
    #[schemars(with = "String")]
    pub deadline: Duration,
    /// How often everything is pulled anew where a connector otherwise asks for changes (ISO 8601); `PT0S` for always.
    #[schemars(with = "String")]
    pub full_every: Duration,
    /// Does not wait, in tests.
    #[serde(skip)]
    pub swift: bool,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            url: None,
            urls: BTreeMap::new(),
            auth: Auth::default(),
            connection: Connection::default(),
            page_size: None,
            concurrency: None,
            max_requests: 1_000_000,
            deadline: Duration::hours(6),
            full_every: Duration::days(1),
            swift: false,
        }
    }
}

/// `[source.http.auth.KIND]`: who one is. Secrets are named by where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Auth {
    /// Nobody in particular.
    #[default]
    None,
    /// A name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: SecretRef,
    },
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: SecretRef,
    },
    /// A key in the header that the connector names.
    Key {
        /// The key.
        key: SecretRef,
    },
    /// OAuth 2 client credentials with a secret.
    ClientCredentials {
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: SecretRef,
        /// The scope, in place of the one the connector asks for.
        #[serde(default)]
        scope: Option<String>,
        /// Where tokens are had, in place of what the connector knows.
        #[serde(default)]
        token_url: Option<String>,
    },
    /// OAuth 2 client credentials with an assertion signed by a key.
    PrivateKeyJwt {
        /// The client.
        client_id: String,
        /// Its private key, PEM (RSA or P-256).
        key: SecretRef,
        /// The id of the key where it was registered (`kid`).
        #[serde(default)]
        key_id: Option<String>,
        /// The certificate of the key, PEM: its thumbprint goes into the assertion (`x5t#S256`), as Entra wants it.
        #[serde(default)]
        certificate_file: Option<std::path::PathBuf>,
        /// The scope, in place of the one the connector asks for.
        #[serde(default)]
        scope: Option<String>,
        /// Where tokens are had, in place of what the connector knows.
        #[serde(default)]
        token_url: Option<String>,
    },
    /// A service account of Google Cloud.
    ServiceAccount {
        /// Its key file, JSON.
        key: SecretRef,
        /// The scope, in place of the one the connector asks for.
        #[serde(default)]
        scope: Option<String>,
        /// Where tokens are had, in place of `token_uri` in the key file.
        #[serde(default)]
        token_url: Option<String>,
    },
    /// Keys of AWS, and perhaps a role to take on with them.
    Aws {
        /// The id of the access key.
        access_key_id: SecretRef,
        /// The access key.
        secret_access_key: SecretRef,
        /// The session token of temporary keys.
        #[serde(default)]
        session_token: Option<SecretRef>,
        /// The role to take on (`sts:AssumeRole`).
        #[serde(default)]
        role_arn: Option<String>,
        /// The external id that the role asks for.
        #[serde(default)]
        external_id: Option<String>,
        /// Where roles are taken on, in place of `https://sts.amazonaws.com`.
        #[serde(default)]
        sts_url: Option<String>,
    },
    /// An installation of a GitHub App.
    GithubApp {
        /// The id of the app, or its client id.
        app_id: String,
        /// The id of the installation.
        installation_id: String,
        /// Its private key, PEM.
        key: SecretRef,
    },
}

impl Auth {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> AuthKind {
        match self {
            Self::None => AuthKind::None,
            Self::Basic { .. } => AuthKind::Basic,
            Self::Bearer { .. } => AuthKind::Bearer,
            Self::Key { .. } => AuthKind::Key,
            Self::ClientCredentials { .. } => AuthKind::ClientCredentials,
            Self::PrivateKeyJwt { .. } => AuthKind::PrivateKeyJwt,
            Self::ServiceAccount { .. } => AuthKind::ServiceAccount,
            Self::Aws { .. } => AuthKind::Aws,
            Self::GithubApp { .. } => AuthKind::GithubApp,
        }
    }
}
