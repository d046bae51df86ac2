"""Drives one sampler of another project over standard input and output, one JSON object a line.

    {"create": SPACE, "seed": S, "evaluations": N, "workers": K}  ->  {}
    {"ask": TRIAL}                                               ->  {"params": {...}, "seconds": CPU}
    {"tell": TRIAL, "value": NUMBER or null}                     ->  {"seconds": CPU}

Where learning curves are searched, `create` has "epochs", those of a full training; an answer to `ask` has "until", the epoch
whose value is to be told, unless every epoch's is to be reported:

    {"report": TRIAL, "epoch": E, "value": NUMBER}               ->  {"stop": BOOLEAN, "seconds": CPU}

Where there are several objectives, `create` has "objectives" and "constraints", the numbers of each, and all values are told at once:

    {"tell": TRIAL, "values": [NUMBER...], "violations": [NUMBER...]}  ->  {"seconds": CPU}

SPACE is the list of parameters as automl writes it. A value of null is a failed trial. Seconds are processor
time of the sampler alone. Each sampler is driven as its documentation recommends for such a space: native
conditions where it has them, native integers, ordinals as integers, its own handling of failed and running trials.
"""

import json
import math
import os
import sys
import time
import warnings


def is_active(parameter, params):
    """Tells whether all conditions of a parameter hold."""
    return all(
        condition["parent"] in params
        and any(same(params[condition["parent"]], value) for value in condition["in"])
        for condition in parameter.get("conditions", [])
    )


def same(a, b):
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def top_down(space):
    """Returns the parameters with every parent before its children."""
    ordered, names, left = [], set(), list(space)
    while left:
        for parameter in left:
            if all(c["parent"] in names for c in parameter.get("conditions", [])):
                ordered.append(parameter)
                names.add(parameter["name"])
        left = [parameter for parameter in left if parameter["name"] not in names]
    return ordered


class Optuna:
    """Define-by-run, so conditions come for free. Ordinals are integers that index the options."""

    def __init__(self, space, seed, evaluations, workers, make):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = top_down(space)
        self.study = optuna.create_study(sampler=make(optuna.samplers, seed))
        self.failed = optuna.trial.TrialState.FAIL
        self.trials = {}

    def ask(self, number):
        trial = self.study.ask()
        self.trials[number] = trial
        params = {}
        for parameter in self.space:
            if is_active(parameter, params):
                params[parameter["name"]] = self.suggest(trial, parameter)
        return params

    @staticmethod
    def suggest(trial, parameter):
        name, d = parameter["name"], parameter["distribution"]
        log = d.get("scale") == "log"
        if d["type"] == "float":
            return trial.suggest_float(name, d["low"], d["high"], log=log, step=d.get("step"))
        if d["type"] == "int":
            return trial.suggest_int(name, d["low"], d["high"], log=log, step=d.get("step", 1))
        if d["type"] == "ordinal":
            return d["choices"][trial.suggest_int(name, 0, len(d["choices"]) - 1)]
        return trial.suggest_categorical(name, d["choices"])

    def tell(self, number, value):
        trial = self.trials.pop(number)
        if value is None:
            self.study.tell(trial, state=self.failed)
        else:
            self.study.tell(trial, value)


class OptunaObjectives(Optuna):
    """The same with several objectives, and constraints that hold where they are at most 0."""

    def __init__(self, space, seed, evaluations, workers, objectives, constraints, make):
        super().__init__(space, seed, evaluations, workers, make)
        import optuna

        if constraints:
            sampler = make(optuna.samplers, seed, constraints_func=lambda trial: trial.user_attrs["violations"])
        else:
            sampler = make(optuna.samplers, seed)
        self.study = optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)

    def tell_all(self, number, values, violations):
        trial = self.trials.pop(number)
        trial.set_user_attr("violations", violations)
        self.study.tell(trial, values)


