# One policy, resource, activity or log entry in, records out; `$shape` says which.
#
# The map runs twice. In the first run (`$joined` null) rows file what others need: which project a number stands for, what
# lies in what, which events changed a policy (`joins`). In the second, policies become grants (`records`).

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] else empty end;
def texts: items | strings | select(. != "");
def instant: if . == null or . == "" then null else cf_instant("auto"; null) end;
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def latest: [.[] | select(. != null)] | max_by(order);

def known($field): getpath($field | split("/"))? | if type == "string" and . != "" then . else null end;
def need($field): known($field) // error("\($shape): a row without `\($field)`");

def kind: if $shape | one_of("asset", "asset-snake") then "policy" elif $shape == "key-activity" then "activity"
  elif $shape == "project-audit-log" then "audit-log" else $shape end;

# --- resources and scopes -----------------------------------------------------------------------------------

# The name of a resource without the service before it.
def relative: cf_capture("^//[^/]+/(?P<rest>.+)$").rest // .;
def container: cf_capture("^//cloudresourcemanager\\.googleapis\\.com/(?P<name>(?:organizations|folders|projects)/[^/]+)$").name;
def is_number: matches("^projects/[0-9]+$");

# A policy, however it was written: what it is on, its bindings, and what lies above it, nearest first where `ordered`.
def policy:
  if $shape == "policy" then
    {resource: need("resource"), bindings: [.policy?.bindings? | items], project: known("project"),
     above: [known("project"), (.folders | texts), known("organization") | select(. != null)], ordered: ([.folders | items] | length <= 1)}
  else
    {resource: need("name"), bindings: [.iamPolicy?.bindings?, .iam_policy?.bindings? | items], above: [.ancestors | texts],
     project: (first(.ancestors | texts | select(startswith("projects/"))) // null), ordered: true}
  end;

# A project by its id, where some row tells the id of its number.
def project_name: if is_number then joined("id"; .)[0] // . else . end;

# What is above a container, from the top, by the parents that resources tell.
def way_up($seen):
  . as $name | joined("parent"; $name)[0] as $parent
  | if $parent == null or any($seen[]; . == $parent) then [] else ($parent | way_up($seen + [$parent])) + [$parent] end;
def way_up: way_up([.]);

# The project or other container that a resource is in, and the rest of its name.
def placed:
  (.resource | container) as $container | (.resource | relative) as $name
  | ($name | cf_capture("^(?P<project>projects/[^/_-][^/]*)/(?P<rest>.+)$")) as $own
  | if $container != null then {container: ($container | project_name), rest: null}
    else
      {container: (if $own != null and ($own.project | is_number | not) then $own.project
         else .project // $own.project // .above[0] // null | if . == null then null else project_name end end),
       rest: (if $own != null then $own.rest
         elif .resource | startswith("//storage.googleapis.com/") then "buckets/\($name)" else $name end)}
    end;

def above($place):
  if $place.container == null then []
  else ($place.container | way_up) as $told
  | if $told != [] then $told
    elif .ordered then [.above | reverse[] | project_name | select(. != $place.container)]
    else error("\($shape): `\(.resource)` lies in several folders, and which of them lies in which is not told: add the answer of search-all-resources, or leave out `scope_names`") end
  end;
def scope($place):
  (if $settings.scope_names == "path" then above($place) else [] end) + [$place | .container, .rest | select(. != null)]
  | if . == [] then null else join("/") end;

# --- bindings -----------------------------------------------------------------------------------------------

def member_account:
  if $settings.account_types then .
  else cf_capture("^(?:user|serviceAccount):(?P<mail>[^:?]+)$").mail // . end;
def is_service: matches("^serviceAccount:[^?]+$");

# Only a condition that is nothing but an end is an end; every other one is kept as it is, and not judged.
def ends_at: cf_capture("^\\s*request\\.time\\s*<\\s*timestamp\\(\\s*[\"'](?P<at>[^\"']+)[\"']\\s*\\)\\s*$").at
  | if . == null then null else try instant catch null end;

# Everything one account has of one role on one resource, with the conditions it has it under.
def holdings:
  [ .bindings[] | objects | (.role // error("\($shape): a binding without `role`")) as $role | .condition as $condition
    | .members | texts | {role: $role, member: ., condition: (if ($condition | type) == "object" then $condition else null end)} ]
  | map(select($settings.convenience_members or (.member | matches("^project(Owner|Editor|Viewer):") | not)))
  | group_by([.member, .role])
  | map({member: .[0].member, role: .[0].role,
         conditions: (if any(.[]; .condition == null) then [] else [.[].condition] | unique end)});

def terms:
  if .conditions == [] then {}
  else [.conditions[] | (.expression // "") | strings | ends_at] as $ends
    | if all($ends[]; . != null) and ($ends | length) == (.conditions | length) then {expires_at: ($ends | latest)}
      else {conditional: [.conditions[] | {title, description, expression} | with_entries(select(.value != null))]} end
  end;

# --- events -------------------------------------------------------------------------------------------------

# The ways in which logs may name a resource: as the inventory does, with the number or the id of its project, and buckets in
# a way of their own.
def logged_as($policy; $place):
  ($policy.resource | relative) as $name
  | [ $name,
      (if $policy.resource | startswith("//storage.googleapis.com/") then "projects/_/buckets/\($name)" else empty end),
      (($place.container // empty), (joined("number"; $place.container // "")[0] // empty) | if $place.rest == null then . else "\(.)/\($place.rest)" end) ]
  | unique;

def held_since($names; $conditions):
  .member as $member | .role as $role
  | [ $names[] | joined("event"; "\(.) \($role) \($member)")[] | .condition as $condition
      | select(($condition == null and $conditions == []) or any($conditions[]; .expression == $condition)) ]
  | sort_by((.at | order), (if .action == "REMOVE" then 0 else 1 end), .id)
  | reduce .[] as $event (null; if $event.action == "REMOVE" then null else . // $event end)
  | if . == null then {} else {granted_at: .at, granted_by: .by, granted_at_basis: "event", granted_event: .id} end;

# --- what is filed in the first run -------------------------------------------------------------------------

# A project by its number and its id, and where it lies: the folders and the organisation above it, and the whole way where
# that is told in order.
def project_joins($number; $id; $above; $ordered):
  (if $number == null or $id == null then empty else join("id"; $number; $id), join("number"; $id; $number) end),
  ($id // $number | strings) as $project
  | [$above[] | select(startswith("projects/") | not)] as $above
  | $above[] | join("below"; .; {project: $project, path: (if $ordered then [($above | reverse[]), $project] | join("/") else null end)});

def named: if is_number then null else . end;
def joins:
  if kind == "policy" then
    policy as $policy | ($policy.resource | container) as $container
    | join("first"; ""; $policy.resource),
      ($policy.bindings[] | objects | (.role | strings | join("first"; "role \(.)"; $policy.resource)),
        (.members | texts | select(is_service) | join("first"; "member \(.)"; $policy.resource))),
      (if $shape != "policy" and ($container // "" | startswith("projects/")) then
         project_joins($policy.project; $container | named; $policy.above; true)
       else empty end)
  elif $shape == "resource" then
    (need("name") | container) as $name
    | select($name != null)
    | (known("parentFullResourceName") // "" | container) as $parent
    | if $name | startswith("projects/") then
        (known("project") // ($name | if is_number then . else null end)) as $number
        | (known("additionalAttributes/projectId") | if . == null then $name | named else "projects/\(.)" end) as $id
        | project_joins($number; $id; [(.folders | texts), (known("organization") | strings)]; false),
          (if $parent == null then empty else [$id, $number, $name | strings] | unique[] | join("parent"; .; $parent) end)
      elif $parent == null then empty
      else join("parent"; $name; $parent) end
  elif kind == "audit-log" then
    select((.protoPayload.status?.code? // 0) == 0)
    | known("protoPayload/resourceName") as $resource | (.timestamp | instant) as $at
    | select($resource != null and $at != null)
    | known("insertId") as $id | known("protoPayload/authenticationInfo/principalEmail") as $by
    | .protoPayload.serviceData?.policyDelta?.bindingDeltas? | items | objects
    | select((.action | one_of("ADD", "REMOVE")) and (.role | type) == "string" and (.member | type) == "string")
    | join("event"; "\($resource | relative) \(.role) \(.member)";
        {at: $at, by: $by, id: $id, action, condition: (.condition?.expression? // null)})
  else empty end;

# --- records ------------------------------------------------------------------------------------------------

def is_high: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
# The basic roles hold each other.
def basic: {"roles/owner": "roles/editor", "roles/editor": "roles/viewer"}[.];
def role_record:
  . as $role
  | {type: "entitlement", system: $settings.system, id: $role,
     aliases: (if startswith("roles/") then [ltrimstr("roles/")] else [] end),
     includes: (if basic == null then null else [{entitlement: basic}] end), risk: (if is_high then "high" else "normal" end)};

def policy_records:
  policy as $policy | ($policy | placed) as $place | ($policy | scope($place)) as $scope
  | logged_as($policy; $place) as $names
  | def first_here($key): joined("first"; $key)[0] == $policy.resource;
    (if first_here("") then {type: "system", id: $settings.system} else empty end),
    ([$policy.bindings[] | objects | .role | strings] | unique[] | select(first_here("role \(.)")) | role_record),
    # A role on a folder or organisation is one on each project below it.
    ([ if $settings.inherited and ($place.container // "projects/" | startswith("projects/") | not) and $place.rest == null then
         joined("below"; $place.container)[] | .path // (.project | [way_up[], .] | join("/"))
       else empty end ] | unique) as $below
    | ($policy | holdings)[] | . as $held
    | ({type: "grant", system: $settings.system, account: (.member | member_account), entitlement: .role, scope: $scope,
        native_id: $policy.resource} + terms + held_since($names; .conditions)) as $grant
    | $grant,
      ($below[] | $grant + {scope: ., path: [{entitlement: $held.role}]}),
      (if $settings.emit_identities and (.member | is_service) and first_here("member \(.member)") then
         {type: "identity", id: (.member | ltrimstr("serviceAccount:")), kind: "service",
          accounts: [{system: $settings.system, account: $grant.account}]}
       else empty end);

# When a service account, or one of its keys, last authenticated. Nothing in the time that was looked at is not used since.
def activity_records:
  (.activity // {}) as $activity
  | (known("fullResourceName") // "") as $resource
  | ($resource | cf_capture("/serviceAccounts/(?P<mail>[^/]+@[^/]+)").mail
     // ($activity.serviceAccount?.fullResourceName? // $activity.serviceAccountKey?.fullResourceName? // "" | strings | cf_capture("/serviceAccounts/(?P<mail>[^/]+@[^/]+)").mail)) as $mail
  | ($activity.lastAuthenticatedTime? | instant) as $last
  | (.observationPeriod?.startTime? | instant) as $since
  | ((.activityType // "") | startswith("serviceAccountKey")) as $key
  | if $mail == null then error("\($shape): an activity of no service account that is named by its mail address: `\($resource[:80])`")
    else
      select($last != null or ($since != null and ($key | not)))
      | {type: "usage", system: $settings.system, account: ("serviceAccount:\($mail)" | member_account), native_id: $resource,
         last_used_at: $last, tracked_since: (if $key then null else $since end),
         attribution: (if $key then "credential" else "account" end), success: (if $last == null then null else "yes" end)}
    end;

def records:
  if kind == "policy" then policy_records
  elif kind == "activity" then
    (if $row == 1 and joined("first"; "") == [] then {type: "incomplete", reason: "no policies are among what was read"} else empty end), activity_records
  elif kind == "audit-log" then
    select($row == 1 and joined("first"; "") == []) | {type: "incomplete", reason: "an audit log alone: events explain grants, and no policies are among what was read"}
  else empty end;

if type != "object" then error("\($shape): a row of type \(type): expected an object")
elif $settings.inherited and $settings.scope_names != "path" then
  error("setting `inherited` needs `scope_names = \"path\"`: a ticket for a folder could not cover what is inherited from it")
elif $joined == null then joins
else records end
