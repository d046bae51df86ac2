#!/usr/bin/env python3
"""Renders short clips of moving Fashion-MNIST garments, with their optical flow.

A clip shows one garment on a textured background. It rises, falls, grows or shrinks while it drifts
and turns a little; what it does is the class. No single frame tells it: played backwards, a clip
belongs to another class. Beside the frames lies the optical flow, computed from the frames.

Needs Python 3.8 or later and its standard library. The same arguments give the same pictures: each
clip has a random stream of its own, named by seed, split, class and number, so a larger set begins
with the clips of a smaller one.
"""

import argparse
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "mal_sample"))  # garments, colours and PNG are those of `mal`

import tiny_png  # noqa: E402
from flow import brightness, flow  # noqa: E402
from garments import CATEGORIES, DEBIAN_FOLDER, SIDE, Wardrobe, pick, uniform  # noqa: E402
from generate import at_least, blend, clip, draw_background, draw_tint, sample  # noqa: E402

SPLITS = {
    "train": {"prefix": "train", "intent": "training"},
    "test": {"prefix": "t10k", "intent": "evaluation"},
}

# What the garment does in the whole clip: steps down (shares of the picture) and growth (a factor).
CLASSES = {
    "fall": {"down": (0.28, 0.45), "growth": (1.0, 1.0)},
    "grow": {"down": (0.0, 0.0), "growth": (1.45, 1.8)},
    "rise": {"down": (-0.45, -0.28), "growth": (1.0, 1.0)},
    "shrink": {"down": (0.0, 0.0), "growth": (1 / 1.8, 1 / 1.45)},
}

WIDTH = (0.42, 0.6)  # garment's width in the middle of the clip, as a share of the picture
DRIFT = 0.08  # largest motion to one side that says nothing, as a share of the picture
PLACE = 0.1  # largest distance of the middle of the path from the centre, as a share of the picture
TURN = 0.12  # largest turn to either side in the middle of the clip, tangent of half the angle
DARKEST_SHADE = 0.6  # brightness of a garment's black parts, as a share of its tint
COLOUR_STEP = 15  # colours are rounded to multiples of this, of 255, so that the files stay small
FLOW_FULL = 4.0  # motion in pixels a frame that is stored as 0 or 255; 128 is none
FLOW_STEP = 4  # stored motion is rounded to multiples of this


class Motion(NamedTuple):
    """Where a garment is at the share `at` (0-1) of a clip."""

    centre: tuple  # x and y in the middle of the clip, in pixels
    step: tuple  # motion in x and y during the whole clip, in pixels
    scale: float  # picture pixels for one garment pixel in the middle of the clip
    growth: float  # factor of the scale during the whole clip
    turn: float  # tangent of half the angle; the garment turns through it from -turn to turn

    def place(self, at):
        """Centre and scale; growth by equal steps, which looks even enough over so few frames."""
        x, y = (c + (at - 0.5) * s for c, s in zip(self.centre, self.step))
        low, high = 2 / (1 + self.growth), 2 * self.growth / (1 + self.growth)
        return x, y, self.scale * (low + (high - low) * at), self.turn * (2 * at - 1)


def draw_motion(rng, name, size):
    """A random motion of the class `name` in a picture of `size` pixels."""
    kind = CLASSES[name]
    down, growth = uniform(rng, kind["down"]), uniform(rng, kind["growth"])
    centre = tuple(size * (0.5 + uniform(rng, (-PLACE, PLACE))) for _ in range(2))
    step = (size * uniform(rng, (-DRIFT, DRIFT)), size * (down + uniform(rng, (-DRIFT, DRIFT))))
    return Motion(
        centre, step, size * uniform(rng, WIDTH) / SIDE, growth, uniform(rng, (-TURN, TURN))
    )


