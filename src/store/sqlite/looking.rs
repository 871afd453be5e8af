//! Looking through the findings and the grants: conditions, order and pages as SQL. Values are always bound, never written into it.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::super::query::{Found, GroupBy, GroupCount, OrderBy, Page, Which};
use super::*;

/// Conditions, and the values they speak of.
struct Where {
    sql: String,
    values: Vec<Value>,
}

impl Where {
    fn new(which: &Which) -> Self {
        let mut all = Self { sql: "1".to_owned(), values: vec![] };
        let ints = |places: Vec<i64>| places.into_iter().map(Value::from).collect::<Vec<_>>();
        let texts = |texts: &[String]| texts.iter().cloned().map(Value::from).collect::<Vec<_>>();
        all.one_of("state", ints(which.states.iter().map(|s| place(&State::ALL, s)).collect()));
        all.one_of("severity", ints(which.severities.iter().map(|s| place(&Severity::ALL, s)).collect()));
        all.one_of("check_name", texts(&which.checks));
        for (column, value) in [
            ("system", &which.system),
            ("source", &which.source),
            ("subject", &which.subject),
            ("account", &which.account),
        ] {
            if let Some(value) = value {
                all.one_of(column, vec![value.clone().into()]);
            }
        }
        match &which.owner {
            Some(Some(owner)) => all.one_of("owner", vec![owner.clone().into()]),
            Some(None) => all.sql += " AND owner IS NULL",
            None => {}
        }
        if let Some((source, id)) = &which.request {
            all.one_of("request", vec![format!("{source}\n{id}").into()]);
        }
        if let Some(before) = which.seen_before {
            all.values.push(ms(before).into());
            all.sql += " AND first_seen < ?";
        }
        if let Some(text) = &which.text {
            // `instr`, since a pattern would give signs of the text a meaning.
            all.sql += " AND instr(lower(concat_ws(char(10), id, system, account, subject, owner, request)), lower(?)) > 0";
            all.values.push(text.clone().into());
        }
        all
    }

    fn one_of(&mut self, column: &str, values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        let marks = vec!["?"; values.len()].join(", ");
        self.sql += &format!(" AND {column} IN ({marks})");
        self.values.extend(values);
    }
}

pub(super) fn find(db: &Connection, which: &Which, page: &Page) -> Result<Found> {
    let Where { sql, mut values } = Where::new(which);
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM finding WHERE {sql}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let column = match page.order {
        OrderBy::Severity => "severity",
        OrderBy::FirstSeen => "first_seen",
        OrderBy::ChangedAt => "changed_at",
        OrderBy::Check => "check_name",
        OrderBy::System => "system",
        OrderBy::Owner => "owner",
        OrderBy::Until => "(acceptance ->> '$.until')",
    };
    let direction = if page.descending { "DESC" } else { "ASC" };
    values.extend([i64::from(page.limit).into(), number(page.offset).into()]);
    let mut lives = vec![];
    if page.limit == 0 {
        return Ok(Found { total: count(total), lives });
    }
    // What is long of a finding is read for those of the page alone.
    let columns = findings::COLUMNS;
    let order = format!("ORDER BY {column} {direction}, row");
    let sql = format!(
        "SELECT {columns} FROM finding WHERE row IN (SELECT row FROM finding WHERE {sql} {order} LIMIT ? OFFSET ?) {order}"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    while let Some(row) = rows.next()? {
        lives.push(findings::read(row)?);
    }
    Ok(Found { total: count(total), lives })
}

pub(super) fn group(db: &Connection, which: &Which, by: GroupBy, limit: u32) -> Result<Vec<GroupCount>> {
    let Where { sql, mut values } = Where::new(which);
    let column = match by {
        GroupBy::Request => "request",
        GroupBy::Owner => "owner",
        GroupBy::System => "system",
        GroupBy::Check => "check_name",
        GroupBy::Subject => "subject",
    };
    let [critical, high] = [Severity::Critical, Severity::High].map(|s| place(&Severity::ALL, &s));
    values.push(i64::from(limit).into());
    let sql = format!(
        "SELECT {column}, count(*) AS n, sum(severity = {critical}), sum(severity = {high}), max(severity) AS worst,
            min(first_seen)
         FROM finding WHERE {sql} GROUP BY {column} ORDER BY worst DESC, n DESC, {column} LIMIT ?"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let mut groups = vec![];
    while let Some(row) = rows.next()? {
        groups.push(GroupCount {
            name: row.get(0)?,
            count: count(row.get(1)?),
            urgent: [count(row.get(2)?), count(row.get(3)?)],
            worst: word(&Severity::ALL, row.get(4)?)?,
            oldest: at(row.get(5)?),
        });
    }
    Ok(groups)
}

/// How many grants are looked at for one answer: whoever asks for a rare one must not keep a connection for long.
const SPAN: u64 = 200_000;

pub(super) fn grants(db: &Connection, which: &WhichGrants, after: u64, limit: u32) -> Result<GrantsFound> {
    let mut all = Where { sql: "row > ? AND row <= ?".to_owned(), values: vec![] };
    let until = after.saturating_add(SPAN);
    all.values.extend([number(after).into(), number(until).into()]);
    let standings = which.standings.iter().map(|s| place(&Standing::ALL, s).into()).collect();
    all.one_of("standing", standings);
    for (column, value) in [
        ("system", &which.system),
        ("account", &which.account),
        ("entitlement", &which.entitlement),
        ("subject", &which.subject),
    ] {
        if let Some(value) = value {
            all.one_of(column, vec![value.clone().into()]);
        }
    }
    let Where { sql, mut values } = all;
    values.push(i64::from(limit).into());
    let columns = judging::COLUMNS;
    let sql = format!("SELECT {columns}, row FROM verdict WHERE {sql} ORDER BY row LIMIT ?");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let (mut grants, mut last) = (vec![], 0i64);
    while let Some(row) = rows.next()? {
        last = row.get(12)?;
        grants.push(judging::read(row)?);
    }
    let looked_at = if grants.len() < limit as usize { until } else { count(last) };
    let more: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM verdict WHERE row > ?1)")?
        .query_row([number(looked_at)], |row| row.get(0))?;
    Ok(GrantsFound { grants, next: more.then_some(looked_at) })
}
