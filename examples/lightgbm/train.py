#!/usr/bin/env python3
"""Trains boosted trees on a data set of scikit-learn and reports the loss after every round of trees.

Parameters come as a JSON file (AUTOML_CONFIG), results go to a table in the trial's folder (AUTOML_RESULTS_DIR).
"""

import json
import os
from pathlib import Path

import lightgbm
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

ROUNDS_OF_AN_EPOCH = 5


def main():
    parameters = json.loads(Path(os.environ["AUTOML_CONFIG"]).read_text())
    epochs = int(os.environ["AUTOML_FIDELITY"])
    table = Path(os.environ["AUTOML_RESULTS_DIR"]) / "metrics.csv"
    data, labels = load_breast_cancer(return_X_y=True)
    parts = train_test_split(data, labels, test_size=0.3, random_state=0)
    training = lightgbm.Dataset(parts[0], parts[2])
    validation = lightgbm.Dataset(parts[1], parts[3], reference=training)
    table.write_text("epoch,val_loss\n")

    def report(state):
        rounds = state.iteration + 1
        if rounds % ROUNDS_OF_AN_EPOCH == 0:
            loss = state.evaluation_result_list[0][2]
            with table.open("a") as rows:
                rows.write(f"{rounds // ROUNDS_OF_AN_EPOCH - 1},{loss}\n")

    fixed = {"objective": "binary", "metric": "binary_logloss", "verbose": -1, "num_threads": 1, "seed": 0}
    rounds = epochs * ROUNDS_OF_AN_EPOCH
    lightgbm.train({**fixed, **parameters}, training, rounds, valid_sets=[validation], callbacks=[report])


if __name__ == "__main__":
    main()
