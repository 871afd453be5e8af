//! Who one is over HTTP: every kind against a strict double of who checks it, which verifies each signature by itself.

mod aws;
mod fixed;
mod keys;
mod signature;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use counterfoil::connect::manifest::http as manifest;
use counterfoil::connect::transport::http as site;
use counterfoil::connect::transport::http::auth::{AuthError, Authorizer, Proof, Signing};
use counterfoil::model::{Duration, Instant};
use counterfoil::net::{Connection, Web};
use reqwest::{Method, Request, Url};
use serde_json::json;

use crate::sinks::contract::Wire;
use crate::sinks::stub::{self, Reply, Stub, Vendor};

/// What must never be shown.
const CANARY: &str = "s3cr3t+canary/of=91&more";

/// When everything here happens.
fn now() -> Instant {
    crate::sinks::samples::now()
}

fn seconds(seconds: u64) -> Duration {
    Duration::seconds(seconds)
}

/// A double that is a function of the request and of how many came before.
struct Door<F>(F, AtomicUsize);

impl<F: Fn(&stub::Request, usize) -> Result<Reply, String> + Send + Sync + 'static> Vendor for Door<F> {
    fn answer(&self, request: &stub::Request, _: Option<&str>) -> Result<Reply, String> {
        (self.0)(request, self.1.fetch_add(1, Ordering::SeqCst))
    }

    fn failure(&self, status: u16, _: &stub::Request) -> Reply {
        Reply::of(status, "")
    }
}

/// A double, and a site that knows it.
struct Office {
    stub: Stub,
    manifest: String,
    settings: serde_json::Value,
    runtime: tokio::runtime::Runtime,
}

/// What is ready to be asked.
struct Ready {
    auth: Authorizer,
    web: Web,
}

impl Office {
    /// A double that answers by this function. `manifest` is `[http.auth]` of a connector.
    fn new<F>(wire: Wire, manifest: &str, answer: F) -> Arc<Self>
    where
        F: Fn(&stub::Request, usize) -> Result<Reply, String> + Send + Sync + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Arc::new(Self {
            stub: Stub::start(wire, Door(answer, AtomicUsize::new(0))),
            manifest: manifest.to_owned(),
            settings: json!({"tenant": "tenant 1"}),
            runtime,
        })
    }

    /// A double that nobody should ask.
    fn silent(manifest: &str) -> Arc<Self> {
        Self::new(Wire::Plain, manifest, |_, _| Err("nobody should ask".to_owned()))
    }

    fn connection(&self) -> Connection {
        toml::from_str(&self.stub.connection()).unwrap()
    }

    /// Sets up what a site says in `[source.http.auth]`.
    fn set_up(&self, auth: &str) -> Result<Ready, String> {
        self.set_up_at(&self.stub.url(), auth)
    }

    /// The same where the first base is this address.
    fn set_up_at(&self, base: &str, auth: &str) -> Result<Ready, String> {
        self.set_up_by(base, auth, &self.connection())
    }

    /// The same over this connection.
    fn set_up_by(&self, base: &str, auth: &str, connection: &Connection) -> Result<Ready, String> {
        let manifest: manifest::Auth = toml::from_str(&self.manifest).unwrap();
        let auth: site::Auth = match auth {
            "" => site::Auth::default(),
            auth => toml::from_str(auth).unwrap(),
        };
        let settings = self.settings.as_object().unwrap();
        let folder = self.stub.folder();
        let base = Url::parse(base).unwrap();
        let auth = Authorizer::new(&manifest, &auth, &base, settings, folder, connection)?;
        let web = connection.open(folder, auth.secrets()).unwrap();
        let shown = format!("{auth:?}{web:?}");
        assert!(!shown.contains("canary") && shown.len() < 60, "{shown}");
        Ok(Ready { auth, web })
    }

    /// A request as it looks once it is signed.
    fn sign(&self, ready: &Ready, at: Instant) -> Result<(Request, Proof), AuthError> {
        let mut request = get("https://api.example.com/things");
        let proof = self.sign_for(ready, &mut request, Signing::default(), at)?;
        Ok((request, proof))
    }

    fn sign_for(
        &self,
        ready: &Ready,
        request: &mut Request,
        base: Signing<'_>,
        at: Instant,
    ) -> Result<Proof, AuthError> {
        let signed = self.runtime.block_on(ready.auth.sign(request, &base, &ready.web, at));
        let shown = format!("{signed:?}{request:?}");
        assert!(!shown.contains("canary"), "{shown}");
        signed
    }

    /// The header `Authorization` of a request signed at this time.
    fn authorization(&self, ready: &Ready, at: Instant) -> String {
        header(&self.sign(ready, at).unwrap().0, "authorization")
    }

    fn renew(&self, ready: &Ready, proof: &Proof) -> bool {
        self.runtime.block_on(ready.auth.renew(proof))
    }

    /// Why there is no token.
    fn refused(&self, ready: &Ready) -> String {
        match self.sign(ready, now()) {
            Err(AuthError::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    /// Why there is no token now, and how long to wait.
    fn transient(&self, ready: &Ready) -> (String, Option<Duration>) {
        match self.sign(ready, now()) {
            Err(AuthError::Transient { reason, retry_after }) => (reason, retry_after),
            other => panic!("{other:?}"),
        }
    }

    /// Nothing was asked that should not have been.
    fn content(&self) {
        assert_eq!(self.stub.complaints(), [""; 0]);
    }
}

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).unwrap())
}

/// A header of a request, which must be there and shown to nobody where it proves anything.
fn header(request: &Request, name: &str) -> String {
    let value = request.headers().get(name).unwrap_or_else(|| panic!("no `{name}`"));
    assert!(value.is_sensitive() || name.starts_with("x-amz-"), "`{name}` would be shown");
    value.to_str().unwrap().to_owned()
}

/// The fields of a form, decoded.
fn form(request: &stub::Request) -> Result<Vec<(String, String)>, String> {
    let kind = request.header("content-type");
    if kind != "application/x-www-form-urlencoded" {
        return Err(format!("no form but `{kind}`"));
    }
    let mut url = Url::parse("https://form.invalid/").unwrap();
    url.set_query(Some(std::str::from_utf8(&request.body).unwrap()));
    Ok(url.query_pairs().into_owned().collect())
}

/// A question for a token must be this: its path, and the names of its fields with their values; `*` stands for any value.
fn asked(request: &stub::Request, path: &str, fields: &[(&str, &str)]) -> Result<Vec<String>, String> {
    if (request.method.as_str(), request.path.as_str()) != ("POST", path) {
        return Err("not that place".to_owned());
    }
    let form = form(request)?;
    let fits = |((name, value), (known, expected)): (&(String, String), &(&str, &str))| {
        name == known && (value == expected || *expected == "*")
    };
    if form.len() != fields.len() || !form.iter().zip(fields).all(fits) {
        return Err(format!("the form is {form:?}"));
    }
    Ok(form.into_iter().map(|(_, value)| value).collect())
}

/// The nth token.
fn token(n: usize) -> String {
    format!("eyJ0canary-token-number-{n}")
}

/// An answer with the nth token, good for so many seconds.
fn issue(n: usize, life: u64) -> Result<Reply, String> {
    let body = json!({"token_type": "Bearer", "expires_in": life, "access_token": token(n)});
    Ok(Reply::of(200, body.to_string()))
}
