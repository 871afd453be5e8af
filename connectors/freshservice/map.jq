# A service request with its requested items and approvals in; requests out: one for the whole ticket, or several where its items
# go to different people or end at different times (a request gives everything it names to everybody it names).
#
# The engine runs this twice. First with `$joined` null: requesters and agents say who is behind a number. Then with
# `$joined.person[NUMBER]`: now the records come out.
#
# Reading order: small things, people, times, fields, what is asked for, who decided, the requests.

# --- small things -------------------------------------------------------------------------------------------

def lst: if . == null then [] elif type == "array" then . else [.] end;
def fits($pattern): cf_capture($pattern) != null;
def compact: with_entries(select(.value != null and .value != []));
# What is there, or null where the way leads through something else.
def opt(f): first((f)?, null);
def known:
  if type == "string" then trim | if . == "" then null else . end
  elif type == "number" then (if . == floor then floor else . end) | tostring
  elif type == "boolean" then tostring
  else null end;
def same($a; $b): ($a | cf_norm) == ($b | cf_norm);
def among($list): . as $this | any($list | lst | .[]; same(.; $this));
def looked_up($map): . as $this | if $map == null then null else first($map | to_entries[] | select(same(.key; $this)) | .value) // null end;
def order: if . == null then "" else rtrimstr("Z") end;
def each_once: reduce .[] as $one ([]; if index([$one]) == null then . + [$one] else . end);

# What the row must say.
def need($field): opt(.[$field]) | known // error("\($shape): a row without `\($field)`");

# --- people -------------------------------------------------------------------------------------------------

