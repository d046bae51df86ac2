#!/usr/bin/env python3
"""Checks a sample set and prints what a model has to beat.

Every file is read back: pictures decode to the stated size, boxes are tight and inside, training
annotations tell no masks, validation masks fill the stated area. Then it prints, per category, the
objects, the mean share of the box that the mask covers (which is the IoU of "the whole box is the
object", the baseline), and how far colours differ across and within mask outlines.
"""

import argparse
import json
from pathlib import Path
from statistics import mean, median

import coco_rle
import tiny_png
from generate import bounding_box

SMALL, MEDIUM = 32 * 32, 96 * 96  # mask areas, in pixels, below which COCO calls an object so


def read_split(folder):
    """The annotation file of a split, its pictures checked and given as `rows` in each image."""
    document = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    for image in document["images"]:
        image["rows"] = tiny_png.decode((folder / "images" / image["file_name"]).read_bytes())
        size = (len(image["rows"][0]) // 3, len(image["rows"]))
        require(size == (image["width"], image["height"]), folder, image, f"is {size} pixels")
    return document


def require(condition, folder, record, problem):
    """Ends the program with the record that has a problem, unless the condition holds."""
    if not condition:
        raise SystemExit(f"error: {folder}: record {record['id']} {problem}")


def check_boxes(folder, document):
    """Each box lies inside its picture."""
    images = {image["id"]: image for image in document["images"]}
    for entry in document["annotations"]:
        x, y, width, height = entry["bbox"]
        image = images[entry["image_id"]]
        inside = 0 <= x and 0 <= y and x + width <= image["width"] and y + height <= image["height"]
        require(inside and width > 0 and height > 0, folder, entry, "has a box outside its picture")


def check_masks(folder, document):
    """The masks by annotation number; box and area agree with each."""
    masks = {}
    for entry in document["annotations"]:
        mask = coco_rle.decode(entry["segmentation"])
        require(sum(map(sum, mask)) == entry["area"], folder, entry, "has a wrong area")
        require(bounding_box(mask) == entry["bbox"], folder, entry, "has a box that is not tight")
        masks[entry["id"]] = mask
    return masks


def colour_steps(rows, mask):
    """Distances (0-sqrt 3) of colours two pixels apart in a row: across the outline, and not.

    Two pixels, since the rim itself is mixed with the background over about one.
    """
    across, within = [], []
    for row, line in zip(rows, mask):
        for x in range(len(line) - 2):
            first, second = row[3 * x : 3 * x + 3], row[3 * x + 6 : 3 * x + 9]
            distance = sum((a - b) ** 2 for a, b in zip(first, second)) ** 0.5 / 255
            (within if line[x] == line[x + 2] else across).append(distance)
    return across, within


def box_shares(document):
    """For each category name, the mask's share of the box of each object."""
    shares = {category["name"]: [] for category in document["categories"]}
    names = {category["id"]: category["name"] for category in document["categories"]}
    for entry in document["annotations"]:
        box_area = entry["bbox"][2] * entry["bbox"][3]
        shares[names[entry["category_id"]]].append(entry["area"] / box_area)
    return shares


def report(document, masks):
    """Prints the figures of the validation split."""
    shares = box_shares(document)
    shares = {name: values for name, values in shares.items() if values}
    for name, values in shares.items():
        print(f"{name:12} {len(values):4} objects, mask/box {mean(values):.3f}")
    areas = [entry["area"] for entry in document["annotations"]]
    small, medium = sum(a < SMALL for a in areas), sum(SMALL <= a < MEDIUM for a in areas)
    print(f"sizes: {small} small, {medium} medium, {len(areas) - small - medium} large")
    print(f"mIoU of the whole box: {mean(mean(v) for v in shares.values()):.4f}")
    rows = {image["id"]: image["rows"] for image in document["images"]}
    across, within = [], []
    for entry in document["annotations"]:
        steps = colour_steps(rows[entry["image_id"]], masks[entry["id"]])
        across += steps[0]
        within += steps[1]
    print(f"colour distance: {median(across):.3f} across outlines, {median(within):.3f} elsewhere")


def main():
    """Checks both splits of the folder on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).resolve().parent
    parser.add_argument("folder", nargs="?", type=Path, default=here, help="the set [this folder]")
    folder = parser.parse_args().folder
    train, val = read_split(folder / "train"), read_split(folder / "val")
    for name, document in (("train", train), ("val", val)):
        check_boxes(folder / name, document)
        print(f"{name}: {len(document['images'])} pictures, {len(document['annotations'])} objects")
    for entry in train["annotations"]:
        require("segmentation" not in entry, folder / "train", entry, "tells a mask")
    report(val, check_masks(folder / "val", val))


if __name__ == "__main__":
    main()
