# One resource of a SCIM service in, records out.
#
# A group names its members by their ids, so the map runs twice: first users and groups say who they are, then grants are
# written.

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};

def items: if type == "array" then .[] elif . == null then empty else . end;
def known: if type == "string" then (gsub("^\\s+|\\s+$"; "") | if . == "" then null else . end) elif type == "number" then tostring else null end;
def same($a; $b): ($a | ascii_downcase) == ($b | ascii_downcase);
def is_one_of($list): . as $v | $v != null and any(($list // [])[]; same(.; $v));
def high: . as $id | any(($settings.high_risk_patterns // [])[]; . as $p | $id | cf_capture($p) != null);
def risk: if high then "high" else "normal" end;

# The extension for enterprises stands under its own name, or, where attributes were asked for, flattened by some servers.
def enterprise: .["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"] // {} | if type == "object" then . else {} end;

def email:
  [.emails | items | if type == "string" then {value: .} else . end | select(type == "object" and (.value | known) != null)]
  | (map(select(.primary == true)) + map(select(.type == "work")) + .)[0].value | known;

def identifier($kind):
  if $kind == "email" then email
  elif $kind == "user_name" then .userName | known
  elif $kind == "external_id" then .externalId | known
  elif $kind == "employee_number" then enterprise.employeeNumber | known
  elif $kind == "id" then .id | known
  else error("setting `id`: `\($kind)` is none of email, user_name, external_id, employee_number, id") end;

def person: . as $user | first($settings.id[] as $kind | $user | identifier($kind) | select(. != null)) // null;
def account: identifier($settings.account) // (.id | known);

def is_group:
  (any(.schemas | items; strings | endswith(":Group"))) or .meta.resourceType? == "Group"
  or (.schemas == null and .userName == null and .displayName != null);
def is_user: (any(.schemas | items; strings | endswith(":User"))) or .meta.resourceType? == "User" or .userName != null;

def checked:
  if type != "object" then error("expected a resource, found \(type)")
  elif (.id | known) == null then error("a resource without `id`")
  elif is_user and (.userName | known) == null then error("user `\(.id)` has no `userName`")
  elif is_group and (.displayName | known) == null then error("group `\(.id)` has no `displayName`")
  else . end;

# A role or entitlement is a text or an object with a value.
def held: if type == "string" then known else (.value // .display | known) end;

def display: .displayName // .name.formatted? // ([.name.givenName?, .name.familyName?] | map(known) | map(select(. != null)) | join(" ") | known) | known;

def identity:
  person as $id
  | enterprise as $more
  | {type: "identity", id: $id, native_id: .id, name: display,
     kind: (if .userType | known | is_one_of($settings.agent_user_types) then "agent"
            elif .userType | known | is_one_of($settings.service_user_types) then "service" else "human" end),
     status: (if .active == false then "disabled" elif .active == true then "active" else null end),
     aliases: ([(.emails | items | if type == "string" then . else .value? end), .userName, .externalId, .id, $more.employeeNumber]
       | map(known) | map(select(. != null and . != $id)) | unique),
     accounts: [{system: $settings.system, account: account}],
     manager: (($more.manager | if type == "object" then .value // .["$ref"] else . end | known) as $manager
       | if $manager == null then null
         else ($manager | split("/") | last) as $manager | joined("user"; $manager)[0].person // $manager end),
     groups: ([.id as $own | joined("account"; $own)[]] | unique)};

def grants_of_user:
  . as $user | account as $account
  | ((.roles | items | {kind: "role", id: held, display: (if type == "object" then .display | known else null end)}),
     (.entitlements | items | {kind: "entitlement", id: held, display: (if type == "object" then .display | known else null end)}))
  | select(.id != null)
  | . as $held | "\($held.kind)/\($held.id)" as $id
  | {type: "entitlement", system: $settings.system, id: $id, risk: ($id | risk),
     aliases: ([$held.id, $held.display] | map(select(. != null)) | unique)},
    {type: "grant", system: $settings.system, account: $account, native_id: $user.id, entitlement: $id};

# What a member is: RFC 7643 has `type` and `$ref`, and many services neither.
def member_is_group: same(.type // ""; "group") or ((.["$ref"] // "") | test("/Groups/")) or (joined("group"; .value | known // "") | length > 0);

def records_of_group:
  (.displayName | known) as $name | (.id | known) as $group
  | {type: "entitlement", system: $settings.system, id: $name, native_id: $group, risk: ($name | risk),
     aliases: ([$group, (.externalId | known)] | map(select(. != null and . != $name)) | unique)},
    (.members | items | select(type == "object" and (.value | known) != null)
     | (.value | known) as $member
     | if member_is_group then
         joined("group"; $member)[0] as $inner
         | if $inner == null then {type: "incomplete", reason: "a group is a member of `\($name)` and is not among the groups"}
           else {type: "includes", system: $settings.system, entitlement: $inner, gives: {entitlement: $name}} end
       else
         joined("user"; $member)[0] as $user
         | if $user == null then {type: "incomplete", reason: "members of `\($name)` are not among the users"}
           else {type: "grant", system: $settings.system, account: $user.account, native_id: $member, entitlement: $name} end
       end);

def joins:
  if is_group then
    (.displayName | known) as $name
    | join("group"; .id | known; $name),
      (.members | items | objects | .value | known | select(. != null) | join("account"; .; $name))
  elif is_user then join("user"; .id | known; {person: person, account: account})
  else empty end;

def records:
  if is_group then if $settings.grants then records_of_group else empty end
  elif is_user then
    (if $settings.identities then identity else empty end),
    (if $settings.grants then grants_of_user else empty end)
  else empty end;

# A list that was saved says how many resources there are in all: pages that are missing leave a hole.
def envelope:
  select($row == 1 and ($head | type) == "object" and ($head.totalResults | type) == "number" and $head._whole == null)
  | ($head.startIndex // 1) as $start | ($start + ($head.itemsPerPage // $head.totalResults)) as $next
  | ($head.totalResults + 1) as $end
  | {type: "seen", key: "from \($start) of \($end)"}, {type: "seen", key: "to \($next) of \($end)"},
    (if $next < $end then {type: "incomplete", unless: "from \($next) of \($end)", reason: "the resources behind number \($next - 1) of \($head.totalResults) are missing: hand over the pages behind, too"} else empty end),
    (if $start > 1 then {type: "incomplete", unless: "to \($start) of \($end)", reason: "the resources before number \($start) are missing: hand over the pages before, too"} else empty end);

checked
| if $joined == null then joins
  else
    envelope,
    (if $row == 1 and $settings.grants then {type: "covers", systems: [$settings.system]} else empty end),
    records
  end
