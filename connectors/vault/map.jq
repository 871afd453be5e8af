# One row of one step, an answer that was saved or one line of an audit log in, records out; `$shape` is the step.
#
# The map runs twice. In the first run (`$joined` null) rows file what others need (`joins`); in the second they become
# records and edges (`records`): grants are direct, and an edge says that whoever holds the one thing holds the other too.

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};
def latest($table; $key; $value): {type: "join", table: $table, key: $key, value: $value, keep: "latest"};
def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] elif type == "string" then (split(",")[] | gsub("^\\s+|\\s+$"; "")) else empty end;
def texts: [items | strings | select(. != "")] | unique[];
def known: if type == "string" and . != "" then . else null end;
def need($field): .[$field] | known // error("\($shape): a row without `\($field)`");
def object: if type == "object" then . else {} end;
# To the second, so that times sort as texts.
def moment: cf_instant("auto"; null) | if . == null then null else .[0:19] + "Z" end;

# --- the text of a policy -----------------------------------------------------------------------------------

# A text of so many characters is not read: it is no policy that somebody wrote.
def readable: length <= 65536;

# Comments taken out, line by line; what looks like one within quotes stays. Null where one begins that goes on for lines.
def uncommented:
  [split("\n")[]
   | cf_capture("^(?P<kept>(?:[^\"#/]|\"(?:[^\"\\\\]|\\\\.)*\"|/[^\"#/*])*)(?P<rest>.*)$")
   | if . == null then {kept: "", rest: "/*"} else . end] as $lines
  | if any($lines[]; .rest | startswith("/*") or startswith("\"")) then null else [$lines[].kept] | join("\n") end;

# What it says of each path: `{path, capabilities}`; null where it cannot be read.
def rules:
  (if readable then cf_json else null end) as $json
  | if readable | not then null
    elif ($json | type) == "object" then
      [$json.path | if type == "array" then .[] else . end | object | to_entries[]
       | {path: .key, capabilities: [.value | if type == "array" then .[] else . end | object | (.capabilities, .policy) | texts]}]
    else
      uncommented
      | if . == null then null else
        [match("\"?\\bpath\"?\\s+\"(?<path>[^\"]*)\"\\s*\\{(?<body>[^{}]*(?:\\{[^{}]*\\}[^{}]*)*)\\}"; "g")
         | (.captures | map({key: .name, value: .string}) | from_entries) as $rule
         | {path: $rule.path,
            capabilities: ([$rule.body | match("\"?\\b(?:capabilities|policy)\"?\\s*=\\s*(?<said>\\[[^\\]]*\\]|\"[^\"]*\")"; "g")
              | .captures[0].string | match("\"([^\"]*)\""; "g") | .captures[0].string])}] as $rules
      | ([match("\"?\\bpath\"?\\s+\"[^\"]*\"\\s*\\{"; "g")] | length) as $named
      | if ($rules | length) == $named and ($named > 0 or (cf_capture("(?P<said>\\S)") == null)) then $rules else null end
        end
    end;

# Whether a path of a rule reaches another: `*` at its end stands for the rest, `+` for one segment.
def glob:
  (if endswith("*") then {text: .[:-1], rest: ".*"} else {text: ., rest: ""} end)
  | "^" + (.text | gsub("(?<sign>[.^$|()\\[\\]{}\\\\?*])"; "\\\(.sign)") | gsub("\\+"; "[^/]+")) + .rest + "$";

# Whoever writes here can give any policy to anybody, or read everything.
def powers: ["sys/policies/acl/x", "sys/policy/x", "sys/auth/x", "sys/raw/x", "sys/generate-root/attempt",
  "identity/entity/id/x", "identity/entity/name/x", "identity/group/id/x", "identity/group/name/x", "identity/entity-alias",
  "auth/x/role/x", "auth/x/users/x", "auth/x/groups/x", "auth/x/certs/x", "auth/x/config"];

