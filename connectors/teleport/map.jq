# An access request as `tctl` prints it, or one event of the audit log, in; a request out.
#
# Who asked and for what stands in `access_request.create`; who decided, in events that name the request by its id alone,
# or in the reviews of the request itself. So the engine runs this map twice: first with `$joined` null, when events file
# what they say under the id of their request, then with all of it, when the records come out.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def filled: select(. != null and . != "" and . != []);
def text($what): if type == "string" and . != "" then . else error("`\($what)` is missing: expected a text") end;
def texts($what):
  if . == null then [] elif type == "array" and all(.[]; type == "string") then . else error("`\($what)` is no list of texts") end;

# Go writes a time that is not set as the first of year 1.
def instant($what):
  if . == null or . == "" or (type == "string" and startswith("0001-01-01")) then null
  else . as $said | try cf_instant("auto"; null) catch error("`\($what)`: \(.)") end;
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: (. // "") | rtrimstr("Z");
def earliest: [.[] | select(. != null)] | min_by(order);

def place: "\($file)#\($row)";

# --- states -------------------------------------------------------------------------------------------------

# As a number in a resource, as a word in an event.
def word:
  if type == "number" then ["NONE", "PENDING", "APPROVED", "DENIED", "PROMOTED"][.] else . end
  | . as $word
  | if any("PENDING", "APPROVED", "DENIED", "PROMOTED"; . == $word) then $word
    elif . == null or . == "" or . == "NONE" then null
    else error("the state `\(.)` is not known: expected PENDING, APPROVED, DENIED or PROMOTED") end;
# A promoted request was granted, as a membership of an access list.
def state_of: {PENDING: "pending", APPROVED: "approved", PROMOTED: "approved", DENIED: "rejected"}[. // "PENDING"];
def decision_of: {APPROVED: "approved", PROMOTED: "approved", DENIED: "rejected"}[. // ""];

# --- people -------------------------------------------------------------------------------------------------

# `tctl` on the auth server acts as the host, whose name is a UUID and the cluster: which person typed is not known.
def is_host: cf_capture("^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\.") != null;
def person:
  . as $name
  | if $name == null or $name == "" or ($name | is_host)
      or any(($settings.automatic_reviewers // [])[]; . == $name) then null
    else $name end;

# The decisions of the events of one request, in the order they were made.
def decisions:
  [ .[]
    | (if .kind == "review" then .proposed elif .kind == "update" then .state else null end) as $word
    | ($word | decision_of) as $decision
    | select($decision != null)
    | {approver:
        (if .kind == "review" then .by
         elif $settings.plugin_decisions == "plugin" then .by
         else .delegator // .by end | person),
       decision: $decision, decided_at: .at} ];

# --- what is asked for --------------------------------------------------------------------------------------

# A resource is a part of the cluster: its scope is where it is.
def scope:
  if type != "object" then error("`resource_ids` holds something that is no resource")
  else [.cluster, .kind, .name, .sub_resource] | map(filled) | join("/") end;

def access($roles; $resources; $list; $word):
  if $word == "PROMOTED" then [ $list | filled | {system: $settings.system, entitlement: "access_list/\(.)"} ]
  else
    [ $roles[] as $role
      | if $resources == [] then {system: $settings.system, entitlement: $role}
        else $resources[] | {system: $settings.system, entitlement: $role, scope: .} end ]
  end;

def address: . as $id | $settings.proxy | filled
  | rtrimstr("/") | if cf_capture("^https?://") == null then "https://" + . else . end
  | "\(.)/web/requests/\($id | @uri)";

# --- events -------------------------------------------------------------------------------------------------

def kinds: {
  "access_request.create": "create", "access_request.update": "update", "access_request.review": "review",
  "access_request.delete": "delete", "access_request.expire": "expire" };

# What an event says of its request.
def event:
  kinds[.event // ""] as $kind
  | select($kind != null)
  | (.time | instant("time")) as $at
  | {kind: $kind, id: (.id | text("id")), at: ($at // error("`time` is missing: expected a time")),
     uid: (.uid // place), place: place, user, roles: (.roles | texts("roles")), state: (.state | word),
     proposed: (.proposed_state | word), by: (if $kind == "review" then .reviewer else .updated_by end), delegator,
     reason: (.reason | if . == "" then null else . end), expires: (.expires | instant("expires")), expiry: (.expiry | instant("expiry")),
     starts: (.assume_start_time | instant("assume_start_time")),
     resources: [.resource_ids // [] | if type == "array" then .[] else . end | scope],
     list: .promoted_access_list_name};

# All events of a request, each once, in the order they happened.
def story: . as $id | joined("event"; $id) | unique_by(.uid) | sort_by(.at | order);

# A request that is taken back before it is decided ends there; one that is deleted later can be used no longer.
def ending($word; $expires):
  [.[] | select(.kind == "delete" or .kind == "expire")][0] as $end
  | if $end == null then {expires_at: $expires}
    elif $word == null or $word == "PENDING" then {state: "cancelled", expires_at: $expires}
    else {expires_at: ([$expires, (if $end.kind == "expire" then $end.expiry else null end // $end.at)] | earliest)} end;

# Since when the state is what it is.
def decided:
  reduce (.[] | select(.state != null)) as $event ({word: "PENDING", at: null};
    if $event.state == .word then . else {word: $event.state, at: $event.at} end)
  | if .word == "PENDING" then null else .at end;

# From its events alone.
def told($created):
  . as $events
  | ([$events[] | .state | filled] | last) as $word
  | [$events[] | select(.kind == "update" and .state == "APPROVED" and .roles != []) | .roles] as $narrowed
  | {type: "request", id: $created.id, state: ($word | state_of), url: ([$created.id | address][0]),
     requester: ($created.user | text("user")), beneficiaries: [$created.user],
     access: access($narrowed | last // $created.roles; $created.resources; [$events[] | .list | filled] | last; $word),
     approvals: ($events | decisions), requested_at: $created.at,
     decided_at: ($events | decided),
     justification: $created.reason, workflow: $settings.workflow,
     valid_from: ([$events[] | .starts | filled] | last)}
    + ($events | ending($word; [$events[] | select(.kind != "expire") | .expires | filled] | last))
  # A membership of a list lasts longer than the request would have.
  | if $word == "PROMOTED" then del(.expires_at) else . end;

# --- the requests themselves --------------------------------------------------------------------------------

def request_id: .metadata.name? | text("metadata.name");

def reviews:
  [ .spec.reviews // [] | .[]
    | (.proposed_state | word) as $word
    | ($word | decision_of) as $decision
    | select($decision != null)
    | {approver: (.author | person), decision: $decision, decided_at: (.created | instant("reviews.created"))} ];

def whole:
  request_id as $id | .spec as $spec | ($spec.state | word) as $word
  | ($id | story) as $events
  # A review stands in the request; that the state was set without one, only in the log.
  | (reviews + ([$events[] | select(.kind == "update")] | decisions)) as $approvals
  | ($spec.expires | instant("spec.expires")) as $expires
  | {type: "request", id: $id, state: ($word | state_of), url: ([$id | address][0]),
     requester: ($spec.user | text("spec.user")), beneficiaries: [$spec.user],
     access: access($spec.roles | texts("spec.roles"); [$spec.resource_ids // [] | .[] | scope];
       $spec.access_list.name?; $word),
     approvals: $approvals, requested_at: ($spec.created | instant("spec.created")),
     decided_at: (if $word == null or $word == "PENDING" then null
       else [$approvals[] | .decided_at | filled] | max_by(order) end),
     justification: ($spec.request_reason | if . == "" then null else . end), workflow: $settings.workflow,
     valid_from: ($spec.assume_start_time | instant("spec.assume_start_time"))}
    + ($events | ending($word; $expires))
  | if $word == "PROMOTED" then del(.expires_at) else . end;

# --- use ----------------------------------------------------------------------------------------------------

# Who logged in or was given a certificate, and when.
def use:
  select($settings.usage)
  | if .event == "user.login" and .success == true then .user
    elif .event == "cert.create" and .cert_type == "user" then .identity.user?
    else empty end
  | strings | filled;
# To the second, so that times sort as texts.
def moment: (.time | instant("time") | .[0:19] + "Z") + " " + place;

# --- the row ------------------------------------------------------------------------------------------------

def joins:
  if $shape | startswith("request") then
    if .kind == "access_request" then join("resource"; request_id; true) else empty end
  else
    (event | join("event"; .id; .)),
    (. as $row_ | use | {type: "join", table: "use", key: ., value: ($row_ | moment), keep: "latest"})
  end;

def records:
  if $shape | startswith("request") then
    if .kind != "access_request" then error("a resource of kind `\(.kind)`: expected access_request")
    elif .spec.dry_run? == true then empty
    else whole end
  else
    (select($row == 1) | {type: "covers", types: (if $settings.usage then ["usage"] else [] end)}),
    (select($row == 1 and $shape == "event-search")
      | if ($head.startKey? // "") == "" then {type: "seen", key: "last page"}
        else {type: "incomplete", unless: "last page", reason:
          "no page of the search of the audit log is the last: fetch the next one with the startKey of the one before"} end),
    (event | . as $event | ($event.id | story) as $story
      | select(joined("resource"; $event.id) == [])
      | [$story[] | select(.kind == "create")][0] as $created
      | if $created == null then
          {type: "incomplete", reason:
            "the files hold decisions on requests, and not who made these (access_request.create): export the audit log from further back"}
        elif $event.place == $created.place then $story | told($created)
        else empty end),
    (. as $row_ | use as $user
      | ($row_ | moment) as $moment
      | select(joined("use"; $user)[0] == $moment)
      | {type: "usage", system: $settings.system, account: $user, last_used_at: ($moment | split(" ")[0]),
         tracked_since: $settings.events_since, attribution: "account", success: "yes"})
  end;

if type != "object" then error("a row of type \(type): expected an access request or an event of the audit log")
elif $joined == null then joins
else records end
