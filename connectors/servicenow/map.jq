# ServiceNow rows to records.
#
# The engine runs this twice over all files (or tables, over HTTP) of a pull. First with `$joined` null: what a row has to say to rows of
# other tables comes out as {"type":"join","table","key","value"}. Then with `$joined` holding all of that as
# `$joined.TABLE[KEY]` (a list, in the order of the files): now the records come out.
#
# A cell is {v, d}: v the value as stored (dates in UTC, references as sys_id), d the text as shown to the person
# who exported it (dates in that person's zone and format, references by name). Either may be null.

# ---- words ---------------------------------------------------------------------------------------------------

# Column labels of the base system in English that are not their field's name with blanks. `labels` adds to it.
def base_labels: {
  "item": "cat_item", "opened": "opened_at", "closed": "closed_at", "created": "sys_created_on",
  "created by": "sys_created_by", "updated": "sys_updated_on", "updated by": "sys_updated_by",
  "requested item": "request_item", "configuration item": "cmdb_ci", "task type": "sys_class_name",
  "approval for": "sysapproval", "approving": "document_id", "user id": "user_name",
  "variable": "sc_item_option", "question": "sc_item_option.item_option_new", "value": "sc_item_option.value" };

# The name a table is shown under, to the table.
def class_names: {
  "requested item": "sc_req_item", "request": "sc_request", "change request": "change_request",
  "catalog task": "sc_task", "user": "sys_user", "catalog item": "sc_cat_item" };

# Values of `approval` and of an approval's `state`, raw and as shown in English, to what they mean.
def base_states: {
  "approved": "approved", "rejected": "rejected", "requested": "pending", "not requested": "pending",
  "not yet requested": "pending", "more information required": "pending",
  "cancelled": "cancelled", "canceled": "cancelled" };

# Values that say nobody decided.
def undecided: ["", "not required", "no longer required", "skipped", "duplicate"];

