//! The steps of a manifest, one after the other: each once, or once for each row of an earlier one; rows that belong into
//! another row are fetched while that one waits.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Url;
use serde_json::{Map, Value, json};

use super::ask::{Asker, Trouble};
use super::auth::Signing;
use super::keep::{Keep, Rows};
use super::room::Room;
use super::rows::{chosen, is_new, is_of_events, says_something, time_at};
use crate::connect::manifest::http::{ForEach, Http, Incremental, Step, When};
use crate::connect::map::sha256;
use crate::connect::record::canonical;
use crate::connect::transport::{Batch, Fetched, Writer};
use crate::model::Instant;

/// How often one step may be refused before no more of it is asked: it will go on like this.
const MAX_REFUSED: u32 = 50;
/// How many levels of a tree are read.
const MAX_LEVELS: usize = 64;
/// How many reasons are told.
const MAX_REASONS: usize = 20;

/// A named address, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The address.
    pub url: Url,
    /// For AWS: the service.
    pub service: Option<String>,
    /// For AWS: the region.
    pub region: Option<String>,
}

impl Place {
    /// What it is called in a signature.
    pub fn signing(&self) -> Signing<'_> {
        Signing { service: self.service.as_deref(), region: self.region.as_deref() }
    }
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
    /// Steps that were not read to their end, or not asked.
    pub partial: RefCell<BTreeSet<String>>,
    /// Steps that were asked.
    pub asked: RefCell<BTreeSet<String>>,
    /// Nobody answers any more: what is there is all there will be.
    pub over: Cell<bool>,
}

/// The rows of a step while they come in.
enum Out {
    Plain(Writer),
    Keyed(Box<Rows>),
}

/// What a unit of a step is made for.
pub(super) struct Unit {
    /// The rows.
    pub rows: Vec<Value>,
    /// By which it is known among the units of the step.
    pub name: String,
    /// The product said that there is no such thing (`nothing`).
    pub nothing: Cell<bool>,
}