class OptunaHyperband(Optuna):
    """TPE with the pruner of Hyperband's brackets: trials are stopped, never paused."""

    def __init__(self, space, seed, evaluations, workers, epochs):
        super().__init__(space, seed, evaluations, workers, optuna_tpe)
        import optuna

        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=epochs, reduction_factor=3)
        # Which bracket a trial belongs to depends on the study's name.
        self.study = optuna.create_study(
            sampler=self.study.sampler, pruner=pruner, study_name=f"quality-{seed}"
        )
        self.pruned = optuna.trial.TrialState.PRUNED

    def report(self, number, epoch, value):
        trial = self.trials[number]
        trial.report(value, epoch)
        stop = trial.should_prune()
        if stop:
            self.study.tell(self.trials.pop(number), state=self.pruned)
        return stop


def optuna_tpe(samplers, seed, **further):
    """Version 5 is multivariate, and a constant liar, by default."""
    return samplers.TPESampler(seed=seed, **further)


def optuna_tpe_group(samplers, seed):
    """The documented setting for conditional spaces."""
    return samplers.TPESampler(seed=seed, multivariate=True, group=True)


def optuna_tpe_univariate(samplers, seed):
    """What was the default up to version 4."""
    return samplers.TPESampler(seed=seed, multivariate=False)


def optuna_gp(samplers, seed, **further):
    return samplers.GPSampler(seed=seed, **further)


def optuna_nsga2(samplers, seed, **further):
    """What Optuna takes for several objectives by default."""
    return samplers.NSGAIISampler(seed=seed, **further)


class Worst:
    """Stands in for results of failed trials where a model cannot go without: the worst value so far.

    Before the first value there is no worst; failures wait for it.
    """

    def __init__(self):
        self.value = None
        self.waiting = []

    def costs(self, number, value):
        """Returns trials and the costs to tell for them."""
        if value is not None:
            self.value = value if self.value is None else max(self.value, value)
        told = [(number, value)] if value is not None else []
        self.waiting += [number] if value is None else []
        if self.value is not None:
            told += [(failed, self.value) for failed in self.waiting]
            self.waiting = []
        return told


class Smac:
    """The facade for hyperparameters: random forest, log expected improvement, local search."""

    def __init__(self, space, seed, evaluations, workers):
        import shutil
        import tempfile

        from smac import HyperparameterOptimizationFacade as Facade
        from smac import Scenario

        self.space = {parameter["name"]: parameter for parameter in space}
        self.folder = tempfile.mkdtemp(prefix="quality-smac-")
        self.remove = lambda: shutil.rmtree(self.folder, ignore_errors=True)
        scenario = Scenario(
            self.configuration_space(space, seed),
            deterministic=True,
            n_trials=evaluations,
            seed=seed,
            output_directory=self.folder,
        )
        self.facade = Facade(
            scenario,
            lambda configuration, seed=0: 0.0,
            intensifier=Facade.get_intensifier(scenario, max_config_calls=1),
            logging_level=40,
            overwrite=True,
        )
        self.trials = {}
        self.worst = Worst()

    @staticmethod
    def configuration_space(space, seed):
        from ConfigSpace import ConfigurationSpace

        made = ConfigurationSpace(seed=seed)
        known = {}
        for parameter in top_down(space):
            known[parameter["name"]] = Smac.hyperparameter(parameter)
            made.add(known[parameter["name"]])
        for parameter in space:
            condition = Smac.condition(parameter, known)
            if condition is not None:
                made.add(condition)
        return made

    @staticmethod
    def hyperparameter(parameter):
        import ConfigSpace as cs

        name, d = parameter["name"], parameter["distribution"]
        log = d.get("scale") == "log"
        if d["type"] == "float":
            return cs.UniformFloatHyperparameter(name, d["low"], d["high"], log=log)
        if d["type"] == "int":
            return cs.UniformIntegerHyperparameter(name, d["low"], d["high"], log=log)
        if d["type"] == "ordinal":
            return cs.OrdinalHyperparameter(name, d["choices"])
        return cs.CategoricalHyperparameter(name, d["choices"])

    @staticmethod
    def condition(parameter, known):
        import ConfigSpace as cs

        child = known[parameter["name"]]
        parts = [
            cs.InCondition(child, known[condition["parent"]], condition["in"])
            for condition in parameter.get("conditions", [])
        ]
        return None if not parts else parts[0] if len(parts) == 1 else cs.AndConjunction(*parts)

    def ask(self, number):
        info = self.facade.ask()
        self.trials[number] = info
        return {name: plain(value) for name, value in dict(info.config).items()}

    def tell(self, number, value):
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        for failed, cost in self.worst.costs(number, value):
            status = StatusType.CRASHED if failed != number or value is None else StatusType.SUCCESS
            self.facade.tell(self.trials.pop(failed), TrialValue(cost=cost, status=status))


