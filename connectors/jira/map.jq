# Jira issues to request records.
#
# Input `.`: one issue, as one of the shapes or steps of manifest.toml hands it over.
#   search, issues, issue, queue   an issue object of the REST API (version 2 or 3)
#   search, search-dc, over HTTP   the same, with what was asked besides: `changelog`, `comments`, `approvals`
#   csv                            { "Header": ["cell", ...] }, repeated headers joined
#   xml                            the <item> element of an RSS export
# Output: one request; `incomplete` where the export itself shows that something is missing; nothing for an issue
# that the settings `projects` and `issue_types` leave out.
#
# Reading order: texts and people, the three ways an issue is read, the four recognisers of an approval, the record.

# ---------------------------------------------------------------------------------------------------- small things

def lst: if . == null then [] elif type == "array" then . else [.] end;
# Patterns go through cf_capture, which compiles each once; `fits` asks only whether.
def fits($pattern): cf_capture($pattern) != null;
# Text without blanks around it, or null where nothing is left.
def known: if . == null then null else (tostring | trim | if . == "" then null else . end) end;
def same($a; $b): ($a | cf_norm) == ($b | cf_norm);
# Is one of the names (an array) in the list of a setting? Without regard to case.
def among($names; $list): any($list | lst | .[]; . as $want | any($names[]; same(.; $want)));
# What a map setting says of the first of the names it knows, or null.
def looked_up($names; $map):
  if $map == null then null
  else first($names[] as $n | ($map | to_entries[]) | select(same(.key; $n)) | .value) // null end;
