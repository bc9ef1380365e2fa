"""How much of each pixel along an edge is subject: closed-form matting, solved on a small copy by guided filters.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting" (2008): in each small window alpha is a
linear function of colour. He, Sun, Tang, "Fast Matting Using Large Kernel Matting Laplacian Matrices" (2010): the
Laplacian of that is a guided filter, a few box blurs. He and Sun, "Fast Guided Filter" (2015): what is carried to the
full size is the linear function, so that the full picture's own pixels draw the edge.
"""

import cv2
import numpy as np

from processing.pipeline.grid import Bytes, Grid, Plane, shrunk
from processing.pipeline.mask import NO, YES, Care, Trimap

REACH = 2  # px around a pixel over which alpha is linear in colour
EPSILON = 3e-6  # the variance of colour (0..1) below which a window counts as flat
SURE = 100.0  # the weight of a known pixel against the colours'
CLEAR = 0.02  # alpha so near to 0 or 1 is noise
AROUND = 1 / 27  # of the longest side: there it is seen how subject and background differ
SEEN = 0.02  # of that square: so much of each is enough to know its colours
ALIKE = 0.05  # the weight of the mask's word where they do not: colours say nothing there


def alpha_of(pixels: Bytes, grid: Grid, small: Plane, known: Trimap, care: Care) -> Bytes:
    """Alpha (height x width) of an RGBA picture; `small` is its copy on the grid, with the mask as alpha."""
    unknown = known.unknown
    goal = np.where(unknown, np.clip((small[..., 3] - NO) / (YES - NO), 0, 1), known.subject)
    trust = care.hunch * ((2 * goal - 1) ** 2 + (known.depth / care.deep) ** 4)
    trust += ALIKE * _likeness(small[..., :3], known)
    weight = np.where(unknown, trust, np.float32(SURE))
    lines = cv2.merge(_solved(small[..., :3], goal, weight, care.rounds))
    bounds = cv2.merge([known.subject, 1 - known.ground])
    alpha, doubt = (
        cv2.resize(plane.astype(np.uint8), grid.full[::-1]) for plane in (255 * known.subject, 255 * unknown)
    )
    whole = pixels.view(np.uint32).ravel()  # one number for each pixel: gathers fast
    for places in grid.places(doubt):
        colours = whole[places].view(np.uint8).reshape(1, -1, 4)[..., :3].astype(np.float32) / 255
        drawn, (least, most) = map(_channels, grid.at(places, lines, bounds))
        fine = np.clip((_drawn(drawn, _channels(colours)) - CLEAR) / (1 - 2 * CLEAR), least, most)
        alpha.ravel()[places] = (255 * fine + 0.5).astype(np.uint8)
    return alpha


def _likeness(image: Plane, known: Trimap) -> Plane:
    """How alike what surely is subject and what surely is not are around each pixel: 1 wholly, 0 not at all.

    0 too where only one of them is near: there is nothing to compare.
    """
    height, width = image.shape[:2]
    rough = (height + 3) // 4, (width + 3) // 4  # what changes slowly needs no more
    (subject, its, here), (ground, other, there) = (
        _colours(shrunk(image, rough), shrunk(sure, rough)) for sure in (known.subject, known.ground)
    )
    apart = ((subject - ground) ** 2).sum(axis=2) / (its + other + np.float32(1e-3))
    alike: Plane = np.where((here > SEEN) & (there > SEEN), 1 / (1 + apart), np.float32(0))
    return cv2.resize(alike, (width, height))


def _colours(image: Plane, weight: Plane) -> tuple[Plane, Plane, Plane]:
    """The weighted mean and variance of the colours around each pixel, and the mean weight."""
    side = max(3, round(AROUND * max(weight.shape)))
    most = cv2.blur(weight, (side, side))
    mean = cv2.blur(image * weight[..., np.newaxis], (side, side)) / (most + np.float32(1e-4))[..., np.newaxis]
    square = cv2.blur((image**2).sum(axis=2) * weight, (side, side)) / (most + np.float32(1e-4))
    return mean, np.maximum(square - (mean**2).sum(axis=2), 0), most


