"""Searches models of published tuning runs (YAHPO Gym) through `automl serve --stdio`, beside samplers of other projects.

    git clone --depth 1 https://github.com/slds-lmu/yahpo_data DATA
    cargo build --release -p automl-cli
    benches/quality/.venv/main/bin/python benches/quality/surrogates.py DATA [--curves] [OPTIONS]

`lcbench` has learning curves of networks (7 parameters, 52 epochs), `rbv2_xgboost` boosted trees (13 parameters, some of them
conditional) and `rbv2_rpart` decision trees (5). The value is the error; an instance is a data set. A regret is the distance to the best error of
20,000 random configurations and a local search from the best of them, divided by that of the median random one.
Printed are means of log10 regrets (those below 0.001 count as 0.001) and their standard errors.

Without `--curves` a run is `--evaluations` trials at full fidelity. With it, a run is as many full trainings, spent in whatever
pieces an algorithm wants; a trial goes on from its checkpoint, and the regret is that of the best trial of the highest
fidelity.
"""

import argparse
import json
import math
import pathlib
import random
import subprocess
import tempfile

import peers

FLOOR = 1e-3
EPOCHS = 52
RANDOM = 20_000

# The order in which the models take their numbers and categories; `fixed` are the fidelities at their most.
SCENARIOS = {
    "lcbench": {
        "error": (1, 0.01),
        "numbers": "epoch batch_size learning_rate momentum weight_decay num_layers max_units max_dropout".split(),
        "categories": ["OpenML_task_id"],
        "fixed": {"epoch": EPOCHS},
        "instances": "167168 189873 189906 3945 126026 168330 168908 189909".split(),
    },
    "rbv2_xgboost": {
        "error": (0, 1.0),
        "numbers": "nrounds eta gamma lambda alpha subsample max_depth min_child_weight colsample_bytree "
        "colsample_bylevel rate_drop skip_drop trainsize repl".split(),
        "categories": ["task_id", "booster", "num.impute.selected.cpo"],
        "fixed": {"trainsize": 1.0, "repl": 10},
        "instances": (
            "12 1501 16 40499 1040 470 1067 6 11 14 15 18 22 23 24 28 29 3 31 32 37 38 42 44".split()
        ),
    },
    "rbv2_rpart": {
        "error": (0, 1.0),
        "numbers": "cp maxdepth minbucket minsplit trainsize repl".split(),
        "categories": ["task_id", "num.impute.selected.cpo"],
        "fixed": {"trainsize": 1.0, "repl": 10},
        "instances": "12 1501 14 40499 1040 470 1067 6".split(),
    },
}


def space_of(config_space, left_out):
    """Returns the parameters of a ConfigSpace file as peers.py has them."""
    conditions = {}
    for condition in config_space["conditions"]:
        parts = condition["conditions"] if condition.get("type") == "AND" else [condition]
        for part in parts:
            allowed = part["values"] if "values" in part else [part["value"]]
            conditions.setdefault(part["child"], []).append({"parent": part["parent"], "in": allowed})
    space = []
    for given in config_space["hyperparameters"]:
        if given["name"] in left_out:
            continue
        if given["type"] == "categorical":
            distribution = {"type": "categorical", "choices": given["choices"]}
        else:
            kind, scale = given["type"].removeprefix("uniform_"), "log" if given["log"] else "linear"
            distribution = {"type": kind, "low": given["lower"], "high": given["upper"], "scale": scale}
        made = {"name": given["name"], "distribution": distribution}
        if given["name"] in conditions:
            made["conditions"] = conditions[given["name"]]
        space.append(made)
    return space


def drawn(distribution, place):
    """The value at a place between 0 and 1."""
    if distribution["type"] == "categorical":
        return distribution["choices"][int(place * len(distribution["choices"]))]
    low, high = distribution["low"], distribution["high"]
    if distribution["scale"] == "log":
        value = math.exp(math.log(low) + place * math.log(high / low))
    else:
        value = low + place * (high - low)
    return round(value) if distribution["type"] == "int" else min(max(value, low), high)


