"""A reduced copy of a picture to reckon on, and what was found there brought back to full size, where it is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # float32, 0..1: height x width (x channels)
Bytes = NDArray[Any]  # uint8, 0..255: the same
Places = NDArray[np.intp]  # pixels of the full picture, counted row by row

LEAST = 3  # times too large has to be what is halved: what is left to do then still takes means
ROWS = 64  # of the full picture that are searched at once, and
MOST = 2**14  # px that are held in floats at once, so that memory does not grow with the picture


@dataclass(frozen=True)
class Grid:
    """Height and width in px: of the `full` picture, and of its `small` copy."""

    full: tuple[int, int]
    small: tuple[int, int]

    @classmethod
    def of(cls, full: tuple[int, ...], longest: int) -> "Grid":
        """The one whose longest side has at most so many px; never larger than the picture."""
        height, width = full[:2]
        factor = min(1.0, longest / max(height, width))
        return cls((height, width), (max(1, round(height * factor)), max(1, round(width * factor))))

    @property
    def half(self) -> "Grid":
        """The same picture with a copy of half the size, for what changes slowly."""
        return Grid(self.full, ((self.small[0] + 1) // 2, (self.small[1] + 1) // 2))

    def reduce(self, picture: Bytes) -> Plane:
        """The small copy of a picture or a mask."""
        return shrunk(picture, self.small).astype(np.float32) / 255

    def places(self, where: Bytes) -> Iterator[Places]:
        """Where a plane of the full picture is not 0, some pixels at a time."""
        for top in range(0, self.full[0], ROWS):
            found = np.flatnonzero(where[top : top + ROWS] > 0) + top * self.full[1]
            yield from (found[first : first + MOST] for first in range(0, found.size, MOST))

    def at(self, places: Places, *planes: Plane) -> list[Plane]:
        """What planes of the small copy say of these pixels: 1 x their number (x channels), of each plane."""
        where = np.divmod(places[np.newaxis], self.full[1])
        y, x = (way.take(number) for way, number in zip(self._ways, where, strict=True))
        return [cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for plane in planes]

    @cached_property
    def _ways(self) -> list[Plane]:
        """Where each row and each column of the full picture lies in the small copy."""
        sides = zip(self.full, self.small, strict=True)
        return [((np.arange(full) + 0.5) * small / full - 0.5).astype(np.float32) for full, small in sides]


def shrunk(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A picture of height and width `size`, each px the mean of those that it stands for.

    By halves as far as that goes: of these OpenCV makes several pixels at once.
    """
    while can_halve(picture.shape, size):
        picture = halved(picture)
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)


def can_halve(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether a picture can be halved on its way to height and width `size`."""
    return all(not side % 2 and side >= LEAST * smaller for side, smaller in zip(shape[:2], size, strict=True))


def halved(picture: NDArray[Any]) -> NDArray[Any]:
    return cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA)
