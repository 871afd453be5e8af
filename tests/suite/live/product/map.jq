# Rows of Depot in, records out. What a row says nothing of stays null.

def system: $settings.system;
def need($key): .[$key] // error("a row of \($shape) without `\($key)`");
def instant: cf_instant("auto"; null);

def person:
  {type: "identity", id: need("id"), name: .name, manager: .manager,
   aliases: [.mail // empty], groups: [.teams[]?.name // empty],
   status: (if .active == false then "disabled" else "active" end),
   accounts: [{system: system, account: need("id")}]};

def group:
  need("id") as $id
  | {type: "entitlement", system: system, id: $id, aliases: [.name // empty], owner: .owner},
    (if has("members") then .members[]
       | {type: "grant", system: system, account: need("person"), entitlement: $id, granted_at: (.since | instant)}
     else {type: "incomplete", reason: "the members of the group `\($id)` are not known"} end);

def role:
  need("id") as $id
  | {type: "entitlement", system: system, id: "role/\($id)", aliases: [.title // empty], risk: .risk},
    (.holders[]? | {type: "grant", system: system, account: need("person"), entitlement: "role/\($id)",
       granted_by: .by, granted_at: (.at | instant)});

def ticket:
  need("state") as $state
  | {type: "request", id: need("id"), url: .url, requester: .requester, justification: .why,
     state: ({open: "pending", done: "approved", refused: "rejected", draft: "pending"}[$state]
       // error("a row of tickets whose `state` is `\($state)`")),
     beneficiaries: [.for // empty], requested_at: (.created | instant),
     access: [{system: system, entitlement: need("access")}],
     approvals: [.approvals[]? | {approver: need("by"), decision: need("decision"), decided_at: (.at | instant)}]};

def record:
  if $shape == "people" then person
  elif $shape == "groups" then group
  elif $shape == "roles" then role
  elif $shape == "tickets" then ticket
  elif $shape == "delegates" then
    {type: "delegation", from: ._from.owner, to: need("to"), starts_at: (need("from") | instant), ends_at: (.until | instant)}
  elif $shape == "seats" then
    {type: "grant", system: system, account: need("person"), entitlement: "seat/\(._from.team)"}
  elif $shape == "policies" then
    {type: "entitlement", system: system, id: "policy/\(need("id"))", aliases: [.name // empty]}
  elif $shape == "limits" then
    {type: "entitlement", system: system, id: "seat/\(need("team"))", risk: .risk}
  elif $shape == "report" then
    need("state") as $state | if .rows == 0 then {type: "incomplete", reason: "the report is empty"} else empty end
  elif $shape == "usage" then
    {type: "usage", system: system, account: need("person"),
     last_used_at: (if .last == "" then null else (.last | instant) end), attribution: "account"}
  elif $shape == "log" then
    {type: "usage", system: system, account: need("actor"), entitlement: .resource, last_used_at: (need("time") | instant),
     attribution: "entitlement"}
  elif $shape == "keys" then
    {type: "grant", system: system, account: need("Owner"), entitlement: "key/\(need("Id"))",
     granted_at: (.Created | instant), scope: .Scope}
  elif $shape == "edition" then
    if type == "object" then {type: "system", id: system, owner: .owner, aliases: [.name // empty]}
    else error("a row of edition that is no object") end
  else error("a row of \($shape), which nobody knows") end;

record
