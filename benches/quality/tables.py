"""Computes the tables of crates/automl-testkit/tables: validation errors of real models on data that comes with
scikit-learn, for every point of a grid and several splits of the data.

    benches/quality/.venv/main/bin/python benches/quality/tables.py [NAME...]

A table holds its parameters in order, and for each split the errors in row-major order; a parameter that is
inactive counts as its first option, and points that differ only there are null but for the first. Where training
has epochs, an entry is the list of the errors after each.
"""

import itertools
import json
import pathlib
import sys
import warnings

import numpy as np
from sklearn import datasets, model_selection, preprocessing

SPLITS = 5
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "crates/automl-testkit/tables"


def ordinal(name, choices, **conditions):
    return parameter(name, "ordinal", choices, conditions)


def categorical(name, choices, **conditions):
    return parameter(name, "categorical", choices, conditions)


def parameter(name, kind, choices, conditions):
    made = {"name": name, "distribution": {"type": kind, "choices": choices}}
    if conditions:
        made["conditions"] = [{"parent": parent, "in": values} for parent, values in conditions.items()]
    return made


def decades(low, high, count):
    return [float(f"{value:.3g}") for value in np.geomspace(low, high, count)]


def active(parameter, point):
    return all(point[c["parent"]] in c["in"] for c in parameter.get("conditions", []))


def canonical(parameters, point):
    """Tells whether every inactive parameter has its first option."""
    return all(active(p, point) or point[p["name"]] == p["distribution"]["choices"][0] for p in parameters)


def split(data, number, classes=True):
    x, y = data
    return model_selection.train_test_split(
        x, y, test_size=0.33, random_state=number, stratify=y if classes else None
    )


def svm(number):
    """Support vector machines on handwritten digits: each kernel has parameters of its own."""
    from sklearn.svm import SVC

    parameters = [
        categorical("kernel", ["linear", "rbf", "poly", "sigmoid"]),
        ordinal("c", decades(1e-3, 1e3, 9)),
        ordinal("gamma", decades(1e-4, 1e1, 9), kernel=["rbf", "poly", "sigmoid"]),
        ordinal("degree", [2, 3, 4], kernel=["poly"]),
    ]
    x, vx, y, vy = split(datasets.load_digits(return_X_y=True), number)
    scale = preprocessing.StandardScaler().fit(x)
    x, vx = scale.transform(x)[:600], scale.transform(vx)

    def error(point):
        model = SVC(kernel=point["kernel"], C=point["c"], gamma=point["gamma"], degree=point["degree"])
        return 1 - model.fit(x, y[:600]).score(vx, vy)

    return parameters, error


def tree(number):
    """A decision tree on the diagnosis of tumours: noisy, with wide plateaus."""
    from sklearn.tree import DecisionTreeClassifier

    parameters = [
        categorical("criterion", ["gini", "entropy"]),
        ordinal("depth", [1, 2, 3, 4, 6, 8, 12, 20]),
        ordinal("leaf", [1, 2, 4, 8, 16, 32, 64]),
        ordinal("features", [1, 3, 6, 12, 20, 30]),
        categorical("balanced", [False, True]),
    ]
    x, vx, y, vy = split(datasets.load_breast_cancer(return_X_y=True), number)

    def error(point):
        model = DecisionTreeClassifier(
            criterion=point["criterion"],
            max_depth=point["depth"],
            min_samples_leaf=point["leaf"],
            max_features=point["features"],
            class_weight="balanced" if point["balanced"] else None,
            random_state=0,
        )
        return 1 - model.fit(x, y).score(vx, vy)

    return parameters, error


def network(number):
    """The learning curves of small networks on handwritten digits: one error after each of 27 epochs."""
    from sklearn.neural_network import MLPClassifier

    parameters = [
        ordinal("lr", decades(1e-4, 1e-1, 7)),
        ordinal("width", [4, 16, 64]),
        ordinal("batch", [16, 64, 256]),
        ordinal("decay", [1e-6, 1e-2, 1.0]),
        categorical("activation", ["relu", "tanh"]),
    ]
    x, vx, y, vy = split(datasets.load_digits(return_X_y=True), number)
    scale = preprocessing.StandardScaler().fit(x)
    x, vx, y = scale.transform(x)[:600], scale.transform(vx), y[:600]

    def error(point):
        model = MLPClassifier(
            (point["width"],),
            learning_rate_init=point["lr"],
            batch_size=point["batch"],
            alpha=point["decay"],
            activation=point["activation"],
            random_state=number,
        )
        return epochs(model, x, y, vx, vy)

    return parameters, error


