//! Who one is, from both sides: the credentials that a site is given, and how the stub sees whether a request has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use counterfoil::connect::manifest::http::Http;
use jsonwebtoken::{DecodingKey, Validation, decode};
use serde_json::{Value, json};

use super::sigv4::{self, Keys};
use super::spec::{Algorithm, Auth, Kind, SecretIn};
use super::wire::{Reply, Request, pairs};

const USER: &str = "reader@corp.example";
const CLIENT: &str = "client-7f3a";
const APP: &str = "40417";
const INSTALLATION: &str = "5566778";
const ROBOT: &str = "reader@project.iam.corp.example";
const ROLE: &str = "arn:aws:iam::111122223333:role/reader";
const EXTERNAL: &str = "external-9";

/// The secrets: none may turn up anywhere.
const PASSWORD: &str = "canary-password-Qm7xT2";
const TOKEN: &str = "canary-token-Hs9Lp4";
const SECRET: &str = "canary-client-secret-Vb3Ke8+/=";
const KEY_ID: &str = "AKIACANARYKEYID00001";
const KEY: &str = "canary/aws+secret/Yt6Rw1";
const SESSION_ID: &str = "ASIACANARYSESSION001";
const SESSION_KEY: &str = "canary/session+secret/Uc5Nd0";
const SESSION: &str = "canary-session-token-Ga2Jf7==";

/// How what the stub gives out as a token begins.
const ISSUED: &str = "canary-issued-";

/// A key, and a certificate for it.
struct Signer {
    private: String,
    public: String,
    certificate: String,
    der: Vec<u8>,
}

static RSA: LazyLock<Signer> = LazyLock::new(|| {
    let size = rcgen::RsaKeySize::_2048;
    Signer::of(&rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size).unwrap())
});
static EC: LazyLock<Signer> = LazyLock::new(|| Signer::of(&rcgen::KeyPair::generate().unwrap()));

impl Signer {
    fn of(key: &rcgen::KeyPair) -> Self {
        let made = rcgen::CertificateParams::new(vec!["reader.corp.example".to_owned()]).unwrap();
        let made = made.self_signed(key).unwrap();
        Self {
            private: key.serialize_pem(),
            public: key.public_key_pem(),
            certificate: made.pem(),
            der: made.der().to_vec(),
        }
    }

    /// The one that a way to say who one is signs with.
    fn by(auth: &Auth) -> &'static Self {
        match auth.algorithm {
            Algorithm::RS256 | Algorithm::PS256 => &RSA,
            Algorithm::ES256 => &EC,
        }
    }
}

/// A certificate, PEM.
pub fn certificate() -> &'static str {
    &EC.certificate
}

/// What may turn up in no record, error, reason or debug output.
pub fn canaries() -> Vec<String> {
    let mut all: Vec<String> =
        [PASSWORD, TOKEN, SECRET, KEY_ID, KEY, SESSION_ID, SESSION_KEY, SESSION, ISSUED]
            .into_iter()
            .map(str::to_owned)
            .collect();
    all.push(STANDARD.encode(format!("{USER}:{PASSWORD}")));
    all.push(STANDARD.encode(format!("{CLIENT}:{SECRET}")));
    for key in [&RSA.private, &EC.private] {
        all.extend(key.lines().nth(1).map(|line| line.chars().take(40).collect()));
    }
    all
}

/// Where things are: the address of each base, without a slash at its end.
pub type Addresses = BTreeMap<String, String>;

/// The base where tokens are had.
fn token_base<'a>(auth: &'a Auth, addresses: &'a Addresses) -> &'a str {
    let first =
        || addresses.get_key_value("main").or(addresses.iter().next()).map_or("main", |(name, _)| name);
    auth.base.as_deref().unwrap_or_else(first)
}

fn token_url(auth: &Auth, addresses: &Addresses) -> String {
    let address = addresses.get(token_base(auth, addresses)).map_or("", String::as_str);
    format!("{address}{}", auth.token.as_deref().unwrap_or_default())
}

