# Any table: settings say which column is which field. What a field is (text, list, time …) follows its name,
# so that a mapping needs no types.

def times: ["status_since", "in_force_from", "in_force_until", "starts_at", "ends_at", "decided_at", "requested_at",
  "valid_from", "expires_at", "review_by", "completed_at", "granted_at", "last_used_at", "usage_tracked_since",
  "tracked_since", "next_review_by", "observed_at"];
def durations: ["max_ttl", "review_every", "ttl"];
def lists: ["aliases", "groups", "beneficiaries", "approvers", "identity_kinds"];
# Lists of objects; their fields are written `access.system`.
def groups: ["access", "approvals", "includes", "applies_to", "path", "changes"];

# The fields of each record type (lists of objects: the list alone). A misspelt one would be lost without a word.
def known_fields: {
  identity: ["id", "kind", "name", "aliases", "accounts", "status", "status_since", "owner", "manager", "groups"],
  system: ["id", "aliases", "owner"],
  workflow: ["id", "owner"],
  entitlement: ["system", "id", "aliases", "risk", "owner", "includes"],
  policy: ["id", "title", "in_force_from", "in_force_until", "max_ttl", "review_every", "approvers", "min_approvers",
    "applies_to", "identity_kinds"],
  delegation: ["from", "to", "starts_at", "ends_at"],
  request: ["id", "state", "intent", "url", "requester", "beneficiaries", "access", "approvals", "requested_at",
    "decided_at", "policy", "justification", "valid_from", "expires_at", "ttl", "review_by", "emergency",
    "completed_at", "workflow", "changes"],
  grant: ["system", "account", "entitlement", "scope", "path", "granted_at", "granted_by", "expires_at", "ticket",
    "mode", "last_used_at", "usage_tracked_since", "use_attribution", "granted_at_basis"],
  usage: ["system", "account", "entitlement", "last_used_at", "tracked_since", "attribution", "success"],
  certification: ["system", "account", "reviewer", "decided_at", "decision", "entitlement", "scope",
    "next_review_by"],
  exception: ["check", "accepted_by", "reason", "expires_at", "finding", "system", "account", "entitlement", "scope"]
};
def every_record: ["source", "native_id", "observed_at"];

def within($all): . as $one | any($all[]; . == $one);
def trimmed: sub("^\\s+"; "") | sub("\\s+$"; "");

