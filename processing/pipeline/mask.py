"""What a network's mask says: without specks, with a smooth outline, and where it is to be believed."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.pipeline.grid import Bytes, Plane

NO, YES = 0.1, 0.9  # below and above, the network means it
EDGE = 0.4  # cells on both sides of a clean edge that are to be found out
THIN, STEEP = 3, 0.6  # a ridge of so few cells that stands out so far is a part, and a valley a gap: both are sure
ISLAND, HOLE = 0.001, 0.0003  # of the subject's area: the largest speck beside it, and in it
BLUR = 1.0  # cells: standard deviation
LONG = 4  # areas of the structuring element: what is thin and larger is a part, no roughness


@dataclass(frozen=True)
class Care:
    """How closely an edge is looked at, and how far the mask is doubted. Lengths are in cells: px of the network.

    Hair is where the mask says something between (`faint` at least) over `thick` and more, and `spread` around it.
    There the colours decide, and the mask with a weight of `hunch`; beyond `deep` from anything known, with more, as
    colours lead astray. Solved on a copy of `longest` px; the last of `rounds` on it, the others on halves of halves.
    """

    longest: int
    rounds: tuple[int, ...]
    faint: float
    thick: float
    spread: float
    hunch: float
    deep: float


@dataclass(frozen=True)
class Trimap:
    """1 where a pixel surely is the subject, or surely is not; where neither, alpha is to be found out.

    `depth` is how far from known pixels that is, in cells.
    """

    subject: Plane
    ground: Plane
    depth: Plane

    @property
    def unknown(self) -> NDArray[np.bool_]:
        return self.depth > 0


def trimap(mask: Plane, cell: float, care: Care) -> Trimap:
    """Where a mask is to be believed; `cell` is the size in px of one px of the network."""
    unsure = ((mask > care.faint) & (mask < 1 - care.faint)).astype(np.uint8)
    hair = cv2.morphologyEx(unsure, cv2.MORPH_OPEN, _disk(care.thick * cell))
    bald = 1 - cv2.dilate(hair, _disk(care.spread * cell))
    edge, thin = _disk(EDGE * cell), _disk(THIN * cell)
    sure = [cv2.erode(certain.astype(np.uint8), edge) * bald for certain in (mask > YES, mask < NO)]
    parts = [cv2.morphologyEx(mask, how, thin) > STEEP for how in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)]
    subject, ground = (np.maximum(*both).astype(np.float32) for both in zip(sure, parts, strict=True))
    away = cv2.distanceTransform((subject + ground == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
    return Trimap(subject, ground, np.minimum(away, max(mask.shape)) / np.float32(cell))  # nothing known: infinite


def without_specks(mask: Plane) -> Plane:
    """The mask without islands and holes that are tiny beside the subject."""
    islands, areas = _parts(mask > NO)
    subject = areas[1:].max(initial=0)
    mask = np.where((areas < ISLAND * subject)[islands], np.float32(0), mask)
    holes, areas = _parts(mask < YES)
    return np.where((areas < HOLE * subject)[holes], np.float32(1), mask)


def smoothed(mask: Plane, cell: float) -> Plane:
    """The mask with a smooth outline: closed and opened, then blurred. Opening spares what is thin but long."""
    kernel = _disk(0.5 * cell)
    closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel)
    thin = closed - cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel)
    parts, areas = _parts(thin > NO)
    opened = closed - np.where((areas < LONG * kernel.sum())[parts], thin, np.float32(0))
    steep: Plane = np.clip(2 * cv2.GaussianBlur(opened, (0, 0), max(1.0, BLUR * cell)) - 0.5, 0, 1)
    return steep


def _parts(where: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The number of the connected part that each pixel is in, 0 for the rest; and the area in px of each number."""
    _, parts, found, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    return parts, found[:, cv2.CC_STAT_AREA]


def _disk(radius: float) -> Bytes:
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
