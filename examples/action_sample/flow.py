"""Optical flow between two pictures, by the method of Lucas and Kanade.

Around each pixel the motion is taken as constant and found by least squares over the brightness
changes in space and time (Lucas & Kanade, IJCAI 1981), at one scale. Where there is nothing to see
move, a small constant pulls the result to no motion. Only the four operations of arithmetic are
used, so the same pictures give the same flow on every platform.
"""

REACH = 2  # pixels to each side of the window that is taken to move as one
DAMPING = 0.002  # keeps flat parts still; brightness is 0-1


def brightness(rows):
    """The brightness, 0-1, of a picture given as rows of RGB bytes."""
    grey = []
    for row in rows:
        triples = zip(row[0::3], row[1::3], row[2::3])
        grey.append([(0.299 * r + 0.587 * g + 0.114 * b) / 255 for r, g, b in triples])
    return grey


def flow(first, second):
    """Motion in pixels from the first brightness to the second, as rows of u (right) and v (down)."""
    size_y, size_x = len(first), len(first[0])
    products = [[None] * size_x for _ in range(size_y)]
    for y in range(size_y):
        for x in range(size_x):
            left, right = max(x - 1, 0), min(x + 1, size_x - 1)
            upper, lower = max(y - 1, 0), min(y + 1, size_y - 1)
            along_x = sum(p[y][right] - p[y][left] for p in (first, second)) / 2 / (right - left)
            along_y = sum(p[lower][x] - p[upper][x] for p in (first, second)) / 2 / (lower - upper)
            in_time = second[y][x] - first[y][x]
            products[y][x] = (
                along_x * along_x,
                along_x * along_y,
                along_y * along_y,
                along_x * in_time,
                along_y * in_time,
            )
    sums = _window_sums(products)
    solved = [[_solve(terms) for terms in row] for row in sums]
    return [[u for u, _ in row] for row in solved], [[v for _, v in row] for row in solved]


def _solve(terms):
    """The motion that explains the summed products best."""
    xx, xy, yy, xt, yt = terms
    xx, yy = xx + DAMPING, yy + DAMPING
    determinant = xx * yy - xy * xy
    return (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant


def _window_sums(grid):
    """Sums of the tuples within REACH of each place, first along rows, then along columns."""
    along_rows = [_line_sums(row) for row in grid]
    columns = [_line_sums(column) for column in zip(*along_rows)]
    return [list(row) for row in zip(*columns)]


def _line_sums(line):
    length = len(line)
    windows = (line[max(at - REACH, 0) : min(at + REACH + 1, length)] for at in range(length))
    return [tuple(map(sum, zip(*window))) for window in windows]