# Sorts instants: a text with milliseconds comes after the same second without.
def by_time(f): sort_by(f | if . == null then "" else rtrimstr("Z") end);
def latest: map(select(. != null)) | by_time(.) | last;
def compact: map_values(select(. != null and . != []));
# Was Jira asked itself? Then the pull says which steps were read to their end.
def is_live: (($head | objects | ._whole) // null) != null;

# Any of the date forms of the exports, as an RFC 3339 instant in UTC; $place is for the message.
def when($place):
  if known == null then null
  else try cf_instant($settings.date_formats // "auto"; $settings.time_zone; $settings.date_order)
    catch error("\($place): \(.)") end;

# The settings that name fields are these with `_field` behind them.
def field_settings: "beneficiary", "access", "system", "entitlement", "scope", "approver", "decided_at", "policy", "justification",
  "valid_from", "expires_at", "ttl", "review_by", "emergency", "intent";

# Does the text name a day rather than a moment? Exports write a day as such, or as its midnight.
def is_day:
  type == "string" and (fits("^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T") | not)
  and ((fits("[0-9]:[0-9]{2}") | not) or fits("(^|[^0-9:])(00?:00(:00)?|12:00(:00)? ?[Aa]\\.? ?[Mm])([^0-9:]|$)"));

def a_day_later: fromdateiso8601 + 86400 | todateiso8601;
# The end a date field sets: a day includes itself unless `last_day` says otherwise. Of `2026-03-29` the next
# midnight of the zone is known; of other spellings the end is 24 hours on, an hour off where the clock changes.
def until($place):
  if $settings.last_day != "included" or (is_day | not) then when($place)
  elif fits("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then when($place) as $start | try (. + "T00:00:00Z" | a_day_later | .[:10] | when($place)) catch $start
  else when($place) | a_day_later end;

# ------------------------------------------------------------------------------------------------- texts and people

# An ADF document as plain text. `..` walks in document order, so a line break before each block is enough.
def adf_text:
  [ .. | objects
    | if .type == "text" then .text // ""
      elif .type == "mention" then "[~accountid:\(.attrs.id // "")]"
      elif .type == "date" then (.attrs.timestamp // "" | try (tonumber / 1000 | floor | todateiso8601 | .[:10]) catch "")
      elif .type == "emoji" then .attrs.text // ""
      elif .type == "inlineCard" or .type == "blockCard" then .attrs.url // ""
      elif .type == "status" then .attrs.text // ""
      elif .type == "tableCell" or .type == "tableHeader" then " "
      elif .type == "hardBreak" or .type == "paragraph" or .type == "heading" or .type == "codeBlock"
        or .type == "tableRow" or .type == "rule" then "\n"
      else "" end
  ] | join("");

def plain_text:
  if . == null then null
  elif type == "object" and .type == "doc" then adf_text
  elif type == "string" then .
  else tostring end;

# A custom field of an XML export as text: long texts are HTML, options and short texts are not.
def unhtml: if fits("</[a-zA-Z]|<br ?/?>|<p>") then cf_html_text else . end;

# One value of a field as texts: options, cascades ("AWS -> Admin"), versions, groups, labels, numbers, documents.
def words:
  if . == null then empty
  elif type == "string" then known | select(. != null)
  elif type == "array" then .[] | words
  elif type != "object" then tostring
  elif .type == "doc" then adf_text | known | select(. != null)
  elif .child != null and .value != null then "\(.value) -> \(.child | [words] | join(" -> "))"
  else (.value // .name // .label // .displayName // .key // .id) | words end;

# A person by the first identifier known, in the order of the setting `user_id`.
def person:
  if type == "object" then
    { email: .emailAddress, account_id: .accountId, name: .name, key: .key, display_name: .displayName } as $ids
    | first($settings.user_id[] as $k | $ids[$k] | known | select(. != null)) // null
  elif type == "string" then
    known
    | if . == null then null
      else (cf_capture("^\\[~(?:accountid:)?(?P<id>[^\\]]+)\\]$") // cf_capture("^(?P<id>.+)\\(JIRAUSER[0-9]+\\)$") // {id: .}).id
        | ltrimstr("mailto:") | ltrimstr("@") | known end
  else null end;

# People of one field value. A text may list several, one a line, behind `;`, or mail addresses behind commas.
def people:
  if type == "array" then .[] | people
  elif type == "string" and contains("[~") then split("[~")[1:][] | "[~\(split("]")[0])]" | person | select(. != null)
  elif type == "string" then
    [split("\n")[] | split(";")[] | known | select(. != null)
      | split(",") as $parts
      | if all($parts[]; contains("@")) then $parts[] else . end]
    | .[] | person | select(. != null)
  elif type == "object" and .type == "doc" then adf_text | people
  else person | select(. != null) end;

# What instances show of the approvals field where they show no decision: a Java object's name.
def opaque_approvals: type == "string" and startswith("com.atlassian.servicedesk.") and contains("pproval");

# ------------------------------------------------------------------------------------------------ reading: REST JSON

def rest_field($name):
  .fields[$name] as $direct
  | if $direct != null then [$direct]
    else
      (.names // $head.names?) as $labels
      | if $labels == null then []
        else [ ($labels | to_entries[] | select(same(.value; $name)) | .key) as $id | .fields[$id] | select(. != null) ] end
    end;

def rest_url:
  ($settings.base_url // (.self // "" | cf_capture("^(?P<base>https?://.+?)/rest/").base?) // null) as $base
  | if $base == null or ($base | startswith("https://api.atlassian.com/")) then null else ($base | rtrimstr("/")) + "/browse/" + .key end;

# The change log: who, when, and which field went from what to what. `missing` is the number of entries left out; one without
# a time says nothing, and is missing, too.
def rest_changelog:
  .changelog as $log
  | if $log == null then null
    else
      # In bulk, the entries of an issue come in parts.
      (if ($log | type) == "array" then [$log[] | if has("changeHistories") then (.changeHistories // [])[] else . end] else $log.histories // $log.values // $log.changeHistories // [] end) as $entries
      | ($log | if type == "object" then . else {} end) as $page
      | [ $entries[] | select(.created != null) ] as $timed
      | {
          missing: ([$page.total // 0, ($entries | length)] | max - ($timed | length)),
          capped: ((($page.total // 0) > ($entries | length)) or ($entries | length) > ($timed | length) or $page.isLast == false or $page.nextPageToken != null),
          entries: [ $timed[] | . as $entry | (.items // [])[]
            | { at: $entry.created, by: $entry.author, id: (.fieldId // null), field: (.field // null),
                from: [.from, .fromString | known | select(. != null)], to: [.to, .toString | known | select(. != null)] } ]
        }
    end;

def rest_issue:
  .key as $key
  | (.fields // {}) as $f
  | {
      key: .key,
      url: rest_url,
      project: ($f.project.key? // null),
      types: [ $f.issuetype?.id?, $f.issuetype?.name?, ($f[]? | objects | .requestType? | objects | .id, .name) | known | select(. != null) ],
      status: [ $f.status?.id?, $f.status?.name? | known | select(. != null) ],
      resolution: [ $f.resolution?.id?, $f.resolution?.name? | known | select(. != null) ],
      labels: [ $f.labels? | words ],
      summary: ($f.summary | plain_text),
      description: ($f.description | plain_text),
      reporter: ($f.reporter | person),
      created: $f.created,
      resolved: $f.resolutiondate,
      changelog: rest_changelog,
      comments: (.comments as $all
        | {
            capped: ($all == null and ($f.comment?.total? // 0) > ($f.comment?.comments? // [] | length)),
            entries: [ ($all // $f.comment?.comments? // [])[] | { at: .created, by: (.author | person), text: (.body | plain_text | known) } ]
          }),
      approvals: [ (.approvals, $f.approvals, ($f | to_entries[] | select(.key | startswith("customfield_")) | .value | arrays | select(any(.[]; type == "object" and has("finalDecision")))))
        | select(. != null)
        | { last: (if type == "object" then .isLastPage else null end), list: (if type == "object" then .values // [] else arrays end) } ],
      approvals_opaque: any($f | to_entries[] | select(.key | startswith("customfield_")) | .value | lst | .[]; opaque_approvals),
      # A request whose approvals the service desk does not know: whoever asks is not among those who may see them.
      approvals_unseen: (has("approvals") and .approvals == null and any($f[]?; type == "object" and (.requestType? | type) == "object"))
    };

# ------------------------------------------------------------------------------------------------- reading: CSV

# Header names of the columns every export has, by language of the person who exported. Others: setting `columns`.
def header_names($of):
  if $of == "key" then ["issue key", "work item key", "key", "vorgangsschlüssel", "schlüssel", "clave de incidencia", "clave", "klucz zgłoszenia",
    "clé de ticket", "clé", "chave da item", "chave do item", "chave", "chiave", "issuesleutel", "sleutel"]
  elif $of == "project" then ["project key", "projektschlüssel", "clave del proyecto", "clave de proyecto", "klucz projektu", "clé de projet", "clé du projet",
    "chave do projeto", "chiave progetto", "projectsleutel"]
  elif $of == "type" then ["issue type", "work type", "work item type", "vorgangstyp", "tipo de incidencia", "typ zgłoszenia", "type de ticket", "tipo de item",
    "tipo ticket", "issuetype", "type"]
  elif $of == "status" then ["status", "estado", "état", "statut", "stato"]
  elif $of == "resolution" then ["resolution", "lösung", "resolución", "rozwiązanie", "résolution", "resolução", "risoluzione", "oplossing"]
  elif $of == "labels" then ["labels", "stichwörter", "etiquetas", "etykiety", "étiquettes", "categorias", "etichette", "labels"]
  elif $of == "summary" then ["summary", "zusammenfassung", "resumen", "podsumowanie", "résumé", "resumo", "riepilogo", "samenvatting"]
  elif $of == "description" then ["description", "beschreibung", "descripción", "opis", "descrição", "descrizione", "beschrijving"]
  elif $of == "reporter" then ["reporter", "autor", "informador", "osoba zgłaszająca", "rapporteur", "relator", "segnalante", "segnalatore", "melder"]
  elif $of == "reporter_id" then ["reporter id", "id des autors", "autor-id", "id del informador", "id osoby zgłaszającej", "id du rapporteur",
    "id do relator", "id segnalante"]
  elif $of == "created" then ["created", "erstellt", "creada", "creado", "utworzono", "création", "créé", "créée", "criado", "creato", "aangemaakt"]
  elif $of == "resolved" then ["resolved", "erledigt", "resuelta", "resuelto", "rozwiązane", "résolu", "résolue", "resolvido", "risolto", "opgelost"]
  elif $of == "comments" then ["comment", "kommentar", "comentario", "komentarz", "commentaire", "comentário", "commento", "opmerking"]
  elif $of == "duedate" then ["due date", "due", "fälligkeitsdatum", "fecha de vencimiento", "termin", "date d'échéance", "échéance", "data limite", "scadenza"]
  else null end;

# The columns that hold something in this row, by normalised header; a custom field also by its own name
# ("Custom field (X)", in any language, as "(x"). A row is wide and mostly empty.
def columns:
  . as $row
  | reduce keys_unsorted[] as $key ({};
      $row[$key] as $cells
      | if $cells == [] then .
        else
          ($key | cf_norm) as $n
          | .[$n] += $cells
          | (if $n | endswith(")") then $n | index(" (") else null end) as $i
          | if $i == null then . else .["(" + $n[$i + 2:-1]] += $cells end
        end);
# Has the export such a column or such a custom field, filled or not?
def has_column($n): any(keys_unsorted[]; cf_norm | . == $n or endswith(" (" + $n + ")"));

# The cells of a column of `header_names`.
def core($cols; $name):
  $settings.columns[$name] as $own
  | if $own != null then $cols[$own | cf_norm] // []
    else first(header_names($name)[] | $cols[.] | select(. != null)) // [] end;
def core1($cols; $name): core($cols; $name) | first // null | known;

def csv_field($cols; $name):
  ($name | cf_norm) as $n
  | $cols["(" + $n] // $cols[$n]
  // (if header_names($n) != null then core($cols; $n) else [] end);

# A field that is a column of no kind is a wrong setting, not an empty field.
def csv_checked($cols):
  . as $all
  | first($settings.columns | objects | to_entries[]
      | if header_names(.key) == null then error("setting `columns`: there is no `\(.key)`: see its keys in the page of the connector") else . end
      | select(.value as $own | $all | has_column($own | cf_norm) | not)
      | error("setting `columns`: `\(.key)` is `\(.value)`, and the export has no such column")) // .
  |
  reduce field_settings as $k (.;
    [ $settings[$k + "_field"] | lst | .[] | { name: ., n: cf_norm } ] as $named
    | if ($named | length) == 0 or any($named[]; $cols["(" + .n] != null or $cols[.n] != null or header_names(.n) != null) or (. as $all | any($named[]; .n as $n | $all | has_column($n))) then .
      else error("setting `\($k)_field`: the export has no column `\($named[0].name)`; a CSV export knows fields by name, not by id: export all fields, or correct the setting") end);

def csv_issue($cols):
  core1($cols; "key") as $key
  | if $key == null then
      if $settings.columns.key? == null and (any(header_names("key")[] as $n | has_column($n); .) | not) then
        error("no column holds the issue key: its columns are \([keys_unsorted[] | "`\(.)`"] | .[:12] | join(", ")); name it with the setting `columns` (columns.key = \"…\")")
      else error("the issue key is empty") end
    elif ($key | fits("^[A-Za-z][A-Za-z0-9_]*-[0-9]+$") | not) then
      error("the issue key is `\($key[:40])`: expected a key such as SEC-123; the row is torn or the column is not the key")
    else . end
  | core1($cols; "reporter") as $reporter
  | core1($cols; "reporter_id") as $reporter_id
  | {
      key: $key,
      url: (if $settings.base_url == null then null else ($settings.base_url | rtrimstr("/")) + "/browse/" + $key end),
      project: core1($cols; "project"),
      types: [ core($cols; "type")[], ($cols["(request type"] // [])[], ($cols["(customer request type"] // [])[] | known | select(. != null) ],
      status: [ core($cols; "status")[] | known | select(. != null) ],
      resolution: [ core($cols; "resolution")[] | known | select(. != null) ],
      labels: [ core($cols; "labels")[] | known | select(. != null) ],
      summary: core1($cols; "summary"),
      description: core1($cols; "description"),
      reporter: (if $reporter_id != null then { accountId: $reporter_id, displayName: $reporter } else { name: $reporter } end | person),
      created: core1($cols; "created"),
      resolved: core1($cols; "resolved"),
      changelog: null,
      comments: { capped: false, entries: [ core($cols; "comments")[] | split(";") | select(length > 2)
        | { at: .[0], by: (.[1] | person), text: (.[2:] | join(";")) } ] },
      approvals: [],
      approvals_opaque: any($cols[] | .[]; opaque_approvals)
    };

# ------------------------------------------------------------------------------------------------- reading: XML

def inner($tag): (.[$tag] // []) | first // {};
def inner_text($tag): inner($tag)["#text"] | known;

# A person of the XML export: account id (Cloud) or user name (Data Center); `-1` is nobody.
def xml_person:
  { accountId: (.["@accountid"] | if . == "-1" then null else . end), name: (.["@username"] | if . == "-1" then null else . end) } as $ids
  | if $ids.accountId == null and $ids.name == null then null else ($ids + { displayName: .["#text"] } | person) end;

# Custom fields by id and by name; the levels of a cascade joined.
def xml_fields:
  reduce (inner("customfields").customfield // [])[] as $f ({};
    [ ($f | inner("customfieldvalues") | (.customfieldvalue // .label // [])[] | { level: .["@cascade-level"], text: (.["#text"] | known) } | select(.text != null)) ] as $raw
    | (reduce $raw[] as $v ([]; if (.| length) > 0 and ($v.level | known) != null and $v.level != "0" then .[-1] += " -> " + ($v.text | unhtml) else . + [$v.text | unhtml] end)) as $values
    | .[$f["@id"] // "" | cf_norm] = $values
    | ($f | inner_text("customfieldname") // "" | cf_norm) as $n
    | .["(" + $n] = ((.["(" + $n] // []) + $values));

def xml_field($item; $cols; $name):
  ($name | cf_norm) as $n
  | $cols[$n] // $cols["(" + $n] // (
    ({ duedate: "due", components: "component", versions: "version", fixversions: "fixVersion", issuetype: "type" }[$n] // $name) as $tag
    | if $tag == "labels" then [ $item | inner("labels") | (.label // [])[]["#text"] | known | select(. != null) ]
      else [ ($item[$tag] // [])[] | (.["#text"] // "" | if $n == "description" or $n == "environment" then cf_html_text else . end | known) | select(. != null) ] end);

def xml_issue($cols):
  inner_text("key") as $key
  | if $key == null then error("the <item> has no <key>") else . end
  | {
      key: $key,
      url: (inner_text("link") // (if $settings.base_url == null then null else ($settings.base_url | rtrimstr("/")) + "/browse/" + $key end)),
      project: inner("project")["@key"],
      types: [ inner("type")["@id"], inner_text("type"), ($cols["(request type"] // [])[], ($cols["(customer request type"] // [])[] | known | select(. != null) ],
      status: [ inner("status")["@id"], inner_text("status") | known | select(. != null) ],
      resolution: (inner("resolution") | if .["@id"] == "-1" then [] else [ .["@id"], .["#text"] | known | select(. != null) ] end),
      labels: xml_field(.; {}; "labels"),
      summary: inner_text("summary"),
      description: (inner_text("description") // "" | cf_html_text | known),
      reporter: (inner("reporter") | xml_person),
      created: inner_text("created"),
      resolved: inner_text("resolved"),
      changelog: null,
      comments: { capped: false, entries: [ (inner("comments").comment // [])[] | { at: .["@created"], by: (.["@author"] | person), text: (.["#text"] // "" | cf_html_text) } ] },
      approvals: [],
      approvals_opaque: any((inner("customfields").customfield // [])[]; .["@key"] == "com.atlassian.servicedesk.approvals-plugin:sd-approvals" and ((inner("customfieldvalues").customfieldvalue // []) | length) > 0)
    };

# --------------------------------------------------------------------------------------------- recogniser: approvals

def moment($place): if type == "object" then .epochMillis // .iso8601 // .jira else . end | when($place);
def decision: tostring | ascii_downcase | if . == "approved" or . == "approve" then "approved" elif . == "declined" or . == "decline" or . == "rejected" then "rejected" else "pending" end;

# Jira Service Management: lists of approvals, each with a final decision and its approvers.
def cut_approvals: any(.approvals[]; .last == false);
def from_objects:
  .key as $key
  | cut_approvals as $cut
  | [ .approvals[] | .last as $last | .list[] | objects | select(has("finalDecision")) ]
  | reduce .[] as $a ([]; if $a.id != null and any(.[]; (.id | tostring) == ($a.id | tostring)) then . else . + [$a] end)
  | [ .[] | { id: (.id // "?" | tostring), name: (.name // ""), final: (.finalDecision // "" | decision),
      made: (.createdDate | moment("\($key): approval created")), at: (.completedDate | moment("\($key): approval completed")),
      by: [ (.approvers // [])[] | { who: (.approver // . | person), decision: (.approverDecision // "" | decision) } ] } ]
  | by_time(.made)
  | if length == 0 then null
    else
      # A step asked again replaces its earlier answer; steps of different names must all agree.
      (group_by(.name) | map(last)) as $open
      | (if any($open[]; .final == "rejected") then "rejected" elif $cut or any($open[]; .final == "pending") then "pending" else "approved" end) as $state
      | {
          basis: "approval-object",
          state: $state,
          reason: (if $cut and $state == "pending" then "the list of approvals in this export is cut: fetch all approvals of \($key)" else null end),
          decided_at: (if $state == "pending" then null else [ $open[] | select(.final == $state) | .at ] | latest end),
          approvals: [ .[] | . as $a | .by[] | select(.who != null)
            | { approver: .who, decision, decided_at: (if .decision == "pending" then null else $a.at end) } ],
          contradictions: [ .[] | . as $a
            | [.by[] | select(.decision == "approved") | .who // "?"] as $yes | [.by[] | select(.decision == "rejected") | .who // "?"] as $no
            | if .final == "approved" and ($no | length) > 0 then "declined by \($no | join(", "))"
              elif .final == "approved" and ($yes | length) == 0 and (.by | length) > 0 then "approved by nobody listed"
              elif .final == "rejected" and ($no | length) == 0 and (.by | length) > 0 then (if ($yes | length) > 0 then "approved by \($yes | join(", "))" else "declined by nobody listed" end)
              else empty end
            | "approval \($a.id) (\($a.name)): the final decision is \($a.final), but it is \(.)" ]
        }
    end;

# ----------------------------------------------------------------------------------- recogniser: status transitions

# `Approved` is any move into that status; `Waiting -> Approved` only that move. Ids or names.
def moves_as($entry; $setting):
  any($setting | lst | .[];
    split(" -> ") as $p
    | if ($p | length) == 2 then among($entry.from; [$p[0]]) and among($entry.to; [$p[1]]) else among($entry.to; [.]) end);

# The last decision stands, with the approvals since the last rejection.
def settled($basis):
  by_time(.at)
  | if length == 0 then null
    else last as $last
      | (map(.decision == "rejected") | rindex(true)) as $no
      | {
          basis: $basis, state: $last.decision, decided_at: $last.at,
          approvals: [ .[($no // 0):][] | select(.decision == $last.decision and .by != null) | { approver: .by, decision, decided_at: .at } ]
        }
    end;

def uses_transitions: ($settings.approval_statuses | lst | length) > 0;

def from_transitions:
  .key as $key
  | if uses_transitions and .changelog != null and (.changelog.capped | not) then
      [ .changelog.entries[] | select(.id == "status" or (.id == null and .field == "status"))
        | . as $e
        | (if moves_as($e; $settings.approval_statuses) then "approved" elif moves_as($e; $settings.rejection_statuses) then "rejected" else empty end) as $d
        | { decision: $d, by: (.by | person), at: (.at | when("\($key): changelog")) } ]
      | settled("status-transition")
    else null end;

# --------------------------------------------------------------------------------------------- recogniser: comments

def from_comments:
  .key as $key
  | if $settings.approval_comment == null or .comments.capped then null
    else
      [ .comments.entries[] | . as $c
        | (if ($c.text // "" | cf_capture($settings.approval_comment)) != null then "approved"
           elif $settings.rejection_comment != null and ($c.text // "" | cf_capture($settings.rejection_comment)) != null then "rejected"
           else empty end) as $d
        | { decision: $d, by, at: (.at | when("\($key): comment")) } ]
      | settled("comment")
    end;

# ------------------------------------------------------------------------------------------------------- the state

def checked_state($setting):
  if . == null or . == "approved" or . == "pending" or . == "rejected" or . == "cancelled" then .
  else error("setting `\($setting)`: `\(.)` is no state: expected approved, pending, rejected or cancelled") end;
# Of two states the less favourable: nothing but agreement makes a request approved.
def rank: { approved: 0, pending: 1, cancelled: 2, rejected: 3 }[.];
def worst($a; $b): if $b == null or ($a | rank) >= ($b | rank) then $a else $b end;

# What status and resolution say through the maps of the settings.
def mapped:
  (looked_up(.status; $settings.status_states) | checked_state("status_states")) as $s
  | (looked_up(.resolution; $settings.resolution_states) | checked_state("resolution_states")) as $r
  | if $s == null then $r elif $r == null then $s else worst($s; $r) end;

def why_open($approvers):
  (.status | last // "?") as $status
  | if .approvals_opaque then "the approvals field of this export holds no decisions: export the approvals of the service desk, or map the status `\($status)` in `status_states`"
    elif uses_transitions and .changelog != null and .changelog.capped then "the change log of this export is cut (\(.changelog.missing) entries missing), so no approval is read from it: fetch the whole change log of \(.key)"
    elif uses_transitions and .changelog == null then "the export has no change log, so the settings `approval_statuses` cannot be applied: export with expand=changelog, or map the status `\($status)` in `status_states`"
    elif $settings.approval_comment != null and .comments.capped then "the comments of this export are cut, so no approval is read from them: fetch all comments of \(.key)"
    elif ($approvers | length) > 0 then "an approver is named but no decision: the status `\($status)` is not in `status_states`"
    else "approval not known: the export carries no decision, and the status `\($status)` is not in `status_states`" end;

# State, basis, approvals and the reason, from the strongest recogniser that speaks. A whole change log without a
# configured transition speaks too: the request was not approved, whatever status it has reached since.
def judged($approvers; $decided_at):
  mapped as $mapped
  | (uses_transitions and .changelog != null and (.changelog.capped | not)) as $log_decides
  | def named($decision): [ $approvers[] | { approver: ., decision: $decision, decided_at: (if $decision == "pending" then null else $decided_at end) } ];
    def field: if $log_decides or $mapped == null or ($approvers | length) == 0 then null
      else { basis: "approver-field", state: $mapped, decided_at: $decided_at, approvals: named(if $mapped == "cancelled" then "pending" else $mapped end) } end;
    def status: if $log_decides then { basis: "status-transition", state: "pending", approvals: named("pending"), reason: "no transition into a status of `approval_statuses` has taken place" }
      elif $mapped != null then { basis: "status", state: $mapped, decided_at: $decided_at, approvals: [] } else null end;
    def open: { basis: null, state: "pending", approvals: named("pending"), reason: why_open($approvers) };
    first((from_objects, from_transitions, field, from_comments, status, open) | select(. != null)) as $found
  | worst($found.state; $mapped) as $state
  | (if $mapped == null or $mapped == $found.state then null
     else "the \($found.basis | split("-") | join(" ")) says \($found.state), the status `\(.status | last // "?")` or its resolution says \($mapped)" end) as $conflict
  | $found + {
      state: $state,
      contradictions: [ ($found.contradictions // [])[], ($conflict | select(. != null)) ],
      reason: (if $state != $found.state then "the less favourable of two statements: " + $conflict else $found.reason end)
    };

# ------------------------------------------------------------------------------------------------------ the request

def changed_fields:
  [ ("beneficiary", "access", "system", "entitlement", "scope", "policy", "expires_at", "ttl", "valid_from", "review_by", "emergency", "intent") as $k
    | $settings[$k + "_field"] | lst | .[] | { name: ., as: (if $k == "beneficiary" then "beneficiaries" else $k end) } ]
  + (if ($settings.text_patterns | lst | length) > 0 then [{ name: "summary", as: "access" }, { name: "description", as: "access" }] else [] end)
  + (if $settings.access_by_type != null then [{ name: "issuetype", as: "access" }] else [] end)
  + (if $settings.beneficiary_default == "reporter" then [{ name: "reporter", as: "beneficiaries" }] else [] end);

def changes($labels):
  if .changelog == null then []
  else .key as $key
  | changed_fields as $fields
  | [ .changelog.entries[]
      | . as $e
      | [ .id, .field, (if .id == null then null else $labels[.id]? end) | select(. != null) ] as $names
      | first($fields[] | select(. as $f | any($names[]; same(.; $f.name)))) as $f
      | { at: ($e.at | when("\($key): changelog")), by: ($e.by | person), field: $f.as } ]
  | by_time(.at) | map(compact) end;

def aliased($map): . as $v | if . == null then null else looked_up([$v]; $map) // $v end;
def item: { system: (.system | aliased($settings.system_aliases)), entitlement: (.entitlement | aliased($settings.entitlement_aliases)), scope: (.scope | aliased($settings.scope_aliases)) };

# "system -> entitlement @ scope" as an access item; null where it does not fit the pattern.
def read_item: cf_capture($settings.access_pattern)
  | if . == null then null else { system: (.system | known), entitlement: (.entitlement | known), scope: (.scope | known) } end;
# The same from a setting, which somebody can correct.
def as_item($setting): . as $text | read_item
  // error("\($setting): `\($text[:80])` does not fit the pattern of the setting `access_pattern`");

# Pairs systems, entitlements and scopes of separate fields. Several of each is no statement about what goes with what.
def paired($systems; $entitlements; $scopes):
  ($entitlements | length) as $n
  | if ($systems | length) == 0 then { items: [], reason: "entitlements are named, but no system" }
    elif ($systems | length) > 1 and ($systems | length) != $n then { items: [], reason: "\($systems | length) systems and \($n) entitlements: which goes with which is not said" }
    elif ($scopes | length) > 1 and $n > 1 and ($scopes | length) != $n then { items: [], reason: "\($n) entitlements and \($scopes | length) scopes: which goes with which is not said" }
    elif $n == 1 and ($scopes | length) > 1 then { items: [ $scopes[] | { system: $systems[0], entitlement: $entitlements[0], scope: . } ], reason: null }
    else { items: [ range($n) as $i | { system: (if ($systems | length) == 1 then $systems[0] else $systems[$i] end), entitlement: $entitlements[$i],
        scope: (if ($scopes | length) == 1 then $scopes[0] else $scopes[$i] end) } ], reason: null } end;

# What the site's patterns find in summary and description, line by line.
def captures:
  if ($settings.text_patterns | lst | length) == 0 then []
  else
    [ limit(5000; (.summary, .description) | select(. != null) | split("\n")[] | rtrimstr("\r")) as $line
      | $settings.text_patterns[] as $p
      | $line | cf_capture($p) | select(. != null) | with_entries(.value |= known) ]
  end;
def captured($name): [ .[] | .[$name] | select(. != null) ];

def emit($field; $labels):
  . as $issue
  | captures as $said
  | [ $field.beneficiary[] | people ] as $b
  | [ $field.approver[] | people ] as $approvers
  | ([ $field.decided_at[] | words ] | first // null | when("\($issue.key): decided_at_field")) as $decided_at
  | judged($approvers; $decided_at) as $j
  | [ $field.access[] | words ] as $written
  | [ $written[] | read_item | select(. != null) ] as $direct
  | [ $written[] | select(read_item == null) | "`\(.[:80])` of `access_field` does not fit the pattern of the setting `access_pattern`" ] as $unread
  | [ $field.system[] | words ] as $systems
  | [ $field.entitlement[] | words ] as $entitlements
  | [ $field.scope[] | words ] as $scopes
  | ($said | captured("system")) as $said_systems
  | (if ($systems | length) > 0 then $systems elif ($said_systems | length) > 0 then [$said_systems[0]] elif $settings.system_default != null then [$settings.system_default] else [] end) as $default_systems
  | (if ($written | length) > 0 then { items: [ $direct[] | .system = (.system // $default_systems[0]) ], reason: ($unread | if length > 0 then join("; ") else null end) }
     elif ($entitlements | length) > 0 then paired($default_systems; $entitlements; (if ($scopes | length) > 0 then $scopes else $said | captured("scope") end))
     elif ($said | captured("entitlement") | length) > 0 then
       ((if ($scopes | length) > 0 then $scopes else $said | map(select(.entitlement == null)) | captured("scope") end) as $loose
       | { items: [ $said[] | select(.entitlement != null) | { system: (.system // $default_systems[0]), entitlement, scope: (.scope // $loose[0]) } ], reason: null })
     else (looked_up(.types; $settings.access_by_type) | lst | { items: [ .[] | as_item("setting `access_by_type`") | .system = (.system // $default_systems[0]) | .scope = (.scope // $scopes[0]) ], reason: null }) end) as $access
  | [ $access.items[] | item | select(.system != null and .entitlement != null) | compact ] as $items
  | def one($name): [ $field[$name][] | words ] | first // ($said | captured($name) | first) // null;
    ([ $field.ttl[] | words ] | first // ($said | captured("ttl") | first) // null) as $ttl
  | {
      type: "request",
      id: .key,
      url: .url,
      state: $j.state,
      intent: (if among(.types; $settings.revoke_issue_types) or among(.labels; $settings.revoke_labels)
        or any($field.intent[] | words; among([.]; $settings.revoke_values)) then "revoke" else "grant" end),
      requester: .reporter,
      beneficiaries: (if ($b | length) > 0 then $b
        elif ($said | captured("beneficiary") | length) > 0 then [ $said | captured("beneficiary")[] | people ]
        elif $settings.beneficiary_default == "reporter" then [ .reporter | select(. != null) ]
        else [] end | reduce .[] as $p ([]; if index([$p]) == null then . + [$p] else . end)),
      access: ($items | reduce .[] as $i ([]; if index([$i]) == null then . + [$i] else . end)),
      approvals: [ $j.approvals[] | compact ],
      requested_at: (.created | when("\($issue.key): created")),
      decided_at: $j.decided_at,
      policy: one("policy"),
      justification: (([ $field.justification[] | words ] | join("\n") | known) // ($said | captured("justification") | first) // null | if . == null then null else .[:4000] end),
      valid_from: (one("valid_from") | when("\($issue.key): valid_from")),
      expires_at: (one("expires_at") | until("\($issue.key): expires_at")),
      ttl: (if $ttl == null then null
        else (looked_up([$ttl]; $settings.ttl_values) // $ttl) as $t
          | if $t == "none" then null
            else ($t | cf_duration) // error("\($issue.key): ttl: `\($ttl[:80])` is no duration: expected such as 90 days, 8h or P90D; translate it with the setting `ttl_values`") end
        end),
      review_by: (one("review_by") | until("\($issue.key): review_by")),
      emergency: (if any($field.emergency[] | words; among([.]; $settings.emergency_values)) or among(.labels; $settings.emergency_labels) or among(.types; $settings.emergency_issue_types) then true else null end),
      completed_at: (.resolved | when("\($issue.key): resolved")),
      workflow: (.project // (.key | split("-")[:-1] | join("-"))),
      changes: changes($labels),
      title: .summary,
      status: (.status | last),
      approval_basis: $j.basis,
      approval_contradictions: $j.contradictions,
      state_reason: $j.reason,
      changes_missing: (if .changelog.capped? == true then .changelog.missing else null end),
      access_reason: (if ($items | length) > 0 and ($unread | length) == 0 then null else $access.reason end)
    }
  | compact
  | .,
    (if $issue.changelog.capped? == true and uses_transitions and $j.basis != "approval-object" then
       { type: "incomplete", reason: "\($issue.key): the change log is cut (\($issue.changelog.missing) entries missing)" } else empty end),
    (if $issue | cut_approvals then
       { type: "incomplete", reason: "\($issue.key): the list of approvals is cut: fetch its further pages" } else empty end),
    (if $issue.approvals_unseen == true and ($issue.approvals | length) == 0 then
       { type: "incomplete", reason: "\($issue.key): it is a request, and the service desk knows no approvals of it: make the account an agent of its service project, or set `service_desk_approvals` to false" } else empty end),
    (if is_live and $issue.project == null and $settings.service_desk_approvals then
       { type: "incomplete", reason: "\($issue.key): Jira did not say which project it is in, so it is not known whether there are approvals: add `project` to the setting `fields`" } else empty end);

# The settings that name fields, each with its values in this issue.
def field_values(values):
  reduce field_settings as $k ({};
    .[$k] = (first($settings[$k + "_field"] | lst | .[] | [values] | select(length > 0)) // []));

# What the document says of itself beside its issues, once. A page that another one follows leaves a hole unless
# that one is in this pull, too.
def part_of_search($start; $next; $total):
  { type: "seen", key: "from \($start) of \($total)" },
  { type: "seen", key: "up to \($next) of \($total)" },
  (if $start > 0 then { type: "incomplete", unless: "up to \($start) of \($total)", reason: "the first \($start) of \($total) issues are missing: hand over the pages before, too" } else empty end),
  (if $next < $total then { type: "incomplete", unless: "from \($next) of \($total)", reason: "the issues behind the first \($next) of \($total) are missing: hand over the pages behind, too" } else empty end);

def envelope:
  if $row != 1 or ($head | type) != "object" or is_live then empty
  else
    (($head.warnings // $head.warningMessages // []) | lst | .[:3][]
      | { type: "incomplete", reason: "Jira warned: \(if type == "object" then .message // tojson else tostring end | .[:200])" }),
    (if $shape == "xml" then
       (($head.issue // [])[0] | objects | [.["@start"], .["@end"], .["@total"]] | try map(tonumber) catch empty
         | part_of_search(.[0]; .[1]; .[2]))
     elif $head.nextPageToken != null or $head.isLast == false or $head.isLastPage == false then
       { type: "incomplete", unless: "last page", reason: "more pages follow and the last one is missing: hand over one file for each page" }
     elif ($head.total | type) == "number" and ($head.maxResults | type) == "number" then
       part_of_search($head.startAt // 0; ($head.startAt // 0) + $head.maxResults; $head.total)
     else { type: "seen", key: "last page" } end)
  end;

def wanted:
  ($settings.projects == null or among([.project // (.key | split("-")[:-1] | join("-"))]; $settings.projects))
  and ($settings.issue_types == null or among(.types; $settings.issue_types));

def checked_settings:
  first($settings.user_id[] | select(. as $k | all("email", "account_id", "name", "key", "display_name"; . != $k))
    | error("setting `user_id`: `\(.)` is none of email, account_id, name, key, display_name")) // .;

checked_settings |
envelope,
(if $shape == "csv" then
   columns as $cols
   | csv_checked($cols)
   | field_values(. as $name | csv_field($cols; $name) | .[]) as $field
   | csv_issue($cols) | select(wanted) | emit($field; null)
 elif $shape == "xml" then
   . as $item | xml_fields as $cols
   | field_values(. as $name | xml_field($item; $cols; $name) | .[]) as $field
   | xml_issue($cols) | select(wanted) | emit($field; null)
 else
   . as $issue
   | if type != "object" or (.key | type) != "string" or (.fields | type) != "object" then error("expected an issue with `key` and `fields`: a search gives ids alone unless it is asked for fields=*all") else . end
   | field_values(. as $name | $issue | rest_field($name) | .[]) as $field
   | rest_issue | select(wanted) | emit($field; $issue.names // $head.names?)
 end)
