//! The searches of a manifest, one after the other on one connection: page by page, ranges to their end, within limits.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::entry::Row;
use super::message::{self, Outcome, Search, What, Who};
use super::wire::{Lost, Patience, Wire};
use super::{Bind, Site, filter, said};
use crate::connect::error::PullError;
use crate::connect::limits::MAX_DECODED_BYTES;
use crate::connect::manifest::http::When;
use crate::connect::manifest::ldap::{Ldap, Scope, Step};
use crate::connect::settings::Settings;
use crate::connect::transport::{Ask, Doing, Fetched, Writer};
use crate::net::Hidden;

/// Pages without an entry that may follow one another. A server may send some; one that sends no others never ends.
const MAX_EMPTY_PAGES: u32 = 1_000;
/// Bytes of values that are held while the rest of them is asked for. A group of some hundred thousand members fits.
const MAX_HELD: usize = 64 << 20;
/// References to elsewhere of one step that are told.
const MAX_TOLD: usize = 5;

/// What a setting says: its texts, if it has some.
fn texts(settings: &Settings, name: &str) -> Vec<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match settings.as_object().get(name) {
        Some(Value::Array(items)) => items.iter().filter_map(text).collect(),
        Some(value) => text(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// Whether a step is made.
fn is_made(when: Option<&When>, settings: &Settings) -> bool {
    let Some(When { setting, is }) = when else { return true };
    let value = settings.as_object().get(setting).unwrap_or(&Value::Null);
    match is {
        Some(expected) => value == expected,
        None => match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(object) => !object.is_empty(),
            _ => true,
        },
    }
}

/// A step with its settings filled in.
struct Ready<'a> {
    step: &'a Step,
    bases: Vec<String>,
    filter: Vec<u8>,
    attributes: Vec<String>,
    binary: Vec<String>,
}

/// The steps that are made with these settings.
fn ready<'a>(ask: &Ask<'a>) -> Result<(&'a Ldap, Vec<Ready<'a>>), PullError> {
    let name = ask.connector.name();
    let ldap = ask.connector.manifest.ldap.as_ref();
    let ldap = ldap.ok_or_else(|| PullError::Connector(format!("connector `{name}` asks no directory")))?;
    ldap.check(&ask.connector.manifest)
        .map_err(|why| PullError::Connector(format!("connector `{name}`: {why}")))?;
    let mut steps = Vec::new();
    for step in ldap.steps.iter().filter(|step| is_made(step.when.as_ref(), ask.settings)) {
        let bases = step.base.iter().map(|setting| texts(ask.settings, setting));
        let bases = bases.into_iter().find(|bases| !bases.is_empty()).unwrap_or_default();
        if bases.is_empty() {
            continue;
        }
        let own = step
            .filter_from
            .as_ref()
            .and_then(|setting| texts(ask.settings, setting).into_iter().next().map(|text| (setting, text)));
        let filter = match own {
            Some((setting, text)) => filter::encode(&text)
                .map_err(|why| PullError::Setting(format!("setting `{setting}`: {why}")))?,
            None => filter::encode(&step.filter).map_err(|why| {
                PullError::Connector(format!("connector `{name}`, step `{}`: {why}", step.name))
            })?,
        };
        let mut attributes: Vec<String> = Vec::new();
        for attribute in &step.attributes {
            let named = match attribute.strip_prefix('$') {
                Some(setting) => texts(ask.settings, setting),
                None => vec![attribute.clone()],
            };
            for one in named {
                if !attributes.iter().any(|known| known.eq_ignore_ascii_case(&one)) {
                    attributes.push(one);
                }
            }
        }
        let binary = step.binary.iter().map(|name| name.to_ascii_lowercase()).collect();
        steps.push(Ready { step, bases, filter, attributes, binary });
    }
    if steps.is_empty() {
        let known: Vec<&str> = ldap.steps.iter().flat_map(|s| &s.base).map(String::as_str).collect();
        return Err(PullError::Setting(format!(
            "nothing is asked for: say where to start, in one of the settings {}",
            known.join(", ")
        )));
    }
    Ok((ldap, steps))
}

/// A pull in progress.
struct Pull<'a> {
    site: &'a Site,
    ldap: &'a Ldap,
    wire: Wire<'a>,
    hidden: Hidden,
    fetched: Fetched,
    entries: u64,
    /// A search gave something, were it only that there is nothing.
    answered: bool,
}

