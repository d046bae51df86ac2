#!/usr/bin/env python3
"""Composes a small COCO data set with true masks out of Fashion-MNIST garments.

Each picture shows one to three garments, enlarged, turned, tinted and laid on a textured
background. The training split tells only boxes and categories; the validation split also tells the
masks, which are the garments' own outlines. So a box-supervised segmentation model can be trained
and measured on it.

Needs Python 3.8 or later and its standard library. The same arguments give the same pictures and
annotations: each picture has a random stream of its own, named by seed, split and number, so a
larger set begins with the pictures of a smaller one. Only `Random.random` and the four operations
of arithmetic are used on the way, which give the same values on every platform.
"""

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

import coco_rle
import tiny_png
from garments import CATEGORIES, DEBIAN_FOLDER, SIDE, Wardrobe, pick, uniform

SPLITS = {
    "train": {"prefix": "train", "intent": "training", "masks": False},
    "val": {"prefix": "t10k", "intent": "evaluation", "masks": True},
}

REFERENCE_SIZE = 128  # picture size, in pixels, that the enlargement is stated for
ENLARGEMENT = (1.2, 2.5)  # garment pixels to picture pixels, at REFERENCE_SIZE
MAX_HALF_TURN = 0.4142  # tangent of half the largest rotation, 45 degrees
DARKEST_SHADE = 0.6  # brightness of a garment's black parts, as a share of its tint
COLOUR_MARGIN = 0.42  # wanted RGB distance, of sqrt(3), between a garment and its background
GRAIN = (0.015, 0.04)  # half-width of the brightness noise added to each pixel, of 1
COLOUR_STEP = 5  # colours are rounded to multiples of this, of 255, so that the files stay small
GAP = 2  # pixels between the boxes of two objects
PLACING_TRIES = 60  # after so many misses an object is left out


class Patch(NamedTuple):
    """A garment as it will be drawn: rows of (coverage 0-1, brightness 0-1), and its true mask."""

    pixels: list
    mask: list


