"""The subject's own colour where the old background shines through: blur fusion.

Forte, "Approximate Fast Foreground Colour Estimation" (2021). The blurs are done on a small copy; each full pixel then
gets the colour nearest to that which, with the background's, makes what the photo shows (Germer et al., "Fast
Multi-Level Foreground Estimation", 2020, equation 3 without its neighbours).
"""

import cv2
import numpy as np

from processing.pipeline.grid import Bytes, Grid, Plane, shrunk

SPANS = (1 / 10, 1 / 46, 1 / 170)  # of the longest side: what is averaged, from far to near


def clean(pixels: Bytes, grid: Grid, image: Plane) -> None:
    """Change the colours of an RGBA picture in place, only where alpha is between 0 and 255; `image` is on its grid."""
    grid = grid.half
    alpha = cv2.extractChannel(pixels, 3)
    subject, ground = _blurred(shrunk(image, grid.small), grid.reduce(alpha))
    whole = pixels.view(np.uint32).ravel()  # one number for each pixel: gathers fast
    for places in grid.places(cv2.inRange(alpha, 1, 254)):
        near, behind = (plane[0] for plane in grid.at(places, subject, ground))
        whole[places] = _fused(whole[places].view(np.uint8).reshape(-1, 4), near, behind).view(np.uint32).ravel()


def _fused(shown: Bytes, near: Plane, behind: Plane) -> Bytes:
    """Pixels (n x 4) in the subject's colour: the ones around (n x 3), and what is left to explain."""
    colour, alpha = shown[:, :3].astype(np.float32) / 255, shown[:, 3:].astype(np.float32) / 255
    left = colour - alpha * near - (1 - alpha) * behind
    fused = np.clip(near + alpha / (alpha**2 + (1 - alpha) ** 2) * left, 0, 1)
    return np.hstack([(255 * fused + 0.5).astype(np.uint8), shown[:, 3:]])


def _blurred(image: Plane, alpha: Plane) -> tuple[Plane, Plane]:
    """The colours (height x width x 3) of the subject and of the background around each pixel."""
    alpha = alpha[..., np.newaxis]
    subject = ground = image
    for span in SPANS:
        side = max(3, round(span * max(alpha.shape)))
        near, behind = _mean(subject, alpha, side), _mean(ground, 1 - alpha, side)
        subject, ground = np.clip(near + alpha * (image - alpha * near - (1 - alpha) * behind), 0, 1), behind
    return near, behind


def _mean(colours: Plane, weight: Plane, side: int) -> Plane:
    """The weighted mean of the colours in the square around each pixel."""
    most = cv2.blur(weight, (side, side))[..., np.newaxis]
    return cv2.blur(colours * weight, (side, side)) / (most + np.float32(1e-5))