/// Why a search ends before its end.
enum Stop {
    /// The connection is no more, or time is up.
    Lost(Lost),
    /// A limit of ours is met.
    Full(String),
    /// The disk is full.
    Disk(std::io::Error),
}

impl From<Lost> for Stop {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

fn full_disk(e: &std::io::Error) -> PullError {
    PullError::Asked(format!("what was fetched cannot be set aside: {e}"))
}

/// Connects and says who we are.
async fn open<'a>(ask: &'a Ask<'a>, site: &'a Site, ldap: &'a Ldap) -> Result<Pull<'a>, PullError> {
    let failed = |lost: Lost| PullError::Asked(lost.to_string());
    let password = match &site.bind {
        Bind::Simple { password, .. } => {
            Some(password.fetch(ask.folder).map_err(|e| PullError::Asked(format!("`password`: {e}")))?)
        }
        _ => None,
    };
    let hidden = Hidden::new(password.as_slice());
    let patience = Patience::new(ask.watch, site);
    let mut wire = Wire::open(site, ask.folder, hidden.clone(), patience).await.map_err(failed)?;
    let who = match (&site.bind, &password) {
        (Bind::Simple { dn, .. }, Some(password)) => {
            Some(Who::Simple(dn, SecretString::expose_secret(password)))
        }
        (Bind::External, _) => Some(Who::External),
        _ => None,
    };
    if let Some(who) = who {
        let id = wire.number();
        wire.send(&message::bind(id, who)).await.map_err(failed)?;
        match wire.answer(id).await.map_err(failed)? {
            What::Bound(outcome) if outcome.code == 0 => {}
            What::Bound(outcome) => return Err(PullError::Asked(said::refused(&outcome, &hidden))),
            _ => return Err(PullError::Asked("the server answers a `bind` with something else".to_owned())),
        }
    }
    let fetched = Fetched::default();
    Ok(Pull { site, ldap, wire, hidden, fetched, entries: 0, answered: false })
}

/// Makes all searches.
pub(super) async fn fetch(ask: &Ask<'_>, site: &Site) -> Result<Fetched, PullError> {
    let (ldap, steps) = ready(ask)?;
    let mut pull = open(ask, site, ldap).await?;
    for (index, ready) in steps.iter().enumerate() {
        let mut writer = Writer::new(&ready.step.name).map_err(|e| full_disk(&e))?;
        let (mut stop, reasons) = (None, pull.fetched.reasons.len());
        for base in &ready.bases {
            if let Err(why) = pull.search(ready, base, &mut writer).await {
                stop = Some(why);
                break;
            }
        }
        let (name, rows) = (ready.step.name.as_str(), writer.rows());
        if rows == 0 && ready.step.must && stop.is_none() && pull.fetched.reasons.len() == reasons {
            let needs = ready.step.permission.as_deref().unwrap_or("to read what is there");
            pull.reason(
                name,
                format!("no entry came: there is none, or this account may not see any; needed is: {needs}"),
            );
        }
        pull.fetched.batches.push(writer.finish().map_err(|e| full_disk(&e))?);
        let why = match stop {
            None => continue,
            Some(Stop::Disk(e)) => return Err(full_disk(&e)),
            Some(Stop::Lost(Lost::BrokenOff)) => {
                return Err(PullError::Asked("the pull was broken off".to_owned()));
            }
            Some(Stop::Lost(lost)) => lost.to_string(),
            Some(Stop::Full(why)) => why,
        };
        pull.reason(name, why);
        let after: Vec<&str> = steps.iter().skip(index + 1).map(|s| s.step.name.as_str()).collect();
        if !after.is_empty() {
            pull.fetched.reasons.push(format!("not asked for after that: {}", after.join(", ")));
        }
        break;
    }
    let Pull { wire, fetched, entries, answered, .. } = pull;
    if entries == 0 && !answered {
        return Err(PullError::Asked(fetched.reasons.join("; ")));
    }
    wire.close().await;
    Ok(fetched)
}

/// Looks for the entry at which the first search starts.
pub(super) async fn probe(ask: &Ask<'_>, site: &Site) -> Result<(), PullError> {
    let (ldap, steps) = ready(ask)?;
    let mut pull = open(ask, site, ldap).await?;
    let Some((ready, base)) = steps.iter().find_map(|s| Some((s, s.bases.first()?))) else { return Ok(()) };
    let failed = |lost: Lost| PullError::Asked(lost.to_string());
    let everything = filter::encode("(objectClass=*)").map_err(PullError::Connector)?;
    let nothing = ["1.1".to_owned()];
    let search = Search {
        base: base.as_bytes(),
        scope: Scope::Base,
        filter: &everything,
        attributes: &nothing,
        size: 1,
        page: None,
    };
    let id = pull.wire.number();
    pull.wire.send(&message::search(id, &search)).await.map_err(failed)?;
    let mut seen = false;
    let outcome = loop {
        match pull.wire.answer(id).await.map_err(failed)? {
            What::Done(outcome) => break outcome,
            What::Entry(_) => seen = true,
            _ => {}
        }
    };
    let permission = ready.step.permission.as_deref();
    let why = match outcome.code {
        0 if seen => None,
        0 => Some(said::partly(&Outcome { code: 32, ..outcome }, base, permission, &pull.hidden)),
        _ => Some(said::partly(&outcome, base, permission, &pull.hidden)),
    };
    pull.wire.close().await;
    match why {
        None => Ok(()),
        Some(why) => Err(PullError::Asked(format!("step `{}`: {why}", ready.step.name))),
    }
}

impl Pull<'_> {
    fn reason(&mut self, step: &str, why: String) {
        let reason = format!("step `{step}`: {why}");
        if !self.fetched.reasons.contains(&reason) {
            self.fetched.reasons.push(reason);
        }
    }

