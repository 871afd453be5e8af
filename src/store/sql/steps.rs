//! The steps of a store, each with what it needs: one question, several that have to agree, or a change that happens as a
//! whole or not at all. A database says how it does these, and is a store by that.

use std::path::Path;

use super::*;

/// What a change touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// Records, findings, events, the evidence log: one after another.
    All,
    /// Only what waits in the outbox, which need not wait for a pull that is taken in.
    Outbox,
}

/// A step: what is done with the database in it.
pub type Step<'s, T> = dyn FnMut(&dyn Db) -> Result<T> + 's;

/// A database that a store is kept in.
pub trait Base: Send {
    /// Asks one question, or several that need not agree.
    fn ask<T>(&self, step: &mut Step<'_, T>) -> Result<T>;
    /// Asks several questions of one moment.
    fn at_once<T>(&self, step: &mut Step<'_, T>) -> Result<T>;
    /// Changes something, as a whole or not at all. The step may be done again where it had to be broken off.
    fn step<T>(&self, touches: Touches, step: &mut Step<'_, T>) -> Result<T>;
    /// The same for a step that is not done again, since it tells others of what it does; it says whether it is kept.
    fn once<T>(&self, touches: Touches, step: &mut Step<'_, (T, bool)>) -> Result<T>;
    /// The evidence log at one moment.
    fn log(&self) -> Result<Evidence<'_>>;
    /// As which of several that share it, where that may be: what it reads to send it, it claims.
    fn member(&self) -> Option<&str> {
        None
    }
    /// Copies all to a new file.
    fn copy_to(&self, path: &Path) -> Result<()>;
}

impl<B: Base> Store for B {
    fn open_run(&mut self, at: Instant) -> Result<u64> {
        self.step(Touches::All, &mut |db| runs::open(db, at))
    }

    fn close_run(&mut self, close: Close<'_>) -> Result<()> {
        self.step(Touches::All, &mut |db| runs::close(db, &close))
    }

    fn runs(&self, limit: usize) -> Result<Vec<RunRow>> {
        self.ask(&mut |db| runs::last(db, limit))
    }

    fn run_at(&self, at: Instant) -> Result<Option<RunRow>> {
        self.ask(&mut |db| runs::ended_by(db, at))
    }

    fn ended_runs(&self, last: u64, show: &mut dyn FnMut(RunRow)) -> Result<()> {
        self.ask(&mut |db| runs::ended(db, last, show))
    }

    fn events_until(&self, run: u64, show: &mut dyn FnMut(&str)) -> Result<()> {
        self.ask(&mut |db| reading::events_until(db, run, show))
    }

    fn events_of(&self, finding: &str, limit: usize) -> Result<Vec<String>> {
        self.ask(&mut |db| reading::events_of(db, finding, limit))
    }

    fn meta(&self, name: &str) -> Result<Option<String>> {
        self.ask(&mut |db| runs::meta(db, name))
    }

    fn set_meta(&mut self, name: &str, value: &str) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| runs::set_meta(db, name, value))
    }

    fn last_slots(&self) -> Result<Vec<(String, Instant)>> {
        self.ask(&mut |db| slots::last(db))
    }

    fn slots(&self, limit: usize) -> Result<Vec<Slot>> {
        self.ask(&mut |db| slots::latest(db, limit))
    }

    fn put_slots(&mut self, slots: &[Slot]) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| slots::put(db, slots))
    }

