#!/usr/bin/env python3
"""A real fleet from end to end, by file: activate every device, record its events, report, merge, export.

    cargo build --release
    benches/flights.py EVENTS.jsonl.gz [--oracle ORACLE.json] [--devices N] [--seed N] [--keep DIR]

EVENTS holds one JSON object a line, in order of time: {device, used_at, feature, n, ref}. Every device is one state
directory and goes through the real programs. The bundles are merged in random order, then again, and in another order
into a copy of the home that was taken before; both homes must give the same digest, and the export must give the sums.
Prints the time of each step.
"""

import argparse
import collections
import csv
import gzip
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"


def main():
    options = arguments()
    events = read_events(options.events, options.devices)
    work = pathlib.Path(options.keep or tempfile.mkdtemp(prefix="counterfoil-flights-"))
    work.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(work, events, random.Random(options.seed))
    print(f"{sum(map(len, events.values()))} events of {len(events)} devices, seed {options.seed}")
    try:
        fleet.run(json.loads(options.oracle.read_text()) if options.oracle else None)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("events", type=pathlib.Path)
    parser.add_argument("--oracle", type=pathlib.Path, help="the sums that must come out")
    parser.add_argument("--devices", type=int, help="only the first N devices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="work in this folder and keep it")
    return parser.parse_args()


def read_events(path, devices):
    events = collections.defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            device = event.pop("device")
            if device in events or devices is None or len(events) < devices:
                events[device].append(json.dumps(event))
    return events


class Fleet:
    """The devices, the vendor's home, and the steps that lead from one to the other."""

    def __init__(self, work, events, chance):
        self.work, self.events, self.chance = work, events, chance
        self.home, self.copy = work / "home", work / "home-before"
        self.pack = work / "fleet.cfpack"
        self.devices = sorted(events)
        self.chains = {}

    def run(self, oracle):
        self.step("open the home", self.open_home)
        self.step("write the activation requests", lambda: self.each_device(self.request))
        self.step("merge the requests", lambda: self.merge(self.home, "requests", answers="answers"))
        self.step("apply the licence files", lambda: self.each_device(self.apply))
        self.step("record every event (consume --batch)", lambda: self.each_device(self.consume))
        self.step("write the reports", lambda: self.each_device(self.report))
        self.step("copy the home", lambda: shutil.copytree(self.home, self.copy))
        self.shuffle("first"), self.shuffle("second")
        first = self.step("merge in random order, with answers", lambda: self.merge(self.home, "first", answers="acks"))
        again = self.step("merge the same again", lambda: self.merge(self.home, "first"))
        other = self.step("merge in another order into the copy", lambda: self.merge(self.copy, "second"))
        total = sum(map(len, self.events.values()))
        expect("events that were new", first["events"] >= total)
        expect("nothing new the second time", again["merged"] == 0 and again["events"] == 0)
        expect("as many events in the copy", other["events"] == first["events"])
        digests = [self.vendor(home, "digest")["digest"] for home in (self.home, self.copy)]
        print(f"digest {digests[0]}")
        expect("the same digest in both orders", digests[0] == digests[1])
        self.step("export usage --format csv", self.export)
        self.check_sums(oracle)
        self.step("audit verify", lambda: self.vendor(self.home, "audit", "verify"))
        self.step("audit verify --deep", lambda: self.vendor(self.home, "audit", "verify", "--deep"))
        self.step("rebuild --check", lambda: self.vendor(self.home, "rebuild", "--check"))
        size = sum(file.stat().st_size for file in self.home.glob("ledger.db*"))
        print(f"ledger {size / 1e6:.1f} MB, {size / total:.0f} bytes an event")

    def open_home(self):
        self.vendor(self.home, "init")
        self.vendor(self.home, "product", "create", "fleet", "--feature", "flights:metered", "--feature", "miles:metered")
        self.vendor(self.home, "product", "pack", "fleet", "-o", str(self.pack))
        self.vendor(self.home, "policy", "create", "fleet", "--product", "fleet", "--type", "perpetual",
                    "--max-activations", str(len(self.devices)))
        issued = self.vendor(self.home, "license", "issue", "--policy", "fleet", "--customer", "Fleet")
        self.key = issued["license_key"]
        for folder in ("requests", "reports", "devices"):
            (self.work / folder).mkdir()

    def request(self, device):
        self.agent(device, "activate", "--license-key", self.key, "--request", self.work / f"requests/{device}.cfbundle")

    def apply(self, device):
        applied = self.agent(device, "apply", self.work / f"answers/{device}.cfgrant")
        del applied
        self.chains[self.agent(device, "status")["chain"]] = device

    def consume(self, device):
        lines = "\n".join(self.events[device]) + "\n"
        acknowledged = self.agent(device, "consume", "--batch", "-", given=lines)
        expect("every line is acknowledged", len(acknowledged) == len(self.events[device]))

    def report(self, device):
        self.agent(device, "report", "-o", self.work / f"reports/{device}.cfbundle")

    def shuffle(self, name):
        """Links the reports under names whose order is random: a folder is merged in the order of its names."""
        folder = self.work / name
        folder.mkdir()
        order = list(self.devices)
        self.chance.shuffle(order)
        for place, device in enumerate(order):
            os.link(self.work / f"reports/{device}.cfbundle", folder / f"{place:06}-{device}.cfbundle")

    def merge(self, home, folder, answers=None):
        arguments = ["merge", str(self.work / folder)]
        if answers:
            arguments += ["--answers", str(self.work / answers)]
        merged = self.vendor(home, *arguments)
        expect("nothing is refused", merged["refused"] == merged["forked"] == merged["parked"] == 0)
        return merged

    def export(self):
        self.vendor(self.home, "export", "usage", "--format", "csv", "-o", str(self.work / "usage.csv"))

    def check_sums(self, oracle):
        by_feature = collections.Counter()
        by_device, by_day = collections.Counter(), collections.Counter()
        with open(self.work / "usage.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                n = int(row["n"])
                by_feature[row["feature"]] += n
                by_device[self.chains[row["chain"]], row["feature"]] += n
                by_day[row["feature"], row["day"]] += n
        sums = {
            "events": sum(map(len, self.events.values())),
            "devices": len(self.devices),
            "by_feature": dict(by_feature),
            "by_device_feature_sha256": digest_of(by_device),
            "by_feature_day_sha256": digest_of(by_day),
        }
        print(json.dumps(sums))
        if oracle:
            for name, expected in oracle.items():
                expect(f"{name} as in the oracle", sums[name] == expected)

    def each_device(self, step):
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for _ in threads.map(step, self.devices):
                pass

    def vendor(self, home, *arguments):
        return call(PROGRAMS / "counterfoil", "--home", home, "--json", *arguments)

    def agent(self, device, *arguments, given=None):
        state = self.work / "devices" / device
        program = PROGRAMS / "counterfoil-agent"
        return call(program, "--state", state, "--pack", self.pack, "--json", *arguments, given=given)

    def step(self, title, action):
        begun = time.monotonic()
        result = action()
        print(f"{time.monotonic() - begun:9.2f} s  {title}", flush=True)
        return result


def call(*command, given=None):
    """Runs a program with --json: its document, or a list of its lines where it prints several."""
    done = subprocess.run(list(map(str, command)), input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ends with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    lines = [json.loads(line) for line in done.stdout.splitlines() if line]
    return lines[0] if len(lines) == 1 and given is None else lines


def digest_of(sums):
    lines = sorted(f"{first},{second},{n}\n" for (first, second), n in sums.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def expect(what, holds):
    if not holds:
        sys.exit(f"not so: {what}")


if __name__ == "__main__":
    main()
