//! A role of AWS, taken on with other keys: `AssumeRole` of the Security Token Service, and what it answers in XML.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};

use super::ask::{Asker, Said};
use super::aws::{Keys, sign};
use super::keep::Issued;
use super::oauth::form;
use super::{AuthError, Signing};
use crate::model::Instant;
use crate::net::Connection;

/// Where roles are taken on where nothing else is said.
const GLOBAL: &str = "https://sts.amazonaws.com";
/// What that place is called in a signature.
const HOME: &str = "us-east-1";
/// How long the keys of a role are asked for, in seconds: as long as every role allows.
const LASTS: &str = "3600";
/// What to do where the answer is no.
const CHECK: &str = "check `access_key_id` and `secret_access_key`, that they may take on `role_arn`, `external_id`, and the \
                     clock of this machine";

/// A role.
pub(super) struct Role {
    keys: Keys,
    url: Url,
    arn: String,
    external_id: Option<String>,
}

impl Role {
    pub(super) fn new(
        connection: &Connection,
        keys: Keys,
        arn: &str,
        external_id: Option<&str>,
        sts_url: Option<&str>,
    ) -> Result<Self, String> {
        if !(arn.starts_with("arn:") && arn.contains(":role/")) {
            return Err("`role_arn`: expected arn:aws:iam::ACCOUNT:role/NAME".to_owned());
        }
        let url = connection.address("sts_url", sts_url.unwrap_or(GLOBAL)).map_err(|e| e.to_string())?;
        Ok(Self { keys, url, arn: arn.to_owned(), external_id: external_id.map(str::to_owned) })
    }

    /// Takes on the role. `base` is where the request that wants its keys goes.
    pub(super) async fn fetch(
        &self,
        asker: &Asker<'_>,
        base: &Signing<'_>,
    ) -> Result<Issued<Keys>, AuthError> {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", self.arn.as_str()),
            ("RoleSessionName", "counterfoil"),
            ("DurationSeconds", LASTS),
        ];
        fields.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        let mut request = Asker::post(&self.url, Some(form(&fields)), "text/xml");
        let host = self.url.host_str().unwrap_or_default();
        let region = region(host).or(base.region).unwrap_or(HOME);
        sign(&mut request, &self.keys, &Signing { service: Some("sts"), region: Some(region) }, asker.now)?;
        let answer = asker.ask(request).await?;
        let texts = texts(answer.text()).unwrap_or_default();
        let told = |name: &str| {
            let text = texts.get(&format!("ErrorResponse/Error/{name}"));
            text.map(|text| text.expose_secret().to_owned())
        };
        if !answer.good() {
            let said = Said { code: told("Code"), text: told("Message") };
            return Err(asker.failure(&answer, &said, None, CHECK));
        }
        let get = |name: &str| {
            let text = texts.get(&format!("AssumeRoleResponse/AssumeRoleResult/Credentials/{name}"));
            text.filter(|text| !text.expose_secret().is_empty()).cloned()
        };
        let (Some(id), Some(secret), Some(session)) =
            (get("AccessKeyId"), get("SecretAccessKey"), get("SessionToken"))
        else {
            return Err(answer.no_token("not with the keys of a role", "check `sts_url`"));
        };
        let end = get("Expiration").and_then(|text| Instant::parse(text.expose_secret()).ok());
        let life = end.map(|end| end.since(asker.now).unwrap_or_default());
        Ok(Issued::new(Keys { id, secret, session: Some(session) }, asker.now, life))
    }
}

/// The region that the name of an address of the service says: the part behind `sts`.
fn region(host: &str) -> Option<&str> {
    let mut parts = host.split('.').skip_while(|part| !matches!(*part, "sts" | "sts-fips"));
    match parts.nth(1)? {
        "amazonaws" => Some(HOME),
        part if part.contains('-') && part.ends_with(|c: char| c.is_ascii_digit()) => Some(part),
        _ => None,
    }
}

/// The text of every element that holds nothing else, by its path. `None` where it is no XML, or more of it than the service
/// ever writes: a document type, or elements in elements without end.
fn texts(xml: &str) -> Option<BTreeMap<String, SecretString>> {
    /// How deep elements may be.
    const DEEP: usize = 16;
    let mut reader = Reader::from_str(xml);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut texts = BTreeMap::new();
    let mut leaf = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if path.len() < DEEP => {
                path.push(start.local_name().as_ref().to_owned());
                text.clear();
                leaf = true;
            }
            Event::Start(_) | Event::DocType(_) => return None,
            Event::Text(part) => text.push_str(&part.xml10_content()),
            Event::CData(part) => text.push_str(&part.xml10_content()),
            Event::GeneralRef(reference) => text.push(match reference.resolve_char_ref().ok()? {
                Some(character) => character,
                None => match &*reference.xml10_content() {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => return None,
                },
            }),
            Event::End(_) => {
                if std::mem::take(&mut leaf) {
                    texts.insert(path.join("/"), SecretString::from(text.trim().to_owned()));
                }
                path.pop();
            }
            Event::Eof => return path.is_empty().then_some(texts),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_off_the_address() {
        for (host, expected) in [
            ("sts.amazonaws.com", Some("us-east-1")),
            ("sts.eu-central-1.amazonaws.com", Some("eu-central-1")),
            ("sts-fips.us-west-2.amazonaws.com", Some("us-west-2")),
            ("sts.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("sts.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("sts.eu-west-1.api.aws", Some("eu-west-1")),
            ("vpce-0123456789abcdef0-01234567.sts.eu-west-3.vpce.amazonaws.com", Some("eu-west-3")),
            ("sts.corp.example", None),
            ("aws.corp.example", None),
            ("localhost", None),
        ] {
            assert_eq!(region(host), expected, "{host}");
        }
    }

    #[test]
    fn only_what_the_service_writes_is_read() {
        let read = |xml: &str| {
            let texts = texts(xml)?;
            Some(
                texts
                    .iter()
                    .map(|(path, text)| format!("{path}={}", text.expose_secret()))
                    .collect::<Vec<_>>(),
            )
        };
        let xml =
            "<?xml version=\"1.0\"?><a xmlns=\"urn:x\"><b> 1 &amp; &#50;<![CDATA[<]]></b><c/><d></d></a>";
        assert_eq!(read(xml).unwrap(), ["a/b=1 & 2<", "a/d="]);
        let deep = format!("{}{}", "<a>".repeat(17), "</a>".repeat(17));
        for bad in ["<!DOCTYPE a><a/>", "<a>&nbsp;</a>", "<a><b></a>", "<a>", deep.as_str()] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
