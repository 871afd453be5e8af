# One row of a query (or one line of what psql wrote, which holds one) in, records out.
#
# A privilege has an id that says what kind of thing it is on, which, and what may be done: `tables crm.sales: SELECT`.
# Names in it are quoted as SQL would have them, so that no name can look like another id.

# --- small tools --------------------------------------------------------------------------------------------

def matches($pattern): cf_capture($pattern) != null;
def lists($values): . as $this | any($values[]; . == $this);
def system: $settings.system;
def entitlement($id; $risk): {type: "entitlement", system: system, id: $id, risk: $risk};
def grant($account; $id): {type: "grant", system: system, account: $account, entitlement: $id};
def gives($id; $given): {type: "includes", system: system, entitlement: $id, gives: {entitlement: $given}};
# What is approved for the whole covers its parts.
def covers($id; $part): {type: "part", of: "entitlement", system: system, id: $id, append: {includes: [{entitlement: $part}]}};

# --- risk ---------------------------------------------------------------------------------------------------

def attributes: ["SUPERUSER", "CREATEROLE", "CREATEDB", "REPLICATION", "BYPASSRLS"];

# Predefined roles that read or write everything, or that reach the machine; and what providers of servers call theirs.
def mighty_roles: ["pg_read_all_data", "pg_write_all_data", "pg_read_server_files", "pg_write_server_files",
  "pg_execute_server_program", "pg_create_subscription", "pg_maintain", "pg_signal_backend",
  "rds_superuser", "rdsadmin", "rds_replication", "cloudsqlsuperuser", "cloudsqladmin", "alloydbsuperuser",
  "azure_pg_admin", "azuresu"];

def wanted_high: . as $id | any($settings.high_risk_patterns[]; . as $pattern | $id | matches($pattern));
def risk($high): if $high or wanted_high then "high" else "normal" end;
def right($high): . as $id | entitlement($id; $id | risk($high));

# --- roles --------------------------------------------------------------------------------------------------

def role_id($quoted): "role \($quoted)";
def admin_id($quoted): "role \($quoted): ADMIN";

# A bare name only where it can be taken for nothing else.
def bare_name($name):
  if $settings.short_names and ($name | matches("^[A-Za-z_][A-Za-z0-9_.@-]*$"))
    and ($name | ascii_upcase | lists(attributes + ["LOGIN"]) | not)
  then [$name] else null end;

def attribute_ids:
  [if .superuser then "SUPERUSER" else empty end, if .createrole then "CREATEROLE" else empty end,
   if .createdb then "CREATEDB" else empty end, if .replication then "REPLICATION" else empty end,
   if .bypassrls then "BYPASSRLS" else empty end];

def role:
  . as $role
  | attribute_ids as $attributes
  | (if .has_members or (.login | not) then
      (role_id(.quoted) | right(($attributes | length) > 0 or ($role.role | lists(mighty_roles)))
        | .native_id = "\($role.oid)" | .aliases = bare_name($role.role)),
      (admin_id(.quoted) | right(true) | .includes = [{entitlement: role_id($role.quoted)}]),
      # An attribute does not come with membership, but who becomes the role has it.
      ($attributes[] | gives(role_id($role.quoted); .) | .mode = "eligible")
    else empty end),
    (if .login then
      (if $settings.logins then
        grant(.role; "LOGIN") | .native_id = "\($role.oid)" | .password_until = $role.password_until
      else empty end),
      ($attributes[] as $attribute | grant($role.role; $attribute) | .native_id = "\($role.oid)")
    else empty end);

# Since PostgreSQL 16 a member may neither have what the role has nor become it, and only hand it on.
def membership:
  . as $row
  | (if (.grantors | length) == 1 and .by_person then .grantors[0] else null end) as $by
  | ([if .inherit then {id: role_id(.quoted)} elif .set then {id: role_id(.quoted), mode: "eligible"} else empty end,
      if .admin then {id: admin_id(.quoted)} else empty end][]) as $held
  | (if .login then
      grant(.member; $held.id) | .mode = $held.mode | .granted_by = $by | .grantors = $row.grantors
    else empty end),
    (if .has_members or (.login | not) then gives(role_id(.member_quoted); $held.id) | .mode = $held.mode
    else empty end);

# --- privileges ---------------------------------------------------------------------------------------------