    /// One search, page by page.
    async fn search(&mut self, ready: &Ready<'_>, base: &str, writer: &mut Writer) -> Result<(), Stop> {
        let name = ready.step.name.as_str();
        let mut cookie = Vec::new();
        let (mut empty, mut before) = (0, None);
        loop {
            let page = self.page(ready, base, &cookie, writer).await?;
            if let Some(why) = self.end(ready, base, &page.outcome) {
                self.reason(name, why);
                return Ok(());
            }
            cookie = page.outcome.cookie.unwrap_or_default();
            if cookie.is_empty() {
                return Ok(());
            }
            empty = if page.first.is_none() { empty + 1 } else { 0 };
            if empty > MAX_EMPTY_PAGES {
                self.reason(
                    name,
                    format!("{MAX_EMPTY_PAGES} pages without an entry came one after the other"),
                );
                return Ok(());
            }
            if page.first.is_some() && page.first == before {
                self.reason(name, "the directory sent the same page twice".to_owned());
                return Ok(());
            }
            before = page.first;
        }
    }

    /// Why the result of a page means that not all came.
    fn end(&mut self, ready: &Ready<'_>, base: &str, outcome: &Outcome) -> Option<String> {
        match outcome.code {
            0 => {}
            32 if ready.step.optional => {}
            _ => return Some(said::partly(outcome, base, ready.step.permission.as_deref(), &self.hidden)),
        }
        self.answered = true;
        None
    }

    /// One page: its entries become rows.
    async fn page(
        &mut self,
        ready: &Ready<'_>,
        base: &str,
        cookie: &[u8],
        writer: &mut Writer,
    ) -> Result<Page, Stop> {
        let search = Search {
            base: base.as_bytes(),
            scope: ready.step.scope,
            filter: &ready.filter,
            attributes: &ready.attributes,
            size: 0,
            page: Some((self.site.page_size, cookie)),
        };
        let id = self.wire.number();
        self.wire.send(&message::search(id, &search)).await?;
        let (mut first, mut waiting, mut held) = (None, Vec::new(), 0);
        let outcome = loop {
            match self.wire.answer(id).await? {
                What::Entry(entry) => {
                    first.get_or_insert_with(|| entry.dn.clone());
                    self.room()?;
                    match Row::new(entry, &ready.binary) {
                        Err(()) => self.reason(
                            &ready.step.name,
                            "an entry was passed over: its name is no UTF-8, or has a NUL in it".to_owned(),
                        ),
                        Ok(row) if row.rest.is_empty() => writer.row(&row.value()).map_err(Stop::Disk)?,
                        Ok(row) => {
                            held += row.bytes();
                            if held > MAX_HELD {
                                let most = MAX_HELD >> 20;
                                return Err(Stop::Full(format!(
                                    "one page has entries of more than {most} MiB of which only the beginning came; lower `page_size`"
                                )));
                            }
                            waiting.push(row);
                        }
                    }
                }
                What::Reference(urls) => self.reference(&ready.step.name, &urls),
                What::Done(outcome) => break outcome,
                What::Between => {}
                What::Bound(_) | What::Extended(_) => {
                    return Err(
                        Lost::Failed("the server answers a search with something else".to_owned()).into()
                    );
                }
            }
        };
        self.asked(&ready.step.name)?;
        for row in waiting {
            self.rest(ready, row, writer).await?;
        }
        Ok(Page { outcome, first })
    }

