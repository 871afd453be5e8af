//! One unit of a step: its request, page after page, and what belongs into its rows.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, LINK};
use serde_json::Value;

use super::answer::{self, Page};
use super::ask::{Reply, Trouble};
use super::auth::Signing;
use super::keep::{Kept, joined};
use super::page::{Next, Pages, link, same_product};
use super::request::Made;
use super::room::Room;
use super::rows::{carry, chosen, insert, is_of_events, pick, says_something, time_at};
use super::run::{Place, Run, Unit};
use super::value::{Context, plain};
use crate::connect::manifest::http::{ForEach, Incremental, Paging, Step};
use crate::connect::map::sha256;
use crate::model::{Duration, Instant};

/// A future of this pull, which stays on its thread.
type Local<'f, T> = Pin<Box<dyn Future<Output = T> + 'f>>;

impl Run<'_> {
    /// One unit of a step, page after page. `kept` tells which rows are there from earlier pulls.
    pub(super) fn unit<'f>(
        &'f self,
        step: &'f Step,
        unit: &'f Unit,
        head: &'f RefCell<Value>,
        kept: &'f dyn Fn(&Value) -> bool,
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
            // It may show what came from the product.
            let unasked = |why: String| Trouble::Refused(self.asker.safe(&why));
            let mut made = Made::new(self.http, step, &place.url, &context).map_err(unasked)?;
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
            let mut first = true;
            loop {
                let reply = self.ready(step, &next, place).await?;
                self.asked.borrow_mut().insert(step.name.clone());
                if step.nothing.contains(&reply.status) {
                    if first {
                        unit.nothing.set(true);
                        return Ok(());
                    }
                    let status = reply.status;
                    return Err(Trouble::Refused(format!("answered {status} after some of its pages")));
                }
                first = false;
                let mut page = self.read(step, &reply)?;
                self.look_at(step, &page, head, &next);
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
                if old {
                    // They are there, with what belongs into them.
                    rows.retain(|row| !(self.is_behind(step, since, std::slice::from_ref(row)) && kept(row)));
                }
                rows.iter_mut().for_each(|row| pick(step, row));
                self.enrich(step, &mut rows).await?;
                take(rows)?;
                match after {
                    Next::Page(_) if old => break,
                    Next::Page(_) if self.over.get() => {
                        return Err(Trouble::Refused("its other pages are not read".to_owned()));
                    }
                    Next::Page(more) => next = *more,
                    Next::End => break,
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
        let latest = self.keep.borrow().latest(&step.name, is_of_events(step), unit)?;
        Some(latest.minus(*overlap))
    }

    pub(super) fn place(&self, step: &Step) -> Result<&Place, String> {
        let place = match &step.base {
            Some(base) => self.places.get(base),
            None => self.places.get("main").or_else(|| self.places.values().next()),
        };
        place.ok_or_else(|| format!("there is no address `{}`", step.base.as_deref().unwrap_or("main")))
    }

    /// What an answer says beside its rows.
    fn look_at(&self, step: &Step, page: &Page, head: &RefCell<Value>, asked: &Made) {
        for pointer in &step.warnings {
            if let Some(said) = page.document.pointer(pointer).filter(|v| says_something(v)) {
                let said = self.asker.safe(&said.to_string());
                self.doubt(step, &format!("the product warns: {said}"));
            }
        }
        if let Some(Incremental::Delta { link, .. }) = &step.incremental
            && let Some(Value::String(link)) = page.document.pointer(link)
            && same_product(asked, link).is_some()
        {
            self.delta_link.replace(Some(link.clone()));
        }
        head.replace(heads(&step.head, &page.document, head.take()));
    }

    /// What an answer says.
    fn read(&self, step: &Step, reply: &Reply) -> Result<Page, Trouble> {
        let safe = |text: &str| self.asker.safe(text);
        let page = answer::read(step, &reply.headers, &reply.body, &safe).map_err(Trouble::Refused)?;
        if reply.status == 202 && page.rows.is_empty() && !step.rows.is_empty() {
            return Err(Trouble::Refused("answered 202, which is not yet an answer".to_owned()));
        }
        Ok(page)
    }

    /// Asks until the answer is ready, and uses an answer that has not changed.
    async fn ready(&self, step: &Step, made: &Made, place: &Place) -> Result<Reply, Trouble> {
        let signing = place.signing();
        let Some(poll) = &step.poll else { return self.conditional(step, made, &signing).await };
        let wait = |d: Duration| std::time::Duration::from_millis(d.ms().unsigned_abs());
        let mut waited = std::time::Duration::ZERO;
        loop {
            let reply = self.asker.ask(step, made, &signing).await?;
            if step.nothing.contains(&reply.status) {
                return Ok(reply);
            }
            let whole = Step { rows: vec!["document".to_owned()], ..step.clone() };
            let said = self.read(&whole, &reply)?.document.pointer(&poll.at).and_then(plain);
            let said = said.unwrap_or_default();
            if poll.until.contains(&said) {
                return Ok(reply);
            }
            if !poll.going.contains(&said) {
                let said = self.asker.safe(&said);
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

    /// Asks for what has changed. That a page is the same does not say that it still is the last: what an unchanged answer
    /// says of the next page counts, and where it says nothing, a page that is full is asked for as it is.
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
            if reply.headers.contains_key(LINK) {
                let kept = Kept { links: links(&reply), ..kept };
                self.keep.borrow_mut().keep_answer(known, kept);
                return Ok(reply);
            }
            let values = kept.links.iter().filter_map(|link| HeaderValue::from_str(link).ok());
            values.for_each(|link| _ = reply.headers.append(LINK, link));
            let last = matches!(step.page, Paging::Link) && matches!(link(&reply.headers), Ok(None));
            if !last || !self.is_full(step, &reply) {
                self.keep.borrow_mut().keep_answer(known, kept);
                return Ok(reply);
            }
            reply = self.asker.ask(step, made, signing).await?;
        }
        if let Some(etag) = text(&reply, &ETAG)
            && let Ok(body) = String::from_utf8(reply.body.clone())
        {
            let kept = Kept { etag, links: links(&reply), body };
            self.keep.borrow_mut().keep_answer(known, kept);
        }
        Ok(reply)
    }

    /// Has the page as many rows as a page can have, so that there may be another one by now?
    fn is_full(&self, step: &Step, reply: &Reply) -> bool {
        let context = Context {
            settings: self.settings,
            rows: &[],
            now: self.now,
            since: None,
            page_size: self.page_size,
        };
        let texts = step.query.values().chain(step.body.values()).chain(step.form.values());
        let rows = self.read(step, reply).map_or(0, |page| page.rows.len() as u64);
        // How large a page can be is not known where the request does not say it.
        context.asked_size(texts).is_none_or(|size| rows >= size)
    }

    /// Fetches what belongs into these rows.
    pub(super) fn enrich<'f>(
        &'f self,
        step: &'f Step,
        rows: &'f mut [Value],
    ) -> Local<'f, Result<(), Trouble>> {
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
                    .filter_map(|(index, row)| chosen(&child.only, row).then_some(index))
                    .collect();
                let (head, room) = (RefCell::new(Value::Null), Room::new());
                let units: Vec<(Vec<usize>, Unit)> = chosen
                    .chunks(child.batch.unwrap_or(1).max(1))
                    .map(|part| {
                        let rows = part.iter().filter_map(|index| rows.get(*index).cloned()).collect();
                        (part.to_vec(), Unit::new(rows, String::new()))
                    })
                    .collect();
                let fetched = stream::iter(units).map(|(part, unit)| {
                    let (head, room) = (&head, &room);
                    async move {
                        let (got, whole) = self.collected(child, &unit, head, &|_| false, room).await?;
                        // What is not known is not there: an empty list would say that there is nothing.
                        let none = attach.none_is_null && unit.nothing.get();
                        let got = (whole || !got.is_empty()).then_some(((!none).then_some(got), whole));
                        Ok((part, got))
                    }
                });
                let fetched: Vec<Result<_, Trouble>> = fetched.buffered(self.concurrency).collect().await;
                for unit in fetched {
                    let (part, got) = unit?;
                    if let Some(got) = got
                        && let Err(why) = insert(child, attach, &part, got, rows)
                    {
                        self.doubt(child, &why);
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
        let signing = place.signing();
        let reply = self.asker.ask(step, &made, &signing).await?;
        if step.nothing.contains(&reply.status) {
            return Ok(());
        }
        self.read(step, &reply).map(drop)
    }
}

fn links(reply: &Reply) -> Vec<String> {
    reply.headers.get_all(LINK).iter().filter_map(|v| v.to_str().ok().map(str::to_owned)).collect()
}

fn text(reply: &Reply, name: &HeaderName) -> Option<String> {
    reply.headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// What the answers so far say beside their rows, with what one more says: it can name what no row of those before it has.
fn heads(keys: &[String], document: &Value, before: Value) -> Value {
    if keys.is_empty() {
        return before;
    }
    let of = |key: &String| Some((key.clone(), document.get(key)?.clone()));
    let said = Value::Object(keys.iter().filter_map(of).collect());
    joined(Some(&said), before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_later_page_adds_to_what_stands_beside_the_rows() {
        let keys = ["names".to_owned()];
        let first = heads(&keys, &json!({ "names": { "a": "A" }, "total": 2 }), Value::Null);
        assert_eq!(first, json!({ "names": { "a": "A" } }));
        let second = heads(&keys, &json!({ "names": { "a": "other", "b": "B" } }), first);
        assert_eq!(second, json!({ "names": { "a": "A", "b": "B" } }));
        assert_eq!(heads(&keys, &Value::Null, second.clone()), second);
        assert_eq!(heads(&[], &json!({ "names": 1 }), Value::Null), Value::Null);
    }
}
