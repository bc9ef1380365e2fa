"""A soft shadow under the subject, made from its outline."""

import math

import cv2
import numpy as np
from PIL import Image

BLACK = 0.35  # at its darkest
WORK_AT = 512  # longest side, px, of the copy in which it is drawn
LAYERS = ((0.008, 0.012), (0.035, 0.050))  # blur and way down, in sizes of the subject: close contact, wide shade


def shadow_of(alpha: Image.Image) -> Image.Image:
    """How dark the shadow is at each pixel: mode L like the subject's `alpha`, and of its size."""
    factor = min(1.0, WORK_AT / max(alpha.size))
    small = max(1, round(alpha.width * factor)), max(1, round(alpha.height * factor))
    outline = cv2.resize(np.asarray(alpha), small, interpolation=cv2.INTER_AREA).astype(np.float32)
    size = max(1.0, math.sqrt(outline.sum() / 255))
    shade = BLACK * np.mean([_layer(outline, blur * size, down * size) for blur, down in LAYERS], axis=0)
    return Image.fromarray(cv2.resize(shade, alpha.size, interpolation=cv2.INTER_LINEAR).round().astype(np.uint8))


def _layer(outline: np.ndarray, blur: float, down: float) -> np.ndarray:
    """The outline moved down and blurred, in px. At the canvas's edge it goes on beyond."""
    height, width = outline.shape
    move = np.array([[1, 0, 0], [0, 1, down]], np.float32)
    moved = cv2.warpAffine(outline, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return cv2.GaussianBlur(moved, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