impl Unit {
    /// Of rows, with a name.
    pub fn new(rows: Vec<Value>, name: String) -> Self {
        Self { rows, name, nothing: Cell::new(false) }
    }
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
            let rows = batch.rows;
            batches.push(batch);
            match ended {
                Ok(()) => self.count(step, rows),
                Err(Trouble::Stopped) => return Err("it was broken off".to_owned()),
                Err(Trouble::Denied(_)) if step.optional => self.leave_out(step),
                Err(trouble) => {
                    self.reason(step, &trouble);
                    self.over.set(self.over.get() || trouble.is_end());
                }
            }
            if self.over.get() {
                break;
            }
        }
        self.say_what_is_whole(&mut batches);
        let reasons = self.reasons.take();
        if reasons.is_empty()
            && let Err(e) = self.keep.take().commit()
        {
            tracing::warn!("what was fetched could not be kept for the next pull: {e}");
        }
        Ok(Fetched { batches, reasons, requests: self.asker.requests.get() })
    }

    /// The step may not be asked, and may be left out: what it would say is not known.
    fn leave_out(&self, step: &Step) {
        self.partial.borrow_mut().insert(step.name.clone());
    }

    /// Fewer rows than there always are come from elsewhere, or from somebody who may not see them: of what is not there
    /// it would be said that it is gone.
    fn count(&self, step: &Step, rows: u64) {
        let known = self.asked.borrow().contains(&step.name) && !self.partial.borrow().contains(&step.name);
        if known && rows < step.at_least {
            let (came, are) =
                (if rows == 1 { "row" } else { "rows" }, if step.at_least == 1 { "is" } else { "are" });
            self.doubt(step, &format!(
                "{rows} {came} came, and there {are} always at least {}: is this the right address, and may who asks see all of it?",
                step.at_least
            ));
        }
    }

    /// Lets the map know which steps were asked and read to their end: what is not in those is not there.
    fn say_what_is_whole(&self, batches: &mut [Batch]) {
        let partial = self.partial.borrow();
        let mut whole: Vec<Value> = Vec::new();
        for step in &self.http.steps {
            let own = step.attach.is_some() || batches.iter().any(|batch| batch.shape == step.name);
            // What is asked for each row of a step is all there is where those rows are.
            let above = match &step.for_each {
                Some(ForEach::Step(above)) => whole.iter().any(|name| name == above),
                _ => true,
            };
            if own && above && !step.probe_only && self.wanted(step) && !partial.contains(&step.name) {
                whole.push(Value::from(step.name.as_str()));
            }
        }
        for batch in batches {
            if !batch.head.is_object() {
                batch.head = json!({});
            }
            if let Value::Object(head) = &mut batch.head {
                head.insert("_whole".to_owned(), Value::Array(whole.clone()));
            }
        }
    }

    /// All rows of one step, and how it ended.
    async fn whole_step(
        &self,
        step: &Step,
        parents: Option<&Batch>,
    ) -> Result<(Batch, Result<(), Trouble>), String> {
        let lost = |e: std::io::Error| format!("what was fetched could not be set aside: {e}");
        let head = RefCell::new(Value::Null);
        self.delta_link.take();
        let out = RefCell::new(self.out(step).map_err(lost)?);
        let mut ended = self.step(step, parents, &head, &out).await;
        if let (Err(Trouble::Refused(_)), Some(Incremental::Delta { .. })) = (&ended, &step.incremental)
            && self.keep.borrow().link(&step.name).is_some()
        {
            // The product does not know any more what changed since then: everything is asked anew.
            self.anew.borrow_mut().insert(step.name.clone());
            self.delta_link.take();
            out.replace(self.out(step).map_err(lost)?);
            ended = self.step(step, parents, &head, &out).await;
        }
        let batch = match out.into_inner() {
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

    /// Is the step made? One that is made for the rows of another is not, where that one is not.
    pub fn wanted(&self, step: &Step) -> bool {
        let parent = match &step.for_each {
            Some(ForEach::Step(name)) => self.http.steps.iter().find(|other| other.name == *name),
            _ => None,
        };
        if parent.is_some_and(|parent| !self.wanted(parent)) {
            return false;
        }
        let Some(When { setting, is }) = &step.when else { return true };
        let value = self.settings.get(setting).unwrap_or(&Value::Null);
        is.as_ref().map_or_else(|| says_something(value), |is| is == value)
    }

    fn out(&self, step: &Step) -> std::io::Result<Out> {
        Ok(match &step.incremental {
            None => Out::Plain(Writer::new(&step.name)?),
            Some(_) => {
                let anew = self.anew.borrow().contains(&step.name);
                let kept = self.keep.borrow().rows(&step.name, is_of_events(step), anew);
                Out::Keyed(Box::new(match kept {
                    Err(e) if !anew => {
                        // Without the rows there is nothing that changes could be added to.
                        tracing::warn!(
                            "what was kept of `{}` cannot be read: {e}: it is asked anew",
                            step.name
                        );
                        self.anew.borrow_mut().insert(step.name.clone());
                        self.keep.borrow().rows(&step.name, is_of_events(step), true)?
                    }
                    kept => kept?,
                }))
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

    pub(super) fn doubt(&self, step: &Step, why: &str) {
        self.partial.borrow_mut().insert(step.name.clone());
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
        out: &RefCell<Out>,
    ) -> Result<(), Trouble> {
        let lost = |e: &dyn std::fmt::Display| Trouble::Lost(format!("what was fetched is lost: {e}"));
        let units: Box<dyn Iterator<Item = Result<Unit, Trouble>>> = match &step.for_each {
            None => {
                // Page after page, for there may be very many rows.
                let unit = Unit::new(Vec::new(), String::new());
                let take = |rows| self.write(step, "", rows, &mut out.borrow_mut());
                return self.unit(step, &unit, head, &|row| is_kept(step, "", row, out), &take).await;
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
                        Ok(row) => chosen(&step.only, row) && is_new(step, row, &mut seen),
                        Err(_) => true,
                    });
                    Box::new(batched(rows, step.batch.unwrap_or(1)))
                }
            },
        };
        let fetched = stream::iter(units).map(|unit| async {
            let unit = unit?;
            let kept = |row: &Value| is_kept(step, &unit.name, row, out);
            let (rows, _) = self.collected(step, &unit, head, &kept, &Room::new()).await?;
            Ok((unit.name, rows))
        });
        let mut fetched = std::pin::pin!(fetched.buffered(self.concurrency));
        let (mut level, mut room): (Vec<Value>, Room) = (Vec::new(), Room::new());
        while let Some(unit) = fetched.next().await {
            let (name, rows) = unit?;
            if step.deep {
                hold(&room, &rows)?;
                level.extend(rows.iter().cloned());
            }
            self.write(step, &name, rows, &mut out.borrow_mut())?;
        }
        for _ in 0..MAX_LEVELS {
            room = Room::new();
            let below = std::mem::take(&mut level).into_iter().filter(|row| chosen(&step.only, row));
            let fetched = stream::iter(below).map(|row| async {
                let unit = unit(vec![row]);
                let (rows, _) = self.collected(step, &unit, head, &|_| false, &Room::new()).await?;
                Ok((unit.name, rows))
            });
            let mut fetched = std::pin::pin!(fetched.buffered(self.concurrency));
            while let Some(unit) = fetched.next().await {
                let (name, rows) = unit?;
                hold(&room, &rows)?;
                level.extend(rows.iter().cloned());
                self.write(step, &name, rows, &mut out.borrow_mut())?;
            }
        }
        if level.is_empty() {
            Ok(())
        } else {
            Err(Trouble::Refused(format!("a tree of more than {MAX_LEVELS} levels")))
        }
    }

    /// The rows of one unit, held in `room`, and whether these are all of it. One that is refused has none, and is noted.
    pub(super) async fn collected(
        &self,
        step: &Step,
        unit: &Unit,
        head: &RefCell<Value>,
        kept: &dyn Fn(&Value) -> bool,
        room: &Room,
    ) -> Result<(Vec<Value>, bool), Trouble> {
        if self.over.get() || self.gave_up(step) {
            self.leave_out(step);
            return Ok((Vec::new(), false));
        }
        let rows = RefCell::new(Vec::new());
        let done = self
            .unit(step, unit, head, kept, &|more| {
                hold(room, &more)?;
                rows.borrow_mut().extend(more);
                Ok(())
            })
            .await;
        let whole = done.is_ok();
        match done {
            Ok(()) => {}
            Err(Trouble::Stopped) => return Err(Trouble::Stopped),
            Err(Trouble::Denied(_)) if step.optional => self.leave_out(step),
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
    pub(super) fn gave_up(&self, step: &Step) -> bool {
        self.refused.borrow().get(&step.name).is_some_and(|times| *times >= MAX_REFUSED)
    }

    /// Puts rows where they belong.
    fn write(&self, step: &Step, unit: &str, rows: Vec<Value>, out: &mut Out) -> Result<(), Trouble> {
        let lost = |e: std::io::Error| Trouble::Lost(format!("what was fetched could not be set aside: {e}"));
        match out {
            Out::Plain(writer) => rows.iter().try_for_each(|row| writer.row(row).map_err(lost)),
            Out::Keyed(kept) => {
                for row in &rows {
                    let key = key(step, unit, row).map_err(Trouble::Refused)?;
                    match &step.incremental {
                        Some(Incremental::Delta { removed, .. })
                            if row.pointer(removed).is_some_and(|v| !v.is_null()) =>
                        {
                            kept.remove(&key);
                        }
                        Some(Incremental::Since { at, .. }) => {
                            if let Some(at) = time_at(row, at) {
                                // A time to come would keep from being asked for what changes until then.
                                kept.saw(unit, at.min(self.now));
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
}

/// Rows that are there at the same time have room, or are not all read.
fn hold(room: &Room, rows: &[Value]) -> Result<(), Trouble> {
    let held = rows.iter().try_for_each(|row| room.hold(row));
    held.map_err(|why| Trouble::Refused(format!("what belongs together is too much: {why}")))
}

/// What a row of a unit is known by.
fn key(step: &Step, unit: &str, row: &Value) -> Result<String, String> {
    let Some(Incremental::Since { key, .. } | Incremental::Delta { key, .. }) = &step.incremental else {
        return Err("a row that is not kept has no key".to_owned());
    };
    let values: Vec<Value> =
        key.iter().map(|pointer| row.pointer(pointer).cloned().unwrap_or_default()).collect();
    if values.iter().all(Value::is_null) {
        return Err(format!("a row without {}", key.join(", ")));
    }
    Ok(format!("{unit} {}", canonical(&Value::Array(values))))
}

/// Is there a row of this key from an earlier pull?
fn is_kept(step: &Step, unit: &str, row: &Value, out: &RefCell<Out>) -> bool {
    match &*out.borrow() {
        Out::Plain(_) => false,
        Out::Keyed(rows) => key(step, unit, row).is_ok_and(|key| rows.has(&key)),
    }
}

fn unit(rows: Vec<Value>) -> Unit {
    let name = sha256(canonical(&Value::Array(rows.clone())).as_bytes());
    Unit::new(rows, name.get(..16).unwrap_or_default().to_owned())
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