# Who is behind a number, by the first identifier known, in the order of the setting `user_id`.
def chosen: . as $ids | first($settings.user_id[] as $key | $ids[$key] | select(. != null)) // null;
def found: known as $id | if $id == null then null else $joined.person[$id] | lst | last end;
def person($id; $name):
  ($id | found) as $found
  | {email: $found.email, external_id: $found.external_id, id: ($id | known), name: ($found.name // ($name | known))} | chosen;

def user_name: [(opt(.first_name) | known), (opt(.last_name) | known)] | map(select(. != null)) | join(" ") | known;
def user:
  {id: need("id"), email: ((opt(.primary_email) // opt(.email)) | known), external_id: (opt(.external_id) | known), name: user_name};

def identity:
  user as $ids
  | ($ids | chosen) as $chosen
  | {type: "identity", id: $chosen, name: $ids.name, native_id: $ids.id,
     aliases: ([$ids.email, $ids.external_id, $ids.id, (opt(.secondary_emails) | lst | .[] | known)] | map(select(. != null and . != $chosen)) | each_once),
     status: (if opt(.active) == true then "active" elif opt(.active) == false then "disabled" else null end),
     manager: (if opt(.reporting_manager_id) == null then null else person(.reporting_manager_id; null) end)}
  | select(.id != null) | compact;

# People of one value of a field: a number, an object with one, a text. A text may list several, one a line, behind `;`, or mail
# addresses behind commas.
def people:
  if type == "array" then .[] | people
  elif type == "object" then person(opt(.id); opt(.name) // opt(.value)) | select(. != null)
  elif type == "number" then person(.; null) | select(. != null)
  elif type == "string" then
    [split("\n")[] | split(";")[] | known | select(. != null)
      | split(",") as $parts | if all($parts[]; contains("@")) then $parts[] else . end]
    | .[] | known | select(. != null)
    | if found != null then person(.; null) else . end
  else empty end;

# --- times --------------------------------------------------------------------------------------------------

def instant($place): if . == null or . == "" then null else try cf_instant("auto"; null) catch error("\($place): \(.)") end;
def when($place):
  if known == null then null
  else try cf_instant($settings.date_formats // "auto"; $settings.time_zone; $settings.date_order) catch error("\($place): \(.)") end;
# Does the text name a day rather than a moment?
def is_day: fits("^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T") or fits("[0-9]:[0-9]{2}") | not;
def a_day_later: fromdateiso8601 + 86400 | todateiso8601;
# A day that is the end belongs to what it ends: until the next midnight of the zone, which may be 23 hours on.
def until($place):
  if known == null then null
  elif $settings.last_day == "included" and is_day then
    if fits("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then
      when($place) as $start | (. + "T00:00:00Z" | try a_day_later catch null) as $next
      | if $next == null then $start else $next[:10] | when($place) end
    else when($place) | a_day_later end
  else when($place) end;

# --- fields -------------------------------------------------------------------------------------------------

# One value of a field as texts: options, lists, objects that stand for something.
def words:
  if . == null then empty
  elif type == "array" then .[] | words
  elif type == "object" then (opt(.value) // opt(.name) // opt(.display_name) // opt(.id)) | words
  else known | select(. != null) end;

def field_settings: "beneficiary", "access", "system", "entitlement", "scope", "valid_from", "expires_at", "ttl", "review_by", "policy",
  "justification", "intent", "emergency";

# The values of the fields that the settings name: of the requested item, else of the ticket.
def fields($item):
  . as $ticket
  | def values_of($name):
      [ ($item | opt(.custom_fields)), ($ticket | opt(.custom_fields)), $ticket | objects | to_entries[] | select(same(.key; $name)) | .value
        | select(any(words; true)) ] | .[:1];
    reduce field_settings as $key ({}; .[$key] = (first($settings[$key + "_field"] | lst | .[] | values_of(.) | select(. != [])) // []));

# --- what is asked for --------------------------------------------------------------------------------------

# "system: entitlement @ scope" as an item of access.
def as_item($place):
  . as $text | opt(cf_capture($settings.access_pattern))
  | if . == null then error("\($place): `\($text[:80])` does not fit the pattern of the setting `access_pattern`")
    else {system: (.system | known), entitlement: (.entitlement | known), scope: (.scope | known)} end;

# Pairs systems, entitlements and scopes of separate fields. Several of each is no statement about what goes with what.
def paired($systems; $entitlements; $scopes):
  ($entitlements | length) as $n
  | if ($systems | length) == 0 then {items: [], reason: "entitlements are named, but no system"}
    elif ($systems | length) > 1 and ($systems | length) != $n then {items: [], reason: "\($systems | length) systems and \($n) entitlements: which goes with which is not said"}
    elif ($scopes | length) > 1 and $n > 1 and ($scopes | length) != $n then {items: [], reason: "\($n) entitlements and \($scopes | length) scopes: which goes with which is not said"}
    elif $n == 1 and ($scopes | length) > 1 then {items: [$scopes[] | {system: $systems[0], entitlement: $entitlements[0], scope: .}]}
    else {items: [range($n) as $i | {system: (if ($systems | length) == 1 then $systems[0] else $systems[$i] end), entitlement: $entitlements[$i],
        scope: (if ($scopes | length) == 1 then $scopes[0] else $scopes[$i] end)}]} end;

# What the site's patterns find in subject and description, line by line.
def captures:
  [ limit(5000; (opt(.subject), opt(.description_text)) | strings | split("\n")[] | rtrimstr("\r")) as $line
    | $settings.text_patterns | lst | .[] as $pattern
    | $line | cf_capture($pattern) | select(. != null) | with_entries(.value |= known) ];
def captured($name): [.[] | .[$name] | select(. != null)];

def aliased($map): . as $name | if . == null then null else looked_up($map) // $name end;

# What one requested item asks for, for whom, on which terms.
def asked($id; $said; $item):
  fields($item) as $field
  | ($item | opt(.service_item_id) | known) as $number
  | def all($name): [$field[$name][] | words];
    def one($name): (all($name) | first) // ($said | captured($name) | first) // null;
    [all("access")[] | as_item("\($id): access_field")] as $direct
  | all("system") as $systems | all("entitlement") as $entitlements | all("scope") as $scopes
  | ($said | captured("system")) as $said_systems
  | (if $systems != [] then $systems elif $said_systems != [] then [$said_systems[0]]
     elif $settings.system_default != null then [$settings.system_default] else [] end) as $of
  | (if $direct != [] then {items: [$direct[] | .system //= $of[0]]}
     elif $entitlements != [] then paired($of; $entitlements; if $scopes != [] then $scopes else $said | captured("scope") end)
     elif ($said | captured("entitlement")) != [] then
       (if $scopes != [] then $scopes else $said | map(select(.entitlement == null)) | captured("scope") end) as $loose
       | {items: [$said[] | select(.entitlement != null) | {system: (.system // $of[0]), entitlement, scope: (.scope // $loose[0])}]}
     else
       {items: [(if $number == null then null else $number | looked_up($settings.access_by_item) end) | lst | .[]
          | as_item("setting `access_by_item`") | .system //= $of[0] | .scope //= $scopes[0]]} end) as $access
  | ([$field.beneficiary[] | people] | each_once) as $named
  | one("ttl") as $ttl
  | {
      people: (if $named != [] then $named
        elif ($said | captured("beneficiary")) != [] then [$said | captured("beneficiary")[] | people] | each_once
        elif $settings.beneficiary_default == "requested_for" then [person(opt(.requested_for_id); null) | select(. != null)]
        else [] end),
      terms: ({
        valid_from: (one("valid_from") | when("\($id): valid_from")),
        expires_at: (one("expires_at") | until("\($id): expires_at")),
        ttl: (if $ttl == null then null else ($ttl | looked_up($settings.ttl_values)) // $ttl
          | if . == "none" then null
            else cf_duration // error("\($id): ttl: `\($ttl[:80])` is no duration: expected such as 90 days, 8h or P90D; translate it with the setting `ttl_values`") end end),
        review_by: (one("review_by") | until("\($id): review_by")),
        policy: one("policy"),
        justification: ((all("justification") | join("\n") | known) // ($said | captured("justification") | first) // null | if . == null then null else .[:4000] end),
        intent: (if ($number != null and ($number | among($settings.revoke_items))) or any(all("intent")[]; among($settings.revoke_values)) then "revoke" else "grant" end),
        emergency: (if any(all("emergency")[]; among($settings.emergency_values)) then true else null end)
      } | compact),
      # Stage 3 is that the item was cancelled.
      cancelled: (opt($item.stage) == 3 or opt($item.stage.id) == 3),
      access: ([$access.items[]
        | {system: (.system | aliased($settings.system_aliases)), entitlement: (.entitlement | aliased($settings.entitlement_aliases)), scope: (.scope | aliased($settings.scope_aliases))}
        | select(.system != null and .entitlement != null) | compact] | each_once),
      reason: $access.reason,
      item: ($item | opt(.id) | known), number: $number
    };

# Items for the same people on the same terms are asked for together.
def together:
  group_by([.people, .terms, .cancelled])
  | map({people: .[0].people, terms: .[0].terms, cancelled: .[0].cancelled, access: (map(.access[]) | each_once),
      reasons: (map(.reason | select(. != null)) | unique), item: (map(.item | select(. != null)) | min), numbers: (map(.number | select(. != null)) | unique)})
  | sort_by((.item // "" | tonumber? // 0), .item);

# --- who decided --------------------------------------------------------------------------------------------

# What numbers and names of states mean. Where both are known and differ, neither is taken.
def meant($id; $name; $known):
  $known[$id | known // ""] as $by_id
  | ($name | known | if . == null then null else cf_norm | split("_") | join(" ") end) as $text
  | (if any($known[]; . == $text) then $text else null end) as $by_name
  | if $by_id != null and $by_name != null and $by_id != $by_name then null else $by_id // $by_name end;
def approval_states: {"0": "requested", "1": "approved", "2": "rejected", "3": "cancelled"};
def ticket_states: approval_states + {"4": "not requested"};

# The approvals, each with what it says. An update of one that is decided is its decision.
def decisions($id):
  [ .approvals[] | objects
    | meant(opt(.approval_status.id); opt(.approval_status.name); approval_states) as $word
    | (opt(.delegatee.id) | known) as $delegatee
    | person(opt(.approver_id); opt(.approver_name)) as $approver
    | (if $delegatee == null then null else person($delegatee; opt(.delegatee.name)) end) as $other
    | {word: $word, id: (opt(.id) | known), level: opt(.level), approver: $approver, delegatee: $other}
      + (if $word == "approved" or $word == "rejected" then {at: (opt(.updated_at) | instant("\($id): `updated_at` of an approval"))} else {} end) ]
  | sort_by((.level | if type == "number" then . else 0 end), (.id // "" | tonumber? // 0));

# One decision as the record has it.
def as_approval:
  if .word == "requested" then {approver, decision: "pending"}
  elif .delegatee == null or $settings.delegated_approvals == "approver" then {approver, decision: .word, decided_at: .at}
  elif $settings.delegated_approvals == "delegatee" then {approver: .delegatee, on_behalf_of: .approver, decision: .word, decided_at: .at}
  else {decision: .word, decided_at: .at} end
  | compact;

def checked_state:
  if . == null or . == "approved" or . == "pending" or . == "rejected" or . == "cancelled" then .
  else error("setting `status_states`: `\(.)` is no state: expected approved, pending, rejected or cancelled") end;
# Of two states the less favourable: nothing but agreement makes a request approved.
def rank: {approved: 0, pending: 1, cancelled: 2, rejected: 3}[.];

def decided($id):
  decisions($id) as $all
  | [$all[] | select(.word == "approved")] as $yes | [$all[] | select(.word == "rejected")] as $no
  | [$all[] | select(.word == "cancelled")] as $gone
  | [$all[] | select(.word == null)] as $odd
  | (opt(.view) | lst | first // null) as $view
  | . as $ticket
  | (if $view == null then $ticket else $view end | {number: opt(.approval_status), name: opt(.approval_status_name)}) as $whole
  | $whole.number as $number | $whole.name as $name
  | meant($number; $name; ticket_states) as $word
  | (opt(.status) | known) as $status
  | (if $status == null then null else $settings.status_states[$status] | checked_state end) as $mapped
  | (if $word == "approved" or $word == "rejected" then {state: $word}
     elif $word == "requested" then {state: "pending"}
     elif $word == "cancelled" then {state: "pending", reason: "its approvals were cancelled"}
     elif $word == "not requested" then {state: "pending", reason: "nobody was asked to approve it"}
     elif $number == null and $name == null then {state: "pending", doubt: "what came of its approvals is not known"}
     else {state: "pending", doubt: "what its `approval_status` (\($number | known // "none"), `\($name | known // "")`) means is not known"} end)
  | . as $said
  | (if $ticket.deleted == true then {state: "cancelled", reason: "the ticket was deleted"}
     elif $ticket.spam == true then {state: "cancelled", reason: "the ticket is spam"} else null end) as $over
  | (if $over != null and ($said.state | rank) < 2 then $over
     elif $mapped != null and ($mapped | rank) > ($said.state | rank) then
       {state: $mapped, reason: (if $said.state == "pending" then "the status \($status) says \($mapped)"
          else "the less favourable of two statements: the approvals say \($said.state), the status \($status) says \($mapped)" end)}
     else $said end) as $state
  | {
      state: $state.state, state_reason: ($state.reason // $said.doubt),
      decided_at: (if $state.state == "approved" then [$yes[].at] elif $state.state == "rejected" then [$no[].at] else [] end
        | map(select(. != null)) | sort_by(order) | last),
      approvals: [$all[] | select(.word == "approved" or .word == "rejected" or .word == "requested") | as_approval],
      cancelled_approvals: [$gone[] | {approver} | compact],
      delegated_approvals: [$all[] | select(.delegatee != null and .at != null) | {approver, delegatee, decision: .word, decided_at: .at} | compact],
      approval_contradictions: [
        (if $said.state == "approved" then ($no[] | "rejected by \(.approver // "somebody"), and the ticket says approved") else empty end),
        (if $said.state == "approved" and $yes == [] and $odd == [] then "the ticket says approved, and no approval does" else empty end),
        (if $said.state == "rejected" and $no == [] and $odd == [] then "the ticket says rejected, and no approval does" else empty end),
        (if $mapped != null and $mapped != $said.state and ($said.state != "pending" or $mapped == "approved") then "the approvals say \($said.state), the status \($status) says \($mapped)" else empty end)],
      doubts: [($said.doubt | select(. != null)),
        ($odd[] | "what its approval \(.id // "") says is not known")]
    };

# --- the requests -------------------------------------------------------------------------------------------

def wanted: (opt(.service_item_id) | known) as $number
  | ($settings.service_items == [] or ($number != null and ($number | among($settings.service_items))))
    and ($number == null or ($number | among($settings.skip_items) | not));

def ticket:
  need("id") as $number
  | "\($settings.id_prefix)\($number)" as $id
  | select(opt(.type) == null or same(.type | tostring; "Service Request"))
  | if (.requested_items | type) != "array" then {type: "incomplete", reason: "\($id): its requested items are not known"}
    elif any(.requested_items[]; type != "object") then error("\($shape): `\($id)` has `requested_items` that are no objects")
    else
      # A ticket of a service without items says by its own fields what it asks for.
      (if .requested_items == [] and $settings.service_items == [] then [{}] else [.requested_items[] | select(wanted)] end) as $items
      | select($items != [])
      | if (.approvals | type) != "array" then {type: "incomplete", reason: "\($id): its approvals are not known"}
        else
          captures as $said
          | ([$items[] as $item | asked($id; $said; $item)] | together) as $groups
          | decided($id) as $decided
          | ({type: "request", native_id: $number,
              url: (if $settings.base_url == null then null else ($settings.base_url | rtrimstr("/")) + "/a/tickets/" + $number end),
              requester: person(opt(.requester_id); null),
              requested_at: (opt(.created_at) | instant("\($id): `created_at`")),
              completed_at: ((opt(.stats.resolved_at) // opt(.stats.closed_at)) | instant("\($id): `stats/resolved_at`")),
              title: (opt(.subject) | known), status: (opt(.status) | known)}
             + ($decided | del(.doubts))) as $base
          | ($groups | length) as $count
          | ($decided.doubts[] | {type: "incomplete", reason: "\($id): \(.)"}),
            ( $groups[] as $group
            | $base + $group.terms
              + {id: (if $count == 1 then $id else "\($id)/\($group.item)" end), beneficiaries: $group.people, access: $group.access,
                 workflow: ($group.numbers | if . == [] then null else map(. as $n | $settings.item_names[$n] // $n) | join(", ") end),
                 access_reason: (if $group.access == [] and $group.reasons != [] then $group.reasons | join("; ") else null end)}
              + (if $group.cancelled and ($base.state | rank) < 2 then {state: "cancelled", state_reason: "the requested item was cancelled", decided_at: null} else {} end)
            | compact )
        end
    end;

def checked_settings:
  first($settings.user_id[] | select(. as $key | all("email", "external_id", "id", "name"; . != $key))
    | error("setting `user_id`: `\(.)` is none of email, external_id, id, name")) // .;

checked_settings
| if type != "object" then error("\($shape): a row of type \(type): expected an object")
  elif $shape == "requester" or $shape == "agent" then
    if $joined == null then user | {type: "join", table: "person", key: .id, value: {email, external_id, name}}
    elif $settings.identities then identity
    else empty end
  elif $joined == null then empty
  elif $shape == "workspace" then
    if .primary == true then empty
    else {type: "incomplete", reason: "the workspace \(opt(.name) | known // "") (\(need("id"))) is not read: name the workspaces to read in the setting `workspaces`"} end
  else ticket end