/// `[source.http.auth]` for a site, its secrets in files of `folder`.
pub fn table(auth: &Auth, manifest: &Http, addresses: &Addresses, folder: &Path) -> toml::Table {
    let secret = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, format!("{text}\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        format!("file:{name}")
    };
    let mut inner = toml::Table::new();
    let mut put = |name: &str, value: String| drop(inner.insert(name.to_owned(), value.into()));
    // The path of a manifest is on the first base; an address of the vendor's is replaced by that of the stub.
    let elsewhere = !manifest.auth.token_url.as_deref().is_some_and(|url| url.starts_with('/'));
    let kind = match auth.kind {
        Kind::None => return toml::Table::new(),
        Kind::Basic => {
            put("user", USER.to_owned());
            put("password", secret("password", PASSWORD));
            "basic"
        }
        Kind::Bearer => {
            put("token", secret("token", TOKEN));
            "bearer"
        }
        Kind::Key => {
            put("key", secret("key", TOKEN));
            "key"
        }
        Kind::ClientCredentials => {
            put("client_id", CLIENT.to_owned());
            put("client_secret", secret("client_secret", SECRET));
            if elsewhere {
                put("token_url", token_url(auth, addresses));
            }
            "client-credentials"
        }
        Kind::PrivateKeyJwt => {
            put("client_id", CLIENT.to_owned());
            let signer = Signer::by(auth);
            put("key", secret("key.pem", &signer.private));
            put("key_id", "key-1".to_owned());
            if auth.thumbprint {
                std::fs::write(folder.join("certificate.pem"), &signer.certificate).unwrap();
                put("certificate_file", "certificate.pem".to_owned());
            }
            if elsewhere {
                put("token_url", token_url(auth, addresses));
            }
            "private-key-jwt"
        }
        Kind::ServiceAccount => {
            let key = json!({
                "type": "service_account", "project_id": "project", "private_key_id": "key-1",
                "private_key": RSA.private, "client_email": ROBOT, "client_id": "1",
                // Only https:// would be taken from there; the site says another address.
                "token_uri": "https://tokens.corp.example/token",
            });
            put("token_url", token_url(auth, addresses));
            put("key", secret("key.json", &key.to_string()));
            "service-account"
        }
        Kind::Aws => {
            put("access_key_id", secret("key_id", KEY_ID));
            put("secret_access_key", secret("aws_key", KEY));
            if let Some(base) = &auth.assume {
                put("role_arn", ROLE.to_owned());
                put("external_id", EXTERNAL.to_owned());
                put("sts_url", addresses.get(base).cloned().unwrap_or_default());
            }
            "aws"
        }
        Kind::GithubApp => {
            put("app_id", APP.to_owned());
            put("installation_id", INSTALLATION.to_owned());
            put("key", secret("key.pem", &RSA.private));
            "github-app"
        }
    };
    toml::Table::from_iter([(kind.to_owned(), inner.into())])
}

/// The tokens that the stub gave out.
#[derive(Debug, Default)]
pub struct Tokens {
    valid: Vec<String>,
    given: usize,
}

impl Tokens {
    fn give(&mut self) -> String {
        self.given += 1;
        let token = format!("{ISSUED}{}", self.given);
        self.valid.push(token.clone());
        token
    }

    /// None is valid any more.
    pub fn expire(&mut self) {
        self.valid.clear();
    }

    /// How many there were.
    pub fn given(&self) -> usize {
        self.given
    }
}

/// The way in of one stub.
#[derive(Debug)]
pub struct Door<'a> {
    pub auth: &'a Auth,
    pub addresses: &'a Addresses,
    /// Service and region of the base that the request came to.
    pub service: Option<&'a str>,
    pub region: Option<&'a str>,
    /// The regions of all bases: a role is taken on in that of the first one that is asked.
    pub regions: Vec<&'a str>,
}

