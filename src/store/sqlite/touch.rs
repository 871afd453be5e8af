//! Which names a change touches, and so must be judged again.

use rusqlite::{Transaction, params};

use super::*;

/// From how many changed identities on it is cheaper to judge everything than to find out whom they touch.
const MANY_IDENTITIES: u64 = 2_000;

/// Finds out which names must be judged again.
pub(super) struct Touch<'t> {
    tx: &'t Transaction<'t>,
    /// Everything.
    pub(super) all: bool,
    /// Names whose claim moved: the identity behind them appeared, changed or went, and all that name them rest on it.
    identities: u64,
    moved: Vec<Token>,
    claimed: Vec<Token>,
}

impl<'t> Touch<'t> {
    pub(super) fn new(tx: &'t Transaction<'t>) -> Self {
        Self { tx, all: false, identities: 0, moved: vec![], claimed: vec![] }
    }

    /// A record appeared or went (`before` is none), or changed.
    pub(super) fn record(&mut self, record: &Prepared<'_>, before: Option<&Prepared<'_>>) -> Result<()> {
        if self.all {
            return Ok(());
        }
        match record.kind {
            // Which absences prove something is asked in every run.
            RecordType::Snapshot => return Ok(()),
            RecordType::Exception => {
                let check = record.check.iter().chain(before.and_then(|b| b.check.as_ref()));
                let mark = "INSERT OR IGNORE INTO dirty SELECT home FROM finding WHERE check_name = ?1 AND home <> 0";
                for check in check {
                    self.tx.prepare_cached(mark)?.execute([check])?;
                }
            }
            _ if record.catalogue => {
                self.all = true;
                return Ok(());
            }
            _ => {}
        }
        let mut mark = self.tx.prepare_cached("INSERT OR IGNORE INTO dirty (token) VALUES (?1)")?;
        let ties = || record.ties.iter().chain(before.iter().flat_map(|b| &b.ties));
        for (_, token) in ties().filter(|(tie, _)| *tie != TIE_NAMES) {
            mark.execute([token])?;
        }
        if record.kind == RecordType::Identity {
            self.identities += 1;
            let claims = |r: &Prepared<'_>| -> std::collections::BTreeSet<Token> {
                r.ties.iter().filter(|(tie, _)| *tie == TIE_CLAIMS).map(|(_, token)| *token).collect()
            };
            let now = claims(record);
            self.moved.extend(&now);
            match before.map(claims) {
                Some(before) => {
                    self.moved.extend(&before);
                    self.claimed.extend(before.symmetric_difference(&now));
                }
                None => self.claimed.extend(&now),
            }
            self.all = self.identities > MANY_IDENTITIES;
        }
        Ok(())
    }

    /// Follows the names of changed identities to all that rests on them.
    pub(super) fn finish(mut self, reader: &Reader<'_>) -> Result<()> {
        if !self.all {
            self.follow(reader)?;
        }
        if self.all { judging::mark_all(self.tx) } else { Ok(()) }
    }

    fn follow(&mut self, reader: &Reader<'_>) -> Result<()> {
        let by_name = "SELECT r.kind, r.body FROM tie t JOIN record r ON r.id = t.record WHERE t.token = ?1 AND t.tie = ?2";
        let mut statement = self.tx.prepare_cached(by_name)?;
        let mut mark = self.tx.prepare_cached("INSERT OR IGNORE INTO dirty (token) VALUES (?1)")?;
        self.moved.sort_unstable();
        self.moved.dedup();
        for token in &self.moved {
            let mut rows = statement.query(params![token, TIE_NAMES])?;
            while let Some(row) = rows.next()? {
                let body: String = row.get(1)?;
                let Some(record) = reader(&body) else { continue };
                if record.catalogue {
                    // Who owns a system or lends authority is asked by name: it matters only where the name moved.
                    if self.claimed.contains(token) {
                        self.all = true;
                        return Ok(());
                    }
                    continue;
                }
                for (_, token) in record.ties.iter().filter(|(tie, _)| *tie != TIE_NAMES) {
                    mark.execute([token])?;
                }
            }
        }
        Ok(())
    }
}
