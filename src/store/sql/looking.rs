//! Looking through the findings and the grants: conditions, order and pages as SQL. Values are always bound, never written into it.

use super::super::query::{Found, GroupBy, GroupCount, OrderBy, Page, Which};
use super::*;

/// Conditions, and the values they speak of.
struct Where<'w> {
    sql: String,
    values: Vec<Value<'w>>,
}

/// A request as the column of findings has it.
fn request(which: &Which) -> Option<String> {
    which.request.as_ref().map(|(source, id)| format!("{source}\n{id}"))
}

impl<'w> Where<'w> {
    fn new(dialect: Dialect, which: &'w Which, request: Option<&'w str>) -> Self {
        let mut all = Self { sql: "TRUE".to_owned(), values: vec![] };
        let ints = |places: Vec<i64>| places.into_iter().map(Value::Int).collect::<Vec<_>>();
        let texts = |texts: &'w [String]| texts.iter().map(|text| Value::Text(text)).collect::<Vec<_>>();
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
                all.one_of(column, vec![value.value()]);
            }
        }
        match &which.owner {
            Some(Some(owner)) => all.one_of("owner", vec![owner.value()]),
            Some(None) => all.sql += " AND owner IS NULL",
            None => {}
        }
        if let Some(request) = request {
            all.one_of("request", vec![Value::Text(request)]);
        }
        if let Some(before) = which.seen_before {
            all.values.push(Value::Int(ms(before)));
            all.sql += " AND first_seen < ?";
        }
        if let Some(text) = &which.text {
            // `instr`, since a pattern would give signs of the text a meaning.
            let columns = "id, system, account, subject, owner, request";
            all.sql += &format!(" AND {}", dialect.stands_in(columns));
            all.values.push(text.value());
        }
        all
    }

    fn one_of(&mut self, column: &str, values: Vec<Value<'w>>) {
        if values.is_empty() {
            return;
        }
        let marks = vec!["?"; values.len()].join(", ");
        self.sql += &format!(" AND {column} IN ({marks})");
        self.values.extend(values);
    }
}

pub(super) fn find(db: &dyn Db, which: &Which, page: &Page) -> Result<Found> {
    let request = request(which);
    let Where { sql, mut values } = Where::new(db.dialect(), which, request.as_deref());
    let total = db.int(&format!("SELECT count(*) FROM finding WHERE {sql}"), &values)?;
    let until = db.dialect().field("acceptance", "until");
    let column = match page.order {
        OrderBy::Severity => "severity",
        OrderBy::FirstSeen => "first_seen",
        OrderBy::ChangedAt => "changed_at",
        OrderBy::Check => "check_name",
        OrderBy::System => "system",
        OrderBy::Owner => "owner",
        OrderBy::Until => &until,
    };
    let direction = if page.descending { "DESC NULLS LAST" } else { "ASC NULLS FIRST" };
    values.extend([Value::Int(page.limit.into()), Value::Int(number(page.offset))]);
    if page.limit == 0 {
        return Ok(Found { total: count(total), lives: vec![] });
    }
    // What is long of a finding is read for those of the page alone.
    let columns = findings::COLUMNS;
    let order = format!("ORDER BY {column} {direction}, row");
    let sql = format!(
        "SELECT {columns} FROM finding WHERE row IN (SELECT row FROM finding WHERE {sql} {order} LIMIT ? OFFSET ?) {order}"
    );
    Ok(Found { total: count(total), lives: db.all(&sql, &values, findings::read)? })
}

pub(super) fn group(db: &dyn Db, which: &Which, by: GroupBy, limit: u32) -> Result<Vec<GroupCount>> {
    let request = request(which);
    let Where { sql, mut values } = Where::new(db.dialect(), which, request.as_deref());
    let column = match by {
        GroupBy::Request => "request",
        GroupBy::Owner => "owner",
        GroupBy::System => "system",
        GroupBy::Check => "check_name",
        GroupBy::Subject => "subject",
    };
    let [critical, high] = [Severity::Critical, Severity::High].map(|s| place(&Severity::ALL, &s));
    values.push(Value::Int(limit.into()));
    let sql = format!(
        "SELECT {column}, count(*) AS n, count(*) FILTER (WHERE severity = {critical}),
            count(*) FILTER (WHERE severity = {high}), max(severity) AS worst, min(first_seen)
         FROM finding WHERE {sql} GROUP BY {column} ORDER BY worst DESC, n DESC, {column} NULLS FIRST LIMIT ?"
    );
    db.all(&sql, &values, |row| {
        Ok(GroupCount {
            name: row.get(0)?,
            count: count(row.get(1)?),
            urgent: [count(row.get(2)?), count(row.get(3)?)],
            worst: word(&Severity::ALL, row.get(4)?)?,
            oldest: at(row.get(5)?),
        })
    })
}

/// How many grants are looked at for one answer: whoever asks for a rare one must not keep a connection for long.
const SPAN: u64 = 200_000;

pub(super) fn grants(db: &dyn Db, which: &WhichGrants, after: u64, limit: u32) -> Result<GrantsFound> {
    let mut all = Where { sql: "row > ? AND row <= ?".to_owned(), values: vec![] };
    let until = after.saturating_add(SPAN);
    all.values.extend([Value::Int(number(after)), Value::Int(number(until))]);
    let standings = which.standings.iter().map(|s| Value::Int(place(&Standing::ALL, s))).collect();
    all.one_of("standing", standings);
    for (column, value) in [
        ("system", &which.system),
        ("account", &which.account),
        ("entitlement", &which.entitlement),
        ("subject", &which.subject),
    ] {
        if let Some(value) = value {
            all.one_of(column, vec![value.value()]);
        }
    }
    let Where { sql, mut values } = all;
    values.push(Value::Int(limit.into()));
    let columns = judging::COLUMNS;
    let sql = format!("SELECT {columns}, row FROM verdict WHERE {sql} ORDER BY row LIMIT ?");
    let (mut grants, mut last) = (vec![], 0i64);
    db.rows(&sql, &values, &mut |row| {
        last = row.get(12)?;
        grants.push(judging::read(row)?);
        Ok(())
    })?;
    let looked_at = if grants.len() < limit as usize { until } else { count(last) };
    let sql = "SELECT EXISTS (SELECT 1 FROM verdict WHERE row > ?1)";
    let more = db.int(sql, params![number(looked_at)])? != 0;
    Ok(GrantsFound { grants, next: more.then_some(looked_at) })
}
