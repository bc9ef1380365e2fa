"""Makes the edge of a cut-out follow the photo, and takes the old background's colour out of it."""

import cv2
import numpy as np
from PIL import Image

from processing import catalogue
from processing.pipeline import foreground, matting
from processing.pipeline.background import standing_out
from processing.pipeline.grid import Bytes, Grid, Plane
from processing.pipeline.mask import Care, smoothed, trimap, without_specks
from processing.pipeline.pixels import pixels_of
from processing.pipeline.step import Picture, Step
from processing.recipe import Recipe

CARE = {
    "guided": Care(longest=512, rounds=(10, 5, 2), faint=0.1, thick=1, spread=4, hunch=0.006, deep=9),
    "matting": Care(longest=768, rounds=(20, 10, 5, 2), faint=0.03, thick=1.6, spread=7, hunch=0.001, deep=20),
}


def refine(picture: Picture, recipe: Recipe) -> list[Picture]:
    """The same cut-out with better edges. What was see-through before stays so, and keeps its colour."""
    pixels = pixels_of(picture.image)
    before = np.asarray(picture.original)[..., 3] if picture.original.mode == "RGBA" else None
    if before is not None:
        pixels[..., :3] = np.asarray(standing_out(picture.original))
        pixels[..., 3] = np.minimum(255 * pixels[..., 3].astype(int) // np.maximum(before, 1), 255)
    network = max(catalogue.MODELS[recipe.model].input_size)
    care = CARE.get(recipe.refine, CARE["guided"])
    grid = Grid.of(pixels.shape, max(care.longest, network))
    small = grid.reduce(pixels)
    if recipe.refine != "none":
        small[..., 3] = without_specks(small[..., 3])
        cv2.insertChannel(_edges(pixels, grid, small, recipe.refine, max(grid.small) / network), pixels, 3)
    if recipe.decontaminate:
        foreground.clean(pixels, grid, small[..., :3])
    if before is not None:
        _restore(pixels, before, picture)
    return [picture.having(Image.fromarray(pixels))]


def _edges(pixels: Bytes, grid: Grid, small: Plane, how: str, cell: float) -> Bytes:
    """The alpha of an RGBA picture, whose own is the network's mask; `small` is its copy on the grid."""
    if how == "smooth":
        smooth = (255 * smoothed(small[..., 3], cell) + 0.5).astype(np.uint8)
        return cv2.resize(smooth, grid.full[::-1], interpolation=cv2.INTER_CUBIC)
    return matting.alpha_of(pixels, grid, small, trimap(small[..., 3], cell, CARE[how]), CARE[how])


def _restore(pixels: Bytes, before: Bytes, picture: Picture) -> None:
    """What the photo's own transparency says, in place."""
    pixels[..., 3] = np.minimum(pixels[..., 3], before)
    np.copyto(pixels[..., :3], np.asarray(picture.original)[..., :3], where=before[..., np.newaxis] < 255)


STEP = Step(
    "refine",
    "Refining the edges",
    lambda recipe: recipe.remove_bg and (recipe.refine != "none" or recipe.decontaminate),
    refine,
)
