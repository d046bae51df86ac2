#!/usr/bin/env python3
"""One training of DREEM from one whole YAML file, through DREEM's own classes.

`dreem train` cannot be searched over as it is: its flags' defaults overwrite ten keys of the file (the learning
rate and the number of epochs among them), it has no seed, and its `model.ckpt_path` starts a new training from
old weights instead of carrying one on. This script gives the file the last word, seeds every generator, and
carries on exactly.

  dreem_trial.py --config FILE [--resume CHECKPOINT] [--resume-point FILE] [--seed N]

It prints one line of JSON for each epoch and a last one, {"event": "done", ...}. Exit code 0: the training came
to its end (or was ended by early stopping) with a finite loss; 3: the loss was not finite; 4: nothing was trained.
"""

import argparse
import json
import logging
import math
import os
import random
import shutil
import sys
from pathlib import Path

MARK = "AUTOML_DREEM_INTERPRETER"
# What the file says takes the place of the defaults; merged, the keys of another class would stay.
REPLACED = ("optimizer", "scheduler", "early_stopping", "dataset.train_dataset.augmentations")
# Here null stands for the program's own default.
PRUNED = ("dataset.train_dataset", "dataset.val_dataset", "early_stopping", "trainer")


def use_interpreter_of_dreem():
    """Goes on with the interpreter of the `dreem` on the PATH, where it is another one."""
    program = shutil.which("dreem")
    if program is None or os.environ.get(MARK):
        return
    with open(program, "rb") as script:
        first = script.readline().decode(errors="replace").strip()
    interpreter = first[2:].split(" ")[0] if first.startswith("#!") else ""
    own = os.path.dirname(os.path.abspath(sys.executable))
    if os.access(interpreter, os.X_OK) and os.path.dirname(os.path.abspath(interpreter)) != own:
        os.execve(interpreter, [interpreter, *sys.argv], {**os.environ, MARK: interpreter})


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--resume", default="", help="checkpoint to carry on from; empty for a new training")
    parser.add_argument("--resume-point", default="resume.ckpt", help="file that the next attempt carries on from")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def load_config(path):
    """Lays the file over DREEM's defaults."""
    import dreem
    from omegaconf import OmegaConf

    defaults = OmegaConf.load(Path(dreem.__file__).parent / "configs/defaults/train.yaml")
    given = OmegaConf.load(path)
    for key in REPLACED:
        if OmegaConf.select(given, key, default="absent") != "absent":
            OmegaConf.update(defaults, key, None, force_add=True)
    merged = OmegaConf.to_container(OmegaConf.merge(defaults, given))
    for key in PRUNED:
        section = merged
        for part in key.split("."):
            section = (section or {}).get(part)
        for name in [name for name, value in (section or {}).items() if value is None and name != "augmentations"]:
            del section[name]
    return OmegaConf.create(merged)


def seed_everything(seed):
    import numpy
    import pytorch_lightning as pl

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    pl.seed_everything(seed, workers=True)


def callbacks_of(config, resume_point):
    import pytorch_lightning as pl

    class Report(pl.Callback):
        """Prints the metrics of each epoch and keeps one exact point to carry on from."""

        def on_validation_end(self, trainer, module):
            if trainer.sanity_checking:
                return
            values = {name: float(value) for name, value in trainer.callback_metrics.items()}
            line = {"event": "epoch", "epoch": trainer.current_epoch, "step": trainer.global_step}
            line.update((name, value if math.isfinite(value) else "nan") for name, value in values.items())
            print(json.dumps(line), flush=True)
            unfinished = f"{resume_point}.tmp"
            trainer.save_checkpoint(unfinished)
            os.replace(unfinished, resume_point)

    checkpointers = config.get_checkpointing()
    stopping = config.get_early_stopping()
    return [*checkpointers, *([stopping] if stopping else []), pl.callbacks.LearningRateMonitor(), Report()]


def train(args):
    import pytorch_lightning as pl
    import torch
    from dreem.datasets import TrackingDataset
    from dreem.io import Config

    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    seed_everything(args.seed)
    torch.set_float32_matmul_precision("medium")
    config = Config(load_config(args.config))
    training, validation = config.get_dataset("train"), config.get_dataset("val")
    if getattr(training, "augmentations", None) is not None:
        training.augmentations.set_random_seed(args.seed)  # albumentations keeps a generator of its own
    data = TrackingDataset(
        train_dl=config.get_dataloader(training, "train"), val_dl=config.get_dataloader(validation, "val")
    )
    model = config.get_gtr_runner()
    trainer = config.get_trainer(callbacks_of(config, args.resume_point), config.get_logger())
    trainer.fit(model, data, ckpt_path=args.resume or None, weights_only=False)
    return trainer


def main():
    args = arguments()
    use_interpreter_of_dreem()
    trainer = train(args)
    if trainer.interrupted or trainer.received_sigterm:
        print(json.dumps({"event": "interrupted", "epochs": trainer.current_epoch}), flush=True)
        sys.exit(143)
    if "val_loss" not in trainer.callback_metrics:
        print("nothing was trained: the data give no batch", file=sys.stderr)
        sys.exit(4)
    loss = float(trainer.callback_metrics["val_loss"])
    finite = math.isfinite(loss)
    print(json.dumps({"event": "done", "epochs": trainer.current_epoch, "val_loss": loss if finite else "nan"}), flush=True)
    sys.exit(0 if finite else 3)


if __name__ == "__main__":
    main()
