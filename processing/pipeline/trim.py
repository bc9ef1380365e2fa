"""Finds the empty space around the subject."""

import math

import cv2
import numpy as np
from PIL import Image

from processing.pipeline.layout import Box

FAINT = 12  # of 255: an alpha that nobody sees
TOLERANCE = 12  # of 255: how far the border of an opaque picture may stray from its colour; JPEG strays by less
SOLID = 127  # of 255: an alpha that makes a thing
SPECK = 1e-4  # of the largest thing in the picture: what has less that is solid, and stands apart, is dust
SEARCH_AT = 1024  # longest side, px, of the copy in which dust is looked for


def box_of(image: Image.Image) -> Box:
    """The box of what is not empty: transparent or, in an opaque picture, of its border's colour.

    The whole picture where all of it is empty.
    """
    strength = _strength(image)
    left, top, right, bottom = _without_specks(strength)
    exact = Image.fromarray(strength[top:bottom, left:right] > FAINT).getbbox()
    if exact is None:
        return 0, 0, *image.size
    return left + exact[0], top + exact[1], left + exact[2], top + exact[3]


def _strength(image: Image.Image) -> np.ndarray:
    """Height x width, 0..255: how much is there."""
    if image.mode == "RGBA" and (alpha := np.asarray(image.getchannel("A"))).min() < 255:
        return alpha
    pixels = np.asarray(image.convert("RGB"))
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    colour = np.median(border, axis=0)
    alike = cv2.inRange(pixels, np.maximum(colour - TOLERANCE, 0), np.minimum(colour + TOLERANCE, 255))
    return cv2.bitwise_not(alike)


def _without_specks(strength: np.ndarray) -> Box:
    """A box around all but dust and haze, a few px too large: things are told apart in a reduced copy.

    As with hysteresis thresholds, what is faint counts where it hangs together with enough that is solid.
    """
    height, width = strength.shape
    factor = max(1.0, max(width, height) / SEARCH_AT)
    small = cv2.resize(strength, (math.ceil(width / factor), math.ceil(height / factor)), interpolation=cv2.INTER_AREA)
    number, labels, boxes, _ = cv2.connectedComponentsWithStats(cv2.threshold(small, FAINT, 1, cv2.THRESH_BINARY)[1])
    if number == 1:  # the empty space alone
        return 0, 0, width, height
    solid = np.bincount(labels[small > SOLID], minlength=number)[1:]
    left, top, wide, high = boxes[1:][solid >= SPECK * solid.max(), :4].T
    across, down = width / small.shape[1], height / small.shape[0]
    return (
        math.floor(left.min() * across), math.floor(top.min() * down),
        math.ceil((left + wide).max() * across), math.ceil((top + high).max() * down),
    )  # fmt: skip
