# A pull request with its files and reviews in; requests out: one that gives, one that takes away, or several of each where
# people get different things (a request gives everything it names to everybody it names).
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
def order: if . == null then "" else rtrimstr("Z") end;

# What the row must say.
def need($field):
  getpath($field | split("/")) | known // error("pull: a row without `\($field)`");

def pull_id: "\(need("base/repo/full_name"))#\(need("number"))";

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
  foreach ((.patch // "" | split("\n")[]), null) as $line
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

# Why the patch does not say all that the file's change means, or null.
def doubt($old; $new):
  def count($mark): [(.patch // "") | split("\n")[] | select(.[:1] == $mark)] | length;
  (.additions // 0) as $additions | (.deletions // 0) as $deletions
  | if (.status | one_of("renamed", "copied")) and $old != $new then
      "it was \(.status), and what it says without a change in its lines is not in the patch"
    elif .patch == null and $additions + $deletions > 0 then "GitHub gives no patch of it: too large, or no text"
    elif .patch != null and (count("+") != $additions or count("-") != $deletions) then
      "its patch is cut: \($additions) lines were added and \($deletions) removed, it has \(count("+")) and \(count("-"))"
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

# All that titles, descriptions and labels say: the first of each name, and everybody who is named.
def texts:
  [ (.title // "" | strings), ((.body // "" | strings) | uncommented | split("\n")[] | rtrimstr("\r"))
    | . as $line | $settings.text_patterns[] as $pattern | $line | cf_capture($pattern) | select(. != null) ]
  + [ .labels | items | .name? | strings
    | . as $label | $settings.label_patterns[] as $pattern | $label | cf_capture($pattern) | select(. != null) ]
  | map(with_entries(.value |= known))
  | {people: ([.[].beneficiary | select(. != null)] | unique), said: (reduce (reverse[]) as $said ({}; . + ($said | compact)))};

def has_label($labels): [.labels | items | .name? | strings] as $own | any($labels[]; . as $label | any($own[]; cf_norm == ($label | cf_norm)));

# Files and their changes as items: what is added, what is removed, what was not understood.
def changes($id; $text; $people):
  [ .files[] | . as $file
    | (.filename | strings | said($settings.access_files)) as $new
    | (.previous_filename // .filename | strings | said($settings.access_files)) as $old
    | select($new != null or $old != null)
    | "\($id): \(.filename)" as $place
    | (if $settings.line_patterns == [] then [{side: "added", found: ($new // $old)}]
         else [ changed_lines($place)
           | if .side == "moved" then . else
           (if .side == "added" then $new else $old // $new end) as $path
           | .found = (if .is_section then null else .text | said($settings.line_patterns) end)
           | .lost = (.found != null and $settings.section_patterns != [] and .section == null)
           | .unread = (.lost or (.found == null and (.is_section or (.text | fits($settings.ignored_lines)) | not)))
           | if .found == null or .lost then .found = null
             else .found = ($path // {} | compact) + (.section // {} | compact) + (.found | compact) end end ] end) as $lines
    | {name: .filename, lines: $lines,
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

# Of each reviewer the last word counts; one that was dismissed is none. Whoever wrote the change does not review it.
def reviews($author):
  [ .reviews[] | select(.state | one_of("APPROVED", "CHANGES_REQUESTED", "DISMISSED"))
    | {by: (.user.login? | known), state, at: (.submitted_at | instant), commit: .commit_id,
       counts: (.author_association | one_of($settings.reviewer_associations[])), id: (.id | known)}
    | select(.by == null or (.by | ascii_downcase) != ($author // "" | ascii_downcase)) ]
  | group_by(.by // "review \(.id)") | map(sort_by((.at | order), .id) | last)
  | map(select(.state != "DISMISSED")) | sort_by((.at | order), .by, .id);

def decided($id):
  (.user.login? | known) as $author | need("head/sha") as $head
  | reviews($author) as $reviews
  | [$reviews[] | select(.counts and .state == "APPROVED" and .commit == $head)] as $approved
  | [$reviews[] | select(.counts and .state == "APPROVED" and .commit != $head)] as $stale
  | [$reviews[] | select(.counts and .state == "CHANGES_REQUESTED")] as $against
  | {approvals: ([($approved[] | {by, at, decision: "approved"}), ($against[] | {by, at, decision: "rejected"})]
       | sort_by((.at | order), .by) | map({approver: .by, decision, decided_at: .at} | compact)),
     stale_reviews: [$stale[] | {approver: .by, decided_at: .at, commit} | compact],
     uncounted_reviews: [$reviews[] | select(.counts | not) | {approver: .by, decided_at: .at} | compact]}
    + (if .merged_at != null then
         if $approved != [] then
           {state: "approved",
            approval_contradictions: [$against[] | "\(.by // "somebody") asked for changes, and it was merged all the same"]}
         else {state: "pending", state_reason: (if $stale != [] then
             "merged, and every approval was of an earlier commit than the one that was merged"
           else "merged without an approval that counts" end)} end
       elif .state == "closed" then {state: $settings.closed_state, state_reason: "closed and not merged"}
       else {state: "pending"} end);

# --- the requests -------------------------------------------------------------------------------------------

def requests:
  pull_id as $id
  | texts as $texts | $texts.said as $text
  | (if $texts.people != [] then $texts.people
     elif $settings.beneficiary_default == "author" then [.user.login? | known | select(. != null)] else [] end) as $people
  | (.body | if type == "string" then uncommented | known else null end) as $body
  | changes($id; $text; $people) as $changes
  | select($changes.files > 0)
  | ($changes.items | told_apart) as $asked
  | (if $settings.line_patterns == [] and has_label($settings.revoke_labels) then {grant: [], revoke: $asked.grant} else $asked end) as $asked
  | [$changes.items[].item | select(is_whole | not)] as $parts
  | ([ $changes.doubts[],
       (if $changes.unread > 0 then "changed lines that were not understood: \($changes.unread), such as `\($changes.example)`" else empty end),
       (if $parts != [] then "changes that do not say " + ([
          (if any($parts[]; .access.system == null) then "the system" else empty end),
          (if any($parts[]; .access.entitlement == null) then "the entitlement" else empty end),
          (if any($parts[]; .beneficiaries == []) then "for whom" else empty end)] | join(", nor ")) + ": \($parts | length)" else empty end),
       (if (.files | length) >= 3000 then "GitHub tells no more than 3000 files of it" else empty end) ] | unique) as $reasons
  | decided($id) as $decided
  | (.merged_at | instant) as $merged
  | ({type: "request", url: (.html_url | known), requester: ($text.requester // (.user.login? | known)),
      approvals: $decided.approvals, state: $decided.state, requested_at: (.created_at | instant), completed_at: $merged,
      policy: $text.policy, justification: ($text.justification // $body | if . == null then null else .[:4000] end),
      emergency: (if has_label($settings.emergency_labels) then true else null end),
      workflow: need("base/repo/full_name"), title: (.title | known), head: need("head/sha"),
      merge_commit: (if $merged == null then null else .merge_commit_sha end), native_id: $id}
     + ($decided | del(.approvals, .state)) + {access_reason: (if $reasons == [] then null else $reasons | join("; ") end)}) as $base
  # What was merged and is not understood may have given something: what is missing here accuses nobody.
  | (if $merged != null and ($changes.doubts != [] or $changes.unread > 0 or (.files | length) >= 3000) then
       {type: "incomplete", reason: "\($id): \($reasons | join("; ")): name it in `skip_pulls` once somebody has looked at it"}
     else empty end),
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
     else empty end);

if type != "object" then error("pull: a row of type \(type): expected a pull request")
else
  pull_id as $id
  | need("base/ref") as $into
  | ($settings.branch // .base.repo.default_branch? | known) as $branch
  | if $branch == null then error("pull: `\($id)` does not say the default branch of its repository: give the setting `branch`") else . end
  | select($into == $branch)
  | select(any($settings.skip_pulls[]; . == $id) | not)
  | if (.files | type) != "array" then {type: "incomplete", reason: "\($id): its files are not known"}
    elif any(.files[]; type != "object" or (.filename | type) != "string") then error("pull: `\($id)` has a file without `filename`")
    elif .files == [] then empty
    elif (.reviews | type) != "array" then {type: "incomplete", reason: "\($id): its reviews are not known"}
    else requests end
end
