"""Tests of what peers.py does by itself; no peer's package is needed.

The last class drives Ax itself, in its environment: benches/quality/.venv/ax/bin/python -m unittest discover -s benches/quality
"""

import importlib.util
import math
import statistics
import unittest

import peers


def choice(name, choices, **conditions):
    made = {"name": name, "distribution": {"type": "categorical", "choices": choices}}
    if conditions:
        made["conditions"] = [{"parent": parent, "in": values} for parent, values in conditions.items()]
    return made


class Echo:
    """A sampler that proposes the number of the trial and fails to forget."""

    def __init__(self, space, seed, evaluations, workers):
        self.told = []

    def ask(self, number):
        return {"x": number}

    def tell(self, number, value):
        self.told.append((number, value))


class Curves(Echo):
    """Wants the third epoch, and stops what is reported to be worse than 1."""

    def __init__(self, space, seed, evaluations, workers, epochs):
        self.epochs = epochs

    def until(self, number):
        return 3

    def report(self, number, epoch, value):
        return value > 1


class Several(Echo):
    """Is told values of several objectives and constraints."""

    def __init__(self, space, seed, evaluations, workers, objectives, constraints):
        super().__init__(space, seed, evaluations, workers)
        self.numbers = (objectives, constraints)

    def tell_all(self, number, values, violations):
        self.told.append((number, values, violations))


class Conditions(unittest.TestCase):
    def test_parents_come_before_their_children(self):
        space = [choice("c", [1], b=["y"]), choice("b", ["y"], a=["x"]), choice("a", ["x"])]
        self.assertEqual([p["name"] for p in peers.top_down(space)], ["a", "b", "c"])

    def test_all_conditions_must_hold(self):
        child = choice("c", [1], a=["x", "y"], b=[True])
        self.assertTrue(peers.is_active(child, {"a": "y", "b": True}))
        self.assertFalse(peers.is_active(child, {"a": "z", "b": True}))
        self.assertFalse(peers.is_active(child, {"b": True}))

    def test_truth_is_no_number(self):
        self.assertFalse(peers.is_active(choice("c", [1], a=[True]), {"a": 1}))


class WorstSoFar(unittest.TestCase):
    def test_failures_wait_for_the_first_value(self):
        worst = peers.Worst()
        self.assertEqual(worst.costs(1, None), [])
        self.assertEqual(worst.costs(2, 5.0), [(2, 5.0), (1, 5.0)])

    def test_later_failures_cost_the_worst_value(self):
        worst = peers.Worst()
        worst.costs(1, 3.0)
        worst.costs(2, 1.0)
        self.assertEqual(worst.costs(3, None), [(3, 3.0)])


class Answers(unittest.TestCase):
    def test_ask_and_tell_reach_the_sampler_with_times(self):
        create = {"create": [], "seed": 1, "evaluations": 2, "workers": 1}
        sampler, said = peers.answer(create, Echo, None)
        self.assertEqual(said, {})
        sampler, said = peers.answer({"ask": 7}, None, sampler)
        self.assertEqual(said["params"], {"x": 7})
        self.assertGreaterEqual(said["seconds"], 0)
        sampler, said = peers.answer({"tell": 7, "value": None}, None, sampler)
        self.assertEqual(list(said), ["seconds"])
        self.assertEqual(sampler.told, [(7, None)])

    def test_curves_have_ends_and_reports(self):
        create = {"create": [], "seed": 1, "evaluations": 2, "workers": 1, "epochs": 27}
        sampler, _ = peers.answer(create, Curves, None)
        self.assertEqual(sampler.epochs, 27)
        self.assertEqual(peers.answer({"ask": 7}, None, sampler)[1]["until"], 3)
        for value, stop in [(0.5, False), (2.0, True)]:
            report = {"report": 7, "epoch": 2, "value": value}
            self.assertEqual(peers.answer(report, None, sampler)[1]["stop"], stop)

    def test_several_objectives_are_told_at_once(self):
        create = {"create": [], "seed": 1, "evaluations": 2, "workers": 1, "objectives": 2, "constraints": 1}
        sampler, _ = peers.answer(create, Several, None)
        self.assertEqual(sampler.numbers, (2, 1))
        peers.answer({"tell": 7, "values": [1.0, 2.0], "violations": [-0.5]}, None, sampler)
        self.assertEqual(sampler.told, [(7, [1.0, 2.0], [-0.5])])


