# One row of one step in, records out; `$shape` is the step.
#
# The map runs twice. In the first run (`$joined` null) rows file what others need: what a user, a group or a permission set
# is called, which event came when (`joins`). In the second they become records (`records`). Grants are direct, and an edge
# says that whoever is in a group holds what the group is assigned; the rest is worked out by the engine.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def latest_join($table; $key; $value): join($table; $key; $value) + {keep: "latest"};
def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] elif . == null then empty else . end;
def text: if type == "string" and . != "" then . else null end;
def whole($step): ($head._whole? // []) | any(.[]; . == $step);

# What the row must say, as text.
def need($field):
  getpath($field | split("/")) as $value
  | if ($value | text) != null then $value else error("\($shape): a row without `\($field)`") end;

# AWS writes seconds since 1970 in its JSON answers and RFC 3339 in events.
def instant: if . == null or . == "" then null else cf_instant("auto"; null) end;
# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def taken: $taken_at | cf_instant("auto"; null);
def days_before($days): (.[0:19] + "Z") | fromdateiso8601 - $days * 86400 | todateiso8601;
def last_segment: split("/") | last;

# An instance that is made, or unmade, has nothing yet, or no more.
def is_there: .Status | one_of("CREATE_IN_PROGRESS", "CREATE_FAILED", "DELETE_IN_PROGRESS") | not;

# --- names --------------------------------------------------------------------------------------------------

def system_id: . as $account | $settings.system_names[$account] // "aws-\($account)";

# Somebody who was deleted may still be assigned, and then there is only the id.
def user_account($id): joined("user"; $id)[0] // $id;
def account_name:
  ([.Emails | items | select(.Primary == true), .] | map(.Value? | text) | map(select(. != null)) | .[0]) as $email
  | {id: need("UserId"), name: (.UserName | text), email: $email}
  | if $settings.account_names == "id" then .id
    elif $settings.account_names == "email" then .email // .name // .id
    else .name // .id end;

# Of two groups with one name (of two identity stores) neither has it.
def group_id($id):
  joined("group"; $id)[0] as $name
  | if $name == null or (joined("named"; $name) | unique | length) > 1 then "group/\($id)" else "group/\($name)" end;

# A permission set whose name could not be had goes by the end of its ARN.
def set_id($arn): "permission-set/\(joined("set"; $arn)[0].name // ($arn | last_segment))";

# Bare names an entitlement also answers to.
def short_name: if $settings.short_names and . != null then [.] else [] end;

# --- risk ---------------------------------------------------------------------------------------------------

def statements: if type == "object" then (.Statement | items | select(type == "object")) else empty end;

# All actions, or all of IAM (who may change IAM may become anything), on all resources. `NotAction` and
# `NotResource` in an Allow give all but what they name.
def admin_like:
  any(statements;
    .Effect == "Allow"
    and (.NotAction != null or any(.Action | items | strings; ascii_downcase | one_of("*", "*:*", "iam:*")))
    and (.NotResource != null or any(.Resource | items; . == "*")));

def inline_document:
  ._inline[0].InlinePolicy?
  | if text == null then null
    else . as $text | try fromjson
      catch error("\($shape): the inline policy is not JSON: it starts `\($text[0:40])`") end;

# What a permission set is called by, and what is in it: patterns are held against all of it.
def set_words($name):
  "permission-set/\($name)", (._managed | items | .Arn, .Name | strings), (._customer | items | .Name | strings);
def matches_any: . as $word | any(($settings.high_risk_patterns // [])[]; . as $pattern | $word | matches($pattern));
def is_high($name):
  any(._managed | items | (.Arn // .Name // "") | last_segment;
    one_of("AdministratorAccess", "IAMFullAccess", "PowerUserAccess"))
  or (inline_document | admin_like)
  or any(set_words($name); matches_any);

def tag($name):
  if ($name // "") == "" then null
  else ($name | ascii_downcase) as $wanted
  | [items | select((.Key | text // "" | ascii_downcase) == $wanted) | .Value | text | select(. != null)][0] end;

# --- events -------------------------------------------------------------------------------------------------

# An ARN of a role's session ends with the role and the session's name, that of a user with its name.
def arn_actor:
  split(":") as $parts
  | if $settings.granted_by == "arn" or ($parts | length) < 6 then .
    elif ($parts[5] | startswith("assumed-role/")) then
      ($parts[5:] | join(":") | split("/"))
      | if $settings.granted_by == "role" then "role/\(.[1])" else .[2:] | join("/") end
    else $parts[5:] | join(":") | last_segment end;
def actor:
  if .type == "Root" and $settings.granted_by != "arn" then "<root_account>"
  elif (.arn | text) != null then .arn | arn_actor
  else (.userName | text) // (.onBehalfOf.userId? | text) // (.principalId | text) // (.invokedBy | text) end;

def event: .CloudTrailEvent as $text
  | if ($text | text) == null then error("\($shape): a row without `CloudTrailEvent`") else $text end
  | try fromjson catch error("\($shape): `CloudTrailEvent` is not JSON");

# A call that failed changed nothing.
def assignment_join:
  select(.eventSource == "sso.amazonaws.com" and (.errorCode // "") == "")
  | select(.eventName | one_of("CreateAccountAssignment", "DeleteAccountAssignment"))
  | .requestParameters as $asked
  | [$asked | .targetId?, .permissionSetArn?, .principalId? | text] as $key
  | select(all($key[]; . != null))
  | select(.responseElements.accountAssignmentCreationStatus.status? != "FAILED"
      and .responseElements.accountAssignmentDeletionStatus.status? != "FAILED")
  | join("event"; $key | join("\n");
      {at: (.eventTime | instant), id: .eventID, ends: (.eventName | startswith("Delete")),
       by: ((.userIdentity // {}) | actor)});

# The event an assignment has been there since: the first after it last ended. CloudTrail tells whole seconds; of events in
# the same one the end comes first, since what is held now was not ended last.
def assigned_since($account; $set; $principal):
  joined("event"; [$account, $set, $principal] | join("\n"))
  | map(select((.at | order) <= (taken | order)))
  | unique_by([(.at | order), (.ends | not), .id])
  | reduce .[] as $event (null; if $event.ends then null else . // $event end)
  | if . == null then {} else {granted_at: .at, granted_by: .by, granted_at_basis: "event", granted_event: .id} end;

# A permission set was used on an account.
def sign_in_join:
  select((.errorCode // "") == "")
  | .serviceEventDetails as $details
  | [$details.account_id?, $details.role_name?, .userIdentity.onBehalfOf.userId? | text] as $key
  | select(all($key[]; . != null))
  | (.eventTime | instant) as $at
  | latest_join("sign_in"; $key | join("\n"); $at), latest_join("sign_in"; "any"; $at);

# Since when use is known: the 90 days of CloudTrail's event history. A log that holds no sign-in at all is that of another
# account, and those of a second region are not read: then what is not seen is not known.
def tracked_since:
  if whole("sign-ins") and whole("role-credentials") and joined("sign_in"; "any") != []
    and (joined("regions"; "all") | all(.[]; . <= 1))
  then taken | days_before(90) else null end;

def use_of($system; $account; $set; $user):
  joined("sign_in"; [$account, (joined("set"; $set)[0].name // ""), $user] | join("\n"))[0] as $last
  | tracked_since as $tracked
  | select($last != null or $tracked != null)
  | {type: "usage", system: $system, account: user_account($user), entitlement: set_id($set), native_id: $user,
     last_used_at: $last, tracked_since: $tracked, attribution: "entitlement",
     success: (if $last == null then null else "yes" end)};

# --- what is filed in the first run -------------------------------------------------------------------------

def joins:
  if $shape == "instances" then
    select(is_there)
    | join("instance"; "all"; [need("InstanceArn"), (.IdentityStoreId | text)] | map(select(. != null))),
      join("regions"; "all"; [.Regions | items | select(type == "object" and .Status != "REMOVING")] | length)
  elif $shape == "accounts" then
    (.Name | text) as $name | select($name != null) | join("name"; need("Id"); $name)
  elif $shape == "users" then join("user"; need("UserId"); account_name)
  elif $shape == "groups" then
    need("GroupId") as $id | (.DisplayName | text) as $name
    | select($name != null) | join("group"; $id; $name), join("named"; $name; $id)
  elif $shape == "memberships" then
    select($settings.sign_ins) | join("member"; need("_from/group"); need("MemberId/UserId"))
  elif $shape == "permission-sets" then
    (._set[0].Name? | text) as $name
    | join("set"; need("value"); {$name, high: is_high($name // ""), owner: (._tags | tag($settings.owner_tag))})
  elif $shape == "provisioned" then join("account"; need("value"); need("_from/set"))
  elif $shape | startswith("assignments-") then event | assignment_join
  elif $shape | one_of("sign-ins", "role-credentials") then event | sign_in_join
  else empty end;

# --- records ------------------------------------------------------------------------------------------------

# The first instance speaks for all; there are hardly ever two.
def instance_records:
  joined("instance"; "all") as $all
  | select(is_there and $all[0][0] == .InstanceArn)
  | {type: "system", id: $settings.system, native_id: .InstanceArn, aliases: ($all | add | unique)},
  {type: "covers", systems: [$settings.system],
   types: ((if $settings.identities then ["identity"] else [] end) + (if $settings.sign_ins then ["usage"] else [] end))};

# The first permission set of an account speaks for it.
def provisioned_records:
  need("value") as $account | need("_from/set") as $set | ($account | system_id) as $system
  | joined("set"; $set)[0] as $known
  | (select($settings.account_systems and joined("account"; $account)[0] == $set)
    | {type: "system", id: $system, native_id: $account,
       aliases: ([$account, "aws-\($account)", joined("name"; $account)[0] | select(. != null)] - [$system])}),
    {type: "entitlement", system: $system, id: set_id($set), native_id: $set,
     aliases: ([$set] + ($known.name | short_name)), owner: $known.owner,
     risk: (if $known.high then "high" else "normal" end)};

def user_records:
  select($settings.identities)
  | need("UserId") as $id | account_name as $account
  | [.UserName, (.Emails | items | .Value?), $id | text | select(. != null)] as $names
  | [.Emails | items | .Value? | text | select(. != null)][0] as $email
  | ($email // (.UserName | text) // $id) as $identity
  | {type: "identity", id: $identity, native_id: $id, name: ((.DisplayName | text) // (.Name.Formatted? | text)),
     aliases: ($names | unique - [$identity]),
     accounts: [{system: $settings.system, account: $account}],
     status: ({ENABLED: "active", DISABLED: "disabled"}[.UserStatus // ""])};

def group_records:
  need("GroupId") as $id | group_id($id) as $entitlement
  | {type: "entitlement", system: $settings.system, id: $entitlement, native_id: $id,
     aliases: ([$id] + (if $entitlement == "group/\($id)" then [] else .DisplayName | short_name end))};

def membership_records:
  need("MemberId/UserId") as $user
  | {type: "grant", system: $settings.system, account: user_account($user), entitlement: group_id(need("_from/group")),
     native_id: (.MembershipId | text // $user)}
    + (if .CreatedAt == null then {}
       else {granted_at: (.CreatedAt | instant), granted_at_basis: "state",
             granted_by: (.CreatedBy | text | if . == null then null else arn_actor end)} end);

def assignment_records:
  need("_from/account") as $account | need("_from/set") as $set | need("PrincipalId") as $principal
  | need("PrincipalType") as $type | ($account | system_id) as $system
  | assigned_since($account; $set; $principal) as $since
  | if $type == "USER" then
      {type: "grant", system: $system, account: user_account($principal), entitlement: set_id($set), native_id: $principal}
      + $since,
      (if $settings.sign_ins then use_of($system; $account; $set; $principal) else empty end)
    elif $type == "GROUP" then
      {type: "includes", system: $settings.system, entitlement: group_id($principal),
       gives: {system: $system, entitlement: set_id($set)}} + ($since | del(.granted_event)),
      (if $settings.sign_ins then
         joined("member"; $principal) | unique[] as $user | use_of($system; $account; $set; $user)
       else empty end)
    else error("assignments: `PrincipalType` is `\($type)`: expected USER or GROUP") end;

def records:
  if $shape == "instances" then instance_records
  elif $shape == "accounts" then {type: "covers", systems: [need("Id") | system_id]}
  elif $shape == "users" then user_records
  elif $shape == "groups" then group_records
  elif $shape == "memberships" then membership_records
  elif $shape == "provisioned" then provisioned_records
  elif $shape == "assignments" then assignment_records
  else empty end;

if $joined == null then joins else records end
