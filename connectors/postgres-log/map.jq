# One line of a log in; of each role, the last login out.

def joined($table; $key): ($joined // {})[$table][$key]? // [];
# A cell of a table is the list of its texts.
def cell: if type == "array" then .[0] else . end;

def time: if $shape == "csvlog" then .log_time | cell else .timestamp end;
def user: if $shape == "csvlog" then .user_name | cell else .user end;
def message: (if $shape == "csvlog" then .message | cell else .message end) // "";

# `2026-05-30 10:00:00.123 UTC`. Abbreviations of zones mean different things in different places. Whole seconds, so
# that times sort as they passed.
def instant:
  . as $text
  | (cf_capture("^(?<day>[0-9-]{10}) (?<clock>[0-9:.]{8,}) (?<zone>\\S+)$")
      // error("the time `\($text)`: expected one such as `2026-05-30 10:00:00.123 UTC`")) as $at
  | "\($at.day)T\($at.clock)" as $local
  | (if any("UTC", "GMT"; . == $at.zone) then "\($local)Z" | cf_instant("auto"; null)
     elif $at.zone | cf_capture("^(?<offset>[+-][0-9]{2}(:?[0-9]{2})?)$") then
       ($at.zone + ":00")[0:6] as $offset | "\($local)\($offset)" | cf_instant("auto"; null)
     elif $settings.time_zone == null then
       error("the log is written in the zone `\($at.zone)`: set `time_zone` to the zone it stands for, such as Europe/Berlin")
     else $local | cf_instant("auto"; $settings.time_zone) end)
  | .[0:19] + "Z";

# For a stream of changes, too: `replication connection authorized: …`.
def is_login: message | cf_capture("^(replication )?(?<login>connection authorized): ") != null;

def place: "\($file)#\($row)";

if type != "object" then error("a line of type \(type): expected an object of a JSON log")
else
  select(is_login)
  | user as $user
  | select($user != null and $user != "")
  | (time | instant) as $when
  | if $joined == null then
      {type: "join", table: "login", key: $user, value: "\($when) \(place)", keep: "latest"}
    elif joined("login"; $user)[0] == "\($when) \(place)" then
      {type: "usage", system: $settings.system, account: $user, last_used_at: $when,
       tracked_since: $settings.tracked_since, attribution: "account", success: "yes"}
    else empty end
end
