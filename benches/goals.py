#!/usr/bin/env python3
"""Times whole runs beside each other, in turn, and prints the ratios; nothing else should run meanwhile.

    benches/goals.py target/release/counterfoil ESTATE.jsonl [--peer PEER.py] [--yardstick STAGES] [--rounds N] [--large LARGE.jsonl]

ESTATE     records to judge
PEER       a script that answers the same question of the same file (its arguments: ESTATE and a file to write to)
STAGES     the program of `cargo bench --bench stages`, for the time that merely parsing the file takes
LARGE      ten times ESTATE: judged once, for time and memory

Each run writes its findings to a file beside ESTATE. Standard library only.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

NOW = "2026-06-01T00:00:00Z"


def run(command, out):
    """Seconds on the clock, of the processor, and the most memory in MiB of one run."""
    with open(out, "wb") as file:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL, cwd=os.path.dirname(out))
        _, status, used = os.wait4(process.pid, 0)
        clock = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)}: status {process.returncode}")
    return clock, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("estate")
    parser.add_argument("--peer")
    parser.add_argument("--yardstick")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large")
    args = parser.parse_args()
    estate, program = os.path.abspath(args.estate), os.path.abspath(args.program)
    out = estate + ".out"

    def judge(records, form):
        return [program, "reconcile", "--records", records, "--now", NOW, "--format", form, "--threads", "2"]

    commands = {"jsonl": judge(estate, "jsonl"), "compact": judge(estate, "compact")}
    if args.peer:
        commands["peer"] = [sys.executable, os.path.abspath(args.peer), estate, out + ".peer"]
    if args.yardstick:
        commands["parse only"] = [os.path.abspath(args.yardstick), estate, "2", "--parse-only"]
    runs = {name: [] for name in commands}
    for turn in range(args.rounds + 1):
        for name, command in commands.items():
            figures = run(command, out)
            if turn > 0:  # The first warms up.
                runs[name].append(figures)
    print(f"{'':<12} {'clock s':>9} {'processor s':>12} {'MiB':>7}   medians of {args.rounds}")
    for name, figures in runs.items():
        clock, processor, memory = (statistics.median(column) for column in zip(*figures))
        print(f"{name:<12} {clock:>9.2f} {processor:>12.2f} {memory:>7.0f}")

    def ratio(name, other, what):
        values = [a[what] / b[what] for a, b in zip(runs[name], runs[other])]
        return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"

    for other in ("peer", "parse only"):
        for form in ("jsonl", "compact"):
            if other in runs:
                print(f"{other} / {form}: clock {ratio(other, form, 0)}" if other == "peer" else f"{form} / {other}: clock {ratio(form, other, 0)}")
                if other == "peer":
                    print(f"{form} / {other}: memory {ratio(form, other, 2)}")
    if args.large:
        clock, processor, memory = run(judge(os.path.abspath(args.large), "compact"), out)
        base = statistics.median(figures[0] for figures in runs["compact"])
        print(f"large: {clock:.1f} s on the clock, {processor:.1f} s of processor, {memory:.0f} MiB; {clock / base:.1f} times the small one")
    for file in (out, out + ".peer"):
        if os.path.exists(file):
            os.remove(file)


if __name__ == "__main__":
    main()
