#!/usr/bin/env python3
"""Draws small films of animals and labels them, for sleap-nn and DREEM.

An animal is three bright spots (head, thorax, tail) that goes round in a circle on a dark, noisy ground and turns
as it goes. Everything follows from fixed seeds. Needs numpy, imageio with ffmpeg, and sleap-io, which both programs
bring along: run it with their interpreter.

  make_sample.py FOLDER

  FOLDER/single/{train,val}/labels.pkg.slp    one animal a frame, frames inside the file (head single_instance)
  FOLDER/pair/{train,val}/labels.pkg.slp      two animals with tracks (the other heads)
  FOLDER/tracks/{train,val}/film.{mp4,slp}    two animals with tracks, the film beside the labels (DREEM)
"""

import sys
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import sleap_io as sio

SIDE = 64  # pixels
SPOTS = {"head": 220, "thorax": 160, "tail": 110}  # brightness of each key point
SPOT_WIDTH = 2.0  # standard deviation in pixels
STEP = 0.23  # angle from frame to frame on the circle
TURN = 0.31  # angle from frame to frame about its own middle


def body(frame, animal, animals):
    """Returns the key points of an animal in a frame, always inside the picture."""
    radius = SIDE * (0.18 if animals == 1 else 0.28)
    place = 2 * np.pi * animal / animals + STEP * frame
    middle = SIDE / 2 + radius * np.array([np.cos(place), np.sin(place)])
    turn = TURN * frame + animal
    half = SIDE * 0.1 * np.array([np.cos(turn), np.sin(turn)])
    return np.stack([middle + half, middle, middle - half])


def picture(bodies, rng):
    """Returns a grey picture of the animals on noise."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    grey = rng.normal(20, 3, (SIDE, SIDE))
    for points in bodies:
        for brightness, (x, y) in zip(SPOTS.values(), points):
            grey += brightness * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * SPOT_WIDTH**2))
    return np.clip(grey, 0, 255).astype(np.uint8)


def film(folder, frames, animals, seed, embed):
    """Writes a film and its labels; with `embed` the frames lie in the labels' file."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    bodies = [[body(7 * seed + frame, k, animals) for k in range(animals)] for frame in range(frames)]
    pictures = [np.repeat(picture(points, rng)[..., None], 3, axis=-1) for points in bodies]
    path = folder / "film.mp4"
    imageio.mimsave(path, pictures, fps=10, codec="libx264", quality=9, macro_block_size=2)
    video = sio.load_video(path.as_posix())
    skeleton = sio.Skeleton(nodes=list(SPOTS), edges=[("head", "thorax"), ("thorax", "tail")], name="worm")
    tracks = [sio.Track(f"animal{k}") if animals > 1 else None for k in range(animals)]
    labelled = []
    for frame, points in enumerate(bodies):
        animals_there = [
            sio.Instance.from_numpy(p, skeleton=skeleton, track=track) for p, track in zip(points, tracks)
        ]
        labelled.append(sio.LabeledFrame(video=video, frame_idx=frame, instances=animals_there))
    name = "labels.pkg.slp" if embed else "film.slp"
    sio.Labels(labelled).save((folder / name).as_posix(), embed="user" if embed else False)
    if embed:
        path.unlink()


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    # Labels name their film by its path, so that has to be whole.
    out = Path(sys.argv[1]).resolve()
    film(out / "single/train", 12, 1, 1, embed=True)
    film(out / "single/val", 4, 1, 2, embed=True)
    film(out / "pair/train", 12, 2, 3, embed=True)
    film(out / "pair/val", 4, 2, 4, embed=True)
    film(out / "tracks/train", 12, 2, 5, embed=False)
    film(out / "tracks/val", 12, 2, 6, embed=False)
    size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    print(f"{out}: {size // 1024} KiB")


if __name__ == "__main__":
    main()
