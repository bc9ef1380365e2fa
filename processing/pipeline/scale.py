"""Other sizes of a picture, without fringes at cut-out edges."""

import cv2
import numpy as np
from PIL import Image

from processing.pipeline.layout import Size


def scaled(image: Image.Image, size: Size) -> Image.Image:
    """The picture (RGB, RGBA or L) in another size, at least 1 x 1 px.

    Colours are weighed by their alpha, so that the colour under full transparency never shows. Averaging over the area
    rings at no edge, which Lanczos does, and takes a third of its time.
    """
    if image.size == size:
        return image
    pixels = np.asarray(image)
    smaller = size[0] <= image.width and size[1] <= image.height
    filter = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    if image.mode != "RGBA":
        return Image.fromarray(cv2.resize(pixels, size, interpolation=filter))
    weighed = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGBA2mRGBA), size, interpolation=filter)
    return Image.fromarray(cv2.cvtColor(weighed, cv2.COLOR_mRGBA2RGBA))
