# One row of one step (or a whole realm export) in, records out; `$shape` is the step.
#
# The map runs twice. In the first run (`$joined` null) rows file what others need (`joins`); in the second they become
# records and edges (`records`): grants are direct, and an edge says that whoever holds the one thing holds the other too.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] else empty end;
def texts: items | strings | select(. != "");
def entries: if type == "object" then to_entries[] else empty end;
def instant: if . == null or . == "" then null else cf_instant("auto"; null) end;
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def latest: [.[] | select(. != null)] | max_by(order);

def known($field): getpath($field | split("/"))? | if type == "string" and . != "" then . elif type == "number" then tostring else null end;
def need($field): known($field) // error("\($shape): a row without `\($field)`");

# --- names --------------------------------------------------------------------------------------------------

def system_of($realm): $settings.system // "keycloak-\($realm)";
def system: system_of($settings.realm);
def is_high: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
def short($kind; $name): if any($settings.short_names[]; . == $kind) then [$name] else [] end;

def role_id($name): "role/\($name)";
def client_role_id($client; $name): "client/\($client)/\($name)";
# A path starts with `/`.
def group_id($path): "group/\($path | ltrimstr("/"))";

def role_entitlement($system; $name):
  {type: "entitlement", system: $system, id: role_id($name), aliases: short("role"; $name), native_id: known("id"),
   risk: (if role_id($name) | is_high then "high" else "normal" end)};
def client_role_entitlement($system; $client; $name):
  {type: "entitlement", system: $system, id: client_role_id($client; $name), aliases: short("client"; "\($client)/\($name)"),
   native_id: known("id"), risk: (if client_role_id($client; $name) | is_high then "high" else "normal" end)};
def group_entitlement($system; $path; $roles):
  {type: "entitlement", system: $system, id: group_id($path), native_id: known("id"),
   aliases: (short("group"; $path) - [group_id($path)]),
   risk: (if any($roles[]; is_high) or (group_id($path) | is_high) then "high" else "normal" end)};
def includes($system; $holds; $gives; $terms):
  {type: "includes", system: $system, entitlement: $holds, gives: {entitlement: $gives}} + $terms;

# The account of a user, as the site wants it.
def account: if $settings.account_names == "email" then known("email") // need("username") else need("username") end;
def held($system; $entitlement; $since):
  {type: "grant", system: $system, account: account, entitlement: $entitlement, native_id: known("id"),
   account_enabled: (if .enabled == false then false else null end)} + $since;

