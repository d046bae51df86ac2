"""Just enough PNG for the sample pictures: 8-bit RGB, one data chunk, the filters None, Sub and Up.

The standard library has no image reader or writer; `zlib` and `struct` are all that one needs.
"""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES_PER_PIXEL = 3


def encode(rows):
    """The PNG file of a picture given as equally long rows of RGB bytes."""
    width, height = len(rows[0]) // BYTES_PER_PIXEL, len(rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    previous = bytes(len(rows[0]))
    lines = []
    for row in rows:
        lines.append(_cheapest_filter(row, previous))
        previous = row
    data = zlib.compress(b"".join(lines), 9)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def decode(content):
    """The rows of RGB bytes of a file that `encode` wrote. Raises ValueError for any other PNG."""
    if not content.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    chunks = dict(_chunks(content))
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    if (depth, colour) != (8, 2):
        raise ValueError(f"bit depth {depth}, colour type {colour}: only 8-bit RGB is read here")
    data = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + BYTES_PER_PIXEL * width
    if len(data) != stride * height:
        raise ValueError(f"{len(data)} bytes of pixels, {stride * height} expected")
    rows = []
    previous = bytes(stride - 1)
    for start in range(0, len(data), stride):
        previous = _undo_filter(data[start], data[start + 1 : start + stride], previous)
        rows.append(previous)
    return rows


def _cheapest_filter(row, previous):
    """The filtered line with the smallest sum of absolute differences, its filter number first."""
    left = bytes(BYTES_PER_PIXEL) + row[:-BYTES_PER_PIXEL]
    sub = bytes((a - b) & 0xFF for a, b in zip(row, left))
    up = bytes((a - b) & 0xFF for a, b in zip(row, previous))
    _, number, line = min((_cost(line), number, line) for number, line in enumerate((row, sub, up)))
    return bytes([number]) + line


def _cost(line):
    return sum(value if value < 128 else 256 - value for value in line)


def _undo_filter(number, line, previous):
    if number == 0:
        return line
    if number == 2:
        return bytes((a + b) & 0xFF for a, b in zip(line, previous))
    if number != 1:
        raise ValueError(f"row filter {number}: only None, Sub and Up are read here")
    row = bytearray(line)
    for index in range(BYTES_PER_PIXEL, len(row)):
        row[index] = (row[index] + row[index - BYTES_PER_PIXEL]) & 0xFF
    return bytes(row)


def _chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(content):
    position = len(SIGNATURE)
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        kind = content[position + 4 : position + 8]
        yield kind, content[position + 8 : position + 8 + length]
        position += 12 + length
