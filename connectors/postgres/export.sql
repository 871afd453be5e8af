-- Writes who may do what on a PostgreSQL server as JSON lines, for the connector `postgres`. Run it in each
-- database:
--
--     psql -X -q -f export.sql -v level=schemas -o crm.jsonl crm
--
-- The queries are those of the connector's manifest. Nothing is changed.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?level} \else \set level schemas \endif
\encoding UTF8
\pset format unaligned
\pset tuples_only on
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog;
SET LOCAL quote_all_identifiers = off;
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO';

SELECT current_database() = d.datname AS whole FROM pg_database d
WHERE d.datallowconn ORDER BY d.datname COLLATE "C" LIMIT 1 \gset
\if :whole

SELECT json_build_object('step', 'server', 'database', current_database(), 'row', row_to_json(q)) FROM (
SELECT current_setting('server_version') AS version,
       (SELECT json_agg(d.datname ORDER BY d.datname COLLATE "C") FROM pg_database d WHERE d.datallowconn) AS databases
) q;

SELECT json_build_object('step', 'roles', 'database', current_database(), 'row', row_to_json(q)) FROM (
SELECT r.rolname AS role, quote_ident(r.rolname) AS quoted, r.rolcanlogin AS login,
       EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid) AS has_members,
       r.rolsuper AS superuser, r.rolcreaterole AS createrole, r.rolcreatedb AS createdb,
       r.rolreplication AS replication, r.rolbypassrls AS bypassrls,
       r.rolvaliduntil AS password_until, r.oid::bigint AS oid
FROM pg_roles r
ORDER BY r.rolname COLLATE "C"
) q;

SELECT json_build_object('step', 'memberships', 'database', current_database(), 'row', row_to_json(q)) FROM (
SELECT r.rolname AS role, quote_ident(r.rolname) AS quoted,
       m.rolname AS member, quote_ident(m.rolname) AS member_quoted, m.rolcanlogin AS login,
       EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = m.oid) AS has_members,
       bool_or(a.admin_option) AS admin,
       bool_or(coalesce((to_jsonb(a) ->> 'inherit_option')::boolean, m.rolinherit)) AS inherit,
       bool_or(coalesce((to_jsonb(a) ->> 'set_option')::boolean, true)) AS set,
       json_agg(DISTINCT coalesce(g.rolname, a.grantor::text)) AS grantors,
       bool_and(coalesce(g.rolcanlogin AND g.oid <> 10, false)) AS by_person
FROM pg_auth_members a
JOIN pg_roles r ON r.oid = a.roleid
JOIN pg_roles m ON m.oid = a.member
LEFT JOIN pg_roles g ON g.oid = a.grantor
GROUP BY r.oid, r.rolname, m.oid, m.rolname, m.rolcanlogin
ORDER BY r.rolname COLLATE "C", m.rolname COLLATE "C"
) q;

SELECT json_build_object('step', 'cluster', 'database', current_database(), 'row', row_to_json(q)) FROM (
WITH part AS (
  SELECT 'database' AS kind, quote_ident(d.datname) AS name, d.datacl AS acl, d.datdba AS owner, 'd'::"char" AS type
  FROM pg_database d
  UNION ALL
  SELECT 'tablespace', quote_ident(t.spcname), t.spcacl, t.spcowner, 't'
  FROM pg_tablespace t WHERE t.oid >= 16384 OR t.spcacl IS NOT NULL
), held AS (
  SELECT p.kind, p.name, x.privilege_type AS privilege, x.grantee, x.is_grantable AS grantable, x.grantor, p.owner,
         x.grantee = 0 AND p.type = 'd' AND x.privilege_type IN ('CONNECT', 'TEMPORARY') AS usual
  FROM part p CROSS JOIN LATERAL aclexplode(coalesce(p.acl, acldefault(p.type, p.owner))) x
  WHERE x.grantee <> p.owner
  UNION ALL
  SELECT p.kind, p.name, 'OWNER', p.owner, false, NULL, p.owner, false FROM part p
), holder AS (
  SELECT h.kind, h.name, h.privilege, h.grantee, bool_or(h.grantable) AS grantable, bool_and(h.usual) AS usual,
         json_agg(DISTINCT coalesce(g.rolname, h.grantor::text)) FILTER (WHERE h.grantor IS NOT NULL) AS grantors,
         bool_and(coalesce(g.rolcanlogin AND g.oid <> 10 AND g.oid <> h.owner, false)) AS by_person
  FROM held h LEFT JOIN pg_roles g ON g.oid = h.grantor
  GROUP BY h.kind, h.name, h.privilege, h.grantee
)
SELECT h.kind, h.name, h.privilege,
       json_agg(json_build_object('role', r.rolname, 'quoted', quote_ident(r.rolname), 'login', r.rolcanlogin,
         'has_members', EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid),
         'grantable', h.grantable, 'usual', h.usual, 'grantors', h.grantors, 'by_person', h.by_person)
         ORDER BY r.rolname COLLATE "C") AS holders
