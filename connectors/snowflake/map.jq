# A row of a view of SNOWFLAKE.ACCOUNT_USAGE in, records out.
#
# A grant of a role needs what other views say of the user and the role, so the engine runs this map twice: first with
# `$joined` null, when users and roles are filed, then with all of it. What a role has through other roles is said as edges
# (`includes`), and the engine follows them.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def latest($table; $key; $value): {type: "join", table: $table, key: $key, value: $value, keep: "latest"};
def matches($pattern): cf_capture($pattern) != null;
def any_pattern($patterns): . as $text | any($patterns[]?; . as $pattern | $text | matches($pattern));
def among($list): . as $one | any($list[]?; . == $one);
def place: "\($file)#\($row)";

# --- rows ---------------------------------------------------------------------------------------------------

# What a row is of, by its columns.
def view:
  if has("privilege") and has("granted_on") then "grants_to_roles"
  elif has("role") and has("grantee_name") then "grants_to_users"
  elif has("event_timestamp") and has("user_name") then "login_history"
  elif has("user_name") and has("role_name") then "query_history"
  elif has("name") and (has("role_type") or has("role_id")) then "roles"
  elif has("name") and (has("user_id") or has("login_name")) then "users"
  else error("a row of no view that is read here: its columns are \(keys | .[:8] | join(", "))") end;

# Columns by their names in lower case, without those that have no value, and `#view`. A CSV has a list of cells for each
# column, JSON the value, and clients write NULL in several ways. JSON may leave out what is NULL, a CSV does not.
def row:
  if type != "object" then error("a row of type \(type): expected an object with the columns of a view") else . end
  | with_entries(.key |= ascii_downcase)
  | view as $view
  | if $shape == "csv" and $view != "login_history" and $view != "query_history" and (has("deleted_on") | not) then
      error("the column `deleted_on` is missing: without it nobody knows what has been taken back")
    else . end
  | {"#view": $view, "#logins": has("last_success_login")}
    + with_entries(
        .value |= (if type == "array" then .[0] else . end
          | if type == "string" or type == "null" then . else tojson end)
        | select(.value != null and (.value | among(["", "NULL", "null", "\\N"]) | not)));

