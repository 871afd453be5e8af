#!/usr/bin/env python3
"""Counts the instructions that a grant costs in `reconcile`, which no noise of a machine can change. Figures are compared only
where compiler, valgrind and the registers of the processor are those they were counted with.

    benches/instructions.py target/release/counterfoil             compare with benches/instructions.json; status 1 when dearer
    benches/instructions.py target/release/counterfoil --write     put down what it costs now

Two estates of different sizes are judged under valgrind (callgrind), with one thread; the difference, divided by the
difference in grants, is what one more grant costs, and starting the program drops out. Standard library only.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

SMALL, LARGE = 1_000, 4_000
# Hash seeds are drawn anew in each process: a count moves by well under a hundredth.
TOLERANCE = 0.05
HERE = os.path.dirname(os.path.abspath(__file__))
KNOWN = os.path.join(HERE, "instructions.json")
FORMATS = ["jsonl", "compact"]


def mix(row, purpose):
    """A number that depends on nothing but where it is asked for (SplitMix64)."""
    mask = (1 << 64) - 1
    z = (row * 0x9E3779B97F4A7C15 + purpose * 0xD1B54A32D192ED03) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def day(n):
    """A day of 2025."""
    n %= 336
    return f"2025-{n // 28 + 1:02}-{n % 28 + 1:02}T09:00:00Z"


def estate(grants, out):
    """Writes an estate in which the number of people, systems and rights stays the same: what grows are grants and requests."""
    def put(**record):
        out.write(json.dumps(record, separators=(",", ":")) + "\n")

    for i in range(200):
        kind = ["human", "human", "human", "service", "agent"][i % 5]
        put(type="identity", id=f"person{i}@corp.example", kind=kind, status="departed" if i % 33 == 0 else "active",
            aliases=[f"emp{i}"], manager=f"person{i % 10}@corp.example", owner=None if kind == "human" else "person1@corp.example")
    for s in range(20):
        put(type="system", id=f"sys-{s}", owner=f"person{s}@corp.example")
        for e in range(20):
            put(type="entitlement", system=f"sys-{s}", id=f"role-{e}", risk="high" if e < 2 else "normal")
    for p in range(10):
        put(type="policy", id=f"POL-{p}", approvers=["manager", "system_owner"], max_ttl="P180D" if p % 3 == 0 else None)
    for i in range(grants):
        who, system, right = mix(i, 1) % 200, f"sys-{mix(i, 2) % 20}", f"role-{mix(i, 3) % 20}"
        scope = f"proj-{i}" if i % 2 else None
        at = mix(i, 4)
        put(type="grant", system=system, account=f"emp{who}" if i % 3 else f"person{who}@corp.example", entitlement=right, scope=scope,
            granted_at=day(at), last_used_at=day(at + 40) if i % 5 else None, usage_tracked_since=day(0))
        if i % 9:
            put(type="request", source="jira", id=f"REQ-{i}", state="approved" if i % 7 else "rejected",
                requester=f"person{who}@corp.example", beneficiaries=[f"person{who}@corp.example"],
                access=[{"system": system, "entitlement": right, "scope": scope}],
                approvals=[{"approver": f"person{who % 10}@corp.example", "decision": "approved", "decided_at": day(at)}],
                policy=f"POL-{i % 12}", justification="needed for work", workflow="WF-1", review_by="2026-12-01T00:00:00Z" if i % 4 else None)


def count(program, records, form):
    """Instructions of one run."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", program, "reconcile", "--records", records,
                   "--now", "2026-06-01T00:00:00Z", "--format", form, "--threads", "1"]
        with open(f"{folder}/findings", "wb") as findings:
            run = subprocess.run(command, stdout=findings, stderr=subprocess.PIPE, text=True)
        if run.returncode != 0 or os.path.getsize(f"{folder}/findings") == 0:
            sys.exit(f"{' '.join(command)}: status {run.returncode}\n{run.stderr}")
    return int(re.search(r"Collected : (\d+)", run.stderr).group(1))


def said(command):
    """The first line of what a command says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]


def place():
    """What else decides how many instructions are counted: the compiler, valgrind, and the wide registers that libraries use."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            wide = "avx2" if re.search(r"^flags\s*:.*\bavx2\b", info.read(), re.M) else "no avx2"
    except OSError:
        wide = "not known"
    return {"rustc": said(["rustc", "--version"]), "valgrind": said(["valgrind", "--version"]), "registers": wide}


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        for grants in (SMALL, LARGE):
            with open(f"{folder}/{grants}.jsonl", "w", encoding="utf-8") as out:
                estate(grants, out)
        for form in FORMATS:
            small, large = (count(program, f"{folder}/{grants}.jsonl", form) for grants in (SMALL, LARGE))
            costs[form] = round((large - small) / (LARGE - SMALL))
    if "--write" in sys.argv[2:]:
        with open(KNOWN, "w", encoding="utf-8") as out:
            out.write(json.dumps({"instructions": costs, "counted with": place()}, indent=2) + "\n")
        return print("written:", costs)
    with open(KNOWN, encoding="utf-8") as known:
        known = json.load(known)
    here = place()
    if here != known["counted with"]:
        print(f"!!! not compared: the figures are of {known['counted with']}, and this is {here}; --write puts down new ones")
        return print("counted:", costs)
    known = known["instructions"]
    dearer = False
    for form, cost in costs.items():
        ratio = cost / known[form]
        print(f"{form}: {cost} instructions a grant, {ratio:.3f} of what is known")
        dearer |= ratio > 1 + TOLERANCE
        if ratio < 1 - TOLERANCE:
            print(f"{form}: cheaper by more than {TOLERANCE:.0%}: put it down with --write, or the next loss goes unseen")
    if dearer:
        sys.exit(f"a grant costs more than {TOLERANCE:.0%} more instructions: find out why (callgrind_annotate), or put it down with --write")


if __name__ == "__main__":
    main()
