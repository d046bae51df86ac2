#!/usr/bin/env python3
"""An ordinary PyTorch training loop: a small network that learns to tell two moons apart.

It prints `epoch=3 val_loss=0.21` after each epoch, keeps a checkpoint, and carries on from one that it is given.
"""

import argparse
import math
import os
from pathlib import Path

import torch
from torch import nn


def moons(count, seed):
    generator = torch.Generator().manual_seed(seed)
    angle = torch.rand(count, generator=generator) * math.pi
    label = torch.randint(0, 2, (count,), generator=generator)
    x = torch.cos(angle) * (1 - 2 * label) + label
    y = torch.sin(angle) * (1 - 2 * label) + 0.5 * label
    points = torch.stack([x, y], dim=1)
    return points + 0.2 * torch.randn(points.shape, generator=generator), label


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--optimizer", choices=["SGD", "Adam"], required=True)
    parser.add_argument("--epochs", type=int, required=True, help="epochs in all, those before a checkpoint included")
    parser.add_argument("--resume", default="", help="checkpoint to carry on from; empty to begin")
    parser.add_argument("--folder", default=os.environ.get("AUTOML_RESULTS_DIR", "."), help="where checkpoints go")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(2, args.width), nn.ReLU(), nn.Linear(args.width, 2))
    optimizer = getattr(torch.optim, args.optimizer)(model.parameters(), lr=args.lr)
    first = 0
    if args.resume:
        state = torch.load(args.resume)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epochs"]
    (points, labels), (val_points, val_labels) = moons(512, 1), moons(256, 2)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(first, args.epochs):
        order = torch.randperm(len(points), generator=torch.Generator().manual_seed(epoch))
        for batch in order.split(32):
            optimizer.zero_grad()
            loss_of(model(points[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            val_loss = loss_of(model(val_points), val_labels).item()
        print(f"epoch={epoch} val_loss={val_loss:.6f}", flush=True)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epoch + 1}
        unfinished = Path(args.folder) / "unfinished.tmp"
        torch.save(state, unfinished)
        unfinished.rename(Path(args.folder) / "checkpoint.pt")


if __name__ == "__main__":
    main()