def words: cf_norm | split("_") | join(" ");
# The first output, or null.
def opt(f): first(f, null);
def filled: select(. != null and . != "" and . != []);
# Does the text fit the pattern? (cf_capture keeps compiled patterns at hand.)
def fits($pattern): cf_capture($pattern) != null;
def is_sys_id: length == 32 and fits("^[0-9a-f]+$");
def is_sheet: $shape == "csv" or $shape == "xlsx";
# Was the instance asked itself? Then $shape is the table, and the pull says which tables were read to their end.
def is_live: (($head | objects | ._whole) // null) != null;
def one_of($list): cf_norm as $x | any($list[]?; cf_norm == $x);

# ---- cells ---------------------------------------------------------------------------------------------------

# The export puts ' before a cell that a spreadsheet would take for a formula.
def unguard: .[:2] as $start | if $start == "'=" or $start == "'+" or $start == "'-" or $start == "'@" then .[1:] else . end;

# Stored values are texts, but for some APIs (the one for changes) that write 1.0 and true.
def as_text:
  if type == "string" then .
  elif type == "number" then (if . == floor then floor else . end) | tostring
  elif type == "boolean" then tostring
  else empty end;

# The text of a plain cell, before it is known whether it is a stored or a shown value.
def plain($k):
  .[$k]
  | if type == "array" then (.[0] | if type == "object" then .["#text"] else . end) else . end
  | as_text | filled
  | if is_sheet then unguard else . end;

# Does the row carry stored or shown values? References tell: a sys_id or a name.
def mode:
  if $settings.values != "auto" then $settings.values
  elif $shape == "xml" then "raw"
  else . as $row
    | first(
        ( ("opened_by", "requested_for", "request", "cat_item", "approver", "sysapproval", "request_item",
           "delegate", "group", "cmdb_ci", "requested_by", "manager")
          | $row[.] | filled
          | if type == "array" then .[0] else . end | filled
          | if type == "object" then
              (if .value != null then "raw" elif .display_value != null then "display" else empty end)
            elif type == "string" then (if is_sys_id then "raw" else "display" end)
            else empty end ),
        ( ("approval", "state") | . as $k | $row | plain($k) | select(fits("^[A-Z]")) | "display" ),
        (if is_sheet then "display" else "raw" end) )
  end;

def cell($k):
  .[$k] as $c
  | if $c == null or $c == "" then
      if $shape == "json-export" then .["dv_" + $k] | as_text | filled | {v: null, d: .} else empty end
    elif ($c | type) == "object" then
      { v: opt(($c.value | as_text | filled), ($c.link | strings | split("/") | last | select(is_sys_id))),
        d: opt($c.display_value | as_text | filled) }
      | select(.v != null or .d != null)
    elif ($c | type) == "array" and ($c[0] | type) == "object" then
      { v: opt($c[0]["#text"] | filled), d: opt($c[0]["@display_value"] | filled) }
      | select(.v != null or .d != null)
    elif .["#mode"] == "raw" then {v: plain($k), d: (if $shape == "json-export" then opt(.["dv_" + $k] | as_text | filled) else null end)}
    else {v: null, d: plain($k)} end;

def raw($k): cell($k) | .v // .d;
def shown($k): cell($k) | .d // .v;

# A reference with what dot-walked columns say about it (u user name, e address, i sys_id), so that a person can be
# named without the user table.
def beside($k; $suffix): ($k + $suffix) as $column | if .[$column] == null then null else opt(raw($column)) end;
def ref($k):
  beside($k; ".user_name") as $u | beside($k; ".email") as $e | beside($k; ".sys_id") as $i
  | if $u == null and $e == null and $i == null then cell($k)
    else {v: null, d: null} + opt(cell($k)) + {u: $u, e: $e, i: $i} end;

def keys_of($k): [cell($k) | (.v, .d) | filled] | unique | .[];

# ---- times ---------------------------------------------------------------------------------------------------

def instant_of($what):
  . as $c
  | try (
      if $c.v != null and ($c.v | fits("[0-9]:[0-9]{2}|^[0-9]+$")) then $c.v | cf_instant("auto"; "UTC")
      # A day as it is stored can be read in one way only; as it is shown, perhaps in two.
      elif $c.v != null and ($c.v | fits("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")) then $c.v | cf_instant("auto"; $settings.time_zone)
      else $c.d // $c.v | cf_instant($settings.date_formats // "auto"; $settings.time_zone; $settings.date_order) end
    ) catch error("`\($what)`: \(.)");

def instant($k): cell($k) | instant_of($k);

# The end of something. A day includes itself unless `last_day` says otherwise, so that it ends at the next midnight
# of the zone; where the day is not written 2026-03-29 that is 24 hours on, an hour off where the clock changes.
def a_day_later: fromdateiso8601 + 86400 | todateiso8601;
def end_of($what):
  (.v // .d) as $text
  | if ($text | fits("[0-9]:[0-9]{2}")) then instant_of($what)
    elif $settings.last_day != "included" then {v: null, d: $text} | instant_of($what)
    elif ($text | fits("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")) then
      {v: null, d: (try ($text + "T00:00:00Z" | a_day_later | .[:10]) catch $text)} | instant_of($what)
    else {v: null, d: $text} | instant_of($what) | a_day_later end;

# A duration field is stored as the time that long after 1970-01-01 00:00:00.
def duration_of($what):
  (.v // .d)
  | if fits("^19[78][0-9]-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$")
    then sub(" "; "T") + "Z" | fromdateiso8601 | "PT\(.)S"
    else . as $t | (cf_duration // error("`\($what)` is `\($t)`: expected a duration such as 90 days, 8h or P90D")) end;

# ---- tables --------------------------------------------------------------------------------------------------

def known_tables: ["sc_req_item", "sc_request", "change_request", "sc_task", "task", "sysapproval_approver", "sysapproval_group",
  "sc_item_option_mtom", "sc_item_option", "item_option_new", "sc_multi_row_question_answer", "sys_user",
  "sys_user_delegate", "sys_user_grmember", "sys_user_group", "sc_cat_item", "sys_audit"];

def table:
  . as $row
  | first(
      (select(is_live) | $shape),
      ($settings.tables[$file]? | filled),
      (select($shape == "xml") | $at | split("/") | last),
      (cell("sys_class_name") | (.v // (.d | class_names[words]) // .d) | ascii_downcase),
      (if has("sysapproval") and has("assignment_group") and (has("approver") | not) then "sysapproval_group"
       elif has("sysapproval") or (has("approver") and has("document_id")) then "sysapproval_approver"
       elif has("delegate") and has("user") then "sys_user_delegate"
       elif has("user") and has("group") then "sys_user_grmember"
       elif has("request_item") and ($row | keys | any(startswith("sc_item_option"))) then "sc_item_option_mtom"
       elif has("parent_id") and has("item_option_new") then "sc_multi_row_question_answer"
       elif has("item_option_new") and has("value") then "sc_item_option"
       elif has("question_text") then "item_option_new"
       elif has("documentkey") and has("fieldname") then "sys_audit"
       elif has("user_name") then "sys_user"
       else empty end),
      ($file | ascii_downcase | . as $name
        | first(known_tables[] | . as $t | select($name | fits("(^|[^a-z_])" + $t + "([^a-z_]|$)")))),
      (plain("number")
        | if startswith("RITM") then "sc_req_item" elif startswith("REQ") then "sc_request"
          elif startswith("CHG") then "change_request" elif fits("^(SC)?TASK") then "sc_task" else "task" end),
      (if has("sys_id") and (has("request") or has("approval") or has("short_description") or has("price"))
       then "task" else empty end),
      error("cannot tell which table the row is from: name the file after its table (sc_req_item.csv) or set `tables`"));

# ---- first run: what other rows need -------------------------------------------------------------------------

# Held in memory until the end, so what is null stays out.
def lean: if type == "object" then map_values(values) else . end;
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: ($value | lean)};

def question_name: {name: opt(shown("name")), question: opt(shown("question_text"))};

def variable_names($k):
  [shown($k + ".name"), shown($k + ".question_text"), (cell($k) | .d | filled), (cell($k) | .v | filled | select(is_sys_id | not))]
  | map(words) | unique;

def joins:
  .["#table"] as $t
  | if $t == "sysapproval_approver" then
      { id: opt(raw("sys_id") | select(is_sys_id)), state: (opt(raw("state")) // error("an approval without a `state`: export sysapproval, approver, state, sys_updated_by and sys_updated_on")),
        approver: opt(ref("approver")), by: opt(raw("sys_updated_by")),
        at: opt(instant($settings.approval_time_field)) } as $value
      | ([keys_of("sysapproval"), keys_of("document_id")] | unique | .[]) as $key
      | join("approval"; $key; $value)
    elif $t == "sys_user" then
      opt(raw("sys_id")) as $id
      | { id: $id, user_name: opt(raw("user_name")), email: opt(raw("email")), name: opt(shown("name")) } as $value
      | ( ($id | filled | join("user"; .; $value)),
          ([raw("user_name"), raw("email"), shown("name")] | map(cf_norm) | unique | .[] | join("user_named"; .; $value)) )
    elif $t == "sc_item_option_mtom" then
      { names: variable_names("sc_item_option.item_option_new"),
        value: opt(cell("sc_item_option.value")), option: opt(cell("sc_item_option") | .v) } as $value
      | keys_of("request_item") | join("variable"; .; $value)
    elif $t == "sc_item_option" then
      raw("sys_id") as $id
      | join("option"; $id; {names: variable_names("item_option_new"), value: opt(cell("value")),
                             question: opt(cell("item_option_new") | .v)})
    elif $t == "item_option_new" then
      raw("sys_id") as $id | join("question"; $id; [shown("name"), shown("question_text") | words] | unique)
    elif $t == "sc_multi_row_question_answer" then
      { names: variable_names("item_option_new"), value: opt(cell("value")),
        question: opt(cell("item_option_new") | .v), row: opt(raw("row_index")) } as $value
      | keys_of("parent_id") | join("set_row"; .; $value)
    elif $t == "sc_req_item" then
      keys_of("request") | join("item_of"; .; true)
    elif $t == "sc_request" then
      . as $row
      | ( ["requested_for", "opened_by", "approval", "approval_set", "number", "sys_id"]
          + [$settings | .. | strings | select(startswith("request.")) | ltrimstr("request.")] | unique
          | map(. as $k | {key: $k, value: opt($row | ref($k))}) | from_entries ) as $value
      | ([keys_of("sys_id"), keys_of("number")] | unique | .[]) | join("request"; .; $value)
    elif $t == "sys_user_grmember" then
      opt(cell("group")) as $group
      | keys_of("user") | join("group_of"; .; $group)
    elif $t == "sys_audit" then
      { field: opt(raw("fieldname")), new: opt(raw("newvalue")), by: opt(raw("user")),
        at: opt(instant("sys_created_on")) } as $value
      | keys_of("documentkey") | join("change"; .; $value)
    elif $t == "sc_cat_item" or $t == "sys_user_group" or ($t | startswith("cmdb_ci")) then
      raw("sys_id") as $id | shown("name") as $name | join("name"; $id; $name)
    else empty end;

# ---- people --------------------------------------------------------------------------------------------------

def joined($table; $key): $joined[$table][$key]? // [];

def user_of:
  first( (.v, .i | filled | joined("user"; .)[0] | filled),
         (.v, .u, .e, .d | filled | joined("user_named"; cf_norm) | unique_by(.id, .user_name) | select(length == 1) | .[0]) );

# The name of a person as the site wants it in records.
def person:
  . as $ref
  | opt(user_of) as $user
  | first(
      ( $settings.user_id[]
        | if . == "user_name" then $user.user_name // $ref.u
          elif . == "email" then $user.email // $ref.e
          elif . == "sys_id" then $user.id // $ref.v // $ref.i
          elif . == "name" then $ref.d // $user.name
          else error("setting `user_id` lists `\(.)`: expected user_name, email, sys_id or name") end
        | filled ),
      ($ref.d, $ref.v, $ref.u, $ref.e, $user.id | filled) );

# One cell may name several people: a list of sys_ids, an HTML table, lines.
def people:
  (.d // .v // "") as $text
  | if ($text | contains("<") or contains("&")) and ($text | fits("<[a-zA-Z/]|&#?[a-zA-Z0-9]+;")) then
      ($text | cf_html_text) as $plain
      | [$plain | scan("[^\\s<>;,|()\"]+@[^\\s<>;,|()\"]+")] as $mails
      | (if ($mails | length) > 0 then $mails else ($plain | split("\n")) end)
      | map(gsub("^\\s+|\\s+$"; "") | filled | {d: .}) | .[]
    elif (.v // "" | length > 64 and fits("^[0-9a-f]{32}(,[0-9a-f]{32})+$")) then .v | split(",") | .[] | {v: .}
    elif ($text | contains(";") or contains("\n")) then
      $text | splits("[;\n]") | gsub("^\\s+|\\s+$"; "") | filled | {d: .}
    elif ($text | contains("@") and contains(",")) and ($text | fits("^[^\\s,]+@[^\\s,]+(,\\s*[^\\s,]+@[^\\s,]+)+$")) then
      $text | splits(",\\s*") | {d: .}
    else . end;

# ---- second run: requests ------------------------------------------------------------------------------------

# Keys under which rows of other tables point at this one.
def own_keys: [keys_of("sys_id"), keys_of("number")] | unique;

def unique_rows: unique_by(tojson);

def variables($keys):
  [ $keys[] | joined("variable"; .)[] | . as $m
    | (if $m.option != null then joined("option"; $m.option)[0] else null end) as $o
    | { names: ($m.names + ($o.names // []) + (if $o.question != null then joined("question"; $o.question)[0] // [] else [] end)),
        value: ($m.value // $o.value) }
    | select(.value != null) ] | unique_rows;

def set_rows($keys):
  [ $keys[] | joined("set_row"; .)[]
    | .names += (if .question != null then joined("question"; .question)[0] // [] else [] end) ]
  | unique_rows | group_by(.row) | map(map({names, value} | select(.value != null)));

# Cells under a field, a dot-walked column, `request.FIELD` of the joined request, or `variables.NAME`.
def look_one($spec; $vars; $request):
  . as $row
  | if $spec == null then empty
    else [ref($spec)] as $found
      | if ($found | length) > 0 then $found[]
        elif ($spec | startswith("variables.")) then
          ($spec | ltrimstr("variables.") | words) as $name
          | $vars[] | select(any(.names[]; . == $name)) | .value
        elif ($spec | startswith("request.")) then $request[$spec | ltrimstr("request.")] | filled
        else empty end
    end;

# The same under the first of these fields that has a value.
def look($fields; $vars; $request):
  . as $row | [first($fields[]? as $field | [$row | look_one($field; $vars; $request)] | select(length > 0))] | .[0] // [] | .[];

# What a reader would call the thing a cell names.
def text: (if .v != null then joined("name"; .v)[0] else null end) // .d // .v;

# The site's own word for something, and what is meant.
def meant($aliases): . as $t | first(($aliases // {} | to_entries[] | select(.key | cf_norm == ($t | cf_norm)) | .value), $t);

def texts: text | if contains("<") then cf_html_text else . end | splits($settings.list_separator) | gsub("^\\s+|\\s+$"; "") | filled;

# One item of access under the names that are meant; none without a system and an entitlement.
def item:
  { system: (.system // $settings.system_default | strings | meant($settings.system_aliases)),
    entitlement: (.entitlement | strings | meant($settings.entitlement_aliases)) }
  + ({scope: .scope} | select(.scope != null) // {});

# Named groups that the patterns find in the free text: every line first, else the text as a whole.
def captures($vars; $request):
  . as $row
  | ($settings.text_patterns // []) as $patterns
  | select(($patterns | length) > 0)
  | ([$settings.text_fields[] as $field | $row | look_one($field; $vars; $request) | text | cf_html_text] | join("\n")) as $text
  | [$text | split("\n")[] as $line | $patterns[] as $pattern | $line | cf_capture($pattern) | filled] as $lines
  | if ($lines | length) > 0 then $lines[] else $patterns[] as $pattern | $text | cf_capture($pattern) | filled end;

def meaning: words | (($settings.approval_states // {} | with_entries(.key |= words))[.]? // base_states[.]);

# One row of sysapproval_approver. Who decided is who wrote the row, not whom it was meant for.
def approval:
  . as $a
  | (.state // "" | words) as $state
  | (if [undecided[] | . == $state] | any then null else ($state | meaning) // error("the state `\($state)` of an approval is not known: say what it means in `approval_states`") end) as $decision
  | opt(.approver | filled | person) as $named
  | ( if $a.id == null then null
      else [joined("change"; $a.id)[] | select(.field == "state" and (.new // "" | words) == $state)] | sort_by(.at) | last end ) as $audit
  | ($audit.by // $a.by) as $by
  | ($audit.at // $a.at) as $at
  | (if $by != null then {u: $by} else null end) as $writer
  | opt(($a.approver | filled | user_of)) as $meant
  | opt(($writer | filled | user_of)) as $wrote
  | ( if $by == null or $a.approver == null then null
      elif ([$a.approver | .u, .e, .v, .d | filled | cf_norm] | any(. == ($by | cf_norm))) then true
      elif $meant != null and ($meant.user_name // "" | cf_norm) == ($by | cf_norm) then true
      elif $meant != null and $wrote != null and $meant.id != null and $meant.id == $wrote.id then true
      elif $meant != null or $a.approver.u != null then false
      else null end ) as $same
  | if $decision != "approved" and $decision != "rejected" then
      select($decision == "pending") | {approver: $named, decision: "pending"}
    elif $by != null and $same != true and ($by | one_of($settings.automation_users)) then
      { approver: null, decision: $decision, decided_at: $at, named_approver: $named,
        reason: "set by `\($by)`, not by the approver" }
    elif $same == false then
      { approver: ($writer | person), decision: $decision, decided_at: $at, on_behalf_of: $named,
        reason: "set by `\($by)` in place of the approver" }
    elif $same == null then
      { approver: $named, decision: $decision, decided_at: $at,
        reason: (if $by == null then "the export does not say who set it (`sys_updated_by`)"
                 else "not compared with `\($by)`, who set it: no sys_user row tells the approver's user name" end) }
    else { approver: $named, decision: $decision, decided_at: $at } end;

def approvals($keys):
  [$keys[] | joined("approval"; .)[]] | unique_rows | map(approval) | sort_by(.decided_at // "~", .approver // "", .decision);

# The state an `approval` field means, with the reason where it is not plain.
def approval_state($cell):
  ($cell | (.v // .d)) as $value
  | if $value == null then {state: "pending", reason: "the export has no `approval` for it"}
    else ($value | words) as $word
      | if ($value | meaning) != null then {state: ($value | meaning)}
        elif any(undecided[]; . == $word) then
          {state: "pending", reason: "`approval` is `\($value)`: nobody decided; `approval_states` says what that means here"}
        else error("`approval` is `\($value)`, which is not known: say what it means in `approval_states`") end
    end;

def both($a; $b):
  if $a.state == $b.state then $a
  else first(("rejected", "cancelled", "pending") as $s | ($a, $b) | select(.state == $s)) end;

def is_cancelled:
  [cell("stage"), cell("state") | (.v, .d) | filled] | any(. as $s | $s | one_of($settings.cancelled_states));

def base_url:
  $settings.base_url
  // first(.[] | objects | .link | strings | select(startswith("https://") and contains("/api/now/")) | split("/api/now/")[0])
  // null;

def url($table; $id):
  base_url as $base
  | if $base == null then null
    else opt(raw("sys_id") | select(is_sys_id)) as $sys_id
      | ($base | sub("/+$"; "")) + "/" + $table + ".do?" + (if $sys_id != null then "sys_id=" + $sys_id else "sysparm_query=number=" + $id end)
    end;

# The record's field a change on the ticket touches; other fields do not matter to an approval.
def changed_field:
  filled | . as $f
  | def is($fields): $fields | any(.[]?; . == $f);
    if is($settings.beneficiary_field) then "beneficiaries"
    elif is($settings.system_field) then "system"
    elif is($settings.entitlement_field) or $f == "cat_item" then "entitlement"
    elif is($settings.scope_field) then "scope"
    elif is($settings.expires_at_field) then "expires_at"
    elif is($settings.ttl_field) then "ttl"
    elif is($settings.policy_field) then "policy"
    elif $settings.text_patterns != null and is($settings.text_fields) then "access"
    else empty end;

def request:
  .["#table"] as $table
  | . as $row
  | (opt(raw($settings.id_field))
     // error("the row has no `\($settings.id_field)`: export that field, or set `id_field` to one it has (such as sys_id)")) as $id
  | own_keys as $keys
  | [keys_of("request")] as $request_keys
  | opt($request_keys[] | joined("request"; .)[0] | filled) as $request
  | variables($keys) as $vars
  | ([cell("cat_item"), cell("cat_item.name") | (.v, .d, text) | filled] | unique) as $items
  | opt(cell("cat_item") | text) as $item
  | select(($settings.only_items | length) == 0 or ($items | any(one_of($settings.only_items))))
  | select($items | any(one_of($settings.skip_items)) | not)
  | (($settings.access_by_item // {}) | with_entries(.key |= cf_norm)) as $catalogue
  | ([$items[] | $catalogue[cf_norm] | filled | if type == "array" then .[] else . end]) as $meant
  | [captures($vars; $request)] as $found
  # people
  | opt(look($settings.requester_field; $vars; $request) | people | person) as $requester
  | ([look($settings.beneficiary_field; $vars; $request) | people | person] | unique) as $named
  | ( if ($named | length) > 0 then $named
      else [$found[] | .beneficiary | filled | {d: .} | person] | unique end ) as $beneficiaries
  # access: fields, then what the catalogue item stands for, then the free text
  | ( [ ( ($vars | [.]) + (set_rows($keys) | map(. + $vars)) )[] as $frame
        | $row
        | opt(look($settings.system_field; $frame; $request) | texts) as $system
        | opt(look($settings.scope_field; $frame; $request) | texts) as $scope
        | [look($settings.entitlement_field; $frame; $request) | texts] as $entitlements
        | if ($entitlements | length) > 0 then
            {system: (opt($meant[] | .system | filled) // $system), entitlement: $entitlements[], scope: $scope}
          else $meant[] | {system: (.system // $system), entitlement, scope: (.scope // $scope)} end
        | item ] | unique ) as $from_fields
  | opt($row | look($settings.system_field; $vars; $request) | texts) as $system
  | ( if ($from_fields | length) > 0 then $from_fields
      else [$found[] | {system: (.system // $system), entitlement, scope} | item] | unique end ) as $access
  # decision
  | (approvals($keys) + approvals($request_keys) | unique_rows | sort_by(.decided_at // "~", .approver // "", .decision)) as $approvals
  | opt(cell("approval")) as $own
  | opt(look_one("request.approval"; $vars; $request)) as $theirs
  # A ticket without a parent request can only have a decision of its own.
  | (if ($request_keys | length) == 0 then "item" else $settings.approval_on end) as $approval_on
  | ( if $approval_on == "request" then approval_state($theirs)
      elif $approval_on == "both" then both(approval_state($own); approval_state($theirs))
      else approval_state($own) end ) as $state
  | ( if $state.state != "rejected" and is_cancelled then {state: "cancelled"} else $state end ) as $state
  | ( if $approval_on == "request" then opt(look_one("request.approval_set"; $vars; $request))
      else opt(cell("approval_set")) end ) as $decided
  | ( [ (if $state.state == "approved" and ($approvals | any(.decision == "rejected")) then "the ticket is approved, yet an approver rejected it" else empty end),
        (if $state.state == "rejected" and ($approvals | length) > 0 and ($approvals | all(.decision == "approved")) then "the ticket is rejected, yet every approver approved it" else empty end),
        (if $state.state == "approved" and ($approvals | any(.decision == "pending")) then "the ticket is approved, yet an approval is pending" else empty end) ] ) as $contradictions
  | ( [$row | look($settings.intent_field; $vars; $request) | text | one_of($settings.revoke_values)] | any ) as $revoke_field
  # A term from its field, else from the free text.
  | def said($group; $fields): ($row | look($fields; $vars; $request)), ($found[] | .[$group] | filled | {v: null, d: .});
    { type: "request", id: $id, native_id: opt(raw("sys_id")), url: url($table; $id),
      requester: $requester, beneficiaries: $beneficiaries, access: $access,
      intent: (if $revoke_field or ($items | any(one_of($settings.revoke_items))) then "revoke" else "grant" end),
      state: $state.state, state_reason: $state.reason, approvals: $approvals,
      approval_basis: (if ($approvals | length) > 0 then "sysapproval_approver" elif $own != null or $theirs != null then "approval" else null end),
      contradictions: (if ($contradictions | length) > 0 then $contradictions else null end),
      requested_at: opt(instant("opened_at", "sys_created_on")),
      decided_at: (if $state.state == "approved" or $state.state == "rejected" then opt($decided | filled | instant_of("approval_set")) else null end),
      completed_at: opt(instant("closed_at")),
      valid_from: opt(said("valid_from"; $settings.valid_from_field) | instant_of("valid_from")),
      expires_at: opt(said("expires_at"; $settings.expires_at_field) | end_of("expires_at")),
      ttl: opt(said("ttl"; $settings.ttl_field) | duration_of("ttl")),
      review_by: opt(said("review_by"; $settings.review_by_field) | end_of("review_by")),
      policy: opt(said("policy"; $settings.policy_field) | text),
      justification: opt(said("justification"; $settings.justification_field) | text | cf_html_text),
      emergency: (if [look($settings.emergency_field; $vars; $request) | (.v, .d) | filled | one_of($settings.emergency_values)] | any then true else null end),
      workflow: opt((look($settings.workflow_field; $vars; $request) | text), $table),
      changes: ([$keys[] | joined("change"; .)[] | . as $c | .field | changed_field | {at: $c.at, by: $c.by, field: .} | select(.at != null)] | unique | sort_by(.at)) };

# ---- second run: people and paths ----------------------------------------------------------------------------

def truth: (.v // .d) | words | (. == "true" or . == "yes" or . == "1");

def identity:
  . as $row
  | {v: opt(raw("sys_id")), d: opt(shown("name")), u: opt(raw("user_name")), e: opt(raw("email")), i: null} as $self
  | ($self | person) as $id
  | if $id == null then error("the row has none of `sys_id`, `user_name`, `email`") else . end
  | { type: "identity", id: $id, name: $self.d, native_id: $self.v,
      kind: (if [cell("internal_integration_user"), cell("web_service_access_only") | truth] | any then "service" else null end),
      aliases: ([$self.v, ($settings.identity_aliases[] as $f | $row | shown($f))] | map(filled) | unique | map(select(. != $id))),
      status: opt(cell("active") | if truth then "active" else "disabled" end),
      manager: opt(ref("manager") | person),
      groups: ([own_keys[], ($self.u // empty), ($self.d // empty) | joined("group_of"; .)[] | filled | text] | unique) }
  | with_entries(select(.value != null and .value != []));

def delegation:
  if [cell("approvals") | truth | not] | any then empty
  else { type: "delegation", from: opt(ref("user") | person), to: opt(ref("delegate") | person),
         starts_at: (opt(instant("starts", "sys_created_on")) // error("the row has no `starts`")),
         ends_at: opt(instant("ends")) }
    | with_entries(select(.value != null)) end;

def records:
  .["#table"] as $t
  | if $t == "sys_user" then (if $settings.identities then identity else empty end)
    elif $t == "sys_user_delegate" then delegation
    elif $t == "sc_cat_item" then
      {type: "workflow", id: shown("name"), owner: opt(ref("owner") | person)} | with_entries(select(.value != null))
    # A request with items is decided and carried out item by item. Where only some items were asked for, it is not known
    # whether one has items.
    elif $t == "sc_request" and is_live and $settings.query != null then empty
    elif $t == "sc_request" and ([own_keys[] | joined("item_of"; .)[]] | length) > 0 then empty
    elif $t == "sc_task" and ([keys_of("request_item")] | length) > 0 then empty
    elif ["sysapproval_approver", "sysapproval_group", "sc_item_option_mtom", "sc_item_option", "item_option_new", "sc_multi_row_question_answer",
          "sys_user_grmember", "sys_user_group", "sys_audit"] | index($t) then empty
    elif ($t | startswith("cmdb_ci")) then empty
    else request end;

# ---- the row -------------------------------------------------------------------------------------------------

def refusals:
  if $shape == "table-api-row" then .result
  elif $shape == "error" then
    error("ServiceNow answered with an error instead of rows: \(.error.message // .error)\(if .error.detail? then " (" + .error.detail + ")" else "" end)")
  elif .["__status"] == "failure" or .["__error"] != null then
    error("ServiceNow could not export this row: \(.["__error"].message? // "no reason given")")
  else . end;

def row:
  (if is_sheet then
     (base_labels + ($settings.labels // {} | with_entries(.key |= cf_norm))) as $labels
     | . + with_entries(.key |= (cf_norm as $k | $labels[$k] // ($k | split(" ") | join("_"))))
   else . end)
  | .["#mode"] = mode
  | .["#table"] = table;

refusals
| if is_sheet and ([.[] | .[]? | strings | select(startswith("Export stopped due to excessive size"))] | length) > 0 then
    {type: "incomplete", reason: "ServiceNow cut the workbook for its size: export as CSV or in parts"}
  elif .["@action"] == "DELETE" then empty
  else
    (select($row == 1 and $joined != null) | $head.error? | filled
     | {type: "incomplete", reason: "ServiceNow stopped while it answered: \(.message? // .)"}),
    # ServiceNow starts another sheet after 32,000 rows, the header perhaps among them.
    (select($shape == "xlsx" and $row == 31999 and $joined != null)
     | {type: "incomplete", reason: "the sheet is full and further sheets are not read: export as CSV or in parts"}),
    (row | if $joined == null then joins else records end)
  end
