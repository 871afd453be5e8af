//! The order in which a server is asked: first the whole, then database after database.

use std::collections::BTreeSet;
use std::pin::pin;

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, IsolationLevel, Row, Transaction};

use super::session::{Door, Patience, Refusal, Session, Trouble};
use super::site::{Databases, Site};
use crate::connect::error::PullError;
use crate::connect::limits::MAX_ROW_BYTES;
use crate::connect::manifest::http::When;
use crate::connect::manifest::sql::{Sql, Step};
use crate::connect::settings::Settings;
use crate::connect::transport::{Ask, Doing, Fetched, Writer};

/// The column with the name of the database.
const DATABASE: &str = "_database";

/// What asks.
pub(super) struct Asker<'a> {
    settings: &'a Settings,
    site: &'a Site,
    steps: Vec<&'a Step>,
    patience: &'a Patience<'a>,
    door: &'a Door<'a>,
    /// One for each of `steps`, until all is over.
    writers: Vec<Writer>,
    reasons: Vec<String>,
    requests: u64,
    rows: u64,
}

/// A database of the server, as the account sees it.
struct Database {
    name: String,
    may_connect: bool,
}

/// Why a step was not done: its query failed, or something else that ends more than the step.
enum Failed {
    Query(Error),
    Other(Trouble),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Query(error)
    }
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Other(trouble)
    }
}

impl<'a> Asker<'a> {
    /// For the steps that the settings ask for.
    pub fn new(
        ask: &Ask<'a>,
        site: &'a Site,
        sql: &'a Sql,
        patience: &'a Patience<'a>,
        door: &'a Door<'a>,
    ) -> Self {
        let wanted = |step: &&Step| step.when.as_ref().is_none_or(|when| holds(when, ask.settings));
        let steps = sql.steps.iter().filter(wanted).collect();
        Self {
            settings: ask.settings,
            site,
            steps,
            patience,
            door,
            writers: Vec::new(),
            reasons: Vec::new(),
            requests: 0,
            rows: 0,
        }
    }

    /// Asks everything.
    pub async fn everything(mut self) -> Result<Fetched, PullError> {
        for step in &self.steps {
            let writer = Writer::new(&step.name).map_err(disk)?;
            self.writers.push(writer);
        }
        let mut home = self.home().await?;
        let head = json!({ "version": home.version, "database": self.site.database });
        self.writers.iter_mut().for_each(|writer| writer.head(head.clone()));
        let mut end = self.asked(&mut home, None).await;
        let mut databases = Vec::new();
        if end.is_ok() && self.steps.iter().any(|step| step.each_database) {
            match self.databases(&mut home).await {
                Ok(found) => databases = found,
                Err(trouble) => end = Err(trouble),
            }
        }
        home.close().await;
        if end.is_ok() {
            end = self.each(&databases).await;
        }
        self.ended(end)
    }

    /// The first step, without its rows; and whether all databases can be looked into.
    pub async fn one_thing(mut self) -> Result<(), PullError> {
        let mut home = self.home().await?;
        let step = self.steps.iter().copied().find(|step| made(step, &home));
        if let Some(step) = step {
            let query = asking(step) + " LIMIT 0";
            let prepared = self.patience.wait(self.door.patiently(), async {
                let statement = home.client.prepare_typed(&query, &types(step)).await?;
                let values = self.values(step);
                home.client.query(&statement, &parameters(&values)).await
            });
            if let Err(error) = prepared.await.map_err(|t| self.not_reached(&t))? {
                let trouble = self.door.trouble_in(&mut home, &error).await;
                return Err(PullError::Asked(self.refused(step, None, &trouble)));
            }
        }
        if self.steps.iter().any(|step| step.each_database) {
            self.databases(&mut home).await.map_err(|t| self.not_reached(&t))?;
        }
        home.close().await;
        match self.reasons.is_empty() {
            true => Ok(()),
            false => Err(PullError::Asked(self.reasons.join("; "))),
        }
    }

    /// The first connection. Without it there is nothing.
    async fn home(&self) -> Result<Session, PullError> {
        self.door.open(&self.site.database).await.map_err(|trouble| self.not_reached(&trouble))
    }

