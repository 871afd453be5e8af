# One row of one step in, records out; `$shape` is the step.
#
# The map runs twice. In the first run (`$joined` null) rows file what others need: who is on a team, what a team
# reaches, which event came when (`joins`). In the second they become records and edges (`records`): grants are direct,
# and an edge says that whoever holds the one thing holds the other as well. The rest is worked out by the engine.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] else empty end;
def instant: if . == null or . == "" then null else cf_instant("auto"; null) end;
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;

# What the row must say, as text.
def need($field):
  getpath($field | split("/")) as $value
  | if ($value | type) == "string" and $value != "" then $value
    elif ($value | type) == "number" then $value | tostring
    else error("\($shape): a row without `\($field)`") end;
def known($field): getpath($field | split("/"))? | if type == "string" and . != "" then . elif type == "number" then tostring else null end;

# GitHub takes names in any case, and gives them back as they were written.
def key: ascii_downcase;

# --- names --------------------------------------------------------------------------------------------------

def system: $settings.system // "github-\($settings.organisation)";
def repository_scope($full; $short): if $settings.repository_names == "short" then $short else $full end;
def here($record): {system: system} + $record;

def is_high: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
def entitlement($id; $more):
  here({type: "entitlement", id: $id, risk: (if $more.high or ($id | is_high) then "high" else "normal" end)})
  + ($more | del(.high));
# Whoever holds the one thing holds the other as well; `$terms` is since when, by whose doing and how that is known.
def includes($holds; $gives; $scope; $terms):
  here({type: "includes", entitlement: $holds, gives: {entitlement: $gives, scope: $scope}})
  + ($terms | del(.granted_event));
def since_state: if . == null then {} else {granted_at: ., granted_at_basis: "state"} end;

# The role somebody has in a repository: by name, or as the older interface says it.
def role:
  if known("role_name") != null then known("role_name")
  elif .permissions.admin? == true then "admin"
  elif .permissions.maintain? == true then "maintain"
  elif .permissions.push? == true then "write"
  elif .permissions.triage? == true then "triage"
  elif .permissions.pull? == true then "read"
  else error("\($shape): `\(known("login") // known("full_name") // "?")` has neither `role_name` nor `permissions`") end;
# What a list of roles calls by the older words.
def plain_role: {pull: "read", push: "write"}[.] // .;

# --- events -------------------------------------------------------------------------------------------------

