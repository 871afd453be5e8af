//! The steps of a manifest, one after the other: each once, or once for each row of an earlier one; rows that belong into
//! another row are fetched while that one waits.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Url;
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LINK};
use serde_json::{Map, Value, json};

use super::answer::{self, Page};
use super::ask::{Asker, Reply, Trouble};
use super::auth::Signing;
use super::keep::{Keep, Kept, Rows};
use super::page::{Next, Pages, same_product};
use super::request::Made;
use super::value::{Context, plain};
use crate::connect::dates::{self, Reading};
use crate::connect::manifest::http::{Attach, ForEach, Http, Incremental, Only, Step, When};
use crate::connect::map::sha256;
use crate::connect::record::canonical;
use crate::connect::transport::{Batch, Fetched, Writer};
use crate::model::{Duration, Instant};

/// How often one step may be refused before no more of it is asked: it will go on like this.
const MAX_REFUSED: u32 = 50;
/// How many reasons are told.
const MAX_REASONS: usize = 20;

/// A named address, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The address.
    pub url: Url,
    /// For AWS: the service.
    pub service: String,
    /// For AWS: the region.
    pub region: String,
}

/// One pull.
pub(super) struct Run<'a> {
    /// What is asked.
    pub http: &'a Http,
    /// Asks it.
    pub asker: Asker<'a>,
    /// Where it is asked.
    pub places: BTreeMap<String, Place>,
    /// The settings of the source.
    pub settings: &'a Map<String, Value>,
    /// When the pull began.
    pub now: Instant,
    /// How many rows a page has at most.
    pub page_size: Option<u64>,
    /// How many requests are made at a time.
    pub concurrency: usize,
    /// What is kept between pulls.
    pub keep: RefCell<Keep>,
    /// Why not everything is there.
    pub reasons: RefCell<Vec<String>>,
    /// How often each step was refused.
    pub refused: RefCell<BTreeMap<String, u32>>,
    /// The address for the next changes that the last answer of a step gave.
    pub delta_link: RefCell<Option<String>>,
    /// Steps that are asked from the beginning, though there is an address for changes.
    pub anew: RefCell<BTreeSet<String>>,
    /// Nobody answers any more: what is there is all there will be.
    pub over: Cell<bool>,
}

/// A future of this pull, which stays on its thread.
type Local<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

/// The rows of a step while they come in.
enum Out {
    Plain(Writer),
    Keyed(Box<Rows>),
}

/// What a unit of a step is made for.
struct Unit {
    rows: Vec<Value>,
    /// By which it is known among the units of the step.
    name: String,
}