SCHEDULE = [
    {"name": "lr", "distribution": {"type": "float", "low": 1e-8, "high": 1.0, "scale": "log"}},
    {"name": "width", "distribution": {"type": "int", "low": 1, "high": 4096, "step": 1, "scale": "log"}},
    {"name": "batch", "distribution": {"type": "ordinal", "choices": [16, 32, 256]}},
    choice("schedule", ["none", "step", "cosine"]),
    choice("nesterov", [False, True], schedule=["step"]),
    choice("restarts", ["a", "b"], nesterov=[True]),
    choice("shape", ["a", "b"], schedule=["step", "cosine"]),
    choice("both", ["a", "b"], schedule=["step"], batch=[16]),
]


class AxTrees(unittest.TestCase):
    def test_one_value_of_one_choice_is_a_branch(self):
        self.assertEqual(peers.Ax.dependents(choice("schedule", []), SCHEDULE), {"step": ["nesterov"]})

    def test_options_are_named_as_they_are_written(self):
        self.assertEqual(peers.Ax.dependents(choice("nesterov", []), SCHEDULE), {"True": ["restarts"]})

    def test_ordinals_have_no_branches(self):
        space = [SCHEDULE[2], choice("small", ["a", "b"], batch=[16])]
        self.assertEqual(peers.Ax.dependents(choice("schedule", []), space), {})


@unittest.skipUnless(importlib.util.find_spec("ax"), "Ax is in an environment of its own")
class AxItself(unittest.TestCase):
    def test_proposals_are_of_the_space(self):
        sampler = peers.Ax(SCHEDULE, 1, 8, 8)
        proposed = [sampler.ask(number) for number in range(8)]
        self.assertEqual(len({p["lr"] for p in proposed}), 8)
        # Half of the logarithmic scale lies below 1e-4, next to nothing of the linear one.
        self.assertLess(statistics.median(p["lr"] for p in proposed), 1e-3)
        self.assertLess(statistics.median(p["width"] for p in proposed), 512)
        for params in proposed:
            active = {p["name"] for p in SCHEDULE if peers.is_active(p, params)}
            self.assertEqual(set(params), active)
            self.assertIn(params["batch"], [16, 32, 256])
            self.assertIsInstance(params["width"], int)
            self.assertIsInstance(params.get("nesterov", True), bool)

    def test_values_and_failures_reach_the_model(self):
        sampler = peers.Ax([SCHEDULE[0]], 1, 9, 1)
        for number in range(9):
            lr = sampler.ask(number)["lr"]
            sampler.tell(number, None if number == 1 else abs(math.log10(lr) + 6))
        told = sampler.client.summarize()
        self.assertEqual(list(told["trial_status"] == "ABANDONED"), [n == 1 for n in range(9)])
        self.assertEqual(list(told["generation_node"])[-1], "MBM")
        self.assertLess(told["loss"].min(), 0.5)

    def test_running_trials_keep_others_away(self):
        sampler = peers.Ax([SCHEDULE[0]], 1, 9, 3)
        for number in range(6):
            lr = sampler.ask(number)["lr"]
            sampler.tell(number, abs(math.log10(lr) + 6))
        # Each proposal begins with the same random numbers: only the others that run keep them apart.
        running = sorted(math.log10(sampler.ask(number)["lr"]) for number in range(6, 9))
        self.assertEqual(list(sampler.client.summarize()["generation_node"])[-3:], ["MBM"] * 3)
        self.assertGreater(min(running[1] - running[0], running[2] - running[1]), 0.02)

    def test_equal_seeds_propose_the_same(self):
        first, second, other = (peers.Ax(SCHEDULE, seed, 3, 3) for seed in (1, 1, 2))
        asked = [[sampler.ask(number) for number in range(3)] for sampler in (first, second, other)]
        self.assertEqual(asked[0], asked[1])
        self.assertNotEqual(asked[0], asked[2])


if __name__ == "__main__":
    unittest.main()
