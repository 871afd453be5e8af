#!/usr/bin/env python3
"""Makes fuzz/corpus/TARGET/ from what the repository holds already: the examples of the checks' pages, the records of
the demo, the samples of the connectors, and the times and durations below. Nothing of it is committed."""
import hashlib
import json
import pathlib
import random

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
CONNECTORS = ["jira", "servicenow", "aws-iam", "directory", "records"]  # as in fuzz_targets/pull.rs
LARGEST = 64 * 1024

TIMES = """
2026-06-01T00:00:00Z 2026-06-01T00:00:00.123+02:00 2026-06-01t00:00:00z 2026-02-30T00:00:00Z 9999-12-31T23:59:59.999Z
0001-01-01T00:00:00Z 2026-06-01T24:00:00Z 2026-06-01T23:59:60Z 2025-07-01T01:35:00.000+0000 20250701013500Z 1751333700
1751333700000 P90D PT8H P2W P1DT12H P1Y P1M -P1D PT0.5S PT9223372036854775807S 90d 8h""".split() + [
    "01/Jul/25 1:35 AM", "18/jul/26", "19/lip/23", "23.10.2024 11:02", "6/21/2025 16:14", "03/04/2025", "13/04/2025",
    "Jul 1, 2025 1:35:00 PM", "Tue, 1 Jul 2025 01:35:00 +0000", "Tue, 1 Jul 2025 01:35:00 GMT", "2025-07-01 01:35:00",
    "2025-03-30 02:30:00", "1 déc. 2024 09:15", "01/Μαρ/25", "90 days", "1 day 4 hours", "3 months", "12:30 PM",
    "01/07/2025 01:35\0%d/%m/%Y %H:%M", "1 Jul 25\0%d %b %y", "2025-W27-2\0%G-W%V-%u",
]
DATES = ["2025-01-01T00:00:00Z", "2026-05-31T23:59:59.999Z", "2026-06-01T00:00:00Z", "2026-06-02T00:00:00+02:00"]
WORDS = ["alice", "ALICE ", "alice@example.com", "bob", "ambiguous", "svc-1", "aws-prod", "admin", "*", "a/b", "", "é"]


def put(target, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    if len(data) <= LARGEST:
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def examples():
    for page in sorted((ROOT / "src/judge/checks").glob("*.rs")):
        lines = [line[4:] for line in page.read_text().splitlines() if line.startswith('//! {"type"')]
        if lines:
            yield lines


def random_records(dice, count):
    """Records of every type over a few names, so that they meet each other."""
    word, date = lambda: dice.choice(WORDS[:-2]), lambda: dice.choice(DATES)
    make = {
        "identity": lambda: {"id": word(), "kind": dice.choice(["human", "service", "agent"]), "aliases": [word()],
                             "accounts": [{"system": word(), "account": word()}], "status": dice.choice(["active", "departed"]),
                             "owner": word(), "manager": word(), "groups": [word()]},
        "system": lambda: {"id": word(), "aliases": [word()], "owner": word()},
        "workflow": lambda: {"id": word(), "owner": word()},
        "entitlement": lambda: {"system": word(), "id": word(), "risk": dice.choice(["low", "normal", "high"]),
                                "includes": [{"entitlement": word(), "scope": dice.choice(WORDS)}]},
        "policy": lambda: {"id": word(), "max_ttl": "P30D", "review_every": "P90D", "min_approvers": 2,
                           "approvers": [dice.choice(["manager", "identity:alice", "group:admin", "system_owner"])],
                           "applies_to": [{"system": word()}], "identity_kinds": ["human"]},
        "delegation": lambda: {"from": word(), "to": word(), "starts_at": date(), "ends_at": date()},
        "request": lambda: {"source": word(), "id": word(), "state": dice.choice(["pending", "approved", "rejected"]),
                            "intent": dice.choice(["grant", "revoke"]), "requester": word(), "beneficiaries": [word()],
                            "access": [{"system": word(), "entitlement": word(), "scope": dice.choice(WORDS)}],
                            "approvals": [{"approver": word(), "decision": "approved", "decided_at": date(), "on_behalf_of": word()}],
                            "ttl": "P30D", "policy": word(), "emergency": dice.random() < 0.3, "completed_at": date(),
                            "changes": [{"at": date(), "field": "scope"}], "workflow": word()},
        "grant": lambda: {"system": word(), "account": word(), "entitlement": word(), "scope": dice.choice(WORDS),
                          "path": [{"entitlement": word()}], "granted_at": date(), "ticket": word(), "last_used_at": date(),
                          "observed_at": date(), "evidence": {"source": word(), "id": word(), "sha256": "00", "collected_at": date()}},
        "usage": lambda: {"system": word(), "account": word(), "last_used_at": date(), "attribution": "account"},
        "certification": lambda: {"system": word(), "account": word(), "reviewer": word(), "decided_at": date(),
                                  "decision": dice.choice(["certified", "revoked"])},
        "exception": lambda: {"check": "unapproved-grant", "accepted_by": word(), "reason": "r", "expires_at": date(),
                              "system": word(), "account": word(), "entitlement": word()},
        "snapshot": lambda: {"source": word(), "taken_at": date(), "complete": dice.random() < 0.7, "provides": ["request", "grant"],
                             "systems": [word()], "count": 3, "reason": "cut"},
    }
    for _ in range(count):
        kind = dice.choice(list(make))
        record = {"type": kind, **make[kind]()}
        dropped = [field for field in record if field != "type" and dice.random() < 0.15]
        yield json.dumps({k: v for k, v in record.items() if k not in dropped}, ensure_ascii=dice.random() < 0.5)


def main():
    dice = random.Random(1)
    pages = list(examples())
    for lines in pages:
        put("estate", "\n".join(lines).encode())
        for line in lines:
            put("records", line.encode())
    for _ in range(200):
        put("estate", "\n".join(dice.choice(pages) + dice.choice(pages)).encode())
        lines = list(random_records(dice, dice.randint(2, 12)))
        put("estate", "\n".join(lines).encode())
        for line in lines:
            put("records", line.encode())
    for time in TIMES:
        for how in range(24):
            put("dates", bytes([how]) + time.encode())
    for path in sorted([*ROOT.glob("connectors/*/fixtures/**/*"), *ROOT.glob("demo/**/*")]):
        if not path.is_file() or path.name.startswith("expected") or path.suffix in {".toml", ".md"}:
            continue
        data = path.read_bytes()
        name = path.name
        for ending, target in [(".csv", "csv"), (".xlsx", "csv"), (".xml", "xml"), (".json", "json"), (".jsonl", "json"),
                               (".gz", "json"), (".txt", "csv")]:
            if name.endswith(ending):
                put(target, data)
        for number, connector in enumerate(CONNECTORS):
            if connector in path.parts or "demo" in path.parts:
                put("pull", bytes([number]) + data)
                put("pull", bytes([130 + number]) + data)
    fields = sorted({key for lines in pages for line in lines for key in json.loads(line)})
    (CORPUS / "records.dict").write_text("".join(f'"\\"{field}\\":"\n' for field in fields))
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        print(f"{folder.name}: {sum(1 for _ in folder.iterdir())} seeds")


if __name__ == "__main__":
    main()