def sample(rows, x, y):
    """The grid's value at a fractional place, bilinear; 0 outside the grid."""
    left, top = int(x // 1), int(y // 1)
    if not (-1 <= left < SIDE and -1 <= top < SIDE):
        return 0.0
    fx, fy = x - left, y - top
    total = 0.0
    for row, weight_y in ((top, 1 - fy), (top + 1, fy)):
        for column, weight_x in ((left, 1 - fx), (left + 1, fx)):
            if 0 <= row < SIDE and 0 <= column < SIDE:
                total += rows[row][column] * weight_x * weight_y
    return total


def draw_patch(rng, wardrobe, label, size):
    """A garment, enlarged and turned at random, cut to its mask and one pixel around it."""
    item = wardrobe.draw(rng, label)
    factor = uniform(rng, ENLARGEMENT) * size / REFERENCE_SIZE
    half_turn = uniform(rng, (-MAX_HALF_TURN, MAX_HALF_TURN))
    # Cosine and sine of twice the angle whose tangent is half_turn, by exact arithmetic alone.
    cosine = (1 - half_turn * half_turn) / (1 + half_turn * half_turn) / factor
    sine = 2 * half_turn / (1 + half_turn * half_turn) / factor
    reach = int(SIDE * factor * 0.75) + 1
    centre = (SIDE - 1) / 2
    pixels = []
    for dy in range(-reach, reach + 1):
        places = [
            (centre + cosine * dx + sine * dy, centre + cosine * dy - sine * dx)
            for dx in range(-reach, reach + 1)
        ]
        pixels.append([(sample(item.solid, *at), sample(item.grey, *at)) for at in places])
    return cut(pixels)


def cut(pixels):
    """The patch of the rows of (coverage, brightness), cut to its mask and one pixel around it."""
    mask = [[int(coverage >= 0.5) for coverage, _ in row] for row in pixels]
    left, top, width, height = bounding_box(mask)
    rows = slice(top - 1, top + height + 1)
    columns = slice(left - 1, left + width + 1)
    return Patch([row[columns] for row in pixels[rows]], [row[columns] for row in mask[rows]])


def bounding_box(mask):
    """The tight box [x, y, width, height] of the ones of a mask that has some."""
    columns = [x for x in range(len(mask[0])) if any(row[x] for row in mask)]
    rows = [y for y, row in enumerate(mask) if any(row)]
    return [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]


def value_noise(rng, size, cell):
    """Rows of smooth noise, 0-1: random values `cell` pixels apart, blended by smoothstep."""
    count = size // cell + 2
    lattice = [[rng.random() for _ in range(count)] for _ in range(count)]
    steps = [(i // cell, (i % cell) / cell) for i in range(size)]
    eased = [(at, f * f * (3 - 2 * f)) for at, f in steps]
    rows = []
    for at_y, fy in eased:
        upper, lower = lattice[at_y], lattice[at_y + 1]
        edge = [a + (b - a) * fy for a, b in zip(upper, lower)]
        rows.append([edge[at] + (edge[at + 1] - edge[at]) * f for at, f in eased])
    return rows


def draw_background(rng, size):
    """A textured picture (rows of RGB triples, 0-1) and the list of colours it is made of."""
    base = [uniform(rng, (0.1, 0.9)) for _ in range(3)]
    others = range(1 + int(rng.random() * 2))
    colours = [base] + [[clip(c + uniform(rng, (-0.3, 0.3))) for c in base] for _ in others]
    coarse = value_noise(rng, size, max(2, int(size * uniform(rng, (0.15, 0.35)))))
    fine = value_noise(rng, size, max(2, int(size * uniform(rng, (0.04, 0.1)))))
    hardness = uniform(rng, (1.0, 5.0))  # 1: the colours run into each other, 5: patches with edges
    rows = []
    for row_coarse, row_fine in zip(coarse, fine):
        levels = (clip(0.5 + 1.5 * (0.7 * a + 0.3 * b - 0.5)) for a, b in zip(row_coarse, row_fine))
        rows.append([ramp(colours, level, hardness) for level in levels])
    return rows, colours


def ramp(colours, level, hardness):
    """The colour at `level` (0-1) of the scale through the colours."""
    position = level * (len(colours) - 1)
    index = min(int(position), len(colours) - 2)
    share = clip(0.5 + hardness * (position - index - 0.5))
    return blend(colours[index], colours[index + 1], share)


def blend(first, second, share):
    """The mixture of two colours with `share` (0-1) of the second."""
    return [a + (b - a) * share for a, b in zip(first, second)]


def clip(value):
    """The value, kept within 0-1."""
    return min(max(value, 0.0), 1.0)


def draw_tint(rng, colours):
    """A colour that keeps about COLOUR_MARGIN to each background colour in its light and dark shades.

    Each miss lowers the margin by one percent, so a background that leaves no such colour still
    gets one of the best there are, and the search always ends.
    """
    avoid = colours + [blend(a, b, 0.5) for a, b in zip(colours, colours[1:])]
    margin = COLOUR_MARGIN
    while True:
        tint = [rng.random() for _ in range(3)]
        shades = [[c * share for c in tint] for share in (DARKEST_SHADE, 0.8, 1.0)]
        if all(distance2(a, b) >= margin * margin for a in shades for b in avoid):
            return tint
        margin *= 0.99


def distance2(first, second):
    """The squared distance of two colours."""
    return sum((a - b) * (a - b) for a, b in zip(first, second))


def place(rng, patch, taken, size):
    """A free place (left, top) for the patch, or None when PLACING_TRIES found none."""
    height, width = len(patch.mask), len(patch.mask[0])
    if width > size or height > size:
        return None
    for _ in range(PLACING_TRIES):
        left = int(rng.random() * (size - width + 1))
        top = int(rng.random() * (size - height + 1))
        clear = (
            left >= x + w + GAP
            or x >= left + width + GAP
            or top >= y + h + GAP
            or y >= top + height + GAP
            for x, y, w, h in taken
        )
        if all(clear):
            return left, top
    return None


def paint(picture, patch, tint, left, top):
    """Lays the tinted patch on the picture, its rim mixed with what lies below."""
    for dy, row in enumerate(patch.pixels):
        for dx, (coverage, brightness) in enumerate(row):
            alpha = clip((coverage - 0.3) / 0.4)
            if alpha > 0:
                shade = DARKEST_SHADE + (1 - DARKEST_SHADE) * brightness
                below = picture[top + dy][left + dx]
                picture[top + dy][left + dx] = blend(below, [c * shade for c in tint], alpha)


def compose(rng, wardrobe, size):
    """A picture (rows of RGB triples, 0-1) and its objects: (class, full-size mask) each."""
    picture, colours = draw_background(rng, size)
    objects, taken = [], []
    for _ in range(1 + int(rng.random() * 3)):
        label = pick(rng, list(CATEGORIES))
        patch = draw_patch(rng, wardrobe, label, size)
        corner = place(rng, patch, taken, size)
        if corner is None:
            continue
        left, top = corner
        paint(picture, patch, draw_tint(rng, colours), left, top)
        taken.append((left, top, len(patch.mask[0]), len(patch.mask)))
        mask = [[0] * size for _ in range(size)]
        for dy, row in enumerate(patch.mask):
            mask[top + dy][left : left + len(row)] = row
        objects.append((label, mask))
    return picture, objects


def develop(rng, picture):
    """The rows of RGB bytes of a picture, with film grain added."""
    grain = uniform(rng, GRAIN)
    steps = 255 / COLOUR_STEP
    rows = []
    for row in picture:
        line = bytearray()
        for colour in row:
            noise = uniform(rng, (-grain, grain))
            line.extend(int(clip(c + noise) * steps + 0.5) * COLOUR_STEP & 0xFF for c in colour)
        rows.append(bytes(line))
    return rows


def annotation(number, image_id, label, mask, with_mask):
    """The COCO annotation of one object; without masks `area` is that of the box."""
    box = bounding_box(mask)
    entry = {
        "id": number,
        "image_id": image_id,
        "category_id": list(CATEGORIES).index(label) + 1,
        "bbox": box,
        "area": sum(map(sum, mask)) if with_mask else box[2] * box[3],
        "iscrowd": 0,
    }
    if with_mask:
        entry["segmentation"] = coco_rle.encode(mask)
    return entry


def write_split(out, name, count, args):
    """Writes the pictures, annotations.json and dataset.yaml of one split."""
    split = SPLITS[name]
    wardrobe = Wardrobe(args.source, split["prefix"])
    names = [f"{number:06}.png" for number in range(1, count + 1)]
    folder = out / name / "images"
    folder.mkdir(parents=True, exist_ok=True)
    strangers = sorted({path.name for path in folder.iterdir()} - set(names))
    if strangers:
        sys.exit(f"error: {folder} holds {strangers[0]}, which is not of this set: empty it first")
    images, annotations = [], []
    for image_id, file_name in enumerate(names, 1):
        rng = Random(f"{args.seed}/{name}/{image_id}")
        picture, objects = compose(rng, wardrobe, args.size)
        (folder / file_name).write_bytes(tiny_png.encode(develop(rng, picture)))
        images.append(
            {"id": image_id, "file_name": file_name, "width": args.size, "height": args.size}
        )
        for label, mask in objects:
            number = len(annotations) + 1
            annotations.append(annotation(number, image_id, label, mask, split["masks"]))
    write_annotations(out / name / "annotations.json", images, annotations)
    (out / name / "dataset.yaml").write_text(
        f"format: default\ntype: segmentation\nintent: {split['intent']}\n", encoding="utf-8"
    )
    print(f"{out / name}: {len(images)} pictures, {len(annotations)} objects")


def write_annotations(path, images, annotations):
    """Writes a COCO file with one record a line, so that a change shows as the lines it touches."""
    categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES.values(), 1)]
    sections = {"images": images, "categories": categories, "annotations": annotations}
    texts = []
    for key, records in sections.items():
        lines = ",\n".join(json.dumps(record) for record in records)
        texts.append(f'"{key}": [\n{lines}\n]')
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8")


def at_least(least):
    """An argparse type: a whole number not below `least`."""

    def parse(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return parse


def parse_arguments(arguments):
    """The command line; its defaults give the set that lies beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("--images", type=at_least(1), default=120, help="training pictures [120]")
    parser.add_argument(
        "--val-images", type=at_least(1), default=40, help="validation pictures [40]"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed, other pictures [1]")
    parser.add_argument("--size", type=at_least(64), default=128, help="side in pixels [128]")
    parser.add_argument("--out", type=Path, default=here, help="folder to write to [this one]")
    parser.add_argument(
        "--source", type=Path, default=DEBIAN_FOLDER, help=f"Fashion-MNIST files [{DEBIAN_FOLDER}]"
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    """Writes both splits."""
    args = parse_arguments(arguments)
    write_split(args.out, "train", args.images, args)
    write_split(args.out, "val", args.val_images, args)


if __name__ == "__main__":
    main()
