"""Tests of the sample set's generator: python3 -m unittest, run in this folder.

They make their own Fashion-MNIST files, so they need neither the Debian package nor the network.
"""

import contextlib
import gzip
import io
import json
import struct
import tempfile
import unittest
from pathlib import Path
from random import Random

import coco_rle
import generate
import tiny_png
from garments import SIDE, garment

# `counts` that pycocotools 2.0.11 writes for these masks.
NOTCHED = [
    [int(5 <= x < 45 and 10 <= y < 50 and (x >= 20 or y >= 20)) for x in range(50)]
    for y in range(60)
]
KNOWN_COUNTS = [
    ([[0, 0], [0, 0]], "4"),
    ([[1, 1], [1, 1]], "04"),
    ([[0, 1, 0], [1, 1, 0], [0, 0, 1]], "11112O"),
    (
        NOTCHED,
        "P:n0n0000000000000000000000000000F:000000000000000000000000000000000000000000000000R9",
    ),
]


def slab(columns, rows):
    """784 grey levels with a bright rectangle."""
    return bytes(200 if x in columns and y in rows else 0 for y in range(SIDE) for x in range(SIDE))


def write_source(folder):
    """The four Fashion-MNIST files with one garment for each of the ten classes."""
    for prefix in ("train", "t10k"):
        pictures = b"".join(slab(range(6, 12 + k), range(2, 26)) for k in range(10))
        files = {
            "images-idx3": struct.pack(">IIII", 2051, 10, SIDE, SIDE) + pictures,
            "labels-idx1": struct.pack(">II", 2049, 10) + bytes(range(10)),
        }
        for name, content in files.items():
            (folder / f"{prefix}-{name}-ubyte.gz").write_bytes(gzip.compress(content))


def run(source, out, *more):
    """Runs the generator for a few small pictures; returns what it wrote, by relative path."""
    arguments = ["--source", str(source), "--out", str(out), "--size", "64", *more]
    with contextlib.redirect_stdout(io.StringIO()):
        generate.main(arguments)
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


class Masks(unittest.TestCase):
    def test_counts_equal_the_coco_tools(self):
        for mask, counts in KNOWN_COUNTS:
            self.assertEqual(coco_rle.encode(mask)["counts"], counts)

    def test_random_masks_survive_the_round_trip(self):
        rng = Random("masks")
        for density in (0.02, 0.5, 0.98):
            mask = [[int(rng.random() < density) for _ in range(70)] for _ in range(53)]
            self.assertEqual(coco_rle.decode(coco_rle.encode(mask)), mask)

    def test_runs_that_miss_pixels_are_refused(self):
        with self.assertRaises(ValueError):
            coco_rle.decode({"size": [3, 3], "counts": "44"})

    def test_cut_counts_are_refused(self):
        with self.assertRaises(ValueError):
            coco_rle.decode({"size": [3, 3], "counts": "1112o"})


class Pictures(unittest.TestCase):
    def test_pixels_survive_the_round_trip(self):
        rng = Random("pixels")
        noise = [bytes(int(rng.random() * 256) for _ in range(30)) for _ in range(9)]
        for rows in (noise, [noise[0]] * 9, [noise[0][:3] * 10] * 9):
            self.assertEqual(tiny_png.decode(tiny_png.encode(rows)), rows)


class Garments(unittest.TestCase):
    def test_hole_inside_the_outline_is_filled(self):
        pixels = bytearray(slab(range(5, 20), range(5, 20)))
        pixels[12 * SIDE + 12] = 0
        self.assertEqual(garment(pixels).solid[12][12], 1.0)

    def test_speck_beside_the_garment_is_dropped(self):
        pixels = bytearray(slab(range(5, 15), range(5, 20)))
        pixels[12 * SIDE + 24] = 200
        self.assertEqual(garment(pixels).solid[12][24], 0.0)

    def test_sole_stays_with_its_shoe(self):
        pixels = bytearray(slab(range(5, 20), range(5, 20)))
        pixels[15 * SIDE : 16 * SIDE] = bytes(SIDE)
        self.assertEqual(garment(pixels).solid[15][10], 1.0)

    def test_gap_between_legs_stays_open(self):
        pixels = bytearray(slab(range(5, 20), range(5, 20)))
        for y in range(10, SIDE):
            pixels[y * SIDE + 12] = 0
        self.assertEqual(garment(pixels).solid[15][12], 0.0)


class Sets(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        write_source(self.folder)

    def make(self, name, *more):
        return run(self.folder, self.folder / name, "--images", "3", "--val-images", "2", *more)

    def test_same_seed_gives_the_same_bytes(self):
        self.assertEqual(self.make("a"), self.make("b"))

    def test_other_seed_gives_other_pictures(self):
        path = "train/images/000001.png"
        self.assertNotEqual(self.make("a")[path], self.make("b", "--seed", "2")[path])

    def test_larger_set_begins_with_the_smaller(self):
        small, large = self.make("a"), self.make("b", "--images", "4")
        for number in (1, 2, 3):
            path = f"train/images/{number:06}.png"
            self.assertEqual(small[path], large[path])

    def test_only_validation_tells_masks(self):
        files = self.make("a")
        train = json.loads(files["train/annotations.json"])["annotations"]
        val = json.loads(files["val/annotations.json"])["annotations"]
        self.assertFalse([a for a in train if "segmentation" in a])
        for entry in val:
            mask = coco_rle.decode(entry["segmentation"])
            self.assertEqual(generate.bounding_box(mask), entry["bbox"])
            self.assertEqual(sum(map(sum, mask)), entry["area"])

    def test_folder_with_strange_pictures_is_refused(self):
        images = self.folder / "a" / "train" / "images"
        images.mkdir(parents=True)
        (images / "holiday.png").write_bytes(b"")
        with self.assertRaisesRegex(SystemExit, "holiday.png"):
            self.make("a")

    def test_missing_source_is_named(self):
        with self.assertRaisesRegex(SystemExit, "--source DIR"):
            run(self.folder / "nowhere", self.folder / "a")


if __name__ == "__main__":
    unittest.main()
