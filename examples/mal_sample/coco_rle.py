"""COCO run-length masks in their compressed string form.

A mask is read column by column; the runs alternate between background and object, starting with
background (a first run of 0 when the first pixel belongs to the object). Each run length, from the
fourth on, is stored as its difference to the one two places before. The numbers are written in
groups of five bits, lowest first, bit 5 saying "more follows", bit 4 of the last group being the
sign, and 48 added to make each group a printable character. This is the form in which the COCO
tools write `counts`.

Knows masks only: nothing about images, boxes or files.
"""

from itertools import groupby


def encode(mask):
    """The COCO segmentation `{"size": [height, width], "counts": text}` of a mask of 0/1 rows."""
    height, width = len(mask), len(mask[0])
    return {"size": [height, width], "counts": _pack(_runs(mask))}


def decode(segmentation):
    """The mask, a list of 0/1 rows, of a segmentation in the form that `encode` returns.

    Raises ValueError when the runs do not fill the stated size exactly.
    """
    height, width = segmentation["size"]
    runs = _unpack(segmentation["counts"])
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise ValueError(f"runs {runs[:4]}... do not fill {height} x {width} pixels")
    pixels = []
    for index, length in enumerate(runs):
        pixels.extend([index % 2] * length)
    return [pixels[row::height] for row in range(height)]


def _runs(mask):
    pixels = (row[x] for x in range(len(mask[0])) for row in mask)
    runs = [] if not mask[0][0] else [0]
    runs.extend(sum(1 for _ in group) for _, group in groupby(pixels))
    return runs


def _pack(runs):
    text = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            group = value & 0x1F
            value >>= 5
            more = value != (-1 if group & 0x10 else 0)
            text.append(chr(48 + (group | 0x20 if more else group)))
    return "".join(text)


def _unpack(text):
    runs = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("the counts end in the middle of a number")
    return runs