class SmacHyperband(Smac):
    """The facade for several fidelities: Hyperband's brackets, a random forest, log expected improvement.

    A trial is a configuration and the epochs it is to be trained for, which begin anew.
    """

    def __init__(self, space, seed, evaluations, workers, epochs):
        import shutil
        import tempfile

        from smac import MultiFidelityFacade as Facade
        from smac import Scenario

        self.space = {parameter["name"]: parameter for parameter in space}
        self.folder = tempfile.mkdtemp(prefix="quality-smac-")
        self.remove = lambda: shutil.rmtree(self.folder, ignore_errors=True)
        scenario = Scenario(
            self.configuration_space(space, seed),
            deterministic=True,
            # Brackets from 1 to 27 epochs train some six epochs for each of their trials. The first design depends on it.
            n_trials=evaluations // 6,
            min_budget=1,
            max_budget=epochs,
            seed=seed,
            output_directory=self.folder,
        )
        self.facade = Facade(
            scenario, lambda configuration, seed=0, budget=0: 0.0, logging_level=40, overwrite=True
        )
        self.trials = {}
        self.worst = Worst()

    def until(self, number):
        return round(self.trials[number].budget)


class Hebo:
    """HEBO has no conditions and no failures: inactive values are dropped, failures get the worst value told."""

    def __init__(self, space, seed, evaluations, workers):
        import numpy
        import torch
        from hebo.design_space.design_space import DesignSpace
        from hebo.optimizers.hebo import HEBO

        torch.set_num_threads(1)
        numpy.random.seed(seed)
        torch.manual_seed(seed)
        self.space = top_down(space)
        self.hebo = HEBO(DesignSpace().parse([self.parameter(p) for p in space]), scramble_seed=seed)
        self.trials = {}
        self.worst = Worst()

    @staticmethod
    def parameter(parameter):
        name, d = parameter["name"], parameter["distribution"]
        log = d.get("scale") == "log"
        if d["type"] == "float":
            return {"name": name, "type": "pow" if log else "num", "lb": d["low"], "ub": d["high"], "base": 10}
        if d["type"] == "int":
            return {"name": name, "type": "pow_int" if log else "int", "lb": d["low"], "ub": d["high"], "base": 10}
        if d["type"] == "ordinal":
            return {"name": name, "type": "int", "lb": 0, "ub": len(d["choices"]) - 1}
        return {"name": name, "type": "cat", "categories": [str(choice) for choice in d["choices"]]}

    def ask(self, number):
        row = self.hebo.suggest(n_suggestions=1)
        self.trials[number] = row
        values, params = row.iloc[0].to_dict(), {}
        for parameter in self.space:
            if is_active(parameter, params):
                params[parameter["name"]] = self.value(parameter["distribution"], values[parameter["name"]])
        return params

    @staticmethod
    def value(d, value):
        if d["type"] == "ordinal":
            return d["choices"][int(value)]
        if d["type"] == "categorical":
            return next(choice for choice in d["choices"] if str(choice) == str(value))
        low_to_high = min(max(plain(value), d["low"]), d["high"])
        return int(round(low_to_high)) if d["type"] == "int" else float(low_to_high)

    def tell(self, number, value):
        import numpy

        for trial, cost in self.worst.costs(number, value):
            self.hebo.observe(self.trials.pop(trial), numpy.array([[cost]]))


