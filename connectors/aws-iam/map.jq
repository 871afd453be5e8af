# One element of an IAM export (or one CloudTrail event, or one line of a credential report) in, records out.
#
# A grant of a user needs what stands in other rows and other files: the policies of the user's groups, the
# document of an attached policy, the event that attached it. So the engine runs this map twice over all rows: first
# with `$joined` null, when a row files such facts (`joins` below), then with all of them in `$joined`, when it
# writes records (`records`).

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};

def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
# Rows that were asked for carry the names of the steps that were read to their end.
def is_live: type == "object" and ._whole != null;
def whole($step): ($head._whole? // []) | any(.[]; . == $step);
def items: if type == "array" then .[] elif . == null then empty else . end;

# IAM writes times with an offset in every tool but one: Python's `str` puts a blank where RFC 3339 wants a T.
def instant:
  if . == null or . == "" then null
  elif type == "string" and .[10:11] == " " then (.[0:10] + "T" + .[11:]) | cf_instant("auto"; $settings.time_zone)
  else cf_instant("auto"; $settings.time_zone) end;

# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def latest: [.[] | select(. != null)] | max_by(order);
def taken: $taken_at | cf_instant("auto"; null);
def days_before($days): (.[0:19] + "Z") | fromdateiso8601 - $days * 86400 | todateiso8601;

# --- ARNs and names -----------------------------------------------------------------------------------------

# arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
def arn_part($n): (. // "") | split(":") | .[$n];
def last_segment: split("/") | last;
def account_id: arn_part(4) // "" | if . == "" then null else . end;
def system_id: . as $account | $settings.system_names[$account] // $settings.system // "aws-\($account)";

def user_account($arn): if $settings.account_names == "arn" then $arn else ($arn | last_segment) end;
def role_account($arn):
  if $settings.account_names == "arn" then $arn else $settings.role_prefix + ($arn | last_segment) end;

def is_aws_managed: arn_part(4) == "aws";
# Anybody who may create policies may name one `ReadOnlyAccess`: a customer's own never takes the bare name.
def policy_id: if is_aws_managed then last_segment else "policy/" + last_segment end;
def inline_id($kind; $holder): "inline/\($kind)/\($holder)/\(.)";

# Some tools leave out the name of an element; its ARN says the same.
def kind: .Arn | arn_part(5) // "" | split("/")[0];

# Roles that nobody but AWS or IAM Identity Center can change may be left out.
def is_read: (.Path // (.Arn | arn_part(5)[4:])) as $path
  | kind != "role" or (($settings.service_linked_roles or ($path | startswith("/aws-service-role/") | not))
      and ($settings.identity_center_roles or ($path | startswith("/aws-reserved/sso.amazonaws.com/") | not)));

# The element as it is, or an error that says what it lacks.
def checked:
  def is_text: type == "string" and . != "";
  def lacking(lists; $key): any(lists | items; (type == "object" and (.[$key] | is_text)) | not);
  if type != "object" then error("an element of type \(type): expected a user, group, role or policy")
  elif .Arn | is_text | not then error("an element without an `Arn`: expected a user, group, role or policy")
  elif (.Arn | account_id) == null or (kind | one_of("user", "group", "role", "policy") | not) then
    error("`\(.Arn)` is the ARN of no user, group, role or policy")
  elif lacking(.AttachedManagedPolicies; "PolicyArn") then error("`\(.Arn)`: an attached policy without `PolicyArn`")
  elif lacking(.UserPolicyList, .GroupPolicyList, .RolePolicyList; "PolicyName") then
    error("`\(.Arn)`: an inline policy without `PolicyName`")
  elif any(.GroupList | items; is_text | not) then error("`\(.Arn)`: a group in `GroupList` that is no name")
  elif lacking(.Tags; "Key") then error("`\(.Arn)`: a tag without `Key`")
  else . end;

# Bare names an entitlement also answers to.
def short_name($kind; $name):
  if any(($settings.short_names // [])[]; . == $kind) and ($name | one_of("AdministratorAccess", "Billing",
    "IAMFullAccess", "IAMReadOnlyAccess", "PowerUserAccess", "ReadOnlyAccess", "SecurityAudit",
    "SystemAdministrator", "ViewOnlyAccess") | not)
  then [$name] else [] end;

# --- tags ---------------------------------------------------------------------------------------------------

# Tag keys differ in case from account to account (`Owner`, `owner`), so case does not count.
def tag($name):
  if $name == null or $name == "" then null
  else ($name | ascii_downcase) as $wanted
  | [items | select((.Key | ascii_downcase) == $wanted and (.Value // "") != "") | .Value][0] end;

# A tag is written by hand: what is no time is not known, a time without an offset needs the setting.
def tag_instant($name):
  tag($name) as $value
  | if $value == null then null
    elif ($value | matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?$")) and $settings.time_zone == null then
      error("the tag `\($name)` says `\($value)`, a time without an offset: give the setting `time_zone`")
    else try ($value | instant) catch null end;

# --- policy documents ---------------------------------------------------------------------------------------

# The API sends documents URL-encoded, the AWS CLI decodes them, some tools keep them as JSON text.
def document($of):
  if type == "string" then
    (if matches("^\\s*[{\\[]") then . else cf_url_decode end)
    | . as $text
    | try fromjson catch error("the policy document of `\($of)` is neither JSON nor URL-encoded JSON: it starts `\($text[0:40])`")
  elif . == null or type == "object" then .
  else error("the policy document of `\($of)` is of type \(type): expected an object or text") end;

def statements: if type == "object" then (.Statement | items | select(type == "object")) else empty end;

# All actions, or all of IAM (who may change IAM may become anything), on all resources. `NotAction` and
# `NotResource` in an Allow give all but what they name.
def admin_like:
  any(statements;
    .Effect == "Allow"
    and (.NotAction != null or any(.Action | items; ascii_downcase | one_of("*", "*:*", "iam:*")))
    and (.NotResource != null or any(.Resource | items; . == "*")));

# `$settings.high_risk_patterns` over anything that names the entitlement.
def high_by_id: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
def high_by_name($arn):
  ($arn | last_segment | one_of("AdministratorAccess", "IAMFullAccess", "PowerUserAccess"))
  or any($arn, ($arn | policy_id); high_by_id);

def default_document:
  [.PolicyVersionList | items | select(.IsDefaultVersion == true)][0]
  // (.DefaultVersionId as $id | [.PolicyVersionList | items | select(.VersionId == $id)][0])
  | .Document;
def policy_is_high: high_by_name(.Arn) or (.Arn as $arn | default_document | document($arn) | admin_like);
# A policy attached from elsewhere than this export is judged by its name.
def attached_is_high:
  .PolicyArn as $arn | high_by_name($arn) or (joined("policy"; $arn)[0].high // false);
def holder_is_high($inline):
  any(.AttachedManagedPolicies | items; attached_is_high)
  or any($inline | items; .PolicyName as $name | .PolicyDocument | document($name) | admin_like);
def risk($high): if $high then "high" else "normal" end;

# The services a document allows something of; null where it allows something of all, or all but some, or nothing. To pass
# on a role is no call of IAM, so that nothing tells whether it was used.
def passes_roles: any(items | ascii_downcase | select(startswith("iam:")) | .[4:] | gsub("[*]"; ".*") | gsub("[?]"; ".");
  . as $pattern | "passrole" | matches("^(\($pattern))$"));
def services:
  [statements | select(.Effect == "Allow")
    | if .NotAction != null or (.Action | passes_roles) then "*"
      else .Action | items | split(":")[0] | ascii_downcase end]
  | if . == [] or any(.[]; matches("[*?]")) then null else unique end;

# --- trust policies -----------------------------------------------------------------------------------------

def may_assume: any(.Action | items;
    ascii_downcase | one_of("*", "sts:*", "sts:assume*", "sts:assumerole*", "sts:assumerole",
      "sts:assumerolewithsaml", "sts:assumerolewithwebidentity"))
  or .NotAction != null;

# The account a principal of a trust policy is known by: users and roles of the same AWS account by their
# account name, an account number as the ARN it stands for, anything else as it is written.
def principal_account($role_arn):
  if matches("^[0-9]{12}$") then "arn:\($role_arn | arn_part(1)):iam::\(.):root"
  elif arn_part(4) != ($role_arn | arn_part(4)) or arn_part(2) != "iam" then .
  elif (arn_part(5) // "") | startswith("user/") then user_account(.)
  elif (arn_part(5) // "") | startswith("role/") then role_account(.)
  else . end;

# Each principal that may assume the role, once, with the conditions it is held to.
def trusted($role_arn):
  [ statements
    | select(.Effect == "Allow" and may_assume)
    | .Condition as $condition
    | (if (.Principal | type) == "string" then {AWS: .Principal} else .Principal // {} end)
    | to_entries[]
    | .key as $kind
    | .value | items
    | {kind: $kind, account: principal_account($role_arn), condition: $condition} ]
  | group_by(.account)
  | map({kind: .[0].kind, account: .[0].account,
         conditions: (if any(.[]; .condition == null) then null else map(.condition) | unique end)});

# --- events -------------------------------------------------------------------------------------------------

def session_name: (.principalId // "") | split(":") | if length > 1 then .[1:] | join(":") else null end;
def actor:
  if $settings.granted_by == "arn" then .arn // .invokedBy // .principalId
  elif .type == "Root" then "<root_account>"
  elif $settings.granted_by == "role" and .sessionContext.sessionIssuer.userName != null then
    $settings.role_prefix + .sessionContext.sessionIssuer.userName
  elif .type == "AssumedRole" then session_name // .arn
  else .userName // .onBehalfOf.userId // session_name // .invokedBy // .arn // .principalId end;

# The event an access has been held since: the first of the last unbroken run of `start` (an event the access
# came with) after any `stop` (one it ended with). Null when no such event is among the files.
def held_since(start; stop):
  reduce .[] as $event (null;
    if $event | stop then null
    elif $event | start then (. // $event)
    else . end);
# A policy written anew with another text is another right, held since then.
def written_since(start; stop):
  reduce .[] as $event (null;
    if $event | stop then null
    elif $event | start then (if . != null and .text == $event.text then . else $event end)
    else . end);

# CloudTrail tells whole seconds. Of events in the same one, the ends come first: what is held now was not ended last.
def rank: if .name | startswith("Detach") or startswith("Delete") or startswith("Remove") then 0 elif .name | startswith("Create") then 1 else 2 end;

# Events of one principal in the order of time, none from before it existed: names are given again.
def events($kind; $account; $name; $created):
  joined("event"; "\($account)/\($kind)/\($name)")
  | map(select((.at | order) >= ($created | order) and (.at | order) <= (taken | order)))
  | unique_by([(.at | order), rank, .id, .name, .what]);
def gone: .name | one_of("DeleteUser", "DeleteGroup", "DeleteRole");

def attached_since($arn): held_since((.name | startswith("Attach")) and .what == $arn;
  gone or ((.name | startswith("Detach")) and .what == $arn));
def inline_since($policy): written_since((.name | startswith("Put")) and .what == $policy;
  gone or (.name | one_of("DeleteUserPolicy", "DeleteGroupPolicy", "DeleteRolePolicy")) and .what == $policy);
def member_since($group): held_since(.name == "AddUserToGroup" and .what == $group;
  .name == "DeleteUser" or (.name == "RemoveUserFromGroup" and .what == $group));
def trusted_since($principal): held_since((.principals // {})[$principal] // false;
  .name == "DeleteRole" or (.principals != null and (.principals[$principal] // false) == false));

def provisioned: if . == null then {}
  else {granted_at: .at, granted_by: .by, granted_at_basis: "event", granted_event: .id} end;
# Access through a group began when both the membership and the group's own right were there.
def later($a; $b): if $a == null or $b == null then null elif ($a.at | order) >= ($b.at | order) then $a else $b end;

# --- records ------------------------------------------------------------------------------------------------

def system_record($account):
  {type: "system", id: ($account | system_id), native_id: $account,
   aliases: ([$account, "aws-\($account)"] - [$account | system_id])};

def inline_entitlements($kind; $holder; $system):
  items | .PolicyName as $name | ($name | inline_id($kind; $holder)) as $id
  | {type: "entitlement", system: $system, id: $id,
     risk: risk(($id | high_by_id) or (.PolicyDocument | document($name) | admin_like))};

# The ARN of an AWS-managed policy names no account, and a policy an export left out (`--filter`) has no row of its
# own: the first holder in the account writes the record of these.
def attached_entitlements($holder; $account):
  .AttachedManagedPolicies | items | .PolicyArn as $arn
  | select(joined("holder"; "\($account) \($arn)")[0] == $holder
      and (($arn | is_aws_managed) or joined("policy"; $arn)[0] == null))
  | {type: "entitlement", system: ($account | system_id), id: ($arn | policy_id), native_id: $arn,
     aliases: ([$arn] + (if $arn | is_aws_managed then [] else short_name("policy"; $arn | last_segment) end)),
     risk: risk(attached_is_high)};

def grant($base; $entitlement; $since): $base + {type: "grant", entitlement: $entitlement} + ($since | provisioned);

# --- last use by service ------------------------------------------------------------------------------------

# When each service was last used, where IAM was asked and told of everybody. What it names is an attempt that was
# authenticated, whether or not it was allowed; a service that was not used is named without a time.
def services_known: (._accessed | type) == "array" and whole("last-accessed-job") and whole("last-accessed");
def services_used:
  [._accessed[] | select((.ServiceNamespace | type) == "string")
    | {key: .ServiceNamespace, value: (.LastAuthenticated | instant)}] | from_entries;

# What is held of policies, with the services that each names. Through a group a user holds what it holds, and the group is
# used when that is.
def policy_held: {id: policy_id, services: joined("policy"; .)[0].services};
def inline_held($kind; $holder):
  items | .PolicyName as $name
  | {id: ($name | inline_id($kind; $holder)), services: (.PolicyDocument | document($name) | services)};
def group_held($name):
  select(. != null)
  | [(.attached[] | policy_held), (.inline[] | {id: (.name | inline_id("group"; $name)), services})]
  | .[], {id: "group/\($name)", services: (if any(.[]; .services == null) or . == [] then null else map(.services[]) | unique end)};

# A policy was last used when one of its services was, though perhaps by another policy; one that allows all of them when
# any was. Where IAM keeps no book on a service that a policy names, nothing is known of it.
def service_use($account; $created; held):
  select(services_known)
  | .Arn as $arn | services_used as $used | ([$created, (taken | days_before(400))] | latest) as $tracked
  | [held] | unique_by(.id)[]
  | select(.services == null or all(.services[]; . as $service | $used | has($service)))
  | (if .services == null then [$used[]] else [$used[.services[]]] end | latest) as $last
  | {type: "usage", system: ($arn | account_id | system_id), account: $account, entitlement: .id, native_id: $arn,
     last_used_at: $last, tracked_since: $tracked, attribution: (if .services == null then "account" else "service" end),
     success: (if $last == null then null else "attempt" end)};

def user_records:
  .Arn as $arn | ($arn | account_id) as $account | ($account | system_id) as $system
  | (.UserName // ($arn | last_segment)) as $name | (.CreateDate | instant) as $created
  | events("user"; $account; $name; $created) as $events
  | {system: $system, account: user_account($arn), native_id: (.UserId // $arn),
     ticket: (.Tags | tag($settings.ticket_tag)), expires_at: (.Tags | tag_instant($settings.expires_tag))} as $base
  | service_use($base.account; $created;
      (.AttachedManagedPolicies | items | .PolicyArn | policy_held), (.UserPolicyList | inline_held("user"; $name)),
      (.GroupList | items | . as $group | joined("group"; "\($account)/\($group)")[0] | group_held($group))),
    (.UserPolicyList | inline_entitlements("user"; $name; $system)),
    attached_entitlements($arn; $account),
    (.AttachedManagedPolicies | items | .PolicyArn as $policy
      | grant($base; $policy | policy_id; $events | attached_since($policy))),
    (.UserPolicyList | items | .PolicyName as $policy
      | grant($base; $policy | inline_id("user"; $name); $events | inline_since($policy))),
    (.GroupList | items | . as $group
      | ($events | member_since($group)) as $member
      | joined("group"; "\($account)/\($group)")[0] as $held
      | grant($base; "group/\($group)"; $member),
        (if $held == null then
           {type: "incomplete", reason:
             "the group `\($group)` of user `\($name)` is not among the files: export without --filter"}
         else
           ($base + {path: [{entitlement: "group/\($group)"}]}) as $inherited
           | events("group"; $account; $group; $held.created) as $group_events
           | ($held.attached[] as $policy
               | grant($inherited; $policy | policy_id; later($member; $group_events | attached_since($policy)))),
             ($held.inline[].name as $policy
               | grant($inherited; $policy | inline_id("group"; $group);
                   later($member; $group_events | inline_since($policy))))
         end)),
    (if $settings.emit_identities then
       (.Tags | tag($settings.kind_tag) // "" | ascii_downcase) as $kind
       | select($kind | one_of("service", "agent"))
       | {type: "identity", id: $arn, kind: $kind, name: $name, native_id: .UserId,
          accounts: [{system: $system, account: user_account($arn)}], owner: (.Tags | tag($settings.owner_tag))}
     else empty end);

def group_records:
  .Arn as $arn | ($arn | account_id) as $account | ($account | system_id) as $system
  | (.GroupName // ($arn | last_segment)) as $name
  | (.GroupPolicyList | inline_entitlements("group"; $name; $system)),
    attached_entitlements($arn; $account),
    {type: "entitlement", system: $system, id: "group/\($name)", native_id: (.GroupId // $arn),
     aliases: ([$arn] + short_name("group"; $name)),
     risk: risk(("group/\($name)" | high_by_id) or holder_is_high(.GroupPolicyList)),
     includes: ([.AttachedManagedPolicies | items | {entitlement: (.PolicyArn | policy_id)}]
       + [.GroupPolicyList | items | {entitlement: (.PolicyName | inline_id("group"; $name))}])};

# What is known of a role's use. No `RoleLastUsed` at all (older tools leave it out) is not known; an empty one
# is "not within the 400 days IAM keeps".
# Over the API an empty one is an empty element, of which nothing is left but its name.
def role_use($created):
  (if .RoleLastUsed == null and has("RoleLastUsed") and ($head | is_live) then {} else .RoleLastUsed end) as $used
  | if $used == null then null
  else {last_used_at: ($used.LastUsedDate | instant),
        usage_tracked_since: ([$created, (taken | days_before(400))] | latest)} end;

# The use of a role is not told apart by who assumed it. With one principal it was that one; with several, all
# that is certain of each is that it did not assume the role after the role's last use.
def principal_use($principals):
  if . == null then {}
  elif ($principals | length) == 1 then . + {use_attribution: "entitlement"}
  else {usage_tracked_since: ([.last_used_at, .usage_tracked_since] | latest), use_attribution: "entitlement"} end;

def role_records:
  .Arn as $arn | ($arn | account_id) as $account | ($account | system_id) as $system
  | (.RoleName // ($arn | last_segment)) as $name
  | (.CreateDate | instant) as $created
  | events("role"; $account; $name; $created) as $events
  | role_use($created) as $use
  | (.AssumeRolePolicyDocument | document("the trust of role \($name)") | trusted($arn)) as $principals
  | ({system: $system, account: role_account($arn), native_id: (.RoleId // $arn),
      ticket: (.Tags | tag($settings.ticket_tag)), expires_at: (.Tags | tag_instant($settings.expires_tag))}
     # Use of the role as a whole would hide what is known of each policy.
     + (if $use == null or services_known then {} else $use + {use_attribution: "account"} end)) as $base
  | service_use($base.account; $created;
      (.AttachedManagedPolicies | items | .PolicyArn | policy_held), (.RolePolicyList | inline_held("role"; $name))),
    (.RolePolicyList | inline_entitlements("role"; $name; $system)),
    attached_entitlements($arn; $account),
    {type: "entitlement", system: $system, id: "role/\($name)", native_id: (.RoleId // $arn),
     aliases: ([$arn] + short_name("role"; $name)), owner: (.Tags | tag($settings.owner_tag)),
     risk: risk(("role/\($name)" | high_by_id) or holder_is_high(.RolePolicyList))},
    (.AttachedManagedPolicies | items | .PolicyArn as $policy
      | grant($base; $policy | policy_id; $events | attached_since($policy))),
    (.RolePolicyList | items | .PolicyName as $policy
      | grant($base; $policy | inline_id("role"; $name); $events | inline_since($policy))),
    ($principals[]
      | select($settings.service_principals or .kind != "Service")
      | .account as $principal
      | grant({system: $system, account: $principal, native_id: "\($arn)#\($principal)", conditions: .conditions}
          + ($use | principal_use($principals)); "role/\($name)"; $events | trusted_since($principal))),
    (if $settings.emit_identities then
       (.Tags | tag($settings.kind_tag) // "" | ascii_downcase) as $kind
       | {type: "identity", id: $arn, kind: (if $kind == "agent" then "agent" else "service" end), name: $name,
          native_id: .RoleId, accounts: [{system: $system, account: role_account($arn)}],
          owner: (.Tags | tag($settings.owner_tag))}
     else empty end);

def policy_records:
  .Arn as $arn | ($arn | account_id) as $account
  | select(($arn | is_aws_managed) | not)
  | {type: "entitlement", system: ($account | system_id), id: ($arn | policy_id), native_id: (.PolicyId // $arn),
     aliases: ([$arn] + short_name("policy"; $arn | last_segment)), owner: (.Tags | tag($settings.owner_tag)),
     risk: risk(policy_is_high)};

# --- the credential report ----------------------------------------------------------------------------------

def cell($name): (.[$name] // [])[0] | if one_of(null, "", "N/A", "no_information", "not_supported") then null else . end;
def cell_time($name): cell($name) | instant;

# A key that was replaced took the record of its use with it, so nothing is certain from before the keys there
# are; and the use of a signing certificate is not recorded at all.
def report_records:
  cell("arn") as $arn | ($arn | account_id | system_id) as $system
  | (if cell("user") == "<root_account>" then "<root_account>" else user_account($arn) end) as $account
  | cell_time("user_creation_time") as $created
  | cell_time("password_last_used") as $password
  | ([cell_time("access_key_1_last_used_date", "access_key_2_last_used_date")] | latest) as $key
  | ([$password, $key] | latest) as $last
  | (if any(cell("cert_1_active", "cert_2_active"); . != null and ascii_downcase == "true") then null
     else [$created, (taken | days_before(400)),
           cell_time("access_key_1_last_rotated", "access_key_2_last_rotated")] | latest end) as $tracked
  # Where it is known of each policy when it was last used, that of the account as a whole would hide it.
  | (select(($last != null or $tracked != null) and joined("accessed"; $arn) == [])
    | {type: "usage", system: $system, account: $account, native_id: $arn, last_used_at: $last,
       tracked_since: $tracked, attribution: "account",
       success: (if $last == null then null elif $last == $password then "yes" else "attempt" end)}),
    (if $account == "<root_account>" and $settings.root_account then
       {type: "entitlement", system: $system, id: "root", native_id: $arn, aliases: [$arn, "<root_account>"],
        risk: "high"},
       {type: "grant", system: $system, account: $account, native_id: $arn, entitlement: "root",
        granted_at: $created, granted_at_basis: "state"}
     else empty end);

# --- what is filed in the first pass ------------------------------------------------------------------------

def changes: {
  AttachUserPolicy: "user", DetachUserPolicy: "user", PutUserPolicy: "user", DeleteUserPolicy: "user",
  AddUserToGroup: "user", RemoveUserFromGroup: "user", DeleteUser: "user",
  AttachGroupPolicy: "group", DetachGroupPolicy: "group", PutGroupPolicy: "group", DeleteGroupPolicy: "group",
  DeleteGroup: "group",
  AttachRolePolicy: "role", DetachRolePolicy: "role", PutRolePolicy: "role", DeleteRolePolicy: "role",
  CreateRole: "role", UpdateAssumeRolePolicy: "role", DeleteRole: "role" };

# An event that failed changed nothing; one without the names of what it changed (CloudTrail leaves out long
# parameters) says nothing.
def event_joins:
  select(.eventSource == "iam.amazonaws.com" and (.errorCode // "") == "")
  | changes[.eventName // ""] as $kind
  | select($kind != null)
  | (.recipientAccountId // .userIdentity.accountId) as $account
  | (.requestParameters // {}) as $asked
  | ($asked | if $kind == "user" then .userName elif $kind == "group" then .groupName else .roleName end) as $name
  | select($account != null and $name != null)
  | "arn:\(.userIdentity.arn | arn_part(1) // "aws"):iam::\($account):role/\($name)" as $role
  | join("event"; "\($account)/\($kind)/\($name)";
      {at: (.eventTime | instant), id: .eventID, name: .eventName, by: ((.userIdentity // {}) | actor),
       what: ($asked.policyArn // $asked.policyName // (if $kind == "user" then $asked.groupName else null end)),
       text: (if $asked.policyDocument == null then null else $asked.policyDocument | tojson | cf_sha256 end),
       principals:
         (if .eventName | one_of("CreateRole", "UpdateAssumeRolePolicy") then
            try ($asked.assumeRolePolicyDocument // $asked.policyDocument | document($name) | trusted($role)
              | map({key: .account, value: true}) | from_entries)
            catch {}
          else null end)});

# Was the document cut after its first page?
def cut: (.IsTruncated // false) == true or (.Marker // .NextToken // "") != "";

def account_joins($account; $row): join("account"; $account; $row), join("accounts"; "all"; $account);

def joins:
  if $shape | startswith("credential-report") then
    cell("arn") as $arn | account_joins($arn | account_id; "report \($arn)")
  elif $shape | startswith("cloudtrail") then event_joins
  else
    . as {$cut, $element} | $element | .Arn as $arn | ($arn | account_id) as $account
    | join("page"; $account; $cut),
      (if $account == "aws" then empty
       else account_joins($account; $arn),
         (select(is_read) | .AttachedManagedPolicies | items | join("holder"; "\($account) \(.PolicyArn)"; $arn)) end),
      (if services_known then join("accessed"; $arn; true) else empty end),
      (if kind == "group" then
         join("group"; "\($account)/\(.GroupName // ($arn | last_segment))"; {created: (.CreateDate | instant),
           attached: [.AttachedManagedPolicies | items | .PolicyArn], inline: [.GroupPolicyList | items
             | .PolicyName as $name | {$name, services: (.PolicyDocument | document($name) | services)}]})
       elif kind == "policy" then
         join("policy"; $arn; {high: policy_is_high, services: (default_document | document($arn) | services)})
       else empty end)
  end;

# --- the row ------------------------------------------------------------------------------------------------

# The first row of an account speaks for the account as a whole.
def account_records($account; $row):
  select(joined("account"; $account)[0] == $row)
  | (if $settings.system != null
       and ([joined("accounts"; "all")[] | select($settings.system_names[.] == null)] | unique | length) > 1
     then error("the files hold several AWS accounts and the setting `system` would make them one: give `system_names`")
     else system_record($account) end),
    (if $settings.emit_identities then {type: "covers", types: ["identity"]} else empty end),
    (if whole("authorization-details") then empty
     elif joined("page"; $account) == [] then
       {type: "incomplete", reason: "no authorization details of account \($account) are among the files"}
     elif [joined("page"; $account, "aws")[]] | all then
       {type: "incomplete", reason:
         "the authorization details of account \($account) end with a page that says more follow: export all pages"}
     else empty end);

def records:
  if $shape | startswith("credential-report") then
    cell("arn") as $arn | account_records($arn | account_id; "report \($arn)"), report_records
  elif $shape | startswith("cloudtrail") then
    select($row == 1 and joined("accounts"; "all") == [] and ($head | is_live | not))
    | {type: "incomplete", reason: "CloudTrail alone: events explain grants, and no authorization details are among the files"}
  else
    .element | .Arn as $arn | account_records($arn | account_id; $arn),
    (if kind == "user" then user_records
     elif kind == "group" then group_records
     elif kind == "role" then select(is_read) | role_records
     else policy_records end)
  end;

# The elements of an export: the row itself, or all of a page where the row is one.
def elements:
  if $shape == "authorization-details-pages" then
    cut as $cut | (.UserDetailList, .GroupDetailList, .RoleDetailList, .Policies) | items | {$cut, element: checked}
  else {cut: ($head // {} | cut), element: checked} end;

# The lines of the credential report in the answer of the API. A user's name may hold a comma, so cells may be quoted.
def csv_cells: [scan("(?:^|,)(?:\"((?:[^\"]|\"\")*)\"|([^,\"]*))") | .[0] // .[1] // ""];
def report_lines:
  (.Content | try @base64d catch error("`Content` is not base64"))
  | [splits("\r?\n") | select(. != "") | csv_cells] | .[0] as $header
  | .[1:][]
  | [$header, .] | transpose | map(select(.[0] != null) | {key: .[0], value: [.[1] // "" | select(. != "")]})
  | from_entries;

def whole_line:
  (["user", "arn", "user_creation_time", "password_last_used", "access_key_1_last_used_date",
    "access_key_2_last_used_date"] - keys) as $missing
  | if $missing != [] then error("the credential report has no column `\($missing | join("`, `"))`")
    elif (cell("arn") | account_id) == null then error("the line has no ARN in the column `arn`")
    else . end;

if ($shape | startswith("cloudtrail")) and (type == "object") and (has("CloudTrailEvent") or ($head | is_live)) then
  .CloudTrailEvent
  | if type == "object" then .
    else try fromjson catch error("the event has no `CloudTrailEvent` that is JSON") end
elif $shape == "credential-report" then whole_line
elif $shape == "credential-report-answer" then report_lines | whole_line
elif $shape | startswith("authorization-details") then elements
else . end
| if $joined == null then joins else records end