def _solved(image: Plane, goal: Plane, weight: Plane, rounds: tuple[int, ...]) -> list[Plane]:
    """The linear functions of colour that draw alpha; found from those of the picture at half its size."""
    laplacian, guess = Laplacian(image), goal
    if rounds[:-1]:
        half = (image.shape[0] + 1) // 2, (image.shape[1] + 1) // 2
        rough = _solved(shrunk(image, half), shrunk(goal, half), shrunk(weight, half), rounds[:-1])
        drawn = _drawn([cv2.resize(plane, image.shape[1::-1]) for plane in rough], laplacian.channels)
        guess = np.where(weight == SURE, goal, np.clip(drawn, 0, 1))
    return laplacian.lines(laplacian.solve(guess, goal, weight, rounds[-1]))


class Laplacian:
    """The matting Laplacian of a picture (height x width x 3), as a guided filter with the picture as its guide."""

    def __init__(self, image: Plane) -> None:
        self.channels = _channels(image)
        self.means = [_blur(channel) for channel in self.channels]
        pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
        rr, rg, rb, gg, gb, bb = (self._covariance(one, other) for one, other in pairs)
        minors = (
            gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb,
            rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg,
        )  # fmt: skip
        scale = 1 / (rr * minors[0] + rg * minors[1] + rb * minors[2])
        a, b, c, d, e, f = ((minor * scale).astype(np.float32) for minor in minors)
        self.inverse = ((a, b, c), (b, d, e), (c, e, f))

    def _covariance(self, one: int, other: int) -> Plane:
        """In double precision: where a photo is grey, the three channels' determinant is all but nothing."""
        shared = _blur(self.channels[one] * self.channels[other]) - self.means[one] * self.means[other]
        exact: Plane = shared.astype(np.float64) + (EPSILON if one == other else 0)
        return exact

    def lines(self, alpha: Plane) -> list[Plane]:
        """The linear function of colour that fits alpha around each pixel: a factor per channel, and what is added."""
        mean = _blur(alpha)
        shared = [_blur(alpha * one) - mean * middle for one, middle in zip(self.channels, self.means, strict=True)]
        factors = [row[0] * shared[0] + row[1] * shared[1] + row[2] * shared[2] for row in self.inverse]
        added = mean - factors[0] * self.means[0] - factors[1] * self.means[1] - factors[2] * self.means[2]
        return [_blur(plane) for plane in (*factors, added)]

    def __call__(self, alpha: Plane) -> Plane:
        return alpha - _drawn(self.lines(alpha), self.channels)

    def solve(self, guess: Plane, goal: Plane, weight: Plane, rounds: int) -> Plane:
        """The alpha that fits the colours, and `goal` as `weight` says: conjugate gradients, eased by the diagonal."""
        ease = 1 / (1 + weight)
        alpha, rest = guess, weight * (goal - guess) - self(guess)
        eased = ease * rest
        way, size = eased, _dot(rest, eased)
        for _ in range(rounds):
            if size < 1e-9:
                break
            pull = self(way) + weight * way
            step = np.float32(size / _dot(way, pull))
            alpha, rest = alpha + step * way, rest - step * pull
            eased = ease * rest
            size, before = _dot(rest, eased), size
            way = eased + np.float32(size / before) * way
        return np.clip(alpha, 0, 1)


def _drawn(lines: list[Plane], channels: list[Plane]) -> Plane:
    """Alpha, by each pixel's linear function of its colour."""
    red, green, blue, added = lines
    alpha: Plane = red * channels[0] + green * channels[1] + blue * channels[2] + added
    return alpha


def _channels(image: Plane) -> list[Plane]:
    return list(cv2.split(image))


def _blur(plane: Plane) -> Plane:
    side = 2 * REACH + 1
    return cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT)


def _dot(one: Plane, other: Plane) -> float:
    return float(np.dot(one.ravel(), other.ravel()))
