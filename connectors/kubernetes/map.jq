# An object of the cluster (a binding, a role, a service account) or an event of its audit log in, records out.
#
# Who used a binding, and when a subject came into it, stands in the audit log and nowhere else. So the engine runs this map
# twice: first with `$joined` null, when events file what they say under the binding they name, then with all of it.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def latest($table; $key; $value): {type: "join", table: $table, key: $key, value: $value, keep: "latest"};
def matches($pattern): cf_capture($pattern) != null;
def among($list): . as $one | any($list[]?; . == $one);
def items($what): if . == null then [] elif type == "array" then . else error("`\($what)` is no list") end;
def text($what): if type == "string" and . != "" then . else error("`\($what)` is missing: expected a text") end;
def instant($what): . as $said | try cf_instant("auto"; null) catch error("`\($what)`: \(.)");
# To the second, so that times sort as texts.
def moment($what): instant($what) | if . == null then null else .[0:19] + "Z" end;
def object: if type == "object" then . else {} end;
# JSON that stands in a text.
def unpacked: if type == "string" then cf_json else . end;

# --- names --------------------------------------------------------------------------------------------------

# The items of a list of the API do not say their kind; the list does, and so does the request for it.
def kind:
  if $shape | among(["ClusterRoleBinding", "RoleBinding", "ClusterRole", "Role", "ServiceAccount"]) then $shape
  else .kind // ($head.kind? // "" | rtrimstr("List")) end;

def service_account($namespace; $name): "system:serviceaccount:\($namespace):\($name)";

def user_account: . as $name
  | $settings.username_prefix as $prefix
  | if $prefix != "" and startswith($prefix) then .[($prefix | length):] else $name end;
def group_account: $settings.group_prefix + .;

