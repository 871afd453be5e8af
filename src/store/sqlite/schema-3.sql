-- The evidence log. An entry is the hash of a text that stands elsewhere; entries are numbered from 0 without a gap.
-- kind: 0 an event, whose row is `row`; 1 a run, by its number; 2 an action, by its entry.
-- forgotten: the entry that says that the text was forgotten.
CREATE TABLE evidence (
    idx       INTEGER PRIMARY KEY,
    kind      INTEGER NOT NULL,
    row       INTEGER NOT NULL,
    hash      BLOB NOT NULL,
    forgotten INTEGER
) STRICT;
CREATE INDEX evidence_run ON evidence (row) WHERE kind = 1;

-- What people and the program did: the texts of entries that stand nowhere else. Never forgotten.
CREATE TABLE evidence_action (
    idx  INTEGER PRIMARY KEY,
    body TEXT NOT NULL
) STRICT;

-- Hashes of perfect subtrees, every eighth level above the entries: from them the root and any proof are a few hundred
-- hashes away, however long the log is.
CREATE TABLE evidence_node (
    level INTEGER NOT NULL,
    idx   INTEGER NOT NULL,
    hash  BLOB NOT NULL,
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- How many entries there are, and the subtrees they make, the largest first: what has to be known to add one.
CREATE TABLE evidence_tree (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    size  INTEGER NOT NULL,
    nodes BLOB NOT NULL
) STRICT;

-- How far the log went, as it was signed.
CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
