"""Optuna's storages with 10,000 trials of 20 reports: time to open and read them all, and their size.

Called by study_costs with a folder; prints rows of its table.
"""

import datetime
import os
import sys
import time

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

TRIALS = 10_000
REPORTS = 20

optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = sys.argv[1]
os.makedirs(folder)


def trial(number):
    now = datetime.datetime.now()
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.COMPLETE,
        value=0.5,
        params={"lr": number / TRIALS},
        distributions={"lr": optuna.distributions.FloatDistribution(0, 1)},
        intermediate_values={step: (number * step % 997) / 997 for step in range(1, REPORTS + 1)},
    )


def measure(name, path, storage):
    study = optuna.create_study(storage=storage(), study_name="s")
    for number in range(TRIALS):
        study.add_trial(trial(number))
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = len(optuna.load_study(storage=storage(), study_name="s").trials)
        times.append(time.perf_counter() - start)
        assert found == TRIALS, found
    size = os.path.getsize(path) / 2**20
    print(f"| Optuna {optuna.__version__}, {name}: opened and read | {min(times):.3f} s | |")
    print(f"| Optuna {optuna.__version__}, {name}: size | {size:.1f} MiB | |")


journal = os.path.join(folder, "journal.log")
measure("journal", journal, lambda: JournalStorage(JournalFileBackend(journal)))
sqlite = os.path.join(folder, "study.db")
measure("SQLite", sqlite, lambda: RDBStorage(f"sqlite:///{sqlite}"))