impl Door<'_> {
    /// Whether a request of the API proves who it is.
    pub fn prove(&self, request: &Request, tokens: &Tokens) -> Result<(), String> {
        let same = |name: &str, wanted: String| match request.header(name) == wanted {
            true => Ok(()),
            false => Err(format!("the header {name} does not prove who it is")),
        };
        match self.auth.kind {
            Kind::None if request.headers.contains_key("authorization") => {
                Err("credentials where there are none".to_owned())
            }
            Kind::None => Ok(()),
            Kind::Basic => {
                same("authorization", format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}"))))
            }
            Kind::Bearer => same("authorization", format!("Bearer {TOKEN}")),
            Kind::Key => same(&self.auth.header.to_ascii_lowercase(), format!("{}{TOKEN}", self.auth.prefix)),
            Kind::Aws => {
                let keys = match self.auth.assume {
                    Some(_) => Keys {
                        id: SESSION_ID.to_owned(),
                        secret: SESSION_KEY.to_owned(),
                        session: Some(SESSION.to_owned()),
                    },
                    None => Keys { id: KEY_ID.to_owned(), secret: KEY.to_owned(), session: None },
                };
                sigv4::verify(request, &keys, self.service.unwrap_or(""), self.region.unwrap_or("us-east-1"))
            }
            _ => {
                let token = request.header("authorization");
                let token =
                    token.strip_prefix("Bearer ").or(token.strip_prefix("token ")).unwrap_or_default();
                match tokens.valid.iter().any(|valid| valid == token) {
                    true => Ok(()),
                    false => Err("no token that is valid".to_owned()),
                }
            }
        }
    }

    /// The answer where the request asks for a token; `Err` says why there is none.
    pub fn token(&self, request: &Request, tokens: &mut Tokens) -> Option<Result<Reply, String>> {
        let auth = self.auth;
        if let Some(base) = &auth.assume {
            let named =
                |pairs: &[(String, String)]| pairs.iter().any(|(n, v)| n == "Action" && v == "AssumeRole");
            let asks = request.base == *base && (named(&request.form) || named(&request.query));
            return asks.then(|| self.assume(request).inspect(|_| tokens.given += 1));
        }
        let asked = match auth.kind {
            Kind::GithubApp => format!("/app/installations/{INSTALLATION}/access_tokens"),
            kind if kind.has_tokens() => auth.token.clone().unwrap_or_default(),
            _ => return None,
        };
        let base = token_base(auth, self.addresses);
        let root = self.addresses.get(base).and_then(|url| url.splitn(4, '/').nth(3));
        let path = root.map_or(asked.clone(), |root| format!("/{root}{asked}"));
        if request.base != base || request.raw_path() != path {
            return None;
        }
        if request.method != "POST" {
            return Some(Err("tokens are had by POST".to_owned()));
        }
        let proved = match auth.kind {
            Kind::GithubApp => self.github(request),
            Kind::ClientCredentials => self.client(request),
            Kind::PrivateKeyJwt => self.assertion(request),
            _ => self.robot(request),
        };
        Some(proved.map(|()| {
            let token = tokens.give();
            if auth.kind == Kind::GithubApp {
                let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
                let body =
                    json!({ "token": token, "expires_at": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() });
                return Reply::of(201, "application/json", body.to_string());
            }
            let body = json!({ "access_token": token, "token_type": "Bearer", "expires_in": auth.lifetime });
            Reply::of(200, "application/json", body.to_string())
        }))
    }

    /// The form of a request for a token has just these fields, besides those of the `[[auth]]`.
    fn fields(&self, request: &Request, wanted: &[(&str, Option<&str>)]) -> Result<(), String> {
        if !request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            return Err("a request for a token has to be a form".to_owned());
        }
        let given = pairs(&String::from_utf8_lossy(&request.body));
        let fixed = self.auth.form.iter().map(|(name, value)| (name.as_str(), Some(value.as_str())));
        let scope = self.auth.scope.as_deref().map(|scope| ("scope", Some(scope)));
        let wanted: Vec<(&str, Option<&str>)> = wanted.iter().copied().chain(fixed).chain(scope).collect();
        for (name, value) in &given {
            match wanted.iter().find(|(known, _)| known == name) {
                None => return Err(format!("unknown field `{name}` in the request for a token")),
                Some((_, Some(wanted))) if wanted != value => {
                    return Err(format!("the field `{name}` of the request for a token is wrong"));
                }
                Some(_) => {}
            }
        }
        match wanted.iter().find(|(name, _)| given.iter().filter(|(known, _)| known == name).count() != 1) {
            Some((name, _)) => Err(format!("the request for a token needs `{name}`, once")),
            None => Ok(()),
        }
    }

    fn client(&self, request: &Request) -> Result<(), String> {
        let grant = ("grant_type", Some("client_credentials"));
        if self.auth.secret_in == SecretIn::Form {
            return self
                .fields(request, &[grant, ("client_id", Some(CLIENT)), ("client_secret", Some(SECRET))]);
        }
        // RFC 6749 section 2.3.1: both are form-encoded before they go into the header.
        let said = request.header("authorization").strip_prefix("Basic ").unwrap_or_default();
        let said = String::from_utf8(STANDARD.decode(said).unwrap_or_default()).unwrap_or_default();
        let (id, secret) = said.split_once(':').unwrap_or_default();
        let decode = |text: &str| pairs(&format!("a={text}")).pop().map(|(_, value)| value);
        let raw = id == CLIENT && secret == SECRET;
        if !raw && (decode(id).as_deref() != Some(CLIENT) || decode(secret).as_deref() != Some(SECRET)) {
            return Err("the header does not hold the client and its secret".to_owned());
        }
        self.fields(request, &[grant])
    }

    fn assertion(&self, request: &Request) -> Result<(), String> {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let form = pairs(&String::from_utf8_lossy(&request.body));
        let named = form.iter().any(|(name, _)| name == "client_id");
        let mut wanted = vec![
            ("grant_type", Some("client_credentials")),
            ("client_assertion_type", Some(kind)),
            ("client_assertion", None),
        ];
        // RFC 7521 section 4.2: the client may be named besides.
        wanted.extend(named.then_some(("client_id", Some(CLIENT))));
        self.fields(request, &wanted)?;
        let assertion =
            form.iter().find(|(name, _)| name == "client_assertion").map(|(_, value)| value.as_str());
        let claims = self.signed(assertion.unwrap_or_default(), CLIENT, true)?;
        if claims["sub"] != json!(CLIENT) || claims["jti"].as_str().is_none_or(str::is_empty) {
            return Err("the assertion has to name its subject and itself (`sub`, `jti`)".to_owned());
        }
        Ok(())
    }

    fn robot(&self, request: &Request) -> Result<(), String> {
        let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
        let form = pairs(&String::from_utf8_lossy(&request.body));
        if form.iter().filter(|(name, _)| name == "grant_type" || name == "assertion").count() != form.len()
            || !form.contains(&("grant_type".to_owned(), grant.to_owned()))
        {
            return Err("the request for a token has to hold `grant_type` and `assertion`".to_owned());
        }
        let assertion = form.iter().find(|(name, _)| name == "assertion").map(|(_, value)| value.as_str());
        let claims = self.signed(assertion.unwrap_or_default(), ROBOT, true)?;
        if claims["scope"].as_str() != self.auth.scope.as_deref() {
            return Err(format!("the assertion asks for the scope {}", claims["scope"]));
        }
        Ok(())
    }

    fn github(&self, request: &Request) -> Result<(), String> {
        let said = request.header("authorization").strip_prefix("Bearer ").unwrap_or_default();
        self.signed(said, APP, false).map(drop)
    }

    /// The claims of an assertion, if it is signed by the right one, for this server, and for a short time only.
    fn signed(&self, assertion: &str, issuer: &str, audience: bool) -> Result<Value, String> {
        let signer = Signer::by(self.auth);
        let pem = signer.public.as_bytes();
        let (key, algorithm) = match self.auth.algorithm {
            Algorithm::ES256 => (DecodingKey::from_ec_pem(pem), jsonwebtoken::Algorithm::ES256),
            Algorithm::RS256 => (DecodingKey::from_rsa_pem(pem), jsonwebtoken::Algorithm::RS256),
            Algorithm::PS256 => (DecodingKey::from_rsa_pem(pem), jsonwebtoken::Algorithm::PS256),
        };
        let mut wanted = Validation::new(algorithm);
        wanted.leeway = 0;
        wanted.set_issuer(&[issuer]);
        wanted.set_required_spec_claims(if audience { &["exp", "iss", "aud"][..] } else { &["exp", "iss"] });
        wanted.validate_aud = audience;
        wanted.set_audience(&[token_url(self.auth, self.addresses)]);
        let read = decode::<Value>(assertion, &key.unwrap(), &wanted);
        let read = read.map_err(|e| format!("the assertion is not valid: {e}"))?;
        let (claims, header) = (read.claims, read.header);
        let span = claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0);
        let longest = if self.auth.kind == Kind::ServiceAccount { 3600 } else { 660 };
        if !(1..=longest).contains(&span) {
            return Err(format!("the assertion holds for {span} seconds"));
        }
        let named = matches!(self.auth.kind, Kind::PrivateKeyJwt | Kind::ServiceAccount);
        if named && header.kid.as_deref() != Some("key-1") && !self.auth.thumbprint {
            return Err("the assertion does not name its key".to_owned());
        }
        if self.auth.thumbprint {
            let digest = <sha2::Sha256 as sha2::Digest>::digest(&signer.der);
            if header.x5t_s256.as_deref() != Some(&URL_SAFE_NO_PAD.encode(digest)) {
                return Err("the assertion does not carry the thumbprint of its certificate".to_owned());
            }
        }
        Ok(claims)
    }

    /// `sts:AssumeRole`.
    fn assume(&self, request: &Request) -> Result<Reply, String> {
        let keys = Keys { id: KEY_ID.to_owned(), secret: KEY.to_owned(), session: None };
        let signed = request.header("authorization");
        let elsewhere =
            self.regions.iter().copied().find(|region| signed.contains(&format!("/{region}/sts/")));
        let region = self.region.or(elsewhere).unwrap_or("us-east-1");
        sigv4::verify(request, &keys, "sts", region)?;
        let given: Vec<(String, String)> = request.form.iter().chain(&request.query).cloned().collect();
        let of = |name: &str| given.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str());
        if of("Version") != "2011-06-15" || of("RoleArn") != ROLE || of("ExternalId") != EXTERNAL {
            return Err("AssumeRole does not name the version, the role and the external id".to_owned());
        }
        if of("RoleSessionName").is_empty() {
            return Err("AssumeRole needs `RoleSessionName`".to_owned());
        }
        let until = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let until = until.strftime("%Y-%m-%dT%H:%M:%SZ");
        let body = format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>{SESSION_ID}</AccessKeyId><SecretAccessKey>{SESSION_KEY}</SecretAccessKey>\
             <SessionToken>{SESSION}</SessionToken><Expiration>{until}</Expiration></Credentials>\
             </AssumeRoleResult></AssumeRoleResponse>"
        );
        Ok(Reply::of(200, "text/xml", body))
    }
}
