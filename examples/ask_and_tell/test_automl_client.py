"""Runs the client against the binary that `AUTOML` names."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from automl_client import Automl, Refused

BINARY = os.environ.get("AUTOML", "automl")
HERE = Path(__file__).parent
SPACE = [{"name": "x", "type": "float", "low": -5, "high": 5}, {"name": "n", "type": "int", "low": 1, "high": 8}]


class Client(unittest.TestCase):
    def test_example_finds_the_better_branch(self):
        command = [sys.executable, str(HERE / "search.py"), BINARY]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.assertIn("'model': 'svm'", printed)

    def test_search_survives_its_processes(self):
        with tempfile.TemporaryDirectory() as root:
            values = []
            for _ in range(4):
                with Automl(BINARY, root) as automl:
                    study = automl.create(SPACE, minimize="loss", name="s", seed=2, max_trials=8)
                    for trial in study.trials(count=2):
                        values.append((trial["params"]["x"] - 1) ** 2 + trial["params"]["n"])
                        study.tell(trial, values[-1])
            with Automl(BINARY, root) as automl:
                study = automl.create(SPACE, minimize="loss", name="s", max_trials=8)
                self.assertEqual((study.ask(), study.is_done), (None, True))
                self.assertEqual((len(values), study.best()["value"]), (8, min(values)))

    def test_failures_objectives_and_errors_have_their_words(self):
        with Automl(BINARY) as automl:
            study = automl.create(SPACE, minimize=["loss", "size"], maximize="speed", store=False)
            for trial, told in zip(study.trials(count=3), ([1, 2, 3], [float("nan"), 0, 0], [0, 3, 1])):
                study.tell(trial, told)
            study.tell(study.ask(), state="failed", reason="out of memory")
            states = [trial["state"] for trial in study.call("trials")["trials"]]
            self.assertEqual(states, ["complete", "failed", "complete", "failed"])
            self.assertEqual([point["trial"] for point in study.best()["pareto"]], [1, 3])
            with self.assertRaisesRegex(Refused, "unknown field `colour`") as caught:
                study.call("ask", colour=1)
            self.assertEqual(caught.exception.data["field"], "colour")

    def test_reports_pause_trials_at_their_rungs(self):
        with Automl(BINARY) as automl:
            fidelity = {"name": "epoch", "min": 1, "max": 9}
            study = automl.create(SPACE, minimize="loss", algorithm="asha", fidelity=fidelity, max_trials=9, store=False)
            reached = {}
            for trial in study.trials():
                for step in range(trial.get("resume_from", 0) + 1, trial["fidelity"] + 1):
                    decision = study.report(trial, step, trial["params"]["n"] + 1 / step)
                self.assertEqual(decision, "pause" if step < 9 else "continue")
                study.tell(trial, trial["params"]["n"] + 1 / step)
                reached[trial["trial"]] = step
            self.assertEqual((len(reached), max(reached.values())), (9, 9))


if __name__ == "__main__":
    unittest.main()
