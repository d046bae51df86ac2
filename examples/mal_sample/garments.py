"""The garments that the sample pictures are made of: Fashion-MNIST, cut out of its background.

Fashion-MNIST draws each garment as 28 x 28 grey levels on black. Here such a picture becomes a
garment with a solid outline. Knows nothing about the pictures that garments are put into.
"""

import gzip
import struct
import sys
from pathlib import Path
from typing import NamedTuple

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
SIDE = 28  # pixels of a garment picture
INK = 24  # grey level (0-255) above which a source pixel belongs to the garment

# Four of the ten classes: their outlines leave much of the box free and are told apart easily, and
# with few classes each has enough validation objects for its mean IoU to be steady.
CATEGORIES = {1: "trouser", 3: "dress", 7: "sneaker", 9: "ankle_boot"}


class Garment(NamedTuple):
    """A garment as two 28 x 28 grids of floats: `solid` 0 or 1 without holes, `grey` 0-1."""

    solid: list
    grey: list


class Wardrobe:
    """The garments of one Fashion-MNIST split, by class."""

    def __init__(self, source, prefix):
        self._pixels = _read_idx(source / f"{prefix}-images-idx3-ubyte.gz", 2051, 16)
        labels = _read_idx(source / f"{prefix}-labels-idx1-ubyte.gz", 2049, 8)
        self._of_class = {c: [i for i, l in enumerate(labels) if l == c] for c in CATEGORIES}

    def draw(self, rng, label):
        """A random garment of class `label`, a key of CATEGORIES."""
        start = pick(rng, self._of_class[label]) * SIDE * SIDE
        return garment(self._pixels[start : start + SIDE * SIDE])


def garment(pixels):
    """The garment in 784 grey levels: its largest part, holes and dark slits filled."""
    rows = [pixels[y * SIDE : (y + 1) * SIDE] for y in range(SIDE)]
    ink = {(x, y) for y in range(SIDE) for x in range(SIDE) if rows[y][x] > INK}
    body = _largest_part(_close_slits(ink))
    everywhere = {(x, y) for x in range(-1, SIDE + 1) for y in range(-1, SIDE + 1)}
    outside = _connected(everywhere - body, (-1, -1))
    solid = [[0.0 if (x, y) in outside else 1.0 for x in range(SIDE)] for y in range(SIDE)]
    brightest = max(max(pixels), 1)
    return Garment(solid, [[level / brightest for level in row] for row in rows])


def uniform(rng, bounds):
    """A number between the two bounds."""
    low, high = bounds
    return low + (high - low) * rng.random()


def pick(rng, items):
    """One of the items."""
    return items[int(rng.random() * len(items))]


def _close_slits(cells):
    """The cells, with vertical gaps of one or two filled.

    Such gaps part a shoe from its sole, where both are one object. Gaps between trouser legs lie
    side by side and stay.
    """
    grown = {(x, y + dy) for x, y in cells for dy in (-1, 0, 1)}
    return {(x, y) for x, y in grown if (x, y - 1) in grown and (x, y + 1) in grown}


def _largest_part(cells):
    """The largest connected part; the first in reading order among equals."""
    left, largest = set(cells), set()
    for cell in sorted(cells, key=lambda at: (at[1], at[0])):
        if cell in left:
            part = _connected(left, cell)
            left -= part
            largest = max(largest, part, key=len)
    return largest


def _connected(cells, start):
    """The cells that can be reached from `start`, one of them, in steps to the four sides."""
    reached, waiting = {start}, [start]
    while waiting:
        x, y = waiting.pop()
        sides = {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)}
        fresh = (sides & cells) - reached
        reached |= fresh
        waiting.extend(fresh)
    return reached


def _read_idx(path, magic, header_size):
    """The bytes after the header of a gzipped idx file; exits with advice when there is none."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        sys.exit(
            f"error: cannot read {path}: {error}\n"
            "install the Debian package dataset-fashion-mnist, or name the folder of the four\n"
            "Fashion-MNIST .gz files with --source DIR"
        )
    if content[:4] != struct.pack(">I", magic):
        sys.exit(f"error: {path} is no idx file of the expected kind (magic number {magic})")
    return content[header_size:]
