-- All that findings are filtered by, put in order by and counted by, without the text of each: whoever looks through many reads
-- this alone.
CREATE INDEX finding_look ON finding
    (state, severity, first_seen, check_name, system, source, owner, subject, account, request, changed_at, id);