    fn forget_slots_ahead(&mut self, job: &str, now: Instant) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| slots::forget_ahead(db, job, now))
    }

    fn sources(&self) -> Result<Vec<SourceState>> {
        self.ask(&mut |db| runs::sources(db))
    }

    fn save_source(&mut self, state: &SourceState) -> Result<()> {
        self.step(Touches::All, &mut |db| runs::save_source(db, state))
    }

    fn ingest(&mut self, pull: &Pull<'_>, feed: &mut Feed<'_>, admit: &mut Admit<'_>) -> Result<Ingested> {
        self.once(Touches::All, &mut |db| {
            let taken = records::ingest(db, pull, feed, admit)?;
            let kept = matches!(taken, Ingested::Taken { .. });
            Ok((taken, kept))
        })
    }

    fn retire(&mut self, run: u64, source: &str, reader: &Reader<'_>) -> Result<()> {
        self.step(Touches::All, &mut |db| records::retire(db, run, source, reader))
    }

    fn catalogue(&self, show: &mut dyn FnMut(&str, &str)) -> Result<()> {
        self.ask(&mut |db| reading::catalogue(db, show))
    }

    fn tied(&self, ties: &[u8], tokens: &[Token], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        self.ask(&mut |db| reading::tied(db, ties, tokens, show))
    }

    fn twins(&self, show: &mut dyn FnMut(i64, Hash)) -> Result<()> {
        self.ask(&mut |db| reading::twins(db, show))
    }

    fn numbered(&self, rows: &[i64], show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        self.ask(&mut |db| reading::numbered(db, rows, show))
    }

    fn keyed(&self, key: Hash, show: &mut dyn FnMut(i64, &str, &str)) -> Result<()> {
        self.ask(&mut |db| reading::keyed(db, key, show))
    }

    fn systems_held(&self) -> Result<Vec<String>> {
        self.ask(&mut |db| reading::systems_held(db))
    }

    fn holds(&self, kind: RecordType) -> Result<bool> {
        self.ask(&mut |db| records::holds(db, kind))
    }

    fn records_at(
        &self,
        run: Option<u64>,
        of: Option<RecordType>,
        show: &mut dyn FnMut(i64, &str, &str),
    ) -> Result<()> {
        self.ask(&mut |db| reading::at_run(db, run, of, show))
    }

    fn dirty(&self, limit: usize) -> Result<(Vec<Token>, u64)> {
        self.ask(&mut |db| judging::dirty(db, limit))
    }

    fn mark_all(&mut self) -> Result<()> {
        self.step(Touches::All, &mut |db| judging::mark_all(db))
    }

    fn mark(&mut self, tokens: &[Token]) -> Result<()> {
        self.step(Touches::All, &mut |db| judging::mark(db, tokens))
    }

    fn mark_due(&mut self, now: Instant) -> Result<()> {
        self.step(Touches::All, &mut |db| judging::mark_due(db, now))
    }

    fn lives_at(&self, homes: &[Token]) -> Result<Vec<Life>> {
        self.ask(&mut |db| findings::at_homes(db, homes))
    }

    fn life(&self, id: &str) -> Result<Option<Life>> {
        self.ask(&mut |db| findings::one(db, id))
    }

    fn absent_before(&self, run: u64, limit: usize) -> Result<Vec<Life>> {
        self.ask(&mut |db| findings::absent_before(db, run, limit))
    }

    fn lives(&self, states: &[State], show: &mut dyn FnMut(Life)) -> Result<()> {
        self.ask(&mut |db| findings::each(db, states, show))
    }

    fn find(&self, which: &Which, page: &Page) -> Result<Found> {
        self.ask(&mut |db| looking::find(db, which, page))
    }

    fn group(&self, which: &Which, by: GroupBy, limit: u32) -> Result<Vec<GroupCount>> {
        self.ask(&mut |db| looking::group(db, which, by, limit))
    }

    fn commit(&mut self, batch: Batch) -> Result<()> {
        self.step(Touches::All, &mut |db| judging::commit(db, &batch))
    }

    fn verdict(&self, grant: Hash) -> Result<Option<KeptVerdict>> {
        self.ask(&mut |db| judging::verdict(db, grant))
    }

    fn verdicts(&self, show: &mut dyn FnMut(KeptVerdict)) -> Result<()> {
        self.ask(&mut |db| judging::verdicts(db, show))
    }

    fn grants(&self, which: &WhichGrants, after: u64, limit: u32) -> Result<GrantsFound> {
        self.ask(&mut |db| looking::grants(db, which, after, limit))
    }

    fn standings(&self) -> Result<Vec<(String, Standing, u64)>> {
        self.ask(&mut |db| judging::standings(db))
    }

    fn finding_counts(&self) -> Result<Vec<FindingCount>> {
        self.ask(&mut |db| findings::counts(db))
    }

    fn accept(&mut self, accepted: &Accepted) -> Result<()> {
        self.step(Touches::All, &mut |db| {
            findings::accept(db, accepted)?;
            evidence::accepted(db, accepted)
        })
    }

    fn accepted(&self, now: Instant) -> Result<Vec<Accepted>> {
        self.ask(&mut |db| findings::accepted(db, now))
    }

    fn letters(&self, sink: &str, now: Instant, limit: usize) -> Result<Vec<Letter>> {
        // What is listed is what is read: another handle may write in between.
        let Some(member) = self.member() else {
            return self.at_once(&mut |db| outbox::letters(db, sink, now, limit));
        };
        // Asked every second; mostly there is nothing to take.
        if !self.ask(&mut |db| outbox::any(db, member, sink, now))? {
            return Ok(vec![]);
        }
        self.step(Touches::Outbox, &mut |db| outbox::claim(db, member, sink, now, limit))
    }

    fn settle(&mut self, fates: &[(Letter, Fate)]) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| outbox::settle(db, self.member(), fates))
    }

    fn notify(&mut self, notice: &NewNotice) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| outbox::notice(db, notice))
    }

    fn unmute(&mut self, now: Instant) -> Result<()> {
        self.step(Touches::Outbox, &mut |db| outbox::unmute(db, now))
    }

    fn outbox(&self) -> Result<Vec<OutboxCount>> {
        self.ask(&mut |db| outbox::counts(db))
    }

    fn dead_letters(&self, sink: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>> {
        self.ask(&mut |db| outbox::dead(db, sink, limit))
    }

    fn replay(&mut self, sink: Option<&str>, now: Instant) -> Result<u64> {
        self.step(Touches::Outbox, &mut |db| outbox::replay(db, sink, now))
    }

    fn drop_other_sinks(&mut self, kept: &[String]) -> Result<u64> {
        self.step(Touches::Outbox, &mut |db| outbox::drop_others(db, kept))
    }

    fn act(&mut self, action: &Action) -> Result<()> {
        self.step(Touches::All, &mut |db| evidence::act(db, action))
    }

    fn decide(&mut self, state: &SourceState, action: &Action) -> Result<()> {
        self.step(Touches::All, &mut |db| {
            runs::save_source(db, state)?;
            evidence::act(db, action)
        })
    }

    fn last_checkpoint(&self) -> Result<Option<String>> {
        Ok(self.log()?.last_checkpoint()?.map(|kept| kept.note))
    }

    fn checkpoint_at(&self, at: Instant) -> Result<Option<String>> {
        self.ask(&mut |db| evidence::checkpoint_at(db, at))
    }

    fn entry(&self, which: &EntryOf) -> Result<Option<Shown>> {
        self.log()?.entry(which)
    }

    fn checkpoint(&mut self, now: Instant, seal: &mut Seal<'_>) -> Result<Option<u64>> {
        // Asked again and again; mostly there is nothing to do, and nobody should wait for the right to write.
        if !self.ask(&mut |db| evidence::grew(db))? {
            return Ok(None);
        }
        self.step(Touches::All, &mut |db| evidence::checkpoint(db, now, seal))
    }

    fn evidence(&self) -> Result<Evidence<'_>> {
        self.log()
    }

    fn backup(&self, path: &Path) -> Result<()> {
        self.copy_to(path)
    }

    fn history(&self) -> Result<Option<History>> {
        self.ask(&mut |db| keeping::history(db))
    }

    fn prune(&mut self, retention: Retention) -> Result<u64> {
        self.step(Touches::All, &mut |db| keeping::prune(db, retention))
    }

    fn check_writable(&mut self) -> Result<()> {
        self.once(Touches::Outbox, &mut |db| {
            runs::set_meta(db, "written", "")?;
            Ok(((), false))
        })
    }
}
