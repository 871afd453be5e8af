//! `[serve.decisions.access_request]`: where requests are taken, and what is signed with which key.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Duration;
use crate::secret::SecretRef;

/// The places that an address may leave for names.
const PLACES: [&str; 5] = ["system", "entitlement", "scope", "subject", "evaluation"];
/// How long a denial may say where to ask, at the most.
const LONGEST: Duration = Duration::hours(24);

/// `[serve.decisions.access_request]`, experimental: a denial says where the access can be asked for, as Draft 1 of the AuthZEN
/// Access Request and Approval Profile has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// Where requests are taken, `https://…`: a service of yours that speaks the draft. Counterfoil takes none.
    pub endpoint: String,
    /// Where the private key is that signs what was denied; `counterfoil evidence keygen` makes one. Not that of `[evidence]`.
    #[schemars(with = "String")]
    pub key: SecretRef,
    /// Public keys (NAME+ID+KEY) that are told beside it: the one before, or the next, so that a key can be changed while denials
    /// are being asked about.
    #[serde(default)]
    pub verifiers: Vec<String>,
    /// What whoever takes requests calls itself; `endpoint` when absent.
    #[serde(default)]
    pub audience: Option<String>,
    /// How long a denial can be asked about.
    #[serde(default = "ten_minutes")]
    #[schemars(with = "String")]
    pub valid_for: Duration,
    /// What more there is to say: of the first that fits. Where there are some and none fits, nothing can be asked for.
    #[serde(default)]
    pub way: Vec<Way>,
}

fn ten_minutes() -> Duration {
    Duration::seconds(600)
}

/// `[[serve.decisions.access_request.way]]`: how access to some systems is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Way {
    /// The systems, by id or alias; all when empty.
    pub systems: Vec<String>,
    /// The source that all requests for the system came from so far; any when absent.
    pub source: Option<String>,
    /// Another place where requests are taken, and what it calls itself.
    pub endpoint: Option<String>,
    /// See `endpoint`.
    pub audience: Option<String>,
    /// What the request is for, to whoever takes it; when absent the approval path that all requests for the system went
    /// through so far, where there is one.
    pub template: Option<String>,
    /// A form for people, with places for names: `{system}`, `{entitlement}`, `{scope}`, `{subject}`, `{evaluation}`.
    pub form_url: Option<String>,
    /// Where a JSON Schema says what more a request has to say; places as above.
    pub request_schema_url: Option<String>,
    /// Where it is said which values there are to choose from; places as above.
    pub request_catalogs_url: Option<String>,
    /// What to show.
    pub title: Option<String>,
    /// What to show.
    pub description: Option<String>,
}

impl AccessRequest {
    /// Whether it can be meant. `url` is where Counterfoil is reached.
    ///
    /// # Errors
    /// Says which setting is wrong.
    pub(in crate::serve) fn check(&self, url: Option<&str>) -> Result<(), String> {
        if !url.is_some_and(|url| url.starts_with("https://")) {
            return Err(
                "needs `url` = \"https://…\" in [serve]: what is signed says who signed it".to_owned()
            );
        }
        secure("endpoint", &self.endpoint)?;
        if self.valid_for <= Duration::default() || self.valid_for > LONGEST {
            return Err(format!(
                "`valid_for` = {}: expected more than nothing, and at most {LONGEST}",
                self.valid_for
            ));
        }
        for (n, way) in self.way.iter().enumerate() {
            way.check().map_err(|why| format!("`way` number {}: {why}", n + 1))?;
        }
        Ok(())
    }
}

impl Way {
    fn check(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.endpoint {
            secure("endpoint", endpoint)?;
        }
        for (name, url) in [
            ("form_url", &self.form_url),
            ("request_schema_url", &self.request_schema_url),
            ("request_catalogs_url", &self.request_catalogs_url),
        ] {
            if let Some(url) = url {
                secure(name, url)?;
                places(url).map_err(|why| format!("`{name}` = {url:?}: {why}"))?;
            }
        }
        if self.request_catalogs_url.is_some() && self.request_schema_url.is_none() {
            return Err("`request_catalogs_url` needs `request_schema_url`".to_owned());
        }
        Ok(())
    }
}

fn secure(name: &str, url: &str) -> Result<(), String> {
    let host =
        url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '{']));
    let plain = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    if host && plain { Ok(()) } else { Err(format!("`{name}` = {url:?}: expected https://HOST/…")) }
}

/// Whether all places in an address are known.
fn places(url: &str) -> Result<(), String> {
    let known = || PLACES.map(|place| format!("{{{place}}}")).join(", ");
    let mut rest = url;
    while let Some((_, after)) = rest.split_once('{') {
        let name = after.split_once('}').filter(|(name, _)| PLACES.contains(name));
        let (_, after) = name.ok_or_else(|| format!("expected one of {} after each {{", known()))?;
        rest = after;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_said_by_name() {
        let read = |more: &str| {
            let text = format!("endpoint = \"https://t.example/requests\"\nkey = \"file:k\"\n{more}");
            toml::from_str::<AccessRequest>(&text).unwrap().check(Some("https://c.example"))
        };
        assert_eq!(
            read("valid_for = \"PT5M\"\n[[way]]\nform_url = \"https://t.example/{system}?{subject}\""),
            Ok(())
        );
        for (more, says) in [
            ("valid_for = \"P2D\"", "valid_for"),
            ("valid_for = \"PT0S\"", "valid_for"),
            ("[[way]]\nendpoint = \"http://t.example\"", "number 1: `endpoint`"),
            ("[[way]]\n[[way]]\nform_url = \"https://{system}/x\"", "number 2: `form_url`"),
            ("[[way]]\nform_url = \"https://t.example/{sytem}\"", "{system}, {entitlement}"),
            ("[[way]]\nform_url = \"https://t.example/{\"", "after each {"),
            ("[[way]]\nrequest_catalogs_url = \"https://t.example/\"", "request_schema_url"),
        ] {
            let said = read(more).unwrap_err();
            assert!(said.contains(says), "{more}: {said}");
        }
        let plain = "endpoint = \"https://t.example\"\nkey = \"file:k\"";
        let plain: AccessRequest = toml::from_str(plain).unwrap();
        assert!(plain.check(None).is_err() && plain.check(Some("http://c.example")).is_err());
    }
}