def boosting(number):
    """The progress of diabetes, predicted by more and more boosted trees: four a step."""
    from sklearn.ensemble import GradientBoostingRegressor

    parameters = [
        ordinal("lr", decades(3e-3, 1.0, 7)),
        ordinal("depth", [1, 2, 3, 5, 8]),
        ordinal("leaf", [1, 5, 20]),
        ordinal("subsample", [0.3, 0.6, 1.0]),
        categorical("loss", ["squared_error", "huber"]),
    ]
    x, vx, y, vy = split(datasets.load_diabetes(return_X_y=True), number, classes=False)
    variance = np.var(vy)

    def error(point):
        model = GradientBoostingRegressor(
            n_estimators=108,
            learning_rate=point["lr"],
            max_depth=point["depth"],
            min_samples_leaf=point["leaf"],
            subsample=point["subsample"],
            loss=point["loss"],
            random_state=number,
        ).fit(x, y)
        staged = list(model.staged_predict(vx))[3::4]
        return [min(np.mean((prediction - vy) ** 2) / variance, 2.0) for prediction in staged]

    return parameters, error


def linear(number):
    """Linear classifiers of handwritten digits by stochastic gradient descent; rates that fall or do not."""
    from sklearn.linear_model import SGDClassifier

    parameters = [
        categorical("loss", ["hinge", "log_loss", "modified_huber", "perceptron"]),
        ordinal("lr", decades(1e-4, 1e1, 6)),
        categorical("schedule", ["constant", "invscaling"]),
        ordinal("decay", decades(1e-6, 1.0, 4)),
    ]
    x, vx, y, vy = split(datasets.load_digits(return_X_y=True), number)
    scale = preprocessing.StandardScaler().fit(x)
    x, vx, y = scale.transform(x)[:400], scale.transform(vx), y[:400]

    def error(point):
        model = SGDClassifier(
            loss=point["loss"],
            alpha=point["decay"],
            learning_rate=point["schedule"],
            eta0=point["lr"],
            random_state=number,
        )
        return epochs(model, x, y, vx, vy)

    return parameters, error


def momentum(number):
    """Networks on the diagnosis of tumours, by gradient descent with momentum."""
    from sklearn.neural_network import MLPClassifier

    parameters = [
        ordinal("lr", decades(1e-4, 1.0, 7)),
        ordinal("momentum", [0.0, 0.5, 0.9, 0.98]),
        ordinal("width", [2, 8, 32]),
        ordinal("batch", [8, 32, 128]),
    ]
    x, vx, y, vy = split(datasets.load_breast_cancer(return_X_y=True), number)
    scale = preprocessing.StandardScaler().fit(x)
    x, vx = scale.transform(x), scale.transform(vx)

    def error(point):
        model = MLPClassifier(
            (point["width"],),
            solver="sgd",
            learning_rate_init=point["lr"],
            momentum=point["momentum"],
            batch_size=point["batch"],
            random_state=number,
        )
        return epochs(model, x, y, vx, vy)

    return parameters, error


def epochs(model, x, y, vx, vy):
    """Returns the errors after each of 27 passes over the data."""
    curve = []
    for _ in range(27):
        model.partial_fit(x, y, classes=np.unique(y))
        curve.append(1 - model.score(vx, vy))
    return curve


def table(make, splits):
    errors = []
    for number in range(splits):
        parameters, error = make(number)
        names = [p["name"] for p in parameters]
        grid = itertools.product(*(p["distribution"]["choices"] for p in parameters))
        points = [dict(zip(names, values)) for values in grid]
        errors.append([rounded(error(point)) if canonical(parameters, point) else None for point in points])
    return {"parameters": parameters, "errors": errors}


def rounded(error):
    return [rounded(e) for e in error] if isinstance(error, list) else float(f"{error:.4g}")


MAKERS = {
    "svm": (svm, SPLITS),
    "tree": (tree, SPLITS),
    "network": (network, 2),
    "boosting": (boosting, 2),
    "linear": (linear, 2),
    "momentum": (momentum, 2),
}


def main():
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or MAKERS:
        text = json.dumps(table(*MAKERS[name]), separators=(",", ":"))
        (FOLDER / f"{name}.json").write_text(text.replace("],", "],\n") + "\n")


if __name__ == "__main__":
    main()