impl Run<'_> {
    /// Makes every step. What it got is whole where there are no reasons.
    ///
    /// # Errors
    /// What was set aside could not be, or somebody wants it to stop.
    pub async fn everything(&self) -> Result<Fetched, String> {
        let mut batches: Vec<Batch> = Vec::new();
        for step in &self.http.steps {
            if step.attach.is_some() || step.probe_only || !self.wanted(step) {
                continue;
            }
            let parents = match &step.for_each {
                Some(ForEach::Step(name)) => batches.iter().find(|batch| batch.shape == *name),
                _ => None,
            };
            let (batch, ended) = self.whole_step(step, parents).await?;
            batches.push(batch);
            match ended {
                Ok(()) => {}
                Err(Trouble::Stopped) => return Err("it was broken off".to_owned()),
                Err(Trouble::Denied(_)) if step.optional => {}
                Err(trouble) => {
                    self.reason(step, &trouble);
                    if trouble.is_end() {
                        break;
                    }
                }
            }
            if self.over.get() {
                break;
            }
        }
        let reasons = self.reasons.take();
        if reasons.is_empty()
            && let Err(e) = self.keep.take().commit()
        {
            tracing::warn!("what was fetched could not be kept for the next pull: {e}");
        }
        Ok(Fetched { batches, reasons, requests: self.asker.requests.get() })
    }

    /// All rows of one step, and how it ended.
    async fn whole_step(
        &self,
        step: &Step,
        parents: Option<&Batch>,
    ) -> Result<(Batch, Result<(), Trouble>), String> {
        let lost = |e: std::io::Error| format!("what was fetched could not be set aside: {e}");
        let head = RefCell::new(Value::Null);
        let mut out = self.out(step).map_err(lost)?;
        let mut ended = self.step(step, parents, &head, &mut out).await;
        if let (Err(Trouble::Refused(_)), Some(Incremental::Delta { .. })) = (&ended, &step.incremental)
            && self.keep.borrow().link(&step.name).is_some()
        {
            // The product does not know any more what changed since then: everything is asked anew.
            self.anew.borrow_mut().insert(step.name.clone());
            out = self.out(step).map_err(lost)?;
            ended = self.step(step, parents, &head, &mut out).await;
        }
        let batch = match out {
            Out::Plain(mut writer) => {
                writer.head(head.take());
                writer.finish().map_err(lost)?
            }
            Out::Keyed(mut rows) => {
                self.let_go(step, &mut rows).map_err(lost)?;
                self.keep.borrow_mut().done(*rows, head.take()).map_err(lost)?
            }
        };
        Ok((batch, ended))
    }

    /// Is the step made?
    pub fn wanted(&self, step: &Step) -> bool {
        let Some(When { setting, is }) = &step.when else { return true };
        let value = self.settings.get(setting).unwrap_or(&Value::Null);
        is.as_ref().map_or_else(|| says_something(value), |is| is == value)
    }

    fn out(&self, step: &Step) -> std::io::Result<Out> {
        Ok(match &step.incremental {
            None => Out::Plain(Writer::new(&step.name)?),
            Some(_) => {
                let anew = self.anew.borrow().contains(&step.name);
                Out::Keyed(Box::new(self.keep.borrow().rows(&step.name, anew)?))
            }
        })
    }

    /// Lets go of rows that are older than they are kept.
    fn let_go(&self, step: &Step, rows: &mut Rows) -> std::io::Result<()> {
        if let Some(Incremental::Since { at, keep: Some(keep), .. }) = &step.incremental {
            let since = self.now.minus(*keep);
            rows.retain(|row| time_at(row, at).is_none_or(|at| at >= since))?;
        }
        Ok(())
    }

    /// Notes why not everything is there.
    fn reason(&self, step: &Step, trouble: &Trouble) {
        self.doubt(step, trouble.reason());
    }

    fn doubt(&self, step: &Step, why: &str) {
        let reason = format!("{}: {why}", step.name);
        let mut reasons = self.reasons.borrow_mut();
        if !reasons.contains(&reason) && reasons.len() < MAX_REASONS {
            reasons.push(reason);
        }
    }

    /// All units of a step.
    async fn step(
        &self,
        step: &Step,
        parents: Option<&Batch>,
        head: &RefCell<Value>,
        out: &mut Out,
    ) -> Result<(), Trouble> {
        let lost = |e: &dyn std::fmt::Display| Trouble::Lost(format!("what was fetched is lost: {e}"));
        let units: Box<dyn Iterator<Item = Result<Unit, Trouble>>> = match &step.for_each {
            None => {
                // Page after page, for there may be very many rows.
                let out = RefCell::new(out);
                let unit = Unit { rows: Vec::new(), name: String::new() };
                return self
                    .unit(step, &unit, head, &|rows| self.write(step, "", rows, *out.borrow_mut()))
                    .await;
            }
            Some(ForEach::Setting { setting }) => {
                let items = match self.settings.get(setting) {
                    Some(Value::Array(items)) => items.clone(),
                    Some(Value::Null) | None => Vec::new(),
                    Some(one) => vec![one.clone()],
                };
                Box::new(items.into_iter().map(|item| Ok(unit(vec![item]))))
            }
            // A step that was left out, or that failed, has no rows.
            Some(ForEach::Step(_)) => match parents {
                None => return Ok(()),
                Some(batch) => {
                    let rows = batch.read().map_err(|e| lost(&e))?;
                    // A row that cannot be taken is said so when it is mapped.
                    let rows = rows.filter_map(|row| match row {
                        Ok(row) => row.ok().map(Ok),
                        Err(e) => Some(Err(lost(&e))),
                    });
                    let mut seen = BTreeSet::new();
                    let rows = rows.filter(move |row| match row {
                        Ok(row) => chosen(step.only.as_ref(), row) && is_new(step, row, &mut seen),
                        Err(_) => true,
                    });
                    Box::new(batched(rows, step.batch.unwrap_or(1)))
                }
            },
        };
        let fetched = stream::iter(units).map(|unit| async {
            let unit = unit?;
            let (rows, _) = self.collected(step, &unit, head).await?;
            Ok((unit.name, rows))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(self.concurrency));
        while let Some(unit) = fetched.next().await {
            let (name, rows) = unit?;
            self.write(step, &name, rows, out)?;
        }
        Ok(())
    }

    /// The rows of one unit, and whether these are all of it. One that is refused has none, and is noted.
    async fn collected(
        &self,
        step: &Step,
        unit: &Unit,
        head: &RefCell<Value>,
    ) -> Result<(Vec<Value>, bool), Trouble> {
        if self.over.get() || self.gave_up(step) {
            return Ok((Vec::new(), false));
        }
        let rows = RefCell::new(Vec::new());
        let done = self
            .unit(step, unit, head, &|more| {
                rows.borrow_mut().extend(more);
                Ok(())
            })
            .await;
        let whole = done.is_ok();
        match done {
            Ok(()) => {}
            Err(Trouble::Stopped) => return Err(Trouble::Stopped),
            Err(Trouble::Denied(_)) if step.optional => {}
            Err(trouble) => {
                *self.refused.borrow_mut().entry(step.name.clone()).or_default() += 1;
                self.reason(step, &trouble);
                self.over.set(self.over.get() || trouble.is_end());
            }
        }
        // What came before is kept: it is true, though it is not all.
        Ok((rows.into_inner(), whole))
    }

    /// Was the step refused so often that it is not asked any more?
    fn gave_up(&self, step: &Step) -> bool {
        self.refused.borrow().get(&step.name).is_some_and(|times| *times >= MAX_REFUSED)
    }

    /// Puts rows where they belong.
    fn write(&self, step: &Step, unit: &str, rows: Vec<Value>, out: &mut Out) -> Result<(), Trouble> {
        let lost = |e: std::io::Error| Trouble::Lost(format!("what was fetched could not be set aside: {e}"));
        match out {
            Out::Plain(writer) => rows.iter().try_for_each(|row| writer.row(row).map_err(lost)),
            Out::Keyed(kept) => {
                for row in &rows {
                    let Some(Incremental::Since { key, .. } | Incremental::Delta { key, .. }) =
                        &step.incremental
                    else {
                        continue;
                    };
                    let values: Vec<Value> =
                        key.iter().map(|pointer| row.pointer(pointer).cloned().unwrap_or_default()).collect();
                    if values.iter().all(Value::is_null) {
                        return Err(Trouble::Refused(format!("a row without {}", key.join(", "))));
                    }
                    let key = format!("{unit} {}", canonical(&Value::Array(values)));
                    match &step.incremental {
                        Some(Incremental::Delta { removed, .. })
                            if row.pointer(removed).is_some_and(|v| !v.is_null()) =>
                        {
                            kept.remove(&key);
                        }
                        Some(Incremental::Since { at, .. }) => {
                            if let Some(at) = time_at(row, at) {
                                kept.saw(unit, at);
                            }
                            kept.add(key, row).map_err(lost)?;
                        }
                        _ => kept.add(key, row).map_err(lost)?,
                    }
                }
                if let Some(link) = self.delta_link.take() {
                    kept.link = Some(link);
                }
                Ok(())
            }
        }
    }

    /// One unit of a step, page after page.
    fn unit<'f>(
        &'f self,
        step: &'f Step,
        unit: &'f Unit,
        head: &'f RefCell<Value>,
        take: &'f dyn Fn(Vec<Value>) -> Result<(), Trouble>,
    ) -> Local<'f, Result<(), Trouble>> {
        Box::pin(async move {
            let place = self.place(step).map_err(Trouble::Refused)?;
            let since = self.since(step, &unit.name);
            let context = Context {
                settings: self.settings,
                rows: &unit.rows,
                now: self.now,
                since,
                page_size: self.page_size,
            };
            let mut made = Made::new(self.http, step, &place.url, &context).map_err(Trouble::Refused)?;
            if let Some(Incremental::Delta { .. }) = &step.incremental
                && !self.anew.borrow().contains(&step.name)
                && let Some(link) = self.keep.borrow().link(&step.name)
                && let Some(link) = same_product(&made, link)
            {
                made = made.at(link);
            }
            let texts = step.query.values().chain(step.body.values()).chain(step.form.values());
            let mut pages = Pages::new(&step.page, made, context.asked_size(texts));
            let mut next = pages.first();
            loop {
                let reply = self.ready(step, &next, place).await?;
                if step.nothing.contains(&reply.status) {
                    return Ok(());
                }
                let mut page = answer::read(step, &reply.headers, &reply.body).map_err(Trouble::Refused)?;
                self.look_at(step, &page, head);
                let after = pages.next(&reply, &page);
                let mut rows = std::mem::take(&mut page.rows);
                let count = rows.len() as u64;
                self.asker.rows.set(self.asker.rows.get() + count);
                if unit.rows.len() == 1
                    && let Some(parent) = unit.rows.first()
                {
                    carry(step, parent, &mut rows);
                }
                let old = self.is_behind(step, since, &rows);
                self.enrich(step, &mut rows).await?;
                take(rows)?;
                if self.over.get() {
                    break;
                }
                match after {
                    Next::Page(more) if !old => next = *more,
                    Next::Page(_) | Next::End => break,
                    Next::Broken(why) => return Err(Trouble::Refused(why)),
                }
            }
            Ok(())
        })
    }

    /// Newest first, and an older row came: what follows was read by an earlier pull.
    fn is_behind(&self, step: &Step, since: Option<Instant>, rows: &[Value]) -> bool {
        let Some(Incremental::Since { at, newest_first: true, .. }) = &step.incremental else { return false };
        since.is_some_and(|since| rows.iter().any(|row| time_at(row, at).is_some_and(|at| at < since)))
    }

    /// Since when changes are asked for.
    fn since(&self, step: &Step, unit: &str) -> Option<Instant> {
        let Some(Incremental::Since { overlap, .. }) = &step.incremental else { return None };
        let latest = self.keep.borrow().latest(&step.name, unit)?;
        Some(latest.minus(*overlap))
    }

    fn place(&self, step: &Step) -> Result<&Place, String> {
        let place = match &step.base {
            Some(base) => self.places.get(base),
            None => self.places.get("main").or_else(|| self.places.values().next()),
        };
        place.ok_or_else(|| format!("there is no address `{}`", step.base.as_deref().unwrap_or("main")))
    }

    /// What an answer says beside its rows.
    fn look_at(&self, step: &Step, page: &Page, head: &RefCell<Value>) {
        for pointer in &step.warnings {
            if let Some(said) = page.document.pointer(pointer).filter(|v| says_something(v)) {
                let said = self.asker.web.hidden.safe(&said.to_string(), None);
                self.doubt(step, &format!("the product warns: {said}"));
            }
        }
        if let Some(Incremental::Delta { link, .. }) = &step.incremental
            && let Some(Value::String(link)) = page.document.pointer(link)
        {
            self.delta_link.replace(Some(link.clone()));
        }
        if !step.head.is_empty() && head.borrow().is_null() {
            let of = |key: &String| Some((key.clone(), page.document.get(key)?.clone()));
            *head.borrow_mut() = Value::Object(step.head.iter().filter_map(of).collect());
        }
    }

    /// Asks until the answer is ready, and uses an answer that has not changed.
    async fn ready(&self, step: &Step, made: &Made, place: &Place) -> Result<Reply, Trouble> {
        let signing = Signing { service: &place.service, region: &place.region };
        let Some(poll) = &step.poll else { return self.conditional(step, made, &signing).await };
        let wait = |d: Duration| std::time::Duration::from_millis(d.ms().unsigned_abs());
        let mut waited = std::time::Duration::ZERO;
        loop {
            let reply = self.asker.ask(step, made, &signing).await?;
            let said = answer::read(
                &Step { rows: "document".to_owned(), ..step.clone() },
                &reply.headers,
                &reply.body,
            );
            let said = said.map_err(Trouble::Refused)?.document.pointer(&poll.at).and_then(plain);
            let said = said.unwrap_or_default();
            if poll.until.contains(&said) {
                return Ok(reply);
            }
            if !poll.going.contains(&said) {
                let said = self.asker.web.hidden.safe(&said, None);
                return Err(Trouble::Refused(format!("the job it waits for ended as `{said}`")));
            }
            if waited >= wait(poll.within) {
                return Err(Trouble::Refused(format!(
                    "the job it waits for is `{said}` after {}",
                    poll.within
                )));
            }
            waited += wait(poll.every);
            self.asker.pause(step, wait(poll.every), "the product prepares its answer").await?;
        }
    }

    async fn conditional(&self, step: &Step, made: &Made, signing: &Signing<'_>) -> Result<Reply, Trouble> {
        if !step.conditional {
            return self.asker.ask(step, made, signing).await;
        }
        let known = sha256(made.known_by().as_bytes());
        let kept = self.keep.borrow().answer(&known).cloned();
        let mut asked = made.clone();
        if let Some(etag) = kept.as_ref().and_then(|k| HeaderValue::from_str(&k.etag).ok()) {
            asked = asked.header(IF_NONE_MATCH, etag);
        }
        let mut reply = self.asker.ask(step, &asked, signing).await?;
        if reply.status == 304 {
            let kept =
                kept.ok_or_else(|| Trouble::Refused("it says `not modified`, and was not asked".to_owned()))?;
            reply.status = 200;
            reply.body = kept.body.clone().into_bytes();
            reply.headers.remove(LINK);
            for link in &kept.links {
                if let Ok(link) = HeaderValue::from_str(link) {
                    reply.headers.append(LINK, link);
                }
            }
            self.keep.borrow_mut().keep_answer(known, kept);
        } else if let Some(etag) = text(&reply, &ETAG)
            && let Ok(body) = String::from_utf8(reply.body.clone())
        {
            let links = reply.headers.get_all(LINK).iter().filter_map(|v| v.to_str().ok().map(str::to_owned));
            let kept = Kept { etag, links: links.collect(), body };
            self.keep.borrow_mut().keep_answer(known, kept);
        }
        Ok(reply)
    }

    /// Fetches what belongs into these rows.
    fn enrich<'f>(&'f self, step: &'f Step, rows: &'f mut Vec<Value>) -> Local<'f, Result<(), Trouble>> {
        Box::pin(async move {
            for child in &self.http.steps {
                let (Some(attach), Some(ForEach::Step(parent))) = (&child.attach, &child.for_each) else {
                    continue;
                };
                if *parent != step.name || !self.wanted(child) {
                    continue;
                }
                let chosen: Vec<usize> = rows
                    .iter()
                    .enumerate()
                    .filter_map(|(index, row)| chosen(child.only.as_ref(), row).then_some(index))
                    .collect();
                let head = RefCell::new(Value::Null);
                let units: Vec<(Vec<usize>, Unit)> = chosen
                    .chunks(child.batch.unwrap_or(1).max(1))
                    .map(|part| {
                        let rows = part.iter().filter_map(|index| rows.get(*index).cloned()).collect();
                        (part.to_vec(), Unit { rows, name: String::new() })
                    })
                    .collect();
                let fetched = stream::iter(units).map(|(part, unit)| {
                    let head = &head;
                    async move {
                        let (got, whole) = self.collected(child, &unit, head).await?;
                        // What is not known is not there: an empty list would say that there is nothing.
                        Ok((part, (whole || !got.is_empty()).then_some(got)))
                    }
                });
                let fetched: Vec<Result<_, Trouble>> = fetched.buffered(self.concurrency).collect().await;
                for unit in fetched {
                    let (part, got) = unit?;
                    if let Some(got) = got {
                        insert(child, attach, &part, got, rows);
                    }
                }
            }
            Ok(())
        })
    }

    /// Asks one thing, as `config check --live` does.
    ///
    /// # Errors
    /// Why it is not answered.
    pub async fn probe(&self) -> Result<(), Trouble> {
        let named = self.http.probe.as_ref();
        let first = self.http.steps.iter().find(|step| match named {
            Some(name) => step.name == *name,
            None => step.for_each.is_none() && self.wanted(step),
        });
        let Some(step) = first else { return Ok(()) };
        let place = self.place(step).map_err(Trouble::Refused)?;
        let context =
            Context { settings: self.settings, rows: &[], now: self.now, since: None, page_size: Some(1) };
        let made = Made::new(self.http, step, &place.url, &context).map_err(Trouble::Refused)?;
        let made = Pages::new(&step.page, made, Some(1)).first();
        let signing = Signing { service: &place.service, region: &place.region };
        let reply = self.asker.ask(step, &made, &signing).await?;
        if step.nothing.contains(&reply.status) {
            return Ok(());
        }
        answer::read(step, &reply.headers, &reply.body).map(drop).map_err(Trouble::Refused)
    }
}

