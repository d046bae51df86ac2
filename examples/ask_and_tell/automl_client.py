"""A client of `automl serve --stdio`. Needs nothing but Python and the `automl` binary.

    with Automl() as automl:
        study = automl.create(space=[{"name": "x", "type": "float", "low": -5, "high": 5}], minimize="loss")
        for trial in study.trials(count=30):
            study.tell(trial, (trial["params"]["x"] - 1) ** 2)
        print(study.best())

docs/service.md names every method and field; `call` takes them as they are.
"""

import json
import math
import subprocess


class Refused(Exception):
    """What the service does not do, and why. `code` and `data` are as docs/service.md has them."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code, self.data = error["code"], error["data"]


class Automl:
    """One served process. What it has answered is on the disk, whatever becomes of it."""

    def __init__(self, binary="automl", root=None):
        folder = [] if root is None else ["--root", str(root)]
        command = [str(binary), *folder, "serve", "--stdio"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.calls = 0

    def call(self, method, **params):
        """Calls a method; returns its result, or raises `Refused`."""
        self.calls += 1
        given = {name: plain(value) for name, value in params.items() if value is not None}
        message = json.dumps({"id": self.calls, "method": method, "params": given}, allow_nan=False)
        self.process.stdin.write(message + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise ConnectionError(f"automl has ended with code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def create(self, space, minimize=None, maximize=None, **more):
        """Begins a study, or goes on with the stored one of that `name`."""
        goals = [(names, direction) for names, direction in ((minimize, "minimize"), (maximize, "maximize")) if names]
        objectives = [{"name": name, "direction": direction} for names, direction in goals
                      for name in ([names] if isinstance(names, str) else names)]
        return Study(self, self.call("create", space=space, objectives=objectives, **more)["study"])

    def close(self):
        """Ends the process in order."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Study:
    """A study by its name; several may be open at a time."""

    def __init__(self, automl, name):
        self.automl, self.name = automl, name
        self.is_done = False

    def call(self, method, **params):
        return self.automl.call(method, study=self.name, **params)

    def ask(self, worker=None):
        """Returns a trial to be run: `trial`, `params` and, with rungs, `fidelity`. `None` when others have to be told
        first, or, where `is_done` is true from then on, when there is nothing left to do."""
        answer = self.call("ask", count=1, worker=worker)
        self.is_done = answer.get("done", False)
        return answer["trials"][0] if "trials" in answer else None

    def trials(self, count=None, worker=None):
        """Asks again and again, at most `count` times, until nothing is left."""
        while count is None or count > 0:
            trial = self.ask(worker)
            if trial is None:
                return
            yield trial
            count = count and count - 1

    def tell(self, trial, value=None, **more):
        """Tells how a trial ended: a number, a list of them with several objectives, or `state="failed"`."""
        several = isinstance(value, (list, tuple, dict))
        given = {"values" if several else "value": value}
        self.call("tell", trial=trial["trial"], fidelity=trial.get("fidelity"), **given, **more)

    def report(self, trial, step, value):
        """Tells how a trial is doing; returns `continue`, `stop` or `pause`."""
        return self.call("report", trial=trial["trial"], step=step, value=value)["decision"]

    def best(self):
        return self.call("best")


def plain(value):
    """A value as JSON has it: NaN and infinities are texts."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
