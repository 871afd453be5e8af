//! Which names a change touches, and so must be judged again.

use super::*;

/// From how many changed identities on it is cheaper to judge everything than to find out whom they touch.
const MANY_IDENTITIES: u64 = 2_000;

/// Finds out which names must be judged again.
pub(super) struct Touch<'t> {
    tx: &'t dyn Db,
    /// Everything.
    pub(super) all: bool,
    /// Names whose claim moved: the identity behind them appeared, changed or went, and all that name them rest on it.
    identities: u64,
    moved: Vec<Token>,
    claimed: Vec<Token>,
}

impl<'t> Touch<'t> {
    pub(super) fn new(tx: &'t dyn Db) -> Self {
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
                let mark = "INSERT INTO dirty SELECT home FROM finding WHERE check_name = ?1 AND home <> 0
                    ON CONFLICT DO NOTHING";
                for check in check {
                    self.tx.run(mark, params![check])?;
                }
            }
            _ if record.catalogue => {
                self.all = true;
                return Ok(());
            }
            _ => {}
        }
        let ties = || record.ties.iter().chain(before.iter().flat_map(|b| &b.ties));
        for (_, token) in ties().filter(|(tie, _)| *tie != TIE_NAMES) {
            self.tx.run(judging::MARK, params![token])?;
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
        self.moved.sort_unstable();
        self.moved.dedup();
        let (tx, claimed, all) = (self.tx, &self.claimed, &mut self.all);
        for token in &self.moved {
            tx.rows(by_name, params![token, TIE_NAMES], &mut |row| {
                let Some(record) = reader(row.get(1)?).filter(|_| !*all) else { return Ok(()) };
                if record.catalogue {
                    // Who owns a system or lends authority is asked by name: it matters only where the name moved.
                    *all = claimed.contains(token);
                    return Ok(());
                }
                record
                    .ties
                    .iter()
                    .filter(|(tie, _)| *tie != TIE_NAMES)
                    .try_for_each(|(_, token)| tx.run(judging::MARK, params![token]))
            })?;
            if *all {
                break;
            }
        }
        Ok(())
    }
}