FROM holder h LEFT JOIN pg_roles r ON r.oid = h.grantee
WHERE h.grantee = 0 OR r.oid IS NOT NULL
GROUP BY h.kind, h.name, h.privilege
ORDER BY h.kind, h.name COLLATE "C", h.privilege
) q;

SELECT :SERVER_VERSION_NUM >= 150000 AS made \gset
\if :made
SELECT json_build_object('step', 'parameters', 'database', current_database(), 'row', row_to_json(q)) FROM (
WITH held AS (
  SELECT quote_ident(p.parname) AS name, x.privilege_type AS privilege, x.grantee, x.is_grantable AS grantable,
         x.grantor, 10::oid AS owner
  FROM pg_parameter_acl p CROSS JOIN LATERAL aclexplode(p.paracl) x
  WHERE x.grantee <> 10
), holder AS (
  SELECT h.name, h.privilege, h.grantee, bool_or(h.grantable) AS grantable, false AS usual,
         json_agg(DISTINCT coalesce(g.rolname, h.grantor::text)) FILTER (WHERE h.grantor IS NOT NULL) AS grantors,
         bool_and(coalesce(g.rolcanlogin AND g.oid <> 10 AND g.oid <> h.owner, false)) AS by_person
  FROM held h LEFT JOIN pg_roles g ON g.oid = h.grantor
  GROUP BY h.name, h.privilege, h.grantee
)
SELECT 'parameter' AS kind, h.name, h.privilege,
       json_agg(json_build_object('role', r.rolname, 'quoted', quote_ident(r.rolname), 'login', r.rolcanlogin,
         'has_members', EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid),
         'grantable', h.grantable, 'usual', h.usual, 'grantors', h.grantors, 'by_person', h.by_person)
         ORDER BY r.rolname COLLATE "C") AS holders
FROM holder h LEFT JOIN pg_roles r ON r.oid = h.grantee
WHERE h.grantee = 0 OR r.oid IS NOT NULL
GROUP BY h.name, h.privilege
ORDER BY h.name COLLATE "C", h.privilege
) q;
\endif

\endif

