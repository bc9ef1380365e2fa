"""What a network's mask says: without specks, with a smooth outline, and where it is to be believed."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from processing.pipeline.grid import Bytes, Plane

NO, YES = 0.1, 0.9  # below and above, the network means it
FAINT, FULL = 0.03, 0.95  # where it says something between over several cells, there is hair or fur
ISLAND, HOLE = 0.001, 0.0003  # of the subject's area: the largest speck beside it, and in it
LONG = 4  # areas of the structuring element: what is thin and larger is a part, no roughness


@dataclass(frozen=True)
class Doubt:
    """How far from the outline a mask is doubted, in cells (px of the network): a closer look can afford more.

    `edge` on both sides of a clean edge; `spread` around hair, which is where the mask is unsure over `thick` and more.
    """

    edge: float
    thick: float
    spread: float


@dataclass(frozen=True)
class Trimap:
    """1 where a pixel surely is the subject, or surely is not; where neither, alpha is to be found out."""

    subject: Plane
    ground: Plane

    @property
    def unknown(self) -> NDArray[np.bool_]:
        return self.subject + self.ground == 0


def trimap(mask: Plane, cell: float, doubt: Doubt) -> Trimap:
    """Where a mask is to be believed; `cell` is the size in px of one px of the network."""
    edge = _disk(doubt.edge * cell)
    subject, ground = (cv2.erode(sure.astype(np.uint8), edge) for sure in (mask > YES, mask < NO))
    unsure = ((mask > FAINT) & (mask < FULL)).astype(np.uint8)
    hair = cv2.morphologyEx(unsure, cv2.MORPH_OPEN, _disk(doubt.thick * cell))
    bald = 1 - cv2.dilate(hair, _disk(doubt.spread * cell))
    return Trimap((subject * bald).astype(np.float32), (ground * bald).astype(np.float32))


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
    steep: Plane = 2 * cv2.GaussianBlur(opened, (0, 0), max(1.0, 0.6 * cell)) - 0.5
    return np.clip(steep, 0, 1)


def _parts(where: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The number of the connected part that each pixel is in, 0 for the rest; and the area in px of each number."""
    _, parts, found, _ = cv2.connectedComponentsWithStats(where.astype(np.uint8), connectivity=8)
    return parts, found[:, cv2.CC_STAT_AREA]


def _disk(radius: float) -> Bytes:
    side = 2 * max(1, round(radius)) + 1
    kernel: Bytes = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return kernel