def rule_is_high:
  .path as $path | .capabilities as $can
  | if $can | any(. == "deny") then false
    elif $can | any(one_of("sudo", "root")) then true
    elif $path | one_of("*", "+/*", "sys/*", "auth/*") then $can != []
    else ($can | any(one_of("create", "update", "patch", "write"))) and (($path | glob) as $glob | any(powers[]; matches($glob))) end;

# A text that cannot be read may allow anything.
def text_is_high: rules | if . == null then true else any(.[]; rule_is_high) end;

# --- names --------------------------------------------------------------------------------------------------

def system: $settings.system;
def is_high: . as $id | any($settings.high_risk_patterns[]; . as $pattern | $id | matches($pattern));
def short($kind): if any($settings.short_names[]; . == $kind) then [.] else [] end;
def policy_id: "policy/\(.)";
def group_id: "group/\(.)";
def counted: select(. != "default" or $settings.default_policy);
def policies(list): [list | texts | counted] | unique;

def policy_is_high: . == "root" or joined("policy"; .)[0] == true or (policy_id | is_high);
def risk($policies): if (. | is_high) or any($policies[]; policy_is_high) then "high" else "normal" end;
def includes($holds; $gives): {type: "includes", system: system, entitlement: $holds, gives: {entitlement: $gives}};

# The one name an entity logs in with; an alias of AppRole is an id.
def alias: [.aliases | if type == "array" then .[] else empty end | object | select(.mount_type != "approle") | .name | known | select(. != null)]
  | unique_by(cf_norm) | if length == 1 then .[0] else null end;
def account_of($entity): joined("entity"; $entity)[0] as $said
  | if $settings.account_names == "id" then $entity
    elif $said == null then null
    elif $settings.account_names == "alias" and $said.alias != null and (joined("named"; $said.alias | cf_norm) | unique | length) == 1
    then $said.alias
    else $said.name end;

# Who logs in as this: the entity that there is for it, else the name with the path of its method.
def login_entity($accessor; $name): joined("login"; "\($accessor) \($name | cf_norm)")[0];

# --- the audit log ------------------------------------------------------------------------------------------

