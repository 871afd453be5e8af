-- Times are milliseconds since 1970-01-01T00:00:00Z.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    manifest   TEXT
) STRICT;

-- A configured source, and how it stands (JSON).
CREATE TABLE source (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL
) STRICT;

-- One version of one record of one source: true from the run `from_run` until, exclusive, the run `until_run`.
CREATE TABLE record (
    id        INTEGER PRIMARY KEY,
    source    INTEGER NOT NULL REFERENCES source,
    kind      INTEGER NOT NULL,
    key       BLOB NOT NULL,
    hash      BLOB NOT NULL,
    from_run  INTEGER NOT NULL,
    until_run INTEGER,
    body      TEXT NOT NULL
) STRICT;
-- All that is asked of an unchanged record stands in the index.
CREATE INDEX record_live ON record (source, key, hash, kind, from_run) WHERE until_run IS NULL;
CREATE INDEX record_catalogue ON record (kind) WHERE until_run IS NULL AND kind IN (1, 2, 3, 4, 5, 10, 11);
CREATE INDEX record_ended ON record (until_run) WHERE until_run IS NOT NULL;

-- How many live records of each type a source has.
CREATE TABLE record_count (
    source INTEGER NOT NULL REFERENCES source,
    kind   INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (source, kind)
) STRICT, WITHOUT ROWID;

-- How many live grants there are on each system, as the grants name it.
CREATE TABLE system_held (
    system TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES source,
    count  INTEGER NOT NULL,
    PRIMARY KEY (system, source)
) STRICT, WITHOUT ROWID;

-- Keys of identities, requests and grants that two sources have, or had: of such records one stands, wherever it is
-- tied to, and which one may change with every pull.
CREATE TABLE twin (
    key BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- By which names live records are found.
CREATE TABLE tie (
    token  INTEGER NOT NULL,
    tie    INTEGER NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (token, tie, record)
) STRICT, WITHOUT ROWID;

-- Names that must be judged again.
CREATE TABLE dirty (
    token INTEGER PRIMARY KEY
) STRICT;

-- When the people and accounts of a name must be judged again though no record changes.
CREATE TABLE recheck (
    home INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;
CREATE INDEX recheck_at ON recheck (at);

CREATE TABLE verdict (
    row            INTEGER PRIMARY KEY,
    grant_key      BLOB NOT NULL UNIQUE,
    home           INTEGER NOT NULL,
    system         TEXT NOT NULL,
    account        TEXT NOT NULL,
    entitlement    TEXT NOT NULL,
    scope          TEXT,
    path           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    standing       INTEGER NOT NULL,
    request_source TEXT,
    request_id     TEXT,
    recheck_at     INTEGER
) STRICT;
CREATE INDEX verdict_home ON verdict (home);

-- How many grants of a system stand how: kept with the verdicts, so that nobody has to count them.
CREATE TABLE standing_count (
    system   TEXT NOT NULL,
    standing INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    PRIMARY KEY (system, standing)
) STRICT, WITHOUT ROWID;

CREATE TABLE finding (
    row        INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    home       INTEGER NOT NULL,
    check_name TEXT NOT NULL,
    system     TEXT,
    source     TEXT,
    grant_key  BLOB,
    severity   INTEGER NOT NULL,
    standing   INTEGER,
    state      INTEGER NOT NULL,
    episode    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    material   BLOB NOT NULL,
    absent     INTEGER NOT NULL,
    absent_run INTEGER NOT NULL,
    changes    TEXT NOT NULL,
    quiet_at   INTEGER,
    acceptance TEXT,
    cause      TEXT NOT NULL,
    owner      TEXT,
    group_key  TEXT,
    told       TEXT NOT NULL,
    body       TEXT NOT NULL
) STRICT;
CREATE INDEX finding_home ON finding (home);
CREATE INDEX finding_absent ON finding (absent_run) WHERE absent > 0;
CREATE INDEX finding_group ON finding (group_key) WHERE state = 0 AND group_key IS NOT NULL;
CREATE INDEX finding_check ON finding (check_name, severity, state);
CREATE INDEX finding_resolved ON finding (changed_at) WHERE state = 2;

-- What happened to findings: the log that reports and receivers rest on.
CREATE TABLE event (
    row     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL UNIQUE,
    finding TEXT NOT NULL,
    run     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    body    TEXT NOT NULL
) STRICT;
CREATE INDEX event_run ON event (run);
CREATE INDEX event_finding ON event (finding);

-- What has still to be told: one row for each sink and event or notice; a row that was delivered is gone.
-- state: 0 to be sent, 1 waits for the end of its run, 2 muted until due_at, 3 given up.
CREATE TABLE outbox (
    row         INTEGER PRIMARY KEY AUTOINCREMENT,
    sink        TEXT NOT NULL,
    state       INTEGER NOT NULL,
    message     TEXT NOT NULL,
    finding     TEXT,
    event       INTEGER REFERENCES event (row),
    group_key   TEXT,
    group_open  INTEGER,
    notice_kind TEXT,
    notice_body TEXT,
    created_at  INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    reason      TEXT
) STRICT;
CREATE INDEX outbox_sink ON outbox (sink, state, row);
CREATE INDEX outbox_order ON outbox (sink, finding, row);
CREATE INDEX outbox_message ON outbox (sink, message);
CREATE INDEX outbox_event ON outbox (event);
CREATE INDEX outbox_waits ON outbox (sink, group_key) WHERE state = 1;
CREATE INDEX outbox_muted ON outbox (due_at) WHERE state = 2;

-- Exceptions that people gave.
CREATE TABLE accepted (
    finding    TEXT NOT NULL,
    check_name TEXT NOT NULL,
    by         TEXT NOT NULL,
    reason     TEXT NOT NULL,
    until      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (finding, at)
) STRICT, WITHOUT ROWID;
