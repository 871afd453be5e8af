# A row of one step in, records out. `$shape` is the step.
#
# Rows name people, groups and apps by id. So the engine runs this map twice over all rows: first with `$joined` null,
# when a row files what others will ask (`joins`), then with all of that in `$joined`, when it writes records
# (`records`). What is held through a group is not written here: the map says who is in a group and what the group
# has (`includes`), and the engine works out the rest.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};

def text: if type == "string" and . != "" then . else null end;
def list: if type == "array" then . else [] end;
def one_of(values): . as $this | any(values; . == $this);
def matches($pattern): cf_capture($pattern) != null;
def instant($field): try (.[$field] | cf_instant("auto"; null)) catch error("`\($field)`: \(.)");
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def taken: $taken_at | cf_instant("auto"; null);
def days_before($days): (.[0:19] + "Z") | fromdateiso8601 - $days * 86400 | todateiso8601;

# Was this step asked, and read to its end? What a log that was not read does not say is not known.
def whole($step): any(($head._whole? // [])[]; . == $step);

# What no row may lack, since everything hangs on it.
def need($field): if type != "object" then error("a row of type \(type): expected an object")
  else .[$field] | text // error("`\($field)`: expected a text") end;

# --- names --------------------------------------------------------------------------------------------------

# The name of a group or app is for people, and two may share one. Then each carries its id, so that neither is taken
# for the other.
def named($kind; $id; $name):
  if $name == null then "\($kind)/\($id)"
  elif ([joined("name"; "\($kind)/\($name | cf_norm)")[]] | unique | length) > 1 then "\($kind)/\($name) (\($id))"
  else "\($kind)/\($name)" end;
def name_join($kind; $id; $name):
  if $name == null then empty else join("name"; "\($kind)/\($name | cf_norm)"; $id) end;

def short($kind; $name):
  if $name != null and any(($settings.short_names // [])[]; . == $kind) then [$name] else [] end;

def group_name($id): joined("group"; $id)[0];
def group_entitlement($id): named("group"; $id; group_name($id).name);
def app_name($id): joined("app"; $id)[0];
def client_account($id): named("client"; $id; app_name($id).label);

# Where the access to an app is held: on Okta, or on the system that the site says the app is.
def app_system($id): app_name($id).label as $label
  | $settings.app_systems[$id] // (if $label == null then null else $settings.app_systems[$label] end);
def app_access($id):
  app_system($id) as $system
  | if $system == null then {system: $settings.system, entitlement: named("app"; $id; app_name($id).label)}
    else {system: $system, entitlement: "access"} end;

def user_account($login; $id): if $settings.account_names == "id" or $login == null then $id else $login end;
# The account of a user who stands in another row; null where no row has that user.
def account_of($id): joined("user"; $id)[0] | if . == null then null else user_account(.login; $id) end;
# Whoever holds access and is not among the users was made since they were listed, or the users are not all there.
def held_by($id; grant):
  if joined("user"; $id) == [] then
    {type: "incomplete", reason: "the user `\($id)` holds access and is not among the users that were read"}, ($id | grant)
  else account_of($id) | grant end;

# --- risk ---------------------------------------------------------------------------------------------------

# Roles whose holder can get more than they were given: all of it, other administrators' apps, tokens or members.
def high_roles: ["SUPER_ADMIN", "ORG_ADMIN", "API_ACCESS_MANAGEMENT_ADMIN", "APP_ADMIN", "USER_ADMIN"];
def high_scope: matches("^okta\\..+\\.manage$");
def high_by_id: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
def risk($high): if $high then "high" else "normal" end;

# An entitlement that many rows speak of is written once, by the first of them.
def first_join($entitlement): join("first"; $entitlement; "\($shape) \($row)");
def once($entitlement): joined("first"; $entitlement)[0] == "\($shape) \($row)";

# --- roles --------------------------------------------------------------------------------------------------

# A standard role is known by its type, which no administrator changes; one of the org's own by its label.
def is_custom: (.type | text) == "CUSTOM";
def role_id: if is_custom then "role/\((.label | text) // need("role"))" else "role/\(need("type"))" end;
def role_high: (need("type") | one_of(high_roles[])) or (role_id | high_by_id);
def role_scope: .["resource-set"] | text | if . == null then null else "resource-set/\(.)" end;
def role_entitlement:
  role_id as $id | select(once($id)) | (.label | text) as $label
  | {type: "entitlement", system: $settings.system, id: $id,
     native_id: (if is_custom then .role | text else .type end),
     aliases: ([short("role"; $label)[], (if is_custom then .role | text else .type end)]
       | map(select(. != null and . != $id)) | unique),
     risk: risk(role_high)};
# An assignment that was taken back stays in the list for a while.
def is_live: (.status | text // "ACTIVE") != "INACTIVE";

# --- events -------------------------------------------------------------------------------------------------

def targets($kind): [.target | list | .[] | select(type == "object" and .type == $kind and (.id | text) != null)];
def actor_name:
  (.actor // {}) as $actor
  | (if $actor.type == "User" then account_of($actor.id // "") else null end)
    // ([$actor.alternateId, $actor.displayName, $actor.id]
        | map(select(text != null and (ascii_downcase != "unknown"))) | first // null);
def event_value($what):
  {at: instant("published"), id: (.uuid | text), what: $what, by: .actor};

# The event an access has been held since: the first of the last unbroken run of beginnings.
def held_since($key):
  joined("event"; $key) | map(select((.at | order) <= (taken | order))) | unique_by([(.at | order), .id])
  | reduce .[] as $event (null; if $event.what == "remove" then null else . // $event end);
def provisioned:
  if . == null then {}
  else {granted_at: .at, granted_by: ({actor: .by} | actor_name), granted_at_basis: "event", granted_event: .id} end;
# An edge has no place for more than these.
def edge_times: provisioned | del(.granted_event);

# The role says when it was given, the log by whom: the event that tells of this role within a minute of that time.
def privilege_by($holder; $label; $created):
  if $created == null or $label == null then null
  else ($created[0:19] + "Z" | fromdateiso8601) as $at
    | [joined("privilege"; $holder)[]
       | select((.what // "" | ascii_downcase | contains($label | ascii_downcase))
           and ((.at[0:19] + "Z" | fromdateiso8601) - $at | if . < 0 then -. else . end) <= 60)]
    | first // null
    | if . == null then null else {actor: .by} | actor_name end
  end;
def role_times($holder):
  instant("created") as $created
  | {granted_at: $created, granted_at_basis: (if $created == null then null else "state" end),
     granted_by: privilege_by($holder; .label | text; $created)};

# --- users --------------------------------------------------------------------------------------------------

def profile: .profile | if type == "object" then . else {} end;
def login: profile.login | text;
def display: profile | (.displayName | text) // ([.firstName, .lastName] | map(select(text != null)) | join(" ") | text);

def statuses: {
  ACTIVE: "active", PASSWORD_EXPIRED: "active", LOCKED_OUT: "active", RECOVERY: "active", PROVISIONED: "active",
  STAGED: "disabled", SUSPENDED: "disabled", DEPROVISIONED: "departed" };

def identity_kind:
  (profile[$settings.kind_field // ""] | text // "" | cf_norm) as $word
  | first(($settings.kind_values // {}) | to_entries[] | select((.key | cf_norm) == $word) | .value) // "human"
  | if one_of("human", "service", "agent") then . else error("setting `kind_values`: `\(.)` must be human, service or agent") end;

def texts: if type == "array" then .[] | texts elif type == "number" then tostring else text // empty end;

def identity:
  need("id") as $id | profile as $profile | login as $login
  | (if $settings.identity_id == "id" then $id
     elif $settings.identity_id == "email" then $profile.email | text // $id
     else $login // $id end | ascii_downcase) as $name
  | (.status | text) as $said
  | {type: "identity", id: $name, kind: identity_kind, name: display, native_id: $id,
     aliases: ([($settings.alias_fields // [])[] as $field | $profile[$field] | texts] + [$id]
       | map(select(cf_norm != ($name | cf_norm))) | unique),
     accounts: [{system: $settings.system, account: user_account($login; $id)}],
     status: (if $said == null then null
       else statuses[$said] // error("`status`: `\($said)` is no status that is known") end),
     status_since: instant("statusChanged"),
     manager: ($profile[$settings.manager_field // ""] | [texts] | first // null),
     groups: (if ($settings.identity_groups // []) == [] then null else [joined("in_group"; $id)[]] | unique end)};

def user_records:
  need("id") as $id
  | (if $settings.identities then identity else empty end),
    # Who was deactivated holds nothing, and signs in no more.
    (if (.status | text) == "DEPROVISIONED" then empty
     else instant("lastLogin") as $last | instant("created") as $created
       | select($last != null or $created != null)
       | {type: "usage", system: $settings.system, account: user_account(login; $id), native_id: $id,
          last_used_at: $last, tracked_since: $created, attribution: "account",
          success: (if $last == null then null else "yes" end)}
     end);

# --- groups -------------------------------------------------------------------------------------------------

def is_built_in($id): group_name($id).type == "BUILT_IN";

def group_records:
  need("id") as $id | (.profile.name? | text) as $name | named("group"; $id; $name) as $entitlement
  | {type: "entitlement", system: $settings.system, id: $entitlement, native_id: $id,
     aliases: ([$id] + short("group"; $name) | map(select(. != $entitlement))),
     risk: risk(any(joined("risk"; $id)[]; .) or ($entitlement | high_by_id))};

def member_records:
  need("id") as $id | ._from.group as $group
  | held_since("group \($group) \($id)") as $since
  | {type: "grant", system: $settings.system, account: user_account(login; $id), native_id: "\($group)/\($id)",
     entitlement: group_entitlement($group)} + ($since | provisioned);

# --- administrator roles ------------------------------------------------------------------------------------

def group_role_records:
  ._from.group as $group | select(is_live)
  | role_entitlement,
    {type: "includes", system: $settings.system, entitlement: group_entitlement($group),
     gives: {entitlement: role_id, scope: (role_scope // "")}} + role_times("group \($group)");

# Roles that come through a group stand here as well; the group's own row says so already.
def user_role_records:
  ._from.user as $user | select(is_live and (.assignmentType | text) != "GROUP")
  | role_entitlement, role_times("user \($user)") as $times | role_id as $role | role_scope as $scope | (.id | text) as $id
  | held_by($user; . as $account
    | {type: "grant", system: $settings.system, account: $account, entitlement: $role, scope: $scope, native_id: $id}
      + $times);

# --- apps ---------------------------------------------------------------------------------------------------

def app_is_off: one_of("INACTIVE", "DELETED");

def app_records:
  need("id") as $id | (.label | text) as $label
  | app_access($id) as $access | (.credentials.oauthClient.client_id? | text) as $client
  | (if .status | app_is_off then empty
     else {type: "entitlement", system: $access.system, id: $access.entitlement, native_id: $id,
       aliases: ([$id] + (if app_system($id) == null then short("app"; $label) else ["app/\($label // $id)"] end)
         | map(select(. != $access.entitlement)) | unique),
       risk: risk($access.entitlement | high_by_id)},
       (if app_system($id) == null then empty else {type: "system", id: $access.system} end)
     end),
    (if $settings.identities and .settings.oauthClient.application_type? == "service" then
       client_account($id) as $account
       | {type: "identity", id: "\($settings.system)/\($account)", name: $label, native_id: $id,
          kind: (if any(($settings.agent_apps // [])[]; . == $id or . == $label) then "agent" else "service" end),
          aliases: ([$client, $id] | map(select(. != null)) | unique),
          accounts: [{system: $settings.system, account: $account}],
          status: (if .status | app_is_off then "disabled" else null end)}
     else empty end);

def app_group_records:
  need("id") as $group | ._from.app as $app
  | select((is_built_in($group) | not) or $settings.everyone)
  | app_access($app) as $access
  | {type: "includes", system: $settings.system, entitlement: group_entitlement($group),
     gives: {system: $access.system, entitlement: $access.entitlement}}
    + (held_since("app-group \($app) \($group)") | edge_times);

# Statuses of a user of an app that are no assignment, or no longer.
def app_user_is_off: one_of("DEPROVISIONED", "REVOKED", "UNASSIGNED", "INACTIVE", "IMPORTED", "MATCHED");

def app_user_records:
  need("id") as $user | ._from.app as $app
  | select(.status | app_user_is_off | not)
  | app_access($app) as $access | (.scope | text) as $scope | (.credentials.userName? | text) as $name
  | instant("created") as $created
  | (if whole("sign-ins") | not then null
     else {last_used_at: ([joined("sso"; "\($app) \($user)")[]] | max_by(order)), tracked_since: (taken | days_before(90))}
     end) as $use
  | {type: "grant", system: $access.system, entitlement: $access.entitlement, native_id: "\($app)/\($user)",
     app_username: $name} as $grant
  | held_by($user; . as $account
    | if $scope == "USER" then
        (held_since("app-user \($app) \($user)") | provisioned) as $since
        | $grant + {account: $account}
          + (if $since != {} then $since
             elif $created != null then {granted_at: $created, granted_at_basis: "state"} else {} end)
      elif $scope == "GROUP" then
        # Those who have the app through Everyone alone have it by no membership that was read.
        (select($settings.everyone | not)
         | joined("app_group"; $app)[] | select(is_built_in(.)) | group_entitlement(.) as $group
         | $grant + {account: $account,
             path: [{entitlement: $group}
               + (if $access.system == $settings.system then {} else {system: $settings.system} end)]})
      else error("`scope`: expected USER or GROUP") end,
      (if $use == null then empty
       else {type: "usage", system: $access.system, account: $account, entitlement: $access.entitlement,
         native_id: "\($app)/\($user)", attribution: "entitlement",
         # The log tells that the app was opened, not whether the app let the person in.
         success: (if $use.last_used_at == null then null else "attempt" end)} + $use
       end));

# --- OAuth grants, roles of service apps, API tokens --------------------------------------------------------

def app_grant_records:
  select((.status | text // "ACTIVE") == "ACTIVE")
  | ._from.app as $app | need("scopeId") as $scope | (.id | text) as $id | instant("created") as $created
  | "scope/\($scope)" as $entitlement
  | (.createdBy.id? | text) as $by | (.userId | text) as $for
  | (select(once($entitlement))
     | {type: "entitlement", system: $settings.system, id: $entitlement, aliases: short("scope"; $scope),
        risk: risk(($scope | high_scope) or ($entitlement | high_by_id))}),
    {type: "grant", system: $settings.system, account: client_account($app), entitlement: $entitlement, native_id: $id,
     # What a person consented to reaches no further than that person.
     scope: (if $for == null then null else "user/\(account_of($for) // $for)" end),
     granted_at: $created, granted_at_basis: (if $created == null then null else "state" end),
     granted_by: (if $by == null then null else account_of($by) // $by end)};

def client_role_records:
  ._from.app as $app | select(is_live)
  | role_entitlement,
    {type: "grant", system: $settings.system, account: client_account($app), entitlement: role_id, scope: role_scope,
     native_id: (.id | text)} + role_times("client \($app)");

def token_records:
  need("id") as $id | (.userId | text // error("`userId`: expected a text")) as $user | instant("created") as $created
  | (select(once("api-token"))
     | {type: "entitlement", system: $settings.system, id: "api-token", aliases: ["API token"],
        risk: risk("api-token" | high_by_id)}),
    ({type: "grant", system: $settings.system, entitlement: "api-token", scope: "token/\($id)", native_id: $id,
      token_name: (.name | text), granted_at: $created,
      granted_at_basis: (if $created == null then null else "state" end),
      # It ends when nobody uses it for so long, not on a day: that is no end of the access.
      ends_unless_used: instant("expiresAt")} as $grant
     | held_by($user; . as $account | $grant + {account: $account, granted_by: $account}));

# --- what is filed in the first run -------------------------------------------------------------------------

def group_filter($name): $name != null and any(($settings.identity_groups // [])[];
  . == "*" or cf_norm == ($name | cf_norm));

def event_joins:
  (.eventType | text // "") as $type | (.outcome.result? | text // "SUCCESS") as $result
  | select($result == "SUCCESS")
  | targets("User")[0].id as $user | targets("UserGroup")[0].id as $group | targets("AppInstance")[0].id as $app
  | (if $type | endswith(".remove") then "remove" else "add" end) as $what
  | (if ($type | startswith("group.user_membership.")) and $user != null and $group != null then
       join("event"; "group \($group) \($user)"; event_value($what))
     elif ($type | startswith("application.user_membership.")) and $user != null and $app != null then
       join("event"; "app-user \($app) \($user)"; event_value($what))
     elif ($type | startswith("group.application_assignment.")) and $group != null and $app != null then
       join("event"; "app-group \($app) \($group)"; event_value($what))
     elif $type == "user.account.privilege.grant" and $user != null then
       join("privilege"; "user \($user)"; event_value(.debugContext.debugData.privilegeGranted? | text))
     elif $type == "group.privilege.grant" and $group != null then
       join("privilege"; "group \($group)"; event_value(.debugContext.debugData.privilegeGranted? | text))
     else empty end);

def sign_in_joins:
  select((.outcome.result? | text // "SUCCESS") == "SUCCESS" and .actor.type? == "User")
  | (.actor.id | text) as $user | instant("published") as $at
  | select($user != null and $at != null)
  | targets("AppInstance")[] | join("sso"; "\(.id) \($user)"; $at);

def joins:
  if $shape == "users" then need("id") as $id | join("user"; $id; {login: login})
  elif $shape == "groups" then
    need("id") as $id | (.profile.name? | text) as $name
    | join("group"; $id; {$name, type: (.type | text)}), name_join("group"; $id; $name)
  elif $shape == "apps" then
    need("id") as $id | (.label | text) as $label
    | join("app"; $id; {$label}), name_join("app"; $id; $label),
      (if .settings.oauthClient?.application_type? == null then empty else name_join("client"; $id; $label) end)
  elif $shape | one_of("group-members", "built-in-members") then
    need("id") as $id | (._from.name | text) as $name
    | if $settings.identities and group_filter($name) then join("in_group"; $id; $name) else empty end
  elif $shape == "group-roles" then select(is_live) | first_join(role_id), join("risk"; ._from.group; role_high)
  elif $shape == "user-roles" then select(is_live and (.assignmentType | text) != "GROUP") | first_join(role_id)
  elif $shape == "client-roles" then select(is_live) | first_join(role_id)
  elif $shape == "app-grants" then select((.status | text // "ACTIVE") == "ACTIVE") | first_join("scope/\(need("scopeId"))")
  elif $shape == "api-tokens" then first_join("api-token")
  elif $shape == "app-groups" then join("app_group"; ._from.app; need("id"))
  elif $shape == "changes" then event_joins
  elif $shape == "sign-ins" then sign_in_joins
  else empty end;

# --- the row ------------------------------------------------------------------------------------------------

def records:
  (if $row == 1 then
     {type: "covers", systems: [$settings.system, $settings.app_systems[]],
      types: (if $settings.identities then ["identity"] else [] end)},
     (if $shape == "users" then {type: "system", id: $settings.system} else empty end)
   else empty end),
  (if $shape == "users" then user_records
   elif $shape == "groups" then group_records
   elif $shape | one_of("group-members", "built-in-members") then member_records
   elif $shape == "group-roles" then group_role_records
   elif $shape == "user-roles" then user_role_records
   elif $shape == "apps" then app_records
   elif $shape == "app-groups" then app_group_records
   elif $shape == "app-users" then app_user_records
   elif $shape == "app-grants" then app_grant_records
   elif $shape == "client-roles" then client_role_records
   elif $shape == "api-tokens" then token_records
   else empty end);

if $joined == null then joins else records end
