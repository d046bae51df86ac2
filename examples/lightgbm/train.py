#!/usr/bin/env python3
"""Trains boosted trees on a data set of scikit-learn, writes the loss of every epoch into a table, and can go on.

An epoch is five rounds of trees. Parameters come as a JSON file (AUTOML_CONFIG), the table and the model go to the
trial's folder (AUTOML_RESULTS_DIR).
"""

import argparse
import json
import os
from pathlib import Path

import lightgbm
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

ROUNDS_OF_AN_EPOCH = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--epochs", type=int, required=True, help="epochs in all, those of an earlier model included")
    parser.add_argument("--resume", default="", help="model to go on from; empty to begin")
    args = parser.parse_args()
    parameters = json.loads(Path(os.environ["AUTOML_CONFIG"]).read_text())
    folder = Path(os.environ["AUTOML_RESULTS_DIR"])
    data, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(data, labels, test_size=0.3, random_state=0)
    # With an earlier model the raw numbers are needed once more.
    training = lightgbm.Dataset(parts[0], parts[2], free_raw_data=False)
    validation = lightgbm.Dataset(parts[1], parts[3], reference=training, free_raw_data=False)
    earlier = lightgbm.Booster(model_file=args.resume) if args.resume else None
    done = earlier.current_iteration() if earlier else 0
    table = folder / "metrics.csv"
    if not table.exists():
        table.write_text("epoch,val_loss\n")

    def report(state):
        rounds = state.iteration + 1
        if rounds % ROUNDS_OF_AN_EPOCH == 0:
            loss = state.evaluation_result_list[0][2]
            with table.open("a") as rows:
                rows.write(f"{rounds // ROUNDS_OF_AN_EPOCH - 1},{loss}\n")

    fixed = {"objective": "binary", "metric": "binary_logloss", "verbose": -1, "num_threads": 1, "seed": 0}
    rounds = args.epochs * ROUNDS_OF_AN_EPOCH - done
    model = lightgbm.train(
        {**fixed, **parameters}, training, rounds, valid_sets=[validation], callbacks=[report], init_model=earlier
    )
    model.save_model(folder / "unfinished.tmp")
    (folder / "unfinished.tmp").rename(folder / "checkpoint.txt")


if __name__ == "__main__":
    main()
