"""Tests of what surrogates.py does by itself; neither models nor packages are needed."""

import unittest

import surrogates

CONFIG_SPACE = {
    "hyperparameters": [
        {"name": "task", "type": "categorical", "choices": ["1", "2"]},
        {"name": "rate", "type": "uniform_float", "log": True, "lower": 1e-4, "upper": 1.0},
        {"name": "booster", "type": "categorical", "choices": ["tree", "linear"]},
        {"name": "depth", "type": "uniform_int", "log": False, "lower": 1, "upper": 9},
    ],
    "conditions": [{"child": "depth", "parent": "booster", "type": "EQ", "value": "tree"}],
}


class Known(surrogates.Surrogate):
    """Errors fall from 1 by the epochs of a training, faster for large `x`; 0 is the best one and 1 the median."""

    def __init__(self):
        self.space = [{"name": "x", "distribution": {"type": "float", "low": 0.0, "high": 1.0, "scale": "linear"}}]
        self.best, self.median = 0.0, 1.0

    def errors(self, configurations, epochs=surrogates.EPOCHS):
        return [1 - params["x"] * epochs / surrogates.EPOCHS for params in configurations]


class Script:
    """Answers to `ask` in order, then `done`."""

    def __init__(self, asked):
        self.asked, self.told = list(asked), []

    def call(self, method, **params):
        if method == "tell":
            self.told.append(params)
            return {}
        return self.asked.pop(0) if self.asked else {"done": True}

    def end(self):
        pass


class Surrogates(unittest.TestCase):
    def test_config_space_is_read_with_its_conditions(self):
        space = surrogates.space_of(CONFIG_SPACE, {"task": "1"})
        self.assertEqual([parameter["name"] for parameter in space], ["rate", "booster", "depth"])
        self.assertEqual(space[0]["distribution"], {"type": "float", "low": 1e-4, "high": 1.0, "scale": "log"})
        self.assertEqual(space[2]["conditions"], [{"parent": "booster", "in": ["tree"]}])

    def test_places_become_values_and_inactive_parameters_are_left_out(self):
        space = surrogates.space_of(CONFIG_SPACE, {"task": "1"})
        tree, linear = (surrogates.configuration(space, [0.5, place, 0.5]) for place in (0.1, 0.9))
        self.assertAlmostEqual(tree.pop("rate"), 0.01)
        self.assertEqual(tree, {"booster": "tree", "depth": 5})
        self.assertEqual(sorted(linear), ["booster", "rate"])

    def test_regret_at_full_fidelity_is_that_of_the_best_trial_so_far(self):
        script = Script([{"trial": 1, "params": {"x": 0.9}}, {"trial": 2, "params": {"x": 0.1}}])
        trace = surrogates.search(Known(), "auto", 1, 3, lambda **study: script)
        self.assertEqual([round(regret, 6) for regret in trace], [-1.0, -1.0, -1.0])

    def test_epochs_are_paid_once_and_late_results_do_not_count_for_earlier_marks(self):
        full = surrogates.EPOCHS
        steps = [(1, 0.5, full // 2), (2, 0.9, full // 2), (1, 0.5, full), (2, 0.9, full)]
        asked = [{"trial": trial, "params": {"x": x}, "fidelity": until} for trial, x, until in steps]
        trace = surrogates.train(Known(), "race", 1, 2, lambda **study: Script(asked))
        self.assertAlmostEqual(trace[0], surrogates.math.log10(1 - 0.45), 6, "two halves are one training")
        self.assertAlmostEqual(trace[1], -1.0, 6)


if __name__ == "__main__":
    unittest.main()
