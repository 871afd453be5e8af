# A row of one step in, records out. `$shape` is the step.
#
# Microsoft Graph names everything by object id. So the engine runs this map twice over all rows: first with `$joined`
# null, when a row files what others will ask (`joins`), then with all of that in `$joined`, when it writes records
# (`records`). What is held through a group is not written here but where it goes no further than the group's own
# members; for the rest the map says what a group has (`includes`), and the engine works it out.

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
def latest: [.[] | select(. != null)] | max_by(order);
def taken: $taken_at | cf_instant("auto"; null);
def seconds: (.[0:19] + "Z") | fromdateiso8601;
def close_to($other): if . == null or $other == null then false
  else (seconds - ($other | seconds) | if . < 0 then -. else . end) <= 60 end;

# What no row may lack, since everything hangs on it.
def need($field): if type != "object" then error("a row of type \(type): expected an object")
  else .[$field] | text // error("`\($field)`: expected a text") end;

# An entitlement that many rows speak of is written once, by the first of them.
def first_join($entitlement): join("first"; $entitlement; "\($shape) \($row)");
def once($entitlement): joined("first"; $entitlement)[0] == "\($shape) \($row)";

# --- names --------------------------------------------------------------------------------------------------

# Names are for people, and nothing in Entra is unique by one. Where two share one, each carries its id, so that neither
# is taken for the other.
def unique_name($kind; $id; $name):
  if $name == null then $id
  elif ([joined("name"; "\($kind)/\($name | cf_norm)")[]] | unique | length) > 1 then "\($name) (\($id))"
  else $name end;
def name_join($kind; $id): (.displayName | text) as $name
  | if $name == null then empty else join("name"; "\($kind)/\($name | cf_norm)"; $id) end;
