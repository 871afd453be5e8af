#!/usr/bin/env python3
"""Judges records with Counterfoil on a Spark cluster. What it says is what one run says, to the byte.

    counterfoil spark-job > job.py
    spark-submit job.py --records hdfs:///iam/records/ --config counterfoil.toml --binary /usr/bin/counterfoil \\
        --out hdfs:///iam/judged/2026-06-01

Spark reads, carries and sorts lines; the program cuts and judges them, on every node as a child of the task:

    lines ─▶ shard --survey ─▶ what all must know ─▶ shard --plan (driver) ─▶ PLAN, sent to every node
    lines ─▶ shard --with PLAN ─▶ rows ─▶ to partitions by home, sorted ─▶ reconcile --partition ─▶ judged lines

Nothing is published before each home was judged in exactly one partition, all that was cut was judged, and all that was
told is there (`shard --check`). OUT then holds `judged/` and `cut.jsonl` (for `counterfoil reconcile --judged OUT`), the
tables `findings/` and `verdicts/` (Parquet, for analysts), `rejects/` where --skip-bad-records passed over lines, and
`run.json`, written last: without it nothing there means anything.

Records: JSONL as text (also .gz), Parquet, or any format or table that Spark knows (delta, iceberg: through Spark's own
reader, not tried against either). The columns of a table are the fields of a record, without those that are null; times
without a zone are UTC; --record-column names one column that holds whole records as JSON text instead. Input must not change
while it is read: it is read twice, or three times where records of one request are for different people. A line that is passed
over and names no source counts against the source `standard input`.

The program is sent from the driver, or is on every node already: `--binary local:/usr/bin/counterfoil`; --config likewise
(what it names beside itself must be on the nodes). Each task needs, outside the JVM (spark.executor.memoryOverhead), 150 MB
for Python, twice what all partitions share, and twice 64 MiB or the rows of its largest account, if those are more (one that
holds a million grants: 365 MB). Clusters that forbid child processes (Databricks in shared access mode) cannot run it. Needs
Linux, and PySpark with pyarrow (tried: 4.3). Exit status 2: the last line, `error: …`, says why.
"""
import argparse
import atexit
import collections
import ctypes
import datetime
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid

import pyarrow
import pyarrow.compute
from pyspark import AccumulatorParam, SparkFiles, TaskContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

VERSION = ""  # of the program that wrote this file
LOCAL = "local:"
FAULT = "counterfoil-fault:"
END = "X'0A'"  # of a line, in Spark's SQL
CHUNK = 1 << 22  # bytes of output that are handed on at a time
SLICES = 10_000


class Fault(Exception):
    """What a person can mend, in one line."""


# ---- On the nodes: a child of each task ----


def fault(said, **more):
    """An error that reaches the driver through Spark's stack traces in one piece."""
    said = {"said": f"{said} (on {socket.gethostname()})", **more}
    return RuntimeError(f"{FAULT}{json.dumps(said)}")


def place(name):
    """Where a file is on this node."""
    return name[len(LOCAL) :] if name.startswith(LOCAL) else SparkFiles.get(name)


def version_of(binary):
    done = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60, check=False)
    said = (done.stdout or done.stderr).strip().splitlines() or [""]
    return said[0].removeprefix("counterfoil ")


def text_of(column):
    """The bytes of all lines of a column, which lie one behind the other: nothing is copied."""
    width, form = (8, "<q") if pyarrow.types.is_large_binary(column.type) else (4, "<i")
    _, offsets, data = column.buffers()
    first, last = (struct.unpack_from(form, offsets, width * at)[0] for at in (column.offset, column.offset + len(column)))
    return memoryview(data)[first:last] if data else b""


def lines_as_batch(text):
    """A batch of the lines of a text, which has no end after the last."""
    lines = pyarrow.compute.split_pattern(pyarrow.array([text], pyarrow.binary()), b"\n").flatten()
    return pyarrow.RecordBatch.from_arrays([lines], ["line"])


