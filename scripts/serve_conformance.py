#!/usr/bin/env python3
"""Talks to `automl serve --stdio` as a program in another language would, and checks every answer.

    python3 scripts/serve_conformance.py target/debug/automl

Needs nothing but Python. Works in a temporary folder; exit code 0 means that everything held.
"""

import json
import math
import subprocess
import sys
import tempfile


class Service:
    """One served process; calls are methods, errors are exceptions."""

    def __init__(self, binary, folder):
        command = [binary, "serve", "--stdio", "--root", folder]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.calls = 0

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def call(self, method, **params):
        self.calls += 1
        answer = self.send(json.dumps({"id": self.calls, "method": method, "params": params}))
        assert answer["id"] == self.calls, answer
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.process.stdin.close()
        return self.process.wait(timeout=30)


class Refused(Exception):
    """An error answer."""

    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]


def refused(code, call, *words):
    """Asserts that a call is refused with a code and with words in its message."""
    try:
        result = call()
    except Refused as error:
        assert error.code == code, (code, error.code, str(error))
        assert all(word in str(error) for word in words), (words, str(error))
        return
    raise AssertionError(f"not refused: {result}")


SPACE = [
    {"name": "learner", "type": "categorical", "choices": ["svm", "forest"]},
    {"name": "c", "type": "float", "low": 1e-3, "high": 1e3, "scale": "log",
     "condition": [{"parent": "learner", "in": ["svm"]}]},
    {"name": "depth", "type": "int", "low": 1, "high": 32,
     "condition": [{"parent": "learner", "in": ["forest"]}]},
]
LOSS = {"name": "loss", "direction": "minimize"}


def loss(params):
    if params["learner"] == "svm":
        assert "depth" not in params, params
        return abs(math.log10(params["c"]))
    assert "c" not in params and isinstance(params["depth"], int), params
    return 0.5 + abs(params["depth"] - 8) / 32


def sequential(service):
    """A whole search, one trial at a time, over a conditional space."""
    service.call("create", name="plain", space=SPACE, objective=LOSS, max_trials=15, seed=4, store=False)
    values = []
    while True:
        asked = service.call("ask")
        if asked.get("done"):
            break
        values.append(loss(asked["params"]))
        assert service.call("tell", trial=asked["trial"], state="complete", value=values[-1]) == {}
    assert len(values) == 15, len(values)
    assert service.call("best")["value"] == min(values), "full precision"
    assert [t["value"] for t in service.call("trials")["trials"]] == values
    refused(-32003, lambda: service.call("tell", trial=2, value=0), "trial 2", "complete with loss")
    service.call("close")


def rungs(service):
    """Hyperband by reports: every trial ends at its fidelity, and someone reaches the largest."""
    fidelity = {"name": "epoch", "min": 1, "max": 9, "eta": 3}
    service.call("create", name="rungs", space=SPACE, objective=LOSS, algorithm="hyperband", fidelity=fidelity,
                 max_trials=9, store=False)
    reached = {}
    while True:
        asked = service.call("ask")
        if asked.get("done"):
            break
        assert asked.get("resume_from") == reached.get(asked["trial"]), (asked, reached)
        for step in range(reached.get(asked["trial"], 0) + 1, asked["fidelity"] + 1):
            value = loss(asked["params"]) + 1 / step
            decision = service.call("report", trial=asked["trial"], step=step, value=value)["decision"]
            assert decision == ("pause" if step == asked["fidelity"] < 9 else "continue"), (step, decision)
        reached[asked["trial"]] = asked["fidelity"]
        if asked["fidelity"] == 9:
            service.call("tell", trial=asked["trial"], state="complete", value=value)
    assert max(reached.values()) == 9 and len(reached) == 9, reached
    service.call("close")


def odd_values(service):
    """NaN and infinities, failures, infeasible and stopped trials, own configurations, several objectives."""
    service.call("create", name="odd", space=SPACE, objectives=[LOSS, {"name": "size", "direction": "min"}],
                 constraints=["heat"], store=False)
    own = {"learner": "svm", "c": 1}
    assert service.call("enqueue", params=own) == {"queued": 1}
    asked = service.call("ask", count=5)["trials"]
    assert asked[0]["params"] == own, asked[0]
    service.call("tell", trial=1, state="complete", values=["NaN", 1], constraints=[0])
    service.call("tell", trial=2, state="failed", reason="burnt")
    service.call("tell", trial=3, state="infeasible")
    service.call("tell", trial=4, state="stopped")
    service.call("tell", trial=5, values={"loss": 1, "size": 2}, constraints={"heat": -1})
    states = [trial["state"] for trial in service.call("trials")["trials"]]
    assert states == ["failed", "failed", "infeasible", "stopped", "complete"], states
    added = service.call("add", params={"learner": "forest", "depth": 3}, values=[0.5, 9], constraints=[-2])
    assert added == {"trial": 6}, added
    assert [point["trial"] for point in service.call("best")["pareto"]] == [5, 6]
    refused(-32602, lambda: service.call("ask", cuont=1), "unknown field `cuont`")
    refused(-32602, lambda: service.call("tell", trial=7, value="high"), "`value` must be a number")
    assert service.send('{"id": 1, "method": "tell", "params": {"value": NaN}}')["error"]["code"] == -32700
    service.call("close")


def killed(binary, folder):
    """Kills the service after each ask and each tell; the search is the one that was never killed."""
    def request(name):
        return {"name": name, "space": SPACE, "objective": LOSS, "seed": 9, "max_trials": 5}

    straight, service = [], Service(binary, folder)
    service.call("create", **request("straight"))
    for _ in range(5):
        asked = service.call("ask", worker="w")
        service.call("tell", trial=asked["trial"], value=loss(asked["params"]))
        straight.append(asked)
    assert service.end() == 0
    for expected in straight:
        for _ in range(2):
            service = Service(binary, folder)
            service.call("create", **request("killed"))
            assert service.call("ask", worker="w") == expected, expected
            service.kill()
        service = Service(binary, folder)
        service.call("create", **request("killed"))
        service.call("tell", trial=expected["trial"], value=loss(expected["params"]))
        service.kill()


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        service = Service(binary, folder)
        sequential(service)
        rungs(service)
        odd_values(service)
        assert service.end() == 0
        killed(binary, folder)
    print("everything held")


if __name__ == "__main__":
    main()