def configuration(space, places):
    """The configuration of a row of places; `space` has parents before their children."""
    params = {}
    for parameter, place in zip(space, places):
        if peers.is_active(parameter, params):
            params[parameter["name"]] = drawn(parameter["distribution"], place)
    return params


class Surrogate:
    """The error of a configuration after some epochs, or of full fidelity."""

    def __init__(self, data, scenario, instance):
        import onnxruntime

        self.facts, folder = SCENARIOS[scenario], data / scenario
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self.encoding = json.loads((folder / "encoding.json").read_text())
        self.instance = {self.facts["categories"][0]: instance}
        config_space = json.loads((folder / "config_space.json").read_text())
        self.space = peers.top_down(space_of(config_space, {**self.facts["fixed"], **self.instance}))
        self.best, self.median = self.scale(random.Random(0))

    def errors(self, configurations, epochs=EPOCHS):
        import numpy

        column, unit = self.facts["error"]
        fixed = dict(self.facts["fixed"])
        if "epoch" in fixed:
            fixed["epoch"] = epochs
        categories, numbers = [], []
        for params in configurations:
            values = {**params, **fixed, **self.instance}
            codes = [self.encoding[name][str(values.get(name, "#na#"))] for name in self.facts["categories"]]
            categories.append(codes)
            numbers.append([float(values.get(name, 0)) for name in self.facts["numbers"]])
        rows = {
            "x_cat": numpy.array(categories, dtype=numpy.int32),
            "x_cont": numpy.array(numbers, dtype=numpy.float32),
        }
        accuracies = self.session.run(None, rows)[0][:, column] * unit
        return [1 - min(max(float(accuracy), 0), 1) for accuracy in accuracies]

    def scale(self, source):
        """The best error that is found with much effort, and the median one."""
        rows = [[source.random() for _ in self.space] for _ in range(RANDOM)]
        errors = self.errors([configuration(self.space, row) for row in rows])
        median = sorted(errors)[RANDOM // 2]
        leaders = sorted(zip(errors, rows))[:30]
        for _ in range(60):
            moved = [self.moved(row, source) for _, row in leaders for _ in range(20)]
            errors = self.errors([configuration(self.space, row) for row in moved])
            leaders = sorted(leaders + list(zip(errors, moved)))[:30]
        return leaders[0][0], median

    @staticmethod
    def moved(row, source):
        row, place = list(row), source.randrange(len(row))
        step = source.gauss(0, 0.1) if source.random() < 0.8 else source.random() - row[place]
        row[place] = min(max(row[place] + step, 0.0), 0.999_999)
        return row

    def log_regret(self, error):
        return math.log10(max((error - self.best) / (self.median - self.best), FLOOR))


class Service:
    """One study of `automl serve --stdio`, in memory."""

    def __init__(self, binary, folder, **study):
        command = [binary, "serve", "--stdio", "--root", folder]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.call("create", store=False, **study)

    def call(self, method, **params):
        print(json.dumps({"id": 1, "method": method, "params": params}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def study(surrogate, algorithm, seed, trials):
    def parameter(given):
        made = {"name": given["name"], **given["distribution"]}
        return {**made, "condition": given["conditions"]} if "conditions" in given else made

    return {
        "space": [parameter(given) for given in surrogate.space],
        "objective": {"name": "error", "direction": "minimize"},
        "algorithm": algorithm,
        "seed": seed,
        "max_trials": trials,
    }


def search(surrogate, sampler, seed, evaluations, service):
    """Returns the log regret of the best trial after every evaluation."""
    if sampler in peers.MAKERS:
        return search_with_peer(surrogate, peers.MAKERS[sampler], seed, evaluations)
    served, best, trace = service(**study(surrogate, sampler, seed, evaluations)), math.inf, []
    while len(trace) < evaluations:
        asked = served.call("ask")
        if "trial" in asked:
            [error] = surrogate.errors([asked["params"]])
            served.call("tell", trial=asked["trial"], value=error)
            best = min(best, error)
        trace.append(surrogate.log_regret(best))
    served.end()
    return trace


def search_with_peer(surrogate, make, seed, evaluations):
    sampler, best, trace = make(surrogate.space, seed, evaluations, 1), math.inf, []
    for number in range(1, evaluations + 1):
        [error] = surrogate.errors([sampler.ask(number)])
        sampler.tell(number, error)
        best = min(best, error)
        trace.append(surrogate.log_regret(best))
    return trace


def train(surrogate, algorithm, seed, trainings, service):
    """Returns the log regret of the best trial of the highest fidelity after every full training's worth of epochs."""
    settings = study(surrogate, algorithm, seed, trainings)
    if algorithm not in ("bayesian", "random", "tpe"):
        settings["fidelity"] = {"name": "epoch", "min": 1, "max": EPOCHS}
        settings["max_trials"] = trainings * EPOCHS
    served, spent, trained, trace = service(**settings), 0, {}, []
    best = (0, math.inf)
    while len(trace) < trainings:
        asked = served.call("ask")
        if "done" in asked:
            trace.append(surrogate.log_regret(best[1]))
            continue
        trial, until = asked["trial"], asked.get("fidelity", EPOCHS)
        spent += until - trained.get(trial, 0)
        trained[trial] = until
        # What ends beyond a mark does not count there.
        while len(trace) < trainings and spent > (len(trace) + 1) * EPOCHS:
            trace.append(surrogate.log_regret(best[1]) if best[0] else 0.0)
        [error] = surrogate.errors([asked["params"]], until)
        told = {"fidelity": until} if "fidelity" in asked else {}
        served.call("tell", trial=trial, value=error, **told)
        best = max(best, (until, error), key=lambda result: (result[0], -result[1]))
    served.end()
    return trace


def summary(traces, at):
    """Mean and standard error of what the traces have come to at one place."""
    values = [trace[at - 1] for trace in traces]
    mean = sum(values) / len(values)
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1))
    return f"{mean:.2f} ± {deviation / math.sqrt(len(values)):.2f}"


def table(title, results, marks):
    lines = [f"#### {title}", "", "| sampler | " + " | ".join(map(str, marks)) + " |", "|---" * (len(marks) + 1) + "|"]
    for sampler, traces in results.items():
        lines.append(f"| {sampler} | " + " | ".join(summary(traces, mark) for mark in marks) + " |")
    return "\n".join(lines) + "\n"


def main():
    usage = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usage.add_argument("data", type=pathlib.Path)
    usage.add_argument("--curves", action="store_true")
    usage.add_argument("--samplers", help="algorithms of automl and names of peers.py, by commas")
    usage.add_argument("--scenarios", help="names by commas; all, or lcbench with --curves, unless given")
    usage.add_argument("--seeds", type=int, default=3, help="runs on each data set")
    usage.add_argument("--first-seed", type=int, default=1)
    usage.add_argument("--evaluations", type=int, help="60 trials, or 20 full trainings, unless given")
    usage.add_argument("--automl", default="target/release/automl")
    given = usage.parse_args()
    run = train if given.curves else search
    samplers = given.samplers or ("race,asha,bayesian,random" if given.curves else "auto,optuna-tpe,random")
    scenarios = given.scenarios or ("lcbench" if given.curves else ",".join(SCENARIOS))
    evaluations = given.evaluations or (20 if given.curves else 60)
    marks = [mark for mark in ((2, 4, 7, 10, 15, 20) if given.curves else (10, 20, 40, 60, 100)) if mark <= evaluations]
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    with tempfile.TemporaryDirectory() as folder:
        for scenario in scenarios.split(","):
            surrogates = [Surrogate(given.data, scenario, instance) for instance in SCENARIOS[scenario]["instances"]]
            service = lambda **study: Service(given.automl, folder, **study)
            results = {
                sampler: [run(surrogate, sampler, seed, evaluations, service) for surrogate in surrogates for seed in seeds]
                for sampler in samplers.split(",")
            }
            unit = "full trainings" if given.curves else "trials"
            print(table(f"{scenario}, after so many {unit} ({len(surrogates) * given.seeds} runs)", results, marks), flush=True)


if __name__ == "__main__":
    main()
