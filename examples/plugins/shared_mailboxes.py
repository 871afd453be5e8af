#!/usr/bin/env python3
"""An example of a program that Counterfoil reads a source from: who may use which shared mailbox.

    shared_mailboxes.py FILE

FILE is what an invented mail server keeps of its shared mailboxes, as JSON. README.md beside this file is the contract;
this program needs nothing but Python 3.
"""

import json
import os
import sys

# What the records speak of, whatever the mail server calls itself.
SYSTEM = "mail"


def records(mailboxes):
    """The records of what the mail server keeps, one after another."""
    yield {"type": "system", "id": SYSTEM, "aliases": [mailboxes["domain"]], "owner": mailboxes["postmaster"]}
    # Programs that have an account: each is an identity, and somebody is its owner. People come from a directory.
    for robot in mailboxes["robots"]:
        yield {
            "type": "identity",
            "id": robot["account"],
            "kind": "service",
            "owner": robot.get("sponsor"),
            "accounts": [{"system": SYSTEM, "account": robot["account"]}],
        }
    for mailbox in mailboxes["mailboxes"]:
        address = mailbox["address"]
        for right in sorted({access["right"] for access in mailbox["access"]}):
            yield {
                "type": "entitlement",
                "system": SYSTEM,
                "id": f"{right} {address}",
                "owner": mailbox.get("owner"),
                "risk": "high" if right == "send-as" else "normal",
            }
        for access in mailbox["access"]:
            yield {
                "type": "grant",
                "system": SYSTEM,
                "account": access["account"],
                "entitlement": f"{access['right']} {address}",
                # What the server does not know stays null: not known, and never a guess.
                "granted_at": access.get("since"),
                "granted_by": access.get("by"),
                "ticket": access.get("ticket"),
                "last_used_at": access.get("last_used"),
                "use_attribution": "grant" if access.get("last_used") else None,
            }


def main():
    # Counterfoil says which contract it keeps, what the source is called, and when it was pulled.
    if os.environ.get("COUNTERFOIL_PROTOCOL") != "1":
        sys.exit("this program keeps version 1 of the contract, and is to be run by Counterfoil")
    if len(sys.argv) != 2:
        sys.exit("expected one argument: the file that the mail server keeps")
    with open(sys.argv[1], encoding="utf-8") as file:
        mailboxes = json.load(file)

    print(f"{len(mailboxes['mailboxes'])} mailboxes in {sys.argv[1]}", file=sys.stderr)
    count = 0
    for record in records(mailboxes):
        print(json.dumps(record))
        count += 1

    # The end mark: what this source speaks of, and whether this is all of it. Without one, Counterfoil would write one that
    # vouches for the types of records it saw, so that a server without any mailbox would vouch for nothing.
    whole = not mailboxes["truncated"]
    end = {
        "type": "snapshot",
        "source": os.environ["COUNTERFOIL_SOURCE"],
        "taken_at": os.environ["COUNTERFOIL_TAKEN_AT"],
        "complete": whole,
        "provides": ["system", "identity", "entitlement", "grant"],
        "systems": [SYSTEM],
        "count": count,
    }
    if not whole:
        end["reason"] = "the mail server left mailboxes out of its list"
    print(json.dumps(end))


if __name__ == "__main__":
    main()