class Ax:
    """BoTorch's models through Ax's client. Ordinals are integers that index the options.

    A parameter of its spaces exists under one value of one choice, in a tree. Where several values or several parents
    allow a parameter, it always has a value, which is dropped while it is inactive.
    """

    def __init__(self, space, seed, evaluations, workers):
        import logging

        import torch
        from ax.api.client import Client
        from ax.utils.common.logger import set_ax_logger_levels

        set_ax_logger_levels(logging.ERROR)
        torch.set_num_threads(1)
        self.space = top_down(space)
        self.client = Client(random_seed=seed)
        self.client.configure_experiment([self.parameter(parameter, space) for parameter in space])
        self.client.configure_optimization("-loss")
        # The rest is the default, in which a sixth worker would wait for results of the first design.
        self.client.configure_generation_strategy(allow_exceeding_initialization_budget=True)
        self.trials = {}

    @staticmethod
    def parameter(parameter, space):
        from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig

        name, d = parameter["name"], parameter["distribution"]
        if d["type"] == "categorical":
            choices = [str(choice) for choice in d["choices"]]
            below = Ax.dependents(parameter, space) or None
            return ChoiceParameterConfig(name, choices, parameter_type="str", dependent_parameters=below)
        if d["type"] == "ordinal":
            return RangeParameterConfig(name, (0, len(d["choices"]) - 1), parameter_type="int")
        return RangeParameterConfig(name, (d["low"], d["high"]), parameter_type=d["type"], scaling=d.get("scale"))

    @staticmethod
    def dependents(parent, space):
        """Returns the names of the parameters that exist under single options of a choice, by option."""
        found = {}
        for parameter in space:
            conditions = parameter.get("conditions", [])
            if len(conditions) == 1 and conditions[0]["parent"] == parent["name"] and len(conditions[0]["in"]) == 1:
                found.setdefault(str(conditions[0]["in"][0]), []).append(parameter["name"])
        return found

    def ask(self, number):
        [(index, values)] = self.client.get_next_trials(max_trials=1).items()
        self.trials[number] = index
        params = {}
        for parameter in self.space:
            if is_active(parameter, params):
                params[parameter["name"]] = Hebo.value(parameter["distribution"], values[parameter["name"]])
        return params

    def tell(self, number, value):
        index = self.trials.pop(number)
        if value is None:
            # Failed trials may be proposed again as they were; these would fail again.
            self.client.mark_trial_abandoned(index)
        else:
            self.client.complete_trial(index, raw_data={"loss": value})