# Who made a request that was answered: accounts of methods that have no entity of a name anybody knows.
def machine: . as $line
  | (.request.path // "" | cf_capture("^auth/(?P<mount>.+)/login$")) as $at
  | (($line.response.auth // $line.auth) | object | .metadata | object) as $said
  | if $at == null then empty
    elif $said.role_name | known then "\($at.mount)/\($said.role_name)"
    elif ($said.service_account_name | known) and ($said.service_account_namespace | known)
    then "system:serviceaccount:\($said.service_account_namespace):\($said.service_account_name)"
    else empty end;

def answered: .type == "response" and (.error | known) == null;

def log_joins:
  latest("mount"; "log"; $file),
  (select(answered) | (.time | moment // error("a response without `time`")) as $when
   | (([.response.auth, .auth][] | object | .entity_id | known | select(. != null)) | latest("use"; .; $when)),
     (machine | latest("role_use"; .; $when)));

def usage($account; $last):
  {type: "usage", system: system, account: $account, last_used_at: $last,
   tracked_since: ($settings.audit_since | cf_instant("auto"; null)),
   attribution: "account", success: (if $last == null then null else "yes" end)};

def log_records:
  select($row == 1 and joined("mount"; "log")[0] == $file)
  | {type: "covers", systems: [system]},
    (if $settings.account_names != "id" and (($joined.use // {}) != {}) and (($joined.entity // {}) == {}) then
       {type: "incomplete", reason: "the audit log names entities by ids, and no entity is among the files: hand over their answers, too, or say `account_names = \"id\"` for both sources"}
     else empty end),
    # An entity that is in the log and not among the files is gone.
    (($joined.use // {}) | keys[] | account_of(.) as $account | select($account != null)
      | usage($account; joined("use"; .)[0]) + {native_id: .}),
    (($joined.role_use // {}) | keys[] | usage(.; joined("role_use"; .)[0]));

# --- what is filed in the first run -------------------------------------------------------------------------

def entity_joins:
  need("id") as $id | need("name") as $name | alias as $alias
  | join("entity"; $id; {name: $name, alias: $alias, policies: [.policies | texts], enabled: (if .disabled == true then false else null end)}), join("named"; $name | cf_norm; $id),
    (if $alias == null then empty else join("named"; $alias | cf_norm; $id) end),
    (.aliases | if type == "array" then .[] else empty end | object
      | select((.mount_accessor | known) and (.name | known)) | join("login"; "\(.mount_accessor) \(.name | cf_norm)"; $id));

def joins:
  if $shape == "entity" then entity_joins
  elif $shape == "group" then join("group"; need("id"); need("name"))
  elif $shape == "policy" then
    join("policy"; need("name"); .policy | if type == "string" then text_is_high else true end)
  elif $shape == "audit" then log_joins
  elif $shape == "answer" then .data | object | entity_joins
  else empty end;

# --- records ------------------------------------------------------------------------------------------------

def held($account; $entitlement): {type: "grant", system: system, account: $account, entitlement: $entitlement};

def mount_records:
  (if $row == 1 then {type: "covers", systems: [system], types: ["system", "entitlement", "grant"]}, {type: "system", id: system} else empty end),
  need("_key") as $mount | need("type") as $type
  | if $type | one_of("token", "ns_token", "approle", "kubernetes", "jwt", "oidc", "azure", "aws", "gcp", "userpass", "ldap", "okta", "radius", "cert") then empty
    elif $mount | one_of($settings.unread_mounts[]) then empty
    else {type: "incomplete", reason: "the auth method `\($mount)` is of the type `\($type)`, which is not read: which policies it gives is not known; name it in `unread_mounts` where that need not be"} end;

def policy_records:
  need("name") as $name
  | {type: "entitlement", system: system, id: ($name | policy_id), aliases: ($name | short("policy")),
     risk: (if $name | policy_is_high then "high" else "normal" end)};

def entity_records:
  need("id") as $id | account_of($id) as $account | (.metadata | object)[$settings.ticket_metadata] as $ticket
  | (if .disabled == true then false else null end) as $enabled
  | policies(.policies)[] | held($account; policy_id)
    + {native_id: $id, ticket: ($ticket | known), account_enabled: $enabled};

def group_records:
  need("name") as $name | ($name | group_id) as $group | policies(.policies) as $policies
  | {type: "entitlement", system: system, id: $group, native_id: need("id"), aliases: ($name | short("group")), risk: ($group | risk($policies))},
    ($policies[] | includes($group; policy_id)),
    (.member_entity_ids | texts | . as $id | account_of($id) as $account
      | if joined("entity"; $id) == [] then {type: "incomplete", reason: "members of the group `\($name)` are not among the entities"}
        else held($account; $group) + {native_id: $id, account_enabled: joined("entity"; $id)[0].enabled} end),
    (.member_group_ids | texts | joined("group"; .)[0] as $inner
      | if $inner == null then {type: "incomplete", reason: "a group that is in the group `\($name)` is not among the groups"}
        else includes($inner | group_id; $group) end);

# Older roles have `policies` in place of `token_policies`.
def role_policies: policies(if .token_policies | type == "array" then .token_policies else .policies end);

# What has to be so for somebody to log in as it: copied, never interpreted.
def conditions: with_entries(select((.key | test("^(bound_|allowed_)")) and (.key | one_of("bound_claims_type", "allowed_redirect_uris") | not) and (.value | . != null and . != "" and . != [] and . != {} and . != false)))
  | if . == {} then null else . end;

# Who may log in as a role, as the role names them; `*` where it names only conditions.
def holders($type):
  if $type == "kubernetes" then
    ([.bound_service_account_namespaces | texts] | if . == [] then ["*"] else . end) as $namespaces
    | .bound_service_account_names | texts | . as $name | $namespaces[] | "system:serviceaccount:\(.):\($name)"
  else
    [(if $type | one_of("jwt", "oidc") then .bound_subject
      elif $type == "aws" then .bound_iam_principal_arn
      elif $type == "gcp" then .bound_service_accounts
      elif $type == "azure" then .bound_service_principal_ids
      elif $type == "cert" then .allowed_common_names
      else null end) | if type == "string" then known | select(. != null) else texts end]
    | if . == [] then "*" else .[] end
  end;

def role_records:
  ._from as $from | ($from | need("mount")) as $mount | ($from | need("name")) as $name | ($from | need("type")) as $type
  | role_policies as $policies
  | if $type == "approle" then
      "\($mount)/\($name)" as $account
      | ($policies[] | held($account; policy_id)),
        (if $settings.emit_identities then
           {type: "identity", id: "\(system)/\($account)", kind: "service", name: $name, accounts: [{system: system, account: $account}]}
         else empty end)
    else
      "auth/\($mount)/\($name)" as $role
      | {type: "entitlement", system: system, id: $role, risk: ($role | risk($policies))},
        ($policies[] | includes($role; policy_id)),
        (conditions as $conditions | holders($type) | held(.; $role) + {conditions: $conditions})
    end;

def user_group_id($mount): "auth/\($mount)/groups/\(.)";

def user_records:
  ._from as $from | ($from | need("mount")) as $mount | ($from | need("name")) as $name
  | login_entity($from.accessor; $name) as $entity
  | (if $entity == null then "\($mount)/\($name)" else account_of($entity) end) as $account
  # What the entity holds itself was said of it already.
  | (role_policies - (if $entity == null then [] else joined("entity"; $entity)[0].policies end) | .[] | held($account; policy_id)),
    (.groups | texts | held($account; user_group_id($mount)));

def user_group_records:
  ._from as $from | ($from | need("mount")) as $mount | ($from | need("name")) as $name
  | ($name | user_group_id($mount)) as $group | role_policies as $policies
  | {type: "entitlement", system: system, id: $group, risk: ($group | risk($policies))},
    ($policies[] | includes($group; policy_id));

def records:
  if $shape == "auth-mounts" then mount_records
  elif $shape == "policy" then policy_records
  elif $shape == "entity" then entity_records
  elif $shape == "group" then group_records
  elif $shape | one_of("role", "cloud-role", "certificate") then role_records
  elif $shape == "user" then user_records
  elif $shape == "user-group" then user_group_records
  elif $shape == "audit" then log_records
  elif $shape == "answer" then
    (if $settings.audit_since == null then empty
     else .data | object | need("id") as $id | select(joined("use"; $id) == []) | usage(account_of($id); null) + {native_id: $id} end)
  else empty end;

# --- the row ------------------------------------------------------------------------------------------------

def names: $shape | one_of("policy-names", "entity-ids", "group-ids");

if names then
  if type != "string" or . == "" then error("\($shape): a row of type \(type): expected a text")
  elif $shape == "policy-names" and . == "root" and $joined != null then
    {type: "entitlement", system: system, id: ("root" | policy_id), aliases: ("root" | short("policy")), risk: "high"}
  else empty end
elif type != "object" then error("\($shape): a row of type \(type): expected an object")
elif ($shape | one_of("audit", "answer")) and $settings.record != "usage" then
  error("files tell of last use alone: say `record = \"usage\"`, and let another source ask the product for grants")
elif ($shape | one_of("audit", "answer") | not) and $settings.record == "usage" then
  error("`record = \"usage\"` is for an audit log: a source that asks the product reads grants")
elif $shape == "answer" and ((.data | object | .aliases | type) != "array") then
  error("expected the answer of `vault read -format=json identity/entity/id/ID`, with `aliases`")
elif $joined == null then joins
else records end
