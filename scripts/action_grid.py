#!/usr/bin/env python3
"""Trains the action_recognition sample over a row of learning rates.

Prints a markdown table of the last validation loss and accuracy of every run, once for each kind of
input that `--model-type` names. Needs `make build`, Python 3.11 and nothing beyond its library.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

from mal_grid import ROOT, flat, last_error, short, steps

# The spec overrides and ranges are those of the checkout's own searches.
PROJECT = tomllib.loads((ROOT / "automl.toml").read_text())["network"]["action_recognition"]
LABELS = "dataset.label_map"


def main():
    options = parse_options()
    if not options.binary.is_file():
        sys.exit(f"{options.binary} is missing: run `make build` first")
    rates = sorted({5e-4, *steps(*options.lr, options.size)})
    with tempfile.TemporaryDirectory() as folder:
        for model_type in options.model_type:
            print(f"| `train.optim.lr` ({model_type}) | `val_loss` | `val_acc` | seconds |\n|---|---|---|---|")
            for rate in rates:
                results = pathlib.Path(folder) / f"{model_type}_{rate:.3e}"
                started = time.monotonic()
                loss, accuracy = train(options, results, model_type, rate)
                seconds = time.monotonic() - started
                note = " (default)" if rate == 5e-4 else ""
                print(f"| {short(rate)}{note} | {loss} | {accuracy} | {seconds:.1f} |", flush=True)
            print()


def parse_options():
    low, high = dict(flat(PROJECT["bound"]))["train.optim.lr"].split(":")[0].split("..")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target/release/automl-torch")
    parser.add_argument("--sample", type=pathlib.Path, default=ROOT / "examples/action_sample")
    parser.add_argument("--lr", type=float, nargs=2, default=[float(low), float(high)], metavar=("LOW", "HIGH"))
    parser.add_argument("--size", type=int, default=4, help="learning rates besides the default (default 4)")
    parser.add_argument("--model-type", nargs="+", default=["of"], choices=["rgb", "of", "joint"])
    return parser.parse_args()


def train(options, results, model_type, rate):
    """Last validation loss and accuracy of one run as texts; the error where it failed."""
    spec = {key: value for key, value in flat(PROJECT["set"]) if not key.startswith(LABELS)}
    spec[LABELS] = PROJECT["set"]["dataset"]["label_map"]
    spec |= {
        "dataset.train_dataset_dir": str(options.sample / "train"),
        "dataset.val_dataset_dir": str(options.sample / "test"),
        "results_dir": str(results),
        "model.model_type": model_type,
        "train.optim.lr": rate,
        # Saved at the last epoch only.
        "train.checkpoint_interval": spec["train.num_epochs"],
    }
    results.mkdir(parents=True)
    empty = results / "spec.yaml"
    empty.touch()
    command = [str(options.binary), "action_recognition", "train", "-e", str(empty)]
    command += [f"{key}={json.dumps(value)}" for key, value in spec.items()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True)
    if finished.returncode != 0:
        return last_error(finished.stderr), ""
    lines = [json.loads(line) for line in (results / "train" / "status.json").read_text().splitlines()]
    kpi = lines[-1]["kpi"]
    return f"{kpi['val_loss']:.4f}", f"{kpi['val_acc']:.4f}"


if __name__ == "__main__":
    main()