# Roles as `role-mappings` lists them: the realm's, and those of each client.
def mapped:
  (.realmMappings | items | {entitlement: role_id(need("name")), role: known("id")}),
  (.clientMappings | entries | .key as $client | .value | objects | (known("client") // $client) as $client
    | .mappings | items | {entitlement: client_role_id($client; need("name")), role: known("id")});

# --- events -------------------------------------------------------------------------------------------------

# What an admin event is about: `users/ID/role-mappings/realm`, `groups/ID/role-mappings/clients/ID`,
# `users/ID/groups/ID`. Which roles were given only its representation says.
def subjects:
  (.resourcePath // "" | split("/")) as $path
  | if $path[0] == "users" and $path[2] == "groups" and ($path | length) == 4 then "user/\($path[1])/group/\($path[3])"
    elif ($path[0] | one_of("users", "groups")) and $path[2] == "role-mappings" then
      (.representation // "" | if type == "string" then cf_json else . end) | if type == "array" then .[] else . end
      | objects | known("id") | select(. != null)
      | "\($path[0] | rtrimstr("s"))/\($path[1])/role/\(.)"
    else empty end;

def events($subject): joined("event"; $subject) | sort_by((.at | order), .operation);
# Held since the first time it was given after it was last taken away.
def held_since:
  reduce .[] as $event (null; if $event.operation == "DELETE" then null elif $event.operation == "CREATE" then (. // $event) else . end);
# Somebody of another realm is known by id alone.
def provisioned: if . == null then {}
  else {granted_at: .at, granted_by: (if .by == null then null else joined("user"; .by)[0] // .by end), granted_at_basis: "event"} end;
def since($subject): events($subject) | held_since | provisioned;

# --- use ----------------------------------------------------------------------------------------------------

# Since when events of this kind are recorded: from the day after the oldest that is known, as long as they still are.
def tracked($event):
  if joined("realm"; "")[0].tracked[$event] != true then null
  else [$joined.day // {} | keys[] | split(" ") | select(.[0] == $event) | .[1]] | min
    | if . == null then null else . + "T00:00:00Z" | fromdateiso8601 + 86400 | todateiso8601 end
    | if order > ($taken_at | instant | order) then null else . end end;

def usage($event):
  known("id") as $id | (joined("seen"; $id // "") | latest) as $last | tracked($event) as $tracked
  | (.createdTimestamp | if type == "number" then instant else null end) as $created
  | (if $tracked == null then null else [$tracked, $created] | latest end) as $since
  | select($last != null or $since != null)
  | {type: "usage", system: system, account: account, native_id: $id, last_used_at: $last, tracked_since: $since,
     attribution: "account", success: (if $last == null then null else "yes" end)};

# --- what is filed in the first run -------------------------------------------------------------------------

def joins:
  if $shape == "realm" then
    join("realm"; ""; {default_role: known("defaultRole/name"),
      tracked: (. as $realm | reduce ("LOGIN", "CLIENT_LOGIN") as $event ({}; .[$event] =
        ($realm.eventsEnabled == true and (($realm.enabledEventTypes // []) == [] or any($realm.enabledEventTypes | items; . == $event)))))})
  elif $shape == "client" then join("client"; need("id"); need("clientId"))
  elif $shape == "user" then join("user"; need("id"); account)
  elif $shape == "service-account" then
    join("user"; need("id"); account), join("service"; need("id"); true), join("service_of"; need("_from/client"); true)
  elif $shape == "event" then
    select(.error == null) | known("userId") as $user | (.time | instant) as $at
    | select($at != null)
    | (.type | strings | join("day"; "\(.) \($at[:10])"; null)),
      (if $user == null then empty else join("seen"; $user; $at) end)
  elif $shape | one_of("session", "offline-session") then
    known("userId") as $user | (.lastAccess | instant) as $at
    | select($user != null and $at != null) | join("seen"; $user; $at)
  elif $shape == "admin-event" then
    select(.error == null) | (.time | instant) as $at | known("authDetails/userId") as $by | .operationType as $operation
    | select($at != null) | subjects | join("event"; .; {at: $at, by: $by, operation: $operation})
  else empty end;

# --- records of steps ---------------------------------------------------------------------------------------

def is_service: joined("service"; known("id") // "") != [];
def left_out($role): $settings.default_roles == false
  and $role == (joined("realm"; "")[0].default_role // "default-roles-\($settings.realm | ascii_downcase)");

def group_records($parent):
  need("path") as $path | need("id") as $group
  | [.mappings | objects | mapped] as $roles
  | if (.subGroups | type) == "array" and .subGroups != [] then
      {type: "incomplete", reason: "the server lists groups below others within them, as before version 23: those are not read"}
    else empty end,
    (if (.mappings | type) == "object" then empty
     else {type: "incomplete", reason: "the server does not say which roles the group `\($path)` has"} end),
    group_entitlement(system; $path; [$roles[].entitlement]),
    ($roles[] | .role as $role
      | includes(system; group_id($path); .entitlement; if $role == null then {} else since("group/\($group)/role/\($role)") end)),
    # Whoever is in a group below this one has its roles too.
    (if $parent == null then empty else includes(system; group_id($path); group_id($parent); {}) end);

def role_user_records($entitlement):
  need("_from/id") as $role
  | select(is_service or ($shape == "role-user" and left_out(need("_from/role"))) | not)
  | held(system; $entitlement; since("user/\(need("id"))/role/\($role)"));

def composite_records($holds):
  if .clientRole == true then
    joined("client"; known("containerId") // "")[0] as $client
    | if $client == null then
        {type: "incomplete", reason: "the role `\($holds)` includes a role of a client that is not listed: view-clients is needed for all clients"}
      else includes(system; $holds; client_role_id($client; need("name")); {}) end
  else includes(system; $holds; role_id(need("name")); {}) end;

def service_account_records:
  . as $user | need("id") as $id
  | usage("CLIENT_LOGIN"),
    (if (.mappings | type) == "object" and (.groups | type) == "array" then empty
     else {type: "incomplete", reason: "the server does not say which roles and groups `\(account)` has"} end),
    (.mappings | objects | mapped | . as $mapped
      | select((.entitlement | ltrimstr("role/")) as $name | .entitlement != role_id($name) or (left_out($name) | not))
      | $user | held(system; $mapped.entitlement; if $mapped.role == null then {} else since("user/\($id)/role/\($mapped.role)") end)),
    (.groups | items | (known("path") // "/\(need("name"))") as $path | known("id") as $group
      | $user | held(system; group_id($path); if $group == null then {} else since("user/\($id)/group/\($group)") end)),
    (if $settings.emit_identities then
       {type: "identity", id: "\(system)/\(account)", kind: "service", name: known("_from/client"),
        accounts: [{system: system, account: account}]}
     else empty end);

def records:
  if $shape == "realm" then
    {type: "system", id: system, native_id: known("id"), aliases: ([$settings.realm, "keycloak-\($settings.realm)"] - [system])}
  elif $shape == "user" then usage("LOGIN")
  elif $shape == "client" then
    (if $row == 1 and joined("realm"; "") == [] then
       {type: "incomplete", reason: "the server says nothing of the realm itself"} else empty end),
    (if .serviceAccountsEnabled == true and joined("service_of"; need("clientId")) == [] then
       {type: "incomplete", reason: "the server does not say which service account the client `\(need("clientId"))` has"} else empty end)
  elif $shape == "service-account" then service_account_records
  elif $shape == "group" then group_records(null)
  elif $shape == "subgroup" then group_records(need("_from/parent"))
  elif $shape | one_of("group-member", "subgroup-member") then
    need("_from/id") as $group | select(is_service | not)
    | held(system; group_id(need("_from/group")); since("user/\(need("id"))/group/\($group)"))
  elif $shape == "role" then role_entitlement(system; need("name"))
  elif $shape == "client-role" then client_role_entitlement(system; need("_from/client"); need("name"))
  elif $shape == "role-composite" then composite_records(role_id(need("_from/role")))
  elif $shape == "client-role-composite" then composite_records(client_role_id(need("_from/client"); need("_from/role")))
  elif $shape == "role-user" then role_user_records(role_id(need("_from/role")))
  elif $shape == "client-role-user" then role_user_records(client_role_id(need("_from/client"); need("_from/role")))
  else empty end;

# --- an export ----------------------------------------------------------------------------------------------

# Roles by name, as an export lists them.
def named_roles:
  (.realmRoles | texts | role_id(.)), (.clientRoles | entries | .key as $client | .value | texts | client_role_id($client; .));
def composite_roles:
  (.realm? | texts | role_id(.)), (.client? | entries | .key as $client | .value | texts | client_role_id($client; .));

def export_group($system; $above):
  (known("path") // "\($above // "")/\(need("name"))") as $path
  | [named_roles] as $roles
  | group_entitlement($system; $path; $roles),
    ($roles[] | includes($system; group_id($path); .; {})),
    (if $above == null then empty else includes($system; group_id($path); group_id($above); {}) end),
    (.subGroups | items | export_group($system; $path));

def export_user($system; $default):
  . as $user
  | (named_roles | . as $role | select($settings.default_roles or $role != role_id($default)) | $user | held($system; $role; {})),
    (.groups | texts | . as $path | $user | held($system; group_id($path); {})),
    (if $settings.emit_identities and known("serviceAccountClientId") != null then
       {type: "identity", id: "\($system)/\(account)", kind: "service", name: known("serviceAccountClientId"),
        accounts: [{system: $system, account: account}]}
     else empty end);

def export_records:
  need("realm") as $realm | system_of($realm) as $system
  | (known("defaultRole/name") // "default-roles-\($realm | ascii_downcase)") as $default
  | {type: "covers", systems: [$system]},
    (if $shape == "realm-export" then
       {type: "seen", key: "realm \($realm)"},
       {type: "system", id: $system, native_id: known("id"), aliases: ([$realm, "keycloak-\($realm)"] - [$system])},
       (.roles.realm? | items | need("name") as $name | role_entitlement($system; $name),
         (.composites | composite_roles | includes($system; role_id($name); .; {}))),
       (.roles.client? | entries | .key as $client | .value | items | need("name") as $name
         | client_role_entitlement($system; $client; $name),
           (.composites | composite_roles | includes($system; client_role_id($client; $name); .; {}))),
       (.groups | items | export_group($system; null))
     else {type: "incomplete", unless: "realm \($realm)", reason: "the realm `\($realm)` itself is not among the files: what its roles and groups include is not known"} end),
    (if (.users | type) == "array" then {type: "seen", key: "users \($realm)"}, (.users[] | export_user($system; $default))
     else {type: "incomplete", unless: "users \($realm)", reason: "no users of the realm `\($realm)` are among the files: a partial export leaves them out"} end);

# --- the row ------------------------------------------------------------------------------------------------

if type != "object" then error("\($shape): a row of type \(type): expected an object")
elif $shape | one_of("realm-export", "realm-users") then if $joined == null then empty else export_records end
elif $joined == null then joins
else records end
