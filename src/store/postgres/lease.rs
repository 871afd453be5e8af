//! Several programs on one database: each shows that it is there, one of them leads, and what it writes holds only as long as
//! nobody else has taken over.
//!
//! Who leads is a row with a number, the epoch, that grows with each who takes over. It holds for some seconds by the clock of
//! the database and is renewed all the time. Whoever was away for longer finds another number there, and whatever it still
//! wants to commit is refused ([`Server::led_in`]), however long ago that was begun.

use std::time::Duration;

use super::super::sql::{Base, Value};
use super::super::{Result, StoreError};
use super::Postgres;
use super::line::Line;
use super::place::Server;

/// How long leadership holds unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(3);
/// For how long the one who asked for the lead is left room.
const ROOM: Duration = Duration::from_secs(20);
/// How long the database may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the names of those who are no longer there are kept.
const FORGOTTEN: Duration = Duration::from_secs(24 * 3600);

/// One of the programs that share a database.
pub struct Member {
    server: Server,
    id: String,
    name: String,
    line: Option<Line>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Member({} {})", self.id, self.name)
    }
}

/// What a member hears when it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The term of leadership.
    pub epoch: u64,
    /// Whether it is ours.
    pub leads: bool,
    /// Whether whoever leads was heard of in time.
    pub is_led: bool,
    /// Whether somebody asked for the lead.
    pub asked: bool,
    /// How often people did something that the leader should look at.
    pub acted: u64,
    /// Until when the lead holds, by the clock of the database in milliseconds: another number each time it is renewed.
    pub until: i64,
    /// Who leads, or led last.
    pub leader: String,
}

