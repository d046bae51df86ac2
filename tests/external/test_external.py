"""Searches over the real sleap-nn and DREEM, and over the examples, with the automl of this checkout.

Run by `make test-external`, which sets up the programs. Each search has few and short trials; most of the time goes
into starting the programs.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".external/venv"
AUTOML = Path(os.environ.get("AUTOML", ROOT / "target/release/automl")).resolve()
# One start of a program takes half a minute of one core, of which a machine at work may have little to give.
LONGEST_TRIAL_S = 3600
SLEAP = [
    "run", "--network", "sleap_nn", "--params", "trainer_config.optimizer.lr,trainer_config.train_data_loader.batch_size",
    "--bound", "trainer_config.train_data_loader.batch_size=1|2|4", "--bound", "trainer_config.optimizer.lr=1e-4..1e-2:log",
    "--set", "trainer_config.min_train_steps_per_epoch=1", "--set", "model_config.backbone_config.unet.filters=8",
    "--set", "model_config.backbone_config.unet.max_stride=8",
    "--set", "model_config.head_configs.single_instance.confmaps.output_stride=2",
]  # fmt: skip
DREEM = [
    "run", "--network", "dreem", "--params", "optimizer.lr,model.dropout", "--bound", "optimizer.lr=1e-4..1e-2:log",
    "--set", "model.d_model=32", "--set", "model.encoder_cfg.model_name=resnet10t", "--set", "early_stopping=null",
    *[word for split in ("train", "val") for word in (
        "--set", f"dataset.{split}_dataset.crop_size=32", "--set", f"dataset.{split}_dataset.clip_length=4",
        "--set", f"dataset.{split}_dataset.anchors=thorax")],
]  # fmt: skip


def environment():
    path = f"{VENV / 'bin'}:{os.environ['PATH']}"
    libraries = str(VENV / "stubs")
    return {**os.environ, "PATH": path, "LD_LIBRARY_PATH": libraries, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


class Searches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sample = Path(tempfile.mkdtemp(prefix="automl-sample-"))
        script = ROOT / "examples/animal_sample/make_sample.py"
        subprocess.run([VENV / "bin/python", script, cls.sample], env=environment(), check=True, capture_output=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.sample)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="automl-external-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def command(self, *arguments):
        return [str(AUTOML), *map(str, arguments), "--root", str(self.folder / "studies")]

    def automl(self, *arguments, code=0):
        ran = subprocess.run(
            self.command(*arguments), env=environment(), cwd=self.folder, capture_output=True, text=True, check=False
        )
        self.assertEqual(ran.returncode, code, ran.stderr)
        return ran

    def start(self, command, variables):
        return subprocess.Popen(
            command, env=variables, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def assert_done(self, search):
        _, told = search.communicate()
        self.assertEqual(search.returncode, 0, told)

    def trials(self, study):
        text = self.automl("trials", study, "--json").stdout
        return [json.loads(line) for line in text.splitlines()]

    def data(self, kind):
        return ["--train-dataset", self.sample / kind / "train", "--eval-dataset", self.sample / kind / "val"]

    def report(self, study, started):
        best = json.loads(self.automl("best", study, "--json").stdout)
        trials = self.trials(study)
        print(f"\n{study}: {len(trials)} trials in {time.monotonic() - started:.0f} s")
        print(f"  first {trials[0]['value']:.5g} with {trials[0]['params']}, to {trials[0]['fidelity']}")
        print(f"  best  {best['value']:.5g} with {best['params']}, to {best['fidelity']}", flush=True)
        return best

    def search(self, arguments, *more):
        """A search whose engine is killed while the second trial runs: the trial goes on, the next engine takes it over."""
        started = time.monotonic()
        options = ["--algorithm", "bayesian", "--gpus", "none", "--parallel", "2", "--name", "s"]
        command = self.command(*arguments, *more, *options)
        engine = subprocess.Popen(
            command, env=environment(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + LONGEST_TRIAL_S
        while not any((self.folder / "studies/s/trials").glob("00002/attempt-1/stdout.log")):
            self.assertLess(time.monotonic(), deadline, "no second trial")
            self.assertIsNone(engine.poll(), "the engine ended early")
            time.sleep(0.2)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        self.automl("resume", "s")
        best, trials = self.report("s", started), self.trials("s")
        self.assertEqual([trial["state"] for trial in trials], ["complete"] * 6)
        self.assertEqual([trial["attempts"] for trial in trials], [1] * 6, "the running trial was adopted")
        self.assertLessEqual(best["value"], trials[0]["value"])
        self.assertIn("6 suggestions derived again, all the same", self.automl("replay", "s").stdout)

    def hyperband(self, arguments, *more):
        """The best trial of a rung goes on from its own checkpoint. Returns its folder."""
        started = time.monotonic()
        self.automl(
            *arguments, *more, "--algorithm", "hyperband", "--gpus", "none", "--parallel", "2", "--name", "s",
            "--max-fidelity", "3", "--min-fidelity", "1", "--eta", "3",
        )  # fmt: skip
        self.report("s", started)
        further = [trial for trial in self.trials("s") if trial["attempts"] > 1]
        self.assertEqual([(trial["fidelity"], trial["attempts"], trial["state"]) for trial in further], [(3, 2, "complete")])
        self.assertIn("promot", self.automl("explain", f"s/{further[0]['trial']}").stdout)
        return self.folder / f"studies/s/trials/{further[0]['trial']:05}"

    def test_sleap_nn(self):
        self.search(SLEAP, *self.data("single"), "--trials", "6", "--max-fidelity", "4")

    def test_sleap_nn_is_promoted_by_hyperband_and_carries_on(self):
        results = self.hyperband(SLEAP, *self.data("single")) / "results"
        epochs = [
            [row.split(",")[0] for row in (results / f"attempt-{n}/training_log.csv").read_text().splitlines()[1:]]
            for n in (1, 2)
        ]
        self.assertEqual(epochs, [["0"], ["1", "2"]], "the second attempt begins where the first one ended")

    def test_sleap_nn_trains_every_head(self):
        searches = {}
        for head in ("centroid", "centered_instance", "bottomup", "multi_class_bottomup", "multi_class_topdown"):
            stride = [] if head != "bottomup" else ["--set", "model_config.head_configs.bottomup.pafs.output_stride=4"]
            crop = ["--set", "data_config.preprocessing.crop_size=32"] if "centered" in head or "topdown" in head else []
            arguments = [word.replace(".single_instance.", f".{head}.") for word in SLEAP]
            command = self.command(
                *arguments, *self.data("pair"), "--set", f"model_config.head_configs={head}", *stride, *crop,
                "--trials", "1", "--max-fidelity", "1", "--gpus", "none", "--name", head.replace("_", "-"),
            )  # fmt: skip
            searches[head] = self.start(command, environment())
        for head, search in searches.items():
            with self.subTest(head):
                self.assert_done(search)

    def test_dreem(self):
        self.search(DREEM, *self.data("tracks"), "--trials", "6", "--max-fidelity", "3")

    def test_dreem_is_promoted_by_hyperband_and_carries_on(self):
        trial = self.hyperband(DREEM, *self.data("tracks"))
        logs = [(trial / f"attempt-{n}/stdout.log").read_text().splitlines() for n in (1, 2)]
        lines = [[json.loads(line) for line in log if line.startswith("{")] for log in logs]
        epochs = [[line["epoch"] for line in log if line["event"] == "epoch"] for log in lines]
        self.assertEqual(epochs, [[0], [1, 2]], "the second attempt begins where the first one ended")

    def test_examples(self):
        searches, started = {}, time.monotonic()
        for name in ("scikit_learn", "lightgbm", "pytorch_loop"):
            command = [
                "sh", ROOT / "examples" / name / "search.sh",
                "--name", name, "--root", self.folder / "studies", "--gpus", "none", "--parallel", "2",
            ]  # fmt: skip
            searches[name] = self.start(command, {**environment(), "AUTOML": str(AUTOML)})
        for name, search in searches.items():
            with self.subTest(name):
                self.assert_done(search)
                self.report(name, started)


if __name__ == "__main__":
    unittest.main()
