"""Just enough PNG for the sample pictures: 8-bit RGB or grey, one data chunk, filters None, Sub, Up.

The standard library has no image reader or writer; `zlib` and `struct` are all that one needs.
"""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES_PER_PIXEL = 3  # of a picture in colours
COLOUR_TYPES = {1: 0, 3: 2}  # PNG's number for pictures with so many bytes in a pixel


def encode(rows, pixel_bytes=BYTES_PER_PIXEL):
    """The PNG file of a picture given as equally long rows of RGB bytes (or grey, 1 byte a pixel)."""
    width, height = len(rows[0]) // pixel_bytes, len(rows)
    header = struct.pack(">IIBBBBB", width, height, 8, COLOUR_TYPES[pixel_bytes], 0, 0, 0)
    previous = bytes(len(rows[0]))
    lines = []
    for row in rows:
        lines.append(_cheapest_filter(row, previous, pixel_bytes))
        previous = row
    data = zlib.compress(b"".join(lines), 9)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def decode(content):
    """The rows of bytes of a file that `encode` wrote. Raises ValueError for any other PNG."""
    if not content.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    chunks = dict(_chunks(content))
    width, height, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    pixel_bytes = next((size for size, kind in COLOUR_TYPES.items() if kind == colour), None)
    if depth != 8 or pixel_bytes is None:
        raise ValueError(f"bit depth {depth}, colour type {colour}: only 8-bit RGB or grey is read")
    data = zlib.decompress(chunks[b"IDAT"])
    stride = 1 + pixel_bytes * width
    if len(data) != stride * height:
        raise ValueError(f"{len(data)} bytes of pixels, {stride * height} expected")
    rows = []
    previous = bytes(stride - 1)
    for start in range(0, len(data), stride):
        previous = _undo_filter(data[start], data[start + 1 : start + stride], previous, pixel_bytes)
        rows.append(previous)
    return rows


def _cheapest_filter(row, previous, pixel_bytes):
    """The filtered line with the smallest sum of absolute differences, its filter number first."""
    left = bytes(pixel_bytes) + row[:-pixel_bytes]
    sub = bytes((a - b) & 0xFF for a, b in zip(row, left))
    up = bytes((a - b) & 0xFF for a, b in zip(row, previous))
    _, number, line = min((_cost(line), number, line) for number, line in enumerate((row, sub, up)))
    return bytes([number]) + line


def _cost(line):
    return sum(value if value < 128 else 256 - value for value in line)


def _undo_filter(number, line, previous, pixel_bytes):
    if number == 0:
        return line
    if number == 2:
        return bytes((a + b) & 0xFF for a, b in zip(line, previous))
    if number != 1:
        raise ValueError(f"row filter {number}: only None, Sub and Up are read here")
    row = bytearray(line)
    for index in range(pixel_bytes, len(row)):
        row[index] = (row[index] + row[index - pixel_bytes]) & 0xFF
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
