#!/usr/bin/env python3
"""Trains the MAL sample over a grid of learning rate and weight decay.

Prints a markdown table of the last validation mIoU of every run, then the best, the default and the
worst of them. Needs `make build`, Python 3.11 and nothing beyond its library.
"""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The spec overrides and ranges are those of the checkout's own searches.
PROJECT = tomllib.loads((ROOT / "automl.toml").read_text())["network"]["mal"]


def flat(table, prefix=""):
    """Nested tables as dotted keys."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def bounds(name):
    """The range `low..high` of a parameter."""
    low, high = dict(flat(PROJECT["bound"]))[name].split(":")[0].split("..")
    return [float(low), float(high)]


SPEC = {key: json.dumps(value) for key, value in flat(PROJECT["set"])}
# Runs are validated and saved at their last epoch only.
SPEC |= dict.fromkeys(["train.validation_interval", "train.checkpoint_interval"], SPEC["train.num_epochs"])
SPEC = {key: value.strip('"') for key, value in SPEC.items()}


def main():
    options = parse_options()
    if not options.binary.is_file():
        sys.exit(f"{options.binary} is missing: run `make build` first")
    rates = steps(*options.lr, options.size)
    decays = steps(*options.wd, options.size)
    points = [(rate, decay) for rate in rates for decay in decays]
    points.append(tuple(options.default))
    with tempfile.TemporaryDirectory() as folder:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            run = lambda point: train(options, pathlib.Path(folder), point)
            results = dict(zip(points, pool.map(run, points)))
    print_table(rates, decays, results)
    print_summary(tuple(options.default), results)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/automl-torch")
    parser.add_argument("--sample", type=pathlib.Path, default=ROOT / "examples/mal_sample")
    parser.add_argument("--lr", type=float, nargs=2, default=bounds("train.lr"), metavar=("LOW", "HIGH"))
    parser.add_argument("--wd", type=float, nargs=2, default=bounds("train.wd"), metavar=("LOW", "HIGH"))
    parser.add_argument("--default", type=float, nargs=2, default=[1e-6, 5e-4], metavar=("LR", "WD"))
    parser.add_argument("--size", type=int, default=5, help="values of each parameter (default 5)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one thread each (default 1)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="more spec overrides")
    return parser.parse_args()


def steps(low, high, count):
    """`count` values from low to high at equal ratios."""
    if count == 1:
        return [low]
    return [low * math.exp(math.log(high / low) * at / (count - 1)) for at in range(count)]


def train(options, folder, point):
    """Last mIoU of one run, its seconds; NaN where the run failed."""
    rate, decay = point
    results = folder / f"lr{rate:.3e}_wd{decay:.3e}"
    spec = dict(SPEC)
    for split, name in (("train", "train"), ("val", "val")):
        spec[f"dataset.{name}_ann_path"] = str(options.sample / split / "annotations.json")
        spec[f"dataset.{name}_img_dir"] = str(options.sample / split / "images")
    spec.update(item.split("=", 1) for item in options.set)
    spec.update({"results_dir": str(results), "train.lr": repr(rate), "train.wd": repr(decay)})
    empty = folder / "spec.yaml"
    empty.touch()
    command = [str(options.binary), "mal", "train", "-e", str(empty)]
    command += [f"{key}={value}" for key, value in spec.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    started = time.monotonic()
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    miou = last_miou(results / "train" / "status.json") if finished.returncode == 0 else math.nan
    note = "" if finished.returncode == 0 else "  " + last_error(finished.stderr)
    print(f"lr {rate:.2e}  wd {decay:.2e}  mIoU {miou:.4f}  {seconds:.1f} s{note}", file=sys.stderr, flush=True)
    return miou, seconds


def last_miou(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return next(line["kpi"]["mIoU"] for line in reversed(lines) if "mIoU" in line.get("kpi", {}))


def last_error(text):
    return next((line for line in reversed(text.splitlines()) if line.startswith("error:")), "failed")


def print_table(rates, decays, results):
    print("| `train.lr` \\ `train.wd` | " + " | ".join(map(short, decays)) + " |")
    print("|---" * (len(decays) + 1) + "|")
    for rate in rates:
        cells = " | ".join(f"{results[rate, decay][0]:.4f}" for decay in decays)
        print(f"| {short(rate)} | {cells} |")


def print_summary(default, results):
    numbers = {point: miou for point, (miou, _) in results.items() if not math.isnan(miou)}
    print()
    if numbers:
        for name, point in (("best", max(numbers, key=numbers.get)), ("worst", min(numbers, key=numbers.get))):
            print_point(name, point, numbers)
    if default in numbers:
        print_point("default", default, numbers)
    print(f"- failed runs: {len(results) - len(numbers)}")
    print(f"- seconds a run: {sum(seconds for _, seconds in results.values()) / len(results):.1f}")


def print_point(name, point, numbers):
    rate, decay = map(short, point)
    print(f"- {name}: mIoU {numbers[point]:.4f} at `train.lr` {rate}, `train.wd` {decay}")


def short(number):
    """Two digits, with an exponent for small numbers only: 0.00018, 3.2, 100."""
    return f"{float(f'{number:.2g}'):g}"


if __name__ == "__main__":
    main()
