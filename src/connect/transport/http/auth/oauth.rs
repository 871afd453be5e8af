//! OAuth 2: where tokens are had, how they are asked for, and what comes back (RFC 6749, sections 4.4, 5.1 and 5.2).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::ask::{Answer, Asker, Said};
use super::fixed::Header;
use super::keep::Issued;
use super::{AuthError, Setup};
use crate::model::Duration;

/// Everything but what RFC 3986 calls unreserved: what is left is understood alike by all who read forms.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest that a token is believed to last.
const LONGEST: u64 = 366 * 86_400;

/// A text as it stands in a form or an address.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// A form.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    fields.join("&")
}

/// Where tokens are had: what the site says, or else the connector.
///
/// # Errors
/// When nobody says it, a setting in it has no value, or it leads where it may not.
pub(super) fn address(setup: &Setup<'_>, own: Option<&str>) -> Result<Url, String> {
    let text = match (own, &setup.manifest.token_url) {
        (Some(own), _) => own.to_owned(),
        (None, Some(known)) if known.starts_with('/') => {
            let mut base = setup.first.clone();
            base.set_query(None);
            base.set_fragment(None);
            format!("{}{}", base.as_str().trim_end_matches('/'), filled(known, setup.settings)?)
        }
        (None, Some(known)) => filled(known, setup.settings)?,
        (None, None) => {
            return Err("`token_url` is missing: the connector does not know where tokens are had".to_owned());
        }
    };
    setup.connection.address("token_url", &text).map_err(|e| e.to_string())
}

/// A text with the values of settings in place of `{name}`. A value stays within its place: it is percent-encoded.
fn filled(text: &str, settings: &Map<String, Value>) -> Result<String, String> {
    let mut parts = text.split('{');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').ok_or_else(|| {
            format!("the connector's `token_url` opens a `{{` and does not close it: {text}")
        })?;
        let value = match settings.get(name) {
            Some(Value::String(value)) if !value.is_empty() => value.clone(),
            Some(Value::Number(value)) => value.to_string(),
            _ => return Err(format!("the setting `{name}` is missing: it says where tokens are had")),
        };
        whole.push_str(&encoded(&value));
        whole.push_str(rest);
    }
    Ok(whole)
}

/// A question for a token.
pub(super) struct Question<'a> {
    /// Where.
    pub(super) url: &'a Url,
    /// The form.
    pub(super) form: &'a [(&'a str, &'a str)],
    /// Who asks, where the form does not say it.
    pub(super) header: Option<&'a Header>,
    /// A secret of this question, to be kept out of messages.
    pub(super) more: Option<&'a SecretString>,
    /// What to do where the answer is no.
    pub(super) check: &'a str,
}

/// The answer that everybody wants.
#[derive(Deserialize)]
struct Token {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Value>,
}

/// Reads a text that is a secret.
pub(super) fn secret<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    String::deserialize(d).map(SecretString::from)
}

/// Whether a token can stand in a header, and in no more than one.
pub(super) fn usable(token: &SecretString) -> bool {
    let token = token.expose_secret();
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic())
}

/// What a failure says in JSON: as RFC 6749 has it, or as an object or a text of one's own.
#[derive(Default, Deserialize)]
struct Failure {
    #[serde(default)]
    error: Option<Value>,
    #[serde(default)]
    error_description: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
}

/// What a failure says of itself.
pub(super) fn said(answer: &Answer) -> Said {
    let failure: Failure = serde_json::from_str(answer.text()).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (code, inner) = match &failure.error {
        Some(Value::Object(error)) => {
            (text(error.get("status").or_else(|| error.get("code"))), text(error.get("message")))
        }
        error => (text(error.as_ref()), None),
    };
    let described = text(failure.error_description.as_ref()).or_else(|| text(failure.message.as_ref()));
    Said { code, text: described.or(inner) }
}

impl Question<'_> {
    /// Asks for a token.
    ///
    /// # Errors
    /// When none comes, or none that can be used.
    pub(super) async fn ask(&self, asker: &Asker<'_>) -> Result<Issued<SecretString>, AuthError> {
        let mut request = Asker::post(self.url, Some(form(self.form)), "application/json");
        if let Some(header) = self.header {
            header.put(&mut request)?;
        }
        let answer = asker.ask(request).await?;
        let address = "check `token_url`";
        if !answer.good() {
            let check = if matches!(answer.status, 404 | 405 | 410) { address } else { self.check };
            return Err(asker.failure(&answer, &said(&answer), self.more, check));
        }
        let Ok(token) = serde_json::from_str::<Token>(answer.text()) else {
            let said = said(&answer);
            return Err(match said.code {
                Some(_) => asker.failure(&answer, &said, self.more, self.check),
                None => answer.no_token("not with a token in JSON (`access_token`)", address),
            });
        };
        if let Some(other) = token.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            let other = asker.hidden.safe(&other, Some(&token.access_token));
            let why = format!("with a token of the type `{other}`, and only `Bearer` can be used");
            return Err(answer.no_token(&why, "have the client get tokens without proof of possession"));
        }
        if !usable(&token.access_token) {
            return Err(answer.no_token("with a token that can stand in no header", address));
        }
        let life = token.expires_in.as_ref().and_then(life);
        Ok(Issued::new(token.access_token, asker.now, life))
    }
}

/// For how long a token is good. What is no number of seconds says nothing, and the token is used until it is not accepted.
fn life(value: &Value) -> Option<Duration> {
    let seconds = match value {
        Value::Number(seconds) => seconds.as_u64(),
        Value::String(seconds) => seconds.trim().parse().ok(),
        _ => None,
    };
    seconds.map(|seconds| Duration::seconds(seconds.min(LONGEST)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_stays_within_its_place() {
        let settings = json!({"tenant": "a/../b?c#d@e:1", "number": 7, "empty": "", "list": ["x"]});
        let settings = settings.as_object().unwrap();
        let fill = |text| filled(text, settings);
        assert_eq!(
            fill("https://login.example.com/{tenant}/{number}/token").unwrap(),
            "https://login.example.com/a%2F..%2Fb%3Fc%23d%40e%3A1/7/token"
        );
        assert_eq!(fill("/token").unwrap(), "/token");
        for (text, part) in [
            ("/{empty}", "`empty`"),
            ("/{list}", "`list`"),
            ("/{nobody}", "`nobody`"),
            ("/{tenant", "does not close"),
        ] {
            assert!(fill(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_life_is_a_number_or_a_text_and_else_not_known() {
        for (value, seconds) in [
            (json!(3600), Some(3600)),
            (json!("3599"), Some(3599)),
            (json!(0), Some(0)),
            (json!(u64::MAX), Some(LONGEST)),
            (json!(-1), None),
            (json!("soon"), None),
            (json!(null), None),
        ] {
            assert_eq!(life(&value), seconds.map(Duration::seconds), "{value}");
        }
    }
}