SELECT json_build_object('step', 'privileges', 'database', current_database(), 'row', row_to_json(q)) FROM (
WITH part AS (
  SELECT 'schema' AS kind, NULL::text AS space, quote_ident(n.nspname) AS part, n.nspacl AS acl, n.nspowner AS owner,
         'n'::"char" AS type, 'pg_namespace'::regclass AS class, n.oid, 0 AS sub,
         n.oid < 16384 AND n.nspname <> 'public' AS system
  FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast|temp)'
  UNION ALL
  SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, quote_ident(n.nspname), quote_ident(c.relname),
         c.relacl, c.relowner, CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r' END, 'pg_class'::regclass, c.oid, 0,
         c.oid < 16384
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND c.relpersistence <> 't'
  UNION ALL
  SELECT 'column', quote_ident(n.nspname), quote_ident(c.relname) || '.' || quote_ident(a.attname),
         a.attacl, c.relowner, 'c', 'pg_class'::regclass, c.oid, a.attnum, c.oid < 16384
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.attacl IS NOT NULL AND NOT a.attisdropped AND c.relpersistence <> 't'
  UNION ALL
  SELECT 'function', quote_ident(n.nspname), quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')',
         p.proacl, p.proowner, 'f', 'pg_proc'::regclass, p.oid, 0, p.oid < 16384
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^pg_temp'
  UNION ALL
  SELECT 'type', quote_ident(n.nspname), quote_ident(t.typname),
         t.typacl, t.typowner, 'T', 'pg_type'::regclass, t.oid, 0, t.oid < 16384
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
  WHERE t.typtype IN ('b', 'c', 'd', 'e', 'r') AND (c.oid IS NULL OR c.relkind = 'c')
    AND n.nspname !~ '^pg_(toast|temp)' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
  UNION ALL
  SELECT 'language', NULL, quote_ident(l.lanname),
         l.lanacl, l.lanowner, 'l', 'pg_language'::regclass, l.oid, 0, l.oid < 16384
  FROM pg_language l
  UNION ALL
  SELECT 'wrapper', NULL, quote_ident(w.fdwname),
         w.fdwacl, w.fdwowner, 'F', 'pg_foreign_data_wrapper'::regclass, w.oid, 0, false
  FROM pg_foreign_data_wrapper w
  UNION ALL
  SELECT 'server', NULL, quote_ident(s.srvname),
         s.srvacl, s.srvowner, 'S', 'pg_foreign_server'::regclass, s.oid, 0, false
  FROM pg_foreign_server s
  UNION ALL
  SELECT 'large object', NULL, NULL, b.lomacl, b.lomowner, 'L', 'pg_largeobject'::regclass, b.oid, 0, false
  FROM pg_largeobject_metadata b
), held AS (
  SELECT p.kind, p.space, p.part, p.class, p.oid, p.sub, p.system, p.owner,
         x.privilege_type AS privilege, x.grantee, x.is_grantable AS grantable, x.grantor,
         x.grantee = 0 AND (p.type = 'f' OR p.type IN ('T', 'l') AND x.privilege_type = 'USAGE') AS usual
  FROM part p CROSS JOIN LATERAL aclexplode(coalesce(p.acl, acldefault(p.type, p.owner))) x
  WHERE x.grantee <> p.owner
    AND NOT (p.system AND x.grantee = 0 AND x.privilege_type IN ('SELECT', 'USAGE')
      AND 'information_schema' IN (p.space, p.part))
    AND NOT (p.system AND EXISTS (
      SELECT FROM aclexplode(coalesce(
        (SELECT i.initprivs FROM pg_init_privs i
         WHERE i.objoid = p.oid AND i.classoid = p.class AND i.objsubid = p.sub),
        acldefault(p.type, p.owner))) b
      WHERE b.grantee = x.grantee AND b.privilege_type = x.privilege_type AND b.is_grantable >= x.is_grantable))
  UNION ALL
  SELECT p.kind, p.space, p.part, p.class, p.oid, p.sub, p.system, p.owner, 'OWNER', p.owner, false, NULL, false
  FROM part p WHERE p.type <> 'c' AND NOT (p.system AND p.owner = 10)
), named AS (
  SELECT h.*, quote_ident(current_database()) AS base,
         CASE WHEN h.part IS NOT NULL AND (h.system OR :'level' = 'objects' OR :'level' = 'schemas' AND h.space IS NULL)
           THEN 'part' WHEN h.space IS NOT NULL AND :'level' = 'schemas' THEN 'space' ELSE 'base' END AS level
  FROM held h
), holder AS (
  SELECT CASE h.level WHEN 'part' THEN h.kind ELSE h.kind || 's' END AS kind, h.kind || 's' AS set_kind,
         concat_ws('.', h.base, CASE WHEN h.level <> 'base' THEN h.space END, CASE WHEN h.level = 'part' THEN h.part END)
           AS name,
         CASE WHEN h.level = 'part' AND NOT h.system AND h.space IS NOT NULL THEN h.base || '.' || h.space END AS within,
         CASE WHEN h.level <> 'base' AND NOT h.system THEN h.base END AS within_base,
         h.base, h.system, h.privilege, h.grantee, bool_or(h.grantable) AS grantable, bool_and(h.usual) AS usual,
         count(DISTINCT (h.class::oid, h.oid, h.sub)) AS objects,
         json_agg(DISTINCT coalesce(g.rolname, h.grantor::text)) FILTER (WHERE h.grantor IS NOT NULL) AS grantors,
         bool_and(coalesce(g.rolcanlogin AND g.oid <> 10 AND g.oid <> h.owner, false)) AS by_person
  FROM named h LEFT JOIN pg_roles g ON g.oid = h.grantor
  GROUP BY 1, 2, 3, 4, 5, h.base, h.system, h.privilege, h.grantee
)
SELECT h.kind, h.name, h.privilege, h.base, h.system, h.set_kind, h.within, h.within_base,
       row_number() OVER (PARTITION BY h.set_kind, h.within, h.privilege ORDER BY h.name COLLATE "C") = 1 AS is_first,
       row_number() OVER (PARTITION BY h.set_kind, h.within_base, h.privilege ORDER BY h.name COLLATE "C") = 1
         AS is_first_of_base,
       json_agg(json_build_object('role', r.rolname, 'quoted', quote_ident(r.rolname), 'login', r.rolcanlogin,
         'has_members', EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid), 'objects', h.objects,
         'grantable', h.grantable, 'usual', h.usual, 'grantors', h.grantors, 'by_person', h.by_person)
         ORDER BY r.rolname COLLATE "C") AS holders