# What an event is about. Teams stand in events as `organisation/team`.
def team_of_event: .team // "" | split("/") | last // "" | key;
def subject:
  (.action // "") as $action
  | if $action | startswith("org.") then "org/\(.user // "" | key)"
    elif $action | one_of("team.add_repository", "team.update_repository_permission", "team.remove_repository") then
      "reach/\(team_of_event)/\(.repo // "" | key)"
    elif $action == "team.change_parent_team" then "parent/\(team_of_event)"
    elif $action | startswith("team.") then "team/\(team_of_event)/\(.user // "" | key)"
    elif $action | startswith("repo.") then "repository/\(.repo // "" | key)/\(.user // "" | key)"
    else null end;

def events($subject): joined("event"; $subject) | sort_by((.at | order), .id);
# The event something has been held since: the first of the last unbroken run of `start` after any `stop`.
def held_since(start; stop):
  reduce .[] as $event (null;
    if $event | stop then null
    elif $event | start then (. // $event)
    else . end);
# What was changed into what it is now is held since then.
def changed_at(start; stop):
  reduce .[] as $event (null;
    if $event | stop then null
    elif $event | start then $event
    else . end);
def provisioned: if . == null then {}
  else {granted_at: .at, granted_by: .by, granted_at_basis: "event", granted_event: .id} end;

# --- what is filed in the first run -------------------------------------------------------------------------

def permission_ids:
  def levels: if type == "object" then to_entries[] | select(.value | one_of("read", "write", "admin")) else empty end;
  def of_organisation: if one_of("members") or startswith("organization_") then . else "organization_\(.)" end;
  if $shape == "token" then
    (.permissions.organization? | levels | {id: "permission/\(.key | of_organisation):\(.value)", repositories: false}),
    (.permissions.repository? | levels | {id: "permission/\(.key):\(.value)", repositories: true}),
    (.permissions.other? | levels | {id: "permission/\(.key):\(.value)", repositories: false})
  else
    .permissions | levels
    | {id: "permission/\(.key):\(.value)",
       repositories: (.key | one_of("members") or startswith("organization_") | not)}
  end;
def credential_id: if $shape == "token" then "token/\(need("token_id"))" else "installation/\(need("app_slug"))" end;

def joins:
  if $shape == "organisation" then join("organisation"; ""; true)
  elif $shape == "owner" then join("owner"; need("login") | key; true)
  elif $shape == "outside-collaborator" then join("outside"; need("login") | key; true)
  elif $shape == "team" then
    known("parent/slug") as $parent | select($parent != null) | join("child"; $parent; need("slug"))
  elif $shape == "team-member" then
    need("_from/team") as $team | (need("login") | key) as $login
    | join("on_team"; "\($team)/\($login)"; true), join("teams_of"; $login; $team)
  elif $shape == "team-repository" then
    need("_from/team") as $team | need("full_name") as $repository
    | role as $role | join("reach"; $team; $role), join("team_role"; "\($team) \($repository)"; $role)
  elif $shape | one_of("token", "installation") then
    credential_id as $me | permission_ids | join("first"; .id; $me)
  elif $shape == "audit-log" then
    subject as $subject
    | select($subject != null)
    | join("event"; $subject;
        {at: (.["@timestamp"] // .created_at | instant), id: known("_document_id"), action, by: known("actor"),
         to: known("permission")})
  else empty end;

# --- people -------------------------------------------------------------------------------------------------

def account: {account: need("login"), native_id: known("id")};

def owner_records:
  (need("login") | key) as $login
  | (if $row == 1 and joined("organisation"; "") == [] then
       {type: "incomplete", reason: "GitHub said nothing of the organisation itself: what its members may do in every repository is not known"}
     else empty end),
    (here({type: "grant", entitlement: "owner"}) + account
    + (events("org/\($login)")
       | changed_at((.action | one_of("org.update_member", "org.add_member")) and .to == "admin";
           .action == "org.remove_member" or (.action == "org.update_member" and .to != "admin"))
       | provisioned));
def member_records:
  (need("login") | key) as $login
  | here({type: "grant", entitlement: "member"}) + account
    + (events("org/\($login)") | held_since(.action == "org.add_member"; .action == "org.remove_member") | provisioned);

# An invitation is taken up by whoever got it, without anybody deciding again.
def invited($entitlement; $account; $scope):
  here({type: "grant", account: $account, entitlement: $entitlement, scope: $scope, mode: "eligible",
    native_id: "invitation/\(need("id"))", granted_at: (.created_at | instant), granted_at_basis: "state",
    granted_by: known("inviter/login")});
def invitation_records:
  select(.failed_at == null)
  | (known("login") // known("email")) as $account
  | (need("role") | {admin: "owner", direct_member: "member"}[.] // .) as $entitlement
  | if $account == null then {type: "incomplete", reason: "an invitation to the organisation names nobody"}
    else invited($entitlement; $account; null) end;
def repository_invitation_records:
  repository_scope(need("_from/repository"); need("_from/name")) as $scope
  | select(.expired != true)
  | known("invitee/login") as $account
  | if $account == null then {type: "incomplete", reason: "an invitation to the repository `\($scope)` names nobody"}
    else invited(need("permissions") | plain_role; $account; $scope) end;

# --- teams --------------------------------------------------------------------------------------------------

def team_records:
  need("slug") as $slug | known("parent/slug") as $parent
  | entitlement("team/\($slug)";
      {native_id: known("id"), aliases: ["\($settings.organisation)/\($slug)"],
       high: any(joined("reach"; $slug)[]; is_high)}),
    entitlement("team/\($slug)/maintainer"; {high: any(joined("reach"; $slug)[]; is_high)}),
    includes("team/\($slug)/maintainer"; "team/\($slug)"; null; {}),
    # Who is on a team below reaches what this one above reaches.
    (if $parent == null then empty
     else includes("team/\($slug)"; "team/\($parent)"; null;
       events("parent/\($slug | key)") | changed_at(true; false) | provisioned) end);

# A team lists who is on the teams below it as well. Newer servers say so of each; of the others it is known by the
# lists of those teams.
def from_below($team; $login):
  if (.inherited | type) == "boolean" then .inherited
  else any(joined("child"; $team)[]; joined("on_team"; "\(.)/\($login)") != []) end;

def team_member_records:
  need("_from/team") as $team | (need("login") | key) as $login
  | select(from_below($team; $login) | not)
  | events("team/\($team | key)/\($login)") as $events
  # An owner is a maintainer of every team, by being one.
  | if .role == "maintainer" and joined("owner"; $login) == [] then
      here({type: "grant", entitlement: "team/\($team)/maintainer"}) + account
      + ($events | held_since(.action == "team.promote_maintainer";
          .action | one_of("team.demote_maintainer", "team.remove_member")) | provisioned)
    else
      here({type: "grant", entitlement: "team/\($team)"}) + account
      + ($events | held_since(.action == "team.add_member"; .action == "team.remove_member") | provisioned)
    end;

def team_repository_records:
  need("_from/team") as $team | need("full_name") as $repository
  | includes("team/\($team)"; role; repository_scope($repository; need("name"));
      events("reach/\($team | key)/\($repository | key)")
      | changed_at(.action != "team.remove_repository"; .action == "team.remove_repository") | provisioned);

# --- roles --------------------------------------------------------------------------------------------------

def roles: ["read", "triage", "write", "maintain", "admin"];
def organisation_records:
  known("default_repository_permission") as $base
  | {type: "system", id: system, native_id: known("id"),
     aliases: ([$settings.organisation, "github.com/\($settings.organisation)"] - [system])},
    entitlement("owner", "member"; {}),
    (roles as $roles | range($roles | length)
      | entitlement($roles[.]; {includes: (if . == 0 then [] else [{entitlement: $roles[. - 1]}] end)})),
    includes("owner"; "admin"; null; {}),
    (if $base == null then
       {type: "incomplete", reason:
         "the organisation does not say what its members may do in every repository (`default_repository_permission`): this takes Administration (organization, read)"}
     elif $base == "none" then empty
     else includes("member"; $base | plain_role; null; {}) end);

def organisation_role_records:
  "organisation-role/\(need("name"))" as $id | known("base_role") as $base
  | entitlement($id;
      {native_id: known("id"), aliases: [need("name")], permissions: [.permissions | items],
       high: ($base != null and ($base | is_high))}),
    (if $base == null then empty else includes($id; $base; null; {}) end);
# Who has it through a team has it by the edge of that team.
def organisation_role_user_records:
  select(.assignment != "indirect")
  | here({type: "grant", entitlement: "organisation-role/\(need("_from/role"))"}) + account;
def organisation_role_team_records:
  select(.assignment != "indirect")
  | includes("team/\(need("slug"))"; "organisation-role/\(need("_from/role"))"; null; {});
def repository_role_records:
  known("base_role") as $base
  | entitlement(need("name");
      {native_id: known("id"), permissions: [.permissions | items],
       includes: (if $base == null then null else [{entitlement: $base}] end)});

# --- repositories -------------------------------------------------------------------------------------------

# GitHub tells the highest role that somebody has from anywhere, and not which one was given here.
def elsewhere($login; $repository; $role):
  [ (if joined("owner"; $login) != [] and $role == "admin" then "owner" else empty end),
    (joined("teams_of"; $login)[] | select(joined("team_role"; "\(.) \($repository)")[0] == $role) | "team/\(.)") ]
  | unique;
def collaborator_records:
  need("_from/repository") as $repository | (need("login") | key) as $login | role as $role
  | elsewhere($login; $repository; $role) as $sources
  | here({type: "grant", entitlement: $role, scope: repository_scope($repository; need("_from/name")),
      outside: (if joined("outside"; $login) != [] then true else null end),
      role_also_from: (if $sources == [] then null else $sources end)}) + account
    + (events("repository/\($repository | key)/\($login)")
       | changed_at(.action | one_of("repo.add_member", "repo.update_member"); .action == "repo.remove_member")
       | provisioned);

def deploy_key_records:
  "deploy-key/\(need("id"))" as $account | known("added_by") as $by | (.created_at | instant) as $created
  | (if .read_only == true then "read" elif .read_only == false then "write"
     else error("deploy-key: the key `\(need("id"))` does not say whether it is `read_only`") end) as $role
  | here({type: "grant", account: $account, entitlement: $role, native_id: need("id"), title: known("title"),
      scope: repository_scope(need("_from/repository"); need("_from/name")),
      enabled: (if .enabled == false then false else null end),
      granted_at: $created, granted_at_basis: (if $created == null then null else "state" end), granted_by: $by}
      # A key that was never used says null; a server that does not know says nothing.
      + (if has("last_used") then
           {last_used_at: (.last_used | instant), usage_tracked_since: $created, use_attribution: "credential"}
         else {} end)),
    (if $settings.emit_identities then
       {type: "identity", id: "\(system)/\($account)", kind: "service", name: known("title"), owner: $by,
        accounts: [{system: system, account: $account}]}
     else empty end);

# --- what acts without a person -----------------------------------------------------------------------------

# A permission that is of high risk is said to be so once.
def high_permissions($me):
  [permission_ids.id] | unique[] | select(is_high and joined("first"; .)[0] == $me) | entitlement(.; {});

def installation_records:
  credential_id as $me | need("app_slug") as $slug | "app/\($slug)" as $account
  | (.created_at | instant) as $created | (.created_at == .updated_at) as $unchanged
  # Which repositories were selected GitHub tells the app alone.
  | (if .repository_selection == "all" then null else "selected-repositories" end) as $selected
  | here({type: "grant", account: $account, entitlement: $me, native_id: known("id"), granted_at: $created,
      granted_at_basis: (if $created == null then null else "state" end), suspended_at: (.suspended_at | instant)}),
    entitlement($me; {native_id: known("app_id"), high: any(permission_ids; .id | is_high)}),
    high_permissions($me),
    # One that is suspended reaches nothing until it is let go on. What was changed since it came is not known by date.
    (if .suspended_at != null then empty
     else permission_ids
       | includes($me; .id; (if .repositories then $selected else null end);
           (if $unchanged then $created | since_state else {} end)) end),
    (if $settings.emit_identities then
       {type: "identity", id: "\(system)/\($account)", kind: "service", name: $slug,
        accounts: [{system: system, account: $account}]}
     else empty end);

def token_records:
  select(.token_expired != true)
  | credential_id as $me | need("owner/login") as $login | (.access_granted_at | instant) as $granted
  | (.token_expires_at | instant) as $expires | ($granted | since_state) as $since
  | here({type: "grant", account: $login, entitlement: $me, native_id: need("id"), granted_at: $granted,
      granted_at_basis: (if $granted == null then null else "state" end), expires_at: $expires,
      last_used_at: (.token_last_used_at | instant), use_attribution: "credential"}
      + (if has("token_last_used_at") then {usage_tracked_since: $granted} else {} end)),
    entitlement($me; {aliases: ["token/\($login)/\(need("token_name"))"], high: any(permission_ids; .id | is_high)}),
    high_permissions($me),
    (. as $token | permission_ids as $permission
      | if $permission.repositories | not then includes($me; $permission.id; null; $since)
        elif $token.repository_selection == "all" then includes($me; $permission.id; null; $since)
        else $token.repositories | items
          | includes($me; $permission.id; repository_scope(need("full_name"); need("name")); $since) end);

def credential_records:
  "credential/\(need("credential_id"))" as $me | (.credential_authorized_at | instant) as $granted
  | here({type: "grant", account: need("login"), entitlement: $me, native_id: need("credential_id"),
      credential_type: known("credential_type"),
      title: (known("authorized_credential_title") // known("authorized_credential_note")),
      granted_at: $granted, granted_at_basis: (if $granted == null then null else "state" end),
      expires_at: (.authorized_credential_expires_at | instant),
      last_used_at: (.credential_accessed_at | instant), use_attribution: "credential"}
      + (if has("credential_accessed_at") then {usage_tracked_since: $granted} else {} end)),
    (.scopes | items | strings | includes($me; "scope/\(.)"; null; $granted | since_state));

# --- the row ------------------------------------------------------------------------------------------------

def records:
  if $shape == "organisation" then organisation_records
  elif $shape == "owner" then owner_records
  elif $shape == "member" then member_records
  elif $shape == "invitation" then invitation_records
  elif $shape == "team" then team_records
  elif $shape == "team-member" then team_member_records
  elif $shape == "team-repository" then team_repository_records
  elif $shape == "organisation-role" then organisation_role_records
  elif $shape == "organisation-role-user" then organisation_role_user_records
  elif $shape == "organisation-role-team" then organisation_role_team_records
  elif $shape == "repository-role" then repository_role_records
  elif $shape == "collaborator" then collaborator_records
  elif $shape == "repository-invitation" then repository_invitation_records
  elif $shape == "deploy-key" then deploy_key_records
  elif $shape == "installation" then installation_records
  elif $shape == "token" then token_records
  elif $shape == "credential" then credential_records
  else empty end;

if type != "object" then error("\($shape): a row of type \(type): expected an object")
elif $joined == null then joins
else records end
