//! The index made of a judgement: what decides of several ways to one right, and until when.

use std::cmp::Reverse;

use foldhash::quality::RandomState;

use super::table::{By, Mark, Slot, Table};
use super::texts::{Names, Start, Taking};
use super::{Decide, hash};
use crate::judge::estate::Sym;
use crate::judge::judgement::Judgement;
use crate::judge::names::Key;
use crate::judge::weigh::Facts;
use crate::judge::world::{Fast, World};
use crate::model::Instant;
use crate::model::finding::{Outcome, Standing};

/// A grant by the numbers of what is asked: entitlement, holder and scope (0: none); then its place in print, and its row.
type Row = ([u32; 3], u32, u32);

/// What a row is asked for by.
#[derive(Clone, Copy)]
enum Holder {
    Account(Sym),
    Person(Key),
}

/// Makes the index.
pub(super) fn index(judgement: &Judgement<'_>) -> Decide {
    let world = judgement.moment.world;
    let hasher = RandomState::default();
    let mut taking = Taking::new(&world.estate.names);
    let systems = Names::new(&world.system_names, &hasher, &mut taking);
    let entitlements = Names::new(&world.entitlement_names, &hasher, &mut taking);
    let mut people = Names::new(&world.people, &hasher, &mut taking);
    for subject in world.held.iter().filter_map(|held| held.subject.certain()) {
        // The text of one whom no catalogue knows is the normal form of the name.
        if let (None, Some(form)) = (world.people.row(subject), world.people.text(subject)) {
            people.stranger(&hasher, &mut taking, (0, form, subject));
        }
    }
    let mut building =
        Building { judgement, world, hasher: &hasher, taking, requests: Fast::default(), slots: vec![] };
    building.accounts();
    building.people();
    let Building { taking: Taking { mut texts, .. }, slots, .. } = building;
    texts.shrink();
    let table = Table::new(slots);
    Decide { table, texts, systems, entitlements, people, hasher, judged_at: judgement.moment.now }
}

struct Building<'b, 'w> {
    judgement: &'b Judgement<'w>,
    world: &'w World,
    hasher: &'b RandomState,
    taking: Taking<'w>,
    /// Where requests are laid down, by their rows.
    requests: Fast<u32, Start>,
    slots: Vec<(u64, Slot)>,
}

impl Building<'_, '_> {
    /// All rows by what they are asked for, and those of one place in the order in which they are printed.
    fn rows(&self, holder: impl Fn(u32) -> Option<u32>) -> Vec<Row> {
        let world = self.world;
        let mut rank = vec![0u32; self.judgement.order.len()];
        for (place, row) in (0..).zip(&self.judgement.order) {
            rank.get_mut(*row as usize).into_iter().for_each(|rank| *rank = place);
        }
        let mut rows: Vec<Row> = Vec::with_capacity(world.held.len());
        for (row, (grant, held)) in (0..).zip(world.estate.grants.iter().zip(&world.held)) {
            let (Some(right), Some(holder)) = (held.entitlement, holder(row)) else { continue };
            let place = rank.get(row as usize).copied().unwrap_or(u32::MAX);
            rows.push(([right.number(), holder, grant.scope.map_or(0, Sym::number)], place, row));
        }
        rows.sort_unstable();
        rows
    }

