"""Tests of the sample clips and their renderer: python3 -m unittest, run in this folder."""

import unittest
from random import Random

import render  # first: it makes the modules of `mal_sample` known
import tiny_png
from flow import brightness, flow
from garments import Garment, SIDE

SLAB = [[float(6 <= x < 22 and 4 <= y < 24) for x in range(SIDE)] for y in range(SIDE)]


class SlabWardrobe:
    """Every garment is a rectangle with a shade that grows downwards and to the right."""

    def draw(self, _rng, _label):
        """The rectangle."""
        return Garment(SLAB, [[(x + y) / (2 * SIDE) for x in range(SIDE)] for y in range(SIDE)])


def clip_of(name, number=1):
    """The pictures of a clip of 4 frames and a successor."""
    return render.draw_clip(Random(f"{name}/{number}"), SlabWardrobe(), name, 4, 32)


def mean_motion(pictures):
    """Mean flow to the right and down between the first two pictures."""
    u, v = flow(brightness(pictures[0]), brightness(pictures[1]))
    count = len(u) * len(u[0])
    return sum(map(sum, u)) / count, sum(map(sum, v)) / count


def ramp(shift):
    """A smooth hill, moved to the right and half as far down by `shift` pixels."""
    def level(x, y):
        return 128 + 100 * (1 - ((x - 12 - shift) ** 2 + (y - 12 - shift / 2) ** 2) / 288)

    return [bytes(max(0, min(255, round(level(x, y)))) for x in range(24) for _ in range(3)) for y in range(24)]


class Flow(unittest.TestCase):
    def test_moved_hill_has_its_motion(self):
        u, v = flow(brightness(ramp(0)), brightness(ramp(1)))
        # On the slopes; the top is flat and has none.
        self.assertAlmostEqual(u[12][6], 1.0, delta=0.25)
        self.assertAlmostEqual(v[6][12], 0.5, delta=0.25)

    def test_still_pictures_have_no_flow(self):
        u, v = flow(brightness(ramp(0)), brightness(ramp(0)))
        self.assertEqual({value for row in u + v for value in row}, {0.0})

    def test_stored_motion_is_symmetric_and_limited(self):
        self.assertEqual(list(render.stored([[0.0, 2.0, -2.0, 9.0, -9.0]])[0]), [128, 192, 64, 255, 0])


class Clips(unittest.TestCase):
    def test_classes_move_as_they_are_called(self):
        for number in range(4):
            self.assertGreater(mean_motion(clip_of("fall", number))[1], 0.02)
            self.assertLess(mean_motion(clip_of("rise", number))[1], -0.02)

    def test_growth_and_shrinking_are_opposite(self):
        grow = render.draw_motion(Random(1), "grow", 32)
        shrink = render.draw_motion(Random(1), "shrink", 32)
        self.assertLess(grow.place(0)[2], grow.place(1)[2])
        self.assertGreater(shrink.place(0)[2], shrink.place(1)[2])
        for motion in (grow, shrink):
            self.assertAlmostEqual(motion.place(1)[2] / motion.place(0)[2], motion.growth)

    def test_clips_repeat_by_their_name(self):
        self.assertEqual(clip_of("grow"), clip_of("grow"))
        self.assertNotEqual(clip_of("grow"), clip_of("grow", 2))


class ShippedSet(unittest.TestCase):
    def test_every_clip_is_whole(self):
        for split, clips in (("train", 12), ("test", 8)):
            for name in render.CLASSES:
                folders = sorted((render.HERE / split / name).iterdir())
                self.assertEqual(len(folders), clips)
                for folder in folders:
                    self.check_clip(folder)

    def check_clip(self, folder):
        for kind, pixel_bytes in (("rgb", 3), ("u", 1), ("v", 1)):
            pictures = sorted((folder / kind).glob("*.png"))
            self.assertEqual(len(pictures), 8, folder)
            for picture in pictures:
                rows = tiny_png.decode(picture.read_bytes())
                self.assertEqual((len(rows), len(rows[0])), (32, 32 * pixel_bytes), picture)


if __name__ == "__main__":
    unittest.main()