class Hyperopt:
    """The tree of Parzen estimators that others are descended from, over a flat space."""

    def __init__(self, space, seed, evaluations, workers):
        import hyperopt

        self.hyperopt = hyperopt
        self.space = top_down(space)
        flat = {parameter["name"]: self.expression(parameter) for parameter in space}
        self.domain = hyperopt.Domain(lambda params: 0.0, flat, pass_expr_memo_ctrl=False)
        self.history = hyperopt.Trials()
        self.seed = seed
        self.trials = {}

    @staticmethod
    def expression(parameter):
        from hyperopt import hp

        name, d = parameter["name"], parameter["distribution"]
        log = d.get("scale") == "log"
        if d["type"] == "float" and log:
            return hp.loguniform(name, math.log(d["low"]), math.log(d["high"]))
        if d["type"] == "float":
            return hp.uniform(name, d["low"], d["high"])
        if d["type"] == "int" and log:
            return hp.qloguniform(name, math.log(d["low"] - 0.4999), math.log(d["high"] + 0.4999), 1)
        if d["type"] == "int":
            return hp.quniform(name, d["low"] - 0.4999, d["high"] + 0.4999, 1)
        if d["type"] == "ordinal":
            return hp.quniform(name, -0.4999, len(d["choices"]) - 0.5001, 1)
        return hp.choice(name, list(range(len(d["choices"]))))

    def ask(self, number):
        seed = (self.seed * 100_003 + number) % 2**31
        [document] = self.hyperopt.tpe.suggest([number], self.domain, self.history, seed)
        self.history.insert_trial_doc(document)
        self.history.refresh()
        self.trials[number] = document["misc"]["vals"]
        values, params = {name: v[0] for name, v in document["misc"]["vals"].items() if v}, {}
        for parameter in self.space:
            if is_active(parameter, params):
                params[parameter["name"]] = self.value(parameter["distribution"], values[parameter["name"]])
        return params

    @staticmethod
    def value(d, value):
        if d["type"] in ("ordinal", "categorical"):
            return d["choices"][min(max(int(round(value)), 0), len(d["choices"]) - 1)]
        inside = min(max(float(value), d["low"]), d["high"])
        return int(round(inside)) if d["type"] == "int" else inside

    def tell(self, number, value):
        document = next(d for d in self.history._dynamic_trials if d["tid"] == number)
        status = self.hyperopt.STATUS_FAIL if value is None else self.hyperopt.STATUS_OK
        document["state"] = self.hyperopt.JOB_STATE_DONE
        document["result"] = {"status": status} if value is None else {"status": status, "loss": value}
        self.history.refresh()


def plain(value):
    """Returns numpy's scalars as Python's."""
    return value.item() if hasattr(value, "item") else value


def optuna_with(make):
    """Arguments are those of `create`; of several objectives there are two more."""
    return lambda *arguments: (Optuna if len(arguments) == 4 else OptunaObjectives)(*arguments, make)


MAKERS = {
    "optuna-tpe": optuna_with(optuna_tpe),
    "optuna-tpe-group": optuna_with(optuna_tpe_group),
    "optuna-tpe-univariate": optuna_with(optuna_tpe_univariate),
    "optuna-gp": optuna_with(optuna_gp),
    "optuna-nsga2": optuna_with(optuna_nsga2),
    "smac": Smac,
    "hebo": Hebo,
    "ax": Ax,
    "hyperopt": Hyperopt,
    "optuna-hyperband": OptunaHyperband,
    "smac-hyperband": SmacHyperband,
}


def answer(request, make, sampler):
    """Returns the sampler to go on with, and what to say."""
    if "create" in request:
        if hasattr(sampler, "remove"):
            sampler.remove()
        keys = ("create", "seed", "evaluations", "workers", "epochs", "objectives", "constraints")
        return make(*(request[key] for key in keys if key in request)), {}
    before = time.process_time()
    if "ask" in request:
        said = {"params": sampler.ask(request["ask"])}
        if hasattr(sampler, "until"):
            said["until"] = sampler.until(request["ask"])
    elif "report" in request:
        said = {"stop": sampler.report(request["report"], request["epoch"], request["value"])}
    elif "values" in request:
        sampler.tell_all(request["tell"], request["values"], request["violations"])
        said = {}
    else:
        sampler.tell(request["tell"], request["value"])
        said = {}
    return sampler, {**said, "seconds": time.process_time() - before}


def main():
    warnings.simplefilter("ignore")
    # Libraries print; only answers may reach the pipe.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    make, sampler = MAKERS[sys.argv[1]], None
    for line in sys.stdin:
        sampler, said = answer(json.loads(line), make, sampler)
        print(json.dumps(said), file=answers, flush=True)
    if hasattr(sampler, "remove"):
        sampler.remove()


if __name__ == "__main__":
    main()
