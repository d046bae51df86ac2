#!/usr/bin/env python3
"""Searches a space with branches: python3 examples/ask_and_tell/search.py [path of automl]"""

import math
import sys

from automl_client import Automl

SPACE = [
    {"name": "model", "type": "categorical", "choices": ["forest", "svm"]},
    {"name": "depth", "type": "int", "low": 1, "high": 32, "condition": [{"parent": "model", "in": ["forest"]}]},
    {"name": "c", "type": "float", "low": 1e-3, "high": 1e3, "scale": "log",
     "condition": [{"parent": "model", "in": ["svm"]}]},
]


def loss(params):
    """In place of a training."""
    if params["model"] == "forest":
        return 0.2 + abs(params["depth"] - 11) / 32
    return 0.1 + (math.log10(params["c"]) - 0.7) ** 2


with Automl(*sys.argv[1:]) as automl:
    study = automl.create(SPACE, minimize="loss", seed=1, max_trials=30, store=False)
    for trial in study.trials():
        study.tell(trial, loss(trial["params"]))
    best = study.best()
    print(f"trial {best['trial']}: {best['params']} -> {best['value']}")