    fn not_reached(&self, trouble: &Trouble) -> PullError {
        let Site { database, .. } = self.site;
        let advice = self.door.advice(database, trouble);
        PullError::Asked(format!("PostgreSQL at {}, database `{database}`: {advice}", self.site.shown()))
    }

    /// Asks what is to be asked in one database, in one snapshot: with a name, the steps made in each; otherwise the others.
    async fn asked(&mut self, session: &mut Session, database: Option<&str>) -> Result<(), Trouble> {
        let Err((step, failed)) = self.in_snapshot(session, database).await else { return Ok(()) };
        let trouble = match failed {
            Failed::Query(error) => self.door.trouble_in(session, &error).await,
            Failed::Other(trouble) => trouble,
        };
        if let Trouble::Lost(_) | Trouble::Refused(_) = &trouble {
            self.reasons.push(self.refused(step, database, &trouble));
        }
        match trouble {
            Trouble::Refused(_) => Ok(()),
            other => Err(other),
        }
    }

    async fn in_snapshot(
        &mut self,
        session: &mut Session,
        database: Option<&str>,
    ) -> Result<(), (&'a Step, Failed)> {
        let mine = |step: &Step| step.each_database == database.is_some() && made(step, session);
        let steps: Vec<(usize, &'a Step)> =
            self.steps.iter().copied().enumerate().filter(|(_, step)| mine(step)).collect();
        let Some((_, first)) = steps.first().copied() else { return Ok(()) };
        let client = &mut session.client;
        let begin =
            client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
        let begun = self.patience.wait(self.door.patiently(), begin.start()).await;
        let mut transaction = begun.map_err(|t| (first, t.into()))?.map_err(|e| (first, Failed::Query(e)))?;
        for (number, step) in steps {
            match self.step(&mut transaction, number, step, database).await {
                Ok(()) => {}
                // Only this step is over: what was asked before it and comes after it is not touched.
                Err(Failed::Query(error)) if !error.is_closed() && error.as_db_error().is_some() => {
                    let trouble = self.door.trouble(&error);
                    if !matches!(trouble, Trouble::Refused(_)) {
                        return Err((step, Failed::Query(error)));
                    }
                    self.reasons.push(self.refused(step, database, &trouble));
                }
                Err(failed) => return Err((step, failed)),
            }
        }
        // There is nothing to keep; that it cannot be said any more changes nothing of what came.
        let _ = self.patience.wait(self.door.patiently(), transaction.rollback()).await;
        Ok(())
    }

    /// One step: page after page until there are no more rows.
    async fn step(
        &mut self,
        transaction: &mut Transaction<'_>,
        number: usize,
        step: &'a Step,
        database: Option<&str>,
    ) -> Result<(), Failed> {
        let patient = self.door.patiently();
        let page = i32::try_from(self.site.page_size).unwrap_or(i32::MAX);
        let query = asking(step);
        let values = self.values(step);
        // What fails in it is undone with it, and the snapshot stays.
        let savepoint = self.patience.wait(patient, transaction.transaction()).await??;
        let portal = self
            .patience
            .wait(patient, async {
                let statement = savepoint.prepare_typed(&query, &types(step)).await?;
                savepoint.bind(&statement, &parameters(&values)).await
            })
            .await??;
        let (mut bad, mut first_bad) = (0_u64, None);
        loop {
            let rows = self.patience.wait(patient, savepoint.query_portal_raw(&portal, page)).await??;
            let mut rows = pin!(rows);
            let mut came: u32 = 0;
            while let Some(row) = self.patience.wait(patient, rows.try_next()).await?? {
                came += 1;
                if self.rows >= self.site.max_rows {
                    return Err(Trouble::Full.into());
                }
                self.rows += 1;
                match read(&row, database) {
                    Ok(value) => {
                        let Some(writer) = self.writers.get_mut(number) else { continue };
                        writer.row(&value).map_err(Trouble::Disk)?;
                    }
                    Err(why) => {
                        bad += 1;
                        first_bad.get_or_insert(why);
                    }
                }
            }
            self.requests += 1;
            let (requests, rows) = (self.requests, self.rows);
            self.patience.tell(&Doing::Asked { step: &step.name, requests, rows })?;
            if came < self.site.page_size {
                break;
            }
        }
        if let Some(why) = first_bad {
            let place = place(step, database);
            self.reasons.push(format!("{place}: rows that cannot be taken: {bad}; of the first: {why}"));
        }
        drop(portal);
        self.patience.wait(patient, savepoint.commit()).await??;
        Ok(())
    }

    /// The databases to look into. Those that cannot be are reasons.
    async fn databases(&mut self, home: &mut Session) -> Result<Vec<String>, Trouble> {
        // One that nobody may connect to, or whose removal broke off, holds nothing anybody could use.
        let query = "SELECT datname::text, has_database_privilege(oid, 'CONNECT') FROM pg_catalog.pg_database \
                     WHERE datallowconn AND datconnlimit <> -2 ORDER BY datname COLLATE \"C\"";
        let found = match self.patience.wait(self.door.patiently(), home.client.query(query, &[])).await {
            Err(Trouble::Lost(said)) => {
                self.reasons.push(format!("the databases cannot be listed: {said}"));
                return Ok(Vec::new());
            }
            other => other?,
        };
        let found: Result<Vec<Database>, Error> = found.and_then(|rows| {
            let of = |row: &Row| Ok(Database { name: row.try_get(0)?, may_connect: row.try_get(1)? });
            rows.iter().map(of).collect()
        });
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let trouble = self.door.trouble_in(home, &error).await;
                let (Trouble::Refused(Refusal { said, .. }) | Trouble::Lost(said)) = &trouble else {
                    return Err(trouble);
                };
                self.reasons.push(format!("the databases cannot be listed: {said}"));
                return Ok(Vec::new());
            }
        };
        let wanted: Vec<&str> = match &self.site.databases {
            Databases::All(_) => found.iter().map(|database| database.name.as_str()).collect(),
            Databases::Named(names) => {
                let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
                names.into_iter().collect()
            }
        };
        let (mut open, mut closed) = (Vec::new(), Vec::new());
        for name in wanted {
            match found.iter().find(|database| database.name == name) {
                Some(database) if database.may_connect => open.push(name.to_owned()),
                Some(_) => closed.push(name),
                None => self.reasons.push(format!("there is no database `{name}` that can be connected to")),
            }
        }
        if !closed.is_empty() {
            self.reasons.push(format!(
                "the role `{}` may not connect to {}: it needs GRANT CONNECT ON DATABASE",
                self.site.user,
                listed(&closed)
            ));
        }
        Ok(open)
    }

    /// Asks database after database. One that does not let us in is named; where there is no server any more, the others
    /// are not tried.
    async fn each(&mut self, databases: &[String]) -> Result<(), Trouble> {
        for (number, name) in databases.iter().enumerate() {
            let outcome = match self.door.open(name).await {
                Ok(mut session) => {
                    let outcome = self.asked(&mut session, Some(name)).await;
                    session.close().await;
                    outcome
                }
                Err(trouble @ (Trouble::Lost(_) | Trouble::Refused(_))) => {
                    let gone = matches!(trouble, Trouble::Lost(_));
                    let left = if gone { usize::MAX } else { 1 };
                    let names: Vec<&str> =
                        databases.iter().skip(number).take(left).map(String::as_str).collect();
                    let advice = self.door.advice(name, &trouble);
                    self.reasons.push(format!("what is in {} was not asked: {advice}", listed(&names)));
                    if gone {
                        return Ok(());
                    }
                    Ok(())
                }
                Err(other) => Err(other),
            };
            match outcome {
                // Somebody may have ended this connection alone: whether the next one works shows.
                Ok(()) | Err(Trouble::Lost(_)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    /// What came of it.
    fn ended(mut self, end: Result<(), Trouble>) -> Result<Fetched, PullError> {
        match end {
            Ok(()) | Err(Trouble::Lost(_) | Trouble::Refused(_)) => {}
            Err(Trouble::Late) => self.reasons.push(format!(
                "`deadline` ({}) was over before all was asked: {} rows came",
                self.site.deadline, self.rows
            )),
            Err(Trouble::Full) => self
                .reasons
                .push(format!("`max_rows` ({}) were read; what is beyond was not", self.site.max_rows)),
            Err(Trouble::Stopped) => return Err(PullError::Asked("the pull was broken off".to_owned())),
            Err(Trouble::Disk(e)) => return Err(disk(e)),
        }
        if self.rows == 0 && !self.reasons.is_empty() {
            let reasons = self.reasons.join("; ");
            return Err(PullError::Asked(format!(
                "PostgreSQL at {} gave nothing: {reasons}",
                self.site.shown()
            )));
        }
        let batches = self.writers.into_iter().map(Writer::finish).collect::<Result<_, _>>().map_err(disk)?;
        Ok(Fetched { batches, reasons: self.reasons, requests: self.requests })
    }

    /// Why a step was not done, and what would make it.
    fn refused(&self, step: &Step, database: Option<&str>, trouble: &Trouble) -> String {
        let place = place(step, database);
        match trouble {
            Trouble::Refused(refusal) => {
                let mut said = format!("{place}: {}", refusal.said);
                match &step.permission {
                    Some(permission) if refusal.code == SqlState::INSUFFICIENT_PRIVILEGE => {
                        said = format!("{said}; it needs {permission}");
                    }
                    _ if refusal.code == SqlState::QUERY_CANCELED => {
                        said = format!("{said}; `timeout` is {}", self.site.timeout);
                    }
                    _ => {}
                }
                said
            }
            Trouble::Lost(said) => {
                format!("{place}: the connection was lost: {said}; what came before it is kept")
            }
            other => format!("{place}: {}", self.door.advice(database.unwrap_or_default(), other)),
        }
    }

    /// The values of a step's parameters.
    fn values(&self, step: &Step) -> Vec<Option<String>> {
        let all = self.settings.as_object();
        let text = |name: &String| match all.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => Some(other.to_string()),
        };
        step.parameters.iter().map(text).collect()
    }
}

/// The query of a step, with each row as one text; none where that is longer than a row may be, so that it is not sent.
fn asking(step: &Step) -> String {
    format!(
        "SELECT CASE WHEN octet_length(r.row) <= {MAX_ROW_BYTES} THEN r.row END FROM \
         (SELECT row_to_json(q)::text AS row FROM (\n{}\n) q) r",
        step.query
    )
}

/// Whether a step is made, as the settings are.
fn holds(when: &When, settings: &Settings) -> bool {
    let value = settings.as_object().get(&when.setting).unwrap_or(&Value::Null);
    match (&when.is, value) {
        (Some(wanted), value) => value == wanted,
        (None, Value::Null | Value::Bool(false)) => false,
        (None, Value::String(text)) => !text.is_empty(),
        (None, Value::Array(items)) => !items.is_empty(),
        (None, Value::Object(object)) => !object.is_empty(),
        (None, _) => true,
    }
}

/// Whether this server has what the step asks for.
fn made(step: &Step, session: &Session) -> bool {
    step.since_version.is_none_or(|version| session.version >= version)
}

fn types(step: &Step) -> Vec<Type> {
    step.parameters.iter().map(|_| Type::TEXT).collect()
}

fn parameters(values: &[Option<String>]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// A row as the map sees it.
fn read(row: &Row, database: Option<&str>) -> Result<Value, String> {
    let text: Option<&str> = row.try_get(0).map_err(|_| "it holds what is not UTF-8".to_owned())?;
    let text = text.ok_or_else(|| format!("it is longer than {MAX_ROW_BYTES} bytes"))?;
    let mut value: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if let (Some(database), Value::Object(columns)) = (database, &mut value) {
        columns.insert(DATABASE.to_owned(), Value::String(database.to_owned()));
    }
    Ok(value)
}

/// Where something happened.
fn place(step: &Step, database: Option<&str>) -> String {
    match database {
        Some(database) => format!("step `{}` in database `{database}`", step.name),
        None => format!("step `{}`", step.name),
    }
}

/// Names of databases, the first ones.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}{more}", if names.len() == 1 { "the database" } else { "the databases" }, shown.join(", "))
}

fn disk(error: std::io::Error) -> PullError {
    PullError::Asked(format!("what came cannot be set aside: {error}"))
}
