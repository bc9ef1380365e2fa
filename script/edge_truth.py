"""Photos whose alpha is known at every pixel: a furry thing, drawn strand by strand, before a real background."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Numbers = NDArray[Any]

FINER = 3  # it is drawn so many times larger
STRANDS, JOINTS = 4000, 10
BEHIND = {"a wall": ("astronaut", 110, 150), "the sky": ("rocket", 225, 300), "wood": ("coffee", 400, 600)}
NOISE = 0.008  # of a camera: standard deviation, where white is 1


@dataclass(frozen=True)
class Truth:
    """A `photo` (height x width x 3, 0..255), and its subject's `alpha` and `colour` (0..1)."""

    name: str
    photo: NDArray[np.uint8]
    alpha: Numbers
    colour: Numbers

    def error(self, cut: Numbers) -> float:
        """How wrong an RGBA cut-out is on white: the mean (0..1) where alpha is between 0 and 1, and close to that."""
        soft = ((self.alpha > 0.02) & (self.alpha < 0.98)).astype(np.uint8)
        side = max(self.alpha.shape) // 60 | 1
        edge = cv2.dilate(soft, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))) > 0
        found = cut.astype(np.float32) / 255
        wrong = _on_white(found[..., :3], found[..., 3]) - _on_white(self.colour, self.alpha)
        return float(np.abs(wrong)[edge].mean())


def _on_white(colour: Numbers, alpha: Numbers) -> Numbers:
    laid: Numbers = alpha[..., np.newaxis] * (colour - 1) + 1
    return laid


def sample(name: str) -> Numbers:
    """A photo that comes with scikit-image, RGB."""
    return np.asarray(getattr(data, name)())


def furry(behind: str, length: float, side: int = 800, seed: int = 1) -> Truth:
    """A thing with strands of `length` (of the side) before one of `BEHIND`; 0: with a clean outline."""
    random = np.random.default_rng(seed)
    colour, covered = _drawn(random, side * FINER, length)
    alpha = _shrunk(covered, side)
    mixed = _shrunk(colour * covered[..., np.newaxis], side)
    photo, height, width = BEHIND[behind]
    ground: Numbers = cv2.resize(sample(photo)[:height, :width], (side, side)).astype(np.float32) / 255
    ground = cv2.GaussianBlur(ground, (0, 0), side / 250)
    seen = mixed + (1 - alpha[..., np.newaxis]) * ground + random.normal(0, NOISE, mixed.shape)
    colour = mixed / np.maximum(alpha, 1e-3)[..., np.newaxis]
    name = f"{f'fur of {length:.0%}' if length else 'a clean outline'} before {behind}"
    return Truth(name, (255 * np.clip(seen, 0, 1) + 0.5).astype(np.uint8), alpha, colour)


def _shrunk(picture: Numbers, side: int) -> Numbers:
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def _drawn(random: np.random.Generator, side: int, length: float) -> tuple[Numbers, Numbers]:
    """The colours (0..1) of the thing and its strands, and what they cover (0 or 1)."""
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    radius = 0.3 * side * (1 + 0.12 * np.sin(2 * turn + 1) + 0.08 * np.sin(3 * turn + 2) + 0.05 * np.sin(5 * turn))
    outward = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    outline = side / 2 + radius[:, np.newaxis] * outward
    colour = cv2.resize(sample("chelsea")[10:290, 60:420], (side, side), interpolation=cv2.INTER_CUBIC)
    covered = np.zeros((side, side), np.uint8)
    cv2.fillPoly(covered, [outline.astype(np.int32)], (1,))
    for n in random.integers(len(turn), size=STRANDS if length else 0):
        root = outline[n] - 0.02 * side * random.random() * outward[n]
        strand = (16 * _strand(random, root, outward[n], length * side, 0.002 * side)).astype(np.int32)
        column, row = outline[n].astype(int)
        shade = np.clip(colour[row, column] * random.uniform(0.75, 1.25), 0, 255)
        cv2.fillPoly(colour, [strand], shade.tolist(), cv2.LINE_8, 4)
        cv2.fillPoly(covered, [strand], (1,), cv2.LINE_8, 4)
    return colour.astype(np.float32) / 255, covered.astype(np.float32)


def _strand(random: np.random.Generator, root: Numbers, outward: Numbers, length: float, width: float) -> Numbers:
    """The outline of a bent hair that gets thinner, in px."""
    lean = np.arctan2(outward[1], outward[0]) + random.normal(0.35, 0.35)
    way = lean + np.linspace(0, random.normal(0, 0.5), JOINTS)
    along = np.stack([np.cos(way), np.sin(way)], axis=1)
    middle = root + np.cumsum(along, axis=0) * length * random.uniform(0.4, 1.3) / JOINTS
    across = along[:, ::-1] * (-1, 1) * (width * random.uniform(0.6, 1.4) * np.linspace(1, 0.15, JOINTS))[:, np.newaxis]
    return np.vstack([middle + across, (middle - across)[::-1]])
