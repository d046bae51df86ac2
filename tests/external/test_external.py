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
SLEAP = [
    "run", "--network", "sleap_nn", "--params", "trainer_config.optimizer.lr,trainer_config.train_data_loader.batch_size",
    "--bound", "trainer_config.train_data_loader.batch_size=2|4", "--bound", "trainer_config.optimizer.lr=1e-4..1e-2:log",
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

    def trials(self, study):
        text = self.automl("trials", study, "--json").stdout
        return [json.loads(line) for line in text.splitlines()]

    def data(self, kind):
        return ["--train-dataset", self.sample / kind / "train", "--eval-dataset", self.sample / kind / "val"]

    def report(self, study, started):
        best = json.loads(self.automl("best", study, "--json").stdout)
        trials = self.trials(study)
        values = [(trial["value"], trial["params"]) for trial in trials]
        print(f"\n{study}: {len(trials)} trials in {time.monotonic() - started:.0f} s")
        print(f"  default {values[0][0]:.5g}, best {best['value']:.5g} with {best['params']}")
        return best

    def search(self, arguments, *more):
        started = time.monotonic()
        self.automl(*arguments, *more, "--gpus", "none", "--parallel", "1", "--name", "s")
        best = self.report("s", started)
        self.assertLessEqual(best["value"], self.trials("s")[0]["value"])

    def killed_and_resumed(self, arguments, *more):
        """Kills the engine while a trial runs; the trial goes on, and the next engine takes it over."""
        command = self.command(*arguments, *more, "--gpus", "none", "--parallel", "1", "--name", "s")
        engine = subprocess.Popen(
            command, env=environment(), cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 600
        while not any((self.folder / "studies/s/trials").glob("00002/attempt-1/stdout.log")):
            self.assertLess(time.monotonic(), deadline, "no second trial")
            self.assertIsNone(engine.poll(), "the engine ended early")
            time.sleep(0.2)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        self.automl("resume", "s")
        trials = self.trials("s")
        self.assertEqual([trial["state"] for trial in trials], ["complete"] * len(trials))
        self.assertEqual([trial["attempts"] for trial in trials], [1] * len(trials), "the running trial was adopted")

    def promoted(self, arguments, *more):
        """Successive halving: the best trial of a rung goes on from its own checkpoint."""
        self.automl(
            *arguments, *more, "--algorithm", "sh", "--gpus", "none", "--parallel", "1", "--name", "s", "--trials", "3",
            "--max-fidelity", "3", "--min-fidelity", "1", "--eta", "3",
        )  # fmt: skip
        further = [trial for trial in self.trials("s") if trial["attempts"] > 1]
        self.assertEqual([trial["fidelity"] for trial in further], [3])
        return further[0]["trial"]

    def test_sleap_nn(self):
        self.search(SLEAP, *self.data("single"), "--trials", "6", "--max-fidelity", "4")

    def test_sleap_nn_survives_a_killed_engine(self):
        self.killed_and_resumed(SLEAP, *self.data("single"), "--trials", "2", "--max-fidelity", "2")

    def test_sleap_nn_carries_on_from_its_checkpoint(self):
        trial = self.promoted(SLEAP, *self.data("single"))
        results = self.folder / f"studies/s/trials/{trial:05}/results"
        first = [(results / f"attempt-{n}/training_log.csv").read_text().splitlines()[1].split(",")[0] for n in (1, 2)]
        self.assertEqual(first, ["0", "1"], "the second attempt begins where the first one ended")

    def test_sleap_nn_trains_every_head(self):
        for head in ("centroid", "centered_instance", "bottomup", "multi_class_bottomup", "multi_class_topdown"):
            with self.subTest(head):
                stride = [] if head != "bottomup" else ["--set", "model_config.head_configs.bottomup.pafs.output_stride=4"]
                crop = ["--set", "data_config.preprocessing.crop_size=32"] if "centered" in head or "topdown" in head else []
                arguments = [word.replace(".single_instance.", f".{head}.") for word in SLEAP]
                self.automl(
                    *arguments, *self.data("pair"), "--set", f"model_config.head_configs={head}", *stride, *crop,
                    "--trials", "1", "--max-fidelity", "1", "--gpus", "none", "--name", head.replace("_", "-"),
                )  # fmt: skip

    def test_dreem(self):
        self.search(DREEM, *self.data("tracks"), "--trials", "6", "--max-fidelity", "3")

    def test_dreem_survives_a_killed_engine(self):
        self.killed_and_resumed(DREEM, *self.data("tracks"), "--trials", "2", "--max-fidelity", "2")

    def test_dreem_carries_on_from_its_checkpoint(self):
        trial = self.promoted(DREEM, *self.data("tracks"))
        second = self.folder / f"studies/s/trials/{trial:05}/attempt-2/stdout.log"
        epochs = [json.loads(line).get("epoch") for line in second.read_text().splitlines() if line.startswith("{")]
        self.assertEqual(epochs[:2], [1, 2])

    def test_examples(self):
        for name in ("scikit_learn", "lightgbm", "pytorch_loop"):
            with self.subTest(name):
                started = time.monotonic()
                script = ROOT / "examples" / name / "search.sh"
                options = ["--name", name, "--root", self.folder / "studies", "--gpus", "none"]
                ran = subprocess.run(
                    ["sh", script, *options],
                    env={**environment(), "AUTOML": str(AUTOML)},
                    cwd=self.folder,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.report(name, started)


if __name__ == "__main__":
    unittest.main()
