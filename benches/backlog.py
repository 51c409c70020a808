#!/usr/bin/env python3
"""A device that reports after years: a backlog of many events in one bundle, and a copy that parts in the middle.

    cargo build --release
    benches/backlog.py [--events N] [--keep DIR]

Prints the time of each step, the size of the bundle, and the most memory that the merge took beside that of a merge of
a small bundle, so that memory is seen not to grow with the backlog.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--keep", help="work in this new directory and keep it")
    options = options.parse_args()
    work = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="counterfoil-backlog-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        play(work, options.events)
    finally:
        if not options.keep:
            shutil.rmtree(work)


def play(work, events):
    vendor, agent = program(work, "counterfoil"), program(work, "counterfoil-agent")
    device = lambda name, *words: agent("--state", name, "--pack", "studio.cfpack", *words)
    vendor("init")
    vendor("product", "create", "studio", "--feature", "render:metered")
    vendor("product", "pack", "studio", "-o", "studio.cfpack")
    vendor("policy", "create", "standard", "--product", "studio", "--mode", "render=counted")
    license = json.loads(vendor("--json", "license", "issue", "--policy", "standard", "--customer", "ACME").stdout)
    (work / "key").write_text(license["license_key"])
    device("press", "activate", "--license-key", license["license_key"], "--request", "press.cfbundle")
    vendor("merge", "press.cfbundle", "--answers", "out")
    device("press", "apply", "out/press.cfgrant")
    half = events // 2
    batch(work / "half.jsonl", half)
    step(f"record {half} events", lambda: device("press", "consume", "--batch", "half.jsonl"))
    shutil.copytree(work / "press", work / "copy")
    step(f"record {events - half} more", lambda: device("press", "consume", "--batch", "half.jsonl"))
    device("press", "report", "-o", "backlog.cfbundle")
    small = vendor("merge", "press.cfbundle").peak
    large = step("merge the backlog", lambda: vendor("merge", "backlog.cfbundle", "--answers", "out")).peak
    size = (work / "backlog.cfbundle").stat().st_size
    print(f"bundle {size / 1e6:.1f} MB; most memory {large} MiB, for a bundle of one event {small} MiB")
    device("copy", "consume", "render", "7")
    device("copy", "report", "-o", "copy.cfbundle")
    step("merge the copy's whole history", lambda: vendor("merge", "copy.cfbundle"))
    print(vendor("audit", "forks").stdout)
    step("rebuild --check", lambda: vendor("rebuild", "--check"))


def program(work, name):
    def run(*words):
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            child = subprocess.Popen([PROGRAMS / name, *words], cwd=work, stdout=out, stderr=err)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0), err.seek(0)
            done = subprocess.CompletedProcess(words, child.returncode, out.read(), err.read())
        if done.returncode not in (0, 6):
            raise SystemExit(f"{name} {' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        done.peak = usage.ru_maxrss // 1024
        return done

    return run


def batch(path, count):
    with path.open("w") as lines:
        lines.writelines('{"feature":"render","n":1}\n' for _ in range(count))


def step(name, work):
    start = time.monotonic()
    done = work()
    print(f"{time.monotonic() - start:9.2f} s  {name}", flush=True)
    return done


if __name__ == "__main__":
    main()
