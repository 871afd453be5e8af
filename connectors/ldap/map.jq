# One entry of a directory in, records out.
#
# A group lists its members by DN, an account its primary group by a number, the access log who was put into a group and
# when. So this map runs twice over all entries: first with `$joined` null, when an entry files what others will look up
# (`joins` below), then with all of it in `$joined`, when it writes records (`records`).

# --- small tools --------------------------------------------------------------------------------------------

def joined($table; $key): ($joined // {})[$table][$key]? // [];
def join($table; $key; $value): {type: "join", table: $table, key: $key, value: $value};

def matches($pattern): cf_capture($pattern) != null;
def one_of(values): . as $this | any(values; . == $this);
def items: if type == "array" then .[] elif . == null then empty else . end;
def ad: $settings.schema == "active-directory";

# Values of an attribute that are texts. What is none is `{"hex":…}`, and names nobody.
def values($name): .attributes[$name | ascii_downcase] | items | select(type == "string" and . != "");
def value($name): [values($name)][0];
def given($name): value($name) != null;
def classes: values("objectClass") | ascii_downcase;

# --- names --------------------------------------------------------------------------------------------------

# What entries are looked up by: the normal form of a DN.
def key: cf_dn // cf_norm;

# The value of an attribute that names the entry. Of several, the one its DN begins with: the order in which a directory
# gives them means nothing.
def named($name):
  if $name == null then null
  else
    [values($name)] as $all
    | if ($all | length) < 2 then $all[0]
      else (.dn | key) as $key
        | [$all[] | select(. as $one | ("\($name)=\($one)" | cf_dn) as $rdn | $rdn != null and ($key | startswith($rdn + ",")))][0]
          // ($all | sort)[0] end
  end;

def account_name: named($settings.account_attribute // (if ad then "sAMAccountName" else "uid" end)) // .dn;
def id_name: named($settings.id_attribute) // account_name;
def group_name: named("cn") // .dn;

# A name that two entries share names neither: each goes by its DN.
def shared($table; $name): [joined($table; $name | cf_norm)[]] | unique | length > 1;
def account_of: if shared("account"; .name) then .dn else .name end;
def id_of: if shared("id"; .id) then account_of else .id end;
def entitlement_of: if $settings.entitlement_names == "dn" or shared("name"; .name) then .dn else .name end;

def system:
  $settings.system
  // ($settings.base[0] | cf_dn // "" | [split(",")[] | select(startswith("dc=")) | .[3:]] | join(".")
      | if . == "" then error("`base` has no `dc=` to call the system after: give the setting `system`") else . end);

# Groups that each domain has for itself belong to none by name.
def with_domain($sid):
  if $sid | startswith("S-1-5-32-") then "BUILTIN\\\(.)"
  elif $settings.netbios_domain == null then empty
  else "\($settings.netbios_domain)\\\(.)" end;

# What something is also called, each once, in this order.
def aliases_of($id):
  map(select(. != null and cf_norm != ($id | cf_norm)))
  | reduce .[] as $alias ([]; if any(.[]; . == $alias) then . else . + [$alias] end);

# --- times --------------------------------------------------------------------------------------------------

# Times compare as text once the final Z is gone (with it, 10:00:00.5Z would sort before 10:00:00Z).
def order: if . == null then "" else rtrimstr("Z") end;
def latest: [.[] | select(. != null)] | max_by(order);
def earliest: [.[] | select(. != null)] | min_by(order);
def taken: $taken_at | cf_instant("auto"; null);
def seconds: (.[0:19] + "Z") | fromdateiso8601;
def later($days): seconds + $days * 86400 | todateiso8601;

# 20260601120000Z
def generalized: if . == null then null else try cf_instant("auto"; null) catch null end;
# Steps of 100 nanoseconds since 1601; 0 and the greatest number mean never.
def filetime:
  if . == null or (matches("^[0-9]{9,19}$") | not) or . == "9223372036854775807" then null
  else (.[:-7] | tonumber) - 11644473600 | if . > 253402300799 then null else todateiso8601 end end;

# --- what Active Directory writes in bytes -----------------------------------------------------------------

def number: reduce (explode[]) as $digit (0; . * 16 + (if $digit > 96 then $digit - 87 else $digit - 48 end));
def little: . as $hex | [range(length; 0; -2) | $hex[. - 2:.]] | add | number;
# S-1-5-21-…: one byte version, one the number of parts, six the authority, four each part from its lowest byte on.
def sid:
  if . == null or startswith("S-1-") then .
  elif matches("^01[0-9a-f]{14}([0-9a-f]{8})*$") then
    . as $hex
    | "S-1-\($hex[4:16] | number)" + ([range(16; length; 8) | "-\($hex[.:. + 8] | little)"] | add // "")
  else null end;
def guid:
  if . == null or (matches("^[0-9a-f]{32}$") | not) then .
  else "\(.[6:8])\(.[4:6])\(.[2:4])\(.[0:2])-\(.[10:12])\(.[8:10])-\(.[14:16])\(.[12:14])-\(.[16:20])-\(.[20:])" end;
def bit($value): (tonumber / $value | floor) % 2 == 1;

def own_sid: value("objectSid") | sid;
def native: if ad then value("objectGUID") | guid else value("entryUUID") end;
def created: (if ad then value("whenCreated") else value("createTimestamp") end);

# --- what an entry is ---------------------------------------------------------------------------------------

def is_log: any(classes; startswith("audit"));
def kind:
  if $shape | one_of("people", "ad-people") then "person"
  elif $shape | one_of("groups", "ad-groups") then "group"
  elif $shape == "log" then "log"
  elif $shape == "ad-domain" then "domain"
  elif $shape == "ad-computers" then "computer"
  elif ad then
    [classes] as $classes
    | def is($class): any($classes[]; . == $class);
      if is("group") then "group"
      elif is("foreignsecurityprincipal") or is("contact") then "other"
      elif is("computer") and (any($classes[]; startswith("msds-") and endswith("managedserviceaccount")) | not) then "computer"
      elif is("user") or any($classes[]; endswith("managedserviceaccount")) then "person"
      elif is("domaindns") or is("domain") then "domain"
      else "none" end
  elif is_log then "log"
  elif any(classes; one_of("groupofnames", "groupofuniquenames", "posixgroup")) or given("roleOccupant") then "group"
  elif any(classes; one_of("person", "organizationalperson", "inetorgperson", "account", "posixaccount",
      "simplesecurityobject", "applicationprocess")) then "person"
  else "none" end;

# A distribution group gives no access.
def left_out: ad and $settings.security_groups_only and (value("groupType") // "-1" | tonumber) >= 0;

# Groups that Active Directory makes for its administrators, by the end of their SIDs: Domain Admins, Cert Publishers, Schema
# Admins, Enterprise Admins, Group Policy Creator Owners, Key Admins; Administrators, Account, Server, Print and Backup
# Operators, Replicator, Incoming Forest Trust Builders, Hyper-V Administrators.
def administrators:
  . != null and (matches("^S-1-5-21-.*-(512|517|518|519|520|526|527)$")
    or matches("^S-1-5-32-(544|548|549|550|551|552|557|578)$"));
def risk:
  . as $row
  | if (own_sid | administrators) or (ad and group_name == "DnsAdmins")
      or any($settings.high_risk_patterns[]; . as $pattern | any($row | group_name, .dn; matches($pattern)))
    then "high" else "normal" end;

def below($bases): (.dn | key) as $key | any($bases[] | key; . as $base | $key == $base or ($key | endswith("," + $base)));
def is_service:
  . as $row
  | any($settings.service_classes[] | ascii_downcase; . as $class | any($row | classes; . == $class))
    or (ad and given("servicePrincipalName"))
    or below($settings.service_bases);

# --- members ------------------------------------------------------------------------------------------------

def memberuid: "memberuid \(cf_norm)";

# Each member: the attribute it stands in, how it is written, what it is looked up by.
def members:
  . as $row
  | (if ad then "member" else $settings.member_attributes[] | ascii_downcase end) as $attribute
  | $row | values($attribute)
  | if $attribute == "memberuid" then {attribute: $attribute, value: ., key: memberuid}
    # A unique member may carry a number behind its DN: `cn=a,dc=b#'0101'B`.
    else sub("#'[01]*'B$"; "") | {attribute: $attribute, value: ., key: key} end;

# What a member is: one of the entries read, nobody, or not known.
def found:
  . as $member
  | (if .attribute == "memberuid" then [joined("uid"; .key)[]] | unique_by(.dn) else joined("entry"; .key) end) as $entries
  | if any($settings.placeholder_members[]; key == $member.key) then {kind: "nobody"}
    elif $member.attribute == "memberuid" and ($entries | length) > 1 then {kind: "unknown", account: .value}
    elif $entries == [] then {kind: "unknown", account: .value}
    else $entries[0] end;

# The id of whom a DN names.
def person:
  if . == null then null
  else . as $dn | joined("entry"; key)[0] as $entry
  | if $entry != null and ($entry.kind | one_of("person", "computer")) then $entry | id_of else $dn end end;

def owner: (if $settings.owner_attribute != null then value($settings.owner_attribute) else null end)
  // value("owner") // value("managedBy");

# --- when a member came in ----------------------------------------------------------------------------------

# The event since which a member is in, from events in their order: one of its own (`+`, `-`, `=`), or one about all members:
# none is left (`none`), there was none before (`new`). What one operation takes out and puts in again was never out, and of
# one whose past is not known it tells nothing; neither does a list that is written anew (`=`).
def held_since:
  reduce .[] as $event ({at: null, before: null, held: null};
    (if .at == $event.at then . else .at = $event.at | .before = .held end)
    | if $event.op == "new" then .before = false | .held = false
      elif $event.op == "+" and .before == null and .held == null then .held = $event
      elif $event.op | one_of("+", "=") then .held = (if .before == false then $event else .before end)
      else .held = false end)
  | .held | if type == "object" then . else null end;

# The names an entry had, each from when and until when: the log knows a member by the name it had then.
def names($key):
  (joined("renamed"; .uuid // "") | sort_by(.at)) as $renames
  | ($renames | to_entries[] | {key: .value.from, from: (if .key > 0 then $renames[.key - 1].at else null end), until: .value.at}),
    {key: $key, from: $renames[-1:][0].at, until: null};

def log_events($group; $member; $entry):
  [ ($entry | names($member.key)) as $name
    | joined("event"; "\($group) \($member.attribute) \($name.key)")[]
    | select(($name.from == null or .at >= $name.from) and ($name.until == null or .at < $name.until)) ]
  # An event from before the entry was made is about another of its name.
  | ($entry.created // "") as $created
  | map(select(.at >= $created)) + joined("wide"; "\($group) \($member.attribute)");

def from_log($groups; $member; $entry):
  [$groups[] | log_events(.; $member; $entry)[]] | sort_by([.at, .n, (.op | length < 2)]) | held_since
  | if . == null then {}
    else {granted_at: (.at + "Z" | generalized), granted_by: (.by | person), granted_at_basis: "event", granted_event: .id} end;

# Since when a member of a group is in, as far as the directory says.
def since($groups; $by_member; $member; $entry):
  if ad then $by_member[$member.key] | if . == null then {} else {granted_at: ., granted_at_basis: "state"} end
  elif ($joined.event // {}) == {} then {}
  else from_log($groups; $member; $entry) end;

# Active Directory keeps with each member when it was put in, and does not say by whom.
def unescaped: gsub("&lt;"; "<") | gsub("&gt;"; ">") | gsub("&quot;"; "\"") | gsub("&apos;"; "'") | gsub("&amp;"; "&");
def since_by_member:
  [ values("msDS-ReplValueMetaData")
    | select(contains("<pszAttributeName>member</pszAttributeName>") and contains("<ftimeDeleted>1601-01-01T00:00:00Z<"))
    | {key: (cf_capture("<pszObjectDn>(?P<dn>[^<]*)<").dn | select(. != null) | unescaped | key),
       value: (cf_capture("<ftimeLastOriginatingChange>(?P<at>[^<]*)<").at // "" | select(matches("^(19[789]|2)")) | generalized)} ]
  | from_entries;

# --- records of an account ----------------------------------------------------------------------------------

def use_of_openldap:
  ([$settings.last_use_attributes[] as $name | values($name) | generalized] | latest) as $last
  | (if $settings.use_tracked_since == null then null
     else [($settings.use_tracked_since | cf_instant("auto"; null)), (created | generalized)] | latest end) as $tracked
  | {last_used_at: $last, tracked_since: $tracked};

# `lastLogonTimestamp` is written anew only when it is some days old: the true last logon may be later by that. `lastLogon` is
# exact and only of the domain controller asked. What is certain is that nothing came after the days have passed. An account
# without a time has never logged on, if what stands beside it (`logonCount`) may be read.
def use_of_ad:
  (value("lastLogonTimestamp") | filetime) as $stamp
  | ([$stamp, (value("lastLogon") | filetime)] | latest) as $last
  | ($settings.logon_sync_days // joined("domain"; "days")[0] // 14) as $days
  | {last_used_at: $last,
     tracked_since:
       (if $days == 0 or ($stamp == null and $last != null) then taken
        elif $stamp != null then [($stamp | later($days)), taken] | earliest
        elif given("logonCount") then created | generalized
        else null end)};

def use_records($system; $account):
  (if ad then use_of_ad else use_of_openldap end)
  | select(.last_used_at != null or .tracked_since != null)
  | . + {type: "usage", system: $system, account: $account, attribution: "account",
         success: (if .last_used_at == null then null else "yes" end)};

# Groups an account is in by a number of its own: those, and what is wrong.
def primary_groups:
  if $settings.primary_groups | not then empty
  elif ad then
    value("primaryGroupID") as $number | own_sid as $sid
    | if $number == null or $sid == null then empty
      else ($sid | split("-")[:-1] + [$number] | join("-")) as $group
        | joined("sid"; $group)
        | if . == [] then
            {missing: "the primary group \($group) of accounts is not among the entries read"}
          else .[0] end
      end
  else value("gidNumber") as $number
    | select($number != null) | [joined("gid"; $number)[]] | unique_by(.dn)[] end;

def word:
  if $settings.status_attribute == null then null
  else value($settings.status_attribute) as $said
  | if $said == null then null
    else ($said | cf_norm) as $norm
    | ([$settings.status_values | to_entries[] | select((.key | cf_norm) == $norm) | .value][0] // $settings.status_values["*"])
    | if one_of("active", "disabled", "departed") then .
      elif . == null then error("`\($settings.status_attribute)`: `\($said)` is no word of the setting `status_values`")
      else error("setting `status_values`: `\(.)` must be one of active, disabled, departed") end
    end
  end;

def ended($at): $at != null and ($at | order) <= (taken | order);
def disabled:
  if ad then (value("userAccountControl") // "0" | bit(2)) or ended(value("accountExpires") | filetime)
  else any(values("pwdAccountLockedTime"); startswith("000001010000"))
    or any(values("nsAccountLock"); ascii_downcase == "true")
    or any(values("pwdEndTime") | generalized; ended(.))
    or any(values("shadowExpire") | select(matches("^[1-9][0-9]{0,6}$")) | tonumber * 86400 | todateiso8601; ended(.)) end;
def status:
  word as $word
  | if $word == "departed" then $word
    elif $word == "disabled" or disabled then "disabled"
    elif $word != null or (ad and given("userAccountControl")) then "active"
    else null end;

def addresses($name):
  values($name)
  | if $name | ascii_downcase | . == "proxyaddresses" then
      (if ascii_downcase | startswith("smtp:") then .[5:] else empty end)
    else . end;

def identity($system; $entry; $holds):
  . as $row | ($entry | account_of) as $account | ($entry | id_of) as $id
  | (kind == "computer" or is_service) as $service
  | {type: "identity", id: $id, native_id: $entry.native, kind: (if $service then "service" else "human" end),
     name: (value("displayName") // value("cn")), status: status,
     aliases:
       ([ $account, ($settings.alias_attributes[] as $name | $row | addresses($name)), ($row | account_name | with_domain("")),
          ($row | own_sid), .dn ] | aliases_of($id)),
     accounts: [{system: $system, account: $account}], groups: $holds,
     manager: (if $service then null else value("manager") | person end),
     owner: (if $service then owner // value("manager") | person else null end)};

# What `memberUid` calls this entry, and no other.
def own_uids: [values("uid")] | unique[] | memberuid | select(([joined("uid"; .)[] | .dn] | unique | length) == 1);

def account_records:
  . as $row | system as $system
  | {kind: kind, name: account_name, id: id_name, dn: .dn, native: native} as $entry
  | ($entry | account_of) as $account
  | (.dn | key) as $key
  | ([joined("holds"; $key, own_uids)[]] | unique_by(.dn)) as $listed
  | [primary_groups] as $primary
  | ($listed + [$primary[] | select(.dn != null)] | unique_by(.dn) | map(entitlement_of)) as $holds
  | select(kind == "person" or $settings.computers or $listed != [])
  | (if $settings.emit_identities then identity($system; $entry; $holds) else empty end),
    use_records($system; $account),
    (if kind == "person" or $settings.computers then
       ($primary[]
        | if .missing != null then
            (if $settings.unknown_members == "incomplete" then {type: "incomplete", reason: .missing} else empty end)
          else
            . as $group
            | select(any($listed[]; .dn == $group.dn) | not)
            | {type: "grant", system: $system, account: $account, entitlement: ($group | entitlement_of),
               native_id: $entry.native} end)
     else empty end),
    (if ad and kind == "person" and (given("userAccountControl") | not) then
       {type: "incomplete", reason:
         "`userAccountControl` of some accounts may not be read, so that it is not known whether they are disabled; needed is: read on Account Restrictions"}
     else empty end);

# --- records of a group -------------------------------------------------------------------------------------

# The schema wants a member, so that one without any hides them.
def hides_members:
  ($settings.empty_groups | not) and (ad | not) and any(classes; one_of("groupofnames", "groupofuniquenames"))
  and ([members] | length) == 0;

def group_records:
  . as $row | system as $system
  | {name: group_name, dn: .dn} as $named
  | ($named | entitlement_of) as $entitlement
  | (if ad then since_by_member else {} end) as $since
  | [value("entryUUID"), (.dn | key) | select(. != null)] as $logged
  | {type: "entitlement", system: $system, id: $entitlement, native_id: native, risk: risk, owner: (owner | person),
     aliases:
       ([$named.name, .dn, value("sAMAccountName"), own_sid,
         ((value("sAMAccountName") // $named.name) | with_domain($row | own_sid // ""))] | aliases_of($entitlement))},
    (if hides_members then
       {type: "incomplete", reason: "the members of the group `\($named.name)` may not be read; needed is: read on its members"}
     else empty end),
    ([members] | unique_by(.key)[]
     | . as $member | found as $found
     | if $found.kind | one_of("nobody", "contact") then empty
       elif $found.kind == "group" then
         # Whoever is in the one is in the other.
         select($found.dn != $named.dn and ($found.left_out | not))
         | {type: "includes", system: $system, entitlement: ($found | entitlement_of), gives: {entitlement: $entitlement}}
           + (since($logged; $since; $member; $found) | del(.granted_event))
       else
         {type: "grant", system: $system, entitlement: $entitlement, native_id: $found.native,
          account: ($found.account // ($found | account_of))} + since($logged; $since; $member; $found),
         (if $found.kind == "unknown" and $settings.unknown_members == "incomplete" then
            {type: "incomplete", reason:
              "a member of the group `\($named.name)` is none of the entries read, or more than one: `\($member.value)`"}
          else empty end)
       end);

# --- what is filed in the first run -------------------------------------------------------------------------

def entry($value): join("entry"; .dn | key; $value);

def account_joins:
  {kind: kind, name: account_name, id: id_name, dn: .dn, native: native, uuid: value("entryUUID"),
   created: (created | if . == null then null else .[0:14] end)} as $entry
  | (.dn | key) as $key
  | entry($entry),
    join("account"; $entry.name | cf_norm; $key),
    join("id"; $entry.id | cf_norm; $key),
    (if ad then empty else [values("uid")] | unique[] | join("uid"; memberuid; $entry) end);

def group_joins:
  {kind: "group", name: group_name, dn: .dn, left_out: left_out, uuid: value("entryUUID"),
   created: (created | if . == null then null else .[0:14] end)} as $group
  | entry($group),
    (if left_out then empty
     else
       join("name"; $group.name | cf_norm; .dn | key),
       ({name: $group.name, dn: $group.dn} as $named
        | (value("gidNumber") | select(. != null) | join("gid"; .; $named)),
          (own_sid | select(. != null) | join("sid"; .; $named)),
          ([members] | unique_by(.key)[] | join("holds"; .key; $named))) end);

# Whom everybody knows by a number.
def well_known: {
  "S-1-1-0": "Everyone", "S-1-5-4": "NT AUTHORITY\\INTERACTIVE", "S-1-5-7": "NT AUTHORITY\\ANONYMOUS LOGON",
  "S-1-5-9": "NT AUTHORITY\\ENTERPRISE DOMAIN CONTROLLERS", "S-1-5-11": "NT AUTHORITY\\Authenticated Users",
  "S-1-5-15": "NT AUTHORITY\\This Organization", "S-1-5-17": "NT AUTHORITY\\IUSR",
  "S-1-5-18": "NT AUTHORITY\\SYSTEM", "S-1-5-19": "NT AUTHORITY\\LOCAL SERVICE", "S-1-5-20": "NT AUTHORITY\\NETWORK SERVICE" };
def other_joins:
  if any(classes; . == "contact") then entry({kind: "contact", dn: .dn})
  else (own_sid // value("cn")) as $sid
  | entry({kind: "foreign", dn: .dn, native: $sid, account: (well_known[$sid // ""] // $sid // .dn)}) end;

# `member:+ uid=alice,…`: what a change did, one after the other. An entry is known by its UUID, where the log has it, since
# a DN may be another's tomorrow.
def log_joins:
  value("reqDN") as $dn | select($dn != null and (value("reqResult") // "0") == "0")
  | (value("reqEntryUUID") // ($dn | key)) as $entry
  | (value("reqStart") | rtrimstr("Z")) as $at
  | {at: $at, by: value("reqAuthzID"), id: .dn} as $event
  | ([$settings.member_attributes[] | ascii_downcase]) as $kept
  | if any(classes; . == "auditmodrdn") then
      select(given("reqEntryUUID")) | join("renamed"; $entry; {at: $at, from: ($dn | key)})
    elif any(classes; . == "auditdelete") then
      # By its UUID nobody will ask for it again.
      select(given("reqEntryUUID") | not) | $kept[] | join("wide"; "\($entry) \(.)"; $event + {n: 0, op: "none"})
    else
      any(classes; . == "auditadd") as $new
      | [values("reqMod") | cf_capture("(?s)^(?P<attribute>[^:;]+)(?:;[^:]*)?:(?P<op>[-+=])(?: (?P<value>.*))?$")]
      | to_entries
      | map(select(.value != null) | .value + {n: .key + 1} | .attribute |= ascii_downcase
            | select(.attribute as $name | any($kept[]; . == $name)))
      | (if $new then map(.attribute) | unique[] | join("wide"; "\($entry) \(.)"; $event + {n: 0, op: "new"}) else empty end),
        # The first of the values that stand in place of all that were there.
        (map(select(.op == "=" or .value == null)) | group_by(.attribute)[] | .[0]
         | join("wide"; "\($entry) \(.attribute)"; $event + {n: .n, op: "none"})),
        (.[] | select(.value != null)
         | (if .attribute == "memberuid" then .value | memberuid else .value | sub("#'[01]*'B$"; "") | key end) as $member
         | join("event"; "\($entry) \(.attribute) \($member)"; $event + {n: .n, op: .op}))
    end;

# The days after which Active Directory writes a logon down anew: a number of days, or none where it is left as it is.
def domain_joins: value("msDS-LogonTimeSyncInterval") | select(. != null) | join("domain"; "days"; tonumber);

def place: "\($shape) \($file)";
def joins:
  (if $row == 1 then join("first"; "row"; place) else empty end),
  (kind as $kind
   | if $kind | one_of("person", "computer") then account_joins
     elif $kind == "group" then group_joins
     elif $kind == "other" then other_joins
     elif $kind == "domain" then domain_joins
     elif $kind == "log" then log_joins
     else empty end);

def records:
  (if $row == 1 and joined("first"; "row")[0] == place then {type: "system", id: system} else empty end),
  (kind as $kind
   | if $kind | one_of("person", "computer") then account_records
     elif $kind == "group" then (if left_out then empty else group_records end)
     else empty end);

# --- the row ------------------------------------------------------------------------------------------------

def checked:
  if type != "object" or (.dn | type) != "string" or .dn == "" or (.attributes | type) != "object" then
    error("no entry of a directory: expected `{\"dn\":…,\"attributes\":{name:[values]}}`")
  else . end;

# In a file, names may be written in any way.
checked
| if $shape == "entries" then .attributes |= with_entries(.key |= (split(";")[0] | ascii_downcase)) else . end
| if $joined == null then joins else records end
