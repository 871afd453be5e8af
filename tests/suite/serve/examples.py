"""Holds every example of an OpenAPI document against the schema beside it. Prints what does not fit, one a line."""

import json
import sys

import jsonschema_rs

document = json.load(open(sys.argv[1]))
components = document["components"]
for path, operations in document["paths"].items():
    for operation in operations.values():
        places = [("body", operation.get("requestBody", {})), ("answer", operation["responses"]["200"])]
        for part, place in places:
            for kind, media in place.get("content", {}).items():
                if kind != "application/json" or media["schema"] == {"type": "object"}:
                    continue
                name = f"{operation['operationId']}.{part}"
                if "example" not in media:
                    print(f"{name}: no example")
                    continue
                schema = {**media["schema"], "components": components}
                for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(media["example"]):
                    print(f"{name}: {list(error.instance_path)}: {error.message[:300]}")