fn text(reply: &Reply, name: &HeaderName) -> Option<String> {
    reply.headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn unit(rows: Vec<Value>) -> Unit {
    let name = sha256(canonical(&Value::Array(rows.clone())).as_bytes());
    Unit { rows, name: name.get(..16).unwrap_or_default().to_owned() }
}

/// Rows in units of so many.
fn batched(
    mut rows: impl Iterator<Item = Result<Value, Trouble>>,
    size: usize,
) -> impl Iterator<Item = Result<Unit, Trouble>> {
    std::iter::from_fn(move || {
        let mut part = Vec::new();
        while part.len() < size.max(1) {
            match rows.next() {
                Some(Ok(row)) => part.push(row),
                Some(Err(trouble)) => return Some(Err(trouble)),
                None => break,
            }
        }
        (!part.is_empty()).then(|| Ok(unit(part)))
    })
}

/// Neither null nor false nor empty.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn chosen(only: Option<&Only>, row: &Value) -> bool {
    let Some(only) = only else { return true };
    let value = row.pointer(&only.at).unwrap_or(&Value::Null);
    if only.is_not.contains(value) {
        return false;
    }
    if only.is.is_empty() {
        !only.is_not.is_empty() || says_something(value)
    } else {
        only.is.contains(value)
    }
}