    /// Counts an entry.
    fn room(&mut self) -> Result<(), Stop> {
        self.entries += 1;
        if self.entries > self.site.max_entries {
            return Err(Stop::Full(format!("more than {} entries (`max_entries`)", self.site.max_entries)));
        }
        if self.wire.came > MAX_DECODED_BYTES {
            return Err(Stop::Full(format!("more than {} GiB came", MAX_DECODED_BYTES >> 30)));
        }
        Ok(())
    }

    /// Says that an answer came.
    fn asked(&mut self, step: &str) -> Result<(), Stop> {
        self.fetched.requests += 1;
        let doing = Doing::Asked { step, requests: self.fetched.requests, rows: self.entries };
        Ok(self.wire.patience.tell(&doing)?)
    }

    /// Fetches the rest of the attributes of which only the beginning came, and writes the row.
    async fn rest(&mut self, ready: &Ready<'_>, mut row: Row, writer: &mut Writer) -> Result<(), Stop> {
        let everything = filter::encode("(objectClass=*)").map_err(Lost::Failed)?;
        while !row.rest.is_empty() {
            let asked: Vec<String> =
                row.rest.iter().map(|(name, from)| format!("{name};range={from}-*")).collect();
            let dn = row.name.clone();
            let search = Search {
                base: &dn,
                scope: Scope::Base,
                filter: &everything,
                attributes: &asked,
                size: 0,
                page: None,
            };
            let id = self.wire.number();
            self.wire.send(&message::search(id, &search)).await?;
            let (mut goes_on, mut why) = (false, String::new());
            loop {
                match self.wire.answer(id).await? {
                    What::Entry(entry) => goes_on = row.add(entry, &ready.binary),
                    What::Done(outcome) => {
                        if outcome.code != 0 {
                            goes_on = false;
                            why = format!(" ({})", said::shown(&outcome, &self.hidden));
                        }
                        break;
                    }
                    _ => {}
                }
            }
            self.asked(&ready.step.name)?;
            if goes_on && (row.bytes() > MAX_HELD || self.wire.came > MAX_DECODED_BYTES) {
                goes_on = false;
                why = ": there are too many".to_owned();
            }
            if !goes_on {
                let names: Vec<&str> = asked.iter().filter_map(|name| name.split(';').next()).collect();
                let (names, dn) =
                    (self.hidden.safe(&names.join(", "), None), self.hidden.safe(row.dn(), None));
                self.reason(&ready.step.name, format!("not all values of {names} of `{dn}` came{why}"));
                break;
            }
        }
        writer.row(&row.value()).map_err(Stop::Disk)
    }

    /// The directory says that more is elsewhere.
    fn reference(&mut self, step: &str, urls: &[String]) {
        let there = urls.first().map(|url| place(url)).unwrap_or_default();
        let begins = |dn: &String| there.starts_with(&dn.to_ascii_lowercase());
        let other = |dn: &String| there == dn.to_ascii_lowercase().replace(", ", ",");
        if self.ldap.harmless_references.iter().any(begins) || self.site.other_sources.iter().any(other) {
            return;
        }
        let begun = format!("step `{step}`: the directory sends on");
        let told = self.fetched.reasons.iter().filter(|reason| reason.starts_with(&begun)).count();
        if told < MAX_TOLD {
            let there = said::elsewhere(urls, &self.hidden);
            let why = format!(
                "the directory sends on to {there}; what is there was not asked for (if another source reads it, name its DN in `other_sources`)"
            );
            self.reason(step, why);
        }
    }
}

/// What came of a page.
struct Page {
    outcome: Outcome,
    /// The name of its first entry.
    first: Option<Vec<u8>>,
}

/// The DN in the address of a reference, in lower case.
fn place(url: &str) -> String {
    let path =
        url.split_once("://").map_or("", |(_, rest)| rest.split_once('/').map_or("", |(_, path)| path));
    let dn = path.split('?').next().unwrap_or_default();
    percent_encoding::percent_decode_str(dn).decode_utf8_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_a_reference_leads_to_is_its_dn() {
        let there = place("ldap://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example");
        assert_eq!(there, "dc=domaindnszones,dc=corp,dc=example");
        assert_eq!(place("ldaps://x:636/ou=a%20b,dc=x??sub"), "ou=a b,dc=x");
        assert_eq!(place("nonsense"), "");
    }
}