# As GRANT would have it, for tickets that say it so.
def phrase:
  if .privilege == "OWNER" or (.kind | startswith("new ")) then null
  elif .kind | lists(["tables", "sequences", "functions"]) then
    ["\(.privilege) ON ALL \(.kind | ascii_upcase) IN SCHEMA \(.name)"]
  elif .kind | lists(["table", "sequence", "function", "schema", "database", "tablespace", "parameter", "type",
    "language"]) then ["\(.privilege) ON \(.kind | ascii_upcase) \(.name)"]
  else null end;

# What PostgreSQL brings itself is closed to others for a reason; who may change what the server runs may do anything.
def is_high: (.system // false) or (.kind == "parameter" and .privilege == "ALTER SYSTEM");

def kept:
  if .role == null then $settings.public == "all" or $settings.public == "granted" and (.usual | not) else true end;

def privilege:
  . as $row
  | "\(.kind) \(.name): \(.privilege)" as $id
  | "\($id) WITH GRANT OPTION" as $grantable
  | (.within | if . == null then null else "\($row.set_kind) \(.): \($row.privilege)" end) as $set
  | (.within_base | if . == null then null else "\($row.set_kind) \(.): \($row.privilege)" end) as $all
  | ($row | is_high) as $high
  | [.holders[] | select(kept)] as $holders
  | ($id | right($high) | .aliases = ($row | phrase)),
    (if any($holders[]; .grantable) then $grantable | right(true) | .includes = [{entitlement: $id}] else empty end),
    (if $set != null then
      covers($set; $id), (if $row.is_first then ($set | right($high)), covers($all; $set) else empty end)
    elif $all != null then covers($all; $id) else empty end),
    (if $all != null and $row.is_first_of_base then $all | right($high) else empty end),
    ($holders[] as $holder
      | ($id, if $holder.grantable then $grantable else empty end) as $held
      | (if ($holder.grantors | length) == 1 and $holder.by_person then $holder.grantors[0] else null end) as $by
      | (if $holder.role == null or $holder.login then
          grant($holder.role // $settings.public_account; $held)
          | .granted_by = $by | .grantors = $holder.grantors | .objects = $holder.objects
        else empty end),
        # In each database, this role is whoever owns the database.
        (if $holder.role == "pg_database_owner" then
          "database \($row.base): OWNER" as $owner
          | gives($owner; $held), gives($owner; role_id($holder.quoted))
        elif $holder.role != null and ($holder.has_members or ($holder.login | not)) then
          gives(role_id($holder.quoted); $held)
        else empty end));

def owned: if $settings.owners or .privilege != "OWNER" then . else .holders = [] end;

# --- rows ---------------------------------------------------------------------------------------------------

def server:
  {type: "system", id: system, version: .version},
  {type: "covers", systems: [system]},
  (attributes[] | right(true)),
  (if $settings.logins then "LOGIN" | right(false) else empty end);

def records($step):
  if $step == "server" then server
  elif $step == "roles" then role
  elif $step == "memberships" then membership
  elif $step == "end" or ($step == "defaults" and ($settings.default_privileges | not)) then empty
  else owned | privilege end;

# --- what psql wrote ----------------------------------------------------------------------------------------

def ended($database): "the end of database \($database)";

# Each file holds the rows of one database; that of the first database those of the whole server, too.
def line:
  .database as $database | .row as $row
  | if (.step | type) != "string" or ($database | type) != "string" or ($row | type) != "object" then
      error("a line without `step`, `database` and `row`: expected what `psql -f export.sql` writes")
    elif .step | lists(["server", "roles", "memberships", "cluster", "parameters", "privileges", "defaults", "end"]) | not then
      error("`step` is `\(.step)`, which this version does not know: take the export.sql that belongs to it")
    else . end
  | (if .step == "server" then
      {type: "seen", key: "the server"},
      ($row.databases[] as $name
        | {type: "incomplete", unless: ended($name),
           reason: "there is no whole export of the database \($name): run export.sql there too, or again"})
    elif .step == "end" then
      {type: "seen", key: ended($database)},
      {type: "incomplete", unless: "the server",
       reason: "no export speaks of roles and of the server as a whole: run export.sql in the database \($row.first), too"}
    else empty end),
    (.step as $step | $row | records($step));

if $shape == "export" then line else records($shape) end