def need($name): .[$name] // error("the column `\($name)` is missing or empty");
def live: .deleted_on == null;
def is_true: (. // "") | ascii_downcase | among(["true", "1", "yes", "y"]);

def instant($name):
  .[$name] as $said
  | if $said == null then null
    else try ($said | cf_instant("auto"; $settings.time_zone))
      catch error("`\($name)`: \(.)") end;
# To the second, so that times sort as texts.
def moment($name): instant($name) | if . == null then null else .[0:19] + "Z" end;

# --- roles and privileges -----------------------------------------------------------------------------------

# Kinds are written with a blank or with an underscore, and an account role as ROLE too.
def kind: (. // "ROLE") | ascii_upcase | gsub("_"; " ") | if . == "ACCOUNT ROLE" then "ROLE" else . end;
def is_role: among(["ROLE", "DATABASE ROLE", "APPLICATION ROLE", "INSTANCE ROLE"]);

# A database role is known by its database, an application role by its application, an instance role by its instance.
def role_id($kind; $within; $instance):
  if $kind == "ROLE" or (contains(".") and $kind != "INSTANCE ROLE") then .
  elif $kind == "INSTANCE ROLE" and $instance != null then "\($instance)!\(.)"
  elif $kind != "INSTANCE ROLE" and $within != null then "\($within).\(.)"
  else error("the \($kind | ascii_downcase) `\(.)` is named without what it belongs to: the columns `table_catalog` and `object_instance` are needed") end;

# The role that is granted, and the one that receives. A database role has rights in its own database only, so that is
# where what it is granted is.
def granted: . as $row_ | need("name") | role_id($row_.granted_on | kind; $row_.table_catalog; $row_.object_instance);
def receiver:
  . as $row_ | (.granted_to | kind) as $kind
  | need("grantee_name")
  | if $kind == "APPLICATION" then "application/\(.)"
    else role_id($kind; (if ($row_.granted_on | kind) == "DATABASE" then $row_.name else $row_.table_catalog end);
      $row_.object_instance) end;

# A privilege on one object: what it is, and where.
def privilege: "\(need("privilege") | ascii_upcase) ON \(.granted_on | kind)";
def object_path:
  (.granted_on | kind) as $kind
  | if $kind == "ACCOUNT" then []
    elif $kind == "DATABASE" then [.name]
    elif $kind == "SCHEMA" then [.table_catalog, .name]
    else [.table_catalog, .table_schema, .name] end
  | map(select(. != null));
def scope: object_path | if . == [] then null else join("/") end;
def is_wanted: "\(privilege) \(object_path | join("."))" | any_pattern($settings.object_privileges);

def high($id):
  ($id | among($settings.high_risk_roles)) or ($id | any_pattern($settings.high_risk_patterns))
  or $id == "MANAGE GRANTS ON ACCOUNT" or joined("high"; $id) != [];

# The ids of entitlements a row speaks of.
def named:
  .["#view"] as $view
  | if $view == "roles" then . as $row_ | need("name") | role_id($row_.role_type | kind; $row_.role_database_name; $row_.role_instance_id)
    elif $view == "grants_to_users" then need("role")
    elif $view == "grants_to_roles" then
      (if .granted_to | kind | is_role or . == "APPLICATION" then receiver else empty end),
      (if .granted_on | kind | is_role then (if .privilege == "USAGE" then granted else empty end)
       elif (.granted_to | kind) == "USER" or is_wanted then privilege
       else empty end)
    else empty end;

# A role is printed once: from the view ROLES where it is there, else where it is named last.
def rank: (if .["#view"] == "roles" then "1 " else "0 " end) + place;
def entitlements:
  . as $row_ | rank as $rank
  | [named] | unique[] as $id
  | select(joined("role"; $id)[0] == $rank)
  | {type: "entitlement", system: $settings.system, id: $id, risk: (if high($id) then "high" else "normal" end),
     native_id: (if $row_["#view"] == "roles" then $row_.role_id else null end)};

# --- users --------------------------------------------------------------------------------------------------

# What is known of a user: the one there is now, where a name was given again.
def user($name): [joined("user"; $name)[] | select(.deleted | not)] | last;
def account($name):
  if $settings.account_names == "login_name" then user($name).login // $name
  elif $settings.account_names == "email" then user($name).email // $name
  else $name end;

# Last use of a user, from the user and from the history of logins.
def used($name):
  user($name) as $user
  | ([$user.last_login, joined("login"; $name)[0] | select(. != null)] | max) as $last
  | {last_used_at: $last, usage_tracked_since: (if $user.logins then $user.created else null end)}
  | if .last_used_at == null and .usage_tracked_since == null then {} else . + {use_attribution: "account"} end;

# What a user is granted. A name of which only deleted users are known holds nothing any more.
def grant($name; $what):
  select(joined("user"; $name) == [] or user($name) != null)
  | {type: "grant", system: $settings.system, account: account($name), native_id: user($name).id,
     expires_at: user($name).expires} + used($name) + $what;

# Since when and by which role. The person behind the role is not in the view.
def terms:
  {granted_at: instant("created_on"), granted_at_basis: (if .created_on == null then null else "state" end),
   granted_by: (if .granted_by == null then null else "role/\(.granted_by)" end)};

# --- the row ------------------------------------------------------------------------------------------------

def joins:
  rank as $rank
  | (select(live) | named | latest("role"; .; $rank)),
    (.["#view"] as $view
     | if $view == "users" then
         join("user"; need("name");
           {deleted: (live | not), id: .user_id, login: .login_name, email, expires: instant("expires_at"),
            created: instant("created_on"), last_login: moment("last_success_login"), logins: .["#logins"]})
       elif $view == "grants_to_roles" then
         select(live and (.privilege | ascii_upcase) == "MANAGE GRANTS" and (.granted_to | kind | . != "USER"))
         | join("high"; receiver; true)
       elif $view == "login_history" then
         select((.is_success | is_true) and .user_name != null and .event_timestamp != null)
         | latest("login"; .user_name; moment("event_timestamp"))
       elif $view == "query_history" then
         select(.user_name != null and .role_name != null and .start_time != null)
         | latest("use"; "\(.user_name)\n\(.role_name)"; moment("start_time") + " " + place)
       else empty end);

# What a file is of, and what must be there for the grants to be all of them.
def file_records:
  .["#view"] as $view
  | {type: "seen", key: $view},
    {type: "covers", systems: [$settings.system],
     types: ((if $view == "query_history" then ["usage"] else [] end)
       + (if $view == "users" and $settings.emit_identities then ["identity"] else [] end))},
    ({"grants_to_users": "who holds which role", "grants_to_roles": "what comes with a role"}
      | to_entries[]
      | {type: "incomplete", unless: .key, reason: "the view \(.key | ascii_upcase) is not among the files: \(.value) is not known"});

def grants_to_users:
  need("grantee_name") as $name
  | need("role") as $role
  | if (.granted_to // "USER" | kind) != "USER" then empty
    else grant($name; terms + {entitlement: $role}) end;

def grants_to_roles:
  (.granted_to | kind) as $to | (.granted_on | kind) as $on
  | if $to == "USER" then
      if $on | is_role then select(.privilege == "USAGE") | need("grantee_name") as $name | grant($name; terms + {entitlement: granted})
      else need("grantee_name") as $name | grant($name; terms + {entitlement: privilege, scope: scope}) end
    elif $on | is_role then
      # Owning a role is not holding it.
      select((.privilege | ascii_upcase) == "USAGE")
      | {type: "includes", system: $settings.system, entitlement: receiver, gives: {entitlement: granted}} + terms
    else
      select(is_wanted)
      | {type: "includes", system: $settings.system, entitlement: receiver,
         gives: ({entitlement: privilege} + (scope as $scope | if $scope == null then {} else {scope: $scope} end))} + terms
    end;

def query_history:
  select(.user_name != null and .role_name != null and .start_time != null)
  | (moment("start_time") + " " + place) as $moment
  | select(joined("use"; "\(.user_name)\n\(.role_name)")[0] == $moment)
  | {type: "usage", system: $settings.system, account: account(.user_name), entitlement: .role_name,
     last_used_at: ($moment | split(" ")[0]), attribution: "entitlement", success: "unknown"};

def identity:
  select($settings.emit_identities)
  | need("name") as $name
  | {type: "identity", id: $name, name: (.display_name // null), native_id: .user_id,
     kind: (if (.type // "PERSON") | ascii_upcase | contains("SERVICE") then "service" else "human" end),
     aliases: ([.login_name, .email | select(. != null and . != $name)] | unique),
     accounts: [{system: $settings.system, account: account($name)}],
     status: (if .disabled | is_true then "disabled" else "active" end)};

def records:
  (select($row == 1) | file_records),
  (select(live)
    | entitlements,
      (.["#view"] as $view
       | if $view == "grants_to_users" then grants_to_users
         elif $view == "grants_to_roles" then grants_to_roles
         elif $view == "query_history" then query_history
         elif $view == "users" then identity
         else empty end));

row | if $joined == null then joins else records end