def short($kind; $name):
  if $name != null and any(($settings.short_names // [])[]; . == $kind) then [$name] else [] end;

def group_entitlement($id): "group/\(unique_name("group"; $id; joined("group"; $id)[0].name))";
def role_named($id): unique_name("role"; $id; joined("role"; $id)[0].name);
def role_entitlement($id): "role/\(role_named($id))";
def activation_entitlement($id): "activation/\(role_named($id))";
def app_named($id): unique_name("app"; $id; joined("app"; $id)[0].name);

def user_account($upn; $id): if $settings.account_names == "id" or $upn == null then $id else $upn end;
def app_account($id): "app/\(app_named($id))";

# Whoever an id stands for. People are listed last, so an id that is nowhere is of somebody deleted meanwhile or of
# another tenant (a partner): it stands for itself.
def principal($id):
  if joined("user"; $id) != [] then {kind: "user", account: user_account(joined("user"; $id)[0].upn; $id)}
  elif joined("app"; $id) != [] then {kind: "app", account: app_account($id)}
  elif joined("group"; $id) != [] then {kind: "group"}
  else {kind: null, account: $id} end;
def account_of($id): if $id == null then null else principal($id).account end;

# Where an app role is held: on Entra, or on the system that the site says the app is.
def app_system($id): joined("app"; $id)[0].name as $name
  | $settings.app_systems[$id] // (if $name == null then null else $settings.app_systems[$name] end);
def no_role: "00000000-0000-0000-0000-000000000000";
def app_access($app; $role):
  (if $role == null or $role == no_role then null
   else joined("app_role"; "\($app) \($role)")[0] // $role end) as $role
  | app_system($app) as $system
  | if $system == null then {system: $settings.system, entitlement:
        ("app/\(app_named($app))" + (if $role == null then "" else "/\($role)" end))}
    else {system: $system, entitlement: ($role // "access")} end;

# --- risk ---------------------------------------------------------------------------------------------------

# Directory roles, by template, whose holder can become any other administrator, or anybody.
def high_roles: [
  "62e90394-69f5-4237-9190-012177145e10",  # Global Administrator
  "e8611ab8-c189-46e8-94e1-60213ab1f814",  # Privileged Role Administrator
  "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",  # Privileged Authentication Administrator
  "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",  # Application Administrator
  "158c047a-c907-4556-b7ef-446551a6b5f7",  # Cloud Application Administrator
  "8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2",  # Hybrid Identity Administrator
  "c4e39bd9-1100-46d3-8c65-fb160da0071f",  # Authentication Administrator
  "729827e3-9c14-49f7-bb1b-9608f156bbb8",  # Helpdesk Administrator
  "fe930be7-5e62-47db-91af-98c3a49a38b1",  # User Administrator
  "194ae4cb-b126-40b2-bd5b-6091b380977d",  # Security Administrator
  "b1be1c3e-b65d-4f19-8427-f6fa0d97feb9",  # Conditional Access Administrator
  "8329153b-31d0-4727-b945-745eb3bc5f31",  # Domain Name Administrator
  "be2f45a1-457d-42af-a067-6ec1fa63bc45",  # External Identity Provider Administrator
  "3a2c62db-5318-420d-8d74-23affee5d9d5",  # Intune Administrator
  "9360feb5-f418-4baa-8175-e2a00bac4301"   # Directory Writers
];
# App permissions that lead there.
def high_permissions: [
  "RoleManagement.ReadWrite.Directory", "RoleAssignmentSchedule.ReadWrite.Directory",
  "RoleEligibilitySchedule.ReadWrite.Directory", "AppRoleAssignment.ReadWrite.All", "Application.ReadWrite.All",
  "Directory.ReadWrite.All", "Group.ReadWrite.All", "GroupMember.ReadWrite.All", "User.ReadWrite.All",
  "UserAuthenticationMethod.ReadWrite.All", "Domain.ReadWrite.All", "Policy.ReadWrite.ConditionalAccess",
  "PrivilegedAccess.ReadWrite.AzureADGroup", "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup",
  "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup", "DelegatedPermissionGrant.ReadWrite.All",
  "full_access_as_app"
];
def high_by_id: . as $id | any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern));
def role_is_high($id): (joined("role"; $id)[0].template // $id | one_of(high_roles[]))
  or (role_entitlement($id) | high_by_id);
def risk($high): if $high then "high" else "normal" end;

# --- events -------------------------------------------------------------------------------------------------

# `newValue` and `oldValue` are JSON in a text: "\"00000000-…\"".
def changed($target; $name): [$target.modifiedProperties | list | .[] | select(.displayName == $name)
  | (.newValue, .oldValue) | text | select(. != null) | cf_json // . | text | select(. != null)][0];
def targets: [.targetResources | list | .[] | select(type == "object" and (.id | text) != null)];
def actor: {user: (.initiatedBy.user.id? | text), upn: (.initiatedBy.user.userPrincipalName? | text),
  app: (.initiatedBy.app.displayName? | text)};
# `MS-PIM` carries out what somebody asked of Privileged Identity Management, and says nothing of who.
def actor_name:
  if .user != null and joined("user"; .user) != [] then account_of(.user)
  else .upn // (if .app == "MS-PIM" then null else .app end) end;

def events($table; $key): joined($table; $key) | map(select((.at | order) <= (taken | order))) | unique_by([(.at | order), .id]);
# The event something has been so since: the first of the last unbroken run of beginnings.
def since($table; $key): events($table; $key)
  | reduce .[] as $event (null; if $event.what == "remove" then null else . // $event end);
def provisioned:
  if . == null then {}
  else {granted_at: .at, granted_by: (.by | actor_name), granted_at_basis: "event", granted_event: .id} end;
# An edge has no place for more than these.
def edge_times: provisioned | del(.granted_event);

# --- directory roles ----------------------------------------------------------------------------------------

def scope: (.directoryScopeId | text) as $directory | (.appScopeId | text) as $app
  | [$directory, $app] | map(select(. != null and . != "/") | ltrimstr("/")) | first // null;
def holding($principal; $role; $scope): "\($principal) \($role) \($scope // "")";

def role_records:
  need("id") as $id | (.displayName | text) as $name | role_entitlement($id) as $entitlement
  | [$id, (.templateId | text)] as $ids
  | {type: "entitlement", system: $settings.system, id: $entitlement, native_id: $id,
     aliases: ($ids + short("role"; $name) | map(select(. != null and . != $entitlement)) | unique),
     risk: risk(role_is_high($id)),
     includes: (if joined("activation"; $id) == [] then null else [{entitlement: activation_entitlement($id)}] end)},
    (if joined("activation"; $id) == [] then empty
     else {type: "entitlement", system: $settings.system, id: activation_entitlement($id), native_id: "\($id)#activation",
       risk: risk(role_is_high($id))} end);

# A start that the state does not tell, the log may; and who did it, if the two agree.
def role_times($principal; $role):
  instant("startDateTime") as $start
  | since("event"; "role \(joined("role"; $role)[0].template // $role) \($principal)") as $event
  | if $start != null then {granted_at: $start, granted_at_basis: "state",
      granted_by: (if $event != null and ($event.at | close_to($start)) then $event.by | actor_name else null end)}
    else $event | edge_times end;
# The ticket that was named when the schedule behind this was asked for.
def ticket_of($schedule): if $schedule == null then null
  else [joined("request"; $schedule)[] | select(.ticket != null)] | max_by(.at | order) | .ticket? end;

# To a person or app a grant; to a group, what its members have.
def held($principal; $role; $mode; $schedule):
  scope as $scope | role_entitlement($role) as $entitlement | principal($principal) as $who
  | (role_times($principal; $role)
     + {expires_at: instant("endDateTime"), mode: (if $mode == "eligible" then $mode else null end)}) as $terms
  | if $who.kind == "group" then
      {type: "includes", system: $settings.system, entitlement: group_entitlement($principal),
       gives: {entitlement: $entitlement, scope: ($scope // "")}} + ($terms | with_entries(select(.value != null)))
    else {type: "grant", system: $settings.system, account: $who.account, entitlement: $entitlement, scope: $scope,
      native_id: (.id | text), ticket: ticket_of($schedule)} + $terms end;

# What was activated is a right of its own, for as long as it lasts, held by way of what one is eligible for; so that what
# was approved for a day justifies that day, and not the eligibility.
def is_activated: (.assignmentType | text) == "Activated";
def activated($principal; $role):
  scope as $scope | principal($principal).account as $account
  | (.activatedUsing.principalId? | text // $principal) as $through
  | instant("startDateTime") as $start
  | {type: "grant", system: $settings.system, account: $account, entitlement: activation_entitlement($role), scope: $scope,
     native_id: (.id | text), expires_at: instant("endDateTime"), granted_at: $start,
     granted_at_basis: (if $start == null then null else "state" end), granted_by: $account,
     ticket: ticket_of(.roleAssignmentScheduleId | text),
     path: ((if $through != $principal and joined("group"; $through) != [] then [{entitlement: group_entitlement($through)}]
             else [] end) + [{entitlement: role_entitlement($role)}])},
    (if $start == null then empty
     else {type: "usage", system: $settings.system, account: $account, entitlement: role_entitlement($role),
       native_id: (.id | text), last_used_at: $start, attribution: "entitlement", success: "yes"} end);
def is_eligible($principal; $role):
  .activatedUsing.principalId? != null or joined("eligible"; holding($principal; $role; scope)) != [];

# What comes through a group stands with the group.
def assignment_records:
  need("principalId") as $principal | need("roleDefinitionId") as $role
  | if is_activated and is_eligible($principal; $role) then activated($principal; $role)
    elif (.memberType | text // "Direct") != "Direct" then empty
    else held($principal; $role; "active"; .roleAssignmentScheduleId | text) end;
def eligibility_records:
  need("principalId") as $principal | need("roleDefinitionId") as $role
  # Who holds the role at all times has no use for activating it.
  | select((.memberType | text // "Direct") == "Direct" and joined("active"; holding($principal; $role; scope)) == [])
  | held($principal; $role; "eligible"; .roleEligibilityScheduleId | text);
def plain_assignment_records:
  need("principalId") as $principal | need("roleDefinitionId") as $role | held($principal; $role; "active"; null);

# --- requests of Privileged Identity Management -------------------------------------------------------------

def request_states: {
  PendingApproval: "pending", PendingAdminDecision: "pending", PendingProvisioning: "approved",
  PendingScheduleCreation: "approved", Granted: "approved", Provisioned: "approved", ScheduleCreated: "approved",
  Denied: "rejected", Canceled: "cancelled", Revoked: "cancelled", Failed: "cancelled" };
def is_activation: (.action | text) == "selfActivate";

# Only what was put to an approver is a request; what an administrator did by themselves justifies nothing. Who decided is
# told to no app; the audit log tells it, as long as it lasts.
def request_records:
  need("id") as $id
  | select((.approvalId | text) != null and .isValidationOnly != true)
  | need("principalId") as $principal | need("roleDefinitionId") as $role | need("status") as $status
  | principal($principal) as $who
  | select($who.kind != "group")
  | (request_states[$status] // error("`status`: `\($status)` is no status that is known")) as $state
  | [events("decision"; $id)[] | {approver: (.by | actor_name), decision: .what, decided_at: .at} | select(.approver != null)]
    as $decisions
  | (.scheduleInfo.expiration? | if type == "object" then . else {} end) as $end
  | {type: "request", id: $id, native_id: $id, state: $state,
     intent: (if .action | text | one_of("adminRemove", "selfDeactivate") then "revoke" else "grant" end),
     requester: account_of(.createdBy.user.id? | text), beneficiaries: [$who.account],
     access: [{system: $settings.system, scope: scope,
       entitlement: (if is_activation then activation_entitlement($role) else role_entitlement($role) end)}],
     approvals: (if $decisions == [] then null else $decisions end),
     requested_at: instant("createdDateTime"),
     decided_at: ([$decisions[].decided_at] | latest),
     completed_at: (if $status == "Provisioned" then instant("completedDateTime") else null end),
     justification: (.justification | text), ticket_named: (.ticketInfo.ticketNumber? | text),
     valid_from: (.scheduleInfo // {} | instant("startDateTime")),
     expires_at: (if $end.type == "afterDateTime" then $end | instant("endDateTime") else null end),
     ttl: (if $end.type == "afterDuration" then $end.duration | text | cf_duration else null end)};

# --- groups -------------------------------------------------------------------------------------------------

# Those of the owners who are people, by the names of their identities.
def named_owners: [.owners | list | .[] | .id? | text | select(. != null) | joined("user"; .)[0].identity | select(. != null)] | unique;

def group_records:
  need("id") as $id | (.displayName | text) as $name | group_entitlement($id) as $entitlement
  | {type: "entitlement", system: $settings.system, id: $entitlement, native_id: $id,
     aliases: ([$id, (.mail | text)] + short("group"; $name) | map(select(. != null and . != $entitlement)) | unique),
     risk: risk(any(joined("high_group"; $id)[]; role_is_high(.)) or ($entitlement | high_by_id)),
     owner: (named_owners | first // null), owners: (named_owners | if . == [] then null else . end),
     membership_rule: (.membershipRule | text)},
    (if (.visibility | text) == "HiddenMembership" and ($settings.hidden_members | not) then
       {type: "incomplete", reason: "the members of the group `\($name // $id)` are hidden: grant Member.Read.Hidden and set `hidden_members`"}
     else empty end);

# A member that is a group brings its own members along. App roles of a group reach its direct members only, so those are
# grants of the members here, and nothing that the engine carries on.
def member_records:
  need("id") as $id | ._from.group as $group | principal($id) as $who | (."@odata.type" | text // "") as $kind
  | group_entitlement($group) as $entitlement
  | since("event"; "group \($group) \($id)") as $event
  | if $who.kind == "group" then
      {type: "includes", system: $settings.system, entitlement: group_entitlement($id),
       gives: {entitlement: $entitlement}} + ($event | edge_times)
    # Devices and contacts are no accounts.
    elif $who.kind == null and ($kind | one_of("#microsoft.graph.user", "#microsoft.graph.servicePrincipal",
        "#microsoft.graph.agentIdentity") | not) then
      (if $kind == "" then {type: "incomplete", reason: "a member `\($id)` of `\($entitlement)` is nobody that was read"}
       else empty end)
    else
      {type: "grant", system: $settings.system, account: $who.account, entitlement: $entitlement,
       native_id: "\($group)/\($id)"} + ($event | provisioned),
      (joined("assigned"; $group)[] as $assigned
       | app_access($assigned.app; $assigned.role) as $access
       | {type: "grant", account: $who.account, native_id: $assigned.id,
          path: [{entitlement: $entitlement}
            + (if $access.system == $settings.system then {} else {system: $settings.system} end)]} + $access
         + (if $event == null or $assigned.at == null then {}
            elif ($event.at | order) >= ($assigned.at | order) then $event | provisioned
            else {granted_at: $assigned.at, granted_at_basis: "state"} end))
    end;

def group_eligibility_records:
  need("principalId") as $principal | need("groupId") as $group | principal($principal) as $who
  | (.accessId | text) as $access
  | select((.memberType | text // "Direct") == "Direct")
  | instant("startDateTime") as $start
  | {granted_at: $start, granted_at_basis: (if $start == null then null else "state" end),
     expires_at: instant("endDateTime"), mode: "eligible"} as $terms
  | if $access != "member" then empty
    elif $who.kind == "group" then
      {type: "includes", system: $settings.system, entitlement: group_entitlement($principal),
       gives: {entitlement: group_entitlement($group)}} + ($terms | with_entries(select(.value != null)))
    # A member that is there already was activated, and stands with the members.
    elif any(joined("in_group"; $principal)[]; .id == $group) then empty
    else {type: "grant", system: $settings.system, account: $who.account, entitlement: group_entitlement($group),
      native_id: (.id | text)} + $terms end;

# --- apps ---------------------------------------------------------------------------------------------------

def app_identity($kind; $owners):
  need("id") as $id | app_account($id) as $account
  | {type: "identity", id: "\($settings.system)/\($account)", kind: $kind, name: (.displayName | text), native_id: $id,
     aliases: ([$id, (.appId | text)] | map(select(. != null)) | unique),
     accounts: [{system: $settings.system, account: $account}],
     owner: ($owners | first // null), owners: (if $owners == [] then null else $owners end),
     status: (if .accountEnabled == false then "disabled" else null end)};

# Hundreds of service principals are Microsoft's own and hold nothing; those that hold something are services.
def service_principal_records:
  need("id") as $id
  | (if app_system($id) == null then empty else {type: "system", id: app_system($id)} end),
    (if $settings.identities and joined("agent"; $id) == [] and joined("holds"; $id) != [] then
       app_identity((if ."@odata.type" == "#microsoft.graph.agentIdentity" then "agent" else "service" end); named_owners)
     else empty end);

# The sponsor answers for an agent.
def agent_records:
  if $settings.identities then app_identity("agent"; ({owners: .sponsors} | named_owners)) else empty end;

def app_entitlement($access; $key; $ids; $high):
  select(once($key))
  | {type: "entitlement", system: $access.system, id: $access.entitlement,
     aliases: ($ids | map(select(. != null and . != $access.entitlement)) | unique),
     risk: risk($high or ($access.entitlement | high_by_id))};

def app_role_records:
  need("principalId") as $principal | need("resourceId") as $app | need("appRoleId") as $role
  | app_access($app; $role) as $access | (joined("app_role"; "\($app) \($role)")[0] // null) as $value
  | joined("app"; $app)[0].name as $name | instant("createdDateTime") as $created
  | app_entitlement($access; "\($app) \($role)";
      (if $role == no_role then [$app] + short("app"; $name) else [] end)
      + (if app_system($app) == null then []
         else ["app/\(app_named($app))" + (if $value == null then "" else "/\($value)" end)] end);
      $value | one_of(high_permissions[])),
    (principal($principal) as $who
     | if $who.kind == "group" or (.principalType | text) == "Group" then empty
       else {type: "grant", account: $who.account, native_id: (.id | text), granted_at: $created,
         granted_at_basis: (if $created == null then null else "state" end)} + $access end);

def permissions: .scope | text // "" | split(" ") | map(select(. != "")) | unique;
# What an app may do in the name of people: of all, or of the one who consented.
def delegated_records:
  need("clientId") as $client | need("resourceId") as $api | need("id") as $id | (.consentType | text) as $kind
  | (if $kind == "AllPrincipals" then null
     elif $kind == "Principal" then "user/\(account_of(need("principalId")))"
     else error("`consentType`: expected AllPrincipals or Principal") end) as $scope
  | permissions[] as $permission
  | {system: $settings.system, entitlement: "delegated/\(app_named($api))/\($permission)"} as $access
  | app_entitlement($access; "\($api) delegated \($permission)"; []; $permission | one_of(high_permissions[])),
    {type: "grant", account: app_account($client), scope: $scope, native_id: $id} + $access;

def activity_records:
  (joined("by_app"; need("appId"))[0] // null) as $id
  | select($id != null)
  | ([.delegatedClientSignInActivity, .applicationAuthenticationClientSignInActivity | select(type == "object")
      | instant("lastSignInDateTime")] | latest) as $last
  | select($last != null)
  | {type: "usage", system: $settings.system, account: app_account($id), native_id: $id, last_used_at: $last,
     attribution: "account", success: "unknown"};

# --- users --------------------------------------------------------------------------------------------------

def lower: if . == null then null else ascii_downcase end;
def identity_name:
  (.userPrincipalName | text | lower) as $upn | (.mail | text | lower) as $mail | (.id | text) as $id
  | if $settings.identity_id == "id" then $id
    elif $settings.identity_id == "mail" then $mail // $upn // $id
    else $upn // $id end;
# A user who was deleted has the id in front of the name.
def old_name: (.id | text // "" | gsub("-"; "")) as $prefix
  | .userPrincipalName |= (text | if . == null then null else ltrimstr($prefix) end);

def wanted_group: . as $name | $name != null and any(($settings.identity_groups // [])[];
  . == "*" or cf_norm == ($name | cf_norm));

def identity($status; $since):
  need("id") as $id | identity_name as $name | (.userPrincipalName | text) as $upn
  | {type: "identity", id: $name, name: (.displayName | text), native_id: $id,
     kind: (($upn | lower) as $low | if $low != null and any(($settings.service_account_patterns // [])[]; . as $p | $low | matches($p))
       then "service" else "human" end),
     aliases: ([$upn, (.mail | text), (.employeeId | text), $id,
         (.proxyAddresses | list | .[] | text | select(. != null) | select(matches("^(?i)smtp:")) | .[5:])]
       | map(select(. != null and cf_norm != ($name | cf_norm))) | unique_by(cf_norm)),
     accounts: (if $status == "departed" then [] else [{system: $settings.system, account: user_account($upn; $id)}] end),
     status: $status, status_since: $since,
     manager: (joined("manager"; $id)[0] as $manager | if $manager == null then null else joined("user"; $manager)[0].identity // null end),
     groups: (if ($settings.identity_groups // []) == [] then null
       else [joined("in_group"; $id)[] | joined("group"; .id)[0].name | select(wanted_group)] | unique end)};

def user_records:
  need("id") as $id
  | if $settings.identities then
      (if .accountEnabled == false then "disabled" elif .accountEnabled == true then "active" else null end) as $status
      | identity($status; if $status == "disabled" then since("account_event"; $id).at? else null end)
    else empty end;

# Sign-ins are recorded since May 2020 (interactive ones a month longer). All but the successful one may have failed.
def sign_in_records:
  need("id") as $id | select(joined("user"; $id) != [])
  | (.signInActivity | if type == "object" then . else {} end) as $said
  | ($said | instant("lastSuccessfulSignInDateTime")) as $success
  | ([$success, ($said | instant("lastSignInDateTime", "lastNonInteractiveSignInDateTime"))] | latest) as $last
  | {type: "usage", system: $settings.system, account: account_of($id), native_id: $id, last_used_at: $last,
     tracked_since: ([instant("createdDateTime"), "2020-06-01T00:00:00Z"] | latest), attribution: "account",
     success: (if $last == null then null elif $last == $success then "yes" else "attempt" end)};

# --- what is filed in the first run -------------------------------------------------------------------------

def event_value($what): {at: instant("activityDateTime"), id: (.id | text), what: $what, by: actor};
def event_joins:
  select((.result | text // "success") == "success")
  | (.activityDisplayName | text // "") as $activity | targets as $targets
  | (if $activity | startswith("Remove") then "remove" else "add" end) as $what
  | if $activity | one_of("Add member to group", "Remove member from group") then
      ([$targets[] | changed(.; "Group.ObjectID")][0] // [$targets[] | select(.type == "Group") | .id][0]) as $group
      | ([$targets[] | select(.id != $group) | .id][0]) as $member
      | select($group != null and $member != null)
      | join("event"; "group \($group) \($member)"; event_value($what))
    elif $activity | one_of("Add member to role", "Remove member from role") then
      ([$targets[] | changed(.; "Role.TemplateId")][0]) as $template
      | ([$targets[] | select(.type != "Role") | .id][0]) as $member
      | select($template != null and $member != null)
      | join("event"; "role \($template) \($member)"; event_value($what))
    elif $activity | one_of("Disable account", "Enable account") then
      # Since when somebody is disabled: the beginning of the last time.
      ($targets[0].id? | text) as $user | select($user != null)
      | join("account_event"; $user; event_value(if $activity == "Disable account" then "add" else "remove" end))
    elif $activity | one_of("Add member to role request approved (PIM activation)", "Add member to role request denied (PIM activation)") then
      ([$targets[] | select(.type == "Request") | .id] + [.correlationId | text | select(. != null)] | unique)[] as $request
      | join("decision"; $request; event_value(if $activity | contains("approved") then "approved" else "rejected" end))
    else empty end;

def role_holder_joins($table):
  need("principalId") as $principal | need("roleDefinitionId") as $role
  | join("holds"; $principal; true), join("high_group"; $principal; $role),
    (if $table == null then empty else join($table; holding($principal; $role; scope); true) end),
    (if is_activated then join("activation"; $role; true) else empty end);

def joins:
  if $shape == "users" then
    need("id") as $id | join("user"; $id; {upn: (.userPrincipalName | text), identity: identity_name})
  elif $shape == "groups" then
    need("id") as $id | join("group"; $id; {name: (.displayName | text)}), name_join("group"; $id)
  elif $shape == "role-definitions" then
    need("id") as $id | join("role"; $id; {name: (.displayName | text), template: (.templateId | text)}), name_join("role"; $id)
  elif $shape | one_of("role-assignments", "plain-role-assignments") then
    role_holder_joins(if is_activated then null else "active" end)
  elif $shape == "role-eligibility" then role_holder_joins("eligible")
  elif $shape | one_of("role-requests", "eligibility-requests") then
    (.targetScheduleId | text) as $schedule
    | (if $schedule == null then empty
       else join("request"; $schedule; {ticket: (.ticketInfo.ticketNumber? | text), at: instant("createdDateTime")}) end),
      (if is_activation and (.approvalId | text) != null then join("activation"; need("roleDefinitionId"); true) else empty end)
  elif $shape == "group-members" then
    need("id") as $id | ._from.group as $group
    | (if (."@odata.type" | text) == "#microsoft.graph.user" then empty else join("holds"; $id; true) end),
      # The name of the group stands in another row, so whether it is wanted is asked when it is written.
      (if ($settings.identities and ($settings.identity_groups // []) != []) or $settings.pim_groups
       then join("in_group"; $id; {id: $group}) else empty end)
  elif $shape == "service-principals" then
    need("id") as $id | join("app"; $id; {name: (.displayName | text)}), name_join("app"; $id),
      (.appId | text | select(. != null) | join("by_app"; .; $id)),
      (.appRoles | list | .[] | select(type == "object" and (.id | text) != null)
       | join("app_role"; "\($id) \(.id)"; (.value | text) // (.displayName | text) // .id))
  elif $shape == "agents" then
    need("id") as $id | join("agent"; $id; true), join("app"; $id; {name: (.displayName | text)}), name_join("app"; $id)
  elif $shape == "app-roles" then
    need("principalId") as $principal | need("resourceId") as $app | need("appRoleId") as $role
    | (if .principalType | text | one_of("User", "ServicePrincipal") then join("holds"; $principal; true)
       else join("assigned"; $principal; {app: $app, role: $role, id: (.id | text), at: instant("createdDateTime")}) end),
      first_join("\($app) \($role)")
  elif $shape == "delegated-grants" then
    need("resourceId") as $api | join("holds"; need("clientId"); true), (permissions[] | first_join("\($api) delegated \(.)"))
  elif $shape == "managers" then need("id") as $id | (.manager.id? | text | select(. != null) | join("manager"; $id; .))
  elif $shape == "changes" then event_joins
  else empty end;

# --- the row ------------------------------------------------------------------------------------------------

def records:
  (if $row == 1 then
     {type: "covers", systems: [$settings.system, $settings.app_systems[]],
      types: ((if $settings.identities then ["identity"] else [] end) + (if $settings.pim_requests then ["request"] else [] end))},
     (if $shape == "users" then {type: "system", id: $settings.system, aliases: [$settings.tenant]} else empty end)
   else empty end),
  (if $shape == "role-definitions" then role_records
   elif $shape == "role-assignments" then assignment_records
   elif $shape == "role-eligibility" then eligibility_records
   elif $shape == "plain-role-assignments" then plain_assignment_records
   elif $shape | one_of("role-requests", "eligibility-requests") then request_records
   elif $shape == "groups" then group_records
   elif $shape == "group-members" then member_records
   elif $shape == "group-eligibility" then group_eligibility_records
   elif $shape == "service-principals" then service_principal_records
   elif $shape == "app-roles" then app_role_records
   elif $shape == "delegated-grants" then delegated_records
   elif $shape == "agents" then agent_records
   elif $shape == "app-activity" then activity_records
   elif $shape == "deleted-users" then old_name | identity("departed"; instant("deletedDateTime"))
   elif $shape == "sign-ins" then sign_in_records
   elif $shape == "users" then user_records
   else empty end);

if $joined == null then joins else records end
