# A merge request with its versions, diffs and approvals in; requests out: one that gives, one that takes away, or several of
# each where people get different things (a request gives everything it names to everybody it names). A project says its default
# branch.
#
# Reading order: small things, times, what the lines of a patch say, what they mean together, who decided, the requests.

# --- small things -------------------------------------------------------------------------------------------

def lst: if . == null then [] elif type == "array" then . else [.] end;
def fits($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] else empty end;
def known: if type == "string" then trim | if . == "" then null else . end elif type == "number" then tostring else null end;
def compact: with_entries(select(.value != null and .value != []));
# What the first pattern that fits says, or null.
def said($patterns): . as $text | first($patterns[] as $pattern | $text | cf_capture($pattern) | select(. != null)) // null
  | if . == null then null else with_entries(.value |= known) end;
def aliased($map): . as $name | if . == null then null else ($map // {})[$name] // $name end;
# What is there, or null where the way leads through something else.
def opt(f): first((f)?, null);
def order: if . == null then "" else rtrimstr("Z") end;

# What the row must say.
def need($field):
  getpath($field | split("/")) | known // error("\($shape): a row without `\($field)`");

# --- times --------------------------------------------------------------------------------------------------

def instant: if . == null or . == "" then null else cf_instant("auto"; null) end;
def when($place):
  if . == null then null
  else try cf_instant("auto"; $settings.time_zone; $settings.date_order) catch error("\($place): \(.)") end;
# Does the text name a day rather than a moment?
def is_day: fits("^\\s*[0-9]{4}-[0-9]{2}-[0-9]{2}T") or fits("[0-9]:[0-9]{2}") | not;
def a_day_later: fromdateiso8601 + 86400 | todateiso8601;
# A day that is the end belongs to what it ends: until the next midnight of the zone, which may be 23 hours on.
def until($place):
  if . == null then null
  elif $settings.last_day == "included" and is_day then
    if fits("^[0-9]{4}-[0-9]{2}-[0-9]{2}$") then
      when($place) as $start | (. + "T00:00:00Z" | try a_day_later catch null) as $next
      | if $next == null then $start else $next[:10] | when($place) end
    else when($place) | a_day_later end
  else when($place) end;

# --- the lines of a patch -----------------------------------------------------------------------------------

# The hunks of the diff, without what git and GitLab may say before them; empty where there are none.
def patch:
  (.diff // "") | if startswith("@@") then . else split("\n@@") | if length > 1 then "@@" + (.[1:] | join("\n@@")) else "" end end;

# Lines at the left margin are what git remembers in the header of a hunk: sections are told by these alone.
def at_margin: fits("^[A-Za-z_$]");
def section($place):
  said($settings.section_patterns) as $said
  | if $said != null and (at_margin | not) then
      error("\($place): setting `section_patterns`: one fits the line `\(.[:60])`, which does not begin at the left margin with a letter, `_` or `$`: the header of a hunk knows only lines that do")
    else $said end;
# The header of a hunk names the nearest such line above it, cut off at 80 characters.
def above: cf_capture("^@@ -[0-9,]+ \\+[0-9,]+ @@ ?(?P<text>.*)$").text // "" | if (. | length) >= 80 then "" else . end;

# Each changed line with the section it stands in. Two sections are kept: of the file as it was and as it became. Where a
# line that did not change stands under another section than before, or one that is not shown may, `moved` is said.
def changed_lines($place):
  def differs: $settings.section_patterns != [] and .old != .new;
  foreach ((patch | split("\n")[]), null) as $line
    ({old: null, new: null, changed: false, tail: 0};
     .line = null
     | if $line == null or ($line | startswith("@@")) then
         # Three lines of context follow a change, unless the file ends.
         (if differs and ($line != null or .tail >= 3) then .line = {side: "moved"} else . end)
         | if $line == null then .
           else
             ($line | above | section($place)) as $above
             | .old = $above | .tail = 0
             # The header says how the file was: once a section was changed, it no longer says how it became.
             | .new = (if .changed then null else $above end)
           end
       else
         $line[:1] as $mark | ($line[1:] | rtrimstr("\r")) as $text
         | ($text | section($place)) as $section | ($text | at_margin) as $margin
         | if $mark == "+" then
             (if $margin then .new = $section | .changed = true else . end)
             | .tail = 0 | .line = {side: "added", text: $text, section: .new, is_section: ($section != null)}
           elif $mark == "-" then
             (if $margin then .old = $section | .changed = true else . end)
             | .tail = 0 | .line = {side: "removed", text: $text, section: .old, is_section: ($section != null)}
           elif $mark == " " then
             .tail += 1
             | if $margin then .old = $section | .new = $section
               elif differs and ($text | fits($settings.ignored_lines) | not) then .line = {side: "moved"}
               else . end
           else . end
       end;
     .line | select(. != null));

# Does each hunk have as many lines as its header says?
def all_lines:
  reduce (patch | split("\n")[]) as $line ({old: 0, new: 0, whole: true};
    if $line | startswith("@@") then
      ($line | cf_capture("^@@ -[0-9]+(?:,(?P<old>[0-9]+))? \\+[0-9]+(?:,(?P<new>[0-9]+))? @@")) as $said
      | .whole = (.whole and $said != null and .old == 0 and .new == 0)
      | .old = ($said.old // "1" | tonumber) | .new = ($said.new // "1" | tonumber)
    elif $line[:1] == " " then .old -= 1 | .new -= 1
    elif $line[:1] == "-" then .old -= 1
    elif $line[:1] == "+" then .new -= 1
    else . end)
  | .whole and .old == 0 and .new == 0;

# Why the patch does not say all that the file's change means, or null. An older GitLab does not say whether it left out what
# is too large.
def doubt($old; $new):
  if .renamed_file == true and $old != $new then
    "it was renamed, and what it says without a change in its lines is not in the patch"
  elif .collapsed == true or .too_large == true then "GitLab gives no patch of it: too large"
  elif .diff == null or .diff == "" then
    if .collapsed == false and .too_large == false then null else "GitLab gives no patch of it" end
  elif patch == "" then "its patch is no text"
  elif all_lines | not then "its patch is cut: it has fewer lines than it says"
  else null end;

# --- what is asked for --------------------------------------------------------------------------------------

def term_names: ["valid_from", "expires_at", "ttl", "review_by"];
def terms($id):
  {valid_from: (.valid_from | when("\($id): valid_from")),
   expires_at: (.expires_at | until("\($id): expires_at")),
   ttl: (if .ttl == null then null
         else .ttl | cf_duration // error("\($id): ttl: `\(.[:60])` is no duration: expected such as 90 days, 8h or P90D") end),
   review_by: (.review_by | until("\($id): review_by"))} | compact;

# What is given, from what is said nearest first: line, section, path, description, labels.
def item($id; $text; $people):
  . as $said
  | {access: ({system: ($said.system // $text.system // $settings.system_default | aliased($settings.system_aliases)),
        entitlement: ($said.entitlement // $text.entitlement | aliased($settings.entitlement_aliases)),
        scope: ($said.scope // $text.scope)} | compact),
     beneficiaries: (if $said.beneficiary != null then [$said.beneficiary] else $people end),
     # A line that says one of these says them all: an end of the whole is not mixed with a beginning of the line.
     terms: (if any(term_names[]; $said[.] != null) then $said else $text end | terms($id))};

def is_whole: .access.system != null and .access.entitlement != null and .beneficiaries != [];

# Comments of a description's template are no description.
def uncommented: split("<!--") | .[0] + ([.[1:][] | split("-->")[1:] | join("-->")] | join(""));

# Labels are texts, or objects where more was asked of them.
def label_names: [.labels | items | if type == "object" then opt(.name) else . end | strings];

# All that titles, descriptions and labels say: the first of each name, and everybody who is named.
def texts:
  [ (.title // "" | strings), ((.description // "" | strings) | uncommented | split("\n")[] | rtrimstr("\r"))
    | . as $line | $settings.text_patterns[] as $pattern | $line | cf_capture($pattern) | select(. != null) ]
  + [ label_names[]
    | . as $label | $settings.label_patterns[] as $pattern | $label | cf_capture($pattern) | select(. != null) ]
  | map(with_entries(.value |= known))
  | {people: ([.[].beneficiary | select(. != null)] | unique), said: (reduce (reverse[]) as $said ({}; . + ($said | compact)))};

def has_label($labels): label_names as $own | any($labels[]; . as $label | any($own[]; cf_norm == ($label | cf_norm)));

# Files and their changes as items: what is added, what is removed, what was not understood.
def changes($id; $text; $people):
  [ .diffs[] | . as $file
    | (.new_path | said($settings.access_files)) as $new
    | (.old_path // .new_path | said($settings.access_files)) as $old
    | select($new != null or $old != null)
    | "\($id): \(.new_path)" as $place
    | (if $settings.line_patterns == [] then [{side: "added", found: ($new // $old)}]
         else [ changed_lines($place)
           | if .side == "moved" then . else
           (if .side == "added" then $new else $old // $new end) as $path
           | .found = (if .is_section then null else .text | said($settings.line_patterns) end)
           | .lost = (.found != null and $settings.section_patterns != [] and .section == null)
           | .unread = (.lost or (.found == null and (.is_section or (.text | fits($settings.ignored_lines)) | not)))
           | if .found == null or .lost then .found = null
             else .found = ($path // {} | compact) + (.section // {} | compact) + (.found | compact) end end ] end) as $lines
    | {name: .new_path, lines: $lines,
       doubt: (doubt($old; $new)
         // (if any($lines[]; .side == "moved") then "a section changed, and with it what lines mean that did not change" else null end))} ]
  | {files: length,
     doubts: [.[] | select(.doubt != null) | "\(.name): \(.doubt)"],
     unread: ([.[].lines[] | select(.unread == true)] | length),
     example: ([.[].lines[] | select(.unread == true) | .text | trim | .[:80]] | first // null),
     items: [.[].lines[] | select(.found != null) | {side, item: (.found | item($id; $text; $people))}]};

# What is added and removed alike was only moved; what is there before and after with other terms is asked for anew.
def told_apart:
  def of($side): [.[] | select(.side == $side) | .item | select(is_whole) | .beneficiaries[] as $who | {who: $who, access, terms}] | unique;
  of("added") as $added | of("removed") as $removed
  | {grant: ($added - $removed),
     revoke: [$removed[] | . as $gone | select(any($added[]; .who == $gone.who and .access == $gone.access) | not) | .terms = {}]};

# Everybody who gets the same on the same terms is in one request.
def grouped:
  group_by([.who, .terms]) | map({who: .[0].who, terms: .[0].terms, access: (map(.access) | unique)})
  | group_by([.access, .terms]) | map({people: (map(.who) | unique), terms: .[0].terms, access: .[0].access})
  | sort_by(.people, .terms, .access);

# --- who decided --------------------------------------------------------------------------------------------

# Each push makes a version, and so does a new base; newest first.
def versions($id):
  [ .versions[] | if opt(.id | type) != "number" then error("\($shape): `\($id)` has a version without `id`") else . end
    | {id, head: (.head_commit_sha | known), base: (.base_commit_sha | known), patch: (.patch_id_sha | known),
       at: (.created_at | instant), state: (.state | known), size: (.real_size | known)} ]
  | sort_by(.id) | reverse;

# Why the files that GitLab tells are not all, or null.
def cut($versions): (.diffs | length) as $count
  | $versions[0]
  | if . == null then null
    elif .size != null and (.size | fits("^[0-9]+$")) then
      if (.size | tonumber) == $count then null else "GitLab tells \($count) of its \(.size) files" end
    elif .size != null then "GitLab tells \($count) of its \(.size) files"
    else null end
  // (.state | if . == null or one_of("collected", "without_files", "empty") then null else "GitLab did not collect all its files (`\(.)`)" end);

# The versions that are the same as the newest: an approval from the first of them on is one of what was merged.
def same_as_newest: .[0] as $newest
  | reduce .[] as $version ({same: [], on: true};
      .on = (.on and ($version.id == $newest.id
        or ($version.head != null and $version.head == $newest.head and $version.base == $newest.base)
        or ($settings.approval_of == "patch" and $version.patch != null and $version.patch == $newest.patch)))
      | if .on then .same += [$version] else . end)
  | .same;

# When somebody approved, by the activity: the last word counts.
def noted($who):
  [ .notes | items | select(opt(.system) == true and $who != null and opt(.author.username) == $who)
    | {word: (.body // "" | tostring | trim | ascii_downcase), at: (.created_at | instant), id}
    | select(.word | one_of("approved this merge request", "unapproved this merge request")) ]
  | sort_by((.at | order), .id) | last
  | if . == null or .word != "approved this merge request" then null else .at end;

def is_merged: .state == "merged" or (.merged_at | instant) != null;

def decided($versions):
  is_merged as $merged
  | ($versions | same_as_newest) as $same | ($same | last.at) as $since
  | ($versions != [] and ($same | length) == ($versions | length)) as $alone
  | (.sha == null or $versions == [] or $versions[0].head != .sha) as $astray
  | (.merged_at | instant) as $at
  | . as $all
  | ([ .approvals.approved_by[] | (opt(.user.username) | known) as $by
      | {by: $by, at: (opt(.approved_at) | instant // ($all | noted($by)))}
      | .of = (if $astray then "unknown" elif $alone then "merged" elif .at == null or $since == null then "unknown"
               elif (.at | order) >= ($since | order) then "merged" else "earlier" end) ]
    | sort_by((.at | order), .by)) as $given
  | [$given[] | select(.of == "merged")] as $approved
  | [$given[] | select(.of == "earlier")] as $stale
  | [$given[] | select(.of == "unknown")] as $unknown
  | def shown: map({approver: .by, decided_at: .at} | compact);
    ([$all.reviews | items | select(opt(.state) == "requested_changes") | {by: (opt(.user.username) | known)}] | unique) as $against
  | {approvals: ([($approved[] | {approver: .by, decision: "approved", decided_at: .at}),
        ($against[] | {approver: .by, decision: "rejected"})] | map(compact)),
     stale_approvals: ($stale | shown), undetermined_approvals: ($unknown | shown)}
    + (if $merged then
         if $approved != [] then
           {state: "approved", approval_contradictions: [
              ($against[] | "\(.by // "somebody") asked for changes, and it was merged all the same"),
              ($approved[] | select(.at != null and $at != null and (.at | order) > ($at | order)) | "\(.by // "somebody") approved it after it was merged")]}
         elif $unknown != [] then
           {state: "pending", doubt: "whether what was merged is what was approved is not known: " + (
              if $astray then "the newest version is not of the commit that the merge request names"
              else "GitLab does not say when it was approved, and there were several versions" end)}
         else {state: "pending", state_reason: (if $stale != [] then
             "merged, and every approval was of an earlier version than the one that was merged"
           else "merged without an approval" end)} end
       elif .state == "closed" then {state: $settings.closed_state, state_reason: "closed and not merged"}
       else {state: "pending"} end);

# --- the requests -------------------------------------------------------------------------------------------

def requests($id; $project; $versions):
  texts as $texts | $texts.said as $text
  | (if $texts.people != [] then $texts.people
     elif $settings.beneficiary_default == "author" then [opt(.author.username) | known | select(. != null)] else [] end) as $people
  | (.description | if type == "string" then uncommented | known else null end) as $description
  | changes($id; $text; $people) as $changes
  | cut($versions) as $cut
  | is_merged as $merged
  | if $changes.files == 0 then
      # A file that is not told may be one that matters.
      if $merged and $cut != null then
        {type: "incomplete", reason: "\($id): \($cut): name it in `skip_merge_requests` once somebody has looked at it"}
      else empty end
    elif opt(.approvals.approved_by | type) != "array" then {type: "incomplete", reason: "\($id): its approvals are not known"}
    else
  ($changes.items | told_apart) as $asked
  | (if $settings.line_patterns == [] and has_label($settings.revoke_labels) then {grant: [], revoke: $asked.grant} else $asked end) as $asked
  | [$changes.items[].item | select(is_whole | not)] as $parts
  | ([ $changes.doubts[], ($cut | select(. != null)),
       (if $changes.unread > 0 then "changed lines that were not understood: \($changes.unread), such as `\($changes.example)`" else empty end),
       (if $parts != [] then "changes that do not say " + ([
          (if any($parts[]; .access.system == null) then "the system" else empty end),
          (if any($parts[]; .access.entitlement == null) then "the entitlement" else empty end),
          (if any($parts[]; .beneficiaries == []) then "for whom" else empty end)] | join(", nor ")) + ": \($parts | length)" else empty end) ] | unique) as $reasons
  | decided($versions) as $decided
  | ({type: "request", url: (.web_url | known), requester: ($text.requester // (opt(.author.username) | known)),
      approvals: $decided.approvals, state: $decided.state, requested_at: (.created_at | instant), completed_at: (.merged_at | instant),
      policy: $text.policy, justification: ($text.justification // $description | if . == null then null else .[:4000] end),
      emergency: (if has_label($settings.emergency_labels) then true else null end),
      workflow: $project, title: (.title | known), head: (.sha | known),
      merge_commit: (if $merged | not then null else (.merge_commit_sha // .squash_commit_sha | known) end),
      merged_by: (opt(.merge_user.username) // opt(.merged_by.username) | known), native_id: $id}
     + ($decided | del(.approvals, .state, .doubt)) + {state_reason: ($decided.state_reason // $decided.doubt),
        access_reason: (if $reasons == [] then null else $reasons | join("; ") end)}) as $base
  # What was merged and is not understood may have given something, and who approved what cannot be told apart may have been
  # approved: what is missing here accuses nobody.
  | (if $merged and ($changes.doubts != [] or $changes.unread > 0 or $cut != null) then
       {type: "incomplete", reason: "\($id): \($reasons | join("; ")): name it in `skip_merge_requests` once somebody has looked at it"}
     else empty end),
    ($decided.doubt | select(. != null) | {type: "incomplete", reason: "\($id): \(.)"}),
    (("grant", "revoke") as $intent
     | ($asked[$intent] | grouped) as $groups
     | ($id + (if $intent == "revoke" then "-revoke" else "" end)) as $base_id
     | range($groups | length) as $number
     | $groups[$number] as $group
     | ([$groups[:$number][] | select(.people[0] == $group.people[0])] | length) as $before
     | $base + $group.terms
     + {id: (if ($groups | length) == 1 then $base_id
             else "\($base_id)/\($group.people[0])" + (if $before == 0 then "" else "/\($before + 1)" end) end),
        intent: $intent, beneficiaries: $group.people, access: $group.access} | compact),
    # Nobody can be held to what nobody understands, but it is there.
    (if $asked.grant == [] and $asked.revoke == [] and $reasons != [] then
       $base + {id: $id, beneficiaries: $people, access: []} | compact
     else empty end)
    end;

def merge_request:
  need("references/full") as $id
  | ($id | cf_capture("^(?P<project>.+)![0-9]+$").project?
     // error("\($shape): `references/full` is `\($id[:80])`: expected such as `example-corp/access!7`")) as $project
  | need("target_branch") as $into
  | ($settings.branch // ($joined.project[need("project_id")] | lst | last | known)) as $branch
  | select($branch == null or $into == $branch)
  | select(any($settings.skip_merge_requests[]; . == $id) | not)
  | if $branch == null then {type: "incomplete", reason: "\($project): its default branch is not known: give the setting `branch`"}
    elif (.versions | type) != "array" then {type: "incomplete", reason: "\($id): its versions are not known"}
    else
      versions($id) as $versions
      | (if .diffs == null and $versions[0].size == "0" then .diffs = [] else . end)
      | if (.diffs | type) != "array" then {type: "incomplete", reason: "\($id): its files are not known"}
        elif any(.diffs[]; opt(.new_path | type) != "string" or opt(.old_path | type | one_of("string", "null")) != true or opt(.diff | type | one_of("string", "null")) != true) then
          error("\($shape): `\($id)` has a diff without `new_path`, or whose `old_path` or `diff` is no text")
        else requests($id; $project; $versions) end
    end;

if type != "object" then error("\($shape): a row of type \(type): expected an object")
elif $shape | endswith("project") then
  if $joined == null then {type: "join", table: "project", key: need("id"), value: (.default_branch | known)} else empty end
elif $joined == null then empty
else merge_request end