impl Member {
    /// One of those who share this database. `name` is for people: where it runs.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(server: &Server, name: &str) -> Result<Self> {
        let mut bytes = [0; 8];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| StoreError::Other("the system gives no random numbers".to_owned()))?;
        let id = format!("{:016x}", u64::from_be_bytes(bytes));
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-._:".contains(c) { c } else { '-' };
        let name = name.chars().map(plain).take(100).collect();
        Ok(Self { server: server.known_as(&id), id, name, line: None })
    }

    /// The server, as this member speaks to it: what it sends is claimed by it.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Shows that it is there; renews the lead in this term, or, where that is `None` and it is a candidate, takes it if nobody
    /// has it. `stale` is an end of the lead that was not put off for so long that nobody can be leading, whatever the clock
    /// of the database says: it may have been set back.
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer in time.
    pub fn beat(&mut self, term: Option<u64>, candidate: bool, stale: Option<i64>) -> Result<Beat> {
        let (id, name, lease, room) = (&self.id, &self.name, LEASE.as_millis(), ROOM.as_millis());
        let version = env!("CARGO_PKG_VERSION");
        let lead = match term {
            Some(epoch) => format!(
                "UPDATE lease SET until = counterfoil_now() + {lease} WHERE epoch = {epoch} AND holder = '{id}'"
            ),
            None if candidate => format!(
                "UPDATE lease SET epoch = epoch + 1, previous = holder, holder = '{id}', until = counterfoil_now() + {lease},
                    asked_until = CASE WHEN asked_by = '{id}' THEN 0 ELSE asked_until END
                WHERE (until < counterfoil_now() OR until = {}) AND
                    (asked_until < counterfoil_now() OR asked_by = '{id}' OR asked_until > counterfoil_now() + {room})",
                stale.unwrap_or(-1)
            ),
            None => String::new(),
        };
        let said = self.say(&format!(
            "INSERT INTO member (id, name, version, seen) VALUES ('{id}', '{name}', '{version}', counterfoil_now())
                ON CONFLICT (id) DO UPDATE SET seen = excluded.seen;
            {lead};
            SELECT concat_ws(' ', until, epoch, (holder = '{id}')::int, (until > counterfoil_now())::int,
                (asked_until > counterfoil_now() AND asked_by <> '{id}')::int, acted, previous,
                coalesce((SELECT m.name FROM member m WHERE m.id = holder), ''))
            FROM lease"
        ))?;
        let broken = || StoreError::Broken(format!("{}: who leads cannot be read", self.server));
        let said = said.ok_or_else(broken)?;
        let mut parts = said.splitn(8, ' ');
        let until = parts.next().and_then(|text| text.parse::<i64>().ok()).ok_or_else(broken)?;
        let mut next = || parts.next().ok_or_else(broken);
        let mut number = || next()?.parse::<u64>().map_err(|_| broken());
        let (epoch, own, is_led, asked, acted) = (number()?, number()?, number()?, number()?, number()?);
        let (previous, leader) = (next()?.to_owned(), next()?.to_owned());
        let beat =
            Beat { epoch, leads: own == 1, is_led: is_led == 1, asked: asked == 1, acted, until, leader };
        if beat.leads && term.is_none() && !previous.is_empty() {
            self.cut_off(&previous);
        }
        Ok(beat)
    }

    /// Ends the connections of whoever led before and did not say that it stops: what it began would be in the way. It may
    /// only be slow; then it connects again. What it commits is refused without this too.
    fn cut_off(&mut self, previous: &str) {
        let cut = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name = 'counterfoil {previous}' AND datname = current_database() AND pid <> pg_backend_pid()"
        );
        if let Err(e) = self.say(&cut) {
            tracing::warn!(error = %e, "the connections of the last leader cannot be ended; they end by themselves");
        }
        let old = FORGOTTEN.as_millis();
        if let Err(e) = self.say(&format!("DELETE FROM member WHERE seen < counterfoil_now() - {old}")) {
            tracing::debug!(error = %e, "members of old are not forgotten");
        }
    }

    /// Gives the lead back, so that another may take it at once.
    ///
    /// # Errors
    /// As [`Member::beat`]; then it ends by itself.
    pub fn step_down(&mut self, term: u64) -> Result<()> {
        let id = &self.id;
        let back = "UPDATE lease SET until = 0, holder = ''";
        self.say(&format!("{back} WHERE epoch = {term} AND holder = '{id}'")).map(drop)
    }

    /// Asks whoever leads to let this one lead for a while.
    ///
    /// # Errors
    /// As [`Member::beat`].
    pub fn ask(&mut self) -> Result<()> {
        let (id, room) = (&self.id, ROOM.as_millis());
        self.say(&format!("UPDATE lease SET asked_by = '{id}', asked_until = counterfoil_now() + {room}"))
            .map(drop)
    }

    /// Lets the leader know that somebody did something it should look at.
    ///
    /// # Errors
    /// As [`Member::beat`].
    pub fn knock(&mut self) -> Result<()> {
        self.say("UPDATE lease SET acted = acted + 1").map(drop)
    }

    /// Is no longer there: what it had claimed is free at once.
    ///
    /// # Errors
    /// As [`Member::beat`].
    pub fn leave(&mut self) -> Result<()> {
        let id = &self.id;
        self.say(&format!(
            "UPDATE lease SET asked_until = 0 WHERE asked_by = '{id}'; DELETE FROM member WHERE id = '{id}'"
        ))
        .map(drop)
    }

    fn say(&mut self, sql: &str) -> Result<Option<String>> {
        // A connection that was ended meanwhile shows when it is used. All that is said here may be said twice.
        if self.line.is_some()
            && let Ok(said) = self.say_once(sql)
        {
            return Ok(said);
        }
        self.say_once(sql)
    }

    fn say_once(&mut self, sql: &str) -> Result<Option<String>> {
        if self.line.as_ref().is_none_or(Line::is_gone) {
            self.line = None;
            self.line = Some(Line::connect_within(&self.server, false, PATIENCE).map_err(|(e, _)| e)?);
        }
        let Some(line) = &self.line else { return Ok(None) };
        line.fresh();
        let said = line.tell(sql);
        if said.is_err() {
            self.line = None;
        }
        said
    }
}

/// Somebody who shares a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Where it runs.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// Whether it leads.
    pub leads: bool,
    /// Whether it is there, or has not shown for too long.
    pub there: bool,
    /// How many milliseconds ago it last showed.
    pub ago_ms: i64,
}

impl Postgres {
    /// Those who share the database, by name; one that died is there for a day.
    ///
    /// # Errors
    /// When the store fails.
    pub fn members(&self) -> Result<Vec<Present>> {
        let sql =
            "SELECT m.name, m.version, cast(l.holder = m.id AND l.until > counterfoil_now() AS int)::bigint,
            cast(counterfoil_there(m.id) AS int)::bigint, counterfoil_now() - m.seen FROM member m, lease l ORDER BY m.name";
        self.ask(&mut |db| {
            let mut all = vec![];
            db.rows(sql, &[], &mut |row| {
                let (
                    Value::Text(name),
                    Value::Text(version),
                    Value::Int(leads),
                    Value::Int(there),
                    Value::Int(ago_ms),
                ) = (row.value(0)?, row.value(1)?, row.value(2)?, row.value(3)?, row.value(4)?)
                else {
                    return Err(StoreError::Broken("who is there cannot be read".to_owned()));
                };
                let (name, version) = (name.to_owned(), version.to_owned());
                all.push(Present { name, version, leads: leads == 1, there: there == 1, ago_ms });
                Ok(())
            })?;
            Ok(all)
        })
    }
}