# Subjects are named here as the audit log names them: a service account by its name and then its namespace.
def subject($namespace):
  object
  | (.name | text("subjects.name")) as $name
  | (.namespace // $namespace) as $in
  | if .kind == "User" then
      {key: "User \($name)", account: ($name | user_account)}
    elif .kind == "Group" then {key: "Group \($name)", account: ($name | group_account)}
    elif .kind == "ServiceAccount" then
      {key: "ServiceAccount \($name)/\($in | text("subjects.namespace"))", account: service_account($in; $name)}
    else error("a subject of kind `\(.kind)`: expected User, Group or ServiceAccount") end;

def binding_key: .metadata as $meta
  | if kind == "ClusterRoleBinding" then "ClusterRoleBinding \($meta.name)"
    else "RoleBinding \($meta.name)/\($meta.namespace)" end;

# --- the audit log ------------------------------------------------------------------------------------------

# An event in the words of the API server, whatever it is wrapped in; nothing where the line is of something else.
def event:
  if $shape == "gke" then
    (.protoPayload | object) as $payload
    | ($payload.resourceName // "" | cf_capture("(^|/)(?:namespaces/(?P<namespace>[^/]+)/)?(?P<resource>(cluster)?rolebindings)(/(?P<name>[^/]+))?$")) as $on
    | {annotations: (.labels | object), requestReceivedTimestamp: .timestamp,
       stage: "ResponseComplete", verb: ($payload.methodName // "" | split(".") | last),
       user: {username: $payload.authenticationInfo.principalEmail?}, requestURI: "",
       objectRef: (if $on == null then null else {resource: $on.resource, namespace: $on.namespace, name: $on.name} end),
       responseStatus: {code: (if ($payload.status.code? // 0) == 0 then 200 else 500 end)},
       requestObject: $payload.request, responseObject: $payload.response}
  elif $shape == "aks" or $shape == "aks-records" then
    select(.category | among(["kube-audit", "kube-audit-admin"]))
    | .properties.log | unpacked // {cut: true}
  elif $shape == "aks-table" then
    {annotations: (.Annotations | unpacked | object), requestReceivedTimestamp: (.RequestReceivedTime // .TimeGenerated),
     stage: (.Stage // "ResponseComplete"), verb: .Verb, user: (.User | unpacked | object), requestURI: .RequestUri,
     objectRef: (.ObjectRef | unpacked), responseStatus: (.ResponseStatus | unpacked),
     requestObject: (.RequestObject | unpacked), responseObject: (.ResponseObject | unpacked)}
  elif $shape == "eks" then
    .message | strings | select(startswith("{"))
    | cf_json // {cut: true}
    | select(.cut or (.kind == "Event" and (.apiVersion // "" | startswith("audit.k8s.io"))))
  else . end;

def is_log: $shape | among(["audit", "gke", "aks", "aks-records", "aks-table", "eks"]);

# Go quotes a name where JSON would; what JSON cannot read stays as it is.
def unquoted: . as $quoted | try ("\"\($quoted)\"" | fromjson) catch $quoted;

def when: .requestReceivedTimestamp // .stageTimestamp | moment("requestReceivedTimestamp");
def place: "\($file)#\($row)";

# What a request was allowed by: the role, where it is bound, and the subject. Two bindings may give a subject the same, and
# the first that is found is named; so use is filed under what they give. An attempt counts as use, so what became of it
# does not matter.
def use_key($scope; $entitlement; $subject): "\($scope)\n\($entitlement)\n\($subject)";
def used:
  .annotations | object
  | select(.["authorization.k8s.io/decision"] == "allow")
  | .["authorization.k8s.io/reason"] // "" | strings
  | cf_capture("^RBAC: allowed by (?P<binding>ClusterRoleBinding|RoleBinding) \"(?P<name>(?:[^\"\\\\]|\\\\.)*)\" of (?P<of>ClusterRole|Role) \"(?P<role>(?:[^\"\\\\]|\\\\.)*)\" to (?P<kind>User|Group|ServiceAccount) \"(?P<subject>(?:[^\"\\\\]|\\\\.)*)\"$")
  | select(. != null)
  | (if .binding == "RoleBinding" then .name | unquoted | split("/") | last else null end) as $namespace
  | (.role | unquoted) as $role
  | (if .of == "Role" then "\($namespace)/\($role)" else $role end) as $entitlement | (.subject | unquoted) as $subject
  | {key: use_key($namespace; $entitlement; "\(.kind) \($subject)"), entitlement: $entitlement,
     account: (if .kind == "User" then $subject | user_account
       elif .kind == "Group" then $subject | group_account
       else ($subject | split("/")) as $parts | service_account($parts[1:] | join("/"); $parts[0]) end)};

# The subjects a binding had after a request, where the log holds them: at the level RequestResponse, and at Request unless
# it was a patch, of which only the change is there.
def subjects_after($namespace):
  (if (.responseObject | object).roleRef != null then .responseObject
   elif .verb != "patch" and (.requestObject | object).roleRef != null then .requestObject
   else null end)
  | if . == null then null else try [.subjects | items("subjects")[] | subject($namespace).key] catch null end;

# A request that changed a binding.
def change:
  (.objectRef | object) as $on
  | select(($on.resource | among(["clusterrolebindings", "rolebindings"])) and ($on.subresource // "") == ""
      and (.verb | among(["create", "update", "patch", "delete"]))
      and (.stage // "ResponseComplete") == "ResponseComplete"
      and ((.responseStatus.code? // 200) | . >= 200 and . < 300)
      and (.requestURI // "" | contains("dryRun=") | not))
  | ($on.name // (.responseObject | object).metadata.name // (.requestObject | object).metadata.name) as $name
  | select($name != null)
  | (if $on.resource == "clusterrolebindings" then "ClusterRoleBinding \($name)"
     else "RoleBinding \($name)/\($on.namespace)" end) as $key
  | join("change"; $key;
      {at: (.requestReceivedTimestamp // .stageTimestamp | instant("requestReceivedTimestamp")), verb: .verb,
       by: .user.username?, subjects: subjects_after($on.namespace)});

# The change since which a subject has been in a binding without a break; null where that is not known. What the log does
# not hold from its beginning, or not in full, is not known.
def since($binding; $subject):
  [joined("change"; $binding) | unique[]] | sort_by(.at | rtrimstr("Z"))
  | reduce .[] as $change ({state: "unknown"};
      (if $change.subjects == null then null else ($subject | among($change.subjects)) end) as $there
      | if $change.verb == "delete" or $there == false then {state: "absent"}
        elif $there == null then {state: "unknown"}
        elif $change.verb == "create" or .state == "absent" then {state: "since", change: $change}
        else . end)
  | if .state == "since" then .change else null end;

# --- bindings -----------------------------------------------------------------------------------------------

def annotation($name): if $name == null or $name == "" then null else .metadata.annotations[$name]? // null end;
def annotated_instant($name):
  annotation($name) as $value
  | if $value == null then null
    elif ($value | matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9:.]+)?$")) and $settings.time_zone == null then
      error("the annotation `\($name)` says `\($value)`, a time without an offset: give the setting `time_zone`")
    else try ($value | cf_instant("auto"; $settings.time_zone)) catch null end;

def created: .metadata.creationTimestamp | instant("metadata.creationTimestamp");

# Were the subjects never written again since the binding was made? The API server keeps who wrote which field last.
def untouched:
  created as $created
  | [.metadata.managedFields? | items("managedFields")[] | object | select((.fieldsV1 | object) | has("f:subjects"))
      | .time | instant("managedFields.time")] as $written
  | $created != null and $written != [] and all($written[]; . != null and .[0:19] <= $created[0:19]);

def granted($subject):
  since(binding_key; $subject) as $change
  | if $change != null then {granted_at: $change.at, granted_at_basis: "event", granted_by: $change.by}
    elif untouched or $settings.binding_times == "created" then {granted_at: created, granted_at_basis: "state"}
    else {} end;

# Without a log nothing is said of use, and without its beginning nothing of what was not used.
def use($scope; $entitlement; $subject):
  joined("use"; use_key($scope; $entitlement; $subject))[0] as $last
  | (if joined("use"; "log") == [] then null else $settings.audit_since end) as $tracked
  | if $last == null and $tracked == null then {}
    else {last_used_at: $last, usage_tracked_since: $tracked, use_attribution: "grant"} end;

def entitlement:
  .metadata.namespace as $namespace | (.roleRef | object) as $role
  | ($role.name | text("roleRef.name")) as $name
  | if $role.kind == "ClusterRole" then $name
    elif $role.kind == "Role" then "\($namespace)/\($name)"
    else error("`roleRef.kind` is `\($role.kind)`: expected ClusterRole or Role") end;

def is_default: .metadata.labels["kubernetes.io/bootstrapping"]? != null;

def binding:
  . as $binding | (.metadata.name | text("metadata.name")) as $name
  | (if kind == "RoleBinding" then .metadata.namespace | text("metadata.namespace") else null end) as $namespace
  | {type: "seen", key: kind},
    (if $namespace == "kube-system" then {type: "seen", key: "kube-system"} else empty end),
    (select($settings.default_bindings or (is_default | not))
     | [.subjects | items("subjects")[] | subject($namespace)] | unique_by(.key)[] as $subject
     | $binding | entitlement as $entitlement
     | {type: "grant", system: $settings.system, account: $subject.account, entitlement: $entitlement, scope: $namespace,
        native_id: .metadata.uid, ticket: annotation($settings.ticket_annotation),
        expires_at: annotated_instant($settings.expires_annotation)}
       + granted($subject.key) + use($namespace; $entitlement; $subject.key));

# --- roles --------------------------------------------------------------------------------------------------

def allows($group; $resources; $verbs):
  (.apiGroups | items("apiGroups") | any(.[]; among([$group, "*"])))
  and (.resources | items("resources") | any(.[]; . == "*" or among($resources)))
  and (.verbs | items("verbs") | any(.[]; . == "*" or among($verbs)));
def is_narrow: (.resourceNames | items("resourceNames")) != [];

# Who may do one of these may become anybody, or read what was meant for somebody else.
def is_high:
  object
  | ((.verbs | items("verbs") | any(.[]; . == "*")) and (.resources | items("resources") | any(.[]; . == "*"))
        and (.apiGroups | items("apiGroups") | any(.[]; . == "*" or . == "")) and (is_narrow | not))
    or allows("rbac.authorization.k8s.io"; ["roles", "clusterroles"]; ["escalate", "bind"])
    or allows(""; ["users", "groups", "serviceaccounts"]; ["impersonate"])
    or ((is_narrow | not)
        and (allows(""; ["secrets"]; ["get", "list", "watch"])
          or allows(""; ["pods/exec", "pods/attach", "pods/ephemeralcontainers", "nodes/proxy", "*/exec", "*/attach", "*/proxy"];
               ["get", "create", "update", "patch"])
          or allows(""; ["serviceaccounts/token", "*/token"]; ["create"])
          or allows("certificates.k8s.io"; ["certificatesigningrequests/approval", "*/approval"]; ["update", "patch"])));

def role:
  (.metadata.name | text("metadata.name")) as $name
  | (if kind == "Role" then "\(.metadata.namespace | text("metadata.namespace"))/\($name)" else $name end) as $id
  | {type: "covers", types: ["entitlement"]},
    {type: "entitlement", system: $settings.system, id: $id, aliases: ["\(kind)/\($id)"], native_id: .metadata.uid,
     owner: annotation($settings.owner_annotation),
     risk: (if any(.rules | items("rules")[]; is_high)
              or any(($settings.high_risk_patterns // [])[]; . as $pattern | $id | matches($pattern)) then "high"
            else "normal" end)};

def account:
  select($settings.emit_identities)
  | (.metadata.name | text("metadata.name")) as $name | (.metadata.namespace | text("metadata.namespace")) as $namespace
  | service_account($namespace; $name) as $id
  | {type: "covers", types: ["identity"]},
    {type: "identity", id: $id, kind: "service", name: "\($namespace)/\($name)", native_id: .metadata.uid,
     accounts: [{system: $settings.system, account: $id}], owner: annotation($settings.owner_annotation)};

# Last use by itself. A usage record has no scope, so it speaks of the entitlement.
def usage:
  event | select(.cut != true)
  | when as $when
  | used as $used
  # Without a scope several uses are one: the latest of them speaks.
  | select(joined("use"; use_key("*"; $used.entitlement; $used.account))[0] == "\($when) \(place)")
  | {type: "usage", system: $settings.system, account: $used.account, entitlement: $used.entitlement,
     last_used_at: $when, tracked_since: $settings.audit_since, attribution: "entitlement", success: "unknown"};

# --- the row ------------------------------------------------------------------------------------------------

def log_joins:
  event
  | if .cut == true then empty
    else
      when as $when
      | select($when != null)
      | if $settings.record == "usage" then
          used as $used | latest("use"; use_key("*"; $used.entitlement; $used.account); "\($when) \(place)")
        else latest("use"; "log"; $when), (used | latest("use"; .key; $when)), change end
    end;

# What must be there for the grants to be all of them. Every cluster has bindings of its own in these places.
def file_records:
  {type: "covers", systems: [$settings.system]},
  ({"ClusterRoleBinding": "no cluster role binding is among the files: export clusterrolebindings",
    "RoleBinding": "no role binding is among the files: export rolebindings",
    "kube-system": "no role binding of the namespace kube-system is among the files: export with --all-namespaces"}
    | select($settings.record == "grant")
    | to_entries[] | {type: "incomplete", unless: .key, reason: .value}),
  (if $shape == "list" or $shape == "eks" then
     "last page \($head.kind? // $shape)" as $key
     | if ($head.metadata.continue? // $head.nextToken? // "") == "" then {type: "seen", key: $key}
       else {type: "incomplete", unless: $key, reason:
         "no page of a list (\($head.kind? // "audit log")) is the last: fetch the next one with the token of the one before"} end
   else empty end);

def records:
  (select($row == 1) | file_records),
  (if is_log then
     event | select(.cut == true)
     | {type: "incomplete", reason: "some lines of the audit log are cut off and cannot be read: which binding they used is not known"}
   else empty end),
  (if $settings.record == "usage" then (if is_log then usage else empty end)
   elif is_log then empty
   else
     kind as $kind
     | if $kind == "ClusterRoleBinding" or $kind == "RoleBinding" then binding
       elif $kind == "ClusterRole" or $kind == "Role" then role
       elif $kind == "ServiceAccount" then account
       else empty end
   end);

if type != "object" then error("a row of type \(type): expected an object of the cluster or an event of its audit log")
elif $joined == null then (if is_log then log_joins else empty end)
else records end
