-- When jobs were due, and what became of it: 0 due, 1 running, 2 done, 3 missed. `epoch` is the term of leadership in which that
-- was said.
CREATE TABLE slot (
    job   TEXT NOT NULL,
    slot  INTEGER NOT NULL,
    state INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    PRIMARY KEY (job, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX slot_latest ON slot (slot);
-- What was done last stood in a fact.
INSERT INTO slot (job, slot, state, epoch, at)
SELECT j.key, unixepoch(j.value) * 1000, 2, 0, unixepoch(j.value) * 1000
FROM meta m, json_each(CASE WHEN json_valid(m.value) THEN m.value ELSE '{}' END) j
WHERE m.name = 'schedule' AND unixepoch(j.value) IS NOT NULL;
DELETE FROM meta WHERE name = 'schedule';
