# A list of people as identities. Names of columns are compared by their letters and digits alone, so that
# `User Principal Name`, `userPrincipalName` and `user_principal_name` are one.

def plain: . as $name | ascii_downcase | gsub("[^a-z0-9]"; "") | if . == "" then $name | cf_norm else . end;

# Names known for each field, most telling first.
def synonyms: {
  id: ["email", "mail", "emailaddress", "workemail", "primaryemail", "businessemail", "emails", "userprincipalname", "upn",
    "id", "identity", "username", "login", "userid", "samaccountname", "employeeid", "accountname"],
  aliases: ["alias", "aliases", "othernames", "userprincipalname", "upn", "mail", "email", "emailaddress", "workemail",
    "primaryemail", "username", "login", "userid", "samaccountname", "employeeid", "employeenumber", "personnelnumber",
    "workerid", "staffid", "accountid", "externalid", "objectid", "objectsid", "immutableid", "id", "emails",
    "proxyaddresses", "othermails", "secondaryemail", "nickname"],
  name: ["displayname", "fullname", "name", "cn", "preferredname", "employeename"],
  first_name: ["firstname", "givenname", "forename", "vorname"],
  last_name: ["lastname", "surname", "sn", "familyname", "nachname"],
  kind: ["kind", "identitytype", "accounttype", "usertype", "type"],
  status: ["status", "employmentstatus", "employeestatus", "workerstatus", "userstatus", "accountstatus",
    "accountenabled", "enabled", "active", "isactive"],
  status_since: ["statussince", "statuschanged", "statuschangedat", "terminationdate", "terminatedat", "terminatedon",
    "leavingdate", "leavedate", "leaverdate", "departedat", "lastworkingday", "disabledat", "disabledon"],
  manager: ["manager", "manageremail", "managerid", "manageruserprincipalname", "reportsto", "supervisor",
    "supervisoremail", "linemanager"],
  owner: ["owner", "owneremail", "sponsor", "sponsoremail", "accountowner", "responsible", "custodian"],
  groups: ["groups", "group", "memberof", "groupmembership", "groupmemberships", "teams", "team"],
  accounts: ["accounts", "account"]
};

def statuses: {
  active: ["active", "enabled", "true", "yes", "1", "employed", "current", "aktiv", "provisioned", "on leave", "leave"],
  disabled: ["disabled", "inactive", "suspended", "false", "no", "0", "locked", "blocked", "deactivated", "staged",
    "deprovisioned", "inaktiv", "not active"],
  departed: ["departed", "terminated", "left", "leaver", "former", "resigned", "retired", "offboarded", "exited",
    "ausgeschieden", "deceased", "deleted"]
};
def kinds: {
  human: ["human", "person", "people", "employee", "user", "member", "guest", "contractor", "external", "intern",
    "consultant", "staff", "regular", "contingent worker", "full time", "full-time", "part time", "part-time", "permanent",
    "temporary"],
  service: ["service", "service account", "serviceaccount", "service principal", "serviceprincipal", "system",
    "application", "app", "bot", "robot", "machine", "workload", "technical", "technical user", "shared"],
  agent: ["agent", "ai agent", "ai", "assistant", "llm agent"]
};

# The texts of a value, whatever it is wrapped in: {"value": "a"}, ["a"], 7.
def texts:
  if . == null then empty
  elif type == "array" then .[] | texts
  elif type == "object" then (.value // .display // .email // .mail // .userPrincipalName // .id) | texts
  elif type == "string" then sub("^\\s+"; "") | sub("\\s+$"; "") | select(. != "")
  else tostring end;

def split_list: $settings.list_separator as $by
  | if $by == null or $by == "" then . else split($by)[] end
  | sub("^\\s+"; "") | sub("\\s+$"; "") | select(. != "");

# Columns of a field: those the site names, else those known. `.` is the row by plain name.
def columns($field):
  ($settings.columns // {})[$field] as $named
  | if $named == null then synonyms[$field]
    else [ $named | if type == "array" then .[] else . end | plain ] end;

# The values of the first column that has some.
def first_of($field):
  . as $row | [ first(columns($field)[] | [ $row[.] | texts ] | select(length > 0)) | .[] ];

# The values of all columns.
def all_of($field):
  . as $row | [ columns($field)[] | $row[.] | texts ];

def one($field): first_of($field) | first;

def word($field; $known; $more; $setting):
  . as $said | cf_norm as $norm
  | (first(($more // {}) | to_entries[] | select((.key | cf_norm) == $norm) | .value)
     // first($known | to_entries[] | select(.value | any(.[]; . == $norm)) | .key)
     // ($more // {})["*"]) as $found
  | if $found == null then error("`\($field)`: `\($said)` is not a word known for it: say in the setting `\($setting)` what it means")
    elif ($known | has($found)) then $found
    else error("setting `\($setting)`: `\($found)` must be one of \($known | keys | join(", "))") end;

def accounts:
  . as $row
  | [ ( ($settings.accounts // {}) | to_entries[] | .key as $system
        | (.value | if type == "array" then .[] else . end | plain) as $column
        | $row[$column] | texts | split_list | { system: $system, account: . } ),
      ( columns("accounts")[] | $row[.]? // empty
        | if type == "array" then .[] else . end
        | if type == "object" then select(.system and .account) | { system: (.system | tostring), account: (.account | tostring) }
          else texts | split_list
            | (index(":") // error("`accounts`: `\(.)` is not written system:account")) as $at
            | { system: .[:$at], account: .[$at + 1:] } end ) ];

(to_entries | map(select(.key != "") | { key: (.key | plain), value }) | group_by(.key)
  | map({ key: .[0].key, value: (if length == 1 then .[0].value else map(.value) end) }) | from_entries) as $row
| $row
| one("id") as $id
| if $id == null then error("no id: none of the columns \(columns("id") | join(", ")) has a value; name the column in the setting `columns`, such as id:Login")
  else
    (one("name") // ([one("first_name"), one("last_name")] | map(select(. != null)) | join(" ") | select(. != "")) // null) as $name
    | (one("status")) as $status
    | (one("status_since")) as $since
    | ($id | cf_norm) as $norm
    | {
        type: "identity",
        id: $id,
        kind: ((one("kind") // null) as $kind | if $kind == null then $settings.kind else $kind | word("kind"; kinds; $settings.kind_values; "kind_values") end),
        name: $name,
        aliases: ([ all_of("aliases")[] | split_list | sub("^(?:smtp|SMTP|sip|SIP):"; "") ] + (if $settings.name_is_alias and $name then [$name] else [] end)
          | map(select(cf_norm != $norm)) | reduce .[] as $alias ([]; if any(.[]; . == $alias) then . else . + [$alias] end)),
        status: (if $status == null then null else $status | word("status"; statuses; $settings.status_values; "status_values") end),
        status_since: (if $since == null then null else
          try ($since | cf_instant("auto"; $settings.time_zone; $settings.date_order)) catch error("`status_since`: \(.)") end),
        manager: one("manager"),
        owner: one("owner"),
        groups: [ first_of("groups")[] | split_list ],
        accounts: (accounts + [ ($settings.account_systems // [])[] | { system: ., account: $id } ])
      }
    | with_entries(select(.value != null and .value != []))
  end