    fn accounts(&mut self) {
        let world = self.world;
        let rows = self.rows(|row| world.grant(row).map(|(_, held)| held.account.number()));
        let subject = |row: &Row| world.grant(row.2).map(|(_, held)| held.subject);
        for same in rows.chunk_by(|(a, ..), (b, ..)| a == b) {
            let Some((first, held)) = same.first().and_then(|r| Some((r.2, world.grant(r.2)?.1))) else {
                continue;
            };
            let form = Holder::Account(held.account);
            if same.iter().all(|row| subject(row) == Some(held.subject)) {
                self.add(By::Form, form, same);
                continue;
            }
            // Spellings of the account are linked to different identities: each is looked up as it is written.
            self.put(By::Form, form, first, None);
            let mut by_name: Vec<(Sym, Row)> =
                same.iter().filter_map(|row| Some((world.grant(row.2)?.0.account, *row))).collect();
            by_name.sort_unstable();
            for same in by_name.chunk_by(|(a, _), (b, _)| a == b) {
                let rows: Vec<Row> = same.iter().map(|(_, row)| *row).collect();
                let account = same.first().map(|(account, _)| Holder::Account(*account));
                account.into_iter().for_each(|account| self.add(By::Spelling, account, &rows));
            }
        }
    }

    fn people(&mut self) {
        let world = self.world;
        let subject = |row| world.grant(row).and_then(|(_, held)| held.subject.certain());
        let rows = self.rows(|row| subject(row).map(Key::number));
        for same in rows.chunk_by(|(a, ..), (b, ..)| a == b) {
            let person = same.first().and_then(|row| subject(row.2));
            person.into_iter().for_each(|person| self.add(By::Person, Holder::Person(person), same));
        }
    }

    fn facts(&self, row: u32) -> Option<&Facts> {
        self.judgement.facts.get(row as usize)
    }

    /// Of several ways to one right: one that justifies it (the one that does so for longest), else one that is not known,
    /// else one that is unjustified; of two alike, the one printed first. That it is justified holds while that one does;
    /// that it is not, only while none of them changes.
    fn add(&mut self, by: By, holder: Holder, same: &[Row]) {
        let order = |outcome| match outcome {
            Outcome::Justified => 0,
            Outcome::Unknown => 1,
            Outcome::Unjustified => 2,
        };
        // Never comes last: for ever is longer than any time.
        let better = |facts: &Facts| {
            (order(facts.standing.outcome()), facts.recheck_at.map_or((0, None), |at| (1, Some(Reverse(at)))))
        };
        let known = || same.iter().filter_map(|(.., row)| Some((*row, self.facts(*row)?)));
        let Some((row, facts)) = known().min_by_key(|(_, facts)| better(facts)) else { return };
        let until = match facts.standing.outcome() {
            Outcome::Justified => facts.recheck_at,
            _ => known().filter_map(|(_, facts)| facts.recheck_at).min(),
        };
        let standing = facts.standing;
        self.put(by, holder, row, Some((standing, until)));
    }

    fn put(&mut self, by: By, holder: Holder, row: u32, answer: Option<(Standing, Option<Instant>)>) {
        let world = self.world;
        let Some((grant, held)) = world.grant(row) else { return };
        let Some(right) = held.entitlement.map(Key::number) else { return };
        let scope_text = grant.scope.map(|scope| world.estate.text(scope));
        let (who, hash) = match holder {
            Holder::Account(name) => {
                let text = world.estate.text(name);
                (self.taking.take(name), hash(self.hasher, by, right, text.as_bytes(), scope_text))
            }
            Holder::Person(key) => {
                let number = key.number();
                (number, hash(self.hasher, by, right, &number.to_ne_bytes(), scope_text))
            }
        };
        let scope = grant.scope.map_or(0, |scope| self.taking.take(scope));
        let controlling = answer.and_then(|_| self.facts(row)?.controlling);
        let request = controlling.and_then(|request| self.request(request)).unwrap_or(0);
        let mark = Mark::new(hash, by, answer.map(|(standing, _)| standing));
        let until = answer.and_then(|(_, until)| until);
        self.slots.push((hash, Slot { mark, right, who, scope, request, row, until }));
    }

    fn request(&mut self, row: u32) -> Option<Start> {
        let (request, _) = self.world.request(row)?;
        let [source, id] = [request.source, request.id].map(|text| self.world.estate.text(text));
        let texts = &mut self.taking.texts;
        Some(*self.requests.entry(row).or_insert_with(|| texts.add(&[source, id])))
    }
}