# The cells of one or several columns, none of them empty.
def cells($field; $columns):
  . as $row
  | [ ($columns | if type == "array" then .[] else . end) as $column
    | if ($column | type) != "string" then error("setting `fields`: `\($field)` must name a column or a list of columns") else . end
    | ($row[$column] // error("the file has no column `\($column)`, which `fields` gives for `\($field)`"))[]
    | trimmed
    | select(. != "") ];

def split_list: $settings.list_separator as $by
  | if $by == null or $by == "" then [.] else split($by) end
  | map(trimmed | select(. != ""));

# What the site says a cell means.
def meaning($field):
  . as $cell
  | $settings.values[$field] as $known
  | if $known == null then .
    elif ($known | type) != "object" then error("setting `values`: `\($field)` must be a map")
    else
      if ($known | has($cell)) then $known[$cell]
      else
        (first($known | to_entries[] | select((.key | cf_norm) == ($cell | cf_norm))) // null) as $near
        | if $near != null then $near.value
          elif ($known | has("*")) then $known["*"]
          else error("column for `\($field)`: `\($cell)` is not in the setting `values`, which knows \($known | keys | join(", "))")
          end
      end
    end;

def flag($field):
  if type == "boolean" then .
  elif (cf_norm | within(["true", "yes", "y", "1", "x", "ja", "oui", "sí", "si"])) then true
  elif (cf_norm | within(["false", "no", "n", "0", "nein", "non"])) then false
  else error("`\($field)`: `\(.)` is neither yes nor no: say in the setting `values` what it means") end;

def number($field):
  if type == "number" then .
  elif test("^[0-9]{1,9}$") then tonumber
  else error("`\($field)`: `\(.)` is no whole number") end;

# A value as its field wants it; `$name` is the last part of the field.
def typed($field; $name):
  if . == null then null
  elif ($name | within(times)) then
    try cf_instant($settings.date_formats // "auto"; $settings.time_zone; $settings.date_order)
    catch error("`\($field)`: \(.)")
  elif ($name | within(durations)) then
    (tostring | cf_duration) // error("`\($field)`: `\(.)` is no duration of a fixed length, such as P90D or 90 days")
  elif $name == "emergency" then flag($field)
  elif $name == "min_approvers" then number($field)
  elif type == "string" then .
  else tostring end;

def constant($field): ($settings.constants // {})[$field];

# All values a field has in this row, typed.
def field_values($field; $name; $splits):
  ($settings.fields[$field]) as $columns
  | (if $columns == null then [] else cells($field; $columns) end)
  | (if $splits then map(split_list[]) else . end)
  | map(meaning($field) | select(. != null))
  | (if length == 0 then (constant($field) | if . == null then [] elif type == "array" then . else [.] end) else . end)
  | map(typed($field; $name));

# The values of one field of a list of objects, and whether each object may have the one value. Where several columns
# feed it, an empty cell keeps its place: the decision of the second approver must not become that of the first.
def side($group; $name):
  . as $row
  | "\($group).\($name)" as $field
  | $settings.fields[$field] as $columns
  | if ($columns | type) == "array" then
      { $name, shared: false,
        values: [ $columns[] as $column
          | ($row | cells($field; $column)) as $found
          | if ($found | length) == 0 then null
            elif ($found | length) == 1 then ($found[0] | meaning($field) | typed($field; $name))
            else error("`\($field)`: column `\($column)` has several cells and is one of several columns") end ] }
    else
      ($row | field_values($field; $name; true)) as $values
      | ([ $head.columns[]? | select(. == $columns) ] | length) as $repeats
      | { $name, shared: ($repeats < 2), $values }
    end;

# Rows of a list of objects: the values of its fields side by side. A field with one value has it in each object.
def zipped($group; $names):
  . as $row
  | [ $names[] as $name | $row | side($group; $name) ] as $sides
  | ([ $sides[].values | length ] | max // 0) as $count
  | (first($sides[] | select((.values | length) as $n
      | $n > 0 and $n < $count and ((.shared and $n == 1) | not))) // null) as $short
  | if $short != null then
      error("`\($group).\($short.name)` has \($short.values | length) values where another field of `\($group)` has \($count): which goes with which cannot be told")
    else
      [ range($count) as $at
        | [ $sides[] | { name, value: (if .shared and (.values | length) == 1 then .values[0] else .values[$at] end),
              own: ((.shared and (.values | length) == 1 and $count > 1) | not) } | select(.value != null) ]
        | select(any(.[]; .own))
        | map({ (.name): .value }) | add ]
    end;

# The record type of this row, null to pass over it.
def kind:
  (if $settings.record_column == null then null else (cells("record_column"; $settings.record_column) | first) end) as $cell
  | if $cell == null then
      $settings.record // error("no record type: set `record`, or `record_column` with a cell in every row")
    else
      ($settings.record_values // null) as $known
      | (if $known == null then ($cell | cf_norm)
         else
           ((first($known | to_entries[] | select((.key | cf_norm) == ($cell | cf_norm))) // null) as $near
           | if $near != null then $near.value
             elif ($known | has("*")) then $known["*"]
             else error("record type `\($cell)` is not in the setting `record_values`") end)
         end)
      | if . == "skip" then null else . end
    end;

def wanted:
  . as $row
  | all(($settings.only // {}) | to_entries[];
      .key as $column
      | (.value | if type == "array" then . else [.] end | map(tostring | cf_norm)) as $accepted
      | any($row | cells("only"; $column)[]; cf_norm | within($accepted)));

# The fields of this type that the settings give; a field that no such record has is an error.
def chosen($kind):
  (known_fields[$kind] // error("`\($kind)` is no record type that a table can hold")) as $mine
  | [ known_fields[][] ] as $any
  | [ ($settings.fields, $settings.constants // {}) | keys[] ] | unique
  | map(split(".")[0] as $first
      | if ($first | within($mine + every_record)) then .
        elif $settings.record_column != null and ($first | within($any)) then empty
        else error("setting `fields`: a \($kind) has no field `\($first)`; it has \($mine | join(", "))") end);

def record($kind):
  . as $row
  | chosen($kind) as $fields
  | reduce $fields[] as $field ({ type: $kind };
      ($field | split(".")) as $parts
      | if ($parts | length) > 2 then error("setting `fields`: `\($field)` has more than one point")
        elif ($parts | length) == 1 then
          ($row | field_values($field; $field; ($field | within(lists)))) as $values
          | if ($values | length) == 0 then .
            elif ($field | within(lists)) then .[$field] = $values
            elif ($field | within(groups)) then error("setting `fields`: write `\($field)` with the field within, such as `access.system`")
            elif ($values | unique | length) > 1 then error("`\($field)` has \($values | length) different values and is no list")
            else .[$field] = $values[0] end
        elif $parts[0] == "accounts" then
          ($row | field_values($field; "account"; true)) as $values
          | if ($values | length) == 0 then .
            else .accounts += [ $values[] | { system: $parts[1], account: . } ] end
        elif ($parts[0] | within(groups)) then .
        else error("setting `fields`: there is no list of objects `\($parts[0])`") end)
  | reduce groups[] as $group (.;
      ([ $fields[] | select(startswith("\($group).")) | split(".")[1] ]) as $names
      | if ($names | length) == 0 then .
        else ($row | zipped($group; $names)) as $objects
          | if ($objects | length) == 0 then . else .[$group] = $objects end
        end);

select(wanted)
| kind as $kind
| if $kind == null then empty else { type: "covers", types: [$kind] }, record($kind) end