def draw_frame(background, garment, tint, motion, at):
    """The rows of RGB bytes of the picture at the share `at` of the clip."""
    x, y, scale, turn = motion.place(at)
    # Cosine and sine of twice the angle whose tangent is `turn`, by exact arithmetic alone.
    cosine = (1 - turn * turn) / (1 + turn * turn) / scale
    sine = 2 * turn / (1 + turn * turn) / scale
    middle = (SIDE - 1) / 2
    rows = []
    for py, row in enumerate(background):
        line = bytearray()
        for px, below in enumerate(row):
            dx, dy = px - x, py - y
            place = middle + cosine * dx + sine * dy, middle + cosine * dy - sine * dx
            alpha = clip((sample(garment.solid, *place) - 0.3) / 0.4)
            colour = below
            if alpha > 0:
                shade = DARKEST_SHADE + (1 - DARKEST_SHADE) * sample(garment.grey, *place)
                colour = blend(below, [c * shade for c in tint], alpha)
            steps = 255 / COLOUR_STEP
            line.extend(int(clip(c) * steps + 0.5) * COLOUR_STEP for c in colour)
        rows.append(bytes(line))
    return rows


def draw_clip(rng, wardrobe, name, frames, size):
    """The pictures of one clip, one more than `frames`: flow needs a successor for each."""
    background, colours = draw_background(rng, size)
    garment = wardrobe.draw(rng, pick(rng, list(CATEGORIES)))
    tint, motion = draw_tint(rng, colours), draw_motion(rng, name, size)
    return [draw_frame(background, garment, tint, motion, at / frames) for at in range(frames + 1)]


def stored(values):
    """Rows of motion in pixels as grey bytes: 128 is none, 0 and 255 are FLOW_FULL."""
    def byte(value):
        level = int(128 + value / FLOW_FULL * 127 + FLOW_STEP / 2) // FLOW_STEP * FLOW_STEP
        return min(max(level, 0), 255)

    return [bytes(byte(value) for value in row) for row in values]


def write_clip(folder, pictures):
    """Writes all pictures but the last to rgb/, and the flow from each to the next to u/ and v/."""
    for name in ("rgb", "u", "v"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    greys = [brightness(picture) for picture in pictures]
    for number, picture in enumerate(pictures[:-1]):
        u, v = flow(greys[number], greys[number + 1])
        name = f"{number:03}.png"
        (folder / "rgb" / name).write_bytes(tiny_png.encode(picture))
        (folder / "u" / name).write_bytes(tiny_png.encode(stored(u), 1))
        (folder / "v" / name).write_bytes(tiny_png.encode(stored(v), 1))


def write_split(out, name, count, args):
    """Writes `count` clips of each class and dataset.yaml of one split."""
    wardrobe = Wardrobe(args.source, SPLITS[name]["prefix"])
    for class_name in CLASSES:
        for number in range(1, count + 1):
            rng = Random(f"{args.seed}/{name}/{class_name}/{number}")
            pictures = draw_clip(rng, wardrobe, class_name, args.frames, args.size)
            write_clip(out / name / class_name / f"{number:03}", pictures)
    (out / name / "dataset.yaml").write_text(
        f"format: default\ntype: action_recognition\nintent: {SPLITS[name]['intent']}\n",
        encoding="utf-8",
    )
    print(f"{out / name}: {len(CLASSES)} classes, {count} clips each, {args.frames} frames a clip")


def parse_arguments(arguments):
    """The command line; its defaults give the set that lies beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=at_least(1), default=12, help="training clips a class [12]")
    parser.add_argument("--test-clips", type=at_least(1), default=8, help="test clips a class [8]")
    parser.add_argument("--frames", type=at_least(2), default=8, help="frames of a clip [8]")
    parser.add_argument("--size", type=at_least(16), default=32, help="side in pixels [32]")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other clips [1]")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to [this one]")
    parser.add_argument(
        "--source", type=Path, default=DEBIAN_FOLDER, help=f"Fashion-MNIST files [{DEBIAN_FOLDER}]"
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    """Writes both splits."""
    args = parse_arguments(arguments)
    write_split(args.out, "train", args.clips, args)
    write_split(args.out, "test", args.test_clips, args)


if __name__ == "__main__":
    main()
