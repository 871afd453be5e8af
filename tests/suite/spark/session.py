"""One Spark session for many jobs: each line of standard input is a job or a table to make, each line of output how it went.

A job `{"job": FILE, "arguments": [...]}` runs as if spark-submit had started it; `{"parquet": FOLDER, "records": FILE}` makes
a table of JSON lines for each type of record: without the column `type` and with times as times, or (policies) with one
column that holds the text of the record.
"""
import contextlib
import datetime
import io
import json
import os
import runpy
import sys

import pyarrow
import pyarrow.parquet
from pyspark.sql import SparkSession


def job(asked):
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [asked["job"], *asked["arguments"]]
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(asked["job"], run_name="__main__")
        except SystemExit as e:
            status = e.code
    return {"status": status, "out": out.getvalue(), "err": err.getvalue()}


def tables(asked):
    by_type = {}
    with open(asked["records"], encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            kind = record.pop("type")
            if kind == "policy":
                record = {"body": json.dumps({"type": kind, **record}, indent=1)}
            for name, value in record.items():
                if name.endswith("_at") and value:
                    record[name] = datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
            by_type.setdefault(kind, []).append(record)
    for kind, records in by_type.items():
        # A column is in the table when any record has it.
        names = dict.fromkeys(name for record in records for name in record)
        table = pyarrow.table({name: [record.get(name) for record in records] for name in names})
        os.makedirs(f"{asked['parquet']}/{kind}")
        pyarrow.parquet.write_table(table, f"{asked['parquet']}/{kind}/part.parquet")
    return {"status": 0, "out": json.dumps(sorted(by_type)), "err": ""}


SparkSession.builder.getOrCreate()
print(json.dumps({"status": 0, "out": "", "err": ""}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(job(asked) if "job" in asked else tables(asked)), flush=True)
