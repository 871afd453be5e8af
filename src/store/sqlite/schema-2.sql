-- What people look for findings by.
ALTER TABLE finding ADD COLUMN account TEXT;
ALTER TABLE finding ADD COLUMN subject TEXT;
-- The source and the id of the request a finding rests on, with a line end between them.
ALTER TABLE finding ADD COLUMN request TEXT;
UPDATE finding SET
    account = body ->> '$.grant.account',
    subject = body ->> '$.subject.id',
    request = (body ->> '$.request.source') || char(10) || (body ->> '$.request.id')
    WHERE body <> '';
