//! What the table keeps of the findings that pass: counters, and the first few of each check.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::model::finding::{Finding, GrantView, Role, Severity};
use crate::report::Counts;
use crate::report::text::{columns, fit, shown};

/// No cell and no note is kept wider than this; a wider terminal would not be read in one glance.
const MAX_CELL: usize = 60;
/// Longest message kept, in columns.
const MAX_NOTE: usize = 600;
/// How many different people are told apart; beyond it they are counted together.
const MAX_PEOPLE: usize = 50_000;

/// Who answers first for a finding: a person, or the role nobody fills.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Answering {
    /// Somebody, by the key their name resolves to, as it is shown.
    Person(String),
    /// Nobody: the role is not filled.
    Gap(Role),
}

/// One line of a check.
pub(super) struct Row {
    /// Who answers first, as it is shown.
    pub who: String,
    /// System, account, subject, entitlement, scope, request; or what the finding is about instead.
    pub cells: Vec<String>,
    /// The message, where the cells do not tell what is wrong.
    pub note: Option<String>,
}

/// All findings of one check and severity.
pub(super) struct Group {
    pub title: String,
    pub count: u64,
    /// The first of them.
    pub rows: Vec<Row>,
}

/// Severest first, then by check: the order of the findings themselves.
pub(super) type GroupKey = (Reverse<Severity>, String);

/// Everything the table knows.
pub(super) struct Gathered {
    limit: usize,
    /// Open findings by severity.
    pub open: Counts,
    /// Findings a valid exception accepts.
    pub accepted: u64,
    pub groups: BTreeMap<GroupKey, Group>,
    /// Findings about sources, as (source, message): they come first, because they weaken all the others.
    pub sources: Vec<(String, String)>,
    pub sources_count: u64,
    /// The first accepted findings, as (what, until when and by whom).
    pub accepted_rows: Vec<(String, String)>,
    pub people: HashMap<Answering, Counts>,
    /// Findings of people beyond [`MAX_PEOPLE`].
    pub others: u64,
}

impl Gathered {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Counts::default(),
            accepted: 0,
            groups: BTreeMap::new(),
            sources: Vec::new(),
            sources_count: 0,
            accepted_rows: Vec::new(),
            people: HashMap::new(),
            others: 0,
        }
    }

    pub(super) fn add(&mut self, f: &Finding<'_>) {
        if let Some(exception) = &f.exception {
            self.accepted = self.accepted.saturating_add(1);
            if self.accepted_rows.len() < self.limit {
                let by = clipped(&exception.accepted_by);
                self.accepted_rows.push((about(f), format!("until {} by {by}", day(exception.expires_at))));
            }
            return;
        }
        self.open.add(f.severity);
        self.count_people(f);
        if let Some(source) = &f.source {
            self.sources_count = self.sources_count.saturating_add(1);
            if self.sources.len() < self.limit {
                self.sources.push((clipped(source), note(&f.message)));
            }
        }
        let group = self.groups.entry((Reverse(f.severity), clipped(&f.check))).or_insert_with(|| Group {
            title: note(&f.title),
            count: 0,
            rows: Vec::new(),
        });
        group.count = group.count.saturating_add(1);
        if group.rows.len() < self.limit {
            group.rows.push(row(f));
        }
    }

    fn count_people(&mut self, f: &Finding<'_>) {
        let mut primaries: Vec<Answering> =
            f.accountable.iter().filter(|a| a.primary).map(answering).collect();
        primaries.sort_unstable();
        primaries.dedup();
        for who in primaries {
            if let Some(counts) = self.people.get_mut(&who) {
                counts.add(f.severity);
            } else if self.people.len() < MAX_PEOPLE {
                self.people.entry(who).or_default().add(f.severity);
            } else {
                self.others = self.others.saturating_add(1);
            }
        }
    }
}

fn answering(a: &crate::model::finding::Accountable<'_>) -> Answering {
    a.identity.as_deref().map_or(Answering::Gap(a.role), |id| Answering::Person(clipped(id)))
}

fn row(f: &Finding<'_>) -> Row {
    let mut people = f.accountable.iter().filter(|a| a.primary);
    let who = match (people.next(), people.count()) {
        (Some(first), more) => {
            let name = first.identity.as_deref().map_or("nobody".into(), clipped);
            if more == 0 { name } else { format!("{name} +{more}") }
        }
        (None, _) => "nobody".into(),
    };
    let request = f.request.as_ref().map(|r| clipped(&r.id));
    match &f.grant {
        Some(g) => Row {
            who,
            cells: vec![
                clipped(&g.system),
                clipped(&g.account),
                subject(f, g).map(|s| format!("→ {s}")).unwrap_or_default(),
                clipped(&g.entitlement),
                g.scope.as_deref().map(clipped).unwrap_or_default(),
                request.unwrap_or_default(),
            ],
            note: None,
        },
        None => Row { who, cells: vec![about(f)], note: Some(note(&f.message)) },
    }
}

/// Who holds the grant, where the account does not say it.
fn subject(f: &Finding<'_>, g: &GrantView<'_>) -> Option<String> {
    f.subject.as_ref().filter(|s| s.id != g.account).map(|s| clipped(&s.id))
}

/// What a finding is about, in one cell.
fn about(f: &Finding<'_>) -> String {
    let text = if let Some(g) = &f.grant {
        let holder = subject(f, g).unwrap_or_else(|| clipped(&g.account));
        format!("{holder}, {} on {}", shown(&g.entitlement), shown(&g.system))
    } else if let Some(r) = &f.request {
        let mut text = format!("{} ({})", shown(&r.id), shown(&r.source));
        if let Some(beneficiary) = &f.beneficiary {
            text.push_str(&format!(" for {}", shown(beneficiary)));
        }
        if let Some(item) = f.item {
            text.push_str(&format!(", item {item}"));
        }
        text
    } else {
        shown(f.alias.as_deref().or(f.source.as_deref()).unwrap_or_default()).into_owned()
    };
    fit(&text, MAX_CELL).into_owned()
}

/// A name as it is kept: hidden characters written out, cut to [`MAX_CELL`]. Two very long names that differ in
/// the middle alone are counted as one; in the other formats they are whole.
fn clipped(text: &str) -> String {
    fit(&shown(text), MAX_CELL).into_owned()
}

fn note(text: &str) -> String {
    let visible = shown(text);
    if columns(&visible) <= MAX_NOTE { visible.into_owned() } else { fit(&visible, MAX_NOTE).into_owned() }
}

/// The day of an instant, UTC.
fn day(at: crate::model::Instant) -> String {
    let text = at.to_string();
    text.split_once('T').map_or(text.clone(), |(day, _)| day.to_owned())
}