fn is_new(step: &Step, row: &Value, seen: &mut BTreeSet<String>) -> bool {
    let Some(pointer) = &step.distinct else { return true };
    row.pointer(pointer).is_some_and(|value| seen.insert(canonical(value)))
}

/// Puts what of the parent is carried into its rows.
fn carry(step: &Step, parent: &Value, rows: &mut [Value]) {
    if step.carry.is_empty() {
        return;
    }
    let from: Map<String, Value> = step
        .carry
        .iter()
        .map(|(name, pointer)| (name.clone(), parent.pointer(pointer).cloned().unwrap_or_default()))
        .collect();
    for row in rows {
        if !row.is_object() {
            *row = json!({ "value": row.take() });
        }
        if let Value::Object(row) = row {
            row.insert("_from".to_owned(), Value::Object(from.clone()));
        }
    }
}

/// Puts rows into those they were asked for.
fn insert(child: &Step, attach: &Attach, part: &[usize], got: Vec<Value>, rows: &mut [Value]) {
    let (Some(own), Some(of_parent)) = (&attach.row, &attach.parent) else {
        let value = if child.rows == "document" {
            got.into_iter().next().unwrap_or_default()
        } else {
            Value::Array(got)
        };
        if let Some(Value::Object(row)) = part.first().and_then(|index| rows.get_mut(*index)) {
            row.insert(attach.key.clone(), value);
        }
        return;
    };
    let mut by: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for row in got {
        if let Some(key) = row.pointer(own).and_then(plain) {
            by.entry(key).or_default().push(row);
        }
    }
    for index in part {
        let Some(row) = rows.get_mut(*index) else { continue };
        let key = row.pointer(of_parent).and_then(plain);
        let mine = key.and_then(|key| by.get(&key).cloned()).unwrap_or_default();
        if let Value::Object(row) = row {
            row.insert(attach.key.clone(), Value::Array(mine));
        }
    }
}

/// The time at a pointer of a row, in whichever way products write it.
fn time_at(row: &Value, pointer: &str) -> Option<Instant> {
    let text = match row.pointer(pointer)? {
        Value::String(text) => {
            let reading = Reading { patterns: None, zone: Some("UTC"), order: None };
            dates::instant(text, &reading).ok()?
        }
        Value::Number(number) => dates::epoch(number.as_f64()?).ok()?,
        _ => return None,
    };
    Instant::parse(&text).ok()
}
