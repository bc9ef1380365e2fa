"""A reduced copy of a picture to reckon on, and what was found there brought back to full size, tile by tile."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]  # float32, 0..1: height x width (x channels)
Bytes = NDArray[Any]  # uint8, 0..255: the same
Tile = tuple[slice, slice]  # rows, columns

TILE = 256  # px: what is held in floats at once, so that memory does not grow with the picture


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

    def enlarge(self, plane: Plane, tile: Tile) -> Plane:
        """Of a plane of the small copy, what lies under a tile of the full picture."""
        rows, columns = tile
        y, x = self._scale
        move = np.array([[x, 0, (columns.start + 0.5) * x - 0.5], [0, y, (rows.start + 0.5) * y - 0.5]])
        size = (columns.stop - columns.start, rows.stop - rows.start)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(plane, move, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)

    def tiles(self) -> Iterator[Tile]:
        """The full picture, part by part."""
        for top, left in product(*(range(0, side, TILE) for side in self.full)):
            yield slice(top, min(top + TILE, self.full[0])), slice(left, min(left + TILE, self.full[1]))

    def under(self, tile: Tile) -> Tile:
        """The part of the small copy that a tile is drawn from."""
        rows, columns = (
            slice(max(0, int(part.start * scale) - 1), int(part.stop * scale) + 2)
            for part, scale in zip(tile, self._scale, strict=True)
        )
        return rows, columns

    @property
    def _scale(self) -> tuple[float, float]:
        return self.small[0] / self.full[0], self.small[1] / self.full[1]


def shrunk(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A picture of height and width `size`, each px the mean of those that it stands for."""
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)