FROM holder h LEFT JOIN pg_roles r ON r.oid = h.grantee
WHERE h.grantee = 0 OR r.oid IS NOT NULL
GROUP BY h.kind, h.name, h.privilege, h.base, h.system, h.set_kind, h.within, h.within_base
ORDER BY h.kind, h.name COLLATE "C", h.privilege
) q;

SELECT json_build_object('step', 'defaults', 'database', current_database(), 'row', row_to_json(q)) FROM (
WITH held AS (
  SELECT CASE d.defaclobjtype WHEN 'r' THEN 'new tables' WHEN 'S' THEN 'new sequences' WHEN 'f' THEN 'new functions'
           WHEN 'T' THEN 'new types' WHEN 'n' THEN 'new schemas' WHEN 'L' THEN 'new large objects'
           ELSE 'new ' || d.defaclobjtype::text END AS kind,
         concat_ws('.', quote_ident(current_database()), quote_ident(n.nspname)) || ' by ' || quote_ident(o.rolname)
           AS name,
         x.privilege_type AS privilege, x.grantee, x.is_grantable AS grantable, x.grantor, d.defaclrole AS owner,
         x.grantee = 0 AND d.defaclobjtype IN ('f', 'T') AS usual
  FROM pg_default_acl d JOIN pg_roles o ON o.oid = d.defaclrole LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
  CROSS JOIN LATERAL aclexplode(d.defaclacl) x
  WHERE x.grantee <> d.defaclrole
), holder AS (
  SELECT h.kind, h.name, h.privilege, h.grantee, bool_or(h.grantable) AS grantable, bool_and(h.usual) AS usual,
         json_agg(DISTINCT coalesce(g.rolname, h.grantor::text)) FILTER (WHERE h.grantor IS NOT NULL) AS grantors,
         bool_and(coalesce(g.rolcanlogin AND g.oid <> 10 AND g.oid <> h.owner, false)) AS by_person
  FROM held h LEFT JOIN pg_roles g ON g.oid = h.grantor
  GROUP BY h.kind, h.name, h.privilege, h.grantee
)
SELECT h.kind, h.name, h.privilege,
       json_agg(json_build_object('role', r.rolname, 'quoted', quote_ident(r.rolname), 'login', r.rolcanlogin,
         'has_members', EXISTS (SELECT FROM pg_auth_members x WHERE x.roleid = r.oid),
         'grantable', h.grantable, 'usual', h.usual, 'grantors', h.grantors, 'by_person', h.by_person)
         ORDER BY r.rolname COLLATE "C") AS holders
FROM holder h LEFT JOIN pg_roles r ON r.oid = h.grantee
WHERE h.grantee = 0 OR r.oid IS NOT NULL
GROUP BY h.kind, h.name, h.privilege
ORDER BY h.kind, h.name COLLATE "C", h.privilege
) q;

SELECT json_build_object('step', 'end', 'database', current_database(), 'row', row_to_json(q)) FROM (
SELECT current_database() AS database,
       (SELECT d.datname FROM pg_database d WHERE d.datallowconn ORDER BY d.datname COLLATE "C" LIMIT 1) AS first
) q;
COMMIT;