def pipe(job, batches, arguments, **who):
    """Runs the program with the lines of the batches as its input; yields its output, as texts of whole lines."""
    binary, libc, parent = place(job["binary"]), ctypes.CDLL(None), os.getpid()

    def die_with_parent():  # Between fork and exec: an executor that is killed leaves no child behind.
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    try:
        found = version_of(binary)
        if found != job["version"]:
            raise fault(f"{binary} is version {found!r}, and the driver's is {job['version']!r}", **who)
        child = subprocess.Popen(
            [binary, *arguments, "--threads", job["threads"]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent,
        )
    except (OSError, subprocess.SubprocessError) as e:
        raise fault(f"{binary} cannot be run: {e}", **who) from None
    words, broken = collections.deque(maxlen=20), []

    def feed():
        try:
            with child.stdin as out:
                for batch in batches:
                    out.write(text_of(batch.column(0)))
        except BaseException as e:
            broken.append(e)
            if not isinstance(e, BrokenPipeError):  # Spark's side broke off: what was read so far means nothing.
                child.kill()

    def listen():
        words.extend(line.decode(errors="replace").rstrip() for line in child.stderr)

    threads = [threading.Thread(target=run, daemon=True) for run in (feed, listen)]
    try:
        for thread in threads:
            thread.start()
        rest = b""
        while chunk := child.stdout.read(CHUNK):
            text = rest + chunk
            end = text.rfind(b"\n")
            rest = text[end + 1 :]
            if end >= 0:
                yield text[:end]
        status = child.wait()
        for thread in threads:
            thread.join()
    finally:
        child.kill()
        child.wait()
    if broken and not isinstance(broken[0], BrokenPipeError):
        raise broken[0]
    if status < 0:
        raise fault(f"{arguments[0]} was ended by signal {-status} (9: not enough memory?)", **who)
    if status or rest or broken:
        errors = [word for word in words if word.startswith("error: ")] or list(words) or [f"{arguments[0]} broke off"]
        raise fault(errors[-1].removeprefix("error: "), **who)


def survey_with(job, disputed=None):
    """lines → KIND <tab> …: what has to be known of all slices; of lines that are no records, `reject` and the line."""

    def run(batches):
        number = TaskContext.get().partitionId()
        arguments = ["shard", "--records", "-", "--survey", "--slice", str(number)]
        with tempfile.TemporaryDirectory(prefix="counterfoil-") as desk:
            rejects = os.path.join(desk, "rejects")
            arguments += ["--skip-bad-records"] if job["skip"] else []
            arguments += ["--disputed", place(disputed)] if disputed else ["--rejects", rejects] if job["skip"] else []
            for text in pipe(job, batches, arguments, slice=number):
                yield lines_as_batch(text)
            if os.path.exists(rejects):
                with open(rejects, "rb") as file:
                    while lines := file.readlines(CHUNK):
                        yield lines_as_batch(b"\n".join(b"reject\t" + line.rstrip(b"\n") for line in lines))

    return run


def cut_with(job, plan, counted):
    """lines → rows of homes; the line that counts them goes to `counted`, as often as the slice is cut."""

    def run(batches):
        number = TaskContext.get().partitionId()
        arguments = ["shard", "--records", "-", "--with", place(plan), "--slice", str(number), "--tagged"]
        arguments += ["--skip-bad-records"] if job["skip"] else []
        last = None
        for text in pipe(job, batches, arguments, slice=number):
            start = text.rfind(b"\n") + 1
            if text.startswith(b"~\t", start):
                last, text = text[start:], text[: max(start - 1, 0)]
            if text:
                yield lines_as_batch(text)
        if last is None:
            raise fault("shard --with ended without its count", slice=number)
        counted.add({number: last.split(b"\t", 3)[3].decode()})

    return run


def judge_with(job, plan):
    """Sorted rows of whole homes → judged lines, in order, the last of which counts them."""

    def run(batches):
        arguments = ["reconcile", "--partition", "--tagged", "--shared", place(plan)]
        arguments += ["--config", place(job["config"])] if job["config"] else []
        for text in pipe(job, batches, arguments, partition=TaskContext.get().partitionId()):
            yield lines_as_batch(text)

    return run


def line_at(number, line):
    """Of all lines that of one slice, with its file."""

    def run(batches):
        before = 0
        for batch in batches if TaskContext.get().partitionId() == number else ():
            if before < line <= before + len(batch):
                yield batch.slice(line - 1 - before, 1)
            before += len(batch)

    return run


# ---- On the driver ----


class Folder:
    """A folder on whatever Hadoop reaches."""

    def __init__(self, spark, path):
        self.jvm, self.conf = spark._jvm, spark._jsc.hadoopConfiguration()
        self.root = path.rstrip("/")
        self.fs = self.path("").getFileSystem(self.conf)

    def path(self, name):
        return self.jvm.org.apache.hadoop.fs.Path(f"{self.root}/{name}" if name else self.root)

    def names(self, name=""):
        there = self.fs.exists(self.path(name))
        return sorted(s.getPath().getName() for s in self.fs.listStatus(self.path(name))) if there else []

    def fetch(self, name, out):
        """Appends what Spark wrote as text to a local file."""
        for part in self.names(name):
            if part.startswith("part-"):
                with tempfile.TemporaryDirectory(prefix="counterfoil-") as desk:
                    local = os.path.join(desk, "part")
                    to = self.jvm.org.apache.hadoop.fs.Path(local)
                    self.fs.copyToLocalFile(False, self.path(f"{name}/{part}"), to, True)
                    with open(local, "rb") as file:
                        shutil.copyfileobj(file, out)

    def put(self, name, text):
        out = self.fs.create(self.path(name), False)
        out.write(bytearray(text.encode()))
        out.close()

    def move(self, name, to):
        if not self.fs.rename(self.path(name), self.path(to)):
            raise Fault(f"{self.path(name)} cannot be moved to {self.path(to)}")


def lines_of(spark, args, located=False):
    """All records as lines of JSON with their ends, in one column; `located`: with the file of each."""
    times = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
    form = {"timeZone": "UTC", "timestampFormat": times, "timestampNTZFormat": times, "ignoreNullFields": "true"}
    frames = []
    for records, kind, name in zip(args.records, args.format, args.type):
        if kind == "jsonl":
            frame, text = spark.read.option("lineSep", "\n").text(records), F.col("value")
        else:
            read = spark.read.format(kind).option("mergeSchema", kind == "parquet")
            frame = spark.table(records) if kind == "table" else read.load(records)
            if args.record_column in frame.columns:
                # Ends of lines stand between the parts of JSON only.
                text = F.regexp_replace(F.col(args.record_column).cast("string"), "[\r\n]", " ")
            else:
                columns = [F.col(f"`{column}`") for column in frame.columns]
                if name and "type" not in frame.columns:
                    columns.append(F.lit(name).alias("type"))
                text = F.to_json(F.struct(*columns), form)
        file = F.col("_metadata.file_path") if located and kind != "table" else F.lit(records)
        frame = frame.select(text.cast("binary").alias("line"), *([file.alias("file")] if located else []))
        frame = frame.where("line is not null")
        frames.append(frame.selectExpr(f"concat(line, {END}) as line", *(["file"] if located else [])))
    all_lines = frames[0]
    for frame in frames[1:]:
        all_lines = all_lines.unionAll(frame)
    return all_lines


class Merged(AccumulatorParam):
    """What was counted, by slice: what is counted again is the same."""

    def zero(self, value):
        return {}

    def addInPlace(self, one, other):
        one.update(other)
        return one


class Run:
    """One run, step by step."""

    def __init__(self, spark, args):
        self.spark, self.args, self.started = spark, args, time.monotonic()
        self.id = uuid.uuid4().hex[:12]
        self.out = Folder(spark, args.out)
        self.staging = f"_staging-{self.id}"
        # Kept as long as the session: an executor that comes later is sent all files that were ever sent.
        self.desk = tempfile.mkdtemp(prefix="counterfoil-")
        atexit.register(shutil.rmtree, self.desk, True)
        self.job = {"version": args.version, "threads": spark.conf.get("spark.task.cpus", "1"), "skip": args.skip_bad_records}
        self.job |= {"binary": self.send(args.binary), "config": args.config and self.send(args.config)}

    def say(self, words):
        print(f"counterfoil: {words} [{time.monotonic() - self.started:.1f} s]", file=sys.stderr, flush=True)

    def send(self, path):
        """Brings a file of the driver to every node, under a name that no other run has."""
        if path.startswith(LOCAL):
            return path
        own = self.here(os.path.basename(path))
        if own != path:
            shutil.copy(path, own)
        self.spark.sparkContext.addFile(own)
        return os.path.basename(own)

    def here(self, name):
        """A file of this run's on the driver."""
        start = f"counterfoil-{self.id}-"
        return os.path.join(self.desk, start + name.removeprefix(start))

    def program(self, *arguments, out=None):
        """Runs the program here."""
        command = [self.args.binary.removeprefix(LOCAL), *arguments]
        done = subprocess.run(command, stdout=out or subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines() or [f"{arguments[0]} broke off"]
            raise Fault(words[-1].removeprefix("error: "))
        return (done.stdout or b"").decode().strip()

    def at(self, name):
        return f"{self.out.root}/{self.staging}/{name}"

    def text(self, name):
        return self.spark.read.option("lineSep", "\n").text(self.at(name))

    def judge(self):
        holds = [name for name in self.out.names() if not name.startswith(("_", "."))]
        if holds:
            raise Fault(f"{self.out.root} holds {holds[0]}: expected a folder that is new or empty")
        lines = lines_of(self.spark, self.args)
        slices = lines.rdd.getNumPartitions()
        if slices > SLICES:
            raise Fault(f"the input is read in {slices} parts, at most {SLICES} can be: raise spark.sql.files.maxPartitionBytes")
        seen = self.survey(lines)
        plan = self.plan(lines)
        cut = self.cut_and_judge(lines, plan, seen)
        parts = self.gate(cut)
        return self.publish(cut, parts)

    def survey(self, lines):
        """What has to be known of all slices before any can be cut, as text in the staging folder."""
        told = lines.mapInArrow(survey_with(self.job), "line binary").selectExpr("cast(line as string) as line")
        told = told.selectExpr("substring_index(line, '\\t', 1) as kind", "line")
        told.write.partitionBy("kind").text(self.at("survey"))
        if not self.out.names(f"{self.staging}/survey/kind=seen"):
            raise Fault(f"there are no records in {', '.join(self.args.records)}")
        seen = [json.loads(row.value.split("\t", 1)[1]) for row in self.text("survey/kind=seen").collect()]
        seen = {of_slice["slice"]: of_slice for of_slice in seen}
        self.say(f"surveyed {sum(s['records'] for s in seen.values())} records in {len(seen)} slices")
        return seen

    def plan(self, lines):
        """Makes the plan here, and sends it to every node."""
        told, plan = self.here("told"), self.here("plan")
        with open(told, "wb") as out:
            for kind in ("shared", "held", "seen"):
                self.out.fetch(f"{self.staging}/survey/kind={kind}", out)
            disputed = self.disputed()
            if disputed:
                again = lines.mapInArrow(survey_with(self.job, disputed), "line binary")
                again.selectExpr("cast(line as string) as line").write.text(self.at("disputed"))
                self.out.fetch(f"{self.staging}/disputed", out)
        config = ["--config", self.args.config.removeprefix(LOCAL)] if self.args.config else []
        with open(plan, "wb") as out:
            self.program("shard", "--plan", "--survey-lines", told, *config, "--now", self.args.now, out=out)
        os.remove(told)
        also = "; there are disputed requests" if disputed else ""
        self.say(f"planned: {os.path.getsize(plan)} bytes that every partition needs{also}")
        return plan

    def disputed(self):
        """A file with the keys of the requests whose records are for different people; nothing where there are none."""
        if not self.out.names(f"{self.staging}/survey/kind=request"):
            return None
        pairs = self.text("survey/kind=request").selectExpr("substring(value, 9, 16) as key", "substring(value, 26, 16) as people")
        keys = pairs.groupBy("key").agg(F.min("people").alias("least"), F.max("people").alias("most")).where("least <> most")
        keys = [row.key for row in keys.select("key").collect()]
        path = self.here("disputed")
        with open(path, "w", encoding="ascii") as out:
            out.writelines(f"{key}\n" for key in sorted(keys))
        return self.send(path) if keys else None

    def cut_and_judge(self, lines, plan, seen):
        """Rows to the partitions of their homes, and judged lines into the staging folder; what was cut of each slice."""
        with open(plan, "rb") as file:
            nobody = [bytearray(line.rstrip(b"\n")) for line in file if line.startswith(b"-\t")]
        plan = self.send(plan)
        counted = self.spark.sparkContext.accumulator({}, Merged())
        rows = lines.mapInArrow(cut_with(self.job, plan, counted), "line binary")
        rows = rows.unionAll(self.spark.createDataFrame([(line,) for line in nobody], "line binary"))
        # By the key and never in turn: a task that is tried again must hand out as the first try did.
        rows = rows.repartition(self.partitions(seen), F.expr("substring(line, 1, 16)")).sortWithinPartitions("line")
        judged = rows.selectExpr(f"concat(line, {END}) as line").mapInArrow(judge_with(self.job, plan), "line binary")
        packed = {"compression": "gzip", "zlib.compress.level": "BEST_SPEED", "maxRecordsPerFile": 0}
        judged.selectExpr("cast(line as string) as value").write.options(**packed).text(self.at("judged"))
        cut = counted.value
        if cut.keys() != seen.keys() or any(json.loads(cut[n])["records"] != seen[n]["records"] for n in cut):
            raise Fault("the input was not the same when it was read again: give records that do not change meanwhile")
        self.say("cut and judged")
        return [cut[number] for number in sorted(cut)]

    def partitions(self, seen):
        records = sum(s["records"] for s in seen.values())
        return self.args.partitions or max(2 * self.spark.sparkContext.defaultParallelism, records // 250_000 + 1)

    def gate(self, cut):
        """Holds what was judged, as it lies there, against what was cut: the counts of all partitions."""
        lines = self.text("judged").selectExpr(
            "substring_index(value, '\\t', 1) as home",
            "substring_index(substring_index(value, '\\t', 2), '\\t', -1) as kind",
            "case when value like '~%' then substring_index(value, '\\t', -1) end as summary",
        )
        kinds = {"homes": "1", "verdicts": "2", "findings": "3", "ends": "9"}
        of_home = lines.groupBy("home", "summary").agg(*(F.count_if(F.col("kind") == kind).alias(name) for name, kind in kinds.items()))
        sums = [F.sum(name).alias(name) for name in kinds]
        most, nobody = F.max("homes").alias("most"), F.count_if(F.col("home") == "-").alias("nobody")
        totals = of_home.groupBy("summary").agg(*sums, most, nobody).collect()
        # Partitions that were empty say the same.
        parts = [json.loads(row.summary) for row in totals if row.summary for _ in range(row.ends)]
        there = [row for row in totals if not row.summary]
        if len(there) != 1 or there[0].most != 1 or there[0].nobody != 1:
            raise Fault("the gate: a home is in more than one partition, or that of nobody in none")
        for what in ("homes", "verdicts", "findings"):
            told = sum(part[what] for part in parts)
            if there[0][what] != told:
                raise Fault(f"the gate: {there[0][what]} {what} are there, and the partitions told {told}")
        for name, of_all in (("cut", cut), ("parts", map(json.dumps, parts))):
            with open(self.here(name), "w", encoding="utf-8") as out:
                out.writelines(f"{line}\n" for line in of_all)
        self.say(self.program("shard", "--check", self.here("cut"), self.here("parts")))
        return parts

    def tables(self):
        """Findings and verdicts for analysts: a few columns, and the whole as JSON."""
        grant = "system string, account string, entitlement string, scope string"
        finding = f"id string, check string, severity string, title string, subject struct<id string, kind string>, grant struct<{grant}>"
        verdict = f"{grant}, subject string, standing string, verdict string, recheck_at string"
        own = ["it.id", "it.check", "it.severity", "it.title", "it.subject.id as subject", "it.subject.kind as subject_kind", "it.grant.*"]
        for name, kind, form, columns in (("findings", 3, finding, own), ("verdicts", 2, verdict, ["it.*"])):
            lines = self.text("judged").selectExpr("split(value, '\\t', 4) as part").where(f"part[1] = '{kind}'")
            rows = lines.selectExpr("part[0] as home", "part[3] as json", f"from_json(part[3], '{form}') as it")
            rows.selectExpr("home", *columns, "json").write.option("compression", "zstd").parquet(self.at(name))

    def publish(self, cut, parts):
        """Everything to its place; the line that says that it is whole comes last."""
        names = ["judged"]
        if self.args.tables:
            self.tables()
            names += ["findings", "verdicts"]
        if self.out.names(f"{self.staging}/survey/kind=reject"):
            self.text("survey/kind=reject").selectExpr("substring(value, 8) as value").write.text(self.at("rejects"))
            names.append("rejects")
        for name in names:
            self.out.move(f"{self.staging}/{name}", name)
        self.out.put("cut.jsonl", "".join(f"{line}\n" for line in cut))
        run = {"format": "counterfoil.judged/1", "judge": {name: parts[0][name] for name in ("format", "program", "settings", "now")}}
        run |= {name: sum(part[name] for part in parts) for name in ("grants", "verdicts", "findings")}
        run |= {"partitions": len(parts), "findings_sum": f"{sum(int(p['findings_sum'], 16) for p in parts) % 2**64:016x}"}
        self.out.put("run.json", json.dumps(run) + "\n")
        self.say(f"published in {self.out.root}")
        return run

    def explain(self, told):
        """A fault of a node in the words of a person: a line of a slice with its file, where that can be found."""
        said, number = told["said"], told.get("slice")
        line = re.search(r"line (\d+)", said)
        if number is None or not line:
            return said
        try:
            lines = lines_of(self.spark, self.args, located=True)
            found = lines.mapInArrow(line_at(number, int(line[1])), "line binary, file string").first()
            begins = bytes(found.line[:200]).decode(errors="replace").rstrip()
            return f"{said}; that is the line of {found.file} that begins `{begins}`"
        except Exception:  # What was wrong is known already.
            return f"{said}, of slice {number}"


def reason(e):
    """The one line of a stack trace that a person can act on."""
    text = str(e)
    disk = re.search(r"[^\n]*(No space left on device|Disk quota exceeded)[^\n]*", text)
    if disk:
        return f"a disk is full: {disk[0].strip()[:300]}"
    return next((line.strip() for line in text.splitlines() if line.strip()), type(e).__name__)


def arguments_of(argv):
    words = argparse.ArgumentParser(prog="job.py", description="Judges records with Counterfoil on a Spark cluster.")
    many = {"nargs": "+", "action": "extend"}
    words.add_argument("--records", required=True, **many, help="files, folders or tables")
    words.add_argument("--format", **many, help="jsonl, parquet, table, or what else Spark reads: one, or one for each of the records")
    words.add_argument("--type", **many, help="the type of record, for tables without such a column: one, or one for each of the records")
    words.add_argument("--record-column", metavar="NAME", help="the column that holds whole records as JSON, in tables that have it")
    words.add_argument("--config", metavar="FILE", help=f"the configuration; {LOCAL}FILE where every node has it")
    words.add_argument("--now", metavar="TIME", help="the instant to judge at, RFC 3339 with an offset; the clock's when absent")
    words.add_argument("--binary", required=True, metavar="FILE", help=f"the program; {LOCAL}FILE where every node has it")
    words.add_argument("--out", required=True, metavar="DIR", help="a new folder, wherever Hadoop reaches")
    words.add_argument("--partitions", type=int, metavar="N", help="at least two for each core, or one for 250,000 records, when absent")
    words.add_argument("--skip-bad-records", action="store_true", help="pass over lines that are no records, and leave them in OUT/rejects")
    words.add_argument("--no-tables", dest="tables", action="store_false", help="leave out the tables for analysts")
    args = words.parse_args(argv)
    for name, usual in (("format", "jsonl"), ("type", None)):
        of_each = getattr(args, name) or [usual]
        if len(of_each) not in (1, len(args.records)):
            words.error(f"--{name}: expected one, or one for each of {len(args.records)} records, found {len(of_each)}")
        setattr(args, name, of_each * (len(args.records) // len(of_each)))
    args.now = args.now or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return args


def main(argv):
    args, run = arguments_of(argv), None
    try:
        binary = args.binary.removeprefix(LOCAL)
        for path in filter(None, (binary, args.config and args.config.removeprefix(LOCAL))):
            if not os.path.isfile(path):
                raise Fault(f"{path}: there is no such file")
        args.version = version_of(binary)
        if VERSION and args.version != VERSION:
            raise Fault(f"{binary} is version {args.version!r}, and this job was written by {VERSION!r}")
        spark = SparkSession.builder.appName("counterfoil").getOrCreate()
        # Batches of lines are small, whatever a line holds; and input is read in the same slices each time, also when an
        # executor was lost meanwhile.
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 1000)
        if spark.conf.get("spark.sql.files.minPartitionNum", None) is None:
            spark.conf.set("spark.sql.files.minPartitionNum", max(2, spark.sparkContext.defaultParallelism))
        run = Run(spark, args)
        print(json.dumps(run.judge()), flush=True)
        return 0
    except Exception as e:
        told = re.search(FAULT + r"(\{.*\})", str(e))
        if told:
            e = Fault(run.explain(json.loads(told[1])))
        elif not isinstance(e, Fault):
            traceback.print_exc()
        print(f"error: {e if isinstance(e, Fault) else reason(e)}", file=sys.stderr, flush=True)
        return 2
    finally:
        if run:
            run.out.fs.delete(run.out.path(run.staging), True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
